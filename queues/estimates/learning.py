"""Estimates that learn behind the decisions: no caller waits for what we learn from a fact."""

from __future__ import annotations

from queues.estimates.estimate import Estimates
from queues.offers import FloorEvent
from queues.rules import FloorRules

PENDING_MAX = 1024


class Learning:
    """Facts are put by and learned in their order when somebody asks, when the shell has time
    (``catch_up``), or when ``PENDING_MAX`` are pending. Without ``estimates`` nothing is learned
    unless a queue's rules ask for the expected wait: a rehearsal tells nobody."""

    __slots__ = ("_always", "_estimates", "_pending", "_wanted")

    def __init__(self, rules: FloorRules, *, estimates: bool) -> None:
        self._estimates = Estimates(rules)
        self._pending: list[tuple[str, FloorEvent, float]] = []
        self._always = estimates
        self._wanted = estimates or _asked_for(rules)

    def note(self, call: str, event: FloorEvent, now: float) -> None:
        """One fact, in the order of the log."""
        if self._wanted:
            self._pending.append((call, event, now))
            if len(self._pending) >= PENDING_MAX:
                self.catch_up()

    def catch_up(self) -> Estimates:
        """Learn what is pending; the estimates as things stand."""
        pending, self._pending = self._pending, []
        for call, event, now in pending:
            self._estimates.note(call, event, now)
        return self._estimates

    def adopt(self, rules: FloorRules) -> None:
        """Other rules from the next fact on."""
        self.catch_up().adopt(rules)
        self._wanted = self._always or _asked_for(rules)


def _asked_for(rules: FloorRules) -> bool:
    return any(queue.expected_max_s is not None for queue in rules.queues.values())
