"""No agent rings for two calls, no call gets two agents: in every order of what can cross."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest

from queues.events import QueueVisitEnded
from queues.offers import Withdraw
from queues.rules import AgentRules, QueueRules
from tests.queues.floors import (
    Watched,
    events,
    offers,
    picture,
    rules,
    stale,
    unmatched,
    withdrawn,
)

CROSSING: dict[str, Callable[[Watched, int, float], object]] = {
    "answer": lambda w, fence, now: w.accept("ann", fence, now),
    "answer again": lambda w, fence, now: w.accept("ann", fence, now),
    "ring timeout": lambda w, fence, now: w.refuse("ann", fence, now, "rung-out", "no answer"),
    "hang-up": lambda w, fence, now: w.leave("c1", now, "abandoned"),
    "sign-out": lambda w, fence, now: w.sign_out("ann", now),
    "phone gone": lambda w, fence, now: w.set_reachable("ann", False, now),
}


@pytest.mark.parametrize("order", list(permutations(CROSSING)), ids=lambda order: " > ".join(order))
def test_every_interleaving(order: tuple[str, ...]) -> None:
    """Each order of six things about one offer, with a second agent ready to take over."""
    watched = Watched(
        rules(agents={"ann": AgentRules({"main": 1}), "bob": AgentRules({"main": 2})})
    )
    watched.staff("ann", 0.0)
    watched.staff("bob", 0.0)
    watched.enqueue("c1", "main", 1.0)
    assert watched.ringing() == {"c1": "ann"}
    for step, name in enumerate(order):
        CROSSING[name](watched, 1, 2.0 + step)
        assert unmatched(watched.floor) == []
        rung = list(watched.ringing().values())
        talking = [view for view in watched.agents() if view.presence == "talking"]
        assert len(rung) + len(talking) <= 1
    (ended,) = events(watched.effects, QueueVisitEnded)
    answered = order[0].startswith("answer")  # all else ends the offer or the wait
    assert ended.end == ("connected" if answered else "abandoned")
    assert len(stale(watched.effects)) == (1 if answered else 2)
    assert watched.ringing() == {}


def test_an_answer_after_withdrawal_is_stale_and_the_next_offer_stands() -> None:
    watched = Watched(rules(agents={"ann": AgentRules({"main": 1})}), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    watched.enqueue("c2", "main", 2.0)
    effects = watched.leave("c1", 3.0, "abandoned")
    assert withdrawn(effects) == [("c1", "ann")]
    assert offers(effects) == [("c2", "ann")]
    assert stale(watched.accept("ann", 1, 4.0)) == [("ann", 1)]
    assert watched.ringing() == {"c2": "ann"}
    watched.accept("ann", 2, 5.0)
    assert watched.presence("ann") == "talking"


def test_a_late_refusal_of_an_old_offer_does_not_touch_the_new_one() -> None:
    watched = Watched(rules(agents={"ann": AgentRules({"main": 1})}), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    watched.enqueue("c2", "main", 2.0)
    watched.leave("c1", 3.0, "abandoned")
    assert watched.refuse("ann", 1, 4.0, "rung-out", "no answer") == []
    assert watched.ringing() == {"c2": "ann"}


def test_a_lease_lapses_and_the_call_goes_on_to_the_next_agent() -> None:
    watched = Watched(rules({"main": QueueRules(ring_timeout_s=15.0)}, lease_s=60.0), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    assert watched.next_deadline == 61.0
    effects = watched.tick(61.0)
    assert withdrawn(effects) == [("c1", "ann")]
    assert offers(effects) == [("c1", "bob")]
    assert watched.presence("ann") == "on-break"
    assert stale(watched.accept("ann", 1, 62.0)) == [("ann", 1)]


def test_an_answer_at_the_instant_of_the_lapse_is_too_late() -> None:
    watched = Watched(rules(agents={"ann": AgentRules({"main": 1})}), staffed=True)
    watched.enqueue("c1", "main", 0.0)
    effects = watched.accept("ann", 1, 60.0)
    assert stale(effects) == [("ann", 1)]
    assert [e.fence for e in effects if isinstance(e, Withdraw)] == [1]


def test_a_lease_never_ends_before_the_ringing() -> None:
    watched = Watched(rules({"main": QueueRules(ring_timeout_s=90.0)}, lease_s=60.0), staffed=True)
    watched.enqueue("c1", "main", 0.0)
    assert watched.next_deadline == 95.0


def test_stale_news_of_an_agent_who_is_gone_is_no_error() -> None:
    watched = Watched(rules(), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    watched.reload(rules(agents={}), 2.0)
    assert watched.agents() == []
    assert stale(watched.accept("ann", 1, 3.0)) == [("ann", 1)]
    assert watched.refuse("ann", 1, 3.0, "refused", "486") == []
    before = picture(watched.floor)
    for name in ("finished", "free"):
        assert getattr(watched, name)("ann", 3.0) == []
    assert picture(watched.floor) == before
