"""Ring-all: several phones for one call, each offer exclusive with a fence of its own."""

from __future__ import annotations

from itertools import permutations

import pytest

from queues.events import OfferEnded, QueueVisitEnded
from queues.rules import AgentRules, QueueRules
from tests.queues.floors import Watched, events, offers, rules, stale, unmatched, withdrawn

NAMES = ("ann", "bob", "cid")
TEAM = {name: AgentRules({"main": 1, "plain": 1}) for name in NAMES}
QUEUES = {
    "main": QueueRules(strategy="ring-all", ring_all_max=3),
    "plain": QueueRules(),
}


def team(*staffed: str, most: int = 3) -> Watched:
    queues = QUEUES | {"main": QueueRules(strategy="ring-all", ring_all_max=most)}
    watched = Watched(rules(queues, TEAM))
    for agent in staffed:
        watched.staff(agent, 1.0)
    return watched


def rung(watched: Watched, call: str) -> tuple[str, ...]:
    return next(view.offered_to for view in watched.waiting() if view.call == call)


def test_all_phones_ring_up_to_the_bound_and_the_first_answer_has_the_call() -> None:
    watched = team(*NAMES)
    effects = watched.enqueue("c1", "main", 2.0)
    assert offers(effects) == [("c1", "ann"), ("c1", "bob"), ("c1", "cid")]
    fences = [watched.fence(name) for name in NAMES]
    assert len(set(fences)) == 3
    effects = watched.accept("bob", fences[1], 5.0)
    assert withdrawn(effects) == [("c1", "ann"), ("c1", "cid")]
    ends = events(effects, OfferEnded)
    assert [(end.agent, end.end) for end in ends] == [
        ("ann", "withdrawn"),
        ("cid", "withdrawn"),
        ("bob", "accepted"),
    ]
    assert {end.cause for end in ends if end.end == "withdrawn"} == {"answered elsewhere"}
    assert [event.end for event in events(effects, QueueVisitEnded)] == ["connected"]
    assert [watched.presence(name) for name in NAMES] == ["available", "talking", "available"]
    assert stale(watched.accept("ann", fences[0], 5.1)) == [("ann", fences[0])]


def test_whose_phone_stopped_ringing_keeps_the_turn() -> None:
    watched = Watched(rules(QUEUES, TEAM))
    for second, name in enumerate(NAMES):
        watched.staff(name, 20.0 * second)
    watched.enqueue("c1", "main", 100.0)
    watched.accept("cid", watched.fence("cid"), 130.0)
    assert offers(watched.enqueue("c2", "plain", 140.0)) == [("c2", "ann")]


def test_the_bound_holds_and_later_agents_join_the_ringing() -> None:
    watched = team("ann", "bob", "cid", most=2)
    watched.enqueue("c1", "main", 2.0)
    assert rung(watched, "c1") == ("ann", "bob")
    watched.refuse("ann", watched.fence("ann"), 3.0, "refused", "486")
    assert rung(watched, "c1") == ("bob", "cid")  # there is room again
    watched = team("ann")
    watched.enqueue("c1", "main", 2.0)
    assert offers(watched.staff("bob", 3.0)) == [("c1", "bob")]


def test_who_is_wanted_by_another_call_does_not_join() -> None:
    watched = team("ann")
    watched.enqueue("c1", "main", 2.0)
    watched.enqueue("c2", "plain", 3.0)
    assert offers(watched.staff("bob", 4.0)) == [("c2", "bob")]
    assert rung(watched, "c1") == ("ann",)


def test_every_call_gets_a_phone_before_any_gets_two() -> None:
    watched = team()
    watched.enqueue("c1", "main", 2.0)
    watched.enqueue("c2", "main", 3.0)
    for name in NAMES:
        watched.set_reachable(name, True, 4.0)
    watched.sign_in("ann", 5.0)
    watched.sign_in("bob", 5.0)
    assert offers(watched.effects) == [("c1", "ann"), ("c2", "bob")]
    watched.sign_in("cid", 6.0)
    assert rung(watched, "c1") == ("ann", "cid")


def test_the_call_is_offered_until_the_last_phone_stops() -> None:
    watched = team("ann", "bob")
    watched.enqueue("c1", "main", 2.0)
    watched.refuse("ann", watched.fence("ann"), 3.0, "refused", "486")
    assert rung(watched, "c1") == ("bob",)
    assert watched.position("c1") == 1
    watched.refuse("bob", watched.fence("bob"), 4.0, "rung-out", "no answer")
    assert rung(watched, "c1") == ()
    assert offers(watched.staff("cid", 5.0)) == [("c1", "cid")]


def test_a_hang_up_stops_all_phones() -> None:
    watched = team(*NAMES)
    watched.enqueue("c1", "main", 2.0)
    effects = watched.leave("c1", 3.0, "abandoned")
    assert [agent for _, agent in withdrawn(effects)] == list(NAMES)
    assert {watched.presence(name) for name in NAMES} == {"available"}


CROSSING = ("ann answers", "bob answers", "cid refuses", "hang-up", "bob signs out")


@pytest.mark.parametrize("order", list(permutations(CROSSING)), ids=" > ".join)
def test_every_interleaving(order: tuple[str, ...]) -> None:
    watched = team(*NAMES)
    watched.enqueue("c1", "main", 2.0)
    fences = {name: watched.fence(name) for name in NAMES}
    for step, name in enumerate(order):
        now = 3.0 + step
        match name:
            case "ann answers":
                watched.accept("ann", fences["ann"], now)
            case "bob answers":
                watched.accept("bob", fences["bob"], now)
            case "cid refuses":
                watched.refuse("cid", fences["cid"], now, "refused", "486")
            case "hang-up":
                watched.leave("c1", now, "abandoned")
            case "bob signs out":
                watched.sign_out("bob", now)
        assert unmatched(watched.floor) == []
        talking = [view.agent for view in watched.agents() if view.presence == "talking"]
        assert len(talking) <= 1
        assert not (talking and watched.waiting())
    (ended,) = events(watched.effects, QueueVisitEnded)
    answers = [name for name in order if name.endswith("answers")]
    if order.index("bob signs out") < order.index("bob answers"):
        answers.remove("bob answers")
    first = min([*answers, "hang-up"], key=order.index)
    assert ended.end == ("abandoned" if first == "hang-up" else "connected")
    ends = events(watched.effects, OfferEnded)
    assert sorted(end.agent for end in ends) == list(NAMES)
    assert watched.ringing() == {}
