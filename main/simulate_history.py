"""Calls as they were: the call history of the records, day by day."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from config.errors import PeerError
from config.settings import Settings
from config.store import database_url, describe, open_database
from queues.rehearsal.rehearsal_calls import PastCall
from tickets.tables import call_records

CALLS_MAX = 1_000_000
DAY_S = 86_400.0
GAVE_UP = ("missed", "short-abandoned")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class HistoryError(PeerError):
    """There is no call history to take calls from."""


def is_day(pattern: str) -> bool:
    """Whether this names a day of the history and no file."""
    return pattern == "yesterday" or _DAY.fullmatch(pattern) is not None


def day_of(pattern: str, zone: ZoneInfo) -> date:
    """``yesterday`` or ``YYYY-MM-DD``. Raises HistoryError."""
    if pattern == "yesterday":
        return datetime.now(zone).date() - timedelta(days=1)
    try:
        return date.fromisoformat(pattern)
    except ValueError as error:
        raise HistoryError(f"{pattern!r} is no day; write one like 2026-11-20") from error


def midnight(day: date, zone: ZoneInfo) -> float:
    """Unix time of the day's beginning."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def past_calls(settings: Settings, day: date) -> list[PastCall]:
    """The calls that a queue saw that day, by arrival in the queue. Raises HistoryError where
    there are none, or no records."""
    zone = ZoneInfo(settings.timezone)
    where = describe(settings.store.database, settings.data_dir)
    url = database_url(settings.store.database, settings.data_dir)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise HistoryError(
            f"no call history at {where}; name the configuration that has one, or give a CSV file"
        )
    begin, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    try:
        found = asyncio.run(_read(settings, begin, end))
    except (SQLAlchemyError, OSError) as error:
        raise HistoryError(f"the call history at {where} cannot be read: {error}") from error
    if not found:
        raise HistoryError(f"the call history at {where} has no queued call on {day}")
    return found


async def _read(settings: Settings, begin: float, end: float) -> list[PastCall]:
    columns = call_records.c
    query = (
        select(
            columns.queued_at,
            columns.queue,
            columns.waited_s,
            columns.talked_s,
            columns.connected_at,
            columns.outcome,
        )
        .where(columns.arrived_at >= begin - DAY_S, columns.arrived_at < end)  # the index
        .where(columns.queued_at >= begin, columns.queued_at < end, columns.queue != "")
        .where(columns.ended_at.is_not(None))
        .order_by(columns.queued_at, columns.call)
        .limit(CALLS_MAX)
    )
    engine = open_database(settings.store.database, settings.data_dir)
    try:
        async with engine.connect() as connection:
            rows = await connection.execute(query)
            return [
                PastCall(
                    at=row.queued_at,
                    queue=row.queue,
                    waited_s=max(0.0, row.waited_s),
                    talk_s=row.talked_s if row.connected_at is not None else None,
                    gave_up=row.connected_at is None and row.outcome in GAVE_UP,
                )
                for row in rows
            ]
    finally:
        await engine.dispose()


def known_queues(calls: Sequence[PastCall], queues: Sequence[str]) -> None:
    """HistoryError for calls of queues that the configuration has not (any more)."""
    unknown = sorted({call.queue for call in calls} - set(queues))
    if unknown:
        raise HistoryError(
            f"the call history has calls of queue {unknown[0]!r}, the configuration has not; "
            f"known: {', '.join(sorted(queues)) or 'none'}"
        )
