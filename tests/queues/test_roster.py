"""What the agents' records learn from facts: presence, turns, and the figures strategies use."""

from __future__ import annotations

from copy import copy

import pytest

from queues.agents import Agent
from queues.events import AgentPresence, AgentReachable, OfferEnd, OfferEnded, OfferMade, Presence
from queues.ranking.eligibility import Eligibility
from queues.ranking.strategies import FADE_S, SHARE_MIN, busyness, faded, least_occupied, share_of
from queues.roster import Roster
from queues.rules import AgentRules, FloorRules, QueueRules
from queues.timers import Kind, Timers


class Records:
    """A roster with one agent, fed facts."""

    def __init__(self, queues: tuple[str, ...] = ("main",)) -> None:
        self.rules = FloorRules(
            dict.fromkeys(queues, QueueRules()),
            {"ann": AgentRules(dict.fromkeys(queues, 1))},
        )
        self.timers = Timers()
        self.roster = Roster()
        self.roster.adopt(self.rules, Eligibility(self.rules), self.timers)
        self.fence = 0

    @property
    def ann(self) -> Agent:
        return self.roster.agents["ann"]

    def now(self, presence: Presence, at: float, **more: float) -> None:
        self.roster.presence("", AgentPresence("ann", presence, **more), at)  # type: ignore[arg-type]

    def sign_in(self, at: float = 0.0) -> None:
        self.roster.reachable("", AgentReachable("ann", True), at)
        self.now("available", at)

    def offer(self, at: float, end: OfferEnd | None = None, queue: str = "main") -> None:
        self.fence += 1
        made = OfferMade("ann", self.fence, queue, at + 60.0, 0)
        self.roster.hold(self.ann, "c1", made, at)
        if end is not None:
            ended = OfferEnded("ann", self.fence, queue, end)
            self.roster.release(self.ann, "c1", ended, at + 5.0)


def test_idle_time_begins_with_getting_free() -> None:
    records = Records()
    records.sign_in(17.0)
    assert (records.ann.idle_since, records.ann.idle_step) == (17.0, 1)
    records.offer(30.0, "accepted")
    records.now("wrap-up", 95.0, until=105.0)
    records.now("available", 105.0)
    assert (records.ann.idle_since, records.ann.idle_step) == (105.0, 10)


@pytest.mark.parametrize("kind", ["call", "callback"])
def test_a_withdrawn_offer_leaves_every_figure(kind: str) -> None:
    records = Records()
    records.sign_in(17.0)
    records.offer(40.0, "accepted")
    records.now("available", 50.0)
    before = copy(records.ann)
    made = OfferMade("ann", 9, "main", 120.0, 0, kind=kind)  # type: ignore[arg-type]
    records.roster.hold(records.ann, "c2", made, 60.0)
    assert records.ann.presence == ("reserved" if kind == "callback" else "offered")
    records.roster.release(records.ann, "c2", OfferEnded("ann", 9, "main", "withdrawn"), 70.0)
    after = records.ann
    for name in ("idle_since", "idle_step", "taken", "occupied", "offered", "lots", "draws"):
        assert getattr(after, name) == getattr(before, name), name


@pytest.mark.parametrize(
    ("end", "turns"), [("accepted", 1), ("refused", 1), ("rung-out", 1), ("withdrawn", 0)]
)
def test_whose_turn_it_was(end: OfferEnd, turns: int) -> None:
    records = Records(("main", "side"))
    records.sign_in()
    records.offer(10.0, end, "side")
    assert records.ann.offered == ({"side": 1} if turns else {})
    assert records.ann.taken == (end == "accepted")


def test_an_offer_in_person_is_nobody_s_turn() -> None:
    records = Records()
    records.sign_in()
    records.offer(10.0, "accepted", "@ann")
    assert records.ann.offered == {}
    assert records.ann.taken == 1


def test_calls_count_from_the_last_sign_in() -> None:
    records = Records()
    records.sign_in()
    records.offer(10.0, "accepted")
    records.now("available", 20.0)
    assert records.ann.taken == 1
    records.now("on-break", 30.0)
    records.now("available", 40.0)
    assert records.ann.taken == 1
    records.now("signed-out", 50.0)
    records.now("available", 60.0)
    assert records.ann.taken == 0


def test_occupied_time_fades() -> None:
    records = Records()
    records.sign_in(0.0)
    records.offer(100.0, "accepted")
    records.now("available", 105.0 + FADE_S)
    figure = least_occupied(records.ann, "main", ())
    at_once = share_of(figure, 105.0 + FADE_S)
    assert at_once == pytest.approx(1 - 1 / 2.718281828, rel=0.011)
    assert share_of(figure, 105.0 + 2 * FADE_S) == pytest.approx(at_once / 2.71828)


def test_the_order_of_the_idle_stands_still() -> None:
    """Whoever gets free later ranks as if the others had been looked at just then."""
    assert busyness(faded(0.5, 600.0, handling=False), 2600.0) == busyness(0.5, 2000.0)
    assert busyness(0.2, 1e9) < busyness(0.21, 1e9)
    assert busyness(0.0, 1e9) == busyness(SHARE_MIN, 1e9) < busyness(1e-6, 1e9)


def test_copies_of_an_agent_stay_as_they_are() -> None:
    """Pictures of the floor copy agents shallowly."""
    records = Records()
    records.sign_in()
    records.offer(10.0, "rung-out")
    before = copy(records.ann)
    records.now("available", 20.0)
    records.offer(30.0, "rung-out")
    assert before.offered == {"main": 1}
    assert records.ann.offered == {"main": 2}


def test_timers_of_wrap_up_and_lease() -> None:
    records = Records()
    records.sign_in()
    records.offer(10.0)
    assert records.timers.pending() == {(Kind.LEASE, "ann"): 70.0}
    records.roster.release(records.ann, "c1", OfferEnded("ann", 1, "main", "accepted"), 12.0)
    assert records.timers.pending() == {}
    records.now("wrap-up", 30.0, until=40.0)
    assert records.timers.pending() == {(Kind.WRAP_UP, "ann"): 40.0}
    records.now("wrap-up", 35.0, until=90.0)
    assert records.timers.pending() == {(Kind.WRAP_UP, "ann"): 90.0}
    records.now("on-break", 50.0)
    assert records.timers.pending() == {}


def test_figures_outlive_a_reload_that_takes_a_queue_away() -> None:
    records = Records(("main", "side"))
    records.sign_in()
    for queue in ("main", "side"):
        records.offer(10.0, "rung-out", queue)
        records.now("available", 20.0)
    rules = FloorRules({"main": QueueRules()}, {"ann": AgentRules({"main": 1})}, idle_step_s=5.0)
    records.roster.adopt(rules, Eligibility(rules), records.timers)
    assert records.ann.offered == {"main": 1}
    assert records.ann.idle_step == 4


def test_an_agent_who_is_gone_stays_until_signed_out() -> None:
    records = Records()
    records.sign_in()
    none = FloorRules({"main": QueueRules()}, {})
    records.roster.adopt(none, Eligibility(none), records.timers)
    assert records.roster.retired == {"ann"}
    records.now("signed-out", 10.0)
    assert (records.roster.agents, records.roster.retired) == ({}, set())
    records.now("available", 20.0)  # a fact of somebody unknown changes nothing
    records.roster.reachable("", AgentReachable("ann", True), 20.0)
    assert records.roster.agents == {}
