"""The log of facts: everything that must survive a crash is appended here first.

An append is numbered at once and written soon: all that was appended since the last write goes
to disk together, with one fdatasync, in a thread. Who needs the fact to be safe before going on
asks ``when_durable``, which also makes the write happen now instead of within ``linger_s``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Self

from config.errors import MisuseError
from engine.journal_backlog import Backlog
from engine.journal_file import Cursor, Entry, JournalError, Recovered, claim
from engine.journal_notices import Notices
from engine.journal_reader import Deliver, Pace, Subscription
from engine.journal_recent import Recent
from engine.journal_room import Room
from engine.journal_shelf import JournalFigures, Shelf
from engine.journal_writer import (
    Files,
    InlineWriter,
    OsFiles,
    SegmentWriter,
    ThreadWriter,
    Written,
)
from engine.registry import Registry

__all__ = ["Entry", "Journal", "JournalError", "JournalFigures", "Pace", "Subscription"]

log = logging.getLogger(__name__)

PENDING_BYTES_FULL = 8_388_608  # so much unwritten: ``full``, no new calls
PENDING_BYTES_MAX = 67_108_864  # so much unwritten: append raises
READ_ENTRIES = 512
CLOSE_S_MAX = 5.0


class Journal:
    """Appends at once, tells when it is on disk, feeds the readers.

    All methods belong to the loop's thread. ``generation`` is one more than that of the start
    before; it counts from the moment that the first append of this start is durable.
    ``recovered`` tells what the start found and what it had to cut off.
    """

    def __init__(
        self,
        folder: Path,
        registry: Registry,
        lock: IO[bytes],
        recovered: Recovered,
        shelf: Shelf,
        writer: SegmentWriter,
        threaded: bool,
        linger_s: float,
        wall: Callable[[], float],
    ) -> None:
        self.generation = recovered.generation + 1
        self.recovered = recovered
        self._folder = folder
        self._registry = registry
        self._lock = lock
        self._shelf = shelf
        self._segment_writer = writer
        self._threaded = threaded
        self._linger_s = linger_s if threaded else 0.0
        self._wall = wall
        self._durable_seq = recovered.last_seq
        self._backlog = Backlog(registry, recovered.last_seq, recovered.last_at)
        self._recent = Recent()
        self._notices = Notices()
        self._readers: dict[str, Subscription] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer: InlineWriter | ThreadWriter | None = None
        self._writing = False
        self._roll = False
        self._soon: asyncio.Handle | None = None
        self._urgent = False
        self._timer: asyncio.TimerHandle | None = None
        self._last_sync_s = 0.0
        self._failed = ""
        self._room = Room(self._look_for_room)
        self._closed = False

    @classmethod
    def open(
        cls,
        dir: Path,
        registry: Registry,
        *,
        segment_bytes: int = 16_777_216,
        total_bytes_max: int = 4_294_967_296,
        sync: bool = True,
        readers: Iterable[str] = (),
        keep_s: float = 86_400.0,
        linger_s: float = 0.05,
        reserve_bytes: int = 0,
        files: Files | None = None,
        wall: Callable[[], float] = time.time,
    ) -> Self:
        """Recover what is there. A torn tail is cut off and logged, never an error.

        ``readers``: no segment leaves before all of these subscribed. ``keep_s``: how long a
        segment stays that every reader has (less when space is short). ``reserve_bytes``: room
        kept for the calls in progress when the disk is full; new ones are refused from then on.
        ``sync=False`` (tests): no thread, no fdatasync, an append is durable a turn later.

        Raises JournalError where another process has it open or a newer version wrote it.
        """
        dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock, recovered = claim(dir, registry)
        shelf = Shelf(dir, recovered.sizes, total_bytes_max, keep_s, readers, recovered.held)
        generation = recovered.generation + 1
        writer = SegmentWriter(
            dir, generation, segment_bytes, sync, files or OsFiles(), reserve_bytes
        )
        return cls(dir, registry, lock, recovered, shelf, writer, sync, linger_s, wall)

    # --- appending ---------------------------------------------------------------------------

    def append(self, call: str, event: object, at: float) -> Entry:
        """Number the event and queue it for writing; returns at once.

        MisuseError: an event of no EVENTS, larger than 1 MiB, after close, or more than 64 MiB
        waiting for a disk that does not take it (the engine should have heeded ``full``).
        """
        if self._closed or self._backlog.bytes > PENDING_BYTES_MAX:
            late = f"{self._backlog.bytes} bytes wait for the disk: {self._failed or 'too slow'}"
            raise MisuseError("the journal is closed" if self._closed else late)
        entry = self._backlog.append(call, event, at)
        if self._soon is None and not self._writing:
            self._schedule()
        return entry

    def keep(self, name: object, write: Callable[[], object]) -> None:
        """Have a state written down, as it is when the next batch leaves: ``write`` appends it
        then. Of one name the last ``write`` counts. One that raises is logged."""
        if self._closed:
            return
        self._backlog.keep(name, write)
        if self._soon is None and not self._writing:
            self._schedule()

    def when_durable(
        self, seq: int, callback: Callable[[], None], *, urgent: bool = True, ahead: bool = False
    ) -> None:
        """Run the callback once all up to ``seq`` is on disk, in seq order; now if it is. Those
        ``ahead`` come before the others. Not ``urgent``: with the next write, within ``linger_s``.
        Callbacks must not raise; one that does is logged and the next one runs."""
        if seq <= self._durable_seq:
            callback()
            return
        if seq > self._backlog.group_seq:
            raise MisuseError(f"nothing is {seq} yet, the last is {self.last_seq}")
        self._notices.once(seq, callback, ahead=ahead)
        if urgent and seq > self._backlog.handed_seq and not self._urgent:
            self._urgent = True
            if not self._writing and self._linger_s:
                self._schedule()

    async def flush(self, *, urgent: bool = True) -> None:
        """Return when everything appended up to now is durable."""
        if self._backlog.count:
            done = asyncio.Event()
            self.when_durable(self._backlog.group_seq, done.set, urgent=urgent)
            await done.wait()

    @property
    def durable_seq(self) -> int:
        return self._durable_seq

    @property
    def last_seq(self) -> int:
        return self._backlog.last_seq

    @property
    def group_seq(self) -> int:
        """What to wait for until all that was appended or is to be kept up to now is safe."""
        return self._backlog.group_seq

    @property
    def last_at(self) -> float:
        """The latest time in the log, also of former runs."""
        return self._backlog.last_at

    @property
    def full(self) -> bool:
        """No new calls, please: no room is left, or the disk does not take what is appended.
        Facts of the calls that are there are still taken."""
        late = self._backlog.bytes > PENDING_BYTES_FULL
        return self._shelf.full or late or self._room.short or bool(self._failed)

    @property
    def failed(self) -> str:
        """Why writing fails at present, "" while it works. It is tried again until it does."""
        return self._failed

    # --- reading -----------------------------------------------------------------------------

    def read(self, after: int = 0) -> Iterator[Entry]:
        """The durable entries with seq > ``after``, oldest first, as of the first ``next``."""
        up_to = self._durable_seq
        cursor = self.cursor(after)
        try:
            while batch := cursor.take(READ_ENTRIES, up_to):
                yield from batch
        finally:
            cursor.close()

    def subscribe(
        self, name: str, position: int, deliver: Deliver, pace: Pace | None = None
    ) -> Subscription:
        """Start a reader after ``position``: what its store says that it has.

        ``deliver`` gets batches in order, one at a time; it raising means: the same again after
        a pause. A position beyond the log (the journal was lost or another machine's, the store was
        not) makes the log go on from there, so that no number is used twice.
        """
        if name in self._readers:
            raise MisuseError(f"reader {name} subscribed twice")
        if position > self._backlog.last_seq:
            log.log(
                logging.ERROR if self._backlog.last_seq else logging.WARNING,
                "reader %s is at %d, the journal ends at %d: some of it is lost; numbers go on "
                "after the reader's",
                name,
                position,
                self._backlog.last_seq,
            )
            self._backlog.skip_to(position)
            self._recent.clear()
            self._roll = True
        reader = Subscription(name, position, deliver, pace or Pace(), self)
        self._readers[name] = reader
        self._run_timer()
        return reader

    def hold(self, name: str, after: int) -> None:
        """Keep every entry after ``after`` until this name's hold is moved on.

        For who folds the log at start: the engine holds the start of its oldest live call. The
        smallest hold is written down with each segment; ``recovered.held`` tells it to the next
        start, which then reads only from there.
        """
        self._shelf.hold(name, after)

    def live(self, callback: Callable[[Entry], None]) -> None:
        """Call with each entry, in order, once it is durable (from now on, in the loop)."""
        self._notices.every(callback)

    @property
    def figures(self) -> JournalFigures:
        return JournalFigures(
            self._shelf.bytes,
            self._shelf.count,
            self._last_sync_s,
            self._backlog.count,
            self.full,
            self._failed,
            self._room.short,
            self._shelf.bytes_max,
            {name: reader.figures for name, reader in self._readers.items()},
        )

    async def close(self) -> None:
        """Write what is appended, end the readers and the thread. A disk that does not take it
        within 5 s makes it an error in the log."""
        if self._closed:
            return
        try:
            async with asyncio.timeout(CLOSE_S_MAX):
                await self.flush()
        except TimeoutError:
            log.error("journal: %d entries could not be written", self._backlog.count)
        for reader in self._readers.values():
            await reader.stop()
        self.abandon()

    def abandon(self) -> None:
        """Let go of everything without writing, as a crash would."""
        self._closed = True
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        self._room.close()
        if self._writer is not None:
            self._writer.stop()
        for reader in self._readers.values():
            reader.cancel()
        self._lock.close()

    # --- for the readers (journal_reader.Source) ----------------------------------------------

    def recent(self, after: int, limit: int) -> list[Entry] | None:
        """Durable entries from memory; None where ``after`` is older than what it holds."""
        return self._recent.take(after, limit)

    def cursor(self, after: int) -> Cursor:
        return Cursor(self._folder, self._registry, after)

    async def take(self, cursor: Cursor, limit: int) -> list[Entry]:
        """From disk, in a thread where the journal uses threads: an old page may take long."""
        if self._threaded:
            return await asyncio.to_thread(cursor.take, limit, self._durable_seq)
        return cursor.take(limit, self._durable_seq)

    def passed(self) -> None:
        """A reader's position moved: perhaps a segment may leave."""
        self._shelf.trim(self._positions(), self._wall(), self._room.short)

    # --- writing -----------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Write at the end of this turn when somebody waits, else within linger_s."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
            kind = ThreadWriter if self._threaded else InlineWriter
            self._writer = kind(self._segment_writer, loop, self._done, self._not_done)
        if self._soon is not None:
            self._soon.cancel()
        if self._urgent or not self._linger_s:
            self._soon = loop.call_soon(self._hand_over)
        else:
            self._soon = loop.call_later(self._linger_s, self._hand_over)

    def _hand_over(self) -> None:
        """Give the writer what was appended, one batch at a time."""
        self._soon = None
        if self._writer is None or not (self._backlog.unhanded or self._roll or self._room.short):
            return
        roll, self._roll = self._roll, False
        self._writing = True
        batch = self._backlog.batch(self._shelf.held, roll)
        if not self._backlog.unhanded:
            self._urgent = False
        self._writer.put(batch)

    def _done(self, written: Written) -> None:
        """A batch is on disk: tell everybody, write what came meanwhile."""
        if self._closed:
            return
        if self._failed:
            log.warning("journal: writing works again")
            self._failed = ""
        batch = written.batch
        self._writing = False
        self._last_sync_s = written.sync_s
        self._shelf.wrote(written)
        if self._room.told(written.short):
            self.passed()
        entries = self._backlog.settle(batch)
        if self._backlog.unhanded or self._roll:
            self._schedule()
        self._recent.extend(entries)
        self._durable_seq = entries[-1].seq if entries else self._durable_seq
        # Where nothing is left, who waits for a state that could not be written waits no longer.
        self._notices.durable(self._durable_seq + (not self._backlog.count), entries)
        for reader in self._readers.values():
            reader.wake()
        if written.began:
            self.passed()

    def _look_for_room(self) -> None:
        if not self._writing:
            self._schedule()

    def _not_done(self, error: OSError) -> None:
        if not self._failed:
            log.error("journal: writing fails and is tried again: %s", error)
        self._failed = str(error)

    # --- leaving -----------------------------------------------------------------------------

    def _positions(self) -> dict[str, int]:
        return {name: reader.position for name, reader in self._readers.items()}

    def _run_timer(self) -> None:
        """Look from time to time whether a segment is old enough to leave."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(self._shelf.check_s, self._look_after)

    def _look_after(self) -> None:
        now = self._wall()
        if self._shelf.stale(now):
            self._roll = True
            if not self._writing:
                self._schedule()
        self._shelf.trim(self._positions(), now, self._room.short)
        self._shelf.sweep(now)
        self._run_timer()
