"""The whole state of the figures as plain values, to be written down and taken up again.

State + the log after ``UnderWay.seq`` = the figures as if nobody had ever stopped. The rows of
past intervals hardly change, so they stand apart: who writes the state down often encodes only
those that did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from queues.figures.ledger import Ledger, S
from queues.figures.statistics import Statistics
from queues.figures.tallies import WAIT_BUCKETS_S, Tally, WorkTally
from queues.figures.visits import Place, Visit
from queues.figures.worktime import Worker

VERSION = 1  # of the form and of what the figures mean


@dataclass(slots=True)
class UnderWay:
    """Everything but the rows. ``talkers`` are (call, agent) of the talks at this moment."""

    seq: int
    newest: float
    first: float
    whole_from: float
    outcomes: dict[str, int]
    raised: list[tuple[str, str, int]]
    totals: dict[str, Tally]
    visits: dict[str, Visit]
    places: dict[str, Place]
    begun: dict[str, float]
    workers: dict[str, Worker]
    talkers: list[tuple[str, str]]
    overruns: int


@dataclass(slots=True)
class Interval:
    """The rows of one quarter of an hour, by queue and by agent."""

    start: float
    queues: dict[str, Tally] = field(default_factory=dict)
    agents: dict[str, WorkTally] = field(default_factory=dict)


def under_way(statistics: Statistics) -> UnderWay:
    """What is under way; it shares its parts with the figures, so encode it at once."""
    visits, worktime = statistics.visits, statistics.worktime
    return UnderWay(
        seq=statistics.seq,
        newest=statistics.newest,
        first=visits.ledger.first,
        whole_from=statistics.whole_from,
        outcomes=dict(statistics.outcomes),
        raised=[(*key, count) for key, count in statistics.raised.items()],
        totals=visits.totals,
        visits=visits.visits,
        places=visits.places,
        begun=visits.begun,
        workers=worktime.workers,
        talkers=[(call, handling.agent) for call, handling in worktime.talkers.items()],
        overruns=worktime.overruns,
    )


def interval(statistics: Statistics, start: float) -> Interval:
    """The rows of one interval; shared as above."""
    return Interval(
        start,
        _column(statistics.visits.ledger, start),
        _column(statistics.worktime.ledger, start),
    )


def _column(ledger: Ledger[S], start: float) -> dict[str, S]:
    return {name: rows[start] for name, rows in ledger.rows.items() if start in rows}


def intervals(statistics: Statistics) -> list[float]:
    """The intervals that have rows, oldest first."""
    ledgers = (statistics.visits.ledger, statistics.worktime.ledger)
    return sorted({start for ledger in ledgers for _, start, _ in ledger.items()})


def taken_up(statistics: Statistics, kept: UnderWay, rows: Iterable[Interval]) -> None:
    """Put the state into empty figures. The values are theirs from here on.

    ValueError: a tally of another form.
    """
    visits, worktime = statistics.visits, statistics.worktime
    statistics.seq, statistics.newest = kept.seq, kept.newest
    statistics.whole_from = kept.whole_from
    statistics.outcomes = Counter(kept.outcomes)
    statistics.raised = Counter({(queue, reason): count for queue, reason, count in kept.raised})
    visits.ledger.first = worktime.ledger.first = kept.first
    visits.totals.update(kept.totals)
    visits.places.update(kept.places)
    visits.begun.update(kept.begun)
    for call, visit in kept.visits.items():
        visits.enter(call, visit)
    worktime.workers.update(kept.workers)
    worktime.overruns = kept.overruns
    for call, agent in kept.talkers:
        handling = kept.workers[agent].handling if agent in kept.workers else None
        if handling is None:
            raise ValueError("somebody talks who has no call")
        worktime.talkers[call] = handling
    for row in rows:
        for queue, tally in row.queues.items():
            visits.ledger.rows.setdefault(queue, {})[row.start] = tally
        for agent, work in row.agents.items():
            worktime.ledger.rows.setdefault(agent, {})[row.start] = work
    tallies = [*kept.totals.values(), *(tally for _, _, tally in visits.ledger.items())]
    if any(len(tally.waits) != len(WAIT_BUCKETS_S) + 1 for tally in tallies):
        raise ValueError("the histogram has other buckets")
