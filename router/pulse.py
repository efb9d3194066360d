"""A sign of life that another process can see: a byte of shared memory that changes.

The supervisor gives one to each process that it starts and looks at it once a second. Whoever
works touches it from its loop, several times in ``SILENT_S_MAX``; one that never did is not
watched (it starts up, however long that takes).
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping

VARIABLE = "OFFHOOK_PULSE"
EVERY_S = 0.5  # how often it is touched
SILENT_S_MAX = 5  # looks a second apart without a change: whoever has this pulse hangs


class Pulse:
    """Both ends have one on the same memory."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, 1)

    def beat(self) -> None:
        self._map[0] = self._map[0] % 255 + 1

    @property
    def count(self) -> int:
        """0 until the first beat, then 1 to 255 in turn."""
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
