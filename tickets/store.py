"""Questions about tickets and calls, for the API and the IVR. Read-only.

What people change (disposition, comment, closing) goes through the journal as an event of
``tickets.events``; the reader brings it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tickets.policy import has_number, number_text
from tickets.records import CallRecord, Comment, Ticket
from tickets.tables import call_records, ticket_comments, tickets

PAGE_MAX = 200
HISTORY_MAX = 20
COMMENTS_MAX = 500
EARLIER_MAX = 1_000  # counted up to here

_RECORD = tuple(column.name for column in call_records.columns)
_TICKET = tuple(column.name for column in tickets.columns)
_BOTH = select(*tickets.columns, *call_records.columns).select_from(
    tickets.join(call_records, tickets.c.call == call_records.c.call)
)


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """What a list shall hold; an empty field does not filter. ``since``: unix time of opening."""

    outcome: str = ""
    status: str = ""
    queue: str = ""
    agent: str = ""
    caller: str = ""
    since: float | None = None
    until: float | None = None
    overdue_at: float | None = None  # open and due before this time


@dataclass(frozen=True, slots=True)
class CallFilter:
    """As TicketFilter, for call records. ``since``: unix time of arrival."""

    outcome: str = ""
    queue: str = ""
    agent: str = ""
    caller: str = ""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class TicketWithCall:
    """A ticket and its call's record, which holds times, disposition and recording."""

    ticket: Ticket
    record: CallRecord

    @property
    def number(self) -> str:
        """As people say it: T-000042."""
        return number_text(self.ticket.number)


@dataclass(frozen=True, slots=True)
class TicketDetail:
    """A ticket with its comments (oldest first) and the caller's earlier tickets (newest first)."""

    ticket: Ticket
    record: CallRecord
    comments: tuple[Comment, ...]
    earlier: tuple[TicketWithCall, ...]


