"""Recordings in the database: written from the log, asked for by the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from config.upsert import Upsert
from recordings.events import RecordingFinished
from recordings.tables import recordings
from router.entry import Entry


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
        self._upsert: Upsert | None = None

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
            if self._upsert is None:
                self._upsert = Upsert(recordings, connection.dialect)
            await self._upsert.run(connection, list(rows.values()))


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
