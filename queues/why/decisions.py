"""The floor's decisions in the database: written from the log, asked for when the log has left.

With ``queues.figures.tables`` the one shell in this package: everything else here is pure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from config.upsert import Upsert
from queues.events import (
    CallbackDue,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    CallChanged,
    CallPromoted,
    CallQueued,
    CallWidened,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
    WaitRaised,
)
from queues.figures.tables import decisions
from router.entry import Entry
from router.events import AgentLost, CallConnected, CallSentOn, CallTransferred

STORED: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        CallQueued,
        CallWidened,
        CallChanged,
        CallPromoted,
        OfferMade,
        OfferEnded,
        QueueVisitEnded,
        CallbackPlaced,
        CallbackMissed,
        CallbackDue,
        CallbackReached,
        CallbackEnded,
        WaitRaised,
        CallSentOn,
        CallTransferred,
        CallConnected,
        AgentLost,
    )
}
PERSONAL = frozenset({"caller", "number", "dialled"})
OUTSIDE = "external"
FACTS_MAX = 2_000  # of one call: the oldest count

# Name and default of each field; MISSING where there is none.
_FIELDS: dict[type[Any], tuple[tuple[str, object], ...]] = {
    kind: tuple(
        (
            field.name,
            field.default_factory() if field.default_factory is not MISSING else field.default,
        )
        for field in fields(kind)
    )
    for kind in STORED.values()
}


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A row: ``fact`` is JSON (see ``queues.figures.tables``)."""

    seq: int
    call: str
    at: float
    kind: str
    fact: str


class DecisionRows:
    """The floor's part of the records reader: a row for each of a call's facts of the floor."""

    def __init__(self) -> None:
        self._upsert: Upsert | None = None

    async def write(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
        """Write in the caller's transaction."""
        rows = [
            StoredFact(entry.seq, entry.call, entry.at, type(entry.event).__name__, _text(entry))
            for entry in entries
            if is_told(entry.event)
        ]
        if rows:
            if self._upsert is None:
                self._upsert = Upsert(decisions, connection.dialect)
            await self._upsert.run(connection, rows)


class DecisionStore:
    """Questions about decisions of the past."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of_call(self, call: str) -> list[StoredFact]:
        """The call's first ``FACTS_MAX`` facts in order; [] where nothing is known of it."""
        wanted = (
            select(*decisions.columns)
            .where(decisions.c.call == call)
            .order_by(decisions.c.seq)
            .limit(FACTS_MAX)
        )
        async with self._engine.connect() as connection:
            return [StoredFact(**row._mapping) for row in await connection.execute(wanted)]

    async def forget_before(self, at: float, most: int) -> int:
        """Delete the oldest rows, ``most`` at a time; how many were from before this time."""
        oldest = select(decisions.c.seq).order_by(decisions.c.seq).limit(most).subquery()
        gone = delete(decisions).where(
            decisions.c.seq.in_(select(oldest.c.seq)), decisions.c.at < at
        )
        async with self._engine.begin() as connection:
            return int((await connection.execute(gone)).rowcount)


def is_told(event: object) -> bool:
    """Whether the story of a call tells it; of a talk that an offer led to the offer tells."""
    kind = type(event)
    return kind in _FIELDS and not (isinstance(event, CallConnected) and event.queue != "")


def anonymous(target: str) -> str:
    """A transfer's target without the number of somebody outside."""
    return OUTSIDE if target.startswith(OUTSIDE) else target


def _text(entry: Entry) -> str:
    """The fields that differ from their defaults, without those that tell who calls."""
    event = entry.event
    told = {
        name: value
        for name, default in _FIELDS[type(event)]
        if (value := "" if name in PERSONAL else getattr(event, name)) != default
    }
    if isinstance(event, CallTransferred):
        told["target"] = anonymous(event.target)
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
