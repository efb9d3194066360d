"""Legs: session descriptions, hold, early media, and ends that cross."""

from __future__ import annotations

from typing import Any

import pytest

from engine.leg_io import cause_of_end, cause_of_status
from router import inputs as on
from router.events import CallEnded, CallHeld, CallResumed, LegEnded, LegQuality
from router.media import protocol as media
from router.sip import effects as sip
from router.sip import sdp
from tests.engine.desk import Desk, description


@pytest.fixture
def desk() -> Desk:
    return Desk()


def last(desk: Desk, verb: str) -> tuple[Any, ...]:
    return next(said for said in reversed(desk.phone.said) if said[0] == verb)


def talking(desk: Desk) -> tuple[Any, str]:
    """A call in its talk, and the agent's leg."""
    desk.agent_ready()
    call = desk.call()
    leg = desk.invited_legs()[-1]
    desk.phone.event(sip.Answered(leg, description("203.0.113.50", 40_000)))
    assert call.phase == "talking"
    return call, leg


# --- coming in -------------------------------------------------------------------------------


def test_an_offer_is_answered_and_the_worker_knows_the_far_end(desk: Desk) -> None:
    call = desk.call()
    (opened,) = desk.workers.of(media.Open)
    assert (opened.session, opened.ipv6, opened.timeout_s) == ("in1", False, 15.0)
    (update,) = desk.workers.of(media.Update)
    assert update.remote == ("203.0.113.9", 30_000)
    assert update.sources == ("192.0.2.1", "203.0.113.9"), "its address and where SIP came from"
    assert (update.payload_type, update.digits_type, update.direction) == (8, 101, "sendrecv")
    _, leg, body = last(desk, "answer")
    answer = sdp.parse_description(body).audio
    assert (leg, answer.codecs) == ("in1", ["PCMA"])
    assert answer.port == desk.legs.by_id["in1"].port
    assert call.phase == "waiting"


def test_a_late_offer_is_ours_and_the_ack_brings_the_answer(desk: Desk) -> None:
    call = late(desk)
    _, _, body = last(desk, "answer")
    assert sdp.parse_description(body).audio.codecs == ["PCMA", "PCMU"]
    assert desk.workers.of(media.Update) == []
    desk.phone.event(sip.Confirmed("in1", description(codec="PCMU")))
    (update,) = desk.workers.of(media.Update)
    assert update.payload_type == 0
    assert call.phase == "waiting"


def late(desk: Desk) -> Any:
    desk.phone.event(
        sip.Invited("in1", "telia", "", "+3712", "", "+37167000001", b"", "s", "192.0.2.1")
    )
    (call,) = desk.turns.calls.values()
    return call


@pytest.mark.parametrize("answer", [b"", description(codec="opus"), b"v=0\r\nnonsense"])
def test_a_late_offer_without_a_fitting_answer_ends_the_call(desk: Desk, answer: bytes) -> None:
    """RFC 3264 4, RFC 3261 13.2.2.4: the ACK must carry the answer."""
    call = late(desk)
    desk.phone.event(sip.Confirmed("in1", answer))
    assert last(desk, "hang_up")[1:3] == ("in1", 488)
    assert call.phase == "ended"
    assert len(desk.workers.of(media.Close)) == 1
    assert desk.legs.by_id == {}


def test_an_ack_without_a_body_is_the_usual_one(desk: Desk) -> None:
    call = desk.call()
    desk.phone.event(sip.Confirmed("in1", b""))
    assert call.phase == "waiting"


@pytest.mark.parametrize(
    "body", [description(codec="opus"), b"v=0\r\nnonsense", b"\xff\xfe", description(port=0)]
)
def test_a_session_description_that_does_not_fit_is_refused_488(desk: Desk, body: bytes) -> None:
    desk.invite(body=body)
    assert desk.phone.said == [("reject", "in1", 488, ())]
    (ended,) = desk.journal.facts(CallEnded)
    assert ended.outcome == "failed"
    assert len(desk.workers.of(media.Close)) == 1, "its ports rest"
    assert (desk.turns.calls, desk.legs.by_id) == ({}, {})


def test_no_port_no_call(desk: Desk) -> None:
    desk.workers.refuses = "no port free"
    desk.invite()
    assert desk.phone.said == [("reject", "in1", 503, ())]
    assert desk.journal.facts(CallEnded)[0].outcome == "failed"
    assert desk.workers.of(media.Close) == []


def test_no_worker_no_call_at_all(desk: Desk) -> None:
    desk.workers.there = desk.workers.known = False
    desk.invite()
    (said,) = desk.phone.said
    assert said[:3] == ("reject", "in1", 503)
    assert dict(said[3]).keys() == {"Retry-After"}
    assert desk.journal.entries == []


def test_a_caller_who_gives_up_before_the_ports_are_open_leaves_none_open(desk: Desk) -> None:
    desk.workers.held = True
    desk.invite()
    desk.phone.event(sip.Ended("in1", "cancel"))
    assert desk.journal.facts(CallEnded)[0].outcome == "left-in-ivr"
    assert desk.workers.of(media.Close) == []
    desk.workers.held = False
    desk.workers.release()
    assert [close.session for close in desk.workers.of(media.Close)] == ["in1"]
    assert desk.phone.verbs() == [], "nobody is answered or rejected"


