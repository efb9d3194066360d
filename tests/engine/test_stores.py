"""Stores at the start and in trouble: who waits for whom, and what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import OperationalError

from config.store import migrate, open_database
from engine import stores
from engine.journal import Entry, Journal
from engine.journal_reader import ReaderFigures
from engine.registry import product_registry
from engine.state import MemoryState
from engine.stores import trouble
from router.events import CallArrived, CallEnded
from tickets.reader import RecordsReader


@pytest.mark.parametrize(
    ("stuck_s", "failing", "why"),
    [
        (0.0, "", ""),
        (4.9, "", ""),
        (5.0, "", "no answer"),
        (0.1, "OperationalError: (sqlite3.OperationalError) database is locked", "locked"),
        (0.1, "OperationalError: (sqlite3.OperationalError) database or disk is full", "disk full"),
        (0.1, "OSError: [Errno 28] No space left on device", "disk full"),
        (0.1, "ConnectionRefusedError: [Errno 111] at db.example:5432", "away"),
        (0.1, "ConnectionError: Error 111 connecting to 192.0.2.7:6379", "away"),
        (0.1, "TimeoutError: Timeout reading from 192.0.2.7:6379", "no answer"),
        (0.1, "PositionMovedError: reader 'records' is no longer at 7", "PositionMovedError"),
    ],
)
def test_why_a_reader_is_behind_in_words_without_names(
    stuck_s: float, failing: str, why: str
) -> None:
    assert trouble(ReaderFigures(1, stuck_s, failing)) == why


class Frozen:
    """A store that does not answer until it is thawed."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.thawed = asyncio.Event()
        self.applied: list[int] = []

    async def position(self) -> int:
        await self.thawed.wait()
        return self.at

    async def apply(self, entries: Sequence[Entry]) -> None:
        await self.thawed.wait()
        self.applied += [entry.seq for entry in entries if entry.seq > self.at]


async def test_a_start_does_not_wait_for_a_store_that_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "POSITION_S", 0.0)
    journal = Journal.open(tmp_path, product_registry(), sync=False)
    for n in range(3):
        journal.append(f"c{n}", CallArrived("+1", "2", "trunk", "", f"s{n}"), 1.0)
    await journal.flush()
    frozen = Frozen(2)
    reader = await stores.subscribe(journal, cast(Any, frozen), MemoryState())
    assert reader.position == 0
    frozen.thawed.set()
    async with asyncio.timeout(5):
        await reader.caught_up(3)
    assert frozen.applied == [3], "it says itself what it has"
    await journal.close()


async def test_an_empty_journal_waits_for_the_numbers_of_its_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "POSITION_S", 0.0)
    journal = Journal.open(tmp_path, product_registry(), sync=False)
    frozen = Frozen(40)
    asyncio.get_running_loop().call_soon(frozen.thawed.set)
    reader = await stores.subscribe(journal, cast(Any, frozen), MemoryState())
    assert reader.position == 40
    assert journal.append("c", CallArrived("+1", "2", "trunk", "", "s"), 1.0).seq == 41
    await journal.close()


async def test_the_databases_disk_is_full(tmp_path: Path) -> None:
    """SQLite's own limit of pages stands for the disk's: the same error, SQLITE_FULL."""
    database = open_database("sqlite", tmp_path)
    await migrate(database)
    pages = 0

    @sqlalchemy_event.listens_for(database.sync_engine, "begin")
    def limit(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages or 1 << 30}")

    reader = RecordsReader(database)
    entries = [
        Entry(2 * n + part, 1.0, f"c{n}", what)
        for n in range(200)
        for part, what in enumerate(
            (
                CallArrived("+1234567", "2" * 500, "trunk", "", f"s{n}"),
                CallEnded("refused", "blocked"),
            ),
            1,
        )
    ]
    pages = 1  # SQLite takes the present size instead: it grows no more
    with pytest.raises(OperationalError) as told:
        await reader.apply(entries)
    failing = f"{type(told.value).__name__}: {told.value}"
    assert trouble(ReaderFigures(1, 0.1, failing)) == "disk full"
    assert "+1234567" not in failing, "errors are logged"
    pages = 0
    await reader.apply(entries)
    async with database.connect() as connection:
        found = await connection.exec_driver_sql("SELECT count(*), max(number) FROM tickets")
        assert tuple(found.one()) == (200, 200)
    await database.dispose()


async def test_a_database_that_crashed_and_forgot_is_given_it_again(tmp_path: Path) -> None:
    """PostgreSQL without synchronous commit, or a replica that took over: it goes back."""
    database = open_database("sqlite", tmp_path)
    reader = RecordsReader(database)
    journal = Journal.open(tmp_path / "journal", product_registry(), sync=False)
    records = await stores.subscribe(journal, reader, MemoryState())

    async def call(name: str) -> None:
        journal.append(name, CallArrived("+1", "2", "trunk", "", name), 1.0)
        journal.append(name, CallEnded("refused", "blocked"), 1.0)
        async with asyncio.timeout(10):
            await records.caught_up(journal.last_seq)

    await call("a")
    await call("b")
    async with database.begin() as connection:
        for table in ("tickets", "call_records"):
            await connection.exec_driver_sql(f"DELETE FROM {table} WHERE call = 'b'")
        await connection.exec_driver_sql("UPDATE reader_positions SET seq = 2, tickets = 1")
    await call("c")
    async with database.connect() as connection:
        found = await connection.exec_driver_sql("SELECT call FROM tickets ORDER BY number")
        assert [row[0] for row in found] == ["a", "b", "c"]
    await journal.close()
    await database.dispose()
