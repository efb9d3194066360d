"""What an engine has in hand of each stream, in memory that outlives it: a byte a stream.

The supervisor reads it when the engine is dead. A byte that is not 0 means that the next engine
could not tell where the next message begins, or that one was read and came to nothing.
"""

from __future__ import annotations

import mmap
import os

READING = 1  # bytes were read of which not all is done and durable
WRITING = 2  # bytes of a message wait in this process


class Ledger:
    """A view of the shared memory behind ``fd``, which stays the caller's."""

    def __init__(self, fd: int) -> None:
        self.slots = os.fstat(fd).st_size
        self._map = mmap.mmap(fd, self.slots) if self.slots else None

    def __getitem__(self, slot: int) -> int:
        return self._map[slot] if self._map is not None else 0

    def mark(self, slot: int, flag: int, on: bool) -> None:
        if self._map is not None:
            self._map[slot] = self._map[slot] | flag if on else self._map[slot] & ~flag

    def clear(self, slot: int) -> None:
        if self._map is not None:
            self._map[slot] = 0

    def close(self) -> None:
        if self._map is not None:
            self._map.close()


def ledger_fd(slots: int) -> int:
    """Fresh shared memory, all 0."""
    fd = os.memfd_create("streams", os.MFD_CLOEXEC)
    os.ftruncate(fd, slots)
    return fd
