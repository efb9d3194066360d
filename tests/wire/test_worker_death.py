"""kill -9 of a media worker under a talk: the call goes on, and so does its recording."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from main.demo.rtp_line import tone
from main.demo.softphone import Softphone
from recordings import measure
from tests.wire import system as whole

CALLER_HZ, AGENT_HZ = 440.0, 660.0


async def _talking(system: whole.System) -> tuple[Softphone, Softphone]:
    agent = Softphone("101", system.password("101"), "127.0.0.1", system.sip)
    await agent.start()
    await agent.register()
    agent.line.speak(tone(AGENT_HZ))
    async with system.async_client() as client:
        answer = await client.post("/agents/anna/presence", json={"presence": "available"})
        answer.raise_for_status()
    caller = Softphone("+37120000001", "", whole.TRUNK, system.sip)
    await caller.start()
    caller.line.speak(tone(CALLER_HZ))
    caller.call("100")
    await asyncio.wait_for(caller.up.wait(), 5)
    await caller.line.press("1")
    await asyncio.wait_for(agent.up.wait(), 10)
    return caller, agent


async def _hears_again(phone: Softphone, within_s: float) -> None:
    """A second of sound arrives within the time."""
    before = len(phone.line.heard)
    for _ in range(round(within_s / 0.05)):
        await asyncio.sleep(0.05)
        if len(phone.line.heard) > before + 8000:
            return
    raise AssertionError(f"{phone.user} heard {len(phone.line.heard) - before} samples")


async def _story(system: whole.System) -> None:
    caller, agent = await _talking(system)
    await asyncio.sleep(2.0)
    for name, pid in system.pids().items():
        if name.startswith("media"):
            os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.3)
    await _hears_again(caller, 6.0)
    await _hears_again(agent, 3.0)
    await asyncio.sleep(1.0)
    caller.hang_up()
    await asyncio.wait_for(agent.over.wait(), 5)
    caller.vanish()
    agent.vanish()


def test_a_talk_survives_its_worker(tmp_path: Path) -> None:
    system = whole.System(tmp_path)
    system.start()
    try:
        asyncio.run(_story(system))
        calls = whole.eventually(
            lambda: [row for row in system.calls() if row["recording_sha256"]],
            "the recording is finished",
        )
    finally:
        system.stop()
    assert [row["outcome"] for row in calls] == ["answered"]
    wav = measure.read_wav(tmp_path / "recordings" / f"{calls[0]['recording']}.wav")
    tones = (CALLER_HZ, AGENT_HZ)
    for part in (slice(4_000, 12_000), slice(-12_000, -4_000)):  # before and after the death
        assert measure.dominant_tone(wav.channels[0][part], wav.rate, tones) == CALLER_HZ
        assert measure.dominant_tone(wav.channels[1][part], wav.rate, tones) == AGENT_HZ
