"""Reports: figures of queues and of agents by quarter of an hour, hour or day, JSON or CSV."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Generic, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import AwareDatetime, ConfigDict, Field

from api.access import Principal, Staff, TheEngine, allow
from api.day import start_of_day
from api.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
    declared,
)
from api.figure_shapes import AgentReportLine, QueueReportLine, agent_line, queue_line
from api.lasting import ask
from api.report_text import as_csv, as_json, wants_csv
from api.shapes import NAME, Shape, instant
from config.remedies import suggest
from engine.engine import Engine
from queues.figures.figures_store import Span
from queues.figures.ledger import S
from queues.figures.reports import Calendar, agent_lines, by_name, label_of, queue_lines
from queues.figures.statistics import PERSONAL_QUEUES, Step
from queues.figures.tallies import Tally, WorkTally
from queues.rules import PERSONAL, personal_queue

router = APIRouter(tags=["reports"])

LINES_MAX = 5_000
EARLIEST, LATEST = 946_684_800.0, 4_102_444_800.0  # 2000 to 2100

Watcher = Annotated[Principal, Depends(allow("agent", "supervisor", "operator", "admin"))]


class ReportQuery(Shape):
    """Steps that begin from ``from`` (default: today's midnight), before ``to`` (default: now);
    a step that is only touched is told wholly. Days go by the configured time zone."""

    step: Step = "15min"
    since: AwareDatetime | None = Field(None, alias="from")
    to: AwareDatetime | None = None
    format: Literal["json", "csv"] | None = Field(None, description="default: as Accept says")


class QueueReportQuery(ReportQuery):
    queue: str | None = Field(
        None,
        pattern=rf"^@?{NAME[1:-1]}$|^\(personal\)$",
        description="(personal): the agents' own queues together; @anna: one of them",
    )


class AgentReportQuery(ReportQuery):
    agent: str | None = Field(None, pattern=NAME)


class ReportHead(Shape):
    """What was asked for, as it was understood."""

    model_config = ConfigDict(populate_by_name=True)

    step: Step
    since: datetime = Field(alias="from")
    to: datetime
    timezone: str


class QueueReport(ReportHead):
    """By start, then by queue; a step without visits has no line."""

    items: list[QueueReportLine]


class AgentReport(ReportHead):
    """By start, then by agent; a step in which the agent was signed out has no line."""

    items: list[AgentReportLine]


CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}


def _calendar(engine: Engine, query: ReportQuery, names: int) -> Calendar:
    now = engine.clock.now()
    zone = engine.settings.timezone
    end = query.to.timestamp() if query.to else now
    start = query.since.timestamp() if query.since else min(start_of_day(now, zone), end - 1)
    if not EARLIEST <= start < end <= LATEST:
        raise InvalidError("from", "it has to be before to, and both between 2000 and 2100")
    most = max(1, LINES_MAX // max(1, names))
    calendar = Calendar(start, end, query.step, ZoneInfo(zone), most)
    if not calendar.complete:
        raise InvalidError(
            "from", f"more than {LINES_MAX} lines; ask for less time, a longer step or one name"
        )
    return calendar


@dataclass(frozen=True, slots=True)
class Subject(Generic[S]):
    """What a report is about: queues or agents. ``field`` is what the request calls one,
    ``known`` are the names of configuration and memory, ``own`` those that the asker may see
    (None: all). ``rows`` and ``sums`` ask the database, ``lines`` make a name's lines."""

    field: Literal["queue", "agent"]
    known: set[str]
    own: set[str] | None
    rows: Callable[[Span], Awaitable[list[tuple[str, float, S]]]]
    sums: Callable[[Span], Awaitable[list[tuple[str, float, S]]]]
    is_stored: Callable[[str], Awaitable[bool]]
    lines: Callable[[str, Iterable[tuple[float, S]], Calendar, float], Sequence[Shape]]
    kind: type[Shape]


async def _report(
    engine: Engine, query: ReportQuery, asked: str | None, subject: Subject[S], accept: str
) -> Response:
    """The lines of the one name that is asked for, else of all that the asker may see."""
    shown = {asked} if asked is not None else subject.own
    calendar = _calendar(engine, query, len(shown or subject.known))
    await _exists(asked, subject)
    one = asked if asked is None or not asked.startswith("(") else None

    async def made(kept_from: float) -> list[Shape]:
        stored = by_name(await _stored(calendar, kept_from, one, subject))
        found: list[Shape] = []
        for name in sorted(shown or subject.known | {label_of(name) for name in stored}):
            found += subject.lines(name, stored.get(name, ()), calendar, kept_from)
            await asyncio.sleep(0)
        return found

    lines = await _unmoved(engine, made)
    lines.sort(key=attrgetter("start", subject.field))
    return await _answer(engine, query, calendar, lines, subject.kind, accept)


async def _exists(asked: str | None, subject: Subject[S]) -> None:
    """A name that nobody knows, nor the past, is a mistake and no empty report."""
    if asked is None or asked in subject.known | (subject.own or set()):
        return
    if not await ask(subject.is_stored(asked)):
        told = suggest(asked, subject.known)
        raise InvalidError(subject.field, f"there is no {subject.field} {asked!r}; {told}")


async def _stored(
    calendar: Calendar, kept_from: float, name: str | None, subject: Subject[S]
) -> list[tuple[str, float, S]]:
    """What only the database has; whole days are added up there."""
    if calendar.step != "day":
        end = min(calendar.end, kept_from)
        if calendar.start >= end:
            return []
        return await ask(subject.rows(Span(calendar.start, end, name)))
    found: list[tuple[str, float, S]] = []
    for begin, end in calendar.spans:
        if begin < kept_from:
            found += await ask(subject.sums(Span(begin, min(end, kept_from), name)))
    return found


async def _unmoved(engine: Engine, made: Callable[[float], Awaitable[list[Shape]]]) -> list[Shape]:
    """Lines made while memory kept the same intervals: it lets one go each quarter of an hour."""
    while True:
        kept_from = engine.statistics.kept_from
        lines = await made(kept_from)
        if engine.statistics.kept_from == kept_from:
            return lines


def _own_queues(engine: Engine, who: Principal, asked: str | None) -> set[str] | None:
    """The queues that an agent may see; None is all. An operator sees no single person's."""
    if who.role != "agent":
        if who.role == "operator" and asked is not None and asked.startswith(PERSONAL):
            raise ForbiddenError("a person's queue is for supervisors; ask for (personal)")
        return None
    own = {personal_queue(who.agent)}
    for agent in engine.settings.agents:
        if agent.id == who.agent:
            own |= set(agent.queues)
    if asked is not None and asked not in own:
        raise NotFoundError(f"there is no queue {asked!r}, or it is not yours")
    return own


def _known_queues(engine: Engine, asked: str | None) -> set[str]:
    """Personal queues are one, unless one of them is asked for."""
    if asked is not None and asked.startswith(PERSONAL):
        mine = {personal_queue(agent.id) for agent in engine.settings.agents}
        return mine | {name for name in engine.statistics.totals if name.startswith(PERSONAL)}
    known = {PERSONAL_QUEUES, *map(label_of, engine.statistics.totals)}
    return known | {queue.name for queue in engine.settings.queues}


async def _answer(
    engine: Engine,
    query: ReportQuery,
    calendar: Calendar,
    lines: Sequence[Shape],
    kind: type[Shape],
    accept: str,
) -> Response:
    if query.format == "csv" or (query.format is None and wants_csv(accept)):
        body = await as_csv(lines, kind.model_fields)
        return Response(body, media_type="text/csv; charset=utf-8; header=present")
    head = ReportHead(
        step=query.step,
        since=instant(calendar.start),
        to=instant(calendar.end),
        timezone=engine.settings.timezone,
    )
    return Response(await as_json(head, lines), media_type="application/json")


@router.get(
    "/reports/queues",
    response_model=QueueReport,
    responses={**declared(NotFoundError, UnavailableError), **CSV},
)
async def report_queues(
    engine: TheEngine,
    who: Watcher,
    query: Annotated[QueueReportQuery, Query()],
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Service levels by all definitions, waits, abandons, handling, callbacks: by queue and step.
    With an agent's token of this agent's queues."""
    own = _own_queues(engine, who, query.queue)
    store, now = engine.figures.store, engine.clock.now()

    def lines(
        name: str, rows: Iterable[tuple[float, Tally]], calendar: Calendar, kept_from: float
    ) -> list[QueueReportLine]:
        found = queue_lines(engine.statistics, name, rows, calendar, kept_from, now)
        return [queue_line(line) for line in found]

    subject = Subject(
        field="queue",
        known=_known_queues(engine, query.queue),
        own=own,
        rows=store.queue_rows,
        sums=store.queue_sums,
        is_stored=store.has_queue,
        lines=lines,
        kind=QueueReportLine,
    )
    return await _report(engine, query, query.queue, subject, accept)


@router.get(
    "/reports/agents",
    response_model=AgentReport,
    responses={**declared(NotFoundError, UnavailableError), **CSV},
)
async def report_agents(
    engine: TheEngine,
    who: Staff,
    query: Annotated[AgentReportQuery, Query()],
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Occupancy, handling, offers by their end, time by presence, breaks by reason: by agent and
    step. With an agent's token only this agent's own."""
    asked = query.agent if who.sees_all else who.agent
    if query.agent not in (None, asked):
        raise NotFoundError(f"there is no agent {query.agent!r}, or it is not you")
    store, now = engine.figures.store, engine.clock.now()

    def lines(
        name: str, rows: Iterable[tuple[float, WorkTally]], calendar: Calendar, kept_from: float
    ) -> list[AgentReportLine]:
        found = agent_lines(engine.statistics, name, rows, calendar, kept_from, now)
        return [agent_line(line) for line in found]

    configured = {agent.id for agent in engine.settings.agents}
    subject = Subject(
        field="agent",
        known=configured | engine.statistics.worktime.workers.keys(),
        own=None if who.sees_all else {who.agent},
        rows=store.agent_rows,
        sums=store.agent_sums,
        is_stored=store.has_agent,
        lines=lines,
        kind=AgentReportLine,
    )
    return await _report(engine, query, asked, subject, accept)
