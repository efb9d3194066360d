"""Figures of queues and agents, folded from the journal: live view, reports and metrics are one.

Visits count in the interval of their enqueue, at the moment each thing happens; the wait is
enqueue to end with fractions of a second, talk is never wait. A caller who is back after a
lost agent is in the same visit and is not counted again. Presence counts in the intervals it
spans; a handling (talk, hold, wrap-up) counts when its wrap-up is over, for the agent who
talked, in the interval where the talk began.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Literal, Protocol

from queues.events import AgentPresence, CallQueued, OfferEnded, QueueVisitEnded
from queues.tallies import WAIT_BUCKETS_S, Figures, Tally, WorkTally
from queues.worktime import Handling, WorkTime, interval_of
from router.events import CallConnected, CallEnded, CallHeld, CallResumed, CallTransferred

Step = Literal["15min", "hour", "day"]

KEPT_S = 2 * 86_400.0
UTC = timezone(timedelta(0))


class Entry(Protocol):
    """What the journal hands out: number, unix time, call id ("" for none), event."""

    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def call(self) -> str: ...
    @property
    def event(self) -> object: ...


@dataclass(slots=True)
class Visit:
    """A queue visit under way; ``returned`` ones were counted before."""

    queue: str
    enqueued: float
    target_s: float
    returned: bool


@dataclass(frozen=True, slots=True)
class LiveQueue:
    """A queue at this moment. ``waiting`` includes those being offered and those who are back."""

    waiting: int
    longest_wait_s: float


@dataclass(frozen=True, slots=True)
class Live:
    """The floor at this moment; ``agents`` counts by presence."""

    queues: dict[str, LiveQueue]
    agents: dict[str, int]


_OF_INTEREST: frozenset[type] = frozenset(
    {
        CallQueued,
        QueueVisitEnded,
        OfferEnded,
        AgentPresence,
        CallConnected,
        CallTransferred,
        CallHeld,
        CallResumed,
        CallEnded,
    }
)


@dataclass(slots=True)
class Statistics:
    """All figures. ``totals`` and ``outcomes`` count from the first entry folded and only grow;
    intervals are kept for ``kept_s`` seconds, older ones are forgotten."""

    kept_s: float = KEPT_S
    seq: int = 0
    totals: dict[str, Tally] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    _visits: dict[str, Visit] = field(default_factory=dict)
    _connected: dict[str, Visit] = field(default_factory=dict)
    _tallies: dict[str, dict[float, Tally]] = field(default_factory=dict)
    _work: WorkTime = field(default_factory=WorkTime)
    _newest: float = 0.0

    def apply(self, entry: Entry) -> None:
        """Take one entry; those of no interest are passed over."""
        self.seq = entry.seq
        if type(entry.event) not in _OF_INTEREST:
            return
        call, at = entry.call, entry.at
        match entry.event:
            case CallQueued() as event:
                self._queued(call, event, at)
            case QueueVisitEnded() as event:
                self._visit_ended(call, event, at)
            case OfferEnded(agent=agent, end=end):
                offers = self._work.tally(agent, at).offers
                offers[end] = offers.get(end, 0) + 1
            case AgentPresence() as event:
                visit = self._connected.get(call)
                enqueued = visit.enqueued if visit is not None else at
                self._handled(self._work.presence(call, event, enqueued, at))
            case CallConnected(agent=agent) if agent:
                self._handled(self._work.connected(call, agent, at))
            case CallTransferred(by=by):
                self._work.transferred(call, by, at)
            case CallHeld(leg=leg):
                self._work.held(call, leg, at)
            case CallResumed(leg=leg):
                self._work.resumed(call, leg, at)
            case CallEnded(outcome=outcome):
                self.outcomes[outcome] += 1
                self._connected.pop(call, None)
        self._forget(at)

    # Queues.

    def _cells(self, queue: str, enqueued: float) -> tuple[Tally, Tally]:
        by_interval = self._tallies.setdefault(queue, {})
        return (
            self.totals.setdefault(queue, Tally()),
            by_interval.setdefault(interval_of(enqueued), Tally()),
        )

    def _queued(self, call: str, event: CallQueued, at: float) -> None:
        self._visits[call] = Visit(event.queue, at, event.target_s, event.returned)
        if not event.returned:
            for tally in self._cells(event.queue, at):
                tally.offered += 1

    def _visit_ended(self, call: str, event: QueueVisitEnded, at: float) -> None:
        visit = self._visits.pop(call, None)
        if visit is None:
            return
        if event.end == "connected":
            self._connected[call] = visit
        if visit.returned:
            return
        waited_s = event.waited_s
        within = waited_s <= visit.target_s
        for tally in self._cells(visit.queue, visit.enqueued):
            tally.longest_wait_s = max(tally.longest_wait_s, waited_s)
            match event.end:
                case "connected":
                    tally.answered += 1
                    tally.answered_within += within
                    tally.answer_wait_s += waited_s
                    tally.waits[bisect_left(WAIT_BUCKETS_S, waited_s)] += 1
                case "abandoned":
                    tally.abandoned += 1
                    tally.abandoned_within += within
                    tally.short += event.short
                case "callback-requested":
                    tally.callback_requested += 1
                    tally.callback_within += within
                case "overflowed":
                    tally.overflowed += 1
                case "removed":
                    tally.removed += 1

    def _handled(self, done: Handling | None) -> None:
        if done is None or not done.queue:
            return
        for tally in self._cells(done.queue, done.enqueued):
            tally.handled += 1
            tally.talk_s += done.talk_s
            tally.hold_s += done.hold_s
            tally.wrap_up_s += done.wrap_up_s

    def _forget(self, at: float) -> None:
        if interval_of(at) <= self._newest:
            return
        self._newest = interval_of(at)
        start = interval_of(at - self.kept_s)
        self._work.forget_before(start)
        for by_interval in self._tallies.values():
            for interval in [interval for interval in by_interval if interval < start]:
                del by_interval[interval]

    # Reading.

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
        total = Tally()
        for name, by_interval in self._tallies.items():
            if queue in (None, name):
                for interval, tally in by_interval.items():
                    if start <= interval < end:
                        total.add(tally)
        undecided = sum(
            1
            for visit in self._visits.values()
            if not visit.returned
            and queue in (None, visit.queue)
            and start <= interval_of(visit.enqueued) < end
            and now - visit.enqueued <= visit.target_s
        )
        return Figures(total, undecided)

    def intervals(
        self, now: float, step: Step, *, queue: str | None = None, zone: tzinfo = UTC
    ) -> list[tuple[float, Figures]]:
        """(start, figures) of each interval that saw a visit, in order; days go by ``zone``."""
        found: dict[float, Figures] = {}
        for name, by_interval in self._tallies.items():
            if queue in (None, name):
                for interval in by_interval:
                    begin, end = bounds(interval, step, zone)
                    if begin not in found:
                        found[begin] = self.figures(now, queue=queue, start=begin, end=end)
        return sorted(found.items(), key=lambda item: item[0])

    def work(
        self,
        now: float,
        agent: str,
        *,
        start: float = float("-inf"),
        end: float = float("inf"),
    ) -> WorkTally:
        """One agent's sums over the intervals that begin in [start, end), up to ``now``."""
        total = WorkTally()
        for interval, tally in self._work.tallies.get(agent, {}).items():
            if start <= interval < end:
                total.add(tally)
        for name, interval, label, seconds in self._work.open_spans(now):
            if name == agent and start <= interval < end:
                total.seconds[label] = total.seconds.get(label, 0.0) + seconds
        return total

    def work_intervals(
        self, now: float, step: Step, agent: str, *, zone: tzinfo = UTC
    ) -> list[tuple[float, WorkTally]]:
        """(start, sums) of each interval in which the agent was signed in, in order."""
        seen = set(self._work.tallies.get(agent, {}))
        seen |= {interval for name, interval, _, _ in self._work.open_spans(now) if name == agent}
        spans = {bounds(interval, step, zone) for interval in seen}
        return [
            (begin, self.work(now, agent, start=begin, end=end)) for begin, end in sorted(spans)
        ]

    def live(self, now: float) -> Live:
        """Who waits and who works at this moment."""
        waiting: Counter[str] = Counter()
        longest: dict[str, float] = {}
        for visit in self._visits.values():
            waiting[visit.queue] += 1
            longest[visit.queue] = max(longest.get(visit.queue, 0.0), now - visit.enqueued)
        return Live(
            queues={
                queue: LiveQueue(waiting[queue], longest.get(queue, 0.0))
                for queue in sorted(self.totals.keys() | waiting.keys())
            },
            agents=dict(sorted(Counter(w.presence for w in self._work.workers.values()).items())),
        )


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
