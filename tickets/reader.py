"""The journal's reader that writes tickets and call records.

One transaction a batch holds the rows and the position in the log, so a batch counts wholly
or not at all, and what is delivered again is passed over. The outbox of webhooks is written by
the same transaction: what is told is the ticket right after a fact, which is known here and
nowhere else, and a reader of its own would have a second position to keep in step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy import func as sql
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from config.errors import StoreWentBackError
from config.store import migrate
from config.upsert import Upsert, insert_for
from router.entry import Entry
from tickets.fold import Fold
from tickets.policy import Policy
from tickets.records import CallRecord, Case, Previous, Ticket
from tickets.tables import call_records, reader_positions, ticket_comments, tickets
from tickets.webhook_outbox import Outbox
from tickets.webhooks import Notice, is_public, notices, told

READER = "records"
KEEP = 4_096  # cases and callers held between batches; beyond, they are loaded when needed
LOOKUP = 400  # keys in one SELECT

_RECORD = tuple(column.name for column in call_records.columns)
_TICKET = tuple(column.name for column in tickets.columns)
_WITH_TICKET = select(*call_records.columns, *tickets.columns).select_from(
    call_records.outerjoin(tickets, tickets.c.call == call_records.c.call)
)
_MOVE = (
    update(reader_positions)
    .where(reader_positions.c.name == READER, reader_positions.c.seq == bindparam("expected"))
    .values(seq=bindparam("reached"), tickets=bindparam("issued"))
)


class Part(Protocol):
    """Another package's rows, written in the reader's transaction (recordings)."""

    async def write(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None: ...


class PositionMovedError(Exception):
    """Somebody else wrote under the reader's name; what was loaded is stale. Try again."""


class RecordsReader:
    """Applies the log to the store. One task at a time calls ``apply``.

    The tables are made, or brought up to date, at the first success: a database that is away
    when the program starts holds nothing up.
    """

    def __init__(
        self, engine: AsyncEngine, policy: Policy | None = None, parts: Sequence[Part] = ()
    ) -> None:
        self.outbox: Outbox | None = None  # given before the first entry, where there is one
        self._engine = engine
        self._policy = policy or Policy()
        self._parts = tuple(parts)
        dialect = engine.dialect
        self._records = Upsert(call_records, dialect)
        self._tickets = Upsert(tickets, dialect)
        self._comments = Upsert(ticket_comments, dialect)
        self._seq = -1  # not loaded
        self._reached = 0  # the position that we saw or wrote last
        self._schema_checked = False
        self._fold = Fold(self._policy, 0)

    async def position(self) -> int:
        """The number of the last entry that the store has; 0 for none."""
        if not self._schema_checked:
            await migrate(self._engine)
            self._schema_checked = True
        if self._seq < 0:
            async with self._engine.begin() as connection:
                seq, issued = await self._load_position(connection)
            self._fold = Fold(self._policy, issued)  # not before the transaction is over
            self._seq = self._reached = seq
        return self._seq

    async def apply(self, entries: Sequence[Entry]) -> None:
        """Take the entries over, in the log's order; those already taken are passed over.

        Raises what the database raises, having changed nothing: the same entries again later.
        StoreWentBackError where it lost what it had taken: all that follows again.
        """
        before = self._reached
        done = await self.position()
        if done < before:
            raise StoreWentBackError(done)
        fresh = [entry for entry in entries if entry.seq > done]
        if not fresh:
            return
        try:
            async with self._engine.begin() as connection:
                await self._write(connection, fresh)
        except BaseException:
            self._seq, self._fold = -1, Fold(self._policy, 0)
            raise
        self._seq = self._reached = fresh[-1].seq
        self._fold.forget(KEEP)
        if self.outbox is not None:
            self.outbox.committed()

    async def _write(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
        fold = self._fold
        await self._load_cases(connection, fold.unknown_calls(entries))
        await self._load_previous(connection, fold.unknown_callers(entries))
        events = self._fold_in(entries)
        changes = fold.take_changes()
        # First of the writes, so that two readers of one name cannot both get past it.
        moved = await connection.execute(
            _MOVE, {"expected": self._seq, "reached": entries[-1].seq, "issued": fold.issued}
        )
        if moved.rowcount != 1:
            raise PositionMovedError(f"reader {READER!r} is no longer at {self._seq}")
        await self._records.run(connection, changes.records)
        await self._tickets.run(connection, changes.tickets)
        await self._comments.run(connection, changes.comments)
        for part in self._parts:
            await part.write(connection, entries)
        if self.outbox is not None:
            await self.outbox.write(connection, events)

    def _fold_in(self, entries: Sequence[Entry]) -> list[Notice]:
        """Apply the entries; what other systems are to be told of it."""
        fold, found = self._fold, list[Notice]()
        tells = self.outbox is not None and self.outbox.wanted
        for entry in entries:
            if not (tells and is_public(entry)):
                fold.apply(entry)
                continue
            before = told(fold.cases.get(entry.call))
            fold.apply(entry)
            found += notices(entry, before, fold.cases.get(entry.call))
        return found

    async def _load_position(self, connection: AsyncConnection) -> tuple[int, int]:
        """The last entry taken over, and how many tickets were issued up to there."""
        wanted = select(reader_positions.c.seq, reader_positions.c.tickets).where(
            reader_positions.c.name == READER
        )
        row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            await connection.execute(
                insert_for(self._engine.dialect, reader_positions)
                .values(name=READER, seq=0, tickets=0)
                .on_conflict_do_nothing(index_elements=["name"])
            )
            row = (await connection.execute(wanted)).one()
        return row.seq, row.tickets

    async def _load_cases(self, connection: AsyncConnection, calls: Sequence[str]) -> None:
        for start in range(0, len(calls), LOOKUP):
            keys = calls[start : start + LOOKUP]
            rows = await connection.execute(_WITH_TICKET.where(call_records.c.call.in_(keys)))
            for row in rows:
                case = _case(row)
                self._fold.cases[case.record.call] = case

    async def _load_previous(self, connection: AsyncConnection, callers: Sequence[str]) -> None:
        for start in range(0, len(callers), LOOKUP):
            keys = callers[start : start + LOOKUP]
            latest = (
                select(tickets.c.caller, sql.max(tickets.c.number))
                .where(tickets.c.caller.in_(keys))
                .group_by(tickets.c.caller)
            )
            rows = await connection.execute(
                select(
                    tickets.c.caller,
                    tickets.c.number,
                    tickets.c.opened_at,
                    tickets.c.repeat_count,
                ).where(tuple_(tickets.c.caller, tickets.c.number).in_(latest))
            )
            self._fold.previous.update(dict.fromkeys(keys))
            for caller, number, opened_at, count in rows:
                self._fold.previous[caller] = Previous(number, opened_at, count)


def _case(row: Row[Any]) -> Case:
    values = tuple(row)
    record = CallRecord(**dict(zip(_RECORD, values, strict=False)))
    rest = dict(zip(_TICKET, values[len(_RECORD) :], strict=True))
    return Case(record, Ticket(**rest) if rest["number"] is not None else None)
