"""Who is rung on real phones: ring-all, devices in order, 302, who knows the caller, redial,
the personal queue, and a supervisor's changes of those who wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

from queues.events import OfferEnded
from router.events import CallConnected, CallTransferred
from tests.wire.floor_talks import (
    Redirecting,
    answers,
    asked,
    call_of,
    floor_configuration,
    heard_last,
    hears,
    presence,
    replays_alike,
)
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.base import Phone
from tests.wire.phones.pjsip import Pjsip
from tests.wire.system import System
from tests.wire.talks import AGENT_HZ, CALLER_HZ, OTHER_HZ, Left, Room, together

RING_ALL, BOTH_ANSWER, IN_ORDER, SENT_ON, NOT_SENT_ON = range(10, 15)
STICKY, REDIAL, PERSONAL, CHANGED, MOVED, MOVED_TO = range(15, 21)

CONFIG = floor_configuration(
    {
        RING_ALL: {"strategy": "ring-all"},
        BOTH_ANSWER: {"strategy": "ring-all"},
        IN_ORDER: {"ring_timeout_s": "10"},
        SENT_ON: {},
        NOT_SENT_ON: {},
        STICKY: {"sticky_s": "2"},
        REDIAL: {"resume_s": "60"},
        PERSONAL: {},
        CHANGED: {},
        MOVED: {},
        MOVED_TO: {},
    },
    {
        "121": {"devices": "in-order", "device_ring_s": "2"},
        "131": {"redirects": "extensions"},
    },
)


def _ends(left: Left) -> dict[str, str]:
    return {e.agent: e.end for _, e in left.facts if isinstance(e, OfferEnded)}


def _joined(left: Left) -> list[str]:
    return [e.agent for _, e in left.facts if isinstance(e, CallConnected)]


# --- several phones ----------------------------------------------------------------------------


async def _first_answer_wins(room: Room) -> None:
    """Both ring at once; one answers, the other is cancelled and its agent free."""
    first, second, _ = room.agents
    async with room:
        quick = await room.phone(Baresip, first, AGENT_HZ)
        slow = await room.phone(Pjsip, second, OTHER_HZ)
        await room.sign_in(first, second)
        caller = await room.caller()
        await quick.wait("ringing")
        await slow.wait("ringing", 1.0)
        assert (await presence(room, first), await presence(room, second)) == ("offered",) * 2
        await quick.answer()
        await quick.wait("up")
        await slow.wait("over", 1.0)
        assert await presence(room, second) == "available"
        await hears(caller, AGENT_HZ, "the first")
        await quick.hang_up()
        await asyncio.wait_for(caller.over.wait(), 3)
        await heard_last(quick, CALLER_HZ)
        left = await room.left_by()
        assert _ends(left) == {f"a{first}": "accepted", f"a{second}": "withdrawn"}
        assert _joined(left) == [f"a{first}"]
        assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", f"a{first}")


async def _both_answer(room: Room) -> None:
    """At the same moment: exactly one talks, the other's phone is hung up."""
    first, second, _ = room.agents
    async with room:
        phones: list[Phone] = [
            await room.phone(Baresip, first, AGENT_HZ),
            await room.phone(Pjsip, second, OTHER_HZ),
        ]
        await room.sign_in(first, second)
        for round_ in range(3):
            number = f"{room.stranger}{round_}"
            caller = await room.caller(number)
            for phone in phones:
                await phone.wait("ringing")
            await asyncio.gather(*(phone.answer() for phone in phones))
            await asyncio.sleep(1.0)
            caller.hang_up()
            for phone in phones:
                await phone.wait("over", 3)
            left = await room.left_by(number)
            assert len(_joined(left)) == 1
            assert sorted(_ends(left).values()) == ["accepted", "withdrawn"]
            assert left.record["offers"] == 2
            assert {await presence(room, first), await presence(room, second)} == {"available"}


