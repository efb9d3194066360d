"""Reports: figures by step over a span of time, of what memory and what the database holds.

The same sums as the live view and the metrics: rows of older intervals come from the database,
those that memory holds from there, so that no interval counts twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from queues.figures.ledger import S
from queues.figures.statistics import PERSONAL_QUEUES, Statistics, Step, bounds
from queues.figures.tallies import Figures, Tally, WorkTally
from queues.rules import PERSONAL


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue's figures of the visits that began in [start, end)."""

    start: float
    end: float
    queue: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class AgentLine:
    """What an agent did in [start, end)."""

    start: float
    end: float
    agent: str
    work: WorkTally


class Calendar:
    """The steps of a report: those that [start, end) touches, wholly."""

    def __init__(self, start: float, end: float, step: Step, zone: tzinfo, most: int) -> None:
        self.step = step
        self.spans = list(_spans(start, end, step, zone, most + 1))
        self.complete = len(self.spans) <= most
        self._starts = [begin for begin, _ in self.spans]

    @property
    def start(self) -> float:
        return self.spans[0][0]

    @property
    def end(self) -> float:
        return self.spans[-1][1]

    def place(self, at: float) -> int | None:
        """Which step an interval belongs to; None for one outside."""
        if not self.start <= at < self.end:
            return None
        return bisect_right(self._starts, at) - 1


def _spans(
    start: float, end: float, step: Step, zone: tzinfo, most: int
) -> Iterator[tuple[float, float]]:
    begin, stop = bounds(start, step, zone)
    for _ in range(most):
        yield begin, stop
        if stop >= end:
            return
        begin, stop = bounds(stop, step, zone)


def label_of(queue: str) -> str:
    """Under which name a report shows a queue: agents' personal ones are one."""
    return PERSONAL_QUEUES if queue.startswith(PERSONAL) else queue


def queue_lines(
    statistics: Statistics,
    queue: str,
    stored: Iterable[tuple[float, Tally]],
    calendar: Calendar,
    kept_from: float,
    now: float,
) -> list[QueueLine]:
    """One queue's lines, or those of the queues that the name stands for; none for a step
    without visits. ``stored`` are rows before ``kept_from``: (start, sums)."""
    sums: dict[int, Tally] = {}
    for at, tally in stored:
        _add(sums, calendar.place(at), tally, Tally)
    names = statistics.names_of(queue)
    for name in names:
        for at, tally in statistics.visits.ledger.rows.get(name, {}).items():
            if at >= kept_from:
                _add(sums, calendar.place(at), tally, Tally)
    lines = []
    for place, tally in sorted(sums.items()):
        begin, end = calendar.spans[place]
        figures = statistics.with_open(tally, now, names, begin, end)
        lines.append(QueueLine(begin, end, queue, figures))
    return lines


def agent_lines(
    statistics: Statistics,
    agent: str,
    stored: Iterable[tuple[float, WorkTally]],
    calendar: Calendar,
    kept_from: float,
    now: float,
) -> list[AgentLine]:
    """One agent's lines; none for a step without a trace of the agent."""
    sums: dict[int, WorkTally] = {}
    for at, work in stored:
        _add(sums, calendar.place(at), work, WorkTally)
    for at, work in statistics.worktime.ledger.rows.get(agent, {}).items():
        if at >= kept_from:
            _add(sums, calendar.place(at), work, WorkTally)
    for at, label, reason, seconds in statistics.worktime.open_spans(agent, now):
        place = calendar.place(at)
        if place is not None:
            sums.setdefault(place, WorkTally()).spend(label, reason, seconds)
    return [AgentLine(*calendar.spans[place], agent, work) for place, work in sorted(sums.items())]


def _add(sums: dict[int, S], place: int | None, more: S, make: type[S]) -> None:
    if place is not None:
        sums.setdefault(place, make()).add(more)


def by_name(rows: Iterable[tuple[str, float, S]]) -> Mapping[str, list[tuple[float, S]]]:
    """Stored rows by queue or agent; those of personal queues also by the name for all."""
    found: dict[str, list[tuple[float, S]]] = {}
    for name, at, sums in rows:
        for label in dict.fromkeys((name, label_of(name))):
            found.setdefault(label, []).append((at, sums))
    return found
