"""All deadlines of the engine in one heap, with one timer of the event loop."""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import Callable, Hashable

from engine.clock import Clock

log = logging.getLogger(__name__)

SLACK = 64  # entries that were replaced or cleared and may stay, beside as many as are wanted


class Timers:
    """Named one-shot deadlines: setting a name again replaces it, clearing is idempotent.

    Times are on the engine's clock. The loop's timer is moved only when the earliest deadline
    changes for an earlier one; a cleared entry stays in the heap until its time or until such
    entries are the most of it. A deadline's work that raises is logged, the others run.
    """

    def __init__(self, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = clock
        self._loop = loop
        self._heap: list[tuple[float, int, Hashable]] = []
        self._wanted: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self._count = 0
        self._handle: asyncio.TimerHandle | None = None
        self._handle_at = 0.0
        self._not_before = -math.inf

    def set(self, name: Hashable, at: float, call: Callable[[], None]) -> None:
        """Run ``call`` at ``at`` unless the name is set again or cleared before."""
        self._count += 1
        self._wanted[name] = (self._count, call)
        heapq.heappush(self._heap, (at, self._count, name))
        if len(self._heap) > 2 * len(self._wanted) + SLACK:
            self._heap = [item for item in self._heap if self._is_wanted(item)]
            heapq.heapify(self._heap)
        self._arm()

    def clear(self, name: Hashable) -> None:
        self._wanted.pop(name, None)

    def hold(self) -> None:
        """Nothing fires until ``release``: what came meanwhile is to be read first."""
        self._not_before = math.inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def release(self, at: float) -> None:
        """Go on at ``at``; what is overdue then fires in the order of its times."""
        self._not_before = at
        self._arm()

    def __len__(self) -> int:
        return len(self._wanted)

    @property
    def room(self) -> int:
        """Entries in memory, those that are wanted and those that are not any more."""
        return len(self._heap)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._heap.clear()
        self._wanted.clear()

    def _arm(self) -> None:
        while self._heap and not self._is_wanted(self._heap[0]):
            heapq.heappop(self._heap)
        at = max(self._heap[0][0], self._not_before) if self._heap else math.inf
        if at == math.inf:
            return
        if self._handle is not None:
            if self._handle_at <= at:
                return
            self._handle.cancel()
        self._handle_at = at
        self._handle = self._loop.call_later(max(0.0, at - self._clock.now()), self._fire)

    def _is_wanted(self, item: tuple[float, int, Hashable]) -> bool:
        wanted = self._wanted.get(item[2])
        return wanted is not None and wanted[0] == item[1]

    def _fire(self) -> None:
        self._handle = None
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            item = heapq.heappop(self._heap)
            if self._is_wanted(item):
                self._run(item[2])
        self._arm()

    def _run(self, name: Hashable) -> None:
        _, call = self._wanted.pop(name)
        try:
            call()
        except Exception:
            log.exception("the timer %s failed", name)
