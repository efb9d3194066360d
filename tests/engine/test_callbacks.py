"""A callback from the key in the queue to the talk, through the shells of an engine."""

from __future__ import annotations

from typing import Any

import pytest

from engine import recovery
from queues.events import (
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    OfferMade,
    QueueVisitEnded,
)
from router import inputs as on
from router.call import Call
from router.events import CallArrived, CallConnected, CallEnded, SecondLifeEnded
from router.sip import effects as sip
from tests.engine.desk import CALLER, SETTINGS, Desk, description


@pytest.fixture
def desk() -> Desk:
    return Desk()


def wish(desk: Desk, leg: str = "in1") -> Call:
    """A caller who waits presses 1, hears the goodbye and hangs up."""
    call = desk.call(leg)
    desk.turns.feed(call.id, on.KeyPressed(leg, "1"))
    desk.phone.event(sip.Ended(leg, "bye"))
    assert call.phase == "ended"
    return call


def answer(desk: Desk, leg: str) -> None:
    desk.phone.event(sip.Answered(leg, description("203.0.113.50", 40_000)))


def last_invite(desk: Desk) -> tuple[Any, ...]:
    said: tuple[Any, ...] = [said for said in desk.phone.said if said[0] == "invite"][-1]
    return said


def presence_of(desk: Desk, agent: str) -> str:
    return desk.presence(agent)


def test_the_caller_is_dialled_when_an_agent_is_there_and_both_talk(desk: Desk) -> None:
    call = wish(desk)
    (placed,) = desk.journal.facts(CallbackPlaced)
    assert (placed.number, placed.trunk, placed.dialled) == (CALLER, "telia", "+37167000001")
    assert desk.invited_legs() == []
    desk.agent_ready("anna")
    desk.pass_time(0.1)
    _, caller_leg, target, _, more = last_invite(desk)
    assert target.uri.startswith(f"sip:{CALLER}@198.51.100.7:5070"), "by the trunk that leads out"
    assert more["caller"] == "+37167000001", "the caller sees the number they had dialled"
    assert presence_of(desk, "anna") == "reserved"
    answer(desk, caller_leg)
    assert len(desk.journal.facts(CallbackReached)) == 1
    assert presence_of(desk, "anna") == "offered"
    agent_leg = last_invite(desk)[1]
    assert agent_leg != caller_leg
    answer(desk, agent_leg)
    again = desk.turns.calls[call.id]
    assert (again.phase, presence_of(desk, "anna")) == ("talking", "talking")
    desk.phone.event(sip.Ended(caller_leg, "bye"))
    assert call.id not in desk.turns.calls
    assert presence_of(desk, "anna") == "wrap-up"
    assert [fact.end for fact in desk.journal.facts(CallbackEnded)] == ["connected"]
    assert len(desk.journal.facts(CallEnded)) == 1, "the call ended when its caller hung up"
    assert len(desk.journal.facts(CallArrived)) == 1
    assert [fact.agent for fact in desk.journal.facts(CallConnected)] == ["anna"]


def test_the_agent_is_reserved_while_the_goodbye_is_still_said(desk: Desk) -> None:
    call = desk.call()
    desk.turns.feed(call.id, on.KeyPressed("in1", "1"))
    assert call.phase == "closing"
    desk.agent_ready("anna")
    assert presence_of(desk, "anna") == "reserved"
    desk.pass_time(1.0)
    assert desk.invited_legs() == [], "nobody is dialled who is still on the line"
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.pass_time(0.1)
    assert len(desk.invited_legs()) == 1


def test_an_agent_who_leaves_before_that_is_free_to_go(desk: Desk) -> None:
    call = desk.call()
    desk.turns.feed(call.id, on.KeyPressed("in1", "1"))
    desk.agent_ready("anna")
    desk.sign_out("anna")
    assert presence_of(desk, "anna") == "signed-out"
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.pass_time(0.1)
    assert desk.invited_legs() == []
    desk.sign_in("anna")
    desk.pass_time(0.1)
    assert len(desk.invited_legs()) == 1, "the place was kept"
    assert call.id in desk.turns.calls


def test_a_caller_who_does_not_answer_is_tried_again_and_frees_the_agent(desk: Desk) -> None:
    call = wish(desk)
    desk.agent_ready("anna")
    desk.pass_time(0.1)
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Refused(leg, 486, "Busy Here"))
    (missed,) = desk.journal.facts(CallbackMissed)
    assert (missed.attempt, missed.cause) == (1, "busy")
    assert presence_of(desk, "anna") == "available"
    assert call.id not in desk.turns.calls
    desk.pass_time(301.0)
    assert len(desk.invited_legs()) == 2


def test_without_a_way_out_the_attempts_are_missed_and_the_ticket_says_so() -> None:
    trunks = tuple(trunk for trunk in SETTINGS.trunks if not trunk.outbound)
    desk = Desk(SETTINGS.model_copy(update={"trunks": trunks}))
    wish(desk)
    desk.agent_ready("anna")
    desk.pass_time(1000.0)
    assert [fact.attempt for fact in desk.journal.facts(CallbackMissed)] == [1, 2, 3]
    (ended,) = desk.journal.facts(CallbackEnded)
    assert (ended.end, ended.cause) == ("gave-up", "no trunk leads out")
    assert presence_of(desk, "anna") == "available"


def test_those_who_wait_are_not_overtaken_by_one_who_came_later(desk: Desk) -> None:
    first = desk.call("in1")
    desk.pass_time(1.0)
    wish(desk, "in2")
    desk.agent_ready("anna")
    (offer,) = desk.journal.facts(OfferMade)
    assert offer.kind == "call"
    assert first.offers
    desk.agent_ready("boris")
    offers = desk.journal.facts(OfferMade)
    assert [offer.kind for offer in offers] == ["call", "callback"]


def test_a_promise_of_the_menu_takes_a_place_of_that_moment(desk: Desk) -> None:
    call = desk.call(dialled="37167000000")
    desk.turns.feed(call.id, on.FlowPromisesCallback(CALLER, "support"))
    assert desk.journal.facts(QueueVisitEnded) == []
    assert len(desk.journal.facts(CallbackPlaced)) == 1


def test_the_place_outlasts_the_engine(desk: Desk) -> None:
    wish(desk)
    after = Desk(kept=desk.journal.entries)
    recovery.settle(after)  # type: ignore[arg-type]
    (view,) = after.floor.waiting()
    assert (view.kind, view.on_line) == ("callback", False)
    after.agent_ready("anna")
    after.pass_time(0.1)
    assert len(after.invited_legs()) == 1


def test_a_crash_in_the_talk_closes_the_second_life(desk: Desk) -> None:
    call = wish(desk)
    desk.agent_ready("anna")
    desk.pass_time(0.1)
    answer(desk, desk.invited_legs()[-1])
    answer(desk, desk.invited_legs()[-1])
    assert desk.turns.calls[call.id].phase == "talking"
    after = Desk(kept=desk.journal.entries)
    recovery.settle(after)  # type: ignore[arg-type]
    (over,) = after.journal.facts(SecondLifeEnded)
    assert (over.cause, over.agent) == ("restart", "anna")
    assert len(after.journal.facts(CallEnded)) == 1
    again = Desk(kept=after.journal.entries)
    recovery.settle(again)  # type: ignore[arg-type]
    assert len(again.journal.facts(SecondLifeEnded)) == 1
