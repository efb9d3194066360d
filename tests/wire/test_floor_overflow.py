"""Ways out of a queue on the wire: full, unstaffed, closed, too long; and who is not let in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from main.demo.softphone import Softphone
from queues.events import CallQueued, QueueVisitEnded
from recordings import measure
from tests.wire.floor_talks import (
    Outside,
    answers,
    facts_of,
    floor_configuration,
    hears,
    replays_alike,
)
from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.pjsip import Pjsip
from tests.wire.system import TRUNK, System, running
from tests.wire.talks import AGENT_HZ, CALLER_HZ, OTHER_HZ, Room, together

FULL, UNSTAFFED, ELSEWHERE, OTHER, TOO_LONG, BREAK, CLOSED, MESSAGES, LISTS = range(10, 19)
NUMBER = "+37160000000"
BLOCKED, VIP = "+37129999999", "+37128888888"
GROUPS: Mapping[int, Mapping[str, str]] = {
    FULL: {"waiting_max": "1", "overflow_on": "{full: voicemail}"},
    UNSTAFFED: {
        "join_when": "signed-in",
        "overflow_on": "{unstaffed: 'announcement:closed.wav'}",
    },
    ELSEWHERE: {"join_when": "signed-in", "overflow_on": f"{{unstaffed: 'queue:g{OTHER}'}}"},
    OTHER: {},
    TOO_LONG: {"wait_max_s": "1.5", "overflow": f"'number:{NUMBER}'"},
    BREAK: {"stay_while": "working", "overflow_on": "{unstaffed: hang-up}"},
    CLOSED: {"hours": "never", "overflow_on": "{closed: voicemail}"},
    MESSAGES: {
        "messages": "[message.wav]",
        "message_interval_s": "10",
        "announce_position": "false",
        "announce_wait": "false",
    },
    LISTS: {},
}
MORE = f"""\
hours:
  never: {{week: {{mon-sun: closed}}}}
callers:
  vip: [{{numbers: ['{VIP}'], priority: 10}}]
  blocked: [{{numbers: ['{BLOCKED}']}}]
