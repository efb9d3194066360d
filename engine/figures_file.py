"""The figures' state on disk: a small file that is written often, and a large one that is not.

``figures.json`` holds what is under way, the intervals that changed since the large file was
written, and that file's name. Intervals of the past hardly change, so it takes hours until so
many did that the large one is written anew. A crash at any moment leaves a whole state.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from queues.figures.statistics import Statistics
from queues.figures.statistics_kept import (
    VERSION,
    Interval,
    UnderWay,
    interval,
    intervals,
    taken_up,
    under_way,
)

log = logging.getLogger(__name__)

NAME = "figures.json"
BASES = "figures-*.base"
SPARE_BYTES = 262_144  # with half the large file: so much in the small one is too much
UNWRITTEN_MAX = 5_000  # rows named one by one; more of them are "all"

Rows = set[tuple[str, float]]  # (queue or agent, interval)


@dataclass(slots=True)
class Unwritten:
    """The rows that the database does not have as they are."""

    queues: Rows = field(default_factory=set)
    agents: Rows = field(default_factory=set)

    def add_all(self, statistics: Statistics) -> None:
        self.queues |= {(name, at) for name, at, _ in statistics.visits.ledger.items()}
        self.agents |= {(name, at) for name, at, _ in statistics.worktime.ledger.items()}

    def __len__(self) -> int:
        return len(self.queues) + len(self.agents)


@dataclass(slots=True)
class StateFile:
    """``base`` is the name of the large file, "" for none. ``unwritten`` is None for all rows."""

    version: int
    under_way: UnderWay
    base: str
    intervals: list[msgspec.Raw]
    unwritten: Unwritten | None


@dataclass(slots=True)
class BaseFile:
    intervals: list[msgspec.Raw]


class FiguresFile:
    """The state of one engine's figures in its folder. One task at a time calls the methods."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._base = ""
        self._base_bytes = 0
        self._parts: dict[float, bytes] = {}  # intervals of the small file
        self._stale: set[float] = set()  # changed since they were encoded

    def load(self, statistics: Statistics, unwritten: Unwritten) -> bool:
        """Take up what is there into empty figures; False where that is nothing. What cannot be
        used is put aside, and the figures are spoilt: begin with others."""
        path = self._folder / NAME
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return False
        try:
            kept = msgspec.json.decode(data, type=StateFile)
            if kept.version != VERSION:
                raise ValueError(f"it is of version {kept.version}, this program's is {VERSION}")
            parts = self._load_base(kept.base)
            self._parts = {_start(part): bytes(part) for part in kept.intervals}
            parts.update(self._parts)
            rows = [msgspec.json.decode(part, type=Interval) for part in parts.values()]
            first = kept.under_way.first
            taken_up(statistics, kept.under_way, [row for row in rows if row.start >= first])
        except (ValueError, OSError, msgspec.MsgspecError) as error:
            log.error("figures begin with the log, %s is put aside: %s", NAME, error)
            path.replace(path.with_suffix(".unread"))
            self._base, self._base_bytes, self._parts = "", 0, {}
            return False
        if kept.unwritten is None:
            unwritten.add_all(statistics)
        else:
            unwritten.queues |= kept.unwritten.queues
            unwritten.agents |= kept.unwritten.agents
        return True

    def _load_base(self, name: str) -> dict[float, bytes]:
        if not name:
            return {}
        data = (self._folder / name).read_bytes()
        self._base, self._base_bytes = name, len(data)
        base = msgspec.json.decode(data, type=BaseFile)
        return {_start(part): bytes(part) for part in base.intervals}

    def note(self, changed: Iterable[float]) -> None:
        """These intervals are not any more what was written."""
        self._stale.update(changed)

    async def tidy(self, statistics: Statistics) -> None:
        """Write the large file anew where the small one has grown. Others have their turn
        meanwhile: what changes by then has to be noted before ``keep``. Raises OSError."""
        size = sum(map(len, self._parts.values()))
        if size <= self._base_bytes / 2 + SPARE_BYTES:
            return
        self._parts, replaced = {}, self._parts
        self._stale, stale = set(), self._stale
        try:
            await self._write_base(statistics)
        except BaseException:
            self._parts = replaced | self._parts
            self._stale |= stale
            raise

    async def _write_base(self, statistics: Statistics) -> None:
        parts = []
        for start in intervals(statistics):
            parts.append(msgspec.Raw(msgspec.json.encode(interval(statistics, start))))
            await asyncio.sleep(0)
        name, data = f"figures-{statistics.seq}.base", msgspec.json.encode(BaseFile(parts))
        await asyncio.to_thread(_replace, self._folder / name, data)
        self._base, self._base_bytes = name, len(data)

    async def keep(self, statistics: Statistics, unwritten: Unwritten) -> None:
        """Write the state down as it is now. Raises OSError."""
        await asyncio.to_thread(_replace, self._folder / NAME, self._encoded(statistics, unwritten))
        for path in self._folder.glob(BASES):
            if path.name != self._base:
                path.unlink(missing_ok=True)

    def _encoded(self, statistics: Statistics, unwritten: Unwritten) -> bytes:
        first = statistics.visits.ledger.first
        for start in self._stale:
            self._parts[start] = msgspec.json.encode(interval(statistics, start))
        self._stale.clear()
        for start in [start for start in self._parts if start < first]:
            del self._parts[start]
        return msgspec.json.encode(
            StateFile(
                VERSION,
                under_way(statistics),
                self._base,
                [msgspec.Raw(part) for part in self._parts.values()],
                unwritten if len(unwritten) <= UNWRITTEN_MAX else None,
            )
        )


class _Start(msgspec.Struct):
    start: float


def _start(part: msgspec.Raw) -> float:
    return msgspec.json.decode(part, type=_Start).start


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
