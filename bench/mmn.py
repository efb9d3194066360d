"""Simulated queues against Erlang's formulas: ``python -m bench.mmn [--seconds N]``.

For every stable row of ``tests/data/erlang_c.csv`` (M/M/n) and some with impatient callers
(M/M/n+M): P(wait), service level at 20 s and ASA, simulated, beside the formula. Two steps:

1. The production floor plays the row's first callers (``queues.rehearsal``), and so does the
   recursion of Kiefer and Wolfowitz (1955) for first come, first served, from the same numbers.
   The waits must be the same, call by call.
2. The recursion, a hundred times faster, goes on for as many calls as the row needs.

The figure is the recursion's long run plus what the floor differed in on the shared callers
(a control variate; the difference is 0 unless step 1 fails). Warm-up is removed, 100 batch
means, fixed seeds; all intervals hold together with 99 % (Bonferroni). The last line is one JSON
object: ``rows``, ``agree``, ``half_width_max`` (of service level), ``calls``, ``floor_calls``,
``seconds``. ``--markdown`` prints the table of docs/staffing.md. With fewer seconds than the
runs need they are shorter and the half-widths say so.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from pathlib import Path

from queues.events import QueueVisitEnded
from queues.rehearsal.erlang import Expected, Load, expected
from queues.rehearsal.rehearsal import Rehearsal
from queues.rehearsal.rehearsal_calls import INFINITE, Caller
from queues.rehearsal.rehearsal_confidence import Estimate, estimate
from queues.rehearsal.rehearsal_log import Entry
from queues.rules import AgentRules, FloorRules, QueueRules

ROWS = Path(__file__).resolve().parent.parent / "tests" / "data" / "erlang_c.csv"
WITHIN_S = 20.0
CONFIDENCE = 0.99
BATCHES = 100
HALF_WIDTH = 0.0155  # of service level: what the runs are planned for
CALLS_MIN = 400_000
FLOOR_CALLS = 3_000
IMPATIENT = (  # calls an hour, AHT, patience, agents
    (200, 180, 120, 8), (200, 180, 120, 10), (200, 180, 120, 12), (400, 240, 60, 24),
    (400, 240, 180, 28), (1000, 300, 120, 80), (1000, 300, 120, 84), (2880, 60, 120, 50),
)  # fmt: skip
STEP_S = 0.55e-6  # of the recursion, on the machine that the figures of the docs are from
FLOOR_STEP_S = 120e-6

Numbers = tuple[float, float, float]  # gap before the call, handling time, patience


@dataclass(frozen=True, slots=True)
class Row:
    """One queue: its load, its agents, what the table or the formula says."""

    load: Load
    agents: int
    truth: Expected

    @property
    def seed(self) -> str:
        return f"{self.load.calls_per_hour:g} {self.load.aht_s:g} {self.agents}"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was simulated of a row. ``difference_s`` is the largest between the floor's and the
    recursion's wait of any shared call."""

    row: Row
    p_wait: Estimate
    service_level: Estimate
    asa_s: Estimate
    calls: int
    floor_calls: int
    difference_s: float

    @property
    def agrees(self) -> bool:
        return (
            self.difference_s < 1e-6
            and self.p_wait.holds(self.row.truth.p_wait)
            and self.service_level.holds(self.row.truth.service_level)
            and self.asa_s.holds(self.row.truth.asa_s)
        )


def patient_rows(path: Path = ROWS) -> list[Row]:
    """The stable rows of the table, with the table's figures."""
    rows = []
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            load = Load(2 * float(line["calls_per_30min"]), float(line["aht_s"]))
            agents = int(line["agents"])
            if agents <= load.erlangs:
                continue
            truth = Expected(
                agents,
                float(line["p_wait"]),
                float(line["sl_20s"]),
                float(line["asa_s"]),
                0.0,
                float(line["occupancy"]),
            )
            rows.append(Row(load, agents, truth))
    return rows


def impatient_rows() -> list[Row]:
    """Erlang A: no table, the formula of ``queues.rehearsal.erlang``."""
    rows = []
    for calls, aht_s, patience_s, agents in IMPATIENT:
        load = Load(calls, aht_s, patience_s)
        rows.append(Row(load, agents, expected(load, agents, WITHIN_S)))
    return rows


def numbers(row: Row, chance: random.Random) -> Iterator[Numbers]:
    """The row's callers, one after another."""
    draw, log = chance.random, math.log
    gap, aht, patience = 3600.0 / row.load.calls_per_hour, row.load.aht_s, row.load.patience_s
    while True:
        yield (
            -gap * log(1.0 - draw()),
            -aht * log(1.0 - draw()),
            INFINITE if patience == INFINITE else -patience * log(1.0 - draw()),
        )


