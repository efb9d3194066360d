"""Callbacks that keep the place: asked for, hung up, dialled when an agent is there, noted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from queues.events import CallbackEnded, CallbackMissed, CallbackPlaced
from router.events import CallArrived, CallConnected, CallEnded
from tests.wire.floor_talks import (
    Outside,
    answers,
    asked,
    comments,
    facts_of,
    floor_configuration,
    heard_last,
    hears,
    presence,
    replays_alike,
)
from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.pjsip import Pjsip
from tests.wire.system import System, eventually, running
from tests.wire.talks import AGENT_HZ, CALLER_HZ, OTHER_HZ, Room, together

TALK, PLACE, BUSY, CANCELLED, HELD, NEXT, IMPATIENT = range(10, 17)
GROUPS: Mapping[int, Mapping[str, str]] = {
    TALK: {},
    PLACE: {},
    BUSY: {"callback": "{attempts: 2, retry_s: 1, ring_s: 5}"},
    CANCELLED: {},
    HELD: {},
    NEXT: {"ring_timeout_s": "1.5"},
    IMPATIENT: {},
}


@pytest.fixture(scope="module")
def homes() -> dict[int, Outside]:
    """A caller's phone for each scene, at an address that is a trunk."""
    return {group: Outside(f"+3715000{group}", f"127.0.0.{group}") for group in GROUPS}


