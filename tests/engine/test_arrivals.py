"""Who may call, and what an INVITE becomes."""

from __future__ import annotations

import pytest

from engine.arrivals import new_call_id
from router.events import CallArrived, CallEnded
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import SETTINGS, Desk
from tests.fakes import CALLER


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_call_of_a_trunk_is_a_fact_before_it_is_answered(desk: Desk) -> None:
    desk.journal.slow = True
    desk.invite(dialled="+37167000001")
    (arrived,) = desk.journal.facts(CallArrived)
    assert arrived == CallArrived(CALLER, "+37167000001", "telia", "", "sip-in1")
    assert desk.phone.said == []
    desk.journal.sync()
    assert desk.phone.verbs() == ["answer"]


def test_a_number_that_leads_nowhere_is_404_and_leaves_its_ticket(desk: Desk) -> None:
    desk.invite(dialled="999")
    assert desk.phone.said == [("hang_up", "in1", 404, "no such number")]
    (ended,) = desk.journal.facts(CallEnded)
    assert (ended.outcome, ended.cause) == ("refused", "no such number")
    assert desk.turns.calls == {}


@pytest.mark.parametrize("why", ["full", "draining"])
def test_without_room_or_on_the_way_out_callers_are_sent_on(desk: Desk, why: str) -> None:
    if why == "full":
        desk.journal.full = True
    else:
        desk.arrivals.accepting = False
    desk.invite()
    assert desk.phone.said == [("reject", "in1", 503, (("Retry-After", "5"),))]
    assert desk.journal.entries == [], "a 503 is no call in this sense"
    assert desk.workers.commands == []


@pytest.mark.parametrize(
    ("peer", "contact"),
    [
        ("sip:other.example:5070", "<sip:700@other.example:5070>"),
        ("sip:desk@other.example;transport=tcp", "<sip:desk@other.example;transport=tcp>"),
    ],
)
def test_a_node_that_drains_sends_callers_to_its_peer(desk: Desk, peer: str, contact: str) -> None:
    desk.arrivals.drains_to = peer
    desk.invite(dialled="700")
    assert desk.phone.said == [("reject", "in1", 302, (("Contact", contact),))]
    assert desk.journal.entries == []


def test_a_node_that_drains_without_a_peer_says_later(desk: Desk) -> None:
    desk.arrivals.drains_to = ""
    desk.invite()
    assert desk.phone.said == [("reject", "in1", 503, (("Retry-After", "5"),))]


def test_calls_in_progress_go_on_when_the_journal_is_full(desk: Desk) -> None:
    call = desk.call()
    desk.journal.full = True
    desk.phone.event(sip.Ended("in1", "bye"))
    assert call.phase == "ended"


def test_the_caller_is_known_to_the_flows_of_later_calls(desk: Desk) -> None:
    desk.journal.live(lambda entry: None)
    call = desk.call()
    desk.callers.ended(call.id, "missed")
    assert desk.callers.earlier(CALLER) == (1, "missed")


def test_ids_are_unique_and_sort_by_arrival() -> None:
    made = [new_call_id(1_795_262_400.0 + step / 1000) for step in range(500)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert len({new_call_id(1.0) for _ in range(500)}) > 490
    assert {len(name) for name in made} == {17}


# --- agents ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "presence", "said"),
    [
        (["*11"], "available", "signed-in"),
        (["*11", "*13"], "on-break", "on-break"),
        (["*11", "*13", "*14"], "available", "ready"),
        (["*11", "*12"], "signed-out", "signed-out"),
    ],
)
def test_dialled_codes_change_presence_and_say_so(
    desk: Desk, codes: list[str], presence: str, said: str
) -> None:
    for at, code in enumerate(codes):
        desk.invite(f"code{at}", code, agent="101")
        if at < len(codes) - 1:
            desk.phone.event(sip.Ended(f"code{at}", "bye"))
    assert desk.workers.of(media.Play)[-1].files == (f"{said}.ulaw",)
    play = desk.workers.of(media.Play)[-1]
    desk.wiring.reported("w0", media.PlayEnded(play.session, play.play, False, 0.0))
    assert "hang_up" in desk.phone.verbs(play.session)
    assert desk.presence("anna") == presence
    assert desk.journal.facts(CallEnded) == []
    assert desk.journal.facts(CallArrived) == []


