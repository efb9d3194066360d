"""The arguments of ``offhook simulate``, and the kinds of numbers that commands take.

Light on purpose: every command's parser is made from here, also in the processes of a call centre
that will never rehearse anything.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from datetime import date
from pathlib import Path

MONDAY = date(2026, 1, 5)  # of forecasts without a date: the same opening hours each time
ABOUT = """\
Run a configuration against a pattern of calls: the production floor on a virtual clock, with the
figures of the live system. Try tomorrow's queue settings on yesterday's calls.
"""
EXAMPLES = """\
examples:
  offhook simulate my.yaml --calls day.csv          a forecast: interval,queue,calls,aht_s,agents
  offhook simulate new.yaml --calls yesterday       the call history of new.yaml's data_dir
  offhook simulate new.yaml --calls 2026-11-20 --records my.yaml
  offhook simulate my.yaml --calls-per-hour 120 --aht 240 --agents 12
  offhook simulate --centre 1000                    a made-up day: 1,000 agents, 200,000 calls
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's arguments."""
    simulate = commands.add_parser(
        "simulate",
        help="rehearse a day: a configuration against a pattern of calls",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    simulate.add_argument("config", nargs="?", type=Path, help="default: the shipped configuration")
    calls = simulate.add_argument_group("who calls")
    calls.add_argument(
        "--calls", metavar="PATTERN", help="a CSV file, 'yesterday' or a day (2026-11-20)"
    )
    calls.add_argument(
        "--records", type=Path, metavar="CONFIG", help="whose call history; default: CONFIG's own"
    )
    calls.add_argument("--calls-per-hour", type=positive, metavar="N", help="without a pattern")
    calls.add_argument("--aht", type=positive, default=180.0, metavar="S", help="default: 180")
    calls.add_argument("--patience", type=positive, metavar="S", help="mean; default: endless")
    calls.add_argument("--hours", type=positive, default=8.0, metavar="N", help="default: 8")
    calls.add_argument(
        "--date", type=_date, default=MONDAY, help=f"of a forecast, for opening hours: {MONDAY}"
    )
    agents = simulate.add_argument_group("who answers")
    agents.add_argument(
        "--agents", type=count, metavar="N", help="so many made-up agents, who can do everything"
    )
    agents.add_argument("--centre", type=count, metavar="N", help="a made-up centre and its day")
    agents.add_argument(
        "--answer-s", type=not_negative, default=3.0, metavar="S", help="a phone rings: 3"
    )
    agents.add_argument(
        "--refused", type=part, default=0.0, metavar="SHARE", help="of offers, 0 to 1"
    )
    agents.add_argument(
        "--rung-out", type=part, default=0.0, metavar="SHARE", help="of offers, 0 to 1"
    )
    agents.add_argument(
        "--callbacks", type=part, default=0.0, metavar="SHARE", help="of those who wait a minute"
    )
    simulate.add_argument("--seed", type=int, default=1, metavar="N", help="of chance: 1")
    simulate.add_argument("--json", action="store_true", help="end with one JSON object")


# Kinds of argument; argparse says which one is wrong.


def _number(text: str, fits: Callable[[float], bool], right: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and fits(number)):
        raise argparse.ArgumentTypeError(f"{text!r} is not right; say {right}")
    return number


def positive(text: str) -> float:
    """A number above 0."""
    return _number(text, lambda number: 0 < number <= 1e7, "a number above 0")


def not_negative(text: str) -> float:
    """A number of 0 or more."""
    return _number(text, lambda number: 0 <= number <= 1e7, "0 or a number above it")


def part(text: str) -> float:
    """A share."""
    return _number(text, lambda number: 0 <= number <= 1, "a share from 0 to 1, like 0.05")


def count(text: str) -> int:
    """A whole number from 1."""
    right = "a whole number from 1 to 100000"
    return int(_number(text, lambda number: number == int(number) and 1 <= number <= 1e5, right))


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write 2026-11-20") from error
