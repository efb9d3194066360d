"""A made-up centre on a busy day, of any size: what the claim of speed is measured with.

Ten queues of different classes and targets, two of which ask for a skill; every agent serves
three of them, one best. Three shifts of eight hours, at eight, twelve and sixteen; 200 calls an
agent, more of them at ten and at four; callers wait for three minutes on average.
"""

from __future__ import annotations

import math
from functools import partial

from main.simulate_day import Day, stream
from queues.rehearsal.rehearsal import Shift
from queues.rehearsal.rehearsal_calls import Expectation, callers
from queues.rules import AgentRules, FloorRules, QueueRules

QUEUES = 10
CALLS_EACH = 200
TALK_S = 112.0
WRAP_UP_S = 10.0
PATIENCE_S = 180.0
STEP_S = 900.0
HOUR_S = 3600.0
SHIFTS = ((8.0, 16.0, 0.40), (12.0, 20.0, 0.35), (16.0, 24.0, 0.25))  # from, to, share
FIRST_H, LAST_H = 8.0, 24.0


def centre(agents: int, seed: int) -> Day:
    """The day of a centre with so many agents (at least one a shift)."""
    names = [f"queue-{number}" for number in range(QUEUES)]
    queues = {
        name: QueueRules(
            rank=3 + number % 3,
            target_s=(10.0, 20.0, 30.0)[number % 3],
            wrap_up_s=WRAP_UP_S,
            skills={"russian": 3} if number in (3, 7) else {},
        )
        for number, name in enumerate(names)
    }
    people = {f"agent-{number:05}": _agent(number, names) for number in range(agents)}
    rules = FloorRules(queues, people)
    day: list[Expectation] = []
    for name in names:
        day += _expectations(name, agents * CALLS_EACH / QUEUES)

    return Day(
        rules,
        callers(day, partial(stream, seed)),
        _shifts(sorted(people)),
        FIRST_H * HOUR_S,
        f"a made-up day of {agents:,} agents, {agents * CALLS_EACH:,} calls expected",
    )


def _agent(number: int, names: list[str]) -> AgentRules:
    served = {names[(number + step * 3) % QUEUES]: 1 + step for step in range(3)}
    return AgentRules(served, {"russian": 1 + number % 3} if number % 2 else {})


def _expectations(queue: str, calls: float) -> list[Expectation]:
    """Quarters of an hour, weighted by who is there and by two humps."""
    starts = [FIRST_H + step * STEP_S / HOUR_S for step in range(int((LAST_H - FIRST_H) * 4))]
    weights = [_working(hour) * _humps(hour) for hour in starts]
    whole = math.fsum(weights)
    return [
        Expectation(queue, hour * HOUR_S, STEP_S, calls * weight / whole, TALK_S, PATIENCE_S)
        for hour, weight in zip(starts, weights, strict=True)
    ]


def _working(hour: float) -> float:
    return sum(share for begin, end, share in SHIFTS if begin <= hour < end)


def _humps(hour: float) -> float:
    return 1.0 + 0.12 * math.exp(-((hour - 10.0) ** 2)) + 0.12 * math.exp(-((hour - 16.0) ** 2))


def _shifts(people: list[str]) -> list[Shift]:
    shifts = []
    for number, agent in enumerate(people):
        place = (number + 0.5) / len(people)
        for begin, end, share in SHIFTS:
            if place < share or end == LAST_H:
                shifts.append(Shift(agent, begin * HOUR_S, end * HOUR_S))
                break
            place -= share
    return sorted(shifts, key=lambda shift: (shift.start, shift.agent))
