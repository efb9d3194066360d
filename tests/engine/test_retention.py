"""What is too old leaves the database, a piece at a time, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from config.settings import Store
from config.store import open_database
from engine import retention
from engine.journal_file import Entry
from engine.retention import Retention
from queues.events import CallPromoted
from queues.figures.figures_store import FiguresStore
from queues.figures.tables import agent_breaks, agent_intervals, decisions, queue_intervals
from queues.figures.tallies import Tally, WorkTally
from queues.why.decisions import DecisionRows

DAY = 86_400.0
NOW = 1_000 * DAY
KEEPS = Store(decisions_kept_s=10 * DAY, figures_kept_s=20 * DAY)


async def decided(database: AsyncEngine, *days_ago: float) -> None:
    """A row for each, oldest first, as the log has them."""
    entries = [
        Entry(seq, NOW - days * DAY, f"c{seq}", CallPromoted("support", 300.0))
        for seq, days in enumerate(days_ago, 1)
    ]
    async with database.begin() as connection:
        await DecisionRows().write(connection, entries)


async def counted(database: AsyncEngine, *days_ago: float) -> None:
    work = WorkTally({"on-break": 5.0}, {}, {"lunch": 5.0})
    starts = [NOW - days * DAY for days in days_ago]
    await FiguresStore(database).write(
        1,
        [("support", start, Tally(offered=1)) for start in starts],
        [("anna", start, work) for start in starts],
    )


async def left(database: AsyncEngine, column: Any) -> list[float]:
    """How many days ago the rows are from, oldest first."""
    async with database.connect() as connection:
        found = await connection.execute(select(column).order_by(column))
        return [(NOW - at) / DAY for at in found.scalars()]


async def rows(database: AsyncEngine) -> int:
    total = 0
    async with database.connect() as connection:
        for table in (decisions, queue_intervals, agent_intervals, agent_breaks):
            found = await connection.execute(select(func.count()).select_from(table))
            total += found.scalar() or 0
    return total


async def test_what_is_too_old_leaves_and_the_rest_stays(database: AsyncEngine) -> None:
    await decided(database, 11, 10.5, 9.5, 0)
    await counted(database, 21, 19, 0)
    await Retention(database, KEEPS).step(NOW)
    assert await left(database, decisions.c.at) == [9.5, 0]
    for column in (queue_intervals.c.start, agent_intervals.c.start, agent_breaks.c.start):
        assert await left(database, column) == [19, 0]


async def test_a_piece_at_a_time_until_all_is_gone_then_daily(
    database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "DECISIONS_MAX", 2)
    await decided(database, 15, 14, 13, 12, 11, 0)
    await counted(database, 25, 24, 23, 0)
    kept = Retention(database, KEEPS)
    counts = []
    for _ in range(5):
        counts.append(await rows(database))
        await kept.step(NOW)
    assert counts == [18, 13, 8, 4, 4]
    await decided(database, 15)
    await kept.step(NOW + DAY - 1)
    assert await rows(database) == 5, "the pass of that day is over"
    await kept.step(NOW + DAY)
    assert await left(database, decisions.c.at) == [0]


async def test_for_ever_is_for_ever(database: AsyncEngine) -> None:
    await decided(database, 900, 0)
    await counted(database, 900, 0)
    kept = Retention(database, Store(decisions_kept_s=None, figures_kept_s=None))
    await kept.step(NOW)
    assert await rows(database) == 8


async def test_a_database_that_is_away_is_tried_again(
    database: AsyncEngine, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    nothing = open_database("sqlite", tmp_path / "empty")
    kept = Retention(nothing, KEEPS)
    await kept.step(NOW)
    assert "what is too old stays in the database" in caplog.text
    kept._decisions._engine = kept._figures._engine = database
    await decided(database, 11, 0)
    await kept.step(NOW + 30)
    assert await left(database, decisions.c.at) == [0]
    await nothing.dispose()
