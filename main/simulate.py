"""``offhook simulate``: a configuration against a pattern of calls, on a virtual clock.

The production floor decides, the production statistics count; only callers, phones and time are
made up. The same seed gives the same day, bit by bit.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from pathlib import Path

from config.loading import load_settings
from config.settings import Settings
from main.simulate_centre import centre
from main.simulate_day import (
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
from queues.figures.statistics import Statistics
from queues.rehearsal.rehearsal import Manners, Rehearsal
from queues.rehearsal.rehearsal_calls import INFINITE
from queues.rules import FloorRules

OCCUPANCY = 0.8  # of the calls that are made up where nothing is said
KEPT_S = 40 * 86_400.0  # callers who wait for a callback may be called on another day


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
