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

    __slots__ = ("_heap", "_times")

    def __init__(self) -> None:
        self._times: dict[TimerKey, float] = {}
        self._heap: list[tuple[float, TimerKey]] = []

    def set(self, kind: Kind, ident: str, at: float) -> None:
        """Set or move a timer."""
        key = (kind, ident)
        self._times[key] = at
        heappush(self._heap, (at, key))
        if len(self._heap) > 2 * len(self._times) + 64:
            self._heap = [(time, live) for live, time in self._times.items()]
            heapify(self._heap)

    def drop(self, kind: Kind, ident: str) -> None:
        """Forget a timer; it need not be set."""
        self._times.pop((kind, ident), None)

    def at(self, kind: Kind, ident: str) -> float | None:
        """When this timer falls due; None where it is not set."""
        return self._times.get((kind, ident))

    @property
    def next(self) -> float | None:
        """When the first timer falls due."""
        heap = self._heap
        while heap and self._times.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def pop(self, now: float) -> list[TimerKey]:
        """Take the first timer that is due at ``now`` (at or before it), with all of its kind
        that are due at the same instant; [] where none is."""
        at = self.next
        if at is None or at > now:
            return []
        kind = self._heap[0][1][0]
        taken = []
        while self.next == at and self._heap[0][1][0] is kind:
            key = heappop(self._heap)[1]
            del self._times[key]
            taken.append(key)
        return taken

    def pending(self) -> dict[TimerKey, float]:
        """All timers, for comparison."""
        return dict(self._times)
