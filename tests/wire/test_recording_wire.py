"""A recording lies on the wire's clock within 20 ms: over loss, over hold, with others' phones.

Both sides send bursts. What the recording holds is compared with when they were sent, or, for
somebody else's phone, with when the caller's phone got them (a relay delays by under 1 ms).
"""

from __future__ import annotations

import asyncio
import math
import struct
import time
import wave
from collections.abc import Sequence
from pathlib import Path

from recordings import measure
from router.events import CallConnected, CallHeld, CallResumed, RecordingClosed
from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.base import Phone
from tests.wire.phones.pjsip import Pjsip
from tests.wire.system import System
from tests.wire.talks import AGENT_HZ, CALLER_HZ, Left, Room, configuration, together
from tests.wire.timed_line import TimedLine, TimedPhone, at_trunk, onsets

CONFIG = configuration()
WITHIN_S = 0.020
HOLD_S = 1.6


def _within(times: Sequence[float], *spans: tuple[float, float]) -> list[float]:
    return [at for at in times if any(begin <= at <= end for begin, end in spans)]


def _check(left: Left, side: int, bursts: Sequence[float], least: int) -> float:
    """The worst error; each burst within 20 ms of its time, absolutely."""
    assert len(bursts) >= least, f"only {len(bursts)} bursts to judge by"
    started = left.fact(RecordingClosed).started
    off = onsets(left.wav.channels[side], started, bursts)
    assert max(map(abs, off)) <= WITHIN_S, [f"{error * 1000:.1f} ms" for error in off]
    return max(map(abs, off))


def _holds_music(heard: Sequence[int], hz: float) -> None:
    """Not silence, not the other side's tone, and no long breaks."""
    loud = measure.rms_dbfs(heard)
    assert loud > -45, f"silence on hold: {loud:.0f} dBFS"
    own = measure.tone_level(heard, sound.RATE, hz)
    assert own < loud - 10, f"the holder's own sound: {own:.0f} of {loud:.0f} dBFS"


async def _loss_and_hold(room: Room) -> None:
    """Both lose packets; first the agent, then the caller holds and resumes."""
    system, extension = room.system, room.agents[0]
    async with room:
        line = TimedLine("127.0.0.1", AGENT_HZ, first=25, drop=0.05)
        agent = TimedPhone(system, extension, line, system.password(extension))
        await room.softphone(extension, AGENT_HZ, agent)
        await room.sign_in(extension)
        caller = TimedPhone(system, room.stranger, at_trunk(CALLER_HZ, drop=0.05))
        await room.caller(phone=caller)
        await asyncio.wait_for(agent.up.wait(), 5)
        await asyncio.sleep(2.0)
        for holder in (agent, caller):
            await holder.change("sendonly")
            await asyncio.sleep(HOLD_S)
            await holder.change("sendrecv")
            await asyncio.sleep(2.0)
        ended = time.time()
        caller.hang_up()
        await asyncio.wait_for(agent.over.wait(), 3)
        left = await room.left_by()
        begun = left.times(CallConnected)[0] + 0.3
        held, resumed = left.times(CallHeld), left.times(CallResumed)
        assert len(held) == len(resumed) == 2
        agents = (begun, held[0] - 0.1), (resumed[0] + 0.1, ended - 0.4)
        callers = (begun, held[1] - 0.1), (resumed[1] + 0.1, ended - 0.4)
        _check(left, 0, _within(caller.line.bursts_sent(), *callers), 5)
        _check(left, 1, _within(agent.line.bursts_sent(), *agents), 5)
        again = resumed[1] + 0.1, ended - 0.1
        for phone in (agent, caller):
            assert len(_within(phone.line.bursts_heard(), again)) >= 1, f"{phone.user} is deaf"
        assert left.ticket["outcome"] == "answered"


def _write_bursts(path: Path) -> Path:
    """0.2 s of tone in each 0.8 s, for a minute."""
    path.parent.mkdir(parents=True, exist_ok=True)
    one = [
        round(32767 * sound.LEVEL * math.sin(2 * math.pi * AGENT_HZ * n / sound.RATE))
        if n < 1600
        else 0
        for n in range(6400)
    ]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sound.RATE, 0, "NONE", ""))
        file.writeframes(struct.pack(f"<{len(one)}h", *one) * 75)
    return path


async def _phone_holds(room: Room, kind: type[Phone]) -> None:
    """The caller hears music meanwhile; after it both sides still lie where they were."""
    system, extension = room.system, room.agents[0]
    async with room:
        phone = await room.phone(kind, extension, _write_bursts(room.folder / "bursts.wav"))
        await room.sign_in(extension)
        caller = TimedPhone(system, room.stranger, at_trunk(CALLER_HZ))
        await room.caller(phone=caller)
        await phone.wait("ringing")
        await phone.answer()
        await phone.wait("up")
        await asyncio.sleep(2.0)
        await phone.hold()
        await asyncio.sleep(0.4)
        before = len(caller.line.heard)
        await asyncio.sleep(HOLD_S)
        _holds_music(caller.line.samples()[before:], AGENT_HZ)
        await phone.resume()
        await asyncio.sleep(3.0)
        ended = time.time()
        await phone.hang_up()
        await asyncio.wait_for(caller.over.wait(), 3)
        left = await room.left_by()
        begun = left.times(CallConnected)[0] + 0.6
        (held,), (resumed,) = left.times(CallHeld), left.times(CallResumed)
        talked = (begun, held - 0.1), (resumed + 0.4, ended - 0.4)
        _check(left, 0, _within(caller.line.bursts_sent(), (begun, ended - 0.4)), 5)
        _check(left, 1, _within(caller.line.bursts_heard(), *talked), 3)
        assert left.fact(CallHeld).leg == left.fact(CallResumed).leg
        assert left.ticket["outcome"] == "answered"


async def test_recordings_lie_on_the_wire_s_clock(system: System, tmp_path: Path) -> None:
    await together(
        _loss_and_hold(Room(system, tmp_path, 10)),
        _phone_holds(Room(system, tmp_path, 11), Pjsip),
        _phone_holds(Room(system, tmp_path, 12), Baresip),
    )
