"""How many agents, by formula: Erlang B, Erlang C (M/M/n) and Erlang A (M/M/n+M).

Calls arrive by chance at a steady rate, handling times are exponential. Erlang C lets callers
wait for ever; in Erlang A each hangs up after an exponential time. Sources: Erlang B by the
recursion B(n) = a B(n-1) / (n + a B(n-1)), Erlang C from it (Cooper, "Introduction to Queueing
Theory", 1981, chapter 3); Erlang A from the density of the offered wait of M/M/n+G (Baccelli
and Hebuterne 1981; Zeltyn and Mandelbaum 2005, "Call centers with impatient customers:
many-server asymptotics of the M/M/n+G queue"), with exponential patience.

All shares are 0..1, all times seconds. Service level here is *strict*: answered within the time,
of all that called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from config.errors import MisuseError
from config.values import value

AGENTS_MAX = 100_000
INFINITE = math.inf


@value(frozen=True, slots=True)
class Load:
    """``patience_s`` is the mean time after which a waiting caller hangs up."""

    calls_per_hour: float
    aht_s: float
    patience_s: float = INFINITE

    @property
    def erlangs(self) -> float:
        """Agents who would be busy on average if there were enough."""
        return self.calls_per_hour * self.aht_s / 3600.0


@value(frozen=True, slots=True)
class Aim:
    """``share`` of the calls within ``within_s``; at most ``abandon_max`` hang up (None: any)."""

    share: float = 0.8
    within_s: float = 20.0
    abandon_max: float | None = None


@value(frozen=True, slots=True)
class Expected:
    """What a formula expects. An unstable Erlang C (agents <= erlangs) waits for ever."""

    agents: int
    p_wait: float
    service_level: float
    asa_s: float
    abandon_rate: float
    occupancy: float

    def reaches(self, aim: Aim) -> bool:
        """Whether this is good enough."""
        patient_enough = aim.abandon_max is None or self.abandon_rate <= aim.abandon_max
        return self.service_level >= aim.share and patient_enough


def erlang_b(erlangs: float, agents: int) -> float:
    """The share of calls lost where nobody may wait. Stable for any number of agents: every
    step of the recursion is a quotient of positive numbers."""
    blocked = 1.0
    for n in range(1, agents + 1):
        blocked = erlangs * blocked / (n + erlangs * blocked)
    return blocked


def expected(load: Load, agents: int, within_s: float) -> Expected:
    """Erlang A where callers lose patience, Erlang C where they do not.

    MisuseError for fewer than one agent, a load that is not positive, patience of 0 or less.
    """
    if agents < 1 or load.calls_per_hour <= 0 or load.aht_s <= 0 or load.patience_s <= 0:
        raise MisuseError(f"no formula for {agents} agents and {load}")
    if load.patience_s == INFINITE:
        return _erlang_c(load, agents, erlang_b(load.erlangs, agents), within_s)
    return _erlang_a(load, agents, erlang_b(load.erlangs, agents - 1), within_s)


def agents_needed(load: Load, aim: Aim) -> Expected:
    """The fewest agents who reach the aim, and what to expect of them.

    Every figure gets better with each agent, so a bisection finds them. MisuseError where
    ``AGENTS_MAX`` are too few, and for an aim of 100 % (no number of agents guarantees it).
    """
    if not 0 <= aim.share < 1:
        raise MisuseError(f"a share of {aim.share} is no aim: say 0 or more and less than 1")
    few, many = 0, max(1, math.ceil(load.erlangs))
    while not expected(load, many, aim.within_s).reaches(aim):
        if many >= AGENTS_MAX:
            raise MisuseError(f"{load} needs more than {AGENTS_MAX} agents")
        few, many = many, min(AGENTS_MAX, many + max(4, many // 8))
    while many - few > 1:
        middle = (few + many) // 2
        if expected(load, middle, aim.within_s).reaches(aim):
            many = middle
        else:
            few = middle
    return expected(load, many, aim.within_s)


def _erlang_c(load: Load, agents: int, blocked: float, within_s: float) -> Expected:
    erlangs, aht_s = load.erlangs, load.aht_s
    if agents <= erlangs:
        return Expected(agents, 1.0, 0.0, INFINITE, 0.0, 1.0)
    occupancy = erlangs / agents
    p_wait = blocked / (1.0 - occupancy * (1.0 - blocked))
    drain = (agents - erlangs) / aht_s  # waiting calls a second, beyond those that arrive
    level = 1.0 - p_wait * math.exp(-drain * within_s)
    return Expected(agents, p_wait, level, p_wait / drain, 0.0, occupancy)


@dataclass(frozen=True, slots=True)
class _OfferedWait:
    """The density of the wait that a caller with endless patience would meet, up to a factor:
    exp(arrivals that outlast x - agents' completions by x), scaled to 1 at its peak."""

    arrivals: float  # a second
    completions: float  # a second, all agents at work
    patience_s: float

    def log(self, x: float) -> float:
        outlast = -self.patience_s * math.expm1(-x / self.patience_s)
        return self.arrivals * outlast - self.completions * x

    def peak(self) -> float:
        if self.arrivals <= self.completions:
            return 0.0
        return self.patience_s * math.log(self.arrivals / self.completions)

    def edge(self, start: float, step: float) -> float:
        """Going from the peak by growing steps: where the density is e^-45 of it (or 0)."""
        floor = self.log(start) - 45.0
        x = start + step
        while x > 0 and self.log(x) > floor:
            step *= 1.5
            x = start + step
        return max(x, 0.0)


def _erlang_a(load: Load, agents: int, blocked: float, within_s: float) -> Expected:
    """``blocked`` is Erlang B of one agent less: 1 / it is the weight of states with somebody
    idle, next to the integral over waits (Zeltyn and Mandelbaum's E and J)."""
    arrivals = load.calls_per_hour / 3600.0
    wait = _OfferedWait(arrivals, agents / load.aht_s, load.patience_s)
    peak = wait.peak()
    top = wait.log(peak)
    step = load.aht_s / agents
    low, high = wait.edge(peak, -step), wait.edge(peak, step)

    def integral(weight: Callable[[float], float], start: float, end: float) -> float:
        return _integral(lambda x: weight(x) * math.exp(wait.log(x) - top), start, end)

    def stays(x: float) -> float:
        return math.exp(-x / load.patience_s)

    cut = min(max(within_s, low), high)
    early = integral(stays, low, cut)
    answered = early + integral(stays, cut, high)
    lost = integral(lambda x: -math.expm1(-x / load.patience_s), low, high)
    waited = integral(lambda x: x * stays(x), low, high)
    # Both sides of every quotient times ``blocked`` / e^top, so that neither overflows.
    factor = arrivals * blocked
    idle = math.exp(-top)
    whole = idle + factor * (answered + lost)
    abandon_rate = factor * lost / whole
    return Expected(
        agents=agents,
        p_wait=factor * (answered + lost) / whole,
        service_level=(idle + factor * early) / whole,
        asa_s=factor * waited / (idle + factor * answered),
        abandon_rate=abandon_rate,
        occupancy=min(1.0, load.erlangs * (1.0 - abandon_rate) / agents),
    )


# Gauss-Legendre, 8 points on [-1, 1]: (abscissa, weight) of the positive half.
_POINTS = (
    (0.1834346424956498, 0.3626837833783620),
    (0.5255324099163290, 0.3137066458778873),
    (0.7966664774136267, 0.2223810344533745),
    (0.9602898564975363, 0.1012285362903763),
)
_PANELS = 64


def _integral(f: Callable[[float], float], start: float, end: float) -> float:
    """Of a smooth function that falls by some e^45 at most over the span. Panels grow with the
    cube of their number: patience may be far shorter than what the density lasts."""
    if end <= start:
        return 0.0
    total, left = 0.0, start
    for panel in range(1, _PANELS + 1):
        right = start + (end - start) * (panel / _PANELS) ** 3
        half, middle = (right - left) / 2, (right + left) / 2
        for point, weight in _POINTS:
            total += half * weight * (f(middle - point * half) + f(middle + point * half))
        left = right
    return total
