"""How far a simulated figure can be trusted: batch means and Student's t.

A run is cut into batches, each long against what its state remembers, so that their means are
all but independent; their spread says how far the overall mean may be off (Law and Kelton,
"Simulation Modeling and Analysis", 9.5). Runs of several days are batches by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from config.errors import MisuseError
from config.values import value


@value(frozen=True, slots=True)
class Estimate:
    """``mean`` +- ``half_width``."""

    mean: float
    half_width: float

    def holds(self, truth: float) -> bool:
        """Whether the truth may be this."""
        return abs(self.mean - truth) <= self.half_width


def estimate(batches: Sequence[float], confidence: float = 0.95, family: int = 1) -> Estimate:
    """The mean of batch means and its half-width. With ``family`` the confidence is that of so
    many estimates together (Bonferroni). MisuseError for fewer than two batches."""
    count = len(batches)
    if count < 2:
        raise MisuseError("two batches are the least that say how far they differ")
    mean = math.fsum(batches) / count
    variance = math.fsum((batch - mean) ** 2 for batch in batches) / (count - 1)
    quantile = student_t(1.0 - (1.0 - confidence) / family, count - 1)
    return Estimate(mean, quantile * math.sqrt(variance / count))


def student_t(confidence: float, freedom: int) -> float:
    """The t for which |T| <= t has this probability with so many degrees of freedom."""
    if not 0 < confidence < 1 or freedom < 1:
        raise MisuseError(f"no t for {confidence} and {freedom} degrees of freedom")
    low, high = 0.0, 1.0
    while _within(high, freedom) < confidence:
        low, high = high, high * 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if _within(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return high


def _within(t: float, freedom: int) -> float:
    """P(|T| <= t): Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for n in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (n - 1) / n
        total += term
    return 2.0 / math.pi * (angle + sine * total) if odd else sine * total
