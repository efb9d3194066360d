"""The timers that calls set for themselves, kept by name so that another engine can set them."""

from __future__ import annotations

from engine.timers import Timers
from engine.turns import Turns, register
from router import effects as do
from router import inputs as on
from router.call import Call


class CallTimers:
    """Performs SetTimer and ClearTimer; ``of`` tells what a call has set."""

    def __init__(self, turns: Turns, timers: Timers) -> None:
        self._turns = turns
        self._timers = timers
        self._of: dict[str, dict[str, float]] = {}
        register(turns.inner, {do.SetTimer: self._set, do.ClearTimer: self._clear})

    def of(self, call: str) -> dict[str, float]:
        """Name and time of each timer of a call that has not fired."""
        return dict(self._of.get(call, {}))

    def set(self, call: str, name: str, at: float) -> None:
        self._of.setdefault(call, {})[name] = at
        self._timers.set((call, name), at, lambda: self._fire(call, name))

    def forget(self, call: str) -> None:
        """The call is over."""
        for name in self._of.pop(call, {}):
            self._timers.clear((call, name))

    def _set(self, call: Call, effect: do.SetTimer) -> None:
        self.set(call.id, effect.name, effect.at)

    def _clear(self, call: Call, effect: do.ClearTimer) -> None:
        self._of.get(call.id, {}).pop(effect.name, None)
        self._timers.clear((call.id, effect.name))

    def _fire(self, call: str, name: str) -> None:
        self._of.get(call, {}).pop(name, None)
        self._turns.feed(call, on.TimerFired(name))
