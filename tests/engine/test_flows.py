"""The IVR's shell: positions, lookups that were overtaken, keys that must not be journaled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivr.actions import LookupDone, LookupFailed
from ivr.loader import FlowSet, load_flows
from router import inputs as on
from router.events import CallEnded, DigitPressed, LegEnded
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import SETTINGS, Desk, description
from tests.fakes import CALLER, turns_of_the_loop

ASKS = """\
start: who
nodes:
  who:
    type: lookup
    url: http://127.0.0.1/who
    timeout_s: 2
    fields: {level: level}
    on_failure: plain
    next: sort
  sort:
    type: branch
    on: level
    cases:
      - {equals: gold, next: golden}
    otherwise: plain
  golden:
    type: queue
    queue: support
    priority: 9
  plain:
    type: queue
    queue: support
"""
PIN = """\
start: pin
nodes:
  pin:
    type: collect
    prompt: {phrase: welcome}
    save: pin
    digits: 4
    hidden: true
    next: menu
  menu:
    type: menu
    prompt: {phrase: main-menu}
    choices:
      1: help
  help:
    type: queue
    queue: support
"""
DIALS = """\
start: out
nodes:
  out:
    type: dial
    target: "%s"
    timeout_s: 20
    next: sorry
  sorry:
    type: hangup
"""


def flows(folder: Path, text: str) -> FlowSet:
    (folder / "main.yaml").write_text(text)
    return load_flows(folder, queues=frozenset({"support", "sales"}))


def key(desk: Desk, *keys: str) -> None:
    for one in keys:
        desk.wiring.reported("w0", media.Digit("in1", one, 0.0))


def in_flow(desk: Desk) -> Any:
    return desk.call(dialled="37167000000")


# --- the walk ----------------------------------------------------------------------


def test_the_shipped_flow_to_the_queue() -> None:
    desk = Desk()
    call = in_flow(desk)
    for _ in range(2):
        desk.wiring.reported("w0", media.PlayEnded("in1", call.play, False, 0.0))
    key(desk, "1")
    assert (call.phase, call.queue) == ("waiting", "support")


def test_a_key_by_sip_info_counts_like_one_by_rtp() -> None:
    desk = Desk()
    call = in_flow(desk)
    desk.wiring.reported("w0", media.PlayEnded("in1", call.play, False, 0.0))
    desk.phone.event(sip.KeyPressed("in1", "1"))
    assert call.phase == "waiting"


def test_a_deadline_of_the_flow_is_kept_and_goes_with_the_call() -> None:
    desk = Desk()
    call = in_flow(desk)
    for _ in range(500):  # the reports of the prompts' ends are lost, and no key comes
        if call.phase == "flow":
            desk.pass_time(10.0)
    assert call.phase == "waiting", "who presses nothing is helped"
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.pass_time(0.0)
    assert len(desk.timers) == 0
    assert desk.flows.walks == {}


def test_a_flow_that_is_gone_ends_the_call() -> None:
    desk = Desk(flows=FlowSet({}, "1"))
    desk.invite(dialled="37167000000")
    (ended,) = desk.journal.facts(CallEnded)
    assert ended.outcome == "left-in-ivr"
    assert desk.phone.verbs()[-1] == "hang_up"


def test_calls_keep_their_flow_over_a_reload(tmp_path: Path) -> None:
    desk = Desk()
    call = in_flow(desk)
    desk.flows.flows = FlowSet({}, "2")
    desk.wiring.reported("w0", media.PlayEnded("in1", call.play, False, 0.0))
    assert desk.flows.walks[call.id].position.node == "menu"


def test_earlier_calls_are_known_at_second_0() -> None:
    desk = Desk()
    desk.callers.note(CALLER, 3, "missed")
    call = in_flow(desk)
    variables = desk.flows.walks[call.id].position.variables
    assert (variables["earlier_calls"], variables["last_outcome"]) == ("3", "missed")


def test_an_overflow_goes_back_to_the_flow_that_says_how_to_go_on() -> None:
    desk = Desk()
    call = in_flow(desk)
    key(desk, "1")
    desk.pass_time(181.0)
    assert desk.flows.walks[call.id].position.node == "message"
    assert call.phase == "voicemail"


# --- lookups ----------------------------------------------------------------------


async def test_a_lookup_plays_music_and_its_answer_goes_on(tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, ASKS))
    call = in_flow(desk)
    await turns_of_the_loop()
    assert desk.workers.of(media.Play)[-1].then == ("music.ulaw",), "no silence"
    assert desk.lookups.asked[0].url == "http://127.0.0.1/who"
    desk.lookups.answers[0].set_result(LookupDone({"level": "gold"}))
    await turns_of_the_loop()
    (waiting,) = desk.floor.waiting()
    assert (waiting.call, waiting.priority) == (call.id, 9)


async def test_music_follows_what_a_lookup_says(tmp_path: Path) -> None:
    text = ASKS.replace(
        "    timeout_s: 2\n", "    timeout_s: 2\n    prompt: {phrase: please-hold}\n"
    )
    desk = Desk(flows=flows(tmp_path, text))
    in_flow(desk)
    await turns_of_the_loop()
    (play,) = desk.workers.of(media.Play)
    assert (play.files, play.then) == (("please-hold.ulaw",), ("music.ulaw",))


async def test_a_lookup_that_fails_takes_the_way_out(tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, ASKS))
    in_flow(desk)
    await turns_of_the_loop()
    desk.lookups.answers[0].set_result(LookupFailed("status 500"))
    await turns_of_the_loop()
    (waiting,) = desk.floor.waiting()
    assert waiting.priority == 0


async def test_the_answer_for_a_caller_who_left_is_dropped(tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, ASKS))
    in_flow(desk)
    await turns_of_the_loop()
    desk.phone.event(sip.Ended("in1", "bye"))
    facts = len(desk.journal.entries)
    desk.lookups.answers[0].set_result(LookupDone({"level": "gold"}))
    await turns_of_the_loop()
    assert len(desk.journal.entries) == facts


async def test_the_answer_that_the_deadline_overtook_is_dropped(tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, ASKS))
    call = in_flow(desk)
    await turns_of_the_loop()
    desk.pass_time(60.0)
    assert call.phase == "waiting"
    before = desk.journal.names()
    desk.lookups.answers[0].set_result(LookupDone({"level": "gold"}))
    await turns_of_the_loop()
    assert desk.journal.names() == before
    assert desk.floor.waiting()[0].priority == 0


async def test_close_ends_lookups_and_their_connections(tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, ASKS))
    in_flow(desk)
    await turns_of_the_loop()
    await desk.flows.close()
    assert desk.lookups.answers[0].cancelled()
    assert desk.lookups.closed


# --- hidden keys ----------------------------------------------------------------------


def test_hidden_keys_are_journaled_as_stars_and_only_those(tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, PIN))
    call = in_flow(desk)
    key(desk, "4", "7", "1", "1")
    assert desk.flows.walks[call.id].position.secrets["pin"] == "4711"
    assert desk.flows.walks[call.id].position.node == "menu"
    key(desk, "1")
    assert call.phase == "waiting"
    assert [fact.key for fact in desk.journal.facts(DigitPressed)] == [*"****", "1"]
    assert "4711" not in repr(desk.journal.facts())


def test_hidden_input_is_not_shown_to_the_agent(tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, PIN))
    call = in_flow(desk)
    key(desk, "4", "7", "1", "1", "1")
    assert "4711" not in call.variables.values()


# --- dialling ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("101", "sip:101@192.0.2.50:5060"),
        ("boris", "sip:102@192.0.2.50:5060"),
        ("+3725550000", "sip:+3725550000@198.51.100.7:5070;transport=tcp"),
    ],
)
def test_a_dial_node_rings_a_person_or_goes_out(tmp_path: Path, target: str, uri: str) -> None:
    desk = Desk(flows=flows(tmp_path, DIALS % target))
    desk.agent_ready("anna")
    desk.agent_ready("boris")
    call = in_flow(desk)
    assert call.phase == "dialling"
    (invite,) = [said for said in desk.phone.said if said[0] == "invite"]
    assert invite[2].uri == uri


def test_a_dial_that_fails_comes_back_to_the_flow(tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, DIALS % "101"))
    desk.agent_ready("anna")
    call = in_flow(desk)
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Refused(leg, 486, "Busy Here"))
    assert call.phase == "ended"
    assert desk.presence("anna") == "available", "a direct call takes nobody off the floor"


BY_RESULT = """\
start: out
nodes:
  out:
    type: dial
    target: "101"
    on: {busy: wait}
    next: sorry
  wait:
    type: queue
    queue: support
  sorry:
    type: hangup
