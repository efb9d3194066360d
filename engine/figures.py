"""Figures that outlast the engine: their state beside the journal, their rows in the database.

The state is written down every half minute or so; at a start it is taken up and the log behind
it is folded on, so that figures are as if nobody had stopped. Until it is written, the journal
keeps what follows the state before.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.clock import Clock
from engine.journal import Entry, Journal, Pace, Subscription
from queues.figures_store import READER, FiguresStore, NewerFiguresError
from queues.statistics import Statistics
from queues.statistics_kept import (
    VERSION,
    Interval,
    UnderWay,
    interval,
    intervals,
    taken_up,
    under_way,
)

log = logging.getLogger(__name__)

FILE = "figures.json"
PACE = Pace(batch=4_096, linger_s=1.0)
KEEP_S = 30.0  # between two writings
KEEP_ENTRIES = 10_000  # so many facts make one due earlier: a start folds no more again
ROWS_S = 30.0  # between two writings to the database

Rows = set[tuple[str, float]]  # (queue or agent, interval)


@dataclass(slots=True)
class StateFile:
    """What stands in the file. ``unwritten`` are the rows that the database does not have."""

    version: int
    under_way: UnderWay
    intervals: list[msgspec.Raw]
    unwritten_queues: list[tuple[str, float]] = field(default_factory=list)
    unwritten_agents: list[tuple[str, float]] = field(default_factory=list)


class FiguresReader:
    """A reader of the journal. ``statistics`` is folded by the engine, fact by fact as they
    become durable; what this does with them may take its time."""

    def __init__(
        self, journal: Journal, clock: Clock, database: AsyncEngine, data_dir: Path
    ) -> None:
        self.statistics = Statistics(takes_changes=True)
        self.store = FiguresStore(database)
        self._journal = journal
        self._clock = clock
        self._path = data_dir / "journal" / FILE
        self._parts: dict[float, bytes] = {}  # intervals as they stand in the file
        self._stale: set[float] = set()  # of these, those that have changed since
        self._queues: Rows = set()  # the database does not have these as they are now
        self._agents: Rows = set()
        self._load()
        self._kept_seq = self.statistics.seq
        self._kept_at = self._rows_at = clock.now()
        self._complaint = ""
        self._reader: Subscription | None = None

    def start(self) -> None:
        """Follow the journal from what is written down; call before the first append."""
        self._journal.hold(READER, self._kept_seq)
        self._reader = self._journal.subscribe(READER, self._kept_seq, self.deliver, PACE)

    async def close(self) -> None:
        """The last writing down: the next start folds nothing again."""
        if self._reader is not None:
            await self._reader.stop()
        await self.keep()

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Write down what is due. The database being away, or the disk full, is tried again."""
        self._note_changes()
        now = self._clock.now()
        behind = self.statistics.seq - self._kept_seq
        if behind >= KEEP_ENTRIES or (behind and now - self._kept_at >= KEEP_S):
            await self.keep()
        if now - self._rows_at >= ROWS_S:
            self._rows_at = now
            await self._write_rows()

    async def keep(self) -> None:
        """Write the state down, wholly or not at all."""
        self._note_changes()
        seq, self._kept_at = self.statistics.seq, self._clock.now()
        data = self._encoded()
        try:
            await asyncio.to_thread(_replace, self._path, data)
        except OSError as error:
            self._complain(f"figures cannot be written down: {error}")
            return
        self._kept_seq = seq
        self._journal.hold(READER, seq)

    def _note_changes(self) -> None:
        queues, agents = self.statistics.take_changes()
        self._queues |= queues
        self._agents |= agents
        self._stale |= {start for _, start in queues} | {start for _, start in agents}

    # The file.

    def _load(self) -> None:
        """Take up what is written down; nothing, or nothing that fits, is an empty beginning."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        try:
            kept = msgspec.json.decode(data, type=StateFile)
            if kept.version != VERSION:
                raise ValueError(f"it is of version {kept.version}, this program's is {VERSION}")
            rows = [msgspec.json.decode(part, type=Interval) for part in kept.intervals]
            taken_up(self.statistics, kept.under_way, rows)
        except (ValueError, msgspec.MsgspecError) as error:
            log.error("figures begin with the log, %s is put aside: %s", self._path.name, error)
            self._path.replace(self._path.with_suffix(".unread"))
            self.statistics = Statistics(takes_changes=True)
            return
        for row, part in zip(rows, kept.intervals, strict=True):
            self._parts[row.start] = bytes(part)
        self._queues.update(kept.unwritten_queues)
        self._agents.update(kept.unwritten_agents)

    def _encoded(self) -> bytes:
        """The file. Only the intervals that changed are encoded anew."""
        statistics = self.statistics
        there = set(intervals(statistics))
        for start in self._stale & there:
            self._parts[start] = msgspec.json.encode(interval(statistics, start))
        self._stale.clear()
        self._parts = {start: part for start, part in self._parts.items() if start in there}
        return msgspec.json.encode(
            StateFile(
                VERSION,
                under_way(statistics),
                [msgspec.Raw(part) for part in self._parts.values()],
                sorted(self._queues),
                sorted(self._agents),
            )
        )

    # The database.

    async def _write_rows(self) -> None:
        """Bring the intervals that are over to the database. What memory has let go meanwhile
        (a database that was away for days), and what is not known wholly, is left out."""
        statistics = self.statistics
        queues = {row for row in self._queues if row[1] < statistics.newest}
        agents = {row for row in self._agents if row[1] < statistics.newest}
        if not queues and not agents:
            return
        visits, work = statistics.visits.ledger.rows, statistics.worktime.ledger.rows
        try:
            await self.store.write(
                statistics.seq,
                [
                    (name, start, visits[name][start])
                    for name, start in sorted(queues)
                    if start >= statistics.whole_from and start in visits.get(name, {})
                ],
                [
                    (name, start, work[name][start])
                    for name, start in sorted(agents)
                    if start >= statistics.whole_from and start in work.get(name, {})
                ],
            )
        except NewerFiguresError as error:
            self._complain(str(error))
        except Exception as error:
            self._complain(f"figures wait for the database: {type(error).__name__}")
            return
        else:
            self._complaint = ""
        self._queues -= queues
        self._agents -= agents

    def _complain(self, words: str) -> None:
        """Once for each trouble, not every half minute."""
        if words != self._complaint:
            log.error("%s", words)
        self._complaint = words


_one_writes = threading.Lock()  # a writing that was cancelled goes on in its thread


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that a crash at any moment leaves the old one or the new one."""
    with _one_writes:
        part = path.with_suffix(".new")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
