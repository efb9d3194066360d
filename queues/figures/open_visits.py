"""Who waits in one queue, by the time of enqueue: counted without looking at each."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from queues.figures.ledger import INTERVAL_S


@dataclass(slots=True)
class OpenVisits:
    """Times of enqueue in order. New ones are the latest, so that adding is cheap.

    ``_counted`` holds the visits that figures count, by the target that they are judged by:
    those who are back after a lost agent wait, and are counted already.
    """

    _all: list[float] = field(default_factory=list)
    _counted: dict[float, list[float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, enqueued: float, target_s: float, counted: bool) -> None:
        insort(self._all, enqueued)
        if counted:
            insort(self._counted.setdefault(target_s, []), enqueued)

    def remove(self, enqueued: float, target_s: float, counted: bool) -> None:
        """Take out what was added with the same values."""
        del self._all[bisect_left(self._all, enqueued)]
        if counted:
            times = self._counted[target_s]
            del times[bisect_left(times, enqueued)]
            if not times:
                del self._counted[target_s]

    def longest_s(self, now: float) -> float:
        """The longest wait until now, 0 where nobody waits."""
        return now - self._all[0] if self._all else 0.0

    def counts(self, now: float, start: float, end: float) -> tuple[int, int, float]:
        """(waiting, of these may yet be answered within the target, the longest wait until now)
        of the visits enqueued in the intervals that begin in [start, end)."""
        waiting = undecided = 0
        longest_s = 0.0
        for target_s, times in self._counted.items():
            low = bisect_left(times, _boundary(start))
            high = bisect_left(times, _boundary(end), low)
            if low < high:
                waiting += high - low
                longest_s = max(longest_s, now - times[low])
                undecided += high - bisect_left(
                    times,
                    True,
                    low,
                    high,
                    key=lambda enqueued, target_s=target_s: now - enqueued <= target_s,  # type: ignore[misc]
                )
        return waiting, undecided, longest_s


def _boundary(at: float) -> float:
    """The first begin of an interval not before ``at``."""
    return -(-at // INTERVAL_S) * INTERVAL_S if abs(at) != float("inf") else at