def floor_waits(row: Row, shared: Sequence[Numbers]) -> list[float | None]:
    """The wait of each caller on the production floor, None for one who hung up."""
    rules = FloorRules(
        {"main": QueueRules(wrap_up_s=0.0, wait_max_s=INFINITE)},
        {f"a{number:05}": AgentRules({"main": 1}) for number in range(row.agents)},
        starvation_s=INFINITE,
        waiting_max=10**9,
    )
    waits: list[float | None] = [None] * len(shared)

    def read(entry: Entry) -> None:
        event = entry.event
        if type(event) is QueueVisitEnded and event.end == "connected":
            waits[int(entry.call[1:]) - 1] = event.waited_s

    Rehearsal(rules, [read], random.Random(0)).run(_callers(shared), None, 0.0)
    return waits


def _callers(shared: Sequence[Numbers]) -> Iterator[Caller]:
    at = 0.0
    for gap, aht, patience in shared:
        at += gap
        yield Caller(at, "main", aht, patience)


def ideal_waits(row: Row, shared: Sequence[Numbers]) -> list[float | None]:
    """The same by recursion: who comes next waits for the agent who is free first."""
    free = [0.0] * row.agents
    at = 0.0
    waits: list[float | None] = []
    for gap, aht, patience in shared:
        at += gap
        wait = max(0.0, free[0] - at)
        waits.append(wait if wait < patience else None)
        if wait < patience:
            heapreplace(free, at + wait + aht)
    return waits