@pytest.mark.parametrize("before", ["signed-out", "on-break"])
def test_a_phone_with_one_line_is_rung_when_its_code_was_said(desk: Desk, before: str) -> None:
    desk.phone.register_phone("101")
    if before == "on-break":
        desk.invite("first", "*11", agent="101")
        desk.phone.event(sip.Ended("first", "bye"))
        desk.invite("second", "*13", agent="101")
        desk.phone.event(sip.Ended("second", "bye"))
    desk.call("in1")
    desk.invite("code", "*11" if before == "signed-out" else "*14", agent="101")
    assert desk.invited_legs() == []
    desk.phone.event(sip.Ended("code", "bye"))
    assert len(desk.invited_legs()) == 1
    assert desk.presence("anna") == "offered"


def test_own_calls_need_a_signed_in_agent(desk: Desk) -> None:
    desk.agent_ready("boris")
    desk.invite("own", "102", agent="101")
    assert desk.phone.said == [("reject", "own", 403, ())]
    desk.sign_in("anna")
    desk.invite("own2", "102", agent="101")
    assert desk.phone.verbs("own2") == ["answer"]
    assert len(desk.invited_legs()) == 1


def test_an_agent_may_dial_out_by_the_trunk_that_leads_out(desk: Desk) -> None:
    desk.sign_in("anna")
    desk.invite("own", "+3725550000", agent="101")
    (invite,) = [said for said in desk.phone.said if said[0] == "invite"]
    assert invite[2].uri == "sip:+3725550000@198.51.100.7:5070;transport=tcp"
    assert invite[4]["credentials"].user == "desk"


def test_a_dial_without_a_hop_left_is_483(desk: Desk) -> None:
    """RFC 3261 16.3: it would have to be passed on; a code or a queue's call stays here."""
    desk.invite("code", "*11", agent="101", hops=0)
    assert desk.phone.verbs("code")[0] == "answer"
    desk.invite("own", "+3725550000", agent="101", hops=0)
    assert desk.phone.verbs("own") == ["reject"]
    assert desk.phone.said[-1][2] == 483
    desk.invite("last", "+3725550000", agent="101", hops=1)
    (invite,) = [said for said in desk.phone.said if said[0] == "invite"]
    assert invite[4]["max_forwards"] == 0


@pytest.mark.parametrize("dialled", ["102", "support", "nonsense", "37167000000", ""])
def test_what_leads_to_nobody_is_404_for_an_agent(desk: Desk, dialled: str) -> None:
    desk.sign_in("anna")
    desk.invite("own", dialled, agent="101")
    assert desk.phone.said == [("reject", "own", 404, ())]


@pytest.mark.parametrize("dialled", ["*11", "*13", "102", "+3725550000"])
def test_the_phone_of_somebody_who_is_no_agent_any_more_gets_nothing(
    desk: Desk, dialled: str
) -> None:
    """Registered before a reload took the agent away."""
    desk.invite("own", dialled, agent="199")
    assert desk.phone.said == [("reject", "own", 403, ())]


def test_codes_are_those_of_the_configuration(desk: Desk) -> None:
    codes = SETTINGS.codes.model_copy(update={"sign_in": "*77"})
    desk.arrivals.reload(SETTINGS.model_copy(update={"codes": codes}))
    desk.invite("code", "*77", agent="101")
    desk.phone.event(sip.Ended("code", "bye"))
    assert desk.presence("anna") == "available"
    desk.invite("old", "*11", agent="102")
    assert desk.phone.said[-1] == ("reject", "old", 403, ())
