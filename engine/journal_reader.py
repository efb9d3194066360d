"""A named reader of the journal: a task that catches up from disk, then follows what is new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from config.errors import MisuseError, StoreWentBackError
from engine.journal_file import Cursor, Entry

log = logging.getLogger(__name__)

STORES = ("sqlalchemy", "sqlite3", "asyncpg", "redis")  # whose errors are a store's own

Deliver = Callable[[Sequence[Entry]], Awaitable[None]]


class Source(Protocol):
    """What a reader asks of its journal."""

    @property
    def durable_seq(self) -> int: ...
    def recent(self, after: int, limit: int) -> list[Entry] | None:
        """Durable entries from memory; None where ``after`` is older than what it holds."""

    def cursor(self, after: int) -> Cursor: ...
    async def take(self, cursor: Cursor, limit: int) -> list[Entry]: ...
    def passed(self) -> None:
        """A reader's position moved."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a reader goes: entries in one delivery; seconds that it gathers after the first;
    first and longest pause after a delivery that failed."""

    batch: int = 256
    linger_s: float = 0.0
    retry_s: float = 0.1
    retry_s_max: float = 15.0


@dataclass(frozen=True, slots=True)
class ReaderFigures:
    """``lag``: durable entries that it does not have yet; ``stuck_s``: for how long it has taken
    nothing although there was something; ``failing``: what its store said last, "" for no error."""

    lag: int
    stuck_s: float
    failing: str


class Subscription:
    """One reader's place in the log. Its task ends by ``stop``; its place stays on record, and
    keeps the segments behind it, as long as the journal is open."""

    def __init__(
        self, name: str, position: int, deliver: Deliver, pace: Pace, source: Source
    ) -> None:
        self.name = name
        self.failing = ""  # why the last delivery did not return, "" when it did
        self._position = position
        self._deliver = deliver
        self._pace = pace
        self._source = source
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._cursor: Cursor | None = None
        self._loop = asyncio.get_running_loop()
        self._waits_since: float | None = None
        self._task = self._loop.create_task(self._run(), name=f"journal-{name}")

    @property
    def figures(self) -> ReaderFigures:
        since = self._waits_since
        stuck_s = 0.0 if since is None else self._loop.time() - since
        lag = max(self._source.durable_seq - self._position, 0)
        return ReaderFigures(lag, stuck_s, self.failing)

    @property
    def position(self) -> int:
        """The last seq whose delivery returned."""
        return self._position

    def wake(self) -> None:
        """Something became durable."""
        self._wake.set()

    async def caught_up(self, seq: int) -> None:
        """Wait until this reader has everything up to ``seq``; MisuseError once it is stopped."""
        while self._position < seq:
            if self._task.done() or self._task.cancelling():
                raise MisuseError(f"reader {self.name} is stopped and will not reach {seq}")
            self._moved.clear()
            await self._moved.wait()

    async def stop(self) -> None:
        """End the task. A delivery under way is cancelled; its batch would come again."""
        self.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def cancel(self) -> None:
        """``stop`` without waiting for it."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._follow()
        finally:
            self._drop_cursor()
            self._moved.set()

    async def _follow(self) -> None:
        pause_s = 0.0
        while True:
            await self._something()
            if self._waits_since is None:
                self._waits_since = self._loop.time()
            try:
                batch = await self._next()
                if batch:
                    await self._deliver(batch)
            except StoreWentBackError as error:
                log.error("reader %s: %s from %d", self.name, error, self._position)
                self._position = min(error.position, self._position)
                self._drop_cursor()
                continue
            except Exception as error:
                # Whatever the store says, the log goes on without it and it catches up later.
                pause_s = min(max(pause_s * 2, self._pace.retry_s), self._pace.retry_s_max)
                self._tell(error, pause_s)
                self._drop_cursor()
                await asyncio.sleep(pause_s)
                continue
            if self.failing:
                log.warning("reader %s works again, at %d", self.name, self._position)
                self.failing = ""
            pause_s = 0.0
            self._waits_since = None
            if batch:
                self._position = batch[-1].seq
                self._moved.set()
                self._source.passed()

    def _tell(self, error: Exception, pause_s: float) -> None:
        """Log the first failure, the same one again only for those who debug. What a store says
        is one line; a mistake of ours has its traceback."""
        reason = f"{type(error).__name__}: {error}"
        level = logging.DEBUG if reason == self.failing else logging.ERROR
        self.failing = reason
        stores = isinstance(error, OSError) or type(error).__module__.startswith(STORES)
        log.log(
            level,
            "reader %s stays at %d and tries again in %.1f s: %s",
            self.name,
            self._position,
            pause_s,
            reason.partition("\n")[0],
            exc_info=None if stores else error,
        )

    async def _something(self) -> None:
        """Wait for a durable entry that this reader does not have."""
        waited = False
        while self._source.durable_seq <= self._position:
            self._wake.clear()
            await self._wake.wait()
            waited = True
        if waited and self._pace.linger_s:
            await asyncio.sleep(self._pace.linger_s)

    async def _next(self) -> list[Entry]:
        """The next batch. Unreadable entries are left behind once something follows them."""
        found = self._source.recent(self._position, self._pace.batch)
        if found is not None:
            self._drop_cursor()
            return found
        if self._cursor is None or self._cursor.position != self._position:
            self._drop_cursor()
            self._cursor = self._source.cursor(self._position)
        found = await self._source.take(self._cursor, self._pace.batch)
        if not found:
            raise OSError("the journal's files do not hold what should follow")
        return found

    def _drop_cursor(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None
