"""The records of a simulated day: the product's own reader on a database that fails as the seed
says, in the middle of a transaction, right before or right after its commit."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, event, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from config.errors import StoreWentBackError
from config.store import migrate, open_database
from engine.journal import Entry
from router import events as facts
from tickets.reader import PositionMovedError, RecordsReader
from tickets.tables import call_records, reader_positions, ticket_comments, tickets

TABLES = (ticket_comments, tickets, call_records, reader_positions)  # as they may be emptied
FAULTS = ("fails", "freezes", "commit fails", "commit unheard", "dies")
BATCH_MAX = 48
Rows = dict[str, list[tuple[Any, ...]]]
FAULTS_MAX = 60  # then it is left in peace: a log comes to its end


class StoreAway(OSError):
    """What the database says when it is gone."""


class Store:
    """A file of SQLite. ``fault`` is what befalls it after ``after`` more statements."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="offhook-simulation-")
        self._path = Path(self._folder.name) / "records.sqlite3"
        self.engine: AsyncEngine = open_database(f"sqlite:///{self._path}", Path(self._folder.name))
        self.fault, self.after = "", 0
        event.listen(self.engine.sync_engine, "connect", _hurry)
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._statement)
        event.listen(self.engine.sync_engine, "commit", self._commit)

    async def open(self) -> None:
        await migrate(self.engine)

    async def empty(self) -> None:
        async with self.engine.begin() as connection:
            for table in TABLES:
                await connection.execute(delete(table))

    async def close(self) -> None:
        await self.engine.dispose()
        self._folder.cleanup()

    def _statement(self, *words: Any) -> None:
        if self.fault not in ("fails", "freezes"):
            return
        self.after -= 1
        if self.after <= 0:
            fault, self.fault = self.fault, ""
            raise StoreAway() if fault == "fails" else TimeoutError()

    def _commit(self, *words: Any) -> None:
        if self.fault == "commit fails":
            self.fault = ""
            raise StoreAway()

    async def contents(self) -> Rows:
        """Every row, to compare."""
        found = {}
        async with self.engine.connect() as connection:
            for table in TABLES:
                found[table.name] = await _rows(connection, table)
        return found

    async def go_back(self, past: Rows) -> None:
        """It comes back with less than it had confirmed: with what ``contents`` gave once."""
        await self.empty()
        async with self.engine.begin() as connection:
            for table in reversed(TABLES):
                names = [column.name for column in table.columns]
                rows = [dict(zip(names, row, strict=True)) for row in past[table.name]]
                if rows:
                    await connection.execute(insert(table), rows)


def _hurry(connection: Any, record: object) -> None:
    """No power fails in here."""
    connection.cursor().execute("PRAGMA synchronous = OFF")


async def _rows(connection: AsyncConnection, table: Any) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in await connection.execute(select(table))), key=repr)


async def follow(store: Store, entries: Sequence[Entry], dice: random.Random) -> int:
    """Bring the log into the store as ``engine.journal_reader`` does, whatever befalls the store
    and the reader; returns how many times something did."""
    reader, position, faults = RecordsReader(store.engine), 0, 0
    past: list[Rows] = []
    while position < len(entries):
        batch = entries[position : position + dice.randint(1, BATCH_MAX)]
        store.fault, store.after = "", 0
        if dice.random() < 0.05 and faults < FAULTS_MAX:
            past.append(await store.contents())
        elif past and dice.random() < 0.1 and faults < FAULTS_MAX:
            faults += 1
            await store.go_back(past.pop())
        if dice.random() < 0.3 and faults < FAULTS_MAX:
            faults += 1
            store.fault, store.after = dice.choice(FAULTS), dice.randint(1, 12)
        unheard = store.fault
        try:
            await reader.apply(batch)
            if unheard in ("commit unheard", "dies"):  # committed, and nobody was told
                raise StoreAway()
        except StoreWentBackError as error:
            position = min(position, error.position)
        except (StoreAway, PositionMovedError, TimeoutError):
            if unheard == "dies" or dice.random() < 0.2:  # the reader's process, too
                reader = RecordsReader(store.engine)
                store.fault = ""
                position = await reader.position()
        else:
            position = batch[-1].seq
    store.fault = ""
    reader = RecordsReader(store.engine)  # of the next start, which sees what the store has
    await reader.apply(entries[await reader.position() :])
    return faults


async def records_are_whole(
    store: Store, entries: Sequence[Entry], dice: random.Random
) -> list[str]:
    """One ticket and one record for each call of the log, and just what a reader writes that
    nothing ever befell."""
    await store.empty()
    await follow(store, entries, dice)
    found = await store.contents()
    await store.empty()
    await RecordsReader(store.engine).apply(entries)
    wanted = await store.contents()
    said: list[str] = []
    arrived = [e.call for e in entries if isinstance(e.event, facts.CallArrived)]
    ended = Counter(e.call for e in entries if isinstance(e.event, facts.CallEnded))
    at = [column.name for column in tickets.columns].index("call")
    told = Counter(row[at] for row in found["tickets"])
    if told != ended:
        said.append(f"tickets missing {ended - told}, too many {told - ended}")
    if len(found["call_records"]) != len(set(arrived)):
        said.append(f"{len(found['call_records'])} records of {len(set(arrived))} calls")
    said += [f"the table {name} differs" for name in wanted if found[name] != wanted[name]]
    return said
