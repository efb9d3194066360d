"""Whether new calls are taken: by what the journal has room for, calls in progress, the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from config.settings import SipLimits
from engine.liveness import Liveness

Refusal = Literal["journal", "calls", "lag"]
REFUSALS: tuple[Refusal, ...] = ("journal", "calls", "lag")


class Capacity:
    """Asked for every new INVITE. ``refused`` counts by cause.

    The loop counts as too late when two beats in a row were, and as in time again when two were
    late by less than half of that: one hiccup turns nobody away, and there is no flutter.
    """

    def __init__(
        self,
        limits: SipLimits,
        calls: Callable[[], int],
        is_full: Callable[[], bool],
        liveness: Liveness,
    ) -> None:
        self.limits = limits
        self._calls = calls
        self._is_full = is_full
        self._liveness = liveness
        self._late = False
        self.refused: dict[Refusal, int] = dict.fromkeys(REFUSALS, 0)

    def why(self) -> Refusal | None:
        """What forbids another call now, or None."""
        if self._is_full():
            return "journal"
        if self._calls() >= self.limits.calls_max:
            return "calls"
        bound_s = self.limits.lag_s_max / 2 if self._late else self.limits.lag_s_max
        lags = self._liveness.latest
        if self._late:
            self._late = max(lags) >= bound_s
        else:
            self._late = min(lags) >= bound_s
        return "lag" if self._late else None

    def refuses(self) -> bool:
        """The same, counted: somebody is turned away."""
        why = self.why()
        if why is not None:
            self.refused[why] += 1
        return why is not None
