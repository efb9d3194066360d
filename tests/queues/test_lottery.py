"""Weighted-random: the shares are the weights, exactly, also where calls want different things."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest

from queues.agents import READY, Agent
from queues.ranking.lottery import Lottery
from queues.rules import AgentRules, FloorRules, QueueRules
from tests.queues.floors import Watched

WEIGHTS = {"ann": 1.0, "bob": 2.0, "cid": 4.0, "dot": 0.5, "eve": 2.5}
RUSSIAN = ("bob", "dot", "eve")
# 0.999 quantiles of chi-square by degrees of freedom: seeds are fixed, this is no coin toss.
CHI_SQUARE_MAX = {2: 13.82, 3: 16.27, 4: 18.47, 16: 39.25}


def chi_square(seen: Mapping[str, int], weights: Mapping[str, float]) -> float:
    calls, total = sum(seen.values()), sum(weights.values())
    return sum(
        (seen[name] - calls * weight / total) ** 2 / (calls * weight / total)
        for name, weight in weights.items()
    )


class Drawing:
    """A weighted-random queue where everybody is free at every call."""

    def __init__(self, seed: int = 1, level: int = 1) -> None:
        queue = QueueRules(strategy="weighted-random", wrap_up_s=0.0, wait_max_s=1e9)
        agents = {
            name: AgentRules(
                {"main": level, "side": 1}, {"ru": 1} if name in RUSSIAN else {}, weight=weight
            )
            for name, weight in WEIGHTS.items()
        }
        rules = FloorRules({"main": queue, "side": queue}, agents, random_seed=seed)
        self.watched = Watched(rules, staffed=True)
        self.calls = 0

    def draw(self, queue: str = "main", *, russian: bool = False) -> str:
        self.calls += 1
        now, call = float(self.calls), f"c{self.calls}"
        floor = self.watched.floor
        floor.enqueue(call, queue, now, skills={"ru": 1} if russian else None)
        (agent,) = floor._desk.state.calls[call].rung
        floor.accept(agent, floor._desk.state.agents[agent].fence, now)
        floor.finished(agent, now)
        return agent


def test_shares_are_the_weights() -> None:
    drawing = Drawing()
    seen = Counter(drawing.draw() for _ in range(4000))
    assert chi_square(seen, WEIGHTS) < CHI_SQUARE_MAX[4]


def test_one_draw_tells_nothing_of_the_next() -> None:
    drawing = Drawing(seed=2)
    winners = [drawing.draw() for _ in range(4000)]
    pairs = Counter(f"{a} {b}" for a, b in zip(winners[::2], winners[1::2], strict=True))
    expected = {f"{a} {b}": WEIGHTS[a] * WEIGHTS[b] for a in WEIGHTS for b in WEIGHTS}
    assert chi_square(pairs, expected) < 51.18  # 24 degrees of freedom


@pytest.mark.parametrize("seed", [3, 4])
def test_who_was_passed_over_for_want_of_a_skill_has_no_better_chance(seed: int) -> None:
    """Calls for Russian in between take some of the lots; the shares of either kind stay."""
    drawing, rng = Drawing(seed), random.Random(seed)
    seen: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    after: Counter[str] = Counter()
    before = False
    for _ in range(4000):
        russian = rng.random() < 0.5
        winner = drawing.draw(russian=russian)
        seen[russian][winner] += 1
        if before and not russian:
            after[winner] += 1
        before = russian
    assert chi_square(seen[False], WEIGHTS) < CHI_SQUARE_MAX[4]
    assert chi_square(after, WEIGHTS) < CHI_SQUARE_MAX[4]
    assert chi_square(seen[True], {name: WEIGHTS[name] for name in RUSSIAN}) < CHI_SQUARE_MAX[2]


def test_calls_of_another_queue_do_not_disturb() -> None:
    drawing = Drawing(seed=5)
    seen: dict[str, Counter[str]] = {"main": Counter(), "side": Counter()}
    for number in range(4000):
        queue = "side" if number % 3 else "main"
        seen[queue][drawing.draw(queue, russian=number % 5 == 0 and queue == "side")] += 1
    assert chi_square(seen["main"], WEIGHTS) < CHI_SQUARE_MAX[4]


def test_the_seed_decides() -> None:
    first, again, other = Drawing(seed=8), Drawing(seed=8), Drawing(seed=9)
    drawn = [first.draw() for _ in range(50)]
    assert [again.draw() for _ in range(50)] == drawn
    assert [other.draw() for _ in range(50)] != drawn


def test_the_clock_follows_from_the_agents() -> None:
    """A lottery made anew, as after a restart or a reload, draws on from where the old one was."""
    rules = FloorRules(
        {"main": QueueRules(strategy="weighted-random")},
        {name: AgentRules({"main": 1}, weight=weight) for name, weight in WEIGHTS.items()},
    )
    agents = {name: Agent(name, agent, standing=READY) for name, agent in rules.agents.items()}
    lottery = Lottery(rules, agents.values())
    for agent in agents.values():
        lottery.count_in(agent, agent.rules)
    for _ in range(50):
        winner = min(agents.values(), key=lambda agent: agent.lots["main"])
        assert lottery.take(winner, "main") == []
        lottery.leave(winner)
        lottery.enter(winner)
    lots = {name: dict(agent.lots) for name, agent in agents.items()}
    anew = Lottery(rules, agents.values())
    for agent in agents.values():
        anew.count_in(agent, agent.rules)
    assert anew._clocks == lottery._clocks
    assert {name: agent.lots for name, agent in agents.items()} == lots


def test_other_weights_make_lots_void() -> None:
    rules = FloorRules({"main": QueueRules(strategy="weighted-random")}, {})
    agent = Agent("ann", AgentRules({"main": 1}), standing=READY)
    Lottery(rules, [agent]).count_in(agent, agent.rules)
    drawn = agent.lots
    former, agent.rules = agent.rules, AgentRules({"main": 1}, weight=9.0)
    Lottery(rules, [agent]).count_in(agent, former)
    assert agent.lots.keys() == drawn.keys()
    assert agent.lots != drawn


def test_without_such_queues_nobody_draws() -> None:
    agent = Agent("ann", AgentRules({"main": 1}), standing=READY)
    lottery = Lottery(FloorRules({"main": QueueRules()}, {}), [agent])
    lottery.count_in(agent, agent.rules)
    assert not lottery
    assert (agent.lots, agent.draws) == ({}, 0)
