"""Writing the journal: one batch after the other, each with one fdatasync, in a thread."""

from __future__ import annotations

import asyncio
import errno
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from config.values import value
from engine.journal_file import Header, path_of, sync_folder

_T = TypeVar("_T")

RETRY_S_FIRST = 0.05
RETRY_S_MAX = 2.0
RESERVE = "reserve"  # a file of zeros: room for the calls in progress when the disk is full
RESERVE_S = 2.0  # how often a reserve that is gone is tried to be had again
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Files(Protocol):
    """What the writer asks of the operating system; all raise OSError."""

    def create(self, path: Path) -> int: ...
    def write(self, fd: int, data: memoryview, offset: int) -> int: ...
    def sync(self, fd: int) -> None: ...
    def sync_folder(self, folder: Path) -> None: ...
    def close(self, fd: int) -> None: ...
    def cut(self, fd: int, size: int) -> None: ...
    def free(self, folder: Path) -> int:
        """Bytes that can still be written there."""

    def reserve(self, path: Path, size: int) -> None:
        """Make a file whose blocks are all there."""

    def turn_into(self, reserve: Path, path: Path) -> int:
        """Give the reserve another name and open it."""


class OsFiles:
    """The operating system's own files, readable by the owner only."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def sync_folder(self, folder: Path) -> None:
        sync_folder(folder)

    def close(self, fd: int) -> None:
        os.close(fd)

    def cut(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def free(self, folder: Path) -> int:
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize

    def reserve(self, path: Path, size: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError:
            os.unlink(path)
            raise
        finally:
            os.close(fd)

    def turn_into(self, reserve: Path, path: Path) -> int:
        os.replace(reserve, path)
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)


@value(frozen=True, slots=True)
class Batch:
    """Records to write together. ``roll`` begins a new segment with them (or with none)."""

    first: int
    last: int
    records: Sequence[bytes]
    first_at: float | None  # time of the entry ``first``, None without records
    last_at: float  # time of the entry before it
    held: int = 0  # see Header
    roll: bool = False


@value(frozen=True, slots=True)
class Written:
    """A batch is on disk: the segment it went to, whether that is new, bytes added, seconds.
    ``short``: the reserve is used up, or cannot be had."""

    batch: Batch
    segment: int
    began: bool
    bytes: int
    sync_s: float
    short: bool = False


class SegmentWriter:
    """Writes batches to segments. A failed write changes nothing: the same batch may come again.

    On a full disk the reserve becomes the next segment: nobody else can take its room, so what
    the calls in progress still have to say is written. It is had again once twice its size is free.

    Every retry writes the batch's bytes anew at the same place before it syncs, because after
    a failed fdatasync the kernel forgets which pages were not written.
    """

    def __init__(
        self,
        folder: Path,
        generation: int,
        segment_bytes: int,
        sync: bool,
        files: Files,
        reserve_bytes: int = 0,
    ) -> None:
        self._folder = folder
        self._generation = generation
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._files = files
        self._fd = -1
        self._segment = 0
        self._offset = 0
        self._reserve = folder / RESERVE
        self._reserve_bytes = reserve_bytes
        self._short = reserve_bytes > 0  # until it is seen
        self._seek_at = 0.0

    def write(self, batch: Batch) -> Written:
        if self._short and time.monotonic() >= self._seek_at:
            self._have_reserve()
        try:
            return self._write(batch)
        except OSError as error:
            if error.errno not in NO_ROOM or not self._reserve_bytes or self._short:
                raise
        self._short = True
        self._seek_at = time.monotonic() + RESERVE_S
        self._begin(batch.first, reserved=True)
        return self._write(batch)

    def _have_reserve(self) -> None:
        """Make the reserve, or find that of the start before."""
        self._seek_at = time.monotonic() + RESERVE_S
        try:
            if not self._reserve.exists():
                if self._files.free(self._folder) < 2 * self._reserve_bytes:
                    return
                self._files.reserve(self._reserve, self._reserve_bytes)
        except OSError:
            return
        self._short = False

    def _write(self, batch: Batch) -> Written:
        fresh = self._fd >= 0 and self._offset == 0  # begun by a try that then failed
        began = fresh or self._fd < 0 or batch.roll or self._offset >= self._segment_bytes
        if began and not fresh:
            self._begin(batch.first)
        data = b"".join(batch.records)
        if began:
            data = Header(self._generation, batch.first, batch.held, batch.last_at).pack() + data
        offset = 0 if began else self._offset
        self._write_all(data, offset)
        started = time.monotonic()
        if self._sync:
            self._files.sync(self._fd)
            if began:
                self._files.sync_folder(self._folder)
        took = time.monotonic() - started
        self._offset = offset + len(data)
        return Written(batch, self._segment, began, len(data), took, self._short)

    def close(self) -> None:
        if self._fd >= 0:
            with suppress(OSError):  # what a failed try or the reserve left behind the last entry
                self._files.cut(self._fd, self._offset)
            self._files.close(self._fd)
            self._fd = -1

    def _begin(self, first: int, reserved: bool = False) -> None:
        path = path_of(self._folder, first)
        files = self._files
        fd = files.turn_into(self._reserve, path) if reserved else files.create(path)
        self.close()
        self._fd, self._segment, self._offset = fd, first, 0

    def _write_all(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        done = 0
        while done < len(data):
            count = self._files.write(self._fd, view[done:], offset + done)
            if count <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            done += count


class InlineWriter:
    """Writes in the loop's thread, without a thread of its own (tests, simulation)."""

    def __init__(
        self,
        writer: SegmentWriter,
        loop: asyncio.AbstractEventLoop,
        done: Callable[[Written], None],
        failed: Callable[[OSError], None],
    ) -> None:
        self._writer = writer
        self._loop = loop
        self._done = done
        self._failed = failed
        self._pause_s = RETRY_S_FIRST
        self._retry: asyncio.TimerHandle | None = None

    def put(self, batch: Batch) -> None:
        self._retry = None
        try:
            written = self._writer.write(batch)
        except OSError as error:
            self._failed(error)
            self._retry = self._loop.call_later(self._pause_s, self.put, batch)
            self._pause_s = min(self._pause_s * 2, RETRY_S_MAX)
            return
        self._pause_s = RETRY_S_FIRST
        # Not at once: an append never sees its own completion before it returned.
        self._loop.call_soon(self._done, written)

    def stop(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._writer.close()


class ThreadWriter:
    """Writes in a thread; ``done`` and ``failed`` are called in the loop.

    The thread is a daemon: a disk that never answers must not keep the process from ending.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        loop: asyncio.AbstractEventLoop,
        done: Callable[[Written], None],
        failed: Callable[[OSError], None],
    ) -> None:
        self._writer = writer
        self._loop = loop
        self._done = done
        self._failed = failed
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> None:
        self._batches.put(batch)

    def stop(self) -> None:
        """End the thread; a batch that cannot be written is given up."""
        self._stopping.set()
        self._batches.put(None)
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            written = self._insist(batch)
            if written is None:
                break
            self._tell(self._done, written)
        self._writer.close()

    def _insist(self, batch: Batch) -> Written | None:
        """Try until it works; None where the thread is to stop."""
        pause_s = RETRY_S_FIRST
        while True:
            try:
                return self._writer.write(batch)
            except OSError as error:
                self._tell(self._failed, error)
            if self._stopping.wait(pause_s):
                return None
            pause_s = min(pause_s * 2, RETRY_S_MAX)

    def _tell(self, callback: Callable[[_T], None], value: _T) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, value)
        except RuntimeError:
            self._stopping.set()  # the loop is closed: nobody listens any more
