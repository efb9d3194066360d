"""Duplicates of the engine's SIP streams, held by the supervisor, so that they outlive it.

A stream of which nobody knows where its next message begins is closed: its peer connects again
and sends again what had no answer, which it would not do on a stream that stays open.
"""

from __future__ import annotations

import os
from typing import Any

from engine.handover import HeldStream
from engine.ledger import Ledger, ledger_fd
from engine.line import FDS_MAX, Line


class Held:
    """The streams by slot; at most as many as there are slots."""

    def __init__(self, slots: int) -> None:
        self.ledger_fd = ledger_fd(slots)
        self._ledger = Ledger(self.ledger_fd)
        self._streams: dict[int, tuple[HeldStream, int]] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def hold(self, told: list[Any], fds: list[int]) -> None:
        """A stream that the engine has; one that cannot be held dies with the engine."""
        stream = HeldStream.of(told)
        (fd,) = fds
        if not 0 <= stream.slot < self._ledger.slots:
            os.close(fd)
            return
        self.drop(stream.slot)
        self._streams[stream.slot] = (stream, fd)

    def drop(self, slot: int) -> None:
        """The engine closed it."""
        _, fd = self._streams.pop(slot, (None, -1))
        if fd >= 0:
            os.close(fd)

    def give(self, line: Line) -> int:
        """Hand all that are in step to the next engine, before it goes; close the others. Returns
        how many were closed."""
        before = len(self._streams)
        for slot in [slot for slot in self._streams if self._ledger[slot]]:
            self.drop(slot)
        for slot in range(self._ledger.slots):
            self._ledger.clear(slot)
        kept = list(self._streams.values())
        for first in range(0, len(kept), FDS_MAX):
            some = kept[first : first + FDS_MAX]
            if not line.say({"streams": [stream for stream, _ in some]}, [fd for _, fd in some]):
                for stream, _ in some:
                    self.drop(stream.slot)
        return before - len(self._streams)

    def close(self) -> None:
        for slot in list(self._streams):
            self.drop(slot)
        self._ledger.close()
        os.close(self.ledger_fd)
