"""Figures of queues and agents, folded from the journal: live view, reports and metrics are one.

Visits count in the interval of their enqueue, at the moment each thing happens; the wait is
enqueue to end with fractions of a second, talk is never wait. A caller who is back after a
lost agent is in the same visit and is not counted again. Presence counts in the intervals it
spans; a handling (talk, hold, wrap-up) counts when its wrap-up is over, for the agent who
talked, in the interval where the talk began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Literal

from queues.events import (
    AgentPresence,
    BreakOverrun,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallQueued,
    OfferEnded,
    QueueVisitEnded,
    WaitRaised,
)
from queues.figures.ledger import interval_of
from queues.figures.tallies import Figures, Tally, WorkTally
from queues.figures.visits import Visits
from queues.figures.worktime import Handling, WorkTime
from queues.rules import PERSONAL
from router.entry import Entry
from router.events import (
    CallConnected,
    CallEnded,
    CallHeld,
    CallResumed,
    CallTransferred,
    SecondLifeEnded,
)

Step = Literal["15min", "hour", "day"]

KEPT_S = 2 * 86_400.0
UTC = timezone(timedelta(0))
PERSONAL_QUEUES = "(personal)"  # all agents' own queues under one name, which no queue can have


@dataclass(frozen=True, slots=True)
class LiveQueue:
    """A queue at this moment. ``waiting`` includes those being offered and those who are back;
    ``callbacks`` are the places kept for callers who shall be called."""

    waiting: int
    longest_wait_s: float
    callbacks: int = 0


@dataclass(frozen=True, slots=True)
class Live:
    """The floor at this moment; ``agents`` counts by presence, ``over_limit`` the agents whose
    break is longer than it may be."""

    queues: dict[str, LiveQueue]
    agents: dict[str, int]
    over_limit: int = 0


class Statistics:
    """All figures. ``outcomes``, ``raised`` (how often a wait that was told grew, by queue and
    reason) and ``totals`` count from the first entry folded and only grow; intervals are kept
    for ``kept_s`` seconds, older ones are forgotten.

    ``takes_changes``: what changed is noted for ``take_changes``, and kept until taken.
    ``whole_from``: intervals before were not folded from their beginning (0: all were).
    """

    def __init__(self, kept_s: float = KEPT_S, *, takes_changes: bool = False) -> None:
        self.kept_s = kept_s
        self.seq = 0
        self.newest = 0.0
        self.whole_from = 0.0
        self.outcomes: Counter[str] = Counter()
        self.raised: Counter[tuple[str, str]] = Counter()
        self.visits = Visits()
        self.worktime = WorkTime()
        if takes_changes:
            self.visits.ledger.changed = set()
            self.worktime.ledger.changed = set()
        self._folds: dict[type, Callable[[str, Any, float], None]] = {
            CallQueued: self.visits.queued,
            QueueVisitEnded: self.visits.ended,
            OfferEnded: self._offer_ended,
            AgentPresence: self._presence,
            BreakOverrun: self._overrun,
            CallbackPlaced: self.visits.placed,
            CallbackMissed: self._callback_missed,
            CallbackEnded: self._callback_ended,
            WaitRaised: self._raised,
            CallConnected: self._connected,
            CallTransferred: self._transferred,
            CallHeld: self._held,
            CallResumed: self._resumed,
            CallEnded: self._call_ended,
            SecondLifeEnded: self._second_life_ended,
        }

    @property
    def totals(self) -> dict[str, Tally]:
        """By queue, from the first entry folded."""
        return self.visits.totals

    def apply(self, entry: Entry) -> None:
        """Take one entry; those of no interest, and those that are folded already, are passed
        over."""
        seq = entry.seq
        if seq <= self.seq:
            return
        if not self.seq and seq > 1:
            self.whole_from = interval_of(entry.at) + 900.0
        self.seq = seq
        fold = self._folds.get(type(entry.event))
        if fold is not None:
            at = entry.at
            fold(entry.call, entry.event, at)
            if at - self.newest >= 900.0:
                self._turn(interval_of(at))

    def _turn(self, interval: float) -> None:
        """A quarter of an hour begins: what is long over changes no more, and leaves."""
        self.newest = interval
        self.worktime.spend_until(interval)
        start = interval_of(interval - self.kept_s)
        self.worktime.ledger.forget_before(start)
        self.visits.ledger.forget_before(start)

    # Facts.

    def _offer_ended(self, call: str, event: OfferEnded, at: float) -> None:
        self.worktime.offer_ended(event.agent, event.end, at)

    def _presence(self, call: str, event: AgentPresence, at: float) -> None:
        began = self.visits.began(call, at) if event.presence == "talking" else at
        self._handled(self.worktime.presence(call, event, began, at))
        if event.presence in ("wrap-up", "on-break", "available", "signed-out"):
            self.visits.begun.pop(call, None)  # the talk is over

    def _overrun(self, call: str, event: BreakOverrun, at: float) -> None:
        self.worktime.overrun(event.agent, at)

    def _callback_missed(self, call: str, event: CallbackMissed, at: float) -> None:
        self.visits.missed(call, event)

    def _callback_ended(self, call: str, event: CallbackEnded, at: float) -> None:
        self.visits.callback_ended(call, event)

    def _raised(self, call: str, event: WaitRaised, at: float) -> None:
        self.raised[event.queue, event.reason] += 1

    def _connected(self, call: str, event: CallConnected, at: float) -> None:
        if event.agent:
            self._handled(self.worktime.connected(call, event.agent, at))

    def _transferred(self, call: str, event: CallTransferred, at: float) -> None:
        self.worktime.transferred(call, event.by, at)

    def _held(self, call: str, event: CallHeld, at: float) -> None:
        self.worktime.held(call, event.leg, at)

    def _resumed(self, call: str, event: CallResumed, at: float) -> None:
        self.worktime.resumed(call, event.leg, at)

    def _call_ended(self, call: str, event: CallEnded, at: float) -> None:
        """A visit that is still open ends by its own fact: after a restart that comes later."""
        self.outcomes[event.outcome] += 1
        self.visits.begun.pop(call, None)

    def _second_life_ended(self, call: str, event: SecondLifeEnded, at: float) -> None:
        """A called-back call is over; as a call it ended before."""
        self.visits.begun.pop(call, None)

    def _handled(self, done: Handling | None) -> None:
        if done is not None and done.queue:
            for tally in self.visits.cells(done.queue, done.enqueued):
                tally.handling(done.talk_s, done.hold_s, done.wrap_up_s)

    def part_with_log(self, at: float) -> None:
        """The log that tells how it goes on is lost: who waited is removed, nobody is called
        back, everybody is signed out."""
        visits = self.visits
        for call, visit in list(visits.visits.items()):
            visits.ended(call, QueueVisitEnded(visit.queue, "removed", at - visit.enqueued), at)
        for call, place in list(visits.places.items()):
            visits.callback_ended(call, CallbackEnded(place.queue, "cancelled", place.attempts))
        for agent, worker in self.worktime.workers.items():
            if worker.presence != "signed-out":
                self._presence("", AgentPresence(agent, "signed-out"), at)

    def take_changes(self) -> tuple[set[tuple[str, float]], set[tuple[str, float]]]:
        """(queue, interval) and (agent, interval) of the rows that changed since the last time;
        they may be forgotten from now on."""
        taken = []
        for ledger in (self.visits.ledger, self.worktime.ledger):
            taken.append(ledger.changed or set())
            ledger.changed = set()
        return taken[0], taken[1]

    # Reading.

    @property
    def kept_from(self) -> float:
        """Intervals from here on are known wholly."""
        return max(self.whole_from, self.visits.ledger.first)

    def names_of(self, queue: str | None) -> list[str]:
        """The queues that a name stands for: None is all, PERSONAL_QUEUES the agents' own."""
        if queue is None:
            return list(self.totals)
        if queue == PERSONAL_QUEUES:
            return [name for name in self.totals if name.startswith(PERSONAL)]
        return [queue]

    def figures(
        self,
        now: float,
        *,
        queue: str | None = None,
        start: float = float("-inf"),
        end: float = float("inf"),
    ) -> Figures:
        """Of one queue or all, of visits enqueued in the kept intervals that begin in
        [start, end); by default in all that are kept."""
        names = self.names_of(queue)
        ledger = self.visits.ledger
        total = ledger.between(names[0], start, end) if names else Tally()
        for name in names[1:]:
            total.add(ledger.between(name, start, end))
        return self.with_open(total, now, names, start, end)

    def with_open(
        self, total: Tally, now: float, names: Iterable[str], start: float, end: float
    ) -> Figures:
        """The figures of these sums, and of the queues' visits of the intervals in [start, end)
        that are not over."""
        waiting = undecided = 0
        longest_s = 0.0
        for name in names:
            visits = self.visits.waiting.get(name)
            if visits:
                more, within, wait_s = visits.counts(now, start, end)
                waiting, undecided = waiting + more, undecided + within
                longest_s = max(longest_s, wait_s)
        return Figures(total, undecided, waiting, longest_s)

    def work(
        self,
        now: float,
        agent: str,
        *,
        start: float = float("-inf"),
        end: float = float("inf"),
    ) -> WorkTally:
        """One agent's sums over the intervals that begin in [start, end), up to ``now``."""
        total = self.worktime.ledger.between(agent, start, end)
        for interval, label, reason, seconds in self.worktime.open_spans(agent, now):
            if start <= interval < end:
                total.spend(label, reason, seconds)
        return total

    def live(self, now: float) -> Live:
        """Who waits and who works at this moment."""
        workers = self.worktime.workers.values()
        return Live(
            queues={name: self.live_queue(now, name) for name in sorted(self.totals)},
            agents=dict(sorted(Counter(worker.presence for worker in workers).items())),
            over_limit=sum(worker.over for worker in workers),
        )

    def live_queue(self, now: float, queue: str) -> LiveQueue:
        """Who waits in one queue, or in those that the name stands for."""
        waiting = callbacks = 0
        longest_s = 0.0
        for name in self.names_of(queue):
            visits = self.visits.waiting.get(name)
            if visits:
                waiting += len(visits)
                longest_s = max(longest_s, visits.longest_s(now))
            if name in self.totals:
                callbacks += self.totals[name].callbacks_waiting
        return LiveQueue(waiting, longest_s, callbacks)


def fold(entries: Iterable[Entry], kept_s: float = KEPT_S) -> Statistics:
    """The figures of a log."""
    statistics = Statistics(kept_s)
    for entry in entries:
        statistics.apply(entry)
    return statistics


def bounds(at: float, step: Step, zone: tzinfo) -> tuple[float, float]:
    """Start and end of the interval that ``at`` is in; a day may have 23 or 25 hours."""
    if step == "15min":
        return interval_of(at), interval_of(at) + 900.0
    local = datetime.fromtimestamp(at, zone)
    if step == "hour":
        start = at - (local.minute * 60 + local.second + local.microsecond / 1e6)
        return start, start + 3600.0
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()
