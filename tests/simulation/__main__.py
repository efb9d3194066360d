"""Any number of seeds: ``python -m tests.simulation --seeds 5000 [--first N] [--kind all]``.

Each failing seed is printed with what was wrong and the command that plays it again; the status
is 1 where there was one.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import time
import traceback

from tests.simulation.days import KINDS
from tests.simulation.store import Store, records_are_whole

PROGRESS_S = 20.0


async def wrong_in(kind: str, seed: int, store: Store) -> list[str]:
    """What went wrong on this day, also in the records that were made of it."""
    try:
        found, world = KINDS[kind](seed)
        if world is not None:
            entries = world.entries
            found += await records_are_whole(store, entries, random.Random(f"store {seed}"))
    except Exception:
        return [traceback.format_exc()]
    return found


async def explore(kinds: list[str], first: int, seeds: int) -> int:
    store = Store()
    await store.open()
    began = told = time.monotonic()
    failed = done = 0
    for seed in range(first, first + seeds):
        for kind in kinds:
            found = await wrong_in(kind, seed, store)
            done += 1
            if found:
                failed += 1
                print(f"FAILED {kind} {seed}", *found, sep="\n  ")
                again = f"python -m tests.simulation --kind {kind} --first {seed} --seeds 1"
                print(f"  again: {again}", flush=True)
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            rate = done / (told - began)
            print(f"... seed {seed}, {done} days, {failed} failed, {rate:.1f} a second", flush=True)
    await store.close()
    print(f"{done} days, {failed} failed, in {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many, default 100")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", choices=(*KINDS, "each"), default="each")
    words = parser.parse_args()
    logging.disable(logging.CRITICAL)
    kinds = list(KINDS) if words.kind == "each" else [words.kind]
    return asyncio.run(explore(kinds, words.first, words.seeds))


if __name__ == "__main__":
    sys.exit(main())
