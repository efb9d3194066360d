"""How late the event loop runs: the first thing that shows an engine in trouble."""

from __future__ import annotations

from engine.clock import Clock
from engine.timers import Timers

EVERY_S = 0.25


class Liveness:
    """Measures the lag of a timer: ``lag_s`` is the latest, ``latest`` the last two of them."""

    def __init__(self, timers: Timers, clock: Clock) -> None:
        self._timers = timers
        self._clock = clock
        self._due = 0.0
        self.lag_s = 0.0
        self.latest = (0.0, 0.0)
        self._max = 0.0

    def start(self) -> None:
        self._due = self._clock.now() + EVERY_S
        self._timers.set("liveness", self._due, self._beat)

    def close(self) -> None:
        self._timers.clear("liveness")

    def _beat(self) -> None:
        self.lag_s = max(0.0, self._clock.now() - self._due)
        self.latest = self.lag_s, self.latest[0]
        self._max = max(self._max, self.lag_s)
        self.start()

    def take_max(self) -> float:
        """The worst lag since this was asked last, seconds."""
        worst, self._max = max(self._max, self.lag_s), 0.0
        return worst
