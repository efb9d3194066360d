"""A sign of life that another process can see: a byte of shared memory that changes.

The supervisor gives one to each process that it starts and looks at it once a second. Who starts
up shows that it comes on, by ``progress``; who works touches it from its loop, several times in
``SILENT_S_MAX``, by ``beat``.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping

VARIABLE = "OFFHOOK_PULSE"
EVERY_S = 0.5  # how often it is touched
SILENT_S_MAX = 5  # looks a second apart without a change: whoever has this pulse hangs
_WORKS = 128  # values from here on are those of one that works, 0 to 127 of one that starts up


class Pulse:
    """Both ends have one on the same memory."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, 1)

    def progress(self) -> None:
        """A start that takes long comes on; without effect once the work has begun."""
        if not self.works:
            self._map[0] = self._map[0] % (_WORKS - 1) + 1

    def beat(self) -> None:
        self._map[0] = _WORKS + (self._map[0] + 1) % _WORKS

    @property
    def works(self) -> bool:
        """It has beaten."""
        return self._map[0] >= _WORKS

    @property
    def count(self) -> int:
        """What changes; 0 before any sign."""
        return self._map[0]

    def close(self) -> None:
        self._map.close()


def pulse_fd() -> int:
    """The memory of a new pulse."""
    fd = os.memfd_create("pulse", os.MFD_CLOEXEC)
    os.ftruncate(fd, 1)
    return fd


def own_pulse(environment: Mapping[str, str] = os.environ) -> Pulse:
    """The one that this process was started with, or one that nobody looks at."""
    number = environment.get(VARIABLE, "")
    fd = int(number) if number.isdigit() else pulse_fd()
    try:
        return Pulse(fd)
    finally:
        os.close(fd)
