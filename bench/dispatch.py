"""How long one decision of the floor takes: ``python -m bench.dispatch [--seconds N]``.

For each size a floor with 50 skills and 200 queues is filled with waiting calls while every
agent talks; then agents get free and accept, callers arrive and leave, in a seeded order. A
decision is one command that leads to an offer, timed by itself. The last line of the output is
one JSON object: rows (waiting, agents, p50_us, p99_us) and bytes_per_waiting.

With ``--wire``: how long it takes on real sockets from an agent who gets free to the INVITE of the
next call; see ``bench.dispatch_wire``.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
import tracemalloc
from statistics import quantiles

from bench import dispatch_wire
from queues.floor import Floor
from queues.offers import Effect, Offer
from queues.rules import AgentRules, FloorRules, QueueRules

SIZES = ((100, 10), (1_000, 100), (10_000, 1_000), (100_000, 10_000))
QUEUES = 200
SKILLS = 50


def main() -> None:
    """Measure, print a table as it grows, end with the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0, help="end within this time")
    parser.add_argument("--wire", action="store_true", help="from free to the INVITE instead")
    options = parser.parse_args()
    if options.wire:
        dispatch_wire.main(options.seconds)
        return
    seconds = options.seconds
    started = time.monotonic()
    rows = []
    bytes_per_waiting = 0.0
    for index, (waiting, agents) in enumerate(SIZES):
        left_s = seconds - (time.monotonic() - started)
        # Filling takes about 100 us a call; a size that does not fit any more is left out.
        if left_s < waiting * 150e-6 + 0.2:
            print(f"{waiting:>7} waiting: no time left", file=sys.stderr)
            continue
        share_s = (left_s - waiting * 150e-6) / (len(SIZES) - index)
        if waiting == 10_000:
            bytes_per_waiting = measure_memory(waiting, agents)
        row = measure(waiting, agents, min(share_s, 5.0))
        print(
            f"{waiting:>7} waiting {agents:>6} agents: "
            f"p50 {row['p50_us']:.1f} us, p99 {row['p99_us']:.1f} us",
            file=sys.stderr,
        )
        rows.append(row)
    print(json.dumps({"rows": rows, "bytes_per_waiting": round(bytes_per_waiting)}))


def rules(agents: int, rng: random.Random) -> FloorRules:
    """Queues with up to two skills, agents with three queues and ten skills."""
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


class Hall:
    """A floor at a steady size and the seeded world around it."""

    def __init__(self, waiting: int, agents: int) -> None:
        self.rng = random.Random(waiting)
        self.now = 0.0
        self.number = 0
        self.calls: list[str] = []
        self.floor = Floor(rules(agents, self.rng))
        self.agents = [f"a{number}" for number in range(agents)]
        self.fill(waiting)
        for agent in self.agents:
            self.floor.set_reachable(agent, True, self.now)
            self.answer(self.floor.sign_in(agent, self.now))

    def fill(self, waiting: int) -> None:
        while len(self.calls) < waiting:
            self.arrive()

    def arrive(self) -> list[Effect]:
        """One more call, half of them asking for a skill."""
        self.number += 1
        call = f"call-{self.number}"
        skills = {f"s{self.rng.randrange(SKILLS)}": 3} if self.rng.random() < 0.5 else None
        self.calls.append(call)
        self.now += 0.01
        return self.floor.enqueue(
            call,
            f"q{self.rng.randrange(QUEUES)}",
            self.now,
            priority=self.rng.randint(0, 3),
            skills=skills,
        )

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


def measure(waiting: int, agents: int, seconds: float) -> dict[str, float]:
    """Time ``finished`` (an agent gets free, the best call is offered) at a steady size."""
    hall = Hall(waiting, agents)
    floor, rng = hall.floor, hall.rng
    taken: list[float] = []
    gc.collect()
    gc.freeze()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends or len(taken) < 100:
        agent = rng.choice(hall.agents)
        hall.now += 0.01
        start = time.perf_counter_ns()
        effects = floor.finished(agent, hall.now)
        spent_us = (time.perf_counter_ns() - start) / 1000
        if hall.answer(effects):
            taken.append(spent_us)
        start = time.perf_counter_ns()
        effects = hall.arrive()
        spent_us = (time.perf_counter_ns() - start) / 1000
        if hall.answer(effects):
            taken.append(spent_us)
        while len(floor._desk.state.calls) > waiting:
            hall.leave()
    gc.unfreeze()
    cuts = quantiles(taken, n=100)
    return {
        "waiting": waiting,
        "agents": agents,
        "p50_us": round(cuts[49], 1),
        "p99_us": round(cuts[98], 1),
        "decisions": len(taken),
    }


def measure_memory(waiting: int, agents: int) -> float:
    """Bytes that one more waiting call takes, its id and timers included."""
    hall = Hall(waiting // 10, agents)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    hall.fill(waiting)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / (waiting - waiting // 10)


if __name__ == "__main__":
    main()
