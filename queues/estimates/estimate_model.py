"""From how things stand to an interval: the time of the n-th release, and its spread.

The wait is modelled as the time until the agents of a call's pool have been released as often
as there are calls ahead, and once more: a sum of that many terms, so nearly gamma-distributed.
How far reality is off the model is what ``estimate_learning.Quantiles`` learns.
"""

from __future__ import annotations

from math import log1p, sqrt
from typing import NamedTuple

DRIFT = 0.03  # squared relative error of the mean itself: staff and traffic change meanwhile
RINGING = 0.5  # squared coefficient of variation of the time a phone rings
OVERTAKEN_MAX = 0.85  # of the agents' time, what calls of higher classes are assumed to take


class Outlook(NamedTuple):
    """A wait in the making: mean in seconds, squared coefficient of variation, and the seconds
    in which nobody can answer."""

    mean_s: float
    variance: float
    least_s: float = 0.0

    def at(self, score: float) -> float:
        """Seconds for a score in standard deviations: Wilson and Hilferty's cube root, which
        is within 5 % of the gamma distribution's quantile for the scores in use."""
        root = 1.0 - self.variance / 9.0 + score * sqrt(self.variance) / 3.0
        return max(self.least_s, self.mean_s * max(0.0, root) ** 3)

    def score(self, seconds: float) -> float:
        """The score of a wait that came about: the inverse of ``at``."""
        root = (max(seconds, 0.0) / self.mean_s) ** (1.0 / 3.0)
        return float((root - 1.0 + self.variance / 9.0) * 3.0 / sqrt(self.variance))

    def not_before(self, seconds: float) -> Outlook:
        """The same wait, if it cannot end earlier than that."""
        if self.mean_s >= seconds:
            return self
        share = self.mean_s / seconds
        return Outlook(seconds, self.variance * share * share + DRIFT)

    def after(self, seconds: float, ring_s: float) -> Outlook:
        """The same wait, where nobody is rung before that."""
        return self.not_before(seconds + ring_s)._replace(least_s=seconds)


def drain_s(releases: float, rate: float, give_up: float) -> float:
    """Mean seconds until ``releases`` (1 or more), at ``rate`` a second while each caller still
    ahead gives up at ``give_up`` a second: the sum of 1 / (rate + j give_up), by its integral."""
    ahead = releases - 1.0
    slope = give_up / rate
    if slope < 1e-9:
        return releases / rate
    return 1.0 / rate + log1p(ahead * slope / (1.0 + slope / 2.0)) / give_up


def outlook(
    releases: float, agents: float, cycle_s: float, spread: float, give_up: float, ring_s: float
) -> Outlook:
    """The wait for the ``releases``-th release of ``agents`` who work for ``cycle_s`` a call,
    and for the phone to be answered.

    The first round of releases is as irregular as a Poisson process, whatever the agents' talks
    are like; later rounds are as irregular as the talks (``spread``, squared).
    """
    wait_s = drain_s(releases, agents / cycle_s, give_up)
    first = min(releases, max(agents, 1.0))
    relative = (first + (releases - first) * spread) / (releases * releases) + DRIFT
    mean_s = max(wait_s + ring_s, 0.1)
    return Outlook(
        mean_s, (relative * wait_s * wait_s + 0.25 * ring_s * ring_s) / (mean_s * mean_s)
    )
