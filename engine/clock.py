"""The one clock of an engine: unix seconds that never step back."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Unix seconds, carried forward by the monotonic clock.

    A step of the wall clock (NTP, an administrator) after construction does not show. ``floor``
    is the latest time that an earlier run wrote down (the journal's ``last_at``): where the wall
    clock stands before it, time goes on from the floor.
    """

    def __init__(
        self,
        floor: float = 0.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._offset = max(wall(), floor) - monotonic()
        self._last = 0.0

    def now(self) -> float:
        """Unix seconds, at least as large as anything that it returned before."""
        now = self._monotonic() + self._offset
        if now > self._last:
            self._last = now
        return self._last
