"""Figures in the database: quarters of an hour that are over, for reports that reach far back.

Rows hold the whole sums of their interval, never differences: what is written again replaces
what stood there. The number of the last fact that counts in them is in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Column, RowMapping, Select, Table, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from config.errors import PeerError
from config.upsert import insert_for
from queues.figures.tables import agent_breaks, agent_intervals, figures_positions, queue_intervals
from queues.figures.tallies import WAIT_BUCKETS_S, Tally, WorkTally

READER = "figures"
CHUNK = 500  # rows of one statement

# What a WorkTally calls it: the column that holds it.
PRESENCE_COLUMNS = {
    "available": "in_available_s",
    "offered": "in_offered_s",
    "reserved": "in_reserved_s",
    "talking": "in_talking_s",
    "wrap-up": "in_wrap_up_s",
    "on-break": "in_on_break_s",
    "own-call": "in_own_call_s",
}
OFFER_COLUMNS = {
    "accepted": "accepted",
    "refused": "refused",
    "rung-out": "rung_out",
    "withdrawn": "withdrawn",
    "unreachable": "unreachable",
}
_TALLY = tuple(item.name for item in fields(Tally) if item.name != "waits")
_WORK = ("handled", "talk_s", "hold_s", "wrap_up_s", "overruns")

QueueRow = tuple[str, float, Tally]  # queue, start of the interval, its sums
AgentRow = tuple[str, float, WorkTally]


class NewerFiguresError(PeerError):
    """The database has figures of a later log than ours; they are left as they are."""


@dataclass(frozen=True, slots=True)
class Span:
    """Of which rows: intervals that begin in [start, end), of one name or of all."""

    start: float
    end: float
    name: str | None = None


class FiguresStore:
    """Writes and answers. The tables are made by the start or the records' reader, whoever gets
    to the database first; until then everything fails, as while it is away. Raises what the
    database raises."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._ready = False

    async def write(self, seq: int, queues: Sequence[QueueRow], agents: Sequence[AgentRow]) -> None:
        """Write rows as they are after the fact ``seq``, all or none.

        NewerFiguresError where what stands there counts a later fact.
        """
        await self._prepare()
        breaks = [
            {"agent": agent, "start": int(start), "reason": reason, "seconds": seconds}
            for agent, start, work in agents
            for reason, seconds in work.breaks.items()
        ]
        async with self._engine.begin() as connection:
            await self._move(connection, seq)
            for table, rows in (
                (queue_intervals, [_queue_values(*row) for row in queues]),
                (agent_intervals, [_agent_values(*row) for row in agents]),
                (agent_breaks, breaks),
            ):
                await self._upsert(connection, table, rows)

    async def position(self) -> int:
        """The last fact that counts in what is written; 0 for none."""
        await self._prepare()
        wanted = select(figures_positions.c.seq).where(figures_positions.c.name == READER)
        async with self._engine.connect() as connection:
            return int((await connection.execute(wanted)).scalar() or 0)

    async def _prepare(self) -> None:
        if not self._ready:
            async with self._engine.begin() as connection:
                await connection.execute(
                    insert_for(self._engine.dialect, figures_positions)
                    .values(name=READER, seq=0)
                    .on_conflict_do_nothing(index_elements=["name"])
                )
            self._ready = True

    async def _move(self, connection: AsyncConnection, seq: int) -> None:
        moved = await connection.execute(
            update(figures_positions)
            .where(figures_positions.c.name == READER, figures_positions.c.seq <= seq)
            .values(seq=bindparam("reached")),
            {"reached": seq},
        )
        if moved.rowcount != 1:
            raise NewerFiguresError(f"the figures in the database are beyond fact {seq}")

    async def _upsert(
        self, connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        if not rows:
            return
        statement = insert_for(self._engine.dialect, table)
        key = [column.name for column in table.primary_key]
        statement = statement.on_conflict_do_update(
            index_elements=key,
            set_={name: statement.excluded[name] for name in rows[0] if name not in key},
        )
        for start in range(0, len(rows), CHUNK):
            await connection.execute(statement, list(rows[start : start + CHUNK]))

    # Asking.

    async def queue_rows(self, span: Span) -> list[QueueRow]:
        """Every row, oldest first."""
        query = _within(select(queue_intervals), queue_intervals, queue_intervals.c.queue, span)
        return [
            (row["queue"], float(row["start"]), _tally(row))
            async for row in self._each(query.order_by(queue_intervals.c.start))
        ]

    async def queue_sums(self, span: Span) -> list[QueueRow]:
        """One row for each queue, as of the span's start; without the histogram of waits."""
        columns = [_sum(queue_intervals.c[name]) for name in _TALLY]
        queue = queue_intervals.c.queue
        query = _within(select(queue, *columns), queue_intervals, queue, span).group_by(queue)
        async with self._engine.connect() as connection:
            found = await connection.execute(query)
            return [(row["queue"], span.start, _tally(row)) for row in found.mappings()]

    async def agent_rows(self, span: Span) -> list[AgentRow]:
        """Every row, oldest first."""
        query = _within(select(agent_intervals), agent_intervals, agent_intervals.c.agent, span)
        breaks = _within(select(agent_breaks), agent_breaks, agent_breaks.c.agent, span)
        rows = [
            (row["agent"], float(row["start"]), _work(row))
            async for row in self._each(query.order_by(agent_intervals.c.start))
        ]
        by_key = {(agent, start): work for agent, start, work in rows}
        async for row in self._each(breaks):
            work = by_key.get((row["agent"], float(row["start"])))
            if work is not None:  # else written since the first question
                work.breaks[row["reason"]] = row["seconds"]
        return rows

    async def agent_sums(self, span: Span) -> list[AgentRow]:
        """One row for each agent, as of the span's start."""
        names = (*_WORK, *PRESENCE_COLUMNS.values(), *OFFER_COLUMNS.values())
        agent = agent_intervals.c.agent
        columns = [_sum(agent_intervals.c[name]) for name in names]
        query = _within(select(agent, *columns), agent_intervals, agent, span).group_by(agent)
        who, why = agent_breaks.c.agent, agent_breaks.c.reason
        breaks = _within(select(who, why, _sum(agent_breaks.c.seconds)), agent_breaks, who, span)
        async with self._engine.connect() as connection:
            found = await connection.execute(query)
            rows = [(row["agent"], span.start, _work(row)) for row in found.mappings()]
            by_agent = {agent: work for agent, _, work in rows}
            for row in (await connection.execute(breaks.group_by(who, why))).mappings():
                if row["agent"] in by_agent:
                    by_agent[row["agent"]].breaks[row["reason"]] = row["seconds"]
        return rows

    async def has_queue(self, queue: str) -> bool:
        """Whether any row is this queue's."""
        return await self._has(queue_intervals.c.queue, queue)

    async def has_agent(self, agent: str) -> bool:
        """Whether any row is this agent's."""
        return await self._has(agent_intervals.c.agent, agent)

    async def _has(self, column: Column[Any], name: str) -> bool:
        async with self._engine.connect() as connection:
            found = await connection.execute(select(column).where(column == name).limit(1))
            return found.first() is not None

    async def forget_before(self, start: float, span_s: float) -> bool:
        """Delete intervals that began before ``start``: of each table the oldest, and what began
        within ``span_s`` of it. Whether there may be more."""
        more = False
        async with self._engine.begin() as connection:
            for table in (queue_intervals, agent_intervals, agent_breaks):
                oldest = (await connection.execute(select(func.min(table.c.start)))).scalar()
                if oldest is None or oldest >= start:
                    continue
                until = min(start, oldest + span_s)
                await connection.execute(delete(table).where(table.c.start < until))
                more = more or until < start
        return more

    async def _each(self, query: Select[Any]) -> AsyncIterator[RowMapping]:
        """A part of the rows at a time: others have their turn meanwhile."""
        async with self._engine.connect() as connection:
            found = await connection.stream(query)
            async for part in found.mappings().partitions(CHUNK):
                for row in part:
                    yield row


def _within(query: Select[Any], table: Table, name: Column[Any], span: Span) -> Select[Any]:
    query = query.where(table.c.start >= int(span.start), table.c.start < int(span.end))
    return query if span.name is None else query.where(name == span.name)


def _sum(column: Column[Any]) -> Any:
    which = func.max if column.name == "longest_wait_s" else func.sum
    return which(column).label(column.name)


def _queue_values(queue: str, start: float, tally: Tally) -> dict[str, Any]:
    values = {name: getattr(tally, name) for name in _TALLY}
    return {"queue": queue, "start": int(start), **values, "waits": json.dumps(tally.waits)}


def _tally(row: RowMapping) -> Tally:
    tally = Tally(**{name: row[name] for name in _TALLY})
    if "waits" in row:
        waits = [int(count) for count in json.loads(row["waits"])]
        if len(waits) == len(WAIT_BUCKETS_S) + 1:  # else of a version with other buckets
            tally.waits = waits
    return tally


def _agent_values(agent: str, start: float, work: WorkTally) -> dict[str, Any]:
    return {
        "agent": agent,
        "start": int(start),
        **{name: getattr(work, name) for name in _WORK},
        **_columns(PRESENCE_COLUMNS, work.seconds, 0.0),
        **_columns(OFFER_COLUMNS, work.offers, 0),
    }


def _columns(
    columns: Mapping[str, str], values: Mapping[str, float], nothing: float
) -> dict[str, float]:
    return {column: values.get(label, nothing) for label, column in columns.items()}


def _work(row: RowMapping) -> WorkTally:
    work = WorkTally(**{name: row[name] for name in _WORK})
    work.seconds = {label: row[name] for label, name in PRESENCE_COLUMNS.items() if row[name]}
    work.offers = {label: row[name] for label, name in OFFER_COLUMNS.items() if row[name]}
    return work