async def _in_order(room: Room) -> None:
    """The first phone of the extension rings alone for two seconds, then the other."""
    extension = room.agents[0]
    async with room:
        phones: list[Phone] = [
            await room.phone(Pjsip, extension, AGENT_HZ),
            await room.phone(Baresip, extension, OTHER_HZ),
        ]
        await room.sign_in(extension)
        caller = await room.caller()
        await asyncio.sleep(1.0)
        rung = [phone for phone in phones if phone.pending("ringing")]
        assert len(rung) == 1, "one phone at a time"
        (alone,) = rung
        (other,) = [phone for phone in phones if phone is not alone]
        await alone.wait("ringing")
        await alone.wait("over", 3)
        await other.wait("ringing", 1.0)
        await other.answer()
        await other.wait("up")
        await hears(caller, AGENT_HZ if other is phones[0] else OTHER_HZ, "the second phone")
        caller.hang_up()
        await other.wait("over", 3)
        left = await room.left_by()
        assert left.record["offers"] == 1, "one offer, two phones"
        assert _ends(left) == {f"a{extension}": "accepted"}


async def _sent_on(room: Room, *, followed: bool) -> None:
    """302 to a colleague's extension: followed for the same offer, or a refusal."""
    first, second, _ = room.agents
    host, port = room.system.sip
    async with room:
        away = Redirecting(
            first, room.system.password(first), room.system.sip, f"sip:{second}@{host}:{port}"
        )
        await room.softphone(first, OTHER_HZ, away)
        there = await room.phone(Baresip, second, AGENT_HZ)
        await room.sign_in(first)
        caller = await room.caller()
        if followed:
            await answers(there)
            await hears(caller, AGENT_HZ, "whom the phone named")
            assert await presence(room, first) == "talking"
            caller.hang_up()
            await there.wait("over", 3)
            left = await room.left_by()
            assert left.record["offers"] == 1
            assert _ends(left) == {f"a{first}": "accepted"}
        else:
            await asyncio.sleep(0.5)
            assert not there.pending("ringing")
            assert await presence(room, first) == "on-break"
            await room.sign_in(second)
            await answers(there)
            caller.hang_up()
            left = await room.left_by()
            assert _ends(left) == {f"a{first}": "refused", f"a{second}": "accepted"}
        assert away.asked == 1


async def test_phones_of_an_offer(system: System, tmp_path: Path) -> None:
    """Ring-all, devices in order, phones that send the call on."""

    def room(group: int) -> Room:
        return Room(system, tmp_path, group)

    await together(
        _first_answer_wins(room(RING_ALL)),
        _both_answer(room(BOTH_ANSWER)),
        _in_order(room(IN_ORDER)),
        _sent_on(room(SENT_ON), followed=True),
        _sent_on(room(NOT_SENT_ON), followed=False),
    )


# --- who, and when -----------------------------------------------------------------------------


async def _who_knows_the_caller(room: Room) -> None:
    """The second agent talked to them last; by the order of ids the first would be rung."""
    first, second, _ = room.agents
    async with room:
        other = await room.phone(Pjsip, first, OTHER_HZ)
        known = await room.phone(Baresip, second, AGENT_HZ)
        await room.sign_in(second)
        caller = await room.caller()
        await answers(known)
        caller.hang_up()
        await known.wait("over", 3)
        await room.sign_in(first)
        caller.call(room.queue)
        await answers(known)
        assert not other.pending("ringing")
        caller.hang_up()
        await known.wait("over", 3)
        # Busy with somebody else: waited for, but not longer than two seconds.
        stranger = await room.caller(f"{room.stranger}9")
        await answers(other)
        await room.presence(first, "on-break")
        other_caller = await room.caller(f"{room.stranger}8")
        await answers(known)
        stranger.hang_up()
        await other.wait("over", 3)
        await room.sign_in(first)
        begun = asyncio.get_running_loop().time()
        caller.call(room.queue)
        await answers(other)
        assert 1.7 < asyncio.get_running_loop().time() - begun < 4.0
        for leaving in (caller, other_caller):
            leaving.hang_up()


async def _place_after_a_redial(room: Room) -> None:
    first = room.agents[0]
    async with room:
        phone = await room.phone(Pjsip, first, AGENT_HZ)
        early = await room.caller(f"{room.stranger}1")
        late = await room.caller(f"{room.stranger}2")
        early.hang_up()
        await asyncio.sleep(0.3)
        early.call(room.queue)
        await asyncio.wait_for(early.up.wait(), 5)
        place = await asked(room, "GET", f"/calls/{await call_of(room, early.user)}/place")
        assert (place["position"], place["kind"]) == (1, "call")
        await room.sign_in(first)
        await answers(phone)
        await hears(early, AGENT_HZ, "the agent")
        early.hang_up()
        await phone.wait("over", 3)
        await answers(phone)
        await hears(late, AGENT_HZ, "the agent")
        late.hang_up()


