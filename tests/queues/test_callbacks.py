"""Callbacks keep the place: an agent is reserved first, then the caller is dialled; nobody who
waits is overtaken."""

from __future__ import annotations

from datetime import datetime
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config.errors import MisuseError
from config.hours import Schedule
from queues.events import (
    CallbackDue,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
)
from queues.offers import CallbackOver, Effect, Reserve
from queues.rules import AgentRules, CallbackRules, QueueRules
from tests.queues.floors import (
    Watched,
    events,
    offers,
    overflows,
    picture,
    rules,
    stale,
    unmatched,
    withdrawn,
)

RIGA = ZoneInfo("Europe/Riga")
ONE = {"ann": AgentRules({"main": 1})}
QUEUE = QueueRules(
    wrap_up_s=0.0,
    ring_timeout_s=15.0,
    callback=CallbackRules(attempts=2, retry_s=60.0, ring_s=30.0, expires_s=3600.0),
)


def asked(*, agents: dict[str, AgentRules] | None = None, **settings: Any) -> Watched:
    """c1 waits, asks to be called back and hangs up; then c2 comes and waits. Ann is away."""
    queue = QUEUE if not settings else QueueRules(**{"callback": QUEUE.callback, **settings})
    watched = Watched(rules({"main": queue}, ONE if agents is None else agents))
    watched.enqueue("c1", "main", 10.0)
    watched.request_callback("c1", "main", 20.0, number="100", trunk="t", dialled="200")
    watched.enqueue("c2", "main", 30.0)
    return watched


def reserves(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(effect.call, effect.agent) for effect in effects if isinstance(effect, Reserve)]


def over(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(effect.call, effect.end) for effect in effects if isinstance(effect, CallbackOver)]


def entry(watched: Watched, call: str = "c1") -> Any:
    return next(view for view in watched.waiting() if view.call == call)


def test_the_visit_ends_and_an_entry_has_its_exact_key() -> None:
    watched = Watched(rules({"main": QUEUE}, ONE))
    watched.enqueue("c0", "main", 9.0)
    watched.enqueue("c1", "main", 10.0, priority=2, skills={"en": 2})
    key = watched.floor._desk.state.calls["c1"].key()
    effects = watched.request_callback("c1", "main", 20.0, number="100", language="lv")
    assert [event.end for event in events(effects, QueueVisitEnded)] == ["callback-requested"]
    (placed,) = events(effects, CallbackPlaced)
    assert (placed.number, placed.language, placed.expires_at) == ("100", "lv", 3620.0)
    assert placed.skills == {"en": 2}
    assert watched.floor._desk.state.calls["c1"].key() == key
    view = entry(watched)
    assert (view.kind, view.on_line, view.position, view.origin) == ("callback", False, 1, 10.0)
    assert watched.position("c0") == 2  # priority put c1 ahead, and there it stays


def test_an_agent_is_reserved_then_the_caller_is_dialled_then_the_phone_rings() -> None:
    watched = asked()
    effects = watched.staff("ann", 40.0)
    (made,) = events(effects, OfferMade)
    assert (made.kind, made.lease_until) == ("callback", 75.0)
    (reserve,) = [effect for effect in effects if isinstance(effect, Reserve)]
    assert (reserve.number, reserve.trunk, reserve.dialled, reserve.ring_s) == (
        "100",
        "t",
        "200",
        30.0,
    )
    assert watched.presence("ann") == "reserved"
    assert offers(effects) == []
    effects = watched.callback_reached("c1", 1, 45.0)
    assert events(effects, CallbackReached) == [CallbackReached("main", "ann", 1)]
    assert offers(effects) == [("c1", "ann")]
    assert watched.presence("ann") == "offered"
    effects = watched.accept("ann", 1, 50.0)
    assert events(effects, CallbackEnded) == [CallbackEnded("main", "connected", 1, "ann")]
    assert events(effects, QueueVisitEnded) == []  # the visit ended long ago
    assert over(effects) == []
    assert watched.presence("ann") == "talking"
    assert [view.call for view in watched.waiting()] == ["c2"]


