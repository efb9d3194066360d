"""What supervisors change while calls wait: at once, and nobody loses the place."""

from __future__ import annotations

import pytest

from config.errors import MisuseError
from queues.events import (
    CallbackEnded,
    CallbackPlaced,
    CallChanged,
    CallQueued,
    QueueVisitEnded,
)
from queues.offers import Moved
from queues.rules import AgentRules, QueueRules, Widening
from tests.queues.floors import Watched, events, offers, order_of, rules, withdrawn

QUEUES = {
    "main": QueueRules(credit_s=5.0, target_s=20.0, skills={"en": 2}),
    "sales": QueueRules(credit_s=10.0, target_s=60.0, rank=3, skills={"ru": 1}),
}
ENGLISH = {"ann": AgentRules({"main": 1, "sales": 1}, {"en": 1, "ru": 1})}


def waiting(*staffed: str) -> Watched:
    watched = Watched(rules(QUEUES, ENGLISH))
    for agent in staffed:
        watched.staff(agent, 1.0)
    for number in range(3):
        watched.enqueue(f"c{number}", "main", 10.0 + number)
    return watched


def test_priority_moves_the_deadline_by_its_credit() -> None:
    watched = waiting()
    effects = watched.change("c2", 30.0, priority=1, by="eve")
    assert events(effects, CallChanged) == [CallChanged("main", 1, 5, 27.0, {"en": 2}, "eve")]
    assert [view.call for view in watched.waiting()] == ["c2", "c0", "c1"]
    watched.change("c2", 31.0, priority=0)
    assert [view.call for view in watched.waiting()] == ["c0", "c1", "c2"]


def test_another_class_counts_at_once() -> None:
    watched = waiting()
    watched.change("c1", 30.0, rank=0)
    assert order_of(watched, now=40.0) == ["c1", "c0", "c2"]


def test_skills_are_the_call_s_own_beside_the_queue_s() -> None:
    watched = waiting()
    watched.change("c0", 30.0, skills={"lv": 1})
    assert watched.waiting()[0].skills == {"en": 2, "lv": 1}
    assert offers(watched.staff("ann", 40.0)) == [("c1", "ann")]
    watched.refuse("ann", 1, 41.0, "refused", "486")
    watched.change("c0", 42.0, skills={})
    assert offers(watched.ready("ann", 43.0)) == [("c0", "ann")]


def test_a_phone_that_rings_for_an_agent_who_cannot_any_more_stops() -> None:
    watched = waiting("ann")
    assert watched.ringing() == {"c0": "ann"}
    assert withdrawn(watched.change("c0", 30.0, priority=3)) == []
    effects = watched.change("c0", 31.0, skills={"lv": 1})
    assert withdrawn(effects) == [("c0", "ann")]
    assert offers(effects) == [("c1", "ann")]


def test_what_waiting_has_widened_stays_wide() -> None:
    queue = QueueRules(skills={"en": 2}, widening=(Widening(30.0, 0, frozenset({"en"})),))
    watched = Watched(rules({"main": queue}, ENGLISH))
    watched.enqueue("c0", "main", 10.0)
    watched.tick(40.0)
    watched.change("c0", 50.0, skills={"ru": 1})
    assert watched.waiting()[0].skills == {"ru": 1}


def test_a_change_that_changes_nothing_is_none() -> None:
    watched = waiting()
    assert watched.change("c0", 30.0, priority=0, rank=5, skills={}) == []
    assert watched.change("nobody", 31.0, priority=1) == []


def test_a_call_is_moved_with_its_place() -> None:
    watched = waiting()
    watched.enqueue("s0", "sales", 12.0)
    effects = watched.move("c0", "sales", 60.0, by="eve")
    (ended,) = events(effects, QueueVisitEnded)
    assert (ended.queue, ended.end, ended.waited_s) == ("main", "removed", 50.0)
    (queued,) = events(effects, CallQueued)
    assert (queued.queue, queued.origin, queued.deadline, queued.rank) == ("sales", 10.0, 70.0, 3)
    assert queued.skills == {"ru": 1}  # not those of the former queue
    assert [effect for effect in effects if isinstance(effect, Moved)] == [Moved("c0", "sales")]
    assert watched.position("c0") == 1


def test_what_was_the_call_s_own_goes_along() -> None:
    watched = Watched(rules(QUEUES, ENGLISH))
    watched.enqueue("c0", "main", 10.0, rank=7, priority=2, skills={"lv": 2})
    (queued,) = events(watched.move("c0", "sales", 20.0), CallQueued)
    assert (queued.rank, queued.priority) == (7, 2)
    assert queued.skills == {"lv": 2, "ru": 1}


def test_a_call_that_rings_may_be_moved() -> None:
    watched = waiting("ann")
    effects = watched.move("c0", "sales", 30.0)
    assert withdrawn(effects) == [("c0", "ann")]
    assert offers(effects) == [("c0", "ann")]  # a better class
    assert len(watched.waiting("sales")) == 1


def test_a_caller_who_is_back_after_a_lost_agent_stays_at_the_head() -> None:
    watched = Watched(rules(QUEUES, ENGLISH))
    watched.enqueue("old", "sales", 1.0)
    watched.enqueue("back", "main", 10.0, head=True)
    watched.move("back", "sales", 20.0)
    assert [view.call for view in watched.waiting("sales")] == ["back", "old"]
    assert watched.waiting("sales")[0].returned


def test_a_callback_is_moved_too() -> None:
    watched = waiting()
    watched.request_callback("c0", "main", 20.0, number="100")
    effects = watched.move("c0", "sales", 30.0, by="eve")
    (ended,) = events(effects, CallbackEnded)
    assert (ended.queue, ended.end, ended.cause) == ("main", "cancelled", "moved to sales by eve")
    (placed,) = events(effects, CallbackPlaced)
    assert (placed.queue, placed.number, placed.origin) == ("sales", "100", 10.0)
    assert [view.kind for view in watched.waiting("sales")] == ["callback"]


def test_what_is_moved_nowhere_stays() -> None:
    watched = waiting()
    assert watched.move("c0", "main", 30.0) == []
    assert watched.move("nobody", "sales", 30.0) == []
    with pytest.raises(MisuseError):
        watched.move("c0", "nowhere", 30.0)
    assert watched.position("c0") == 1


def test_a_call_on_the_way_elsewhere_is_judged_by_nothing_but_its_place() -> None:
    """Bounds at entry are for those who come, not for whom a supervisor moves."""
    queues = QUEUES | {"sales": QueueRules(waiting_max=1)}
    watched = Watched(rules(queues, ENGLISH))
    watched.enqueue("s0", "sales", 1.0)
    watched.enqueue("c0", "main", 2.0)
    watched.move("c0", "sales", 3.0)
    assert [view.call for view in watched.waiting("sales")] == ["s0", "c0"]