def ideal_batches(row: Row, calls: int, batches: int) -> list[tuple[float, float, float]]:
    """(P(wait), service level, ASA) of each batch of the recursion's long run. One batch before
    them is the warm-up: it begins with all agents at work."""
    chance = random.Random(f"long {row.seed}")
    draw, log = chance.random, math.log
    gap, aht, patience = -3600.0 / row.load.calls_per_hour, -row.load.aht_s, row.load.patience_s
    patient = patience == INFINITE
    free = sorted(aht * log(1.0 - draw()) for _ in range(row.agents))
    at, wait, stays = 0.0, 0.0, INFINITE
    found = []
    each = -(-calls // batches)
    for _ in range(batches + 1):
        waited = within = answered = 0
        waited_s = 0.0
        for _ in range(each):
            at += gap * log(1.0 - draw())
            if not patient:
                stays = -patience * log(1.0 - draw())
            if free[0] <= at:
                within += 1
                answered += 1
                heapreplace(free, at + aht * log(1.0 - draw()))
                continue
            waited += 1
            wait = free[0] - at
            if wait < stays:
                answered += 1
                within += wait <= WITHIN_S
                waited_s += wait
                heapreplace(free, free[0] + aht * log(1.0 - draw()))
        found.append((waited / each, within / each, waited_s / max(1, answered)))
    return found[1:]


def calls_planned(row: Row, quantile: float = 4.1) -> int:
    """How many calls bring the half-width of the service level to ``HALF_WIDTH``: the asymptotic
    variance of the birth and death process whose states the callers find (Whitt 1992,
    "Asymptotic formulas for Markov processes"). For planning only; what comes out is measured."""
    if row.load.patience_s < INFINITE:
        return CALLS_MIN
    arrivals, agents, erlangs = row.load.calls_per_hour / 3600, row.agents, row.load.erlangs
    states = agents + int(30 / (1 - erlangs / agents))
    share = [1.0]
    for state in range(1, states):
        share.append(share[-1] * erlangs / min(state, agents))
    whole = math.fsum(share)
    in_time, ahead, steps = [1.0] * agents, 0.0, WITHIN_S * agents / row.load.aht_s
    term = math.exp(-steps)
    for state in range(agents, states):
        ahead += term
        term *= steps / (state - agents + 1)
        in_time.append(max(0.0, 1.0 - ahead))
    flows = [
        weight / whole * (level - row.truth.service_level)
        for weight, level in zip(share, in_time, strict=True)
    ]
    variance = below = 0.0
    above = math.fsum(flows)
    for state in range(states - 1):
        below += flows[state]
        above -= flows[state]
        flow = below if state < agents else -above
        variance += 2 * flow * flow * whole / (arrivals * share[state])
    return max(CALLS_MIN, int(variance * arrivals * (quantile / HALF_WIDTH) ** 2))


def compare(row: Row, calls: int, floor_calls: int, family: int, count: int = BATCHES) -> Agreement:
    """Simulate one row, its long run in ``count`` batches."""
    source = numbers(row, random.Random(f"floor {row.seed}"))
    shared = [next(source) for _ in range(floor_calls)]
    floor, ideal = floor_waits(row, shared), ideal_waits(row, shared)
    difference_s = max(
        INFINITE if (mine is None) != (theirs is None) else abs((mine or 0.0) - (theirs or 0.0))
        for mine, theirs in zip(floor, ideal, strict=True)
    )
    batches = ideal_batches(row, calls, count)
    shifts = [mine - theirs for mine, theirs in zip(_means(floor), _means(ideal), strict=True)]
    estimates = [
        estimate([batch[which] + shifts[which] for batch in batches], CONFIDENCE, family)
        for which in range(3)
    ]
    p_wait, level, asa_s = estimates
    done = count * -(-calls // count)
    return Agreement(row, p_wait, level, asa_s, done, floor_calls, difference_s)


def _means(waits: Sequence[float | None]) -> tuple[float, float, float]:
    """As a batch; a wait of less than a microsecond is rounding. Who hung up had waited."""
    answered = [wait for wait in waits if wait is not None]
    waited = len(waits) - sum(wait < 1e-6 for wait in answered)
    within = sum(wait <= WITHIN_S for wait in answered)
    return waited / len(waits), within / len(waits), math.fsum(answered) / max(1, len(answered))


def main() -> None:
    """Simulate all rows, print a table as it grows, end with the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300.0, help="end within this time")
    parser.add_argument("--markdown", action="store_true", help="print the table of the docs")
    options = parser.parse_args()
    started = time.monotonic()
    rows = patient_rows() + impatient_rows()
    planned = [calls_planned(row) for row in rows]
    needed_s = sum(planned) * STEP_S + FLOOR_CALLS * len(rows) * FLOOR_STEP_S
    scale = min(1.0, 0.6 * options.seconds / needed_s)
    found = []
    for row, calls in zip(rows, planned, strict=True):
        floor_calls = max(200, int(FLOOR_CALLS * scale))
        done = compare(row, max(10_000, int(calls * scale)), floor_calls, 3 * len(rows))
        found.append(done)
        print(_line(done), file=sys.stderr)
    if options.markdown:
        print(markdown(found))
    print(json.dumps(_summary(found, time.monotonic() - started)))


def _summary(found: Sequence[Agreement], seconds: float) -> dict[str, object]:
    return {
        "rows": [_as_json(done) for done in found],
        "agree": all(done.agrees for done in found),
        "half_width_max": max(done.service_level.half_width for done in found),
        "calls": sum(done.calls for done in found),
        "floor_calls": sum(done.floor_calls for done in found),
        "seconds": round(seconds, 1),
    }


def _as_json(done: Agreement) -> dict[str, object]:
    load, truth = done.row.load, done.row.truth
    figures = {
        name: {
            "formula": getattr(truth, name),
            "simulated": getattr(done, name).mean,
            "half_width": getattr(done, name).half_width,
        }
        for name in ("p_wait", "service_level", "asa_s")
    }
    return {
        "calls_per_hour": load.calls_per_hour,
        "aht_s": load.aht_s,
        "patience_s": None if load.patience_s == INFINITE else load.patience_s,
        "agents": done.row.agents,
        **figures,
        "calls": done.calls,
        "floor_calls": done.floor_calls,
        "floor_difference_s": done.difference_s,
        "agrees": done.agrees,
    }


def _line(done: Agreement) -> str:
    level, truth = done.service_level, done.row.truth
    return (
        f"{done.row.load.calls_per_hour:5g} calls/h {done.row.load.aht_s:4g} s "
        f"{done.row.agents:3} agents: service level {truth.service_level:.4f}, simulated "
        f"{level.mean:.4f} +- {level.half_width:.4f}{'' if done.agrees else '  DISAGREES'}"
    )


def markdown(found: Sequence[Agreement]) -> str:
    """The table of docs/staffing.md."""
    lines = [
        "| calls/h | AHT | patience | agents | P(wait) | simulated | service level | simulated "
        "| ASA (s) | simulated | calls |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for done in found:
        load, truth = done.row.load, done.row.truth
        patience = "-" if load.patience_s == INFINITE else f"{load.patience_s:g}"
        lines.append(
            f"| {load.calls_per_hour:g} | {load.aht_s:g} | {patience} | {done.row.agents} "
            f"| {truth.p_wait:.4f} | {_pm(done.p_wait, 4)} | {truth.service_level:.4f} "
            f"| {_pm(done.service_level, 4)} | {truth.asa_s:.2f} | {_pm(done.asa_s, 2)} "
            f"| {done.calls:,} |"
        )
    return "\n".join(lines)


def _pm(figure: Estimate, digits: int) -> str:
    return f"{figure.mean:.{digits}f} ± {figure.half_width:.{digits}f}"


if __name__ == "__main__":
    main()