async def _personal_queue(room: Room) -> None:
    """Put through to a person who talks: the caller waits for just this person."""
    first, second, third = room.agents
    host, port = room.system.sip
    async with room:
        busy = await room.phone(Baresip, second, OTHER_HZ)
        giving = await room.phone(Pjsip, first, AGENT_HZ)
        free = await room.phone(Pjsip, third, AGENT_HZ)
        await room.sign_in(second)
        before = await room.caller(f"{room.stranger}1")
        await answers(busy)
        await room.sign_in(first)
        caller = await room.caller(f"{room.stranger}2")
        await answers(giving)
        await room.sign_in(third)
        await hears(caller, AGENT_HZ, "the first")
        await giving.refer(f"sip:{second}@{host}:{port}")
        await giving.wait("over", 5)
        await asyncio.sleep(1.0)
        assert not free.pending("ringing"), "another agent is not whom the caller waits for"
        assert not caller.over.is_set()
        before.hang_up()
        await busy.wait("over", 3)
        await answers(busy)
        await hears(caller, OTHER_HZ, "the second")
        await busy.hang_up()
        await asyncio.wait_for(caller.over.wait(), 3)
        left = await room.left_by(caller.user)
        assert _joined(left) == [f"a{first}", f"a{second}"]
        assert left.fact(CallTransferred).by == f"a{first}"
        assert left.ticket["agent"] == f"a{second}"


async def _changed_by_a_supervisor(room: Room) -> None:
    """Of two who wait the later gets more priority; "why" says so."""
    first = room.agents[0]
    async with room:
        phone = await room.phone(Pjsip, first, AGENT_HZ)
        early = await room.caller(f"{room.stranger}1")
        late = await room.caller(f"{room.stranger}2")
        call = await call_of(room, late.user)
        place = await asked(room, "PATCH", f"/calls/{call}/place", {"priority": 10})
        assert (place["position"], place["priority"]) == (1, 10)
        why = await asked(room, "GET", f"/calls/{call}/why")
        assert why["waits"]["ahead"] == 0
        assert f"a{first}" in str(why["waits"]["agents"])
        await room.sign_in(first)
        await answers(phone)
        await hears(late, AGENT_HZ, "the agent")
        why = await asked(room, "GET", f"/calls/{call}/why")
        assert why["complete"]
        assert "priority" in why["text"]
        (decision,) = [step["decision"] for step in why["steps"] if step["decision"]]
        assert (decision["agent"], decision["calls_behind"]) == (f"a{first}", 1)
        (behind,) = decision["next_calls"]
        assert behind["call"] == await call_of(room, early.user)
        late.hang_up()
        await answers(phone)
        early.hang_up()


async def _moved_by_a_supervisor(room: Room, to: Room) -> None:
    """Into a queue where somebody is free: rung at once."""
    async with room, to:
        phone = await to.phone(Baresip, to.agents[0], AGENT_HZ)
        await to.sign_in(to.agents[0])
        caller = await room.caller()
        call = await call_of(room, caller.user)
        async with room.client() as client:
            await client.post(f"/calls/{call}/move", json={"queue": f"g{MOVED_TO}"})
        await answers(phone)
        await hears(caller, AGENT_HZ, "the agent of the other queue")
        why = await asked(room, "GET", f"/calls/{call}/why")
        assert f"g{MOVED_TO}" in why["text"]
        caller.hang_up()
        left = await room.left_by(caller.user)
        assert (left.ticket["queue"], left.ticket["agent"]) == (f"g{MOVED_TO}", f"a{to.agents[0]}")


async def test_who_is_rung_and_when(system: System, tmp_path: Path) -> None:
    """Sticky agents, redials, personal queues, live changes."""

    def room(group: int) -> Room:
        return Room(system, tmp_path, group)

    await together(
        _who_knows_the_caller(room(STICKY)),
        _place_after_a_redial(room(REDIAL)),
        _personal_queue(room(PERSONAL)),
        _changed_by_a_supervisor(room(CHANGED)),
        _moved_by_a_supervisor(room(MOVED), room(MOVED_TO)),
    )


def test_afterwards_nothing_is_left(system: System) -> None:
    system.nothing_is_left()
    system.still_runs()
    replays_alike(system)
