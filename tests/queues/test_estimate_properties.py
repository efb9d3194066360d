"""Estimates under random events on the floor: promises hold, indexes hold what is, asking changes
nothing, and the same facts give the same estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis.stateful import invariant

from queues.estimates.estimate import Estimates
from queues.events import (
    AgentPresence,
    AgentReachable,
    CallbackDue,
    CallbackMissed,
    CallbackPlaced,
    CallChanged,
    CallPromoted,
    CallQueued,
    CallWidened,
    RaiseReason,
)
from queues.offers import Effect
from queues.wants import Wants
from tests.queues.test_floor_life import LifeMachine

AWAY = ("signed-out", "on-break")
INSERTED = (CallQueued, CallPromoted, CallChanged, CallWidened, CallbackPlaced, CallbackDue)


@dataclass
class Told:
    """The promise a caller has, and how many facts there were."""

    high_at: float
    at: float
    facts: int
    reloads: int


class EstimateMachine(LifeMachine):
    """Every caller is told the estimate after every step; another keeper of estimates learns
    the same facts and is asked once in a while only."""

    rules: Any  # the floor's, not hypothesis's

    def begin(self) -> None:
        if not hasattr(self, "told"):
            self.told: dict[str, Told] = {}
            self.estimates = Estimates(self.rules)
            self.silent = Estimates(self.rules)
            self.reloads = 0
            self.facts: list[tuple[str, Any]] = []

    def do(self, name: str, *args: Any, **kwargs: Any) -> list[Effect]:
        self.begin()
        if name == "reload":
            self.estimates.adopt(args[0])
            self.silent.adopt(args[0])
            self.reloads += 1
        known = len(self.watched.facts)
        effects = super().do(name, *args, **kwargs)
        for at, call, event in self.watched.facts[known:]:
            self.note(call, event, at)
        return effects

    def note(self, call: str, event: Any, at: float) -> None:
        self.estimates.note(call, event, at)
        self.silent.note(call, event, at)
        self.facts.append((call, event))
        if isinstance(event, CallChanged | CallQueued | CallbackPlaced | CallbackMissed):
            self.told.pop(call, None)  # somebody decided otherwise about this very call

    @invariant()
    def what_was_told_holds(self) -> None:
        self.begin()
        for call in self.watched.floor._desk.state.calls:
            estimate = self.estimates.of(call, self.now)
            if estimate is None:
                continue
            assert 0.0 <= estimate.low_s <= estimate.expected_s <= estimate.high_s
            told = self.told.get(call)
            high_at = self.now + estimate.high_s
            if estimate.raised is not None:
                assert told is not None
                assert high_at > told.high_at
                assert self.happened(call, told, estimate.raised.reason)
                self.note(call, estimate.raised, self.now)
                again = self.estimates.of(call, self.now)
                assert again is not None
                assert again.raised is None
            elif told is not None:
                assert high_at <= told.high_at + 1e-6
            self.told[call] = Told(high_at, self.now, len(self.facts), self.reloads)

    def happened(self, call: str, told: Told, reason: RaiseReason) -> bool:
        since = self.facts[told.facts :]
        match reason:
            case "agent-left":
                return self.reloads > told.reloads or any(
                    (isinstance(event, AgentReachable) and not event.reachable)
                    or (
                        isinstance(event, AgentPresence)
                        and (
                            event.presence in AWAY
                            or event.after in AWAY
                            or (event.presence == "talking" and not event.queue)
                        )
                    )
                    for _, event in since
                )
            case "inserted-ahead":
                return any(isinstance(event, INSERTED) and who != call for who, event in since)
        return self.now > told.at

    @invariant()
    def lines_hold_who_waits(self) -> None:
        self.begin()
        tracks, calls = self.estimates._tracks, self.watched.floor._desk.state.calls
        assert tracks.keys() == calls.keys()
        for name, call in calls.items():
            track = tracks[name]
            assert track.place == tuple(call.key())[:5]
            assert track.pool.kind == (call.queue, call.needs, *call.wants[1:])
            assert (track.place in track.pool.line) == call.is_open
        lines = sum(len(pool.line) for pool in self.estimates._staff.pools.values())
        assert lines == sum(call.is_open for call in calls.values())

    @invariant()
    def duty_is_who_could_answer(self) -> None:
        self.begin()
        agents = self.watched.floor._desk.state.agents.values()
        for pool in self.estimates._staff.pools.values():
            self.estimates._staff.refresh(pool)
            able = [
                agent
                for agent in agents
                if agent.id in self.rules.agents
                and agent.serves(pool.kind.queue)
                and not agent.lacks(pool.kind.queue, Wants(*pool.kind[1:]))
            ]
            working = [
                agent
                for agent in able
                if agent.reachable and agent.presence not in AWAY and agent.after not in AWAY
            ]
            assert pool.duty == len(working)

    @invariant()
    def asking_changes_nothing(self) -> None:
        self.begin()
        if self.number % 4:
            return
        for call in self.watched.floor._desk.state.calls:
            ours = self.estimates.expected_s(call, self.now)
            assert self.silent.expected_s(call, self.now) == ours
        for queue in self.rules.queues:
            assert self.silent.joining(queue, self.now) == self.estimates.joining(queue, self.now)


EstimateMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40)
TestEstimates = EstimateMachine.TestCase
