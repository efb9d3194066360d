"""What an estimate learns: means, rates and quantiles that follow the facts, older ones fading.

Everything is O(1) in memory and time, and a function of the facts alone.
"""

from __future__ import annotations

from math import exp

TAIL = 0.1  # outside an 80 % interval on either side
NORMAL_TAIL = 1.2816  # the standard normal's quantile for it
TALK_S = 180.0  # expected of a queue before anything is known
RING_S = 4.0

_STEP = 0.04
_STEP_FIRST = 0.5
_OWN_AFTER = 40.0


class Mean:
    """Mean and square of the latest ``count_max`` or so values, with a prior worth ``count``."""

    __slots__ = ("count", "count_max", "mean", "square")

    def __init__(self, mean: float, count: float, count_max: float, spread: float = 1.0) -> None:
        """``spread`` is the squared coefficient of variation expected before anything is known."""
        self.mean = mean
        self.square = mean * mean * (1.0 + spread)
        self.count = count
        self.count_max = count_max

    def add(self, value: float) -> None:
        self.count = min(self.count + 1.0, self.count_max)
        self.mean += (value - self.mean) / self.count
        self.square += (value * value - self.square) / self.count

    @property
    def spread(self) -> float:
        """The squared coefficient of variation, 1.0 for an exponential distribution."""
        if self.mean <= 0.0:
            return 0.0
        return max(0.0, self.square / (self.mean * self.mean) - 1.0)


class Rate:
    """Events a second over the last ``memory_s`` or so."""

    __slots__ = ("_count", "_since", "memory_s")

    def __init__(self, memory_s: float) -> None:
        self.memory_s = memory_s
        self._count = 0.0
        self._since = 0.0

    def add(self, now: float) -> None:
        self._count = 1.0 + self._count * exp((self._since - now) / self.memory_s)
        self._since = now

    def at(self, now: float) -> float:
        return self._count * exp((self._since - now) / self.memory_s) / self.memory_s


class Patience:
    """How often a caller gives up for each second waited."""

    __slots__ = ("_gone", "_waited_s")

    def __init__(self) -> None:
        self._gone = 0.5
        self._waited_s = 1800.0

    def add(self, waited_s: float, gave_up: bool) -> None:
        self._gone = 0.99 * self._gone + gave_up
        self._waited_s = 0.99 * self._waited_s + waited_s

    @property
    def rate(self) -> float:
        return self._gone / self._waited_s


class Quantiles:
    """The scores that a tenth of the outcomes fall short of, and that a tenth exceed.

    Online quantile tracking, the step of adaptive conformal inference (Gibbs and Candès 2021;
    Angelopoulos, Candès and Tibshirani 2023): a miss moves the bound outwards by nine times
    what a hit moves it inwards, so that over any long stretch a tenth miss on each side,
    whatever the distribution is and however it drifts. ``wider`` is the tracker of all queues:
    a queue leans on it until it has seen ``_OWN_AFTER`` outcomes or so of its own.
    """

    __slots__ = ("_count", "_high", "_low", "_wider")

    def __init__(self, wider: Quantiles | None = None) -> None:
        self._wider = wider
        self._count = 0.0
        self._low = -NORMAL_TAIL
        self._high = NORMAL_TAIL

    @property
    def bounds(self) -> tuple[float, float]:
        """(low, high), low never above high."""
        low, high = self._low, self._high
        if self._wider is not None:
            own = self._count / (self._count + _OWN_AFTER)
            low = own * low + (1.0 - own) * self._wider._low
            high = own * high + (1.0 - own) * self._wider._high
        return (low, high) if low <= high else (high, low)

    def add(self, score: float, late: bool | None = None) -> None:
        """One more outcome. ``late``: whether it came after what was told, where that may be
        less than the bound says. It counts one half then, and the score the other: what the
        bound cannot mend by itself does not drive it too far out."""
        if self._wider is not None and not self._count:
            self._low, self._high = self._wider._low, self._wider._high
        self._count += 1.0
        step = max(_STEP, _STEP_FIRST / self._count)
        self._low += step * (TAIL - (score < self._low))
        above = score > self._high
        self._high += step * ((above if late is None else 0.5 * above + 0.5 * late) - TAIL)


class Learned:
    """What is known of one queue."""

    __slots__ = ("cycle", "later", "patience", "quantiles", "ring")

    def __init__(
        self, wrap_up_s: float, wider: Quantiles | None, later: Quantiles | None = None
    ) -> None:
        """``wider`` and ``later`` are the trackers of all queues: of what callers are told on
        arrival, and of what they are told again."""
        self.cycle = Mean(RING_S + TALK_S + wrap_up_s, 5.0, 100.0, 0.5)  # offer to free again
        self.ring = Mean(RING_S, 5.0, 100.0, 0.25)  # offer to answer
        self.patience = Patience()
        self.quantiles = Quantiles(wider)
        self.later = Quantiles(later)
