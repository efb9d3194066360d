"""kill -9 of the engine alone: the next one carries every call on, exactly where it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine import recovery
from engine.kept import CODEC, CallKept, KeptCall
from engine.turns import Turns
from ivr.loader import FlowSet
from queues.events import CallQueued, OfferMade
from router import effects as do
from router import inputs as on
from router.events import CallArrived, CallConnected, CallEnded, EngineStarted
from router.sip import effects as sip
from tests.engine import desk as desk_module
from tests.engine import test_recovery as scenes
from tests.engine.desk import SETTINGS, Desk

SUPERVISOR = "supervisor/1/1"
SCENES: tuple[Callable[[Desk], None], ...] = (
    scenes.in_flow,
    scenes.waiting,
    scenes.ringing,
    scenes.talking,
    scenes.held,
    scenes.in_transfer,
    scenes.transferred_out,
    scenes.back_in_queue_by_transfer,
    scenes.back_in_queue_after_loss,
    scenes.dialling,
    scenes.dialled_out,
    scenes.greeting_of_voicemail,
    scenes.leaving_a_message,
    scenes.being_promised_a_callback,
)
every_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)


def begun(flows: FlowSet = desk_module.FLOWS) -> Desk:
    desk = Desk(flows=flows)
    started = EngineStarted(1, "1", SUPERVISOR)
    desk.journal.append("", started, desk.clock.now())
    return desk


def next_engine(
    desk: Desk,
    up_to: int | None = None,
    known: set[str] | None = None,
    flows: FlowSet = desk_module.FLOWS,
) -> Desk:
    """The engine that follows: phones and workers are there as they were."""
    desk.journal.end_group()
    after = Desk(flows=flows, kept=desk.journal.entries[:up_to])
    after.phone.phones = desk.phone.phones
    after.phone.known = set(desk.phone.known) if known is None else known
    agents = {agent.extension: agent.id for agent in SETTINGS.agents}
    after.turns.pause()
    settled = recovery.settle(
        after,  # type: ignore[arg-type]
        supervisor=SUPERVISOR,
        phones=lambda: [agents[user] for user in desk.phone.phones],
    )
    for io in after.legs.by_id.values():  # as engine.rebuild does when the worker is connected
        io.worker = after.workers.worker
    settled.takeover.go_on()
    after.turns.resume()
    return after


@every_scene
def test_every_call_goes_on_where_it_was(scene: Callable[[Desk], None]) -> None:
    desk = begun()
    scene(desk)
    after = next_engine(desk)
    assert after.turns.calls == desk.turns.calls
    assert after.floor.agents() == desk.floor.agents()
    assert after.floor.waiting() == desk.floor.waiting()
    for call in desk.turns.calls:
        assert after.call_timers.of(call) == desk.call_timers.of(call)
        walk, former = after.flows.walks.get(call), desk.flows.walks.get(call)
        assert (walk and walk.position) == (former and former.position)
    assert after.journal.facts(CallEnded) == []
    assert len(after.journal.facts(CallArrived)) == 1


@every_scene
def test_every_call_ends_once_with_its_caller(scene: Callable[[Desk], None]) -> None:
    desk = begun()
    scene(desk)
    after = next_engine(desk)
    again = next_engine(after)
    for one in (desk, again):
        one.phone.event(sip.Ended("in1", "bye"))
    (ended,), (wanted,) = again.journal.facts(CallEnded), desk.journal.facts(CallEnded)
    assert (ended.outcome, ended.agent) == (wanted.outcome, wanted.agent)
    assert again.turns.calls == {}
    assert again.floor.waiting() == desk.floor.waiting()
    assert again.journal.facts(CallKept)[-1] == CallKept(b""), "nothing is left to be done"


@every_scene
def test_whatever_was_durable_goes_on(
    scene: Callable[[Desk], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine dies after each turn: what the log has, the next engine carries on to one end."""
    marks: list[tuple[int, set[str]]] = []

    class Marked(Turns):
        def _until_quiet(self) -> None:
            super()._until_quiet()
            desk.journal.end_group()
            marks.append((desk.journal.last_seq, set(desk.phone.known)))

    monkeypatch.setattr(desk_module, "Turns", Marked)
    desk = begun()
    scene(desk)
    monkeypatch.undo()
    assert marks
    for up_to, known in marks:
        after = next_engine(desk, up_to, set(known))
        if not after.journal.facts(CallArrived):
            continue
        assert after.journal.facts(CallEnded) == []
        after.phone.event(sip.Ended("in1", "bye"))
        assert len(after.journal.facts(CallEnded)) == 1
        assert after.turns.calls == {}
        fences = [made.fence for made in after.journal.facts(OfferMade)]
        assert len(fences) == len(set(fences))