def test_nobody_who_waits_is_overtaken_by_a_callback() -> None:
    watched = Watched(rules({"main": QUEUE}, ONE))
    watched.enqueue("first", "main", 5.0)
    watched.enqueue("c1", "main", 10.0)
    watched.request_callback("c1", "main", 20.0, number="100")
    watched.enqueue("last", "main", 30.0)
    watched.staff("ann", 40.0)
    taken = []
    for step in range(3):
        now = 50.0 + 10 * step
        (view,) = [view for view in watched.waiting() if view.offered_to]
        taken.append(view.call)
        if view.kind == "callback":
            watched.callback_reached(view.call, watched.fence("ann"), now)
        watched.accept("ann", watched.fence("ann"), now + 1)
        watched.finished("ann", now + 2)
    assert taken == ["first", "c1", "last"]


def test_nobody_answers_and_the_agent_keeps_the_turn_and_the_entry_its_place() -> None:
    agents = {"ann": AgentRules({"main": 1}), "bob": AgentRules({"main": 1})}
    watched = asked(agents=agents)
    watched.leave("c2", 31.0, "abandoned")
    watched.staff("ann", 40.0)
    watched.staff("bob", 60.0)
    effects = watched.callback_missed("c1", 1, 70.0, "busy")
    assert events(effects, CallbackMissed) == [CallbackMissed("main", 1, "busy", 130.0)]
    assert watched.presence("ann") == "available"
    assert offers(watched.enqueue("c3", "main", 100.0)) == [("c3", "ann")]
    watched.enqueue("c4", "main", 101.0)
    watched.accept("ann", watched.fence("ann"), 102.0)
    watched.accept("bob", watched.fence("bob"), 102.0)
    watched.enqueue("c5", "main", 103.0)
    assert entry(watched).next_at == 130.0
    assert [view.call for view in watched.waiting()] == ["c1", "c5"]
    assert len(events(watched.tick(130.0), CallbackDue)) == 1
    assert reserves(watched.finished("ann", 140.0)) == [("c1", "ann")]


def test_while_the_entry_rests_others_are_served() -> None:
    watched = asked()
    watched.staff("ann", 40.0)
    assert offers(watched.callback_missed("c1", 1, 70.0, "busy")) == [("c2", "ann")]


def test_after_the_last_attempt_it_is_given_up() -> None:
    watched = asked()
    watched.leave("c2", 31.0, "abandoned")
    watched.staff("ann", 40.0)
    watched.callback_missed("c1", 1, 50.0, "no answer")
    watched.tick(110.0)
    effects = watched.callback_missed("c1", 2, 120.0, "busy")
    assert events(effects, CallbackEnded) == [CallbackEnded("main", "gave-up", 2, "", "busy")]
    assert over(effects) == [("c1", "gave-up")]
    assert watched.waiting() == []
    assert watched.presence("ann") == "available"


def test_a_request_expires_but_not_while_the_caller_is_dialled() -> None:
    watched = asked()
    effects = watched.tick(3620.0)
    assert events(effects, CallbackEnded) == [CallbackEnded("main", "expired", 0)]
    assert over(effects) == [("c1", "expired")]
    watched = asked()
    watched.staff("ann", 3610.0)
    assert over(watched.tick(3625.0)) == []
    assert over(watched.callback_missed("c1", 1, 3630.0, "busy")) == [("c1", "expired")]


def test_a_lease_bounds_the_reservation_and_the_agent_did_nothing_wrong() -> None:
    watched = asked()
    watched.leave("c2", 31.0, "abandoned")
    watched.staff("ann", 40.0)
    assert watched.next_deadline == 75.0
    effects = watched.tick(75.0)
    assert withdrawn(effects) == [("c1", "ann")]
    assert events(effects, CallbackMissed)[0].cause == "lease lapsed"
    assert watched.presence("ann") == "available"
    assert stale(watched.callback_reached("c1", 1, 76.0)) == [("", 1)]


