"""How long one decision of the floor takes: ``python -m bench.dispatch [--seconds N] [--wire]``.

For each size a floor with 50 skills and 200 queues is filled with waiting calls while every
agent talks; then agents get free and accept, callers arrive and leave, in a seeded order. A
decision is one command that leads to an offer, timed by itself: from the call of the floor to
its effects, facts and reasons included. What the floor learns for its estimates it learns
between decisions, as in the engine.

Two series: waiting calls and agents grow together, and waiting calls alone beside 1,000 agents.
``growth`` tells of each the exponent of a power fitted to the medians (0.5: a hundred times the
calls cost ten times as much) and the microseconds by which a decision gets dearer with every
tenfold. ``reference`` is the plain way (one sorted list of all who wait, looked through for
the first whom the agent may take, then a look at all agents), in the same world on the same
machine, without making facts or reasons.

The last line of the output is one JSON object: rows (waiting, agents, p50_us, p99_us),
bytes_per_waiting, growth, reference. ``cpu_`` figures leave out what other programs took.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import random
import sys
import time
import tracemalloc
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TypedDict

from queues.floor import Floor
from queues.offers import Effect, Offer
from queues.rules import AgentRules, FloorRules, QueueRules
from queues.waiting import CallKey, WaitingCall

TOGETHER = ((100, 10), (1_000, 100), (10_000, 1_000), (100_000, 10_000))
ALONE = ((100, 1_000), (1_000, 1_000), (10_000, 1_000), (100_000, 1_000))
QUEUES = 200
SKILLS = 50
FILL_S = 150e-6  # for a waiting call
GC_THRESHOLDS = (20_000, 20, 20)  # the engine's
REFERENCE_MAX = 10_000

Row = dict[str, float]


class Wishes(TypedDict):
    """What a caller brings along."""

    priority: int
    skills: dict[str, int] | None


def main() -> None:
    """Measure, print a table as it grows, end with the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0, help="end within this time")
    parser.add_argument(
        "--wire", action="store_true", help="over real sockets instead: see bench.dispatch_wire"
    )
    args = parser.parse_args()
    if args.wire:
        from bench import dispatch_wire  # it needs SIPp and a whole Offhook

        dispatch_wire.main(args.seconds)
        return
    clock = Clock(args.seconds)
    gc.set_threshold(*GC_THRESHOLDS)
    sizes = [*TOGETHER, *(size for size in ALONE if size not in TOGETHER)]
    rows: dict[tuple[int, int], Row] = {}
    reference: list[Row] = []
    bytes_per_waiting = measure_memory(*TOGETHER[2]) if clock.left_s > 5.0 else 0.0
    for index, (waiting, agents) in enumerate(sizes):
        share_s = clock.share(waiting, sizes[index:])
        if share_s is None:
            print(f"{waiting:>7} waiting {agents:>6} agents: no time left", file=sys.stderr)
            continue
        hall = Hall(waiting, agents)
        row = rows[waiting, agents] = measure(hall, share_s * 0.8)
        told = f"p50 {row['p50_us']:.1f} us, p99 {row['p99_us']:.1f} us"
        if waiting <= REFERENCE_MAX and (waiting, agents) in TOGETHER:
            plain_us = Plain(hall).measure(share_s * 0.2)
            reference.append({"waiting": waiting, "agents": agents, "p50_us": round(plain_us, 1)})
            told += f"; the plain way {plain_us:.1f} us"
        print(f"{waiting:>7} waiting {agents:>6} agents: {told}", file=sys.stderr)
    result = {
        "rows": [rows[size] for size in TOGETHER if size in rows],
        "bytes_per_waiting": round(bytes_per_waiting),
        "growth": {
            "together": growth([rows[size] for size in TOGETHER if size in rows]),
            "waiting_alone": growth([rows[size] for size in ALONE if size in rows]),
        },
        "rows_waiting_alone": [rows[size] for size in ALONE if size in rows],
        "reference": reference,
    }
    print(json.dumps(result))


