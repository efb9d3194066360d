"""What may be asked of the floor: nothing here changes a decision."""

from __future__ import annotations

from itertools import islice

from config.errors import MisuseError
from queues.agents import AgentView
from queues.dispatch import Dispatch
from queues.estimates.estimate import Estimate
from queues.events import PlaceKept
from queues.rules import QueueRules
from queues.waiting import WaitingView


class Reading:
    """The questions of ``queues.floor.Floor``; unknown queues are MisuseError."""

    _desk: Dispatch

    @property
    def version(self) -> int:
        """Counts the facts so far."""
        return self._desk.state.version

    @property
    def next_deadline(self) -> float | None:
        """When ``tick`` has something to do next, if ever."""
        return self._desk.state.timers.next

    def estimate(self, call: str, now: float) -> Estimate | None:
        """How long this caller will still wait; None where that is unknown or the call does not
        wait. It is told to the caller: a shorter wait than promised is a promise from now on.
        With ``raised`` the old promise stands until that fact is journaled and handed to
        ``apply``."""
        return self._desk.learning.catch_up().of(call, now)

    def promised(self, call: str, high_at: float, now: float) -> None:
        """An engine that died told the caller to be answered by ``high_at``."""
        self._desk.learning.catch_up().promised(call, high_at, now)

    def learn(self) -> None:
        """Let the estimates learn what happened, off the way of the calls. Decisions do not
        depend on when; whoever asks for an estimate has it learned first."""
        self._desk.learning.catch_up()

    def expected(self, queue: str, now: float) -> Estimate | None:
        """How long a caller would wait who joined now; None where that is unknown."""
        self._queue(queue)
        return self._desk.learning.catch_up().joining(queue, now)

    def waits(self, call: str) -> bool:
        """Whether the call has a place, a callback's included."""
        return call in self._desk.state.calls

    def place_of(self, call: str) -> PlaceKept | None:
        """The call's place as a fact; None where it has none, or a phone rings for it."""
        waiting = self._desk.state.calls.get(call)
        return waiting.kept() if waiting is not None and not waiting.rung else None

    def position(self, call: str) -> int:
        """1-based position among all who wait in the call's queue, being offered included, and
        those whose place a callback keeps. MisuseError for a call that does not wait."""
        waiting = self._desk.state.calls.get(call)
        if waiting is None:
            raise MisuseError(f"call {call!r} does not wait")
        return self._desk.state.lines[waiting.queue].index(waiting.key()) + 1

    def waiting(self, queue: str | None = None, *, most: int | None = None) -> list[WaitingView]:
        """Those who wait and the entries of callbacks, by queue name, then in order; the first
        ``most`` of each queue."""
        state = self._desk.state
        names = sorted(state.lines) if queue is None else [queue]
        return [
            state.calls[key.call].view(position)
            for name in names
            for position, key in enumerate(islice(state.lines.get(name, ()), most), 1)
        ]

    def agents(self) -> list[AgentView]:
        """All agents by id."""
        return [agent.view() for _, agent in sorted(self._desk.state.agents.items())]

    def _queue(self, queue: str) -> QueueRules:
        rules = self._desk.state.rules.queue(queue)
        if rules is None:
            raise MisuseError(f"no queue {queue!r}")
        return rules
