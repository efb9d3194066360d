"""The files that recordings are written to, in a thread: a disk that stalls delays no packet.

The loop hands over what waits for its files once a step; ``File`` belongs to the disk from then
on. What a stalled disk has not taken yet is bounded by whoever hands over (``pending``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

FILE_BYTES_MAX = 4 * 1024 * 1024 * 1024  # 60 hours of two sides
NAMES_MAX = 100
CLOSE_S_MAX = 5.0


class File:
    """One file, made at its first bytes. An I/O error ends it for good; ``error`` tells which.

    An existing file is never written over: the name gets ``.2``, ``.3``... before its suffix.
    ``path`` is the name it got, "" before.
    """

    __slots__ = ("asked", "error", "fd", "path", "size")

    def __init__(self, path: str) -> None:
        self.asked = path
        self.path = ""
        self.error = ""
        self.fd = -1
        self.size = 0

    def append(self, data: bytes | bytearray) -> None:
        if self.error or not data:
            return
        try:
            if self.fd < 0:
                self.fd, self.path = _create(self.asked)
            with memoryview(data) as view:
                done = 0
                while done < len(view):
                    done += os.write(self.fd, view[done:])
        except OSError as error:
            self.error = _say(error)
            self.close()
            return
        self.size += len(data)
        if self.size > FILE_BYTES_MAX:
            self.error = "the recording is too long"
            self.close()

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:
                self.error = self.error or _say(error)


Job = tuple[File, bytes | bytearray, bool]  # what to append; True: then close it


class Disk(Protocol):
    """Takes jobs in order; tells ``on_closed`` of each file that it closed as asked."""

    on_closed: Callable[[File], None]

    @property
    def pending(self) -> int:
        """Bytes handed over that are not written yet."""
        ...

    def put(self, jobs: Sequence[Job]) -> None: ...

    def close(self) -> None:
        """Write what was handed over, as far as that is done in ``CLOSE_S_MAX``."""
        ...


class InlineDisk:
    """Writes at once, in the loop."""

    pending = 0

    def __init__(self) -> None:
        self.on_closed: Callable[[File], None] = lambda file: None

    def put(self, jobs: Sequence[Job]) -> None:
        for file, data, last in jobs:
            file.append(data)
            if last:
                file.close()
                self.on_closed(file)

    def close(self) -> None:
        """Nothing waits."""


class ThreadDisk:
    """Writes in a thread. ``wake_fd`` is readable when files were closed: ``take_closed``."""

    def __init__(self) -> None:
        self.on_closed: Callable[[File], None] = lambda file: None
        self.wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._handed = 0  # bytes; the loop's
        self._settled = 0  # bytes; the thread's
        self._jobs: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        self._closed: deque[File] = deque()
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        return self._handed - self._settled

    def put(self, jobs: Sequence[Job]) -> None:
        self._handed += sum(len(data) for _, data, _ in jobs)
        self._jobs.put(jobs)

    def take_closed(self) -> None:
        """In the loop: tell of the files that were closed."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.wake_fd)
        while self._closed:
            self.on_closed(self._closed.popleft())

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join(CLOSE_S_MAX)
        self.take_closed()

    def _run(self) -> None:
        while (jobs := self._jobs.get()) is not None:
            for file, data, last in jobs:
                self._perform(file, data)
                if last:
                    file.close()
                    self._closed.append(file)
                    os.eventfd_write(self.wake_fd, 1)

    def _perform(self, file: File, data: bytes | bytearray) -> None:
        try:
            file.append(data)
        except Exception as error:  # a fault about one file must not end the writing of others
            file.error = file.error or f"fault in the worker: {type(error).__name__}"
        self._settled += len(data)


def _say(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"disk full: {text}" if error.errno in (errno.ENOSPC, errno.EDQUOT) else text


def _create(path: str) -> tuple[int, str]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    root, suffix = os.path.splitext(path)
    for number in range(1, NAMES_MAX + 1):
        name = path if number == 1 else f"{root}.{number}{suffix}"
        try:
            return os.open(name, flags, 0o640), name
        except FileExistsError:
            continue
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return os.open(name, flags, 0o640), name
    raise FileExistsError(errno.EEXIST, "too many recordings of this name", path)