# --- going out ---------------------------------------------------------------------------------


def test_a_phone_is_rung_with_all_our_codecs_and_the_callers_number(desk: Desk) -> None:
    uri = desk.agent_ready()
    desk.call()
    _, leg, target, body, more = last(desk, "invite")
    assert target.uri == uri
    assert sdp.parse_description(body).audio.codecs == ["PCMA", "PCMU"]
    assert more == {
        "caller": "+37120000001", "caller_name": "", "credentials": None, "max_forwards": 69
    }  # fmt: skip
    assert desk.legs.by_id[leg].incoming is False


def test_a_drop_before_the_ports_are_open_closes_them_later(desk: Desk) -> None:
    call = desk.call()
    desk.workers.held = True
    desk.agent_ready()
    assert desk.phone.verbs()[-1] == "answer", "the phone is not rung yet"
    desk.phone.event(sip.Ended("in1", "bye"))
    assert call.phase == "ended"
    desk.workers.held = False
    desk.workers.release()
    assert "invite" not in desk.phone.verbs()
    closed = [close.session for close in desk.workers.of(media.Close)]
    opened = [opened.session for opened in desk.workers.of(media.Open)]
    assert sorted(closed) == sorted(opened)


def test_early_media_is_taken_over_and_told_once(desk: Desk) -> None:
    desk.agent_ready()
    call = desk.call()
    (leg,) = desk.invited_legs()
    updates = len(desk.workers.of(media.Update))
    desk.phone.event(sip.Progressed(leg, 100, b""))
    assert call.legs[leg].state == "dialling"
    desk.phone.event(sip.Progressed(leg, 183, description("203.0.113.50", 40_000)))
    assert call.legs[leg].state == "ringing"
    assert len(desk.workers.of(media.Update)) == updates + 1
    desk.phone.event(sip.Answered(leg, b""))
    assert call.phase == "talking", "the answer came with the 183"


@pytest.mark.parametrize("body", [b"", description(codec="opus")])
def test_an_answer_that_does_not_fit_ends_the_leg_and_not_the_caller(
    desk: Desk, body: bytes
) -> None:
    desk.agent_ready()
    call = desk.call()
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Answered(leg, body))
    assert last(desk, "hang_up")[1:3] == (leg, 488)
    assert call.phase == "waiting"
    assert desk.journal.facts(LegEnded)[0].cause == "no common codec"
    assert desk.presence("anna") == "on-break"


def test_a_phone_that_is_gone_at_the_last_moment_is_unreachable(desk: Desk) -> None:
    desk.agent_ready()
    desk.journal.slow = True
    call = desk.call()
    desk.journal.sync()
    desk.phone.phones.clear()
    desk.journal.sync()
    assert "invite" not in desk.phone.verbs()
    assert call.phase == "waiting"
    desk.journal.sync()
    assert desk.journal.facts(LegEnded)[0].cause == "the phone is not registered any more"


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (486, "busy"), (600, "busy"), (603, "refused"), (302, "refused"), (401, "refused"),
        (480, "no-answer"), (487, "no-answer"), (404, "unreachable"), (408, "unreachable"),
        (503, "unreachable"), (488, "failed"), (606, "failed"),
    ],
)  # fmt: skip
def test_the_cause_of_a_final_status(status: int, cause: str) -> None:
    assert cause_of_status(status) == cause


def test_the_cause_of_an_end() -> None:
    words = ("bye", "cancel", "no ack", "session expired", "dialog lost", "transport failure")
    assert [cause_of_end(word) for word in words] == ["bye", "cancel", *["lost"] * 4]


def test_a_refusal_reaches_the_call_as_its_cause(desk: Desk) -> None:
    desk.agent_ready()
    call = desk.call()
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Refused(leg, 486, "Busy Here"))
    assert desk.journal.facts(LegEnded)[0].cause == "refused 486"
    assert call.phase == "waiting"
    assert [close.session for close in desk.workers.of(media.Close)] == [leg]


# --- the talk ----------------------------------------------------------------------------------


def test_the_bridge_names_what_follows(desk: Desk) -> None:
    _, leg = talking(desk)
    (bridge,) = desk.workers.of(media.Bridge)
    assert (bridge.left, bridge.right, bridge.then) == ("in1", leg, ("music.ulaw",))


def test_hold_and_resume_are_told_once_each(desk: Desk) -> None:
    call, leg = talking(desk)
    for _ in range(2):
        desk.phone.event(sip.ChangeAsked(leg, "INVITE", description(direction="sendonly")))
    assert call.legs[leg].state == "held"
    assert len(desk.journal.facts(CallHeld)) == 1
    answer = sdp.parse_description(last(desk, "accept_change")[2]).audio
    assert answer.direction == "recvonly"
    assert desk.workers.of(media.Update)[-1].direction == "recvonly"
    for _ in range(2):
        desk.phone.event(sip.ChangeAsked(leg, "UPDATE", description()))
    assert call.legs[leg].state == "up"
    assert len(desk.journal.facts(CallResumed)) == 1
    assert len(desk.workers.of(media.Bridge)) == 2