@pytest.mark.parametrize("how", ["sign_out", "take_break", "set_reachable"])
@pytest.mark.parametrize("reached", [False, True])
def test_an_agent_who_goes_leaves_the_entry_in_its_place(how: str, reached: bool) -> None:
    agents = {"ann": AgentRules({"main": 1}), "bob": AgentRules({"main": 2})}
    watched = asked(agents=agents)
    watched.staff("ann", 40.0)
    key = watched.floor._desk.state.calls["c1"].key()
    if reached:
        watched.callback_reached("c1", 1, 41.0)
    args: tuple[Any, ...] = {"sign_out": (), "take_break": (), "set_reachable": (False,)}[how]
    late = ("lunch",) if how == "take_break" else ()
    effects = getattr(watched, how)("ann", *args, 42.0, *late)
    assert withdrawn(effects) == [("c1", "ann")]
    assert watched.floor._desk.state.calls["c1"].key() == key
    assert entry(watched).on_line == reached
    effects = watched.staff("bob", 43.0)
    if reached:
        assert offers(effects) == [("c1", "bob")]
        assert events(watched.accept("bob", 2, 44.0), CallbackEnded)[0].end == "connected"
    else:
        assert reserves(effects) == [("c1", "bob")]


def test_the_reserved_agent_does_not_answer_and_the_caller_waits_on() -> None:
    watched = asked()
    watched.staff("ann", 40.0)
    watched.callback_reached("c1", 1, 41.0)
    effects = watched.refuse("ann", 1, 56.0, "rung-out", "no answer")
    assert watched.presence("ann") == "on-break"
    assert events(effects, OfferEnded)[0].end == "rung-out"
    assert watched.position("c1") == 1
    assert offers(watched.ready("ann", 60.0)) == [("c1", "ann")]


def test_a_caller_who_is_reached_hangs_up_before_the_agent_answers() -> None:
    watched = asked()
    watched.staff("ann", 40.0)
    watched.callback_reached("c1", 1, 41.0)
    effects = watched.leave("c1", 43.0, "abandoned")
    assert events(effects, CallbackEnded) == [CallbackEnded("main", "abandoned", 1)]
    assert withdrawn(effects) == [("c1", "ann")]
    assert offers(effects) == [("c2", "ann")]
    assert over(effects) == []  # the call itself told it


def test_a_caller_who_is_reached_may_go_elsewhere() -> None:
    watched = asked()
    watched.staff("ann", 40.0)
    watched.callback_reached("c1", 1, 41.0)
    effects = watched.leave("c1", 43.0, "overflowed")  # to leave a message
    assert events(effects, CallbackEnded) == [CallbackEnded("main", "gave-up", 1, "", "overflowed")]
    assert offers(effects) == [("c2", "ann")]


def test_a_caller_whom_we_cut_off_is_called_again() -> None:
    watched = asked()
    watched.staff("ann", 40.0)
    watched.callback_reached("c1", 1, 41.0)
    effects = watched.leave("c1", 43.0, "removed")
    assert events(effects, CallbackMissed) == [CallbackMissed("main", 1, "removed", 103.0)]
    assert not entry(watched).on_line
    assert watched.leave("c1", 44.0, "removed") == []  # it holds no line


def test_a_caller_who_is_reached_waits_by_the_rules_of_those_who_wait() -> None:
    watched = asked(wait_max_s=100.0, overflow="voicemail")
    watched.leave("c2", 31.0, "abandoned")
    watched.staff("ann", 40.0)
    watched.callback_reached("c1", 1, 50.0)
    watched.sign_out("ann", 51.0)
    effects = watched.tick(150.0)
    assert overflows(effects) == [("c1", "voicemail", "waited too long")]
    assert events(effects, CallbackEnded)[0].end == "gave-up"
    assert over(effects) == []


def test_a_caller_who_is_reached_may_ask_once_more() -> None:
    watched = asked()
    watched.staff("ann", 40.0)
    key = watched.floor._desk.state.calls["c1"].key()
    watched.callback_reached("c1", 1, 41.0)
    watched.refuse("ann", 1, 50.0, "rung-out", "no answer")
    watched.request_callback("c1", "main", 55.0, number="100")
    assert not entry(watched).on_line
    assert watched.floor._desk.state.calls["c1"].key() == key
    assert reserves(watched.ready("ann", 60.0)) == [("c1", "ann")]


