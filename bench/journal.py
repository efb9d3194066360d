"""What being durable first costs the queue: from the decision to the effect that shows it.

    python -m bench.journal [--seconds N] [--rate CALLS] [--dir FOLDER]

Calls come at ``--rate`` in a second (50), evenly but for a seeded jitter. Each has the turns of a
call that is answered (arrives, is picked up, walks a menu, queues, is offered, connects, talks,
ends), at the times of such a call, and each turn gives what the engine gives: its facts, the
call's state to be kept and its SIP legs', of the sizes that they have. Turns with a binding fact
wait until it is on disk before their effect shows, as ``engine.turns`` does; the time from the
append to that moment is what durability adds. The journal is the engine's own, on a real disk,
written by its thread; the loop is the engine's (uvloop).

The last line of standard output is one JSON object:

rate, calls, commits    calls in a second; calls; turns that waited for the disk
added_ms_p50, _p99, _max            the wait with fdatasync
unsynced_ms_p50, _p99, _max         the same with a journal whose fdatasync does nothing
ratio                   added_ms_p99 / unsynced_ms_p99 (to reach: added_ms_p99 under 10)
offer_ms_p50, _p99      of the turns that decide who is rung (OfferMade to the INVITE)
syncs_per_s             fdatasyncs in a second: turns share them
fdatasync_ms_p50, _p99  one fdatasync after 2 KB by itself, on the same disk, in the same run
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import quantiles

import uvloop

from engine.journal import Journal
from engine.journal_writer import OsFiles
from engine.kept import CallKept, LegKept
from engine.registry import product_registry
from queues.events import OfferMade
from router.events import CallPickedUp

SEED = 4
# (seconds after the arrival, whether the turn has a binding fact, legs that it changes)
TURNS = (
    (0.0, True, 1),  # arrives
    (0.02, False, 1),  # picked up
    (0.1, False, 1),  # the ACK
    (1.2, False, 0),  # a digit
    (1.21, True, 0),  # queued
    (1.3, True, 1),  # offered: decided, the INVITE leaves
    (1.35, False, 1),  # rings
    (1.6, True, 1),  # accepted, connected
    (1.62, False, 1),
    (1.7, True, 0),  # the recording begins
    (2.6, True, 2),  # ended
    (2.65, False, 2),
)
OFFERED = 5  # the turn that decides
CALL_BYTES, LEG_BYTES = 1_500, 1_200
ALONE = 200


class Unsynced(OsFiles):
    """A disk that claims to have written."""

    def sync(self, fd: int) -> None:
        """It has not."""

    def sync_folder(self, folder: Path) -> None:
        """Nor the names."""


class Counted(OsFiles):
    """The real one, counted."""

    def __init__(self) -> None:
        self.syncs = 0

    def sync(self, fd: int) -> None:
        self.syncs += 1
        super().sync(fd)


@dataclass
class Run:
    """Waits in seconds."""

    waits: list[float] = field(default_factory=list)
    offers: list[float] = field(default_factory=list)


async def run(folder: Path, files: OsFiles, seconds: float, rate: float) -> Run:
    """Play the calls; every wait of a binding turn."""
    done = Run()
    loop = asyncio.get_running_loop()
    journal = Journal.open(folder, product_registry(), files=files)
    draw = random.Random(SEED)
    begun = loop.time() + 0.2
    turns = sorted(
        (begun + number / rate + draw.random() / rate + after, number, at)
        for number in range(int(seconds * rate))
        for at, (after, _, _) in enumerate(TURNS)
    )
    waiting = 0

    def state(call: str) -> None:
        journal.append(call, CallKept(os.urandom(CALL_BYTES)), time.perf_counter())

    def leg_state(leg: str) -> None:
        journal.append("", LegKept(leg, os.urandom(LEG_BYTES)), time.perf_counter())

    def turn(number: int, at: int) -> None:
        nonlocal waiting
        began = time.perf_counter()
        _, binds, legs = TURNS[at]
        call = f"c{number}"
        fact = OfferMade("anna", 1, "support", 20.0, 1) if at == OFFERED else CallPickedUp()
        entry = journal.append(call, fact, began)
        journal.keep(call, partial(state, call))
        for leg in range(legs):
            journal.keep((call, leg), partial(leg_state, f"{call}-{leg}"))
        if not binds:
            return
        waiting += 1

        def shows() -> None:
            nonlocal waiting
            waiting -= 1
            took = time.perf_counter() - began
            done.waits.append(took)
            if at == OFFERED:
                done.offers.append(took)

        journal.when_durable(entry.seq, shows)

    for due, number, at in turns:
        if (left := due - loop.time()) > 0:
            await asyncio.sleep(left)
        turn(number, at)
    while waiting:
        await asyncio.sleep(0.01)
    await journal.close()
    return done


def alone(folder: Path) -> list[float]:
    """One fdatasync at a time, of a file that grows by 2 KB."""
    took = []
    fd = os.open(folder / "alone", os.O_WRONLY | os.O_CREAT, 0o600)
    for _ in range(ALONE):
        os.write(fd, os.urandom(2_048))
        began = time.perf_counter()
        os.fdatasync(fd)
        took.append(time.perf_counter() - began)
    os.close(fd)
    return took


def figures(name: str, waits: list[float]) -> dict[str, float]:
    """Median, 99th percentile and worst of waits, in milliseconds."""
    cuts = quantiles(waits, n=100)
    worst = {f"{name}_p50": cuts[49], f"{name}_p99": cuts[98], f"{name}_max": max(waits)}
    return {key: round(value * 1e3, 3) for key, value in worst.items()}


def measure(folder: Path, seconds: float, rate: float) -> dict[str, float]:
    """The JSON object."""
    counted = Counted()
    began = time.monotonic()
    synced = uvloop.run(run(folder / "synced", counted, seconds / 2, rate))
    took = time.monotonic() - began
    unsynced = uvloop.run(run(folder / "unsynced", Unsynced(), seconds / 2, rate))
    found = {
        "rate": rate,
        "calls": int(seconds / 2 * rate),
        "commits": len(synced.waits),
        **figures("added_ms", synced.waits),
        **figures("unsynced_ms", unsynced.waits),
        **figures("offer_ms", synced.offers),
        "syncs_per_s": round(counted.syncs / took, 1),
        **figures("fdatasync_ms", alone(folder)),
    }
    return {**found, "ratio": round(found["added_ms_p99"] / found["unsynced_ms_p99"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--dir", type=Path, default=None, help="where the journal is written")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.dir, prefix="offhook-journal-") as folder:
        print(json.dumps(measure(Path(folder), chosen.seconds, chosen.rate)))


if __name__ == "__main__":
    main()
