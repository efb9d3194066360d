"""``kill -9`` of the engine: the places that callbacks keep, and who is signed in, outlive it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from queues.events import CallbackEnded, CallbackPlaced
from router.events import CallArrived, CallEnded
from tests.wire.floor_talks import (
    Outside,
    answers,
    asked,
    comments,
    facts_of,
    floor_configuration,
    hears,
    presence,
    replays_alike,
)
from tests.wire.phones.pjsip import Pjsip
from tests.wire.system import System, eventually
from tests.wire.talks import AGENT_HZ, Room
from tests.wire.test_restart_wire import kill_the_engine

WAITING, RINGING = 10, 11


async def _asks(room: Room, caller: Outside) -> str:
    """A callback is promised; the id of the call."""
    await room.caller(phone=caller)
    await asyncio.sleep(0.5)
    await caller.line.press("1")
    await asyncio.wait_for(caller.over.wait(), 12)
    (ticket,) = await asyncio.to_thread(room.system.wait_for_tickets, caller.user, 1)
    return str(ticket["call"])


async def _talks(room: Room, caller: Outside, phone: Pjsip, call: str) -> None:
    caller.answer()
    await answers(phone)
    await hears(caller, AGENT_HZ, "the agent")
    caller.hang_up()
    await phone.wait("over", 3)

    def noted() -> bool:
        return "Called back and connected" in comments(room.system, call)

    await asyncio.to_thread(eventually, noted, "the comment")
    facts = await asyncio.to_thread(facts_of, room.system, call)
    for kind in (CallArrived, CallEnded, CallbackPlaced, CallbackEnded):
        assert len([fact for fact in facts if isinstance(fact, kind)]) == 1, kind


async def _killed_while_it_waits(room: Room, caller: Outside) -> None:
    """Nobody was there to call back; after the crash somebody comes."""
    extension = room.agents[0]
    async with room:
        phone = await room.phone(Pjsip, extension, AGENT_HZ)
        call = await _asks(room, caller)
        await asyncio.to_thread(kill_the_engine, room.system)
        (place,) = (await asked(room, "GET", "/callbacks"))["items"]
        assert (place["call"], place["position"]) == (call, 1)
        await room.sign_in(extension)
        await caller.wait_for_ring()
        await _talks(room, caller, phone, call)


async def _killed_while_it_rings(room: Room, caller: Outside) -> None:
    """The caller's phone rings on, for the agent who is still held for the call."""
    extension = room.agents[0]
    async with room:
        phone = await room.phone(Pjsip, extension, AGENT_HZ)
        call = await _asks(room, caller)
        await room.sign_in(extension)
        await caller.wait_for_ring()
        await asyncio.to_thread(kill_the_engine, room.system)
        assert not caller.over.is_set()
        assert await presence(room, extension) == "reserved"
        await _talks(room, caller, phone, call)


async def test_callbacks_outlive_the_engine(tmp_path: Path) -> None:
    homes = [Outside(f"+3715100{group}", f"127.0.0.{group}") for group in (WAITING, RINGING)]
    queues = {
        WAITING: {"callback": "{retry_s: 1}"},
        RINGING: {"callback": "{retry_s: 1}"},
    }
    system = System(tmp_path, floor_configuration(queues, outside=homes))
    system.start()
    try:
        for scene, group, home in (
            (_killed_while_it_waits, WAITING, homes[0]),
            (_killed_while_it_rings, RINGING, homes[1]),
        ):
            home.meet(system.sip)
            await scene(Room(system, tmp_path, group), home)
        await asyncio.to_thread(system.nothing_is_left)
        await asyncio.to_thread(replays_alike, system)
    finally:
        system.stop()
    complaints = [line for line in system.complaints() if "died after" not in line]
    assert not complaints, complaints
