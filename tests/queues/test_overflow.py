"""Why calls leave a queue without an agent: each cause, its way out, and who is spared."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config.hours import Schedule
from queues.events import CallQueued, QueueVisitEnded
from queues.floor import Floor
from queues.offers import Overflow
from queues.opening import is_open, next_opening
from queues.rules import AgentRules, QueueRules, Staffed
from tests.queues.floors import Watched, events, offers, overflows, rules

RIGA = ZoneInfo("Europe/Riga")
OFFICE = ((9 * 60, 17 * 60),)
OFFICE_HOURS = Schedule(RIGA, week=(OFFICE,) * 5 + ((), ()), holidays=frozenset({"2026-11-18"}))
WAYS = {"full": "voicemail", "closed": "announcement:closed.wav", "unstaffed": "queue:other",
        "expected": "hang-up", "waited": "number:+371"}  # fmt: skip


def riga(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=RIGA).timestamp()


def queue(**settings: Any) -> Watched:
    """One queue with these rules and ways out, ann and bob signed out."""
    return Watched(rules({"main": QueueRules(overflow_on=WAYS, **settings)}))


def test_a_closed_queue_lets_nobody_in_though_an_agent_is_ready() -> None:
    watched = queue(schedule=OFFICE_HOURS)
    evening = riga("2026-11-17 17:00")
    watched.staff("ann", evening - 60)
    effects = watched.enqueue("c1", "main", evening)
    assert overflows(effects) == [("c1", "announcement:closed.wav", "queue closed")]
    assert [event.end for event in events(effects, QueueVisitEnded)] == ["overflowed"]
    assert offers(effects) == []


def test_who_waits_when_the_hours_end_is_still_answered() -> None:
    watched = queue(schedule=OFFICE_HOURS)
    closing = riga("2026-11-17 17:00")
    watched.enqueue("c1", "main", closing - 60)
    assert offers(watched.staff("ann", closing + 60)) == [("c1", "ann")]


def test_hours_have_holidays_and_nights() -> None:
    assert is_open(None, 0.0)
    assert is_open(OFFICE_HOURS, riga("2026-11-17 09:00"))
    assert next_opening(OFFICE_HOURS, riga("2026-11-17 17:30")) == riga("2026-11-19 09:00")
    assert next_opening(OFFICE_HOURS, riga("2026-11-20 17:30")) == riga("2026-11-23 09:00")
    never = Schedule(RIGA, week=((),) * 7)
    now = riga("2026-11-20 17:30")
    assert next_opening(never, now) == now + 8 * 86_400


@pytest.mark.parametrize(
    ("join_when", "signed_in", "on_break", "reason"),
    [
        ("always", [], [], None),
        ("signed-in", [], [], "nobody signed in"),
        ("signed-in", ["ann"], ["ann"], None),
        ("working", [], [], "nobody signed in"),
        ("working", ["ann"], ["ann"], "nobody working"),
        ("working", ["ann", "bob"], ["ann"], None),
    ],
)
def test_who_may_join_by_who_is_there(
    join_when: Staffed, signed_in: list[str], on_break: list[str], reason: str | None
) -> None:
    watched = queue(join_when=join_when)
    for agent in signed_in:
        watched.sign_in(agent, 1.0)  # without a phone: nobody is ready
    for agent in on_break:
        watched.take_break(agent, 2.0, "lunch")
    expected = [] if reason is None else [("c1", "queue:other", reason)]
    assert overflows(watched.enqueue("c1", "main", 3.0)) == expected


def test_a_talking_agent_is_working() -> None:
    watched = queue(join_when="working", stay_while="working")
    watched.staff("ann", 1.0)
    watched.enqueue("c1", "main", 2.0)
    watched.accept("ann", 1, 3.0)
    assert overflows(watched.enqueue("c2", "main", 4.0)) == []


def test_who_waits_leaves_when_the_last_agent_goes() -> None:
    watched = queue(stay_while="working", wrap_up_s=0.0)
    watched.staff("ann", 1.0)
    watched.staff("bob", 1.0)
    watched.enqueue("c1", "main", 2.0)
    watched.accept("ann", 1, 3.0)
    watched.set_reachable("bob", False, 3.5)
    watched.enqueue("c2", "main", 4.0)
    watched.enqueue("c3", "main", 5.0)
    assert overflows(watched.take_break("bob", 6.0, "lunch")) == []
    watched.take_break("ann", 7.0, "lunch")  # follows the talk
    assert overflows(watched.finished("ann", 8.0)) == [
        ("c2", "queue:other", "nobody working"),
        ("c3", "queue:other", "nobody working"),
    ]


def test_never_while_a_phone_rings_for_the_call_but_when_it_rang_in_vain() -> None:
    watched = queue(stay_while="working")
    watched.staff("ann", 1.0)
    watched.sign_in("bob", 1.0)
    watched.enqueue("c1", "main", 2.0)
    watched.enqueue("c2", "main", 3.0)
    assert overflows(watched.take_break("bob", 4.0, "lunch")) == []
    effects = watched.refuse("ann", 1, 5.0, "rung-out", "no answer")
    assert [call for call, _, _ in overflows(effects)] == ["c1", "c2"]


def test_a_queue_has_its_own_bound_unless_an_agent_is_ready() -> None:
    watched = queue(waiting_max=2)
    for number in range(3):
        watched.enqueue(f"c{number}", "main", 1.0)
    assert overflows(watched.effects) == [("c2", "voicemail", "queue full")]
    watched.request_callback("c1", "main", 2.0, number="100")
    assert overflows(watched.enqueue("c3", "main", 3.0)) == []  # callbacks hold no line
    watched.staff("ann", 4.0)
    watched.staff("bob", 4.0)
    watched = queue(waiting_max=1)
    watched.enqueue("c1", "main", 1.0, skills={"en": 1})
    watched.staff("ann", 2.0)
    assert offers(watched.enqueue("c2", "main", 3.0)) == [("c2", "ann")]


def busy_queue(**settings: Any) -> Watched:
    """Two agents who talk since long, and what a talk takes is known."""
    watched = queue(wrap_up_s=0.0, **settings)
    now = 0.0
    for number in range(40):
        now = 1.0 + 100.0 * number
        if number == 0:
            watched.staff("ann", now)
            watched.staff("bob", now)
        for agent in ("ann", "bob"):
            watched.enqueue(f"{agent}-{number}", "main", now)
        for agent in ("ann", "bob"):
            watched.accept(agent, watched.fence(agent), now + 1)
        if number < 39:
            for agent in ("ann", "bob"):
                watched.finished(agent, now + 100.0)
    return watched


def test_a_wait_that_would_be_too_long_is_not_begun() -> None:
    watched = busy_queue(expected_max_s=180.0)
    now = watched.floor._desk.state.now + 1
    let_in = 0
    while not overflows(watched.enqueue(f"c{let_in}", "main", now)):
        let_in += 1
        assert let_in < 20
    assert 2 <= let_in <= 6  # fifty seconds a place
    assert overflows(watched.effects) == [
        (f"c{let_in}", "hang-up", "expected wait too long"),
    ]


def test_when_agents_leave_those_go_whose_wait_became_too_long_the_last_first() -> None:
    watched = busy_queue(expected_max_s=180.0)
    now = watched.floor._desk.state.now + 1
    let_in = 0
    while not overflows(watched.enqueue(f"c{let_in}", "main", now)):
        let_in += 1
    watched.take_break("bob", now + 1, "lunch")
    effects = watched.finished("bob", now + 2)
    gone = [call for call, _, _ in overflows(effects)]
    left = [view.call for view in watched.waiting()]
    assert gone
    assert left == [f"c{number}" for number in range(len(left))]
    assert gone == [f"c{number}" for number in range(let_in - 1, len(left) - 1, -1)]


@pytest.mark.parametrize("talks", [True, False])
def test_a_phone_that_is_gone_makes_waits_too_long_as_well(talks: bool) -> None:
    watched = busy_queue(expected_max_s=180.0)
    now = watched.floor._desk.state.now + 1
    let_in = 0
    while not overflows(watched.enqueue(f"c{let_in}", "main", now)):
        let_in += 1
    if not talks:
        watched.finished("bob", now + 1)  # is rung for the next call
    effects = watched.set_reachable("bob", False, now + 2)
    gone = [call for call, _, _ in overflows(effects)]
    left = [view.call for view in watched.waiting()]
    assert gone
    assert left == [f"c{number}" for number in range(len(left))]
    assert {reason for _, _, reason in overflows(effects)} == {"expected wait too long"}
    assert overflows(watched.set_reachable("bob", True, now + 3)) == []
    watched.take_break("bob", now + 4, "lunch")
    known = len(watched.effects)
    watched.set_reachable("bob", False, now + 5)
    assert overflows(watched.effects[known:]) == []


def test_the_way_out_without_a_word_of_its_own_is_the_queue_s() -> None:
    watched = Watched(rules({"main": QueueRules(overflow="voicemail", wait_max_s=5.0)}))
    watched.enqueue("c1", "main", 1.0)
    assert overflows(watched.tick(6.0)) == [("c1", "voicemail", "waited too long")]


def test_who_overflows_takes_along_since_when_the_caller_waits() -> None:
    queues = {
        "main": QueueRules(wait_max_s=60.0, overflow="queue:other"),
        "other": QueueRules(),
    }
    watched = Watched(rules(queues, {"ann": AgentRules({"other": 1})}))
    watched.enqueue("c1", "main", 100.0)
    watched.enqueue("newer", "other", 130.0)
    (overflow,) = [e for e in watched.tick(160.0) if isinstance(e, Overflow)]
    assert overflow.origin == 100.0
    effects = watched.enqueue("c1", "other", 160.0, origin=overflow.origin)
    (queued,) = events(effects, CallQueued)
    assert (queued.origin, queued.deadline) == (100.0, 120.0)
    assert watched.position("c1") == 1
    assert watched.next_deadline == 400.0  # the starvation bound counts from there
    watched.tick(400.0)
    assert [view.promoted for view in watched.waiting()] == [True, False]


def test_what_the_rules_would_not_have_let_be_is_seen_to_after_a_restart() -> None:
    old = queue()
    old.enqueue("c1", "main", 1.0)
    new = Floor(rules({"main": QueueRules(stay_while="signed-in", overflow="voicemail")}))
    for at, call, event in old.facts:
        new.apply(call, event, at)
    assert overflows(new.tick(2.0)) == [("c1", "voicemail", "nobody signed in")]


def test_the_end_of_a_visit_names_its_cause() -> None:
    queues = {"main": QueueRules(wait_max_s=30.0), "side": QueueRules(join_when="signed-in")}
    watched = Watched(rules(queues))
    watched.enqueue("c1", "side", 0.0)
    watched.enqueue("c2", "main", 0.0)
    watched.enqueue("c3", "main", 1.0)
    watched.enqueue("c4", "main", 2.0)
    watched.move("c3", "side", 3.0, by="sveta")
    watched.leave("c4", 4.0, "abandoned")
    watched.tick(30.0)
    assert [(e.end, e.cause) for e in events(watched.effects, QueueVisitEnded)] == [
        ("overflowed", "nobody signed in"),
        ("removed", "moved by sveta"),
        ("abandoned", ""),
        ("overflowed", "waited too long"),
    ]
