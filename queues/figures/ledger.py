"""Sums by name and quarter of an hour, with running sums for who looks at a day so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar

INTERVAL_S = 900.0
RUNNING_MAX = 2  # running sums of one name: the day so far, and that of another zone or day


class Sums(Protocol):
    """What adds up."""

    def add(self, other: Self, /) -> None: ...


S = TypeVar("S", bound=Sums)


def interval_of(at: float) -> float:
    """The start of the quarter of an hour that ``at`` is in."""
    return at // INTERVAL_S * INTERVAL_S


@dataclass(slots=True)
class Ledger(Generic[S]):
    """``rows[name][interval]`` are the sums; ``make`` makes an empty one.

    ``first`` is the oldest interval that is kept: what comes for an older one is too late.
    ``changed`` are the rows that changed since somebody took them, None where nobody does.
    """

    make: Callable[[], S]
    changed: set[tuple[str, float]] | None = None
    first: float = 0.0
    rows: dict[str, dict[float, S]] = field(default_factory=dict)
    _running: dict[str, list[tuple[float, S]]] = field(default_factory=dict)

    def cells(self, name: str, at: float) -> list[S]:
        """All sums that something at this time counts in: the interval's, made where there is
        none, and the running ones."""
        interval = at // INTERVAL_S * INTERVAL_S
        if interval < self.first:
            return []
        rows = self.rows.get(name)
        if rows is None:
            rows = self.rows[name] = {}
        row = rows.get(interval)
        if row is None:
            row = rows[interval] = self.make()
        if self.changed is not None:
            self.changed.add((name, interval))
        found = [row]
        for start, sums in self._running.get(name, ()):
            if start <= interval:
                found.append(sums)
        return found

    def between(self, name: str, start: float, end: float) -> S:
        """The sum of the intervals that begin in [start, end), the caller's to change."""
        total = self.make()
        if end == float("inf") and self.first <= start:
            total.add(self._since(name, start))
            return total
        for interval, row in self.rows.get(name, {}).items():
            if start <= interval < end:
                total.add(row)
        return total

    def _since(self, name: str, start: float) -> S:
        running = self._running.setdefault(name, [])
        for since, sums in running:
            if since == start:
                return sums
        total = self.make()
        for interval, row in self.rows.get(name, {}).items():
            if start <= interval:
                total.add(row)
        running.append((start, total))
        del running[:-RUNNING_MAX]
        return total

    def items(self) -> Iterator[tuple[str, float, S]]:
        """(name, interval, sums) of every row."""
        for name, rows in self.rows.items():
            for interval, row in rows.items():
                yield name, interval, row

    def forget_before(self, start: float) -> None:
        """Drop intervals that began earlier; those that somebody shall still take stay until
        the next time."""
        self.first = max(self.first, start)
        waiting = self.changed or set()
        for name, rows in list(self.rows.items()):
            for interval in [interval for interval in rows if interval < start]:
                if (name, interval) not in waiting:
                    del rows[interval]
            if not rows:
                del self.rows[name]
        for name, running in list(self._running.items()):
            running[:] = [one for one in running if one[0] >= start]
            if not running:
                del self._running[name]