"""


@pytest.fixture(scope="module")
def carrier() -> Outside:
    """Whoever is dialled outside."""
    return Outside(NUMBER, "127.0.0.30")


@pytest.fixture(scope="module")
def system(carrier: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("overflow")
    sound.write_tone(folder / "closed.wav", OTHER_HZ, 2.0)
    sound.write_tone(folder / "message.wav", OTHER_HZ, 2.0)
    config = floor_configuration(GROUPS, outside=(carrier,)) + MORE
    with running(folder, config) as system:
        carrier.meet(system.sip, OTHER_HZ)
        yield system


async def _ticket(room: Room, number: str) -> dict[str, Any]:
    (ticket,) = await asyncio.to_thread(room.system.wait_for_tickets, number, 1)
    return ticket


async def _visits(room: Room, call: str) -> list[str]:
    """How each visit to a queue ended: queue and end."""
    facts = await asyncio.to_thread(facts_of, room.system, call)
    queues = [fact.queue for fact in facts if isinstance(fact, CallQueued)]
    ends = [fact.end for fact in facts if isinstance(fact, QueueVisitEnded)]
    return [f"{queue} {end}" for queue, end in zip(queues, ends, strict=True)]


async def _hears_at_the_end(caller: Softphone, hz: float) -> None:
    """Hung up after an announcement: what was heard last."""
    await asyncio.wait_for(caller.over.wait(), 8)
    heard = caller.line.samples()[-round(1.5 * sound.RATE) : -round(0.3 * sound.RATE)]
    await sound.hold_tone(heard, hz, where="the announcement")


# --- who is not let in -------------------------------------------------------------------------


async def _full(room: Room) -> None:
    """The second caller leaves a message; the first waits on."""
    async with room:
        first = await room.caller(f"{room.stranger}1")
        second = await room.caller(f"{room.stranger}2")
        await asyncio.sleep(6.0)  # the greeting, the tone, some words
        assert not first.over.is_set()
        second.hang_up()
        left = await room.left_by(second.user)
        assert left.ticket["outcome"] == "voicemail"
        said = left.wav.channels[0]
        await sound.hold_tone(said[-sound.RATE : -800], CALLER_HZ, where="the message")
        first.hang_up()


async def _nobody_signed_in(room: Room) -> None:
    """Told so, and hung up; with somebody signed in, a caller is let in."""
    async with room:
        caller = await room.caller()
        await _hears_at_the_end(caller, OTHER_HZ)
        ticket = await _ticket(room, caller.user)
        assert ticket["outcome"] == "missed"
        assert await _visits(room, ticket["call"]) == [f"g{UNSTAFFED} overflowed"]
        phone = await room.phone(Pjsip, room.agents[0], AGENT_HZ)
        await room.sign_in(room.agents[0])
        other = await room.caller(f"{room.stranger}2")
        await answers(phone)
        await hears(other, AGENT_HZ, "the agent")
        other.hang_up()


async def _other_queue(room: Room, to: Room) -> None:
    async with room, to:
        phone = await to.phone(Baresip, to.agents[0], AGENT_HZ)
        await to.sign_in(to.agents[0])
        caller = await room.caller()
        await answers(phone)
        await hears(caller, AGENT_HZ, "the agent of the other queue")
        caller.hang_up()
        left = await room.left_by(caller.user)
        assert (left.ticket["outcome"], left.ticket["queue"]) == ("answered", f"g{OTHER}")
        assert await _visits(room, left.ticket["call"]) == [
            f"g{ELSEWHERE} overflowed",
            f"g{OTHER} connected",
        ]


async def _closed(room: Room) -> None:
    async with room:
        caller = await room.caller()
        await asyncio.sleep(6.0)
        caller.hang_up()
        ticket = await _ticket(room, caller.user)
        assert ticket["outcome"] == "voicemail"


async def test_who_is_not_let_in(system: System, tmp_path: Path) -> None:
    """Full, nobody signed in, closed."""

    def room(group: int) -> Room:
        return Room(system, tmp_path, group)

    await together(
        _full(room(FULL)),
        _nobody_signed_in(room(UNSTAFFED)),
        _other_queue(room(ELSEWHERE), room(OTHER)),
        _closed(room(CLOSED)),
    )


# --- who waited ---------------------------------------------------------------------------------


async def _to_a_number_outside(room: Room, carrier: Outside) -> None:
    """After 1.5 s the caller talks with whoever answers there."""
    async with room:
        room.with_us(carrier)
        await carrier.start()
        caller = await room.caller()
        begun = time.monotonic()
        await carrier.wait_for_ring()
        assert 0.8 < time.monotonic() - begun < 3.0
        assert carrier.rung == [NUMBER]
        carrier.answer()
        await hears(caller, OTHER_HZ, "the number outside")
        await hears(carrier, CALLER_HZ, "the caller")
        carrier.hang_up()
        await asyncio.wait_for(caller.over.wait(), 3)
        ticket = await _ticket(room, caller.user)
        assert ticket["outcome"] == "overflowed"
        assert await _visits(room, ticket["call"]) == [f"g{TOO_LONG} overflowed"]
        busy = await room.caller(f"{room.stranger}2")
        await carrier.wait_for_ring()
        carrier.refuse(486)
        await asyncio.sleep(6.0)
        busy.hang_up()
        assert (await _ticket(room, busy.user))["outcome"] == "voicemail", "a message instead"


async def _all_on_break(room: Room) -> None:
    """The last agent goes on a break: who waits does not wait for nobody."""
    first = room.agents[0]
    async with room:
        phone = await room.phone(Pjsip, first, AGENT_HZ)
        await room.sign_in(first)
        talking = await room.caller(f"{room.stranger}1")
        await answers(phone)
        waiting = await room.caller(f"{room.stranger}2")
        await asyncio.sleep(0.3)
        assert not waiting.over.is_set()
        await room.presence(first, "on-break")
        talking.hang_up()
        await asyncio.wait_for(waiting.over.wait(), 3)
        ticket = await _ticket(room, waiting.user)
        assert await _visits(room, ticket["call"]) == [f"g{BREAK} overflowed"]


async def _messages(room: Room) -> None:
    """Music, after ten seconds the message, music again."""
    async with room:
        caller = await room.caller()
        await asyncio.sleep(9.0)
        heard = caller.line.samples()[-round(0.5 * sound.RATE) :]
        assert measure.tone_level(heard, sound.RATE, OTHER_HZ) < -25, "music"
        await asyncio.sleep(2.0)
        heard = caller.line.samples()[-round(0.5 * sound.RATE) :]
        await sound.hold_tone(heard, OTHER_HZ, where="the message")
        await asyncio.sleep(2.0)
        heard = caller.line.samples()[-round(0.5 * sound.RATE) :]
        assert measure.tone_level(heard, sound.RATE, OTHER_HZ) < -25, "music again"
        caller.hang_up()


async def _lists(room: Room) -> None:
    """A blocked caller gets no ring; a VIP goes before who came a little earlier."""
    async with room:
        blocked = Softphone(BLOCKED, "", TRUNK, room.system.sip)
        room.with_us(blocked)
        await blocked.start()
        blocked.call(room.queue)
        await asyncio.wait_for(blocked.over.wait(), 3)
        assert blocked.status == 603
        phone = await room.phone(Baresip, room.agents[0], AGENT_HZ)
        early = await room.caller()
        vip = await room.caller(VIP)
        await room.sign_in(room.agents[0])
        await answers(phone)
        await hears(vip, AGENT_HZ, "the agent")
        vip.hang_up()
        await answers(phone)
        early.hang_up()


async def test_who_waited(system: System, carrier: Outside, tmp_path: Path) -> None:
    """Too long, for nobody, hearing messages; on a list."""

    def room(group: int) -> Room:
        return Room(system, tmp_path, group)

    await together(
        _to_a_number_outside(room(TOO_LONG), carrier),
        _all_on_break(room(BREAK)),
        _messages(room(MESSAGES)),
        _lists(room(LISTS)),
    )


def test_afterwards_nothing_is_left(system: System) -> None:
    system.nothing_is_left()
    system.still_runs()
    replays_alike(system)