def test_a_phone_that_rang_is_answered_in_the_next_engine() -> None:
    desk = begun()
    scenes.ringing(desk)
    after = next_engine(desk)
    scenes_leg = desk.invited_legs()[-1]
    after.phone.event(sip.Answered(scenes_leg, desk_module.description()))
    (call,) = after.turns.calls.values()
    assert (call.phase, after.presence("anna")) == ("talking", "talking")
    assert len(after.journal.facts(CallConnected)) == 1


def test_what_the_dead_engine_owed_is_performed() -> None:
    """The decision is on disk, the INVITE was not sent."""
    desk = begun()
    desk.agent_ready()
    desk.journal.slow = True
    desk.call()
    desk.journal.sync()
    desk.journal.end_group()
    entries = len(desk.journal.entries)
    assert "OfferMade" in desk.journal.names()
    after = next_engine(desk, entries, {"in1"})
    assert "invite" in after.phone.verbs()
    assert after.phone.verbs().count("invite") == 1


def test_the_order_of_the_queue_is_the_same() -> None:
    desk = begun()
    for number in range(20):
        desk.call(f"in{number}")
        desk.pass_time(0.5)
    order = [view.call for view in desk.floor.waiting()]
    after = next_engine(desk)
    assert [view.call for view in after.floor.waiting()] == order
    assert len(after.journal.facts(CallQueued)) == 20


def test_a_phone_that_hung_up_meanwhile_ends_its_call() -> None:
    desk = begun()
    scenes.talking(desk)
    known = set(desk.phone.known) - {"in1"}
    after = next_engine(desk, known=known)
    (ended,) = after.journal.facts(CallEnded)
    assert ended.outcome == "dropped"
    assert after.turns.calls == {}


def test_a_dialogue_that_no_call_has_is_hung_up() -> None:
    desk = begun()
    scenes.talking(desk)
    after = next_engine(desk, known={*desk.phone.known, "stray"})
    assert "hang_up" in after.phone.verbs("stray")


def test_after_a_reboot_calls_are_closed() -> None:
    desk = begun()
    scenes.talking(desk)
    after = Desk(kept=desk.journal.entries)
    recovery.settle(after, supervisor="supervisor/1/2")  # type: ignore[arg-type]
    (ended,) = after.journal.facts(CallEnded)
    assert (ended.outcome, ended.cause) == ("dropped", "restart")


def test_a_state_that_cannot_be_read_closes_its_call_and_no_other() -> None:
    desk = begun()
    first = desk.call("in1")
    desk.call("in2")
    desk.journal.end_group()
    desk.journal.append(first.id, CallKept(b"\x00rubbish"), desk.clock.now())
    after = next_engine(desk)
    (ended,) = after.journal.facts(CallEnded)
    assert ended.cause == "restart"
    assert len(after.turns.calls) == 1


def test_a_menu_goes_on_with_the_key_that_was_pressed_meanwhile() -> None:
    desk = begun()
    scenes.in_flow(desk)
    after = next_engine(desk)
    (call,) = after.turns.calls.values()
    after.turns.feed(call.id, on.KeyPressed("in1", "1"))
    assert (call.phase, call.queue) == ("waiting", "support")


def test_the_state_of_a_call_is_small() -> None:
    desk = begun()
    scenes.in_transfer(desk)
    sizes = [len(fact.data) for fact in desk.journal.facts(CallKept)]
    assert max(sizes) < 8_000
    state: Any = CODEC.decode(desk.journal.facts(CallKept)[-1].data)
    assert isinstance(state, KeptCall)


def test_the_media_of_a_phone_that_is_dialled_again_stays() -> None:
    """The dead engine may have sent the INVITE: the phone speaks to the port that it names."""
    desk = begun()
    desk.agent_ready()
    desk.journal.slow = True
    desk.call()
    desk.journal.sync()
    kept = CODEC.decode(desk.journal.facts(CallKept)[-1].data)
    (leg,) = (effect.leg for effect in kept.outer if isinstance(effect, do.Dial))
    after = Desk(kept=desk.journal.entries)
    after.phone.phones = desk.phone.phones
    after.turns.pause()
    settled = recovery.settle(
        after,  # type: ignore[arg-type]
        supervisor=SUPERVISOR,
        phones=lambda: ["anna", "boris"],
    )
    assert after.legs.is_ours(leg)
    for io in after.legs.by_id.values():
        io.worker = after.workers.worker
    settled.takeover.go_on()
    after.turns.resume()
    assert after.legs.by_id[leg].port
    assert "invite" in after.phone.verbs(leg)
    assert after.legs.owed == set()


def test_what_waited_for_a_worker_is_asked_again() -> None:
    """Performed, but not to its end: the caller's media session was asked for and not there."""
    desk = begun()
    desk.workers.held = True
    desk.invite("in1")
    (call,) = desk.turns.calls.values()
    assert desk.turns.owed(call.id) == ()
    desk.turns.touch(call.id)
    after = next_engine(desk)
    assert after.phone.verbs("in1") == ["answer"]
    assert [call.phase for call in after.turns.calls.values()] == ["waiting"]
