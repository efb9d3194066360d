"""Figures that outlast the engine: their state beside the journal, their rows in the database.

The state is written down every half minute or so; at a start it is taken up and the log behind
it is folded on, so that figures are as if nobody had stopped. Until it is written, the journal
keeps what follows the state before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from config.settings import Settings
from engine.clock import Clock
from engine.figures_file import FiguresFile, Rows, Unwritten
from engine.journal import Entry, Journal, Pace, Subscription
from engine.retention import Retention
from queues.figures.figures_store import READER, FiguresStore, NewerFiguresError
from queues.figures.ledger import Ledger, S
from queues.figures.statistics import Statistics

log = logging.getLogger(__name__)

PACE = Pace(batch=4_096, linger_s=1.0)
KEEP_S = 30.0  # between two writings
KEEP_ENTRIES = 10_000  # so many facts make one due earlier: a start folds no more again
ROWS_S = 30.0  # between two writings to the database


class FiguresReader:
    """A reader of the journal. ``statistics`` is folded by the engine, fact by fact as they
    become durable; what this does with them may take its time."""

    def __init__(
        self, journal: Journal, clock: Clock, database: AsyncEngine, settings: Settings
    ) -> None:
        self.statistics = Statistics(takes_changes=True)
        self.store = FiguresStore(database)
        self._journal = journal
        self._clock = clock
        self._file = FiguresFile(settings.data_dir / "journal")
        self._retention = Retention(database, settings.store)
        self._unwritten = Unwritten()
        if not self._file.load(self.statistics, self._unwritten):
            self.statistics = Statistics(takes_changes=True)
        self._kept_seq = self.statistics.seq
        self._kept_at = self._rows_at = clock.now()
        self._complaint = ""
        self._one_keeps = asyncio.Lock()
        self._reader: Subscription | None = None

    def start(self) -> None:
        """Follow the journal from what is written down; call before the first append."""
        if self._kept_seq > self._journal.last_seq:
            log.error("figures go on, but the journal behind them is lost: who waited is removed")
            self.statistics.part_with_log(self._clock.now())
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
        late = behind >= KEEP_ENTRIES or now - self._kept_at >= KEEP_S
        # A journal that wants room must not wait for our half minute once its stores are back.
        if behind and (late or self._journal.full):
            await self.keep()
        if now - self._rows_at >= ROWS_S:
            self._rows_at = now
            await self.write_rows()
            await self._retention.step(now)

    async def keep(self) -> None:
        """Write the state down, wholly or not at all."""
        async with self._one_keeps:
            await self._keep()

    async def _keep(self) -> None:
        self._note_changes()
        self._kept_at = self._clock.now()
        try:
            await self._file.tidy(self.statistics)
            self._note_changes()
            seq = self.statistics.seq
            await self._file.keep(self.statistics, self._unwritten)
        except OSError as error:
            self._complain(f"figures cannot be written down: {error}")
            return
        self._kept_seq = seq
        self._journal.hold(READER, seq)

    def _note_changes(self) -> None:
        queues, agents = self.statistics.take_changes()
        self._unwritten.queues |= queues
        self._unwritten.agents |= agents
        self._file.note(start for _, start in queues)
        self._file.note(start for _, start in agents)

    async def write_rows(self) -> None:
        """Bring the intervals that are over to the database. What memory has let go meanwhile
        (a database that was away for days), and what is not known wholly, is left out."""
        statistics = self.statistics
        queues = {row for row in self._unwritten.queues if row[1] < statistics.newest}
        agents = {row for row in self._unwritten.agents if row[1] < statistics.newest}
        if not queues and not agents:
            return
        whole_from = statistics.whole_from
        try:
            await self.store.write(
                statistics.seq,
                _rows(statistics.visits.ledger, queues, whole_from),
                _rows(statistics.worktime.ledger, agents, whole_from),
            )
        except NewerFiguresError as error:
            self._complain(str(error))
        except Exception as error:
            self._complain(f"figures wait for the database: {type(error).__name__}")
            return
        else:
            self._complaint = ""
        self._unwritten.queues -= queues
        self._unwritten.agents -= agents

    def _complain(self, words: str) -> None:
        """Once for each trouble, not every half minute."""
        if words != self._complaint:
            log.error("%s", words)
        self._complaint = words


def _rows(ledger: Ledger[S], wanted: Rows, whole_from: float) -> list[tuple[str, float, S]]:
    """Those of the rows that are there, and wholly known."""
    return [
        (name, start, ledger.rows[name][start])
        for name, start in sorted(wanted)
        if start >= whole_from and start in ledger.rows.get(name, {})
    ]
