"""How many agents a queue needs: in general, and through a day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from config.errors import PeerError
from main.staff_trial import CONFIDENCE, Sums, Trial, days, fewest
from queues.rehearsal.erlang import (
    AGENTS_MAX,
    INFINITE,
    Aim,
    Expected,
    Load,
    agents_needed,
    expected,
)
from queues.rehearsal.rehearsal_calls import Expectation
from queues.rehearsal.rehearsal_confidence import Estimate, estimate

ERLANGS_MAX = 20_000.0
SIMULATED_ERLANGS_MAX = 2_000.0  # beyond, a trial takes minutes
DAYS_MIN, DAYS_MAX = 4, 40
CALLS_A_ROUND = 30_000
ROUNDS_MAX = 15


class StaffError(PeerError):
    """A question that has no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """For one load. ``by_a`` where callers lose patience; ``trials`` as ``fewest`` made them,
    none where no simulation was wanted."""

    load: Load
    aim: Aim
    by_c: Expected
    by_a: Expected | None
    trials: tuple[Trial, ...]

    @property
    def agents(self) -> int:
        """The best answer there is: simulated, else with patience, else without."""
        return (self.best or self.by_a or self.by_c).agents

    @property
    def best(self) -> Trial | None:
        """The first trial that reaches the aim."""
        return next((trial for trial in self.trials if trial.reaches(self.aim)), None)


@dataclass(frozen=True, slots=True)
class Slot:
    """An interval of the plan. Without calls nobody is needed and the rest is None."""

    start: float
    length_s: float
    load: Load
    by_c: Expected | None
    by_a: Expected | None
    simulated: int | None = None
    service_level: Estimate | None = None

    @property
    def agents(self) -> int:
        if self.simulated is not None:
            return self.simulated
        best = self.by_a or self.by_c
        return best.agents if best is not None else 0

    @property
    def formula(self) -> Expected | None:
        """What the formula expects of these agents."""
        return self.by_a or self.by_c

    def occupancy(self, aim: Aim) -> float | None:
        """Expected of ``agents``; None for nobody."""
        if self.load.calls_per_hour <= 0 or not self.agents:
            return None
        return expected(self.load, self.agents, aim.within_s).occupancy


@dataclass(frozen=True, slots=True)
class Plan:
    """A queue's day. ``days`` is how many were simulated, 0 for none; ``service_level`` is the
    whole day's, by simulation or, weighted by calls, by formula."""

    queue: str
    aim: Aim
    slots: tuple[Slot, ...]
    days: int
    service_level: Estimate | None

    @property
    def agent_hours(self) -> float:
        return math.fsum(slot.agents * slot.length_s for slot in self.slots) / 3600.0


def answer(load: Load, aim: Aim, seed: int, *, simulate: bool) -> Answer:
    """The fewest agents for one load, by each way. Raises StaffError."""
    if load.erlangs > ERLANGS_MAX:
        raise StaffError(
            f"{load.erlangs:,.0f} erlangs: more than {ERLANGS_MAX:,.0f} is no one queue; "
            "say fewer calls or a shorter handling time"
        )
    by_c, by_a = _formulas(load, aim)
    trials: tuple[Trial, ...] = ()
    if simulate:
        if load.erlangs > SIMULATED_ERLANGS_MAX:
            raise StaffError(
                f"{load.erlangs:,.0f} erlangs are too many to simulate here "
                f"({SIMULATED_ERLANGS_MAX:,.0f} at most); say --no-simulation"
            )
        trials = tuple(fewest(load, aim, (by_a or by_c).agents, seed))
    return Answer(load, aim, by_c, by_a, trials)


def plan(queue: str, day: Sequence[Expectation], aim: Aim, seed: int, *, simulate: bool) -> Plan:
    """The queue's day: by formula for each interval, then, with ``simulate``, by playing the day.

    The simulation knows what the formulas do not: who still waits when an interval begins. It
    begins with one agent less than the formula says and adds one where a round's mean misses
    the aim, to the first of neighbours that do.
    """
    slots = [_slot(part, aim) for part in day]
    if not simulate:
        return Plan(queue, aim, tuple(slots), 0, None)
    calls = math.fsum(part.calls for part in day)
    count = max(DAYS_MIN, min(DAYS_MAX, int(CALLS_A_ROUND / max(1.0, calls))))
    agents = [max(0, slot.agents - 1) for slot in slots]
    played: list[list[Sums]] = []
    for _ in range(ROUNDS_MAX):
        played = days(day, agents, aim.within_s, count, seed)
        short = [
            slot.load.calls_per_hour > 0 and not _good(played, index, aim)
            for index, slot in enumerate(slots)
        ]
        if not any(short):
            break
        for index, slot in enumerate(slots):
            formula = slot.formula
            first = index == 0 or not short[index - 1]
            if short[index] and (first or (formula and agents[index] < formula.agents)):
                agents[index] += 1
    done = [
        Slot(
            slot.start,
            slot.length_s,
            slot.load,
            slot.by_c,
            slot.by_a,
            agents[index],
            _level(played, index) if slot.load.calls_per_hour > 0 else None,
        )
        for index, slot in enumerate(slots)
    ]
    whole = estimate([_whole(day_sums) for day_sums in played], CONFIDENCE)
    return Plan(queue, aim, tuple(done), count, whole)


def _formulas(load: Load, aim: Aim) -> tuple[Expected, Expected | None]:
    patient = Load(load.calls_per_hour, load.aht_s)
    by_c = agents_needed(patient, Aim(aim.share, aim.within_s))
    if load.patience_s == INFINITE:
        return by_c, None
    return by_c, agents_needed(load, aim)


def _slot(part: Expectation, aim: Aim) -> Slot:
    load = Load(part.calls * 3600.0 / part.length_s, part.talk_s, part.patience_s)
    if load.erlangs > ERLANGS_MAX or load.erlangs * 1.2 > AGENTS_MAX:
        raise StaffError(f"{load.erlangs:,.0f} erlangs in one interval are too many")
    if load.calls_per_hour <= 0:
        return Slot(part.start, part.length_s, load, None, None)
    return Slot(part.start, part.length_s, load, *_formulas(load, aim))


def _of(played: Sequence[Sequence[Sums]], index: int) -> list[Sums]:
    return [day_sums[index] for day_sums in played]


def _good(played: Sequence[Sequence[Sums]], index: int, aim: Aim) -> bool:
    sums = _of(played, index)
    calls = max(1, sum(each.calls for each in sums))
    within = sum(each.within for each in sums) / calls
    gone = sum(each.abandoned for each in sums) / calls
    return within >= aim.share and (aim.abandon_max is None or gone <= aim.abandon_max)


def _level(played: Sequence[Sequence[Sums]], index: int) -> Estimate:
    """Days weigh by their calls in the interval: a ratio estimate."""
    sums = _of(played, index)
    calls = sum(each.calls for each in sums)
    if not calls:
        return Estimate(1.0, 0.0)
    mean = sum(each.within for each in sums) / calls
    count = len(sums)
    shifted = [
        mean + (each.within - mean * each.calls) * count / calls for each in sums
    ]  # linearised: their mean is the ratio, their spread its error (Cochran 1977, 6.4)
    return estimate(shifted, CONFIDENCE)


def _whole(day_sums: Sequence[Sums]) -> float:
    calls = sum(each.calls for each in day_sums)
    return sum(each.within for each in day_sums) / calls if calls else 1.0
