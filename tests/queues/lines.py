"""Reports over all that is in memory, as (start, figures): what the product tells, shortened."""

from __future__ import annotations

from datetime import UTC

from queues.figures.reports import Calendar, agent_lines, queue_lines
from queues.figures.statistics import Statistics, Step
from queues.figures.tallies import Figures, WorkTally

STEPS_MAX = 100_000


def queue_report(
    statistics: Statistics, now: float, step: Step, queue: str
) -> list[tuple[float, Figures]]:
    """Each step that saw a visit of the queue, in order."""
    begins = [
        at
        for name in statistics.names_of(queue)
        for at in statistics.visits.ledger.rows.get(name, {})
    ]
    if not begins:
        return []
    calendar = Calendar(min(begins), now, step, UTC, STEPS_MAX)
    lines = queue_lines(statistics, queue, (), calendar, calendar.start, now)
    return [(line.start, line.figures) for line in lines]


def agent_report(
    statistics: Statistics, now: float, step: Step, agent: str
) -> list[tuple[float, WorkTally]]:
    """Each step in which the agent was signed in, in order."""
    begins = [at for at, *_ in statistics.worktime.open_spans(agent, now)]
    begins += statistics.worktime.ledger.rows.get(agent, {})
    if not begins:
        return []
    calendar = Calendar(min(begins), now, step, UTC, STEPS_MAX)
    lines = agent_lines(statistics, agent, (), calendar, calendar.start, now)
    return [(line.start, line.work) for line in lines]
