"""Each strategy rings whom its sentence says: told from the facts alone, written out once more."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from queues.events import AgentPresence, CallQueued, OfferEnded, OfferMade
from queues.floor import Floor
from queues.offers import FloorEvent
from queues.ranking.strategies import RANKS
from queues.rules import AgentRules, FloorRules, QueueRules, Strategy
from queues.why.picture import restore, take
from tests.queues.floors import Watched, offers, picture

AGENTS = {
    "ann": AgentRules({"main": 1, "side": 1}, {"en": 1, "ru": 3}, position=3, weight=1.0),
    "bob": AgentRules({"main": 1}, {"en": 2}, position=1, weight=2.0),
    "cid": AgentRules({"main": 1, "side": 2}, {"en": 2, "ru": 1}, position=1, weight=4.0),
    "dot": AgentRules({"main": 2}, {"en": 1}, position=2, weight=1.0),
    "eve": AgentRules({"main": 1, "side": 1}, {}, position=4, weight=0.5),
}
Entry = tuple[float, str, FloorEvent]


def floor_rules(strategy: Strategy, agents: Mapping[str, AgentRules] = AGENTS) -> FloorRules:
    queue = QueueRules(strategy=strategy, wrap_up_s=5.0, wait_max_s=1e9, ring_all_max=1)
    return FloorRules({"main": queue, "side": queue}, agents, random_seed=7)


class Day:
    """A floor driven by numbers: any list of them is a day."""

    def __init__(self, rules: FloorRules) -> None:
        self.watched = Watched(rules, staffed=True)
        self.agents = sorted(rules.agents)
        self.now = 10.0
        self.calls = 0

    def run(self, numbers: list[int]) -> None:
        for number in numbers:
            self.step(number)

    def step(self, number: int) -> None:
        agent = self.agents[number % len(self.agents)]
        kind = number // 8 % 12
        self.now += (number // 96) % 23
        watched, now = self.watched, self.now
        fence = watched.fence(agent)
        if kind < 4:
            self.call("main" if kind else "side", {"en": 2} if kind == 2 else None)
        elif kind < 7:
            if fence:
                watched.accept(agent, fence, now)
            else:
                watched.finished(agent, now)
                watched.end_wrap_up(agent, now + (kind == 6))
                self.now += kind == 6
        elif kind == 7 and fence:
            watched.refuse(agent, fence, now, "rung-out", "")
        elif kind == 8:
            ringing = sorted(call.call for call in watched.waiting() if call.offered_to)
            if ringing:
                watched.leave(ringing[number % len(ringing)], now, "abandoned")
        elif kind == 9:
            watched.set_reachable(agent, number % 2 == 0, now)
        elif kind == 10:
            watched.sign_out(agent, now)
        else:
            watched.set_reachable(agent, True, now)
            watched.sign_in(agent, now)
            watched.ready(agent, now)

    def call(self, queue: str = "main", skills: dict[str, int] | None = None) -> str:
        self.calls += 1
        self.watched.enqueue(f"c{self.calls}", queue, self.now, skills=skills)
        return f"c{self.calls}"

    def answered(self, talk_s: float = 60.0, skills: dict[str, int] | None = None) -> str:
        """A call from its arrival to the end of the wrap-up; who took it."""
        call = self.call(skills=skills)
        ((_, agent),) = [(c, a) for c, a in offers(self.watched.effects) if c == call]
        self.watched.accept(agent, self.watched.fence(agent), self.now)
        self.now += talk_s
        self.watched.finished(agent, self.now)
        self.watched.end_wrap_up(agent, self.now)
        return agent


days = st.lists(st.integers(0, 96 * 23 - 1), min_size=20, max_size=90)


# The definitions, by looking through all facts so far.


def presences(facts: list[Entry], agent: str) -> list[tuple[float, str]]:
    """What the agent was from when on, signed out at first; the same twice is once."""
    told = [(0.0, "signed-out")]
    for at, _, event in facts:
        if not isinstance(event, AgentPresence) or event.agent != agent:
            continue
        if event.presence != told[-1][1]:
            told.append((at, event.presence))
    return told


def got_free(facts: list[Entry], agent: str) -> float:
    """When the agent last became available, other than by an offer that was withdrawn."""
    told = presences(facts, agent)
    return max(
        at for (_, was), (at, now) in pairwise(told) if now == "available" and was != "offered"
    )


def idle(facts: list[Entry], agent: str, queue: str, needs: dict[str, int]) -> float:
    return got_free(facts, agent) // 10.0


def occupied(facts: list[Entry], agent: str, queue: str, needs: dict[str, int]) -> float:
    told = presences(facts, agent)
    handled = [
        (at, until) for (at, what), (until, _) in pairwise(told) if what in ("talking", "wrap-up")
    ]
    now = handled[-1][1] if handled else 0.0
    share = sum(
        math.exp((until - now) / 3600.0) - math.exp((at - now) / 3600.0) for at, until in handled
    )
    return math.floor(100 * (math.log(max(share, 1e-9)) + now / 3600.0))


def taken(facts: list[Entry], agent: str, queue: str, needs: dict[str, int]) -> float:
    count = 0
    was = "signed-out"
    for _, _, event in facts:
        if isinstance(event, AgentPresence) and event.agent == agent:
            count = 0 if was == "signed-out" else count
            was = event.presence
        elif isinstance(event, OfferEnded) and event.agent == agent and event.end == "accepted":
            count += 1
    return count


def last_offer(facts: list[Entry], agent: str, queue: str, needs: dict[str, int]) -> float:
    fences = [
        event.fence
        for _, _, event in facts
        if isinstance(event, OfferEnded)
        and (event.agent, event.queue) == (agent, queue)
        and event.end != "withdrawn"
    ]
    return max(fences, default=0)


def position(facts: list[Entry], agent: str, queue: str, needs: dict[str, int]) -> float:
    return AGENTS[agent].position


def skill(facts: list[Entry], agent: str, queue: str, needs: dict[str, int]) -> float:
    return sum(AGENTS[agent].skills[name] for name in needs)


DEFINITIONS: dict[Strategy, Callable[[list[Entry], str, str, dict[str, int]], float]] = {
    "longest-idle": idle,
    "ring-all": idle,
    "least-occupied": occupied,
    "fewest-calls": taken,
    "round-robin": last_offer,
    "linear": position,
    "best-skill": skill,
}


@pytest.mark.parametrize("strategy", sorted(DEFINITIONS))
@settings(max_examples=12)
@given(numbers=days)
def test_the_strategy_does_what_its_sentence_says(strategy: Strategy, numbers: list[int]) -> None:
    day = Day(floor_rules(strategy))
    day.run(numbers)
    facts = day.watched.facts
    needs: dict[str, dict[str, int]] = {}
    for index, (_, call, event) in enumerate(facts):
        if isinstance(event, CallQueued):
            needs[call] = event.skills
        if not isinstance(event, OfferMade):
            continue
        named = [(event.agent, event.key), *event.runners_up]
        for agent, key in named:
            level = AGENTS[agent].queues[event.queue]
            others = len(AGENTS[agent].queues) - 1
            figure = DEFINITIONS[strategy](facts[:index], agent, event.queue, needs[call])
            assert (key[0], key[2]) == (level, others)
            # Sums of floats in another order may fall on the other side of a step.
            assert abs(key[1] - figure) <= (strategy == "least-occupied")
        order = [(key, idle(facts[:index], agent, event.queue, {}), agent) for agent, key in named]
        assert order == sorted(order)


def test_every_strategy_has_its_definition() -> None:
    assert RANKS.keys() == DEFINITIONS.keys() | {"weighted-random"}
    for rank in RANKS.values():
        sentence = " ".join((rank.__doc__ or "").split())
        assert sentence.startswith("Rings ")
        assert sentence.endswith(".")


# What holds for every strategy.


@pytest.mark.parametrize("strategy", sorted(RANKS))
@settings(max_examples=10)
@given(numbers=days)
def test_the_order_of_the_configuration_changes_nothing(
    strategy: Strategy, numbers: list[int]
) -> None:
    rules = floor_rules(strategy)
    mirrored = replace(
        rules,
        queues=dict(reversed(list(rules.queues.items()))),
        agents={
            name: replace(
                agent,
                queues=dict(reversed(list(agent.queues.items()))),
                skills=dict(reversed(list(agent.skills.items()))),
            )
            for name, agent in reversed(list(rules.agents.items()))
        },
    )
    day, other = Day(rules), Day(mirrored)
    for name in AGENTS:  # whatever differs by the order of signing in is not meant here
        assert other.watched.presence(name) == day.watched.presence(name)
    day.run(numbers)
    other.run(numbers)
    assert other.watched.effects == day.watched.effects


@pytest.mark.parametrize("strategy", sorted(RANKS))
@settings(max_examples=10)
@given(numbers=days, later=days)
def test_a_recovered_floor_goes_on_bit_by_bit(
    strategy: Strategy, numbers: list[int], later: list[int]
) -> None:
    """Fed its own facts, or restored from a picture: the same keys, and the same day after."""
    rules = floor_rules(strategy)
    day = Day(rules)
    day.run(numbers)
    recovered = Floor(rules)
    for at, call, event in day.watched.facts:
        recovered.apply(call, event, at)
    restored = Floor(rules)
    restored._desk.state = restore(take(day.watched.floor._desk.state), rules)
    now_and_here = picture(day.watched.floor)
    for other in (recovered, restored):
        there = picture(other)
        for name in ("agents", "order", "clocks", "standings", "open"):
            assert repr(there[name]) == repr(now_and_here[name])
    now, calls, done = day.now, day.calls, len(day.watched.effects)
    day.run(later)
    for floor in (recovered, restored):
        again = Day(rules)
        again.watched.floor, again.watched.effects = floor, []
        again.now, again.calls = now, calls
        again.run(later)
        assert again.watched.effects == day.watched.effects[done:]


@pytest.mark.parametrize("strategy", sorted(RANKS))
def test_an_offer_that_is_withdrawn_costs_nobody_the_turn(strategy: Strategy) -> None:
    day = Day(floor_rules(strategy))
    for _ in range(7):
        day.answered(11.0)
    before = picture(day.watched.floor)["order"]
    call = day.call()
    rung = day.watched.ringing()[call]
    day.now += 3.0
    day.watched.leave(call, day.now, "abandoned")
    assert picture(day.watched.floor)["order"] == before
    day.now += 30.0
    call = day.call()
    assert day.watched.ringing()[call] == rung


@pytest.mark.parametrize("strategy", sorted(RANKS))
def test_a_refused_offer_leaves_the_figures_of_the_day(strategy: Strategy) -> None:
    day = Day(floor_rules(strategy))
    for _ in range(5):
        day.answered(20.0)
    call = day.call()
    agent = day.watched.floor._desk.state.agents[day.watched.ringing()[call]]
    taken, occupied = agent.taken, agent.occupied
    day.watched.refuse(agent.id, agent.fence, day.now, "refused", "486")
    day.now += 100.0
    day.watched.ready(agent.id, day.now)
    assert agent.taken == taken
    assert agent.occupied == occupied


# Fairness: everybody free at each call, talks of the same length.


def shares(strategy: Strategy, calls: int = 400) -> Counter[str]:
    agents = {
        name: AgentRules({"main": 1}, position=place)
        for place, name in enumerate(("eve", "dot", "cid", "bob", "ann"))
    }
    day = Day(floor_rules(strategy, agents))
    return Counter(day.answered(60.0) for _ in range(calls))


@pytest.mark.parametrize("strategy", ["longest-idle", "round-robin", "fewest-calls", "ring-all"])
def test_calls_are_dealt_out_evenly(strategy: Strategy) -> None:
    assert set(shares(strategy).values()) == {80}


def test_time_is_dealt_out_evenly() -> None:
    """Least-occupied: whoever has the long calls gets fewer of them."""
    agents = {name: AgentRules({"main": 1}) for name in ("ann", "bob", "cid")}
    day = Day(floor_rules("least-occupied", agents))
    spent: Counter[str] = Counter()
    rng = random.Random(5)
    for _ in range(600):
        talk_s = rng.choice([10.0, 10.0, 300.0])
        spent[day.answered(talk_s)] += int(talk_s)
        day.now += rng.uniform(0.0, 30.0)
    assert max(spent.values()) - min(spent.values()) < 0.05 * sum(spent.values())


def test_linear_goes_on_to_the_next_position_only_when_it_must() -> None:
    assert shares("linear", 50) == {"eve": 50}
    names = ("ann", "bob", "cid")
    agents = {name: AgentRules({"main": 1}, position=9 - at) for at, name in enumerate(names)}
    day = Day(floor_rules("linear", agents))
    calls = [day.call() for _ in names]
    assert day.watched.ringing() == dict(zip(calls, reversed(names), strict=True))


def test_best_skill_spares_the_generalist() -> None:
    """The level in the skill that is needed counts; among equals the longer idle."""
    agents = {
        "ann": AgentRules({"main": 1}, {"en": 1, "ru": 1}),
        "bob": AgentRules({"main": 1}, {"en": 1, "ru": 3}),
        "cid": AgentRules({"main": 1}, {"en": 2, "ru": 1}),
    }
    day = Day(floor_rules("best-skill", agents))
    assert [day.answered(30.0, {"ru": 3}) for _ in range(4)] == ["ann", "cid", "ann", "cid"]
    assert [day.answered(30.0, {"en": 3}) for _ in range(4)] == ["bob", "ann", "bob", "ann"]
    assert day.answered(30.0, {"en": 3, "ru": 3}) == "ann"


def test_the_better_level_goes_before_every_figure() -> None:
    agents = {
        "ann": AgentRules({"main": 2}, position=0),
        "bob": AgentRules({"main": 1}, position=9),
    }
    for strategy in RANKS:
        day = Day(floor_rules(strategy, agents))
        assert {day.answered(30.0) for _ in range(5)} == {"bob"}, strategy


def test_another_strategy_takes_effect_at_once() -> None:
    day = Day(floor_rules("linear"))
    for _ in range(3):
        assert day.answered() == "bob"
    day.watched.reload(floor_rules("fewest-calls"), day.now)
    assert day.answered() in ("ann", "cid", "eve")
