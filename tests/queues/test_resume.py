"""Places kept: on redial within the queue's time, once for each visit that was abandoned."""

from __future__ import annotations

import pytest

from queues.events import CallQueued
from queues.floor import Floor
from queues.resume import PLACES_MAX, Kept, KeptPlaces
from queues.rules import AgentRules, QueueRules
from tests.queues.floors import Watched, events, picture, rules

QUEUES = {"main": QueueRules(resume_s=120.0, credit_s=5.0), "other": QueueRules(resume_s=0.0)}


def hung_up(caller: str = "100", queue: str = "main", **floor: float) -> Watched:
    """c1 came at 10 and hung up at 50; c2 has waited since 20."""
    watched = Watched(rules(QUEUES, {"ann": AgentRules({"main": 1})}, **floor))
    watched.enqueue("c1", queue, 10.0, caller=caller)
    watched.enqueue("c2", queue, 20.0, caller="999")
    watched.leave("c1", 50.0, "abandoned")
    return watched


def test_who_redials_in_time_has_the_old_place() -> None:
    watched = hung_up()
    (queued,) = events(watched.enqueue("c3", "main", 170.0, caller="100"), CallQueued)
    assert queued.resumed
    assert (queued.origin, queued.deadline, queued.place) == (10.0, 30.0, 1)
    assert [view.call for view in watched.waiting()] == ["c3", "c2"]
    assert watched.waiting()[0].resumed
    assert watched.waiting()[0].since == 170.0  # a visit of its own, with a wait of its own


@pytest.mark.parametrize(
    ("caller", "again", "queue", "at"),
    [
        ("100", "100", "main", 170.1),  # too late
        ("100", "101", "main", 60.0),  # somebody else
        ("", "", "main", 60.0),  # withheld numbers are nobody's
        ("100", "100", "other", 60.0),  # this queue keeps no places
    ],
)
def test_who_does_not(caller: str, again: str, queue: str, at: float) -> None:
    watched = hung_up(caller, queue)
    (queued,) = events(watched.enqueue("c3", queue, at, caller=again), CallQueued)
    assert not queued.resumed
    assert queued.origin == 0.0


def test_a_place_is_resumed_once() -> None:
    watched = hung_up()
    watched.enqueue("c3", "main", 60.0, caller="100")
    (queued,) = events(watched.enqueue("c4", "main", 61.0, caller="100"), CallQueued)
    assert not queued.resumed
    watched.leave("c3", 70.0, "abandoned")
    (queued,) = events(watched.enqueue("c5", "main", 80.0, caller="100"), CallQueued)
    assert (queued.resumed, queued.origin) == (True, 10.0)


def test_only_who_abandoned_may_resume() -> None:
    watched = Watched(rules(QUEUES, {"ann": AgentRules({"main": 1})}))
    watched.enqueue("c1", "main", 10.0, caller="100")
    watched.leave("c1", 20.0, "removed")
    (queued,) = events(watched.enqueue("c2", "main", 30.0, caller="100"), CallQueued)
    assert not queued.resumed


def test_the_starvation_bound_counts_from_the_first_call() -> None:
    watched = hung_up(starvation_s=100.0)
    watched.enqueue("c3", "main", 60.0, caller="100")
    watched.tick(110.0)
    assert [(view.call, view.promoted) for view in watched.waiting()] == [
        ("c3", True),
        ("c2", False),
    ]
    watched.leave("c3", 115.0, "abandoned")
    (queued,) = events(watched.enqueue("c4", "main", 119.0, caller="100"), CallQueued)
    assert queued.promoted


def test_another_priority_moves_the_old_deadline() -> None:
    watched = hung_up()
    (queued,) = events(watched.enqueue("c3", "main", 60.0, caller="100", priority=2), CallQueued)
    assert queued.deadline == 20.0


def test_recovery_keeps_the_places() -> None:
    watched = hung_up()
    floor = Floor(rules(QUEUES, {"ann": AgentRules({"main": 1})}))
    for at, call, event in watched.facts:
        floor.apply(call, event, at)
    assert picture(floor) == picture(watched.floor)
    again = [f.enqueue("c3", "main", 60.0, caller="100") for f in (floor, watched.floor)]
    assert again[0] == again[1]


def test_places_are_bounded_and_forgotten() -> None:
    places = KeptPlaces()
    for number in range(PLACES_MAX + 5):
        places.keep("main", str(number), Kept(1.0, 2.0, number, 0, False, 1000.0), 120.0)
    assert len(places.all()) == PLACES_MAX
    assert places.find("main", "0", 1000.0, 120.0) is None
    places.keep("main", "late", Kept(1.0, 2.0, 3, 0, False, 1120.1), 120.0)
    assert set(places.all()) == {("main", "late")}
