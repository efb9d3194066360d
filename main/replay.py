"""``offhook replay``: every decision in the log taken again, bit by bit."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings
    from engine.replaying import Replayed


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "replay", help="check that the log, replayed, gives the same decisions (read-only)"
    )
    command.add_argument("--json", action="store_true", help="end with one JSON object")
    command.add_argument(
        "-c", "--config", type=Path, default=None, help="default: the shipped configuration"
    )


def run(options: argparse.Namespace) -> int:
    return replay(options.config, as_json=options.json)


def replay(config: Path | None, *, as_json: bool) -> int:
    """0 where every decision came out alike; 1 with each difference where not; 2 without a log."""
    from config.loading import load_settings
    from engine.registry import product_registry
    from engine.replaying import replay_log
    from main.cli import version

    folder = journal_of(load_settings(config))
    if not folder.is_dir():
        print(f"{folder}: no journal there", file=sys.stderr)
        return 2
    found = replay_log(folder, product_registry(), version())
    _tell(found)
    if as_json:
        print(json.dumps(_values(found)))
    return 1 if found.result.different else 0


def journal_of(settings: Settings) -> Path:
    """Where the log lies."""
    return settings.data_dir / "journal"


def _tell(found: Replayed) -> None:
    result = found.result
    print(f"log: entries {found.first} to {found.last}, known from {found.checked_from} on")
    print(
        f"decisions: {result.decisions}, of which {result.decisions - result.unchecked} were "
        f"taken again; {result.timers} facts of time and {result.pictures} pictures compared"
    )
    print(f"latest timer: {result.late_s:.3f} s after its time")
    print(f"digest: {result.digest}")
    print(f"differences: {result.different}")
    for one in result.differences:
        print(f"  entry {one.seq} at {one.at:.6f}{f', call {one.call}' if one.call else ''}")
        print(f"    the log:    {one.recorded}")
        print(f"    the replay: {one.replayed}")


def _values(found: Replayed) -> dict[str, object]:
    values = asdict(found.result)
    return {"first": found.first, "last": found.last, "checked_from": found.checked_from} | values
