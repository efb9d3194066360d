"""Recordings in the database: written from the log, asked for by the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from recordings.events import RecordingFinished
from recordings.tables import recordings


class Entry(Protocol):
    """What is needed of an entry of the journal."""

    @property
    def at(self) -> float: ...
    @property
    def call(self) -> str: ...
    @property
    def event(self) -> object: ...


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """A row of ``recordings``; ``path`` is empty and ``error`` says why where there is no file."""

    id: str
    call: str
    path: str
    sha256: str
    duration_s: float
    size_bytes: int
    error: str
    finished_at: float


class RecordingRows:
    """The recordings' part of the records reader: one row for each RecordingFinished.

    A recording finished a second time (after a restart) replaces the first row.
    """

    def __init__(self) -> None:
        self._statements: dict[str, Any] = {}

    async def write(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
        """Write in the caller's transaction."""
        rows: dict[str, StoredRecording] = {}
        for entry in entries:
            event = entry.event
            if type(event) is RecordingFinished:
                rows[event.recording] = StoredRecording(
                    event.recording,
                    entry.call,
                    event.path,
                    event.sha256,
                    event.duration_s,
                    event.size_bytes,
                    event.error,
                    entry.at,
                )
        if rows:
            statement = self._statement(connection.dialect.name)
            await connection.execute(statement, [asdict(row) for row in rows.values()])

    def _statement(self, dialect: str) -> Any:
        statement = self._statements.get(dialect)
        if statement is None:
            make = postgresql.insert if dialect == "postgresql" else sqlite.insert
            names = [column.name for column in recordings.columns]
            statement = make(recordings).values({name: bindparam(name) for name in names})
            statement = self._statements[dialect] = statement.on_conflict_do_update(
                index_elements=["id"],
                set_={name: statement.excluded[name] for name in names if name != "id"},
            )
        return statement


class RecordingStore:
    """Queries for the API."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get(self, recording: str) -> StoredRecording | None:
        """The recording of this id."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(recordings).where(recordings.c.id == recording))
            return next((_stored(row) for row in rows), None)

    async def of_call(self, call: str) -> list[StoredRecording]:
        """All recordings of a call, oldest first."""
        wanted = (
            select(recordings)
            .where(recordings.c.call == call)
            .order_by(recordings.c.finished_at, recordings.c.id)
        )
        async with self._engine.connect() as connection:
            return [_stored(row) for row in await connection.execute(wanted)]


def _stored(row: Row[Any]) -> StoredRecording:
    return StoredRecording(**row._mapping)
