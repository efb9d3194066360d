"""Waiting for signals and descriptors, whichever comes first; standard library, one thread."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable


class Waiter:
    """Takes these signals from now on: none is lost between two waits, none interrupts."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, _nothing)
        self._poll = select.poll()
        self.watch(self._read)

    def watch(self, fd: int, *, writable: bool = False) -> None:
        """Also again, to change what is waited for."""
        self._poll.register(fd, select.POLLIN | (select.POLLOUT if writable else 0))

    def forget(self, fd: int) -> None:
        self._poll.unregister(fd)

    def wait(self, patience_s: float) -> tuple[set[int], list[int]]:
        """The numbers of the signals and the descriptors that have something, both maybe empty."""
        found = {fd for fd, _ in self._poll.poll(min(patience_s, 3_600.0) * 1_000)}
        signals: set[int] = set()
        if self._read in found:
            found.discard(self._read)
            signals = set(os.read(self._read, 4_096))
        return signals, sorted(found)


def _nothing(number: int, frame: object) -> None:
    """The waker tells."""