@pytest.fixture(scope="module")
def system(homes: dict[int, Outside], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    config = floor_configuration(GROUPS, outside=tuple(homes.values()))
    with running(tmp_path_factory.mktemp("callbacks"), config) as system:
        for phone in homes.values():
            phone.meet(system.sip)
        yield system


async def _asks(room: Room, caller: Outside) -> None:
    """The caller waits, presses 1, hears that they will be called, and is hung up."""
    await room.caller(phone=caller)
    await asyncio.sleep(0.5)
    await caller.line.press("1")
    await asyncio.wait_for(caller.over.wait(), 12)
    (ticket,) = await asyncio.to_thread(room.system.wait_for_tickets, caller.user, 1)
    assert (ticket["outcome"], ticket["status"]) == ("callback-requested", "open")


async def _places(room: Room) -> list[str]:
    """Calls of this group's queue that a callback keeps a place for."""
    items = (await asked(room, "GET", "/callbacks"))["items"]
    return [item["call"] for item in items if item["queue"] == f"g{room.queue[1:]}"]


async def _commented(room: Room, call: str, text: str) -> None:
    def look() -> bool:
        return any(text in found for found in comments(room.system, call))

    await asyncio.to_thread(eventually, look, f"the comment {text!r}")


async def _called_back(room: Room, caller: Outside) -> None:
    """An agent signs in: reserved, the caller is dialled, then the agent's phone rings."""
    extension = room.agents[0]
    async with room:
        phone = await room.phone(Pjsip, extension, AGENT_HZ)
        await _asks(room, caller)
        assert len(await _places(room)) == 1
        await room.sign_in(extension)
        await caller.wait_for_ring()
        assert caller.rung == [caller.user]
        assert await presence(room, extension) == "reserved"
        assert not phone.pending("ringing"), "the caller first"
        caller.answer()
        await answers(phone)
        await hears(caller, AGENT_HZ, "the agent")
        caller.hang_up()
        await phone.wait("over", 3)
        await heard_last(phone, CALLER_HZ)
        left = await room.left_by(caller.user)
        await _commented(room, left.ticket["call"], "Called back and connected")
        assert (left.ticket["agent"], left.ticket["outcome"]) == (
            f"a{extension}",
            "callback-requested",
        )
        (ticket,) = room.system.tickets(caller.user)
        assert ticket["status"] == "awaiting-disposition"
        for kind in (CallArrived, CallEnded, CallbackPlaced, CallConnected, CallbackEnded):
            assert len(left.times(kind)) == 1, kind
        middle = round(0.5 * sound.RATE)
        for name, side, hz in zip(
            ("left", "right"), left.wav.channels, (CALLER_HZ, AGENT_HZ), strict=True
        ):
            await sound.hold_tone(side[-3 * middle : -middle], hz, where=f"the recording, {name}")


async def _keeps_the_place(room: Room, caller: Outside) -> None:
    """Who came later waits on the line while the first is called back; who came before is not
    overtaken."""
    extension = room.agents[0]
    async with room:
        phone = await room.phone(Baresip, extension, AGENT_HZ)
        before = await room.caller(f"{room.stranger}1")
        await _asks(room, caller)
        after = await room.caller(f"{room.stranger}2")
        await room.sign_in(extension)
        await answers(phone)
        await hears(before, AGENT_HZ, "the agent")
        assert caller.rung == []
        before.hang_up()
        await phone.wait("over", 3)
        await caller.wait_for_ring()
        assert not phone.pending("ringing")
        caller.answer()
        await answers(phone)
        await hears(caller, AGENT_HZ, "the agent")
        caller.hang_up()
        await phone.wait("over", 3)
        await answers(phone)
        await hears(after, AGENT_HZ, "the agent")
        after.hang_up()


async def _nobody_at_home(room: Room, caller: Outside) -> None:
    """Busy at both attempts: the agent is free again at once, the ticket says so and stays open."""
    extension = room.agents[0]
    async with room:
        phone = await room.phone(Pjsip, extension, AGENT_HZ)
        await _asks(room, caller)
        await room.sign_in(extension)
        for _ in range(2):
            await caller.wait_for_ring()
            caller.refuse(486)
            await asyncio.sleep(0.3)
            assert await presence(room, extension) == "available"
        await asyncio.sleep(1.5)
        assert len(caller.rung) == 2
        assert not phone.pending("ringing")
        assert await _places(room) == []
        (ticket,) = room.system.tickets(caller.user)
        assert ticket["status"] == "open"
        facts = await asyncio.to_thread(facts_of, room.system, ticket["call"])
        assert [e.cause for e in facts if isinstance(e, CallbackMissed)] == ["busy", "busy"]
        await _commented(room, ticket["call"], "Callback given up")


async def _cancelled(room: Room, caller: Outside) -> None:
    """A supervisor gives it up: nobody is dialled."""
    extension = room.agents[0]
    async with room:
        await room.phone(Pjsip, extension, AGENT_HZ)
        await _asks(room, caller)
        (call,) = await _places(room)
        await asked(room, "DELETE", f"/callbacks/{call}")
        assert await _places(room) == []
        await room.sign_in(extension)
        await asyncio.sleep(0.7)
        assert caller.rung == []
        assert await presence(room, extension) == "available"


async def _agent_leaves(room: Room, caller: Outside) -> None:
    """The reserved agent signs out while the caller's phone rings: it stops, the place stays."""
    first, second, _ = room.agents
    async with room:
        phone = await room.phone(Pjsip, second, AGENT_HZ)
        await room.softphone(first, AGENT_HZ)
        await _asks(room, caller)
        await room.sign_in(first)
        await caller.wait_for_ring()
        await room.presence(first, "signed-out")
        await asyncio.wait_for(caller.over.wait(), 2)
        assert len(await _places(room)) == 1
        await room.sign_in(second)
        await caller.wait_for_ring()
        caller.answer()
        await answers(phone)
        await hears(caller, AGENT_HZ, "the second")
        await phone.hang_up()
        await asyncio.wait_for(caller.over.wait(), 3)


async def _agent_does_not_answer(room: Room, caller: Outside) -> None:
    """The caller is on the line already: stays there, with music, until the next one answers."""
    first, second, _ = room.agents
    async with room:
        asleep = await room.phone(Baresip, first, OTHER_HZ)
        awake = await room.phone(Pjsip, second, AGENT_HZ)
        await _asks(room, caller)
        await room.sign_in(first)
        await caller.wait_for_ring()
        caller.answer()
        await asleep.wait("ringing")
        await asleep.wait("over", 4)
        assert not caller.over.is_set()
        await room.sign_in(second)
        await answers(awake)
        await hears(caller, AGENT_HZ, "the second")
        caller.hang_up()
        left = await room.left_by(caller.user)
        await _commented(room, left.ticket["call"], "Called back and connected")
        assert left.ticket["agent"] == f"a{second}"
        assert len(caller.rung) == 1


async def _caller_gives_up(room: Room, caller: Outside) -> None:
    """Called back, and gone before the agent answered: the agent is free, the ticket says so."""
    extension = room.agents[0]
    async with room:
        phone = await room.phone(Pjsip, extension, AGENT_HZ)
        await _asks(room, caller)
        await room.sign_in(extension)
        await caller.wait_for_ring()
        caller.answer()
        await phone.wait("ringing")
        caller.hang_up()
        await phone.wait("over", 3)
        assert await presence(room, extension) == "available"
        (ticket,) = room.system.tickets(caller.user)
        assert ticket["status"] == "open"
        await _commented(room, ticket["call"], "hung up before an agent answered")
        assert await _places(room) == []


async def test_callbacks(system: System, homes: dict[int, Outside], tmp_path: Path) -> None:
    """Talks, places, attempts, ends."""

    def scene(group: int) -> tuple[Room, Outside]:
        return Room(system, tmp_path, group), homes[group]

    await together(
        _called_back(*scene(TALK)),
        _keeps_the_place(*scene(PLACE)),
        _nobody_at_home(*scene(BUSY)),
        _cancelled(*scene(CANCELLED)),
        _agent_leaves(*scene(HELD)),
        _agent_does_not_answer(*scene(NEXT)),
        _caller_gives_up(*scene(IMPATIENT)),
    )


def test_afterwards_nothing_is_left(system: System) -> None:
    system.nothing_is_left()
    system.still_runs()
    replays_alike(system)