def test_the_old_hold_by_0_0_0_0_is_a_hold_too(desk: Desk) -> None:
    call, leg = talking(desk)
    desk.phone.event(sip.ChangeAsked(leg, "INVITE", description(host="0.0.0.0")))
    assert call.legs[leg].state == "held"
    assert desk.workers.of(media.Update)[-1].remote is None


def test_each_description_of_ours_is_a_version_further(desk: Desk) -> None:
    _, leg = talking(desk)
    versions = [sdp.parse_description(last(desk, "invite")[3]).version]
    desk.phone.event(sip.ChangeAsked(leg, "INVITE", description(codec="opus")))
    assert last(desk, "reject_change") == ("reject_change", leg, 488)
    for direction in ("sendonly", "sendrecv"):
        desk.phone.event(sip.ChangeAsked(leg, "INVITE", description(direction=direction)))
        versions.append(sdp.parse_description(last(desk, "accept_change")[2]).version)
    assert versions == ["1", "2", "3"], "what was refused changed nothing (RFC 3264 8)"


def test_a_change_that_does_not_fit_changes_nothing(desk: Desk) -> None:
    call, leg = talking(desk)
    updates = len(desk.workers.of(media.Update))
    desk.phone.event(sip.ChangeAsked(leg, "INVITE", description(codec="opus")))
    assert last(desk, "reject_change") == ("reject_change", leg, 488)
    assert len(desk.workers.of(media.Update)) == updates
    assert call.legs[leg].state == "up"


def test_a_late_change_gets_our_description_and_its_ack_may_hold(desk: Desk) -> None:
    call, leg = talking(desk)
    desk.phone.event(sip.ChangeAsked(leg, "INVITE", b""))
    assert sdp.parse_description(last(desk, "accept_change")[2]).audio.codecs == ["PCMA", "PCMU"]
    desk.phone.event(sip.Confirmed(leg, description(direction="inactive")))
    assert call.legs[leg].state == "held"
    desk.phone.event(sip.ChangeAsked(leg, "INVITE", b""))
    desk.phone.event(sip.Confirmed(leg, description()))
    assert call.legs[leg].state == "up"


def test_a_change_on_a_leg_that_is_gone_is_481(desk: Desk) -> None:
    desk.phone.event(sip.ChangeAsked("nobody", "INVITE", description()))
    assert desk.phone.said == [("reject_change", "nobody", 481)]


def test_a_silent_waiting_caller_is_asked_by_a_refresh(desk: Desk) -> None:
    call = desk.call()
    desk.wiring.reported("w0", media.MediaTimeout("in1", 0.0))
    assert last(desk, "change")[1] == "in1"
    desk.phone.event(sip.ChangeAnswered("in1", description("203.0.113.77")))
    assert desk.workers.of(media.Update)[-1].remote[0] == "203.0.113.77"
    assert call.phase == "waiting"


# --- the end -----------------------------------------------------------------------------------


def test_the_quality_of_each_leg_is_a_fact_once(desk: Desk) -> None:
    call, leg = talking(desk)
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.phone.event(sip.Ended(leg, "bye"))
    told = desk.journal.facts(LegQuality)
    assert sorted(fact.leg for fact in told) == sorted(["in1", leg])
    assert told[0].jitter_ms == 1.23
    entries = [e for e in desk.journal.entries if isinstance(e.event, LegQuality)]
    assert {entry.call for entry in entries} == {call.id}


def test_an_agents_own_call_leaves_no_quality(desk: Desk) -> None:
    desk.agent_ready("boris")
    desk.agent_ready("anna")
    facts = len(desk.journal.facts(LegQuality))
    desk.invite("own", "102", agent="101")
    desk.phone.event(sip.Ended("own", "bye"))
    assert len(desk.journal.facts(LegQuality)) == facts


def test_after_we_hung_up_nothing_from_the_leg_counts(desk: Desk) -> None:
    call, leg = talking(desk)
    desk.turns.feed(call.id, on.HangUpAsked("test"))
    said = len(desk.phone.said)
    desk.phone.event(sip.Answered(leg, description()))
    desk.phone.event(sip.Progressed(leg, 180, b""))
    desk.phone.event(sip.Confirmed(leg, description()))
    desk.phone.event(sip.Ended(leg, "bye"))
    assert len(desk.phone.said) == said
    assert len(desk.journal.facts(CallEnded)) == 1


def test_a_leg_is_hung_up_once_and_its_session_closed_once(desk: Desk) -> None:
    call, _ = talking(desk)
    desk.turns.feed(call.id, on.HangUpAsked("test"))
    assert sorted(desk.phone.verbs()).count("hang_up") == 2
    assert len(desk.workers.of(media.Close)) == 2
    assert desk.legs.by_id == {}
