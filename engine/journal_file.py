"""How the journal lies on disk: segment files, their header, their records.

``<dir>/<first seq, 20 digits>.log``: a header ``magic, version, generation, first seq, seq held,
time of the entry before it, CRC32`` and then records ``length u32, CRC32 u32, body``
(big-endian), one for each entry, ``seq`` rising. A record that does not hold (cut short, wrong
CRC) is passed over when a sound one follows at the place that its length names; else the segment
ends there. The highest bit of a length closes a group: what the engine appended together is
there whole or, cut off at the next start, not at all. A start never writes into a file of the
start before; the next segment says from which seq on it counts.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Self
from zlib import crc32

import msgspec

from config.values import value
from engine.registry import Registry

log = logging.getLogger(__name__)

MAGIC = b"OFFHKJNL"
VERSION = 2
VERSIONS_READ = (1, 2)  # 1 had no groups: each record stood for itself
BODY_BYTES_MAX = 1_048_576
_HEADER = struct.Struct(">8sHIQQd")
_CRC = struct.Struct(">I")
HEADER_BYTES = _HEADER.size + _CRC.size
RECORD_HEAD = struct.Struct(">II")
CLOSES = 0x8000_0000


class JournalError(Exception):
    """The journal's folder cannot be used: another engine has it, or a newer version wrote it."""


@value(frozen=True, slots=True)
class Entry:
    """One fact: its number, its unix time, the call it belongs to ("" for none), the event."""

    seq: int
    at: float
    call: str
    event: object


@value(frozen=True, slots=True)
class Header:
    """``last_at`` is the time of the last entry before this segment, 0.0 for none; ``held`` is
    the smallest of the holds when it began: a start need not fold what stands up to there."""

    generation: int
    first: int
    held: int
    last_at: float
    version: int = VERSION

    def pack(self) -> bytes:
        head = _HEADER.pack(MAGIC, VERSION, self.generation, self.first, self.held, self.last_at)
        return head + _CRC.pack(crc32(head))

    @classmethod
    def unpack(cls, data: bytes, path: Path) -> Self | None:
        """None where the header does not hold; JournalError for a version after ours."""
        if len(data) < HEADER_BYTES:
            return None
        magic, version, generation, first, held, last_at = _HEADER.unpack_from(data)
        (crc,) = _CRC.unpack_from(data, _HEADER.size)
        if magic != MAGIC or crc != crc32(data[: _HEADER.size]):
            return None
        if version not in VERSIONS_READ:
            raise JournalError(
                f"{path}: written in format {version}, this version reads {VERSION}; "
                "start the version that wrote it"
            )
        return cls(generation, first, held, last_at, version)


def record(body: bytes, *, closes: bool = True) -> bytes:
    """A body as it stands in the file; ``closes`` a group of records."""
    return RECORD_HEAD.pack(len(body) | (CLOSES if closes else 0), crc32(body)) + body


def closing(data: bytes) -> bytes:
    """The same record as the last of its group."""
    return bytes((data[0] | 0x80,)) + data[1:]


def path_of(folder: Path, first: int) -> Path:
    return folder / f"{first:020d}.log"


def segments(folder: Path) -> list[int]:
    """The first seq of every segment, rising."""
    return sorted(int(path.stem) for path in folder.glob("*.log") if path.stem.isdigit())


def _bodies(file: BinaryIO) -> Iterator[tuple[bytes | None, bool]]:
    """(body, whether it closes its group) of each sound record from here on; (None, False) once
    for each that is passed over as damaged.

    Ends at the end of the file and before a record that does not hold with nothing sound
    behind it, and leaves the file's position there.
    """
    damaged = False
    start = file.tell()
    while True:
        head = file.read(RECORD_HEAD.size)
        size, crc = RECORD_HEAD.unpack(head) if len(head) == RECORD_HEAD.size else (0, 0)
        closes = bool(size & CLOSES)
        size &= ~CLOSES
        body = file.read(size) if 0 < size <= BODY_BYTES_MAX else b""
        if not body or len(body) < size:
            break
        if crc32(body) == crc:
            if damaged:
                yield None, False
                damaged = False
            start = file.tell()
            yield body, closes
        elif damaged:
            break  # two in a row: the lengths are not to be trusted any more
        else:
            damaged = True
    file.seek(start)


@value(frozen=True, slots=True)
class Recovered:
    """What a start finds: the last sound entry, and how much behind it does not hold."""

    last_seq: int
    last_at: float
    generation: int
    held: int  # of the newest sound header
    cut_bytes: int
    damaged: int  # records passed over in the last segment
    sizes: dict[int, int]  # first seq: bytes


