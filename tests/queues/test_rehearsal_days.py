"""The floor's invariants over simulated days, every strategy, with everything that callers and
phones do; and the replay of such a day."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import get_args

import pytest

from queues.events import CallbackPlaced, CallQueued, QueueVisitEnded
from queues.offers import FLOOR_FACTS, Effect
from queues.rehearsal.rehearsal import Manners, Rehearsal, Shift
from queues.rehearsal.rehearsal_calls import Expectation, callers
from queues.rehearsal.rehearsal_log import Entry
from queues.rules import AgentRules, CallbackRules, FloorRules, QueueRules, Strategy, Widening
from queues.why.replay import replay
from tests.queues.floors import indexes_agree, unmatched

HOUR_S = 3600.0
MANNERS = Manners(
    answer_s=4.0,
    refused=0.04,
    rung_out=0.04,
    callback_share=0.3,
    callback_after_s=30.0,
    callback_missed=0.3,
)


def centre(strategy: Strategy) -> FloorRules:
    """Three queues that share agents, overflow into each other and take callbacks."""
    callback = CallbackRules(attempts=2, retry_s=60.0, expires_s=1800.0)
    return FloorRules(
        {
            "one": QueueRules(
                strategy=strategy,
                overflow="queue:two",
                wait_max_s=90.0,
                widening=(Widening(0.0, 1), Widening(15.0, 2)),
                callback=callback,
            ),
            "two": QueueRules(
                strategy=strategy, rank=3, wait_max_s=240.0, overflow="callback", callback=callback
            ),
            "three": QueueRules(
                strategy=strategy,
                skills={"en": 2},
                waiting_max=4,
                overflow="voicemail",
                callback=callback,
            ),
        },
        {
            "ann": AgentRules({"one": 1, "two": 2}, {"en": 1}),
            "bob": AgentRules({"one": 2, "three": 1}, {"en": 2}),
            "cat": AgentRules({"two": 1, "three": 1}, {"en": 3}),
            "dan": AgentRules({"one": 1, "two": 1, "three": 2}, {"en": 1}, weight=3.0),
            "eve": AgentRules({"two": 2}),
        },
        starvation_s=120.0,
        random_seed=4,
    )


def play(run: Rehearsal, seed: int, hours: float) -> None:
    """A day with a hole: nobody but dan works in its middle third."""
    day = [
        Expectation(queue, 0.0, hours * HOUR_S, 45 * hours, 100.0, 150.0)
        for queue in ("one", "two", "three")
    ]
    third = hours * HOUR_S / 3
    shifts = [Shift("dan", 0.0, 3 * third)]
    for agent in ("ann", "bob", "cat", "eve"):
        shifts += [Shift(agent, 0.0, third), Shift(agent, 2 * third, 3 * third + HOUR_S)]
    run.run(callers(day, partial(_stream, seed)), sorted(shifts, key=lambda s: s.start), 0.0)


def _stream(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed}/{name}")


class Inspected(Rehearsal):
    """Looks at the floor whenever it has answered."""

    def __init__(self, rules: FloorRules, seed: int) -> None:
        self.entries: list[Entry] = []
        super().__init__(rules, [self._read], _stream(seed, "phones"), MANNERS)
        self.offered: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.looks = 0
        self._depth = 0

    def _read(self, entry: Entry) -> None:
        self.entries.append(entry)
        if isinstance(entry.event, CallQueued):
            self.offered[entry.event.queue] += not entry.event.returned
        elif isinstance(entry.event, QueueVisitEnded):
            self.ended[entry.event.queue] += not entry.event.returned

    def _do(self, effects: list[Effect]) -> None:
        self._depth += 1
        super()._do(effects)
        self._depth -= 1
        if not self._depth:
            self._look()

    def _look(self) -> None:
        self.looks += 1
        floor = self.floor
        assert unmatched(floor) == [], "nobody waits beside an agent who may take the call"
        state = floor._desk.state
        waiting = Counter(call.queue for call in state.calls.values() if call.callback is None)
        for queue in state.rules.queues:
            assert self.offered[queue] == self.ended[queue] + waiting[queue], queue
        rung = [agent.call for agent in state.agents.values() if agent.fence]
        assert all(call in state.calls for call in rung)
        talks = Counter(state.talks.values())
        assert all(count == 1 for count in talks.values()), "one call for one agent"
        assert not talks.keys() & {agent.id for agent in state.agents.values() if agent.fence}
        if self.looks % 40 == 0:
            indexes_agree(floor)


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_a_day_keeps_the_invariants_and_its_replay_decides_alike(strategy: Strategy) -> None:
    rules = centre(strategy)
    run = Inspected(rules, seed=11)
    play(run, 11, 3.0)
    state = run.floor._desk.state
    assert not state.calls, "everybody's wait came to an end"
    assert not state.talks
    assert all(agent.presence == "signed-out" for agent in state.agents.values())
    assert any(isinstance(entry.event, CallbackPlaced) for entry in run.entries)
    facts = [entry for entry in run.entries if isinstance(entry.event, FLOOR_FACTS)]
    again = replay(rules, facts)
    assert again.differences == []
    assert again.decisions > 200


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_the_order_of_the_configuration_changes_no_decision(strategy: Strategy) -> None:
    rules = centre(strategy)
    turned = replace(
        rules,
        queues=dict(reversed(rules.queues.items())),
        agents={
            ident: replace(
                agent,
                queues=dict(reversed(agent.queues.items())),
                skills=dict(reversed(agent.skills.items())),
            )
            for ident, agent in reversed(rules.agents.items())
        },
    )
    logs = []
    for configured in (rules, turned):
        entries: list[Entry] = []
        run = Rehearsal(configured, [entries.append], _stream(3, "phones"), MANNERS)
        play(run, 3, 1.5)
        logs.append(entries)
    assert logs[0] == logs[1]