def test_nobody_is_called_by_a_closed_queue() -> None:
    office = ((9 * 60, 17 * 60),)
    schedule = Schedule(RIGA, week=(office,) * 7)

    def at(text: str) -> float:
        return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=RIGA).timestamp()

    queue = QueueRules(schedule=schedule, callback=CallbackRules(expires_s=86_400.0))
    watched = Watched(rules({"main": queue}, ONE))
    watched.enqueue("c1", "main", at("17 16:50"))
    watched.request_callback("c1", "main", at("17 16:51"), number="100")
    effects = watched.staff("ann", at("17 17:00"))
    assert reserves(effects) == []
    (missed,) = events(effects, CallbackMissed)
    assert (missed.attempt, missed.cause, missed.next_at) == (0, "queue closed", at("18 09:00"))
    assert watched.presence("ann") == "available"
    assert reserves(watched.tick(at("18 09:00"))) == [("c1", "ann")]


def test_a_caller_who_never_waited_takes_a_place() -> None:
    watched = Watched(rules({"main": QUEUE}, ONE))
    watched.enqueue("c0", "main", 5.0)
    effects = watched.request_callback("c1", "main", 10.0, number="100", priority=1)
    assert events(effects, QueueVisitEnded) == []
    assert entry(watched).deadline == 25.0
    watched.request_callback("c2", "main", 11.0, number="101", origin=1.0)
    assert [view.call for view in watched.waiting()] == ["c2", "c0", "c1"]


def test_a_full_floor_keeps_no_further_place() -> None:
    watched = Watched(rules({"main": QUEUE}, ONE, waiting_max=1))
    watched.enqueue("c0", "main", 5.0)
    effects = watched.request_callback("c1", "main", 10.0, number="100")
    assert over(effects) == [("c1", "gave-up")]
    assert events(effects, CallbackEnded)[0].cause == "floor full"
    assert over(watched.request_callback("c0", "main", 11.0, number="101")) == []


def test_who_does_not_want_it_any_more_is_not_called() -> None:
    watched = asked()
    watched.staff("ann", 40.0)
    effects = watched.cancel_callback("c1", 41.0, "called again")
    assert withdrawn(effects) == [("c1", "ann")]
    assert over(effects) == [("c1", "cancelled")]
    assert offers(effects) == [("c2", "ann")]
    assert watched.cancel_callback("c2", 42.0, "no such callback") == []


def test_a_queue_that_is_gone_gives_up_its_callbacks() -> None:
    watched = asked()
    effects = watched.reload(rules({"other": QueueRules()}, {}), 50.0)
    assert over(effects) == [("c1", "gave-up")]
    assert overflows(effects) == [("c2", "callback", "queue removed")]


def test_one_call_has_one_callback() -> None:
    watched = asked()
    with pytest.raises(MisuseError):
        watched.request_callback("c1", "main", 40.0, number="100")
    with pytest.raises(MisuseError):
        watched.enqueue("c1", "main", 40.0)


CROSSING = ("reached", "missed", "sign-out", "cancelled", "ann answers", "tick")


@pytest.mark.parametrize("order", list(permutations(CROSSING)), ids=" > ".join)
def test_every_interleaving(order: tuple[str, ...]) -> None:
    """Whatever crosses: one entry, one end of each reservation, and facts tell it all."""
    watched = Watched(rules({"main": QUEUE}, ONE))
    watched.request_callback("c1", "main", 20.0, number="100")
    watched.staff("ann", 30.0)
    for step, name in enumerate(order):
        now = 31.0 + 10.0 * step
        match name:
            case "reached":
                watched.callback_reached("c1", 1, now)
            case "missed":
                watched.callback_missed("c1", 1, now, "busy")
            case "sign-out":
                watched.sign_out("ann", now)
            case "cancelled":
                watched.cancel_callback("c1", now, "changed my mind")
            case "ann answers":
                watched.accept("ann", 1, now)
            case "tick":
                watched.tick(now)
        assert unmatched(watched.floor) == []
    ends = events(watched.effects, OfferEnded)
    assert len(ends) == len({end.fence for end in ends})
    assert len(events(watched.effects, CallbackEnded)) <= 1
    talks = watched.presence("ann") == "talking"
    before = order[: order.index("ann answers")]
    cut = (
        {"missed", "sign-out", "cancelled"} & set(before[: before.index("reached")])
        if ("reached" in before)
        else {"reached"}
    )
    gone = "sign-out" in before
    assert talks == (not cut and not gone)
    floor = type(watched.floor)(rules({"main": QUEUE}, ONE))
    for at, call, event in watched.facts:
        floor.apply(call, event, at)
    assert picture(floor) == picture(watched.floor)
