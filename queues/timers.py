"""What falls due and when: at most one time for each (kind, id)."""

from __future__ import annotations

from enum import IntEnum
from heapq import heapify, heappop, heappush


class Kind(IntEnum):
    """Kinds of timer; at the same instant the smaller goes first: whatever may get a caller an
    agent comes before the caller's patience with us ends."""

    WRAP_UP = 0
    LEASE = 1
    PROMOTE = 2
    WIDEN = 3  # more agents may answer
    DUE = 4  # a callback has rested
    OVERFLOW = 5
    EXPIRE = 6  # a callback is given up
    BREAK = 7  # a break is over its limit


TimerKey = tuple[Kind, str]


class Timers:
    """A heap whose dead entries are skipped, and swept out once they outnumber the live."""

    __slots__ = ("_count", "_heap", "_times")

    def __init__(self) -> None:
        self._times: tuple[dict[str, float], ...] = tuple({} for _ in Kind)
        self._count = 0
        self._heap: list[tuple[float, Kind, str]] = []

    def set(self, kind: Kind, ident: str, at: float) -> None:
        """Set or move a timer."""
        times = self._times[kind]
        if ident not in times:
            self._count += 1
        times[ident] = at
        heappush(self._heap, (at, kind, ident))
        if len(self._heap) > 2 * self._count + 64:
            self._heap = [
                (time, each, live) for each in Kind for live, time in self._times[each].items()
            ]
            heapify(self._heap)

    def drop(self, kind: Kind, ident: str) -> None:
        """Forget a timer; it need not be set."""
        if self._times[kind].pop(ident, None) is not None:
            self._count -= 1

    def at(self, kind: Kind, ident: str) -> float | None:
        """When this timer falls due; None where it is not set."""
        return self._times[kind].get(ident)

    @property
    def next(self) -> float | None:
        """When the first timer falls due."""
        heap = self._heap
        while heap:
            at, kind, ident = heap[0]
            if self._times[kind].get(ident) == at:
                return at
            heappop(heap)
        return None

    def pop(self, now: float) -> list[TimerKey]:
        """Take the first timer that is due at ``now`` (at or before it), with all of its kind
        that are due at the same instant; [] where none is."""
        if not self._heap or self._heap[0][0] > now:
            return []
        at = self.next
        if at is None or at > now:
            return []
        kind = self._heap[0][1]
        taken = []
        while self.next == at and self._heap[0][1] is kind:
            ident = heappop(self._heap)[2]
            self.drop(kind, ident)
            taken.append((kind, ident))
        return taken

    def pending(self) -> dict[TimerKey, float]:
        """All timers, for comparison."""
        return {(kind, ident): at for kind in Kind for ident, at in self._times[kind].items()}