class Clock:
    """What is left of the time allowed."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds - 0.5

    @property
    def left_s(self) -> float:
        return self._ends - time.monotonic()

    def share(self, waiting: int, sizes: Sequence[tuple[int, int]]) -> float | None:
        """Seconds to measure the next of these sizes, None where filling it takes too long."""
        left_s = self.left_s - sum(calls for calls, _ in sizes) * FILL_S
        if left_s > 0.3 * len(sizes):
            return min(left_s / len(sizes), 5.0)
        left_s = self.left_s - waiting * FILL_S
        return min(left_s / 2, 1.0) if left_s > 0.3 else None


def rules(agents: int, rng: random.Random) -> FloorRules:
    """Queues of all classes, agents with three queues and ten skills."""
    skills = [f"s{number}" for number in range(SKILLS)]
    names = [f"q{number}" for number in range(QUEUES)]
    return FloorRules(
        queues={
            name: QueueRules(
                rank=rng.randint(1, 9),
                target_s=rng.choice([10.0, 20.0, 60.0]),
                wait_max_s=1e9,
                wrap_up_s=0.0,
            )
            for name in names
        },
        agents={
            f"a{number}": AgentRules(
                queues={name: rng.randint(1, 3) for name in rng.sample(names, 3)},
                skills={skill: rng.randint(1, 3) for skill in rng.sample(skills, 10)},
            )
            for number in range(agents)
        },
        starvation_s=1e9,
        waiting_max=1_000_000,
    )


@dataclass(slots=True)
class Hall:
    """A floor at a steady size and the seeded world around it."""

    waiting: int
    agents_count: int
    floor: Floor = field(init=False)
    rules: FloorRules = field(init=False)
    rng: random.Random = field(init=False)
    now: float = 0.0
    number: int = 0
    calls: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.waiting)
        self.rules = rules(self.agents_count, self.rng)
        self.floor = Floor(self.rules)
        self.agents = [f"a{number}" for number in range(self.agents_count)]
        self.fill()
        for agent in self.agents:
            self.floor.set_reachable(agent, True, self.now)
            self.answer(self.floor.sign_in(agent, self.now))
        self.fill()
        self.floor.learn()

    def fill(self) -> None:
        while len(self.calls) < self.waiting:
            self.answer(self.arrive())

    def arrive(self) -> list[Effect]:
        """One more call."""
        return self.floor.enqueue(*self.next_call(), **self.wishes())

    def next_call(self) -> tuple[str, str, float]:
        """The call, its queue, and when it comes."""
        self.number += 1
        call = f"call-{self.number}"
        self.calls.append(call)
        self.now += 0.01
        return call, f"q{self.rng.randrange(QUEUES)}", self.now

    def wishes(self) -> Wishes:
        """Half of the calls ask for a skill."""
        skills = {f"s{self.rng.randrange(SKILLS)}": 3} if self.rng.random() < 0.5 else None
        return {"priority": self.rng.randint(0, 3), "skills": skills}

    def leave(self) -> None:
        """A random caller hangs up."""
        place = self.rng.randrange(len(self.calls))
        self.calls[place], self.calls[-1] = self.calls[-1], self.calls[place]
        self.floor.leave(self.calls.pop(), self.now, "abandoned")

    def answer(self, effects: list[Effect]) -> int:
        """Phones answer at once; how many did."""
        rung = [effect for effect in effects if isinstance(effect, Offer)]
        for offer in rung:
            self.now += 0.001
            self.floor.accept(offer.agent, offer.fence, self.now)
        return len(rung)


def measure(hall: Hall, seconds: float) -> Row:
    """Time commands that lead to an offer, at a steady size: an agent gets free and has the
    first of those who wait, or a caller arrives whom somebody can take."""
    floor, rng = hall.floor, hall.rng
    wall_us: list[float] = []
    cpu_us: list[float] = []
    gc.collect()
    gc.freeze()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        agent = rng.choice(hall.agents)
        hall.now += 0.01
        cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
        effects = floor.finished(agent, hall.now)
        wall, cpu = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
        if hall.answer(effects):
            wall_us.append(wall / 1000)
            cpu_us.append(cpu / 1000)
        call, wishes = hall.next_call(), hall.wishes()
        cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
        effects = floor.enqueue(*call, **wishes)
        wall, cpu = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
        if hall.answer(effects):
            wall_us.append(wall / 1000)
            cpu_us.append(cpu / 1000)
        while sum(map(len, floor._desk.state.lines.values())) > hall.waiting:
            hall.leave()
        floor.learn()
    gc.unfreeze()
    wall_cuts, cpu_cuts = quantiles(wall_us, n=100), quantiles(cpu_us, n=100)
    return {
        "waiting": hall.waiting,
        "agents": hall.agents_count,
        "p50_us": round(wall_cuts[49], 1),
        "p99_us": round(wall_cuts[98], 1),
        "cpu_p50_us": round(cpu_cuts[49], 1),
        "cpu_p99_us": round(cpu_cuts[98], 1),
        "decisions": len(wall_us),
    }


class Plain:
    """The plain way: a sorted list of all who wait, and everybody is looked at in turn."""

    # A look that finds nobody counts too: then the whole list was looked through.

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        state = hall.floor._desk.state
        self._line = sorted((call.key(), call) for call in state.calls.values())
        self._free_at = {agent: hall.rng.random() for agent in hall.agents}

    def measure(self, seconds: float) -> float:
        """The median of a decision in microseconds."""
        taken: list[float] = []
        ends = time.monotonic() + seconds
        while time.monotonic() < ends or len(taken) < 10:
            agent = self._hall.rng.choice(self._hall.agents)
            start = time.perf_counter_ns()
            entry = self._first_for(agent)
            if entry is not None:
                self._best_for(entry[1].queue)
                del self._line[bisect_left(self._line, entry)]
            taken.append((time.perf_counter_ns() - start) / 1000)
            if entry is not None:
                insort(self._line, entry)
        return median(taken)

    def _first_for(self, agent: str) -> tuple[CallKey, WaitingCall] | None:
        rules = self._hall.rules.agents[agent]
        for entry in self._line:
            call = entry[1]
            if call.queue in rules.queues and all(
                rules.skills.get(skill, weakest + 1) <= weakest for skill, weakest in call.needs
            ):
                return entry
        return None

    def _best_for(self, queue: str) -> str:
        agents = self._hall.rules.agents
        return min(
            (agents[agent].queues[queue], free_at, agent)
            for agent, free_at in self._free_at.items()
            if queue in agents[agent].queues
        )[2]


def growth(rows: Sequence[Row]) -> Row:
    """How the medians grow with the waiting calls: exponent of the power that fits best, and
    microseconds for every tenfold."""
    if len(rows) < 2:
        return {}
    tens = [math.log10(row["waiting"]) for row in rows]
    cpu_us = [row["cpu_p50_us"] for row in rows]
    return {
        "exponent": round(slope(tens, [math.log10(value) for value in cpu_us]), 3),
        "us_per_tenfold": round(slope(tens, cpu_us), 2),
    }


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - x_mean) ** 2 for x in xs)


def measure_memory(waiting: int, agents: int) -> float:
    """Bytes that one more waiting call takes, its id and timers included."""
    hall = Hall(waiting // 10, agents)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    hall.waiting = waiting
    hall.fill()
    hall.floor.learn()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / (waiting - waiting // 10)


if __name__ == "__main__":
    main()
