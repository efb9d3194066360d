"""Turns: what binds us is durable before it shows; one order for all; mistakes stay small."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from engine.turns import BINDING, Turns, register
from queues import events as floor_facts
from router import effects as do
from router import events as facts
from router import inputs as on
from router.call import Call
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import Desk, description
from tests.fakes import FakeJournal, HandClock

NOWHERE = on.Destination("nowhere")


class Stage:
    """Turns of which a test sees every outer effect, in order."""

    def __init__(self, slow: bool = False) -> None:
        self.clock = HandClock()
        self.journal = FakeJournal()
        self.journal.slow = slow
        self.turns = Turns(cast(Any, self.clock), cast(Any, self.journal))
        self.shown: list[tuple[str, str]] = []
        self.inside: list[str] = []
        self.finished: list[str] = []
        kinds = (do.PickUp, do.Drop, do.Play, do.TellPosition, do.Join, do.Record, do.StopRecording)
        register(self.turns.outer, dict.fromkeys(kinds, self._show))
        inner = (do.EnterQueue, do.LeaveQueue, do.StepFlow, do.SetTimer, do.ClearTimer)
        register(self.turns.inner, dict.fromkeys((*inner, do.AgentDone), self._note))
        register(self.turns.inner, {do.StartFlow: self._start})
        self.turns.on_finished = self._finished

    def _show(self, call: Call, effect: Any) -> None:
        self.shown.append((call.id, type(effect).__name__))

    def _note(self, call: Call, effect: Any) -> None:
        self.inside.append(type(effect).__name__)

    def _start(self, call: Call, effect: do.StartFlow) -> None:
        if effect.flow == "broken":
            raise RuntimeError("a mistake of ours")
        self.turns.feed(call.id, on.FlowSays(()))

    def _finished(self, call: Call) -> None:
        self.finished.append(call.id)
        self.turns.calls.pop(call.id)

    def arrive(self, name: str, flow: str = "main") -> Call:
        call = Call(name)
        self.turns.calls[name] = call
        destination = on.Destination("flow", flow) if flow else NOWHERE
        self.turns.feed(name, on.Arrive(f"{name}.in", "+37120000001", "1", "telia", destination))
        return call

    def up(self, call: Call) -> None:
        self.turns.feed(call.id, on.LegUp(call.caller_leg))


def test_nothing_shows_before_the_facts_that_bind_it_are_durable() -> None:
    stage = Stage(slow=True)
    stage.arrive("a")
    assert stage.journal.names() == ["CallArrived"]
    assert stage.shown == []
    assert stage.turns.waiting_for_disk == 1
    stage.journal.sync()
    assert stage.shown == [("a", "PickUp")]
    assert stage.turns.waiting_for_disk == 0


def test_what_needs_no_durable_fact_shows_at_once() -> None:
    stage = Stage()
    call = stage.arrive("a")
    stage.journal.slow = True
    stage.up(call)
    assert stage.journal.durable_seq < stage.journal.last_seq, "CallPickedUp is on its way"
    assert stage.shown == [("a", "PickUp"), ("a", "Play")], "and binds nobody"


def test_one_order_for_all_calls() -> None:
    """A call that has nothing to wait for still stands behind what was asked before."""
    stage = Stage()
    first = stage.arrive("a")
    stage.journal.slow = True
    stage.arrive("b")
    stage.up(first)  # binds nothing itself
    stage.turns.feed("a", on.HangUpAsked("test"))
    assert stage.shown == [("a", "PickUp")]
    stage.journal.sync(2)  # b's CallArrived
    assert stage.shown[1:] == [("b", "PickUp"), ("a", "Play")], "a's hang-up waits for CallEnded"
    stage.journal.sync()
    assert stage.shown[3:] == [("a", "Drop")]


def test_the_time_of_a_turn_is_one() -> None:
    stage = Stage()
    times = []

    def work() -> None:
        times.append(stage.turns.now())
        stage.clock.at += 5.0
        times.append(stage.turns.now())

    stage.turns.together(work)
    assert times[0] == times[1]
    assert stage.turns.now() == times[0] + 5.0


def test_an_input_for_a_call_that_is_gone_means_nothing() -> None:
    stage = Stage()
    stage.turns.feed("nobody", on.HangUpAsked("test"))
    assert stage.journal.entries == []


def test_work_together_is_one_turn() -> None:
    stage = Stage()
    one, two = stage.arrive("a"), stage.arrive("b")
    order: list[str] = []

    def work() -> None:
        stage.up(one)
        order.append(one.phase)
        stage.up(two)
        stage.turns.together(lambda: order.append("inside"))

    stage.turns.together(work)
    assert order == ["arriving", "inside"], "inputs are taken when the work is done"
    assert (one.phase, two.phase) == ("flow", "flow")


def test_forgetting_waits_for_the_last_effect() -> None:
    stage = Stage()
    call = stage.arrive("a")
    forgotten: list[str] = []
    stage.journal.slow = True
    stage.turns.feed(call.id, on.HangUpAsked("test"))
    stage.turns.forget_later(call.id, forgotten.append)
    stage.turns.feed("nobody", on.HangUpAsked("test"))
    assert forgotten == [], "its hang-up waits for the disk"
    stage.journal.sync()
    assert stage.shown[-1] == ("a", "Drop")
    assert forgotten == ["a"]


def test_a_call_that_lives_again_is_not_forgotten_with_its_first_life() -> None:
    """Its callback began while the first life's last effects waited for the disk: the worker it
    is at home with, and its state, are the second life's by then."""
    stage = Stage()
    call = stage.arrive("a")
    forgotten: list[str] = []
    stage.journal.slow = True
    stage.turns.feed(call.id, on.HangUpAsked("test"))
    stage.turns.forget_later(call.id, forgotten.append)
    stage.turns.calls["a"] = Call("a")
    stage.journal.sync()
    assert stage.shown[-1] == ("a", "Drop")
    assert forgotten == []