def claim(folder: Path, registry: Registry) -> tuple[IO[bytes], Recovered]:
    """Take the folder for this process, and recover. JournalError where another one has it."""
    lock = (folder / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock, recover(folder, registry)
    except BlockingIOError:
        lock.close()
        raise JournalError(f"{folder} is in use by another engine") from None
    except BaseException:
        lock.close()
        raise


def recover(folder: Path, registry: Registry) -> Recovered:
    """Look at the sizes of all segments and through the last one; log what does not hold."""
    sizes = {first: path_of(folder, first).stat().st_size for first in segments(folder)}
    if not sizes:
        return Recovered(0, 0.0, 0, 0, 0, 0, {})
    newest = _newest_header(folder, sizes)
    first = max(sizes)
    path = path_of(folder, first)
    last_seq, last_at, damaged = first - 1, 0.0, 0
    with path.open("rb") as file:
        header = Header.unpack(file.read(HEADER_BYTES), path)
        if header is not None:
            last_at = header.last_at
        file.seek(min(HEADER_BYTES, sizes[first]))
        grouped = header is not None and header.version > 1
        open_seq, open_at, whole = last_seq, last_at, min(HEADER_BYTES, sizes[first])
        for body, closes in _bodies(file):
            if body is None:
                damaged += 1
                continue
            try:
                seq, at, _, _ = registry.decode(body)
            except (msgspec.MsgspecError, ValueError):
                damaged += 1
                continue
            open_seq, open_at = max(seq, open_seq), max(at, open_at)
            if closes or not grouped:
                last_seq, last_at, whole = open_seq, open_at, file.tell()
        cut = sizes[first] - whole
    if cut or damaged or header is None:
        log.warning(
            "journal %s: %d bytes behind seq %d do not hold and are cut off, %d damaged records "
            "passed over, header %s",
            path.name,
            cut,
            last_seq,
            damaged,
            "sound" if header is not None else "damaged",
        )
    if last_seq < first and cut:
        # The new segment takes this name; what stood there is kept aside for who wants to look.
        path.replace(path.with_suffix(".cut"))
        del sizes[first]
    elif cut:
        os.truncate(path, whole)
        sizes[first] = whole
    return Recovered(last_seq, last_at, newest.generation, newest.held, cut, damaged, sizes)


def _newest_header(folder: Path, sizes: dict[int, int]) -> Header:
    """The newest header that holds."""
    for first in sorted(sizes, reverse=True):
        path = path_of(folder, first)
        with path.open("rb") as file:
            header = Header.unpack(file.read(HEADER_BYTES), path)
        if header is not None:
            return header
    return Header(0, 0, 0, 0.0)


class Cursor:
    """Reads on from a seq, across segments. One thread at a time."""

    def __init__(self, folder: Path, registry: Registry, after: int) -> None:
        self.position = after
        self._folder = folder
        self._registry = registry
        self._first: int | None = None
        self._file: BinaryIO | None = None

    def take(self, limit: int, up_to: int) -> list[Entry]:
        """At most ``limit`` entries with position < seq <= ``up_to``; [] where none is to be had.

        Nothing behind ``up_to`` is read, so a segment may be read while it is written.
        """
        out: list[Entry] = []
        while self.position < up_to and len(out) < limit:
            file = self._file or self._open_next()
            if file is None:
                break
            if not self._read_segment(file, out, limit, up_to):
                if not self._has_next():
                    break
                self.close()
        return out

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read_segment(self, file: BinaryIO, out: list[Entry], limit: int, up_to: int) -> bool:
        """Read on in the open segment; False where it ends before limit and up_to."""
        for body, _ in _bodies(file):
            if body is None:
                log.error("journal %s: a damaged record is passed over", file.name)
                continue
            try:
                entry = Entry(*self._registry.decode(body))
            except (msgspec.MsgspecError, ValueError):
                log.error("journal %s: an unreadable record is passed over", file.name)
                continue
            if entry.seq <= self.position:
                continue
            self.position = entry.seq
            out.append(entry)
            if len(out) >= limit or self.position >= up_to:
                return True
        return False

    def _has_next(self) -> bool:
        return self._first is None or any(first > self._first for first in segments(self._folder))

    def _open_next(self) -> BinaryIO | None:
        firsts = segments(self._folder)
        if self._first is None:
            before = [first for first in firsts if first <= self.position + 1]
            firsts = before[-1:] or firsts
        else:
            firsts = [first for first in firsts if first > (self._first or 0)]
        for first in firsts:
            path = path_of(self._folder, first)
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue  # every reader had it and it left meanwhile
            file.seek(HEADER_BYTES)
            self._file, self._first = file, first
            return file
        return None


def sync_folder(folder: Path) -> None:
    """Make names in a folder as durable as the files."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