@dataclass(frozen=True, slots=True)
class TicketPage:
    """Newest first. ``next`` is the ``before`` of the following page, None at the end."""

    items: tuple[TicketWithCall, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class CallPage:
    """By arrival, newest first. ``next`` is the ``before`` of the following page."""

    items: tuple[CallRecord, ...]
    next: tuple[float, str] | None


@dataclass(frozen=True, slots=True)
class EarlierCalls:
    """A caller's calls that are over: how many, and how the last one ended ("" for none)."""

    count: int
    last_outcome: str


class TicketStore:
    """Queries over the records. A row is there when the reader has applied its entries."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_tickets(
        self, wanted: TicketFilter | None = None, *, limit: int = 50, before: int | None = None
    ) -> TicketPage:
        """A page of tickets with a number below ``before``. ``limit`` is cut to PAGE_MAX."""
        limit = max(1, min(limit, PAGE_MAX))
        query = _filtered(wanted or TicketFilter())
        if before is not None:
            query = query.where(tickets.c.number < before)
        query = query.order_by(tickets.c.number.desc()).limit(limit + 1)
        async with self._engine.connect() as connection:
            found = [_ticket(row) for row in await connection.execute(query)]
        more = len(found) > limit
        items = tuple(found[:limit])
        return TicketPage(items, items[-1].ticket.number if more else None)

    async def get_ticket(self, number: int) -> TicketDetail | None:
        """The ticket of this number, wholly."""
        return await self._detail(tickets.c.number == number)

    async def ticket_of_call(self, call: str) -> TicketDetail | None:
        """The call's one ticket; None while the call is in progress."""
        return await self._detail(tickets.c.call == call)

    async def get_call(self, call: str) -> CallRecord | None:
        """The call's record, also while it is in progress."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(call_records).where(call_records.c.call == call))
            return next((_record(row) for row in rows), None)

    async def list_calls(
        self,
        wanted: CallFilter | None = None,
        *,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> CallPage:
        """A page of call records that arrived before ``before`` (arrival, call)."""
        limit = max(1, min(limit, PAGE_MAX))
        query = _filtered_calls(wanted or CallFilter())
        columns = call_records.c
        if before is not None:
            at, call = before
            query = query.where(
                (columns.arrived_at < at) | ((columns.arrived_at == at) & (columns.call < call))
            )
        query = query.order_by(columns.arrived_at.desc(), columns.call.desc()).limit(limit + 1)
        async with self._engine.connect() as connection:
            found = [_record(row) for row in await connection.execute(query)]
        items = tuple(found[:limit])
        last = items[-1] if len(found) > limit else None
        return CallPage(items, (last.arrived_at, last.call) if last else None)

    async def earlier_calls(self, caller: str, since: float = 0.0) -> EarlierCalls:
        """The caller's calls that ended at ``since`` or later, counted up to EARLIER_MAX."""
        if not has_number(caller):
            return EarlierCalls(0, "")
        columns = call_records.c
        ended = (
            select(columns.ended_at, columns.outcome)
            .where(columns.caller == caller, columns.ended_at >= since)
            .order_by(columns.arrived_at.desc())
            .limit(EARLIER_MAX)
        )
        some = ended.subquery()
        last = select(some.c.outcome).order_by(some.c.ended_at.desc()).limit(1).scalar_subquery()
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(func.count(), last).select_from(some))).one()
        return EarlierCalls(row[0], row[1] or "")

    async def callers(self, since: float, limit: int) -> list[tuple[str, int, str, str]]:
        """(caller, number of calls, outcome of the last, its agent) of those who called, latest
        first."""
        columns = call_records.c
        each = (
            select(columns.caller, func.max(columns.ended_at).label("at"), func.count().label("n"))
            .where(columns.ended_at >= since, columns.caller != "")
            .group_by(columns.caller)
            .order_by(func.max(columns.ended_at).desc())
            .limit(limit)
            .subquery()
        )
        last = select(each.c.caller, each.c.n, columns.outcome, columns.agent).join(
            call_records, (columns.caller == each.c.caller) & (columns.ended_at == each.c.at)
        )
        async with self._engine.connect() as connection:
            rows = await connection.execute(last)
            return [(row[0], row[1], row[2], row[3]) for row in rows if has_number(row[0])]

    async def count_by_status(self) -> dict[str, int]:
        """How many tickets stand in each status."""
        query = select(tickets.c.status, func.count()).group_by(tickets.c.status)
        async with self._engine.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def _detail(self, which: Any) -> TicketDetail | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_BOTH.where(which))).one_or_none()
            if row is None:
                return None
            found = _ticket(row)
            comments = await self._comments(connection, found.ticket.call)
            earlier = await self._earlier(connection, found.ticket)
        return TicketDetail(found.ticket, found.record, comments, earlier)

    async def _comments(self, connection: AsyncConnection, call: str) -> tuple[Comment, ...]:
        query = (
            select(ticket_comments)
            .where(ticket_comments.c.call == call)
            .order_by(ticket_comments.c.seq)
            .limit(COMMENTS_MAX)
        )
        rows = await connection.execute(query)
        return tuple(Comment(**row._mapping) for row in rows)

    async def _earlier(
        self, connection: AsyncConnection, ticket: Ticket
    ) -> tuple[TicketWithCall, ...]:
        if not has_number(ticket.caller):
            return ()
        query = (
            _BOTH.where(tickets.c.caller == ticket.caller, tickets.c.number < ticket.number)
            .order_by(tickets.c.number.desc())
            .limit(HISTORY_MAX)
        )
        return tuple(_ticket(row) for row in await connection.execute(query))


def _filtered(wanted: TicketFilter) -> Select[Any]:
    query = _BOTH
    for name in ("outcome", "status", "queue", "agent", "caller"):
        value = getattr(wanted, name)
        if value:
            query = query.where(tickets.c[name] == value)
    if wanted.since is not None:
        query = query.where(tickets.c.opened_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(tickets.c.opened_at < wanted.until)
    if wanted.overdue_at is not None:
        query = query.where(tickets.c.status == "open", tickets.c.due_at < wanted.overdue_at)
    return query


def _filtered_calls(wanted: CallFilter) -> Select[Any]:
    query = select(call_records)
    for name in ("outcome", "queue", "agent", "caller"):
        value = getattr(wanted, name)
        if value:
            query = query.where(call_records.c[name] == value)
    if wanted.since is not None:
        query = query.where(call_records.c.arrived_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(call_records.c.arrived_at < wanted.until)
    return query


def _record(row: Row[Any]) -> CallRecord:
    return CallRecord(**row._mapping)


def _ticket(row: Row[Any]) -> TicketWithCall:
    values: Sequence[Any] = tuple(row)
    ticket = Ticket(**dict(zip(_TICKET, values, strict=False)))
    record = CallRecord(**dict(zip(_RECORD, values[len(_TICKET) :], strict=True)))
    return TicketWithCall(ticket, record)
