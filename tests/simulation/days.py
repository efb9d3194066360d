"""Kinds of seeded days, each with its deaths; ``problems_of`` tells what went wrong in one."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.simulation.oracles import problems
from tests.simulation.scenarios import SCENARIOS, killed_at, moments
from tests.simulation.wired import BAD, FAIR, Deaths, Manners, Weather, Wired

DAY_S = 60.0
OUTAGES_S = (0.02, 0.4, 0.4, 3.0)
Day = Callable[[int], tuple[list[str], Wired | None]]


def _day(
    seed: int,
    *,
    weather: Weather = FAIR,
    kills: int = 0,
    worker_dies: float = 0.0,
    counted: bool = False,
) -> tuple[list[str], Wired]:
    """Some callers, three agents. ``kills`` of the engine come at any time or (``counted``) at
    any of its steps, a take-over's own ones, too; the worker dies with it or alone, by that
    probability for each kill."""
    dice = random.Random(f"day {seed}")
    deaths = Deaths(0)
    world = Wired(seed, weather, Manners(arrivals_s=dice.choice((3.0, 8.0))), deaths)
    world.live(DAY_S)
    world.run(1.0)
    for _ in range(max(kills, 3)):
        if counted and kills:
            deaths.at = deaths.passed + dice.randint(1, 400)
            world.run(DAY_S / kills, outage_s=dice.choice(OUTAGES_S))
        else:
            world.run(dice.uniform(0.5, 2 * DAY_S / max(kills, 3)))
            if kills:
                world.kill(dice.choice(OUTAGES_S))
        if dice.random() < worker_dies:
            world.worker.dies(dice.choice((0.05, 0.3, 1.0)))
    world.run(DAY_S / 2)
    world.drain()
    return problems(world), world


def _moment(seed: int) -> tuple[list[str], Wired | None]:
    """A recorded scenario with other delays of the disk, killed at one of its moments."""
    dice = random.Random(f"moment {seed}")
    name = dice.choice(tuple(SCENARIOS))
    moment = dice.randint(1, len(moments(name, seed)))
    return killed_at(name, moment, seed, worker_too=dice.random() < 0.3), None


KINDS: dict[str, Day] = {
    "network": lambda seed: _day(seed, weather=BAD),
    "engine": lambda seed: _day(seed, kills=6),
    "worker": lambda seed: _day(seed, worker_dies=0.7),
    "moments": _moment,
    "steps": lambda seed: _day(seed, kills=8, counted=True),
    "all": lambda seed: _day(seed, weather=BAD, kills=6, counted=True, worker_dies=0.4),
}