# --- mistakes ----------------------------------------------------------------------


def test_a_failing_step_ends_its_own_call_as_failed_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    good, bad = stage.arrive("a"), stage.arrive("b", flow="broken")

    def both_up() -> None:
        stage.up(bad)
        stage.up(good)

    stage.turns.together(both_up)
    (ended,) = stage.journal.facts(facts.CallEnded)
    assert (ended.outcome, ended.cause) == ("failed", "internal error")
    assert stage.finished == ["b"]
    assert ("b", "Drop") in stage.shown
    assert good.phase == "flow"
    assert ("a", "Play") in stage.shown
    assert "a mistake of ours" in caplog.text


def test_an_effect_that_fails_ends_its_own_call_and_holds_up_no_other() -> None:
    stage = Stage(slow=True)
    broken = stage.arrive("a")
    stage.arrive("b")

    def fails_for_a(call: Call, effect: do.PickUp) -> None:
        if call is broken:
            raise RuntimeError("a mistake of ours")
        stage._show(call, effect)

    stage.turns.outer[do.PickUp] = fails_for_a
    stage.journal.sync()
    assert stage.shown == [("b", "PickUp")]
    assert [e.cause for e in stage.journal.facts(facts.CallEnded)] == ["internal error"]
    stage.journal.sync()
    assert stage.shown == [("b", "PickUp"), ("a", "Drop")]


def test_an_effect_that_fails_on_the_quick_way_too() -> None:
    stage = Stage()
    stage.turns.outer[do.PickUp] = lambda call, effect: cast(None, 1 / 0)
    stage.arrive("a")
    assert stage.finished == ["a"]
    assert stage.shown == [("a", "Drop")]


def test_an_end_that_fails_too_still_finishes_the_call() -> None:
    stage = Stage()
    call = stage.arrive("a", flow="broken")
    stage.turns.inner[do.ClearTimer] = lambda call, effect: cast(None, 1 / 0)
    stage.up(call)
    assert stage.finished == ["a"]
    assert len(stage.journal.facts(facts.CallEnded)) == 1
    assert stage.shown[-1] == ("a", "Drop")


def test_work_that_fails_leaves_the_turns_usable(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    with pytest.raises(ZeroDivisionError):
        stage.turns.together(lambda: cast(None, 1 / 0))
    caplog.set_level(logging.ERROR)
    call = stage.arrive("a")
    assert call.phase == "arriving"
    assert stage.shown == [("a", "PickUp")]


@pytest.mark.parametrize("at", ["answer", "change"])
def test_a_mistake_with_an_event_of_a_leg_costs_its_call_and_no_other(
    at: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()
    other = desk.call("in2")
    if at == "answer":
        desk.directions.codecs = lambda call: cast(Any, 1 / 0)  # type: ignore[method-assign]
        desk.invite("in1")
    else:
        desk.call("in1")
        desk.phone.accept_change = lambda leg, body: cast(None, 1 / 0)  # type: ignore[method-assign]
        desk.phone.event(sip.ChangeAsked("in1", "INVITE", description()))
    (ended,) = desk.journal.facts(facts.CallEnded)
    assert ended.cause == "internal error"
    assert "hang_up" in desk.phone.verbs("in1")
    assert len(desk.workers.of(media.Close)) == 1
    assert other.phase == "waiting"
    assert "ZeroDivisionError" in caplog.text


def test_an_effect_has_one_performer() -> None:
    with pytest.raises(ValueError, match="two performers for Join"):
        register({do.Join: print}, {do.Join: print})


# --- with everything joined -----------------------------------------------------------------


def test_a_phone_that_one_call_hangs_up_is_hung_up_before_another_rings_it() -> None:
    desk = Desk()
    desk.agent_ready()
    first = desk.call("in1")
    second = desk.call("in2")
    assert desk.phone.verbs()[-1] == "answer", "one phone, one offer"
    ringing = desk.invited_legs()[-1]
    desk.journal.slow = True
    desk.turns.feed(first.id, on.LegGone("in1", "bye"))
    before = len(desk.phone.said)
    assert desk.phone.verbs(ringing) == ["invite"]
    desk.journal.sync()
    after = [(said[0], said[1]) for said in desk.phone.said[before:]]
    assert after[0] == ("hang_up", ringing)
    assert after[-1][0] == "invite"
    assert after[-1][1].startswith(second.id)


@pytest.mark.parametrize("kind", sorted(BINDING, key=lambda kind: kind.__name__))
def test_every_binding_fact_is_an_event_of_the_journal(kind: type) -> None:
    assert kind in (*facts.EVENTS, *floor_facts.EVENTS)
