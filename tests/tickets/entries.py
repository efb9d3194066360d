"""Entries of the log for tests: whole calls, as the engine would journal them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, get_args

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from queues.events import CallQueued, OfferMade
from recordings.events import RecordingFinished
from recordings.tables import recordings
from router.events import (
    CallArrived,
    CallConnected,
    CallEnded,
    CallPickedUp,
    DigitPressed,
    EngineStarted,
    LegQuality,
    Outcome,
)
from tickets.events import DispositionGiven, TicketClosed, TicketCommented
from tickets.tables import call_records, reader_positions, ticket_comments, tickets

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class Entry(NamedTuple):
    """As engine.journal_file.Entry."""

    seq: int
    at: float
    call: str
    event: object


@dataclass(frozen=True)
class Unknown:
    """As the journal hands over an event of another version."""

    name: str


def numbered(facts: Iterable[tuple[float, str, object]]) -> list[Entry]:
    """Number facts (at, call, event) from 1."""
    return [Entry(seq, *fact) for seq, fact in enumerate(facts, 1)]


def facts_of_call(
    call: str,
    *,
    caller: str = "+37120000001",
    outcome: Outcome = "answered",
    start: float = 1000.0,
    finished: bool = True,
) -> list[tuple[float, str, object]]:
    """The facts of one call of half a minute: (at, call, event) in order."""
    arrived = CallArrived(caller, "800", "trunk", caller_name="Ännä")
    facts: list[tuple[float, object]] = [
        (0.0, arrived),
        (0.1, CallPickedUp()),
        (2.0, DigitPressed("caller", "1")),
        (2.1, CallQueued("sales", 0, 5, start + 22.1)),
        (2.2, OfferMade("ann", 1, "sales", start + 60, 1)),
        (5.0, CallConnected("agent", "ann", "sales", 2.9)),
        (30.0, LegQuality("caller", 1000, 1000, 3, 4.5)),
        (30.0, LegQuality("agent", 1000, 1000, 4, 1.5)),
        (30.0, CallEnded(outcome, "bye", "sales", "ann", 2.9, 25.0, language="lv")),
    ]
    if finished:
        facts.append((31.0, RecordingFinished(f"r-{call}", f"/r/{call}.wav", "ab", 25.0, 800)))
    return [(start + at, call, event) for at, event in facts]


def people(call: str, at: float) -> list[tuple[float, str, object]]:
    """What people add to a ticket."""
    return [
        (at, call, TicketCommented("ann", "rang back")),
        (at + 1, call, DispositionGiven("ann", "sold", "two")),
        (at + 2, call, TicketClosed("bob")),
    ]


def noise(at: float) -> list[tuple[float, str, object]]:
    """Entries that concern no ticket."""
    return [
        (at, "", EngineStarted(1, "0")),
        (at, "never-arrived", CallEnded("failed", "?")),
        (at, "", Unknown("Later")),
    ]


async def contents(engine: AsyncEngine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that the reader writes, in the order of the first column."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    async with engine.connect() as connection:
        for table in (call_records, tickets, ticket_comments, recordings, reader_positions):
            rows = await connection.execute(select(table).order_by(next(iter(table.columns))))
            found[table.name] = [tuple(row) for row in rows]
    return found


async def empty(engine: AsyncEngine) -> None:
    """Remove every row."""
    async with engine.begin() as connection:
        for table in (ticket_comments, tickets, call_records, recordings, reader_positions):
            await connection.execute(table.delete())


def field_names(cls: type) -> list[str]:
    return [field.name for field in fields(cls)]