"""


@pytest.mark.parametrize("how", ["rung for the queue", "talks", "rung for a flow"])
def test_a_flow_does_not_ring_who_is_in_a_call(how: str, tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, BY_RESULT))
    desk.agent_ready("anna")
    desk.call("in0", "37167000000" if how == "rung for a flow" else "+37167000001")
    (rung,) = desk.invited_legs()
    if how == "talks":
        desk.phone.event(sip.Answered(rung, description()))
    call = in_flow(desk)
    assert desk.invited_legs() == [rung]
    assert call.phase == "waiting", "the flow went on by its busy way"
    assert len([leg for leg in call.legs.values() if leg.role != "caller"]) == 0


def test_who_was_in_a_call_is_rung_by_the_next_flow(tmp_path: Path) -> None:
    desk = Desk(flows=flows(tmp_path, BY_RESULT))
    desk.agent_ready("anna")
    desk.call("in0", "37167000000")
    desk.phone.event(sip.Ended("in0", "bye"))
    assert in_flow(desk).phase == "dialling"
    assert len(desk.invited_legs()) == 2


def test_a_dial_that_leads_back_here_ends_when_its_hops_do(tmp_path: Path) -> None:
    """A number that is dialled out and comes back: each round has one hop less (RFC 7332)."""
    desk = Desk(flows=flows(tmp_path, DIALS % "+3725550000"))
    hops = 3
    for round_ in range(3):
        desk.invite(f"in{round_}", "37167000000", hops=hops)
        hops = desk.phone.said[-1][4]["max_forwards"]
    assert hops == 0
    desk.invite("in3", "37167000000", hops=hops)
    assert len(desk.invited_legs()) == 3
    (ended,) = desk.journal.facts(LegEnded)
    assert ended.cause == "too many hops"
    assert "hang_up" in desk.phone.verbs("in3"), "the flow went on to its end"
    assert len(desk.turns.calls) == 3


def test_a_phone_of_the_queue_is_rung_whatever_hops_are_left() -> None:
    desk = Desk()
    desk.agent_ready("anna")
    desk.invite(dialled="+37167000001", hops=0)
    (invite,) = [said for said in desk.phone.said if said[0] == "invite"]
    assert invite[4]["max_forwards"] == 1


def test_an_input_for_a_call_without_a_walk_means_nothing() -> None:
    desk = Desk()
    call = in_flow(desk)
    desk.flows.forget(call.id)
    desk.turns.feed(call.id, on.KeyPressed("in1", "1"))
    assert call.phase == "flow"
    assert SETTINGS.queues
