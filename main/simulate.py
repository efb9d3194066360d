"""``offhook simulate``: a configuration against a pattern of calls, on a virtual clock.

The production floor decides, the production statistics count; only callers, phones and time are
made up. The same seed gives the same day, bit by bit.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from config.loading import load_settings
from config.settings import Settings
from main.simulate_centre import centre
from main.simulate_day import (
    MONDAY,
    Day,
    PatternError,
    from_forecast,
    from_history,
    rules_of,
    steady,
    stream,
)
from main.simulate_digest import Digest
from main.simulate_forecast import read_forecast
from main.simulate_history import is_day
from main.simulate_report import Played, as_json, as_table
from queues.rehearsal import Manners, Rehearsal
from queues.rehearsal_calls import INFINITE
from queues.rules import FloorRules
from queues.statistics import Statistics

OCCUPANCY = 0.8  # of the calls that are made up where nothing is said
KEPT_S = 40 * 86_400.0  # callers who wait for a callback may be called on another day
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


def run(options: argparse.Namespace) -> int:
    """0; raises PeerError where pattern or configuration are wrong."""
    day = _day(options)
    manners = Manners(
        answer_s=options.answer_s,
        refused=options.refused,
        rung_out=options.rung_out,
        callback_share=options.callbacks,
    )
    if not options.json:
        print(day.told)
    played = play(day, manners, options.seed)
    if options.json:
        print(json.dumps(as_json(played)))
    else:
        print(as_table(played))
    return 0


def play(day: Day, manners: Manners, seed: int) -> Played:
    """Rehearse the day."""
    statistics = Statistics(KEPT_S)
    digest = Digest()
    rehearsal = Rehearsal(
        day.rules, [statistics.apply, digest.apply], stream(seed, "phones"), manners
    )
    began, cpu_began = time.perf_counter(), time.process_time()
    gc.collect()
    gc.freeze()  # what is there stays; looking through it again and again takes a tenth
    try:
        rehearsal.run(day.callers, day.shifts, day.opens)
    finally:
        gc.unfreeze()
    return Played(
        statistics=statistics,
        now=rehearsal.now,
        calls=rehearsal.calls,
        queues=sorted(day.rules.queues),
        agents=sorted(day.rules.agents),
        digest=digest.hexdigest(),
        seconds=time.perf_counter() - began,
        cpu_s=time.process_time() - cpu_began,
        seed=seed,
    )


def _day(options: argparse.Namespace) -> Day:
    if options.centre is not None:
        if options.config or options.calls or options.calls_per_hour or options.agents:
            raise PatternError("--centre makes up configuration and calls; leave out the others")
        return centre(options.centre, options.seed)
    if options.calls is not None and options.calls_per_hour is not None:
        raise PatternError("say either --calls, a pattern, or --calls-per-hour")
    settings = load_settings(options.config)
    rules = rules_of(settings, options.agents)
    pattern = options.calls
    if pattern is None:
        return _steady(options, settings, rules)
    if is_day(pattern):
        records = settings if options.records is None else load_settings(options.records)
        return from_history(rules, records, pattern, options.seed)
    alone = next(iter(rules.queues)) if len(rules.queues) == 1 else ""
    forecast = read_forecast(Path(pattern), rules.queues, alone)
    return from_forecast(settings, rules, forecast, options.date, options.seed)


def _steady(options: argparse.Namespace, settings: Settings, rules: FloorRules) -> Day:
    """Without a pattern: as many calls as keep the agents at work for most of the time."""
    calls_per_hour = options.calls_per_hour
    if calls_per_hour is None:
        calls_per_hour = max(1, len(rules.agents)) * OCCUPANCY * 3600.0 / options.aht
    return steady(
        settings,
        rules,
        calls_per_hour=calls_per_hour,
        aht_s=options.aht,
        patience_s=options.patience or INFINITE,
        hours=options.hours,
        day=options.date,
        seed=options.seed,
    )


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
