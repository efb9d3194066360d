"""Which segments there are, how much room they take, and which may leave."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.journal_file import HEADER_BYTES, Header, path_of
from engine.journal_reader import ReaderFigures
from engine.journal_writer import Written

log = logging.getLogger(__name__)

PARTS = 24  # a segment spans at most this part of keep_s, so that what is old can leave


@dataclass(frozen=True, slots=True)
class JournalFigures:
    bytes_on_disk: int
    segments: int
    last_sync_s: float
    pending: int  # entries appended and not yet durable
    full: bool
    failed: str  # "" or why writing fails at present
    short: bool  # the disk is full: the reserve is used up, or cannot be had
    bytes_max: int
    readers: Mapping[str, ReaderFigures]


class Shelf:
    """The segments of one journal.

    A segment may leave when every reader and hold has all of it, every expected reader has
    come, and it is not the newest. Then it leaves when its last entry is ``keep_s`` old, or at
    once while more than half of ``total_bytes_max`` is taken. Nobody's lateness makes a segment
    leave early: then ``full`` comes true and stays so until the readers caught up.
    """

    def __init__(
        self,
        folder: Path,
        sizes: Mapping[int, int],
        total_bytes_max: int,
        keep_s: float,
        readers: Iterable[str],
        held: int,
    ) -> None:
        self._folder = folder
        self._sizes = dict(sorted(sizes.items()))  # first seq: bytes, rising
        self._ended: dict[int, float] = {}  # first seq: time of the segment's last entry
        self._bytes = sum(sizes.values())
        self.bytes_max = total_bytes_max
        self._keep_s = keep_s
        self._expected = frozenset(readers)
        self._held_before = held  # by the start before; counts until this one holds something
        self._holds: dict[str, int] = {}
        self._began_at: float | None = None  # time of the newest segment's first entry
        self.check_s = max(min(keep_s / PARTS, 3600.0), 1.0)

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def count(self) -> int:
        return len(self._sizes)

    @property
    def full(self) -> bool:
        return self._bytes >= self.bytes_max

    @property
    def held(self) -> int:
        """The smallest hold, that of the start before until this one has any; 0 for none."""
        return min(self._holds.values(), default=self._held_before)

    def hold(self, name: str, after: int) -> None:
        self._holds[name] = after

    def wrote(self, written: Written) -> None:
        """A batch is on disk."""
        segment = written.segment
        if written.began:
            if self._sizes and max(self._sizes) != segment:
                self._ended[max(self._sizes)] = written.batch.last_at
            self._bytes -= self._sizes.get(segment, 0)
            self._sizes[segment] = 0
            self._began_at = None
        if self._began_at is None:
            self._began_at = written.batch.first_at
        self._sizes[segment] += written.bytes
        self._bytes += written.bytes

    def stale(self, now: float) -> bool:
        """The newest segment should end although it is not large: its first entry is old."""
        return self._began_at is not None and now - self._began_at > self._keep_s / PARTS

    def trim(self, positions: Mapping[str, int], now: float, short: bool = False) -> int:
        """Remove what may leave, oldest first; the number of segments that left. On a disk that
        is ``short`` of room nothing stays for its age."""
        if len(self._sizes) < 2 or not self._expected <= positions.keys():
            return 0
        floors = list(positions.values())
        if self._holds or self._held_before:
            floors.append(self.held)
        passed = min(floors, default=0)
        firsts = list(self._sizes)
        gone = 0
        for first, following in itertools.pairwise(firsts):
            if following - 1 > passed:
                break
            pressed = short or self._bytes * 2 > self.bytes_max
            # Less the time that a segment spans and that passes between two looks at it.
            keep_s = self._keep_s * (1 - 3 / PARTS)
            if not pressed and now - self._end(first, following) < keep_s:
                break
            path_of(self._folder, first).unlink(missing_ok=True)
            self._bytes -= self._sizes.pop(first)
            self._ended.pop(first, None)
            gone += 1
        if gone:
            log.info("journal: %d segments left, %d stay", gone, len(self._sizes))
        return gone

    def sweep(self, now: float) -> None:
        """Remove what starts kept aside from torn segments, once it is ``keep_s`` old."""
        for path in self._folder.glob("*.cut"):
            if now - path.stat().st_mtime >= self._keep_s:
                path.unlink(missing_ok=True)

    def _end(self, first: int, following: int) -> float:
        """The time of a segment's last entry: it stands in the header of the next one."""
        if first not in self._ended:
            path = path_of(self._folder, following)
            with path.open("rb") as file:
                header = Header.unpack(file.read(HEADER_BYTES), path)
            self._ended[first] = header.last_at if header is not None else path.stat().st_mtime
        return self._ended[first]
