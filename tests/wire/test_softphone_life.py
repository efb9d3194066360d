"""A phone's day: it restarts, its connection breaks, it is on hold from either side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from recordings import measure
from router.events import CallHeld, CallResumed
from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.base import Phone
from tests.wire.phones.pjsip import Pjsip
from tests.wire.system import System
from tests.wire.talks import AGENT_HZ, CALLER_HZ, OTHER_HZ, Room, configuration, together

CONFIG = configuration()
TALK_S = 1.0


async def _talk(phone: Phone) -> None:
    await phone.wait("ringing")
    await phone.answer()
    await phone.wait("up")
    await asyncio.sleep(TALK_S)


async def _presence(room: Room, extension: str) -> str:
    async with room.client() as client:
        return str((await client.get(f"/agents/a{extension}")).json()["presence"])


async def _restarted(room: Room, kind: type[Phone]) -> None:
    """It died without a word and came back at another port: it is rung there, and that nobody
    answers at the old one is not held against the agent."""
    extension = room.agents[0]
    async with room:
        before = await room.phone(kind, extension, OTHER_HZ)
        await before.kill()
        again = Room(room.system, room.folder / "again", int(extension) // 10)
        async with again:
            phone = await again.phone(kind, extension, AGENT_HZ)
            await again.sign_in(extension)
            caller = await again.caller()
            await _talk(phone)
            heard = caller.line.samples()[-round(TALK_S * sound.RATE) + 4000 :]
            await sound.hold_tone(heard, AGENT_HZ, where="the caller")
            caller.hang_up()
            await phone.wait("over", 3)
            left = await again.left_by()
            assert (left.ticket["outcome"], left.record["offers"]) == ("answered", 1)
            await asyncio.sleep(0.5)
            assert await _presence(again, extension) == "available"


async def _connection_gone(room: Room) -> None:
    """A phone over TCP dies: without a connection there is no way to it, so nobody waits."""
    first, second, _ = room.agents
    async with room:
        dead = await room.phone(Pjsip, first, AGENT_HZ, transport="tcp")
        willing = await room.softphone(second, OTHER_HZ)
        await room.sign_in(first, second)
        await dead.kill()
        await asyncio.sleep(0.3)
        begun = time.monotonic()
        caller = await room.caller()
        await asyncio.wait_for(willing.up.wait(), 3)
        assert time.monotonic() - begun < 1.5
        await asyncio.sleep(1.0)
        caller.hang_up()
        left = await room.left_by()
        assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", f"a{second}")


async def _holds_and_goes(room: Room, kind: type[Phone], *, agent_hangs_up: bool) -> None:
    """Hung up while on hold, by who holds or by who is held."""
    async with room:
        phone = await room.phone(kind, room.agents[0], AGENT_HZ)
        await room.sign_in(room.agents[0])
        caller = await room.caller()
        await _talk(phone)
        await phone.hold()
        await asyncio.sleep(0.5)
        if agent_hangs_up:
            await phone.hang_up()
            await asyncio.wait_for(caller.over.wait(), 3)
        else:
            caller.hang_up()
        await phone.wait("over", 3)
        left = await room.left_by()
        assert left.ticket["outcome"] == "answered"
        assert len(left.times(CallHeld)) == 1
        await asyncio.sleep(0.5)
        assert await _presence(room, room.agents[0]) == "available"


def _is_music(heard: Sequence[int], hz: float) -> None:
    loud = measure.rms_dbfs(heard)
    assert loud > -45, f"silence on hold: {loud:.0f} dBFS"
    assert measure.tone_level(heard, sound.RATE, hz) < loud - 10, "the holder's own sound"


async def _caller_holds(room: Room) -> None:
    """The caller's PJSIP holds and resumes, twice: the agent hears music, then the caller."""
    system, extension = room.system, room.agents[0]
    async with room:
        agent = await room.softphone(extension, AGENT_HZ)
        await room.sign_in(extension)
        caller = await room.phone(Pjsip, "holder", CALLER_HZ, host="127.0.0.2")
        await caller.dial(f"sip:{room.queue}@{system.sip[0]}:{system.sip[1]}")
        await asyncio.wait_for(agent.up.wait(), 5)
        await asyncio.sleep(0.5)
        for _ in range(2):
            await caller.hold()
            await asyncio.sleep(0.4)
            before = len(agent.line.heard)
            await asyncio.sleep(0.8)
            _is_music(agent.line.samples()[before:], CALLER_HZ)
            await caller.resume()
            await asyncio.sleep(0.4)
            before = len(agent.line.heard)
            await asyncio.sleep(0.8)
            heard = agent.line.samples()[before:]
            await sound.hold_tone(heard, CALLER_HZ, where="the agent, after the hold")
        agent.hang_up()
        await caller.wait("over", 3)
        left = await room.left_by("holder")
        assert len(left.times(CallHeld)) == len(left.times(CallResumed)) == 2


async def test_a_phone_s_day(system: System, tmp_path: Path) -> None:
    def room(group: int) -> Room:
        return Room(system, tmp_path, group)

    await together(
        _restarted(room(10), Baresip),
        _restarted(room(11), Pjsip),
        _connection_gone(room(12)),
        _holds_and_goes(room(13), Baresip, agent_hangs_up=False),
        _holds_and_goes(room(14), Pjsip, agent_hangs_up=True),
        _caller_holds(room(15)),
    )
