"""``offhook staff``: how many agents a load needs, by formula and by simulation."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from config.loading import load_settings
from config.settings import Settings
from main.simulate_arguments import MONDAY
from main.simulate_forecast import read_forecast
from main.simulate_history import day_of, midnight, past_calls
from main.staff_plan import StaffError, answer, plan
from main.staff_report import answer_json, answer_table, plan_json, plan_table
from queues.rehearsal.erlang import INFINITE, Aim, Load
from queues.rehearsal.rehearsal_calls import Expectation, PastCall, mean_patience

STEP_S = 1800.0
ALONE = "calls"  # the queue of a file that names none


def run(options: argparse.Namespace) -> int:
    """0; raises PeerError where the question is wrong."""
    asked = [name for name in ("calls", "forecast", "history") if getattr(options, name)]
    if len(asked) != 1:
        raise StaffError("say one of --calls N, --forecast FILE and --history DAY")
    if options.shrinkage >= 1:
        raise StaffError("--shrinkage 1: nobody would be at work; say less than 1")
    if options.picture is not None:
        _may_be_drawn(options.picture)
    if options.calls is not None:
        return _one(options)
    return _day(options)


def _may_be_drawn(picture: Path) -> None:
    """Said before minutes of work and not after them."""
    if picture.suffix not in (".png", ".svg"):
        raise StaffError(f"--picture {picture}: write a name that ends in .png or .svg")
    if not picture.parent.is_dir():
        raise StaffError(f"--picture {picture}: there is no folder {picture.parent}; make it first")
    if picture.is_dir():
        raise StaffError(f"--picture {picture}: that is a folder; write the name of a file")
    if not os.access(picture if picture.exists() else picture.parent, os.W_OK):
        raise StaffError(f"--picture {picture}: cannot be written there; choose another folder")


def _one(options: argparse.Namespace) -> int:
    load = Load(options.calls, options.aht, options.patience or INFINITE)
    aim = _aim(options, None, "")
    found = answer(load, aim, options.seed, simulate=not options.no_simulation)
    if options.picture is not None:
        from main.staff_picture import draw_answer

        draw_answer(found, options.picture)
    if options.json:
        print(json.dumps(answer_json(found, options.shrinkage)))
    else:
        print(answer_table(found, options.shrinkage))
        _drawn(options)
    return 0


def _day(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    day = (
        _from_forecast(options, settings) if options.forecast else _from_history(options, settings)
    )
    names = sorted({part.queue for part in day.parts})
    if options.queue is not None:
        if options.queue not in names:
            raise StaffError(f"no calls of queue {options.queue!r}; there are: {', '.join(names)}")
        names = [options.queue]
    plans = []
    for name in names:
        if not options.json:
            print(f"{name}: ...", file=sys.stderr)
        mine = [part for part in day.parts if part.queue == name]
        aim = _aim(options, settings, name)
        plans.append(plan(name, mine, aim, options.seed, simulate=not options.no_simulation))
    if options.picture is not None:
        from main.staff_picture import draw_plans

        draw_plans(plans, options.picture, day.zone, day.told)
    if options.json:
        print(json.dumps(plan_json(plans, day.zone, options.shrinkage)))
    else:
        print(plan_table(plans, day.zone, options.shrinkage))
        _drawn(options)
    return 0


def _drawn(options: argparse.Namespace) -> None:
    if options.picture is not None:
        print(f"picture: {options.picture}")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a day will bring; ``talk_s`` of its parts is the whole handling time."""

    parts: Sequence[Expectation]
    zone: ZoneInfo
    told: str


def _aim(options: argparse.Namespace, settings: Settings | None, queue: str) -> Aim:
    within_s, share = 20.0, 0.8
    for known in settings.queues if settings is not None else ():
        if known.name == queue:
            within_s, share = known.target_s, known.target_share
    share = share if options.share is None else options.share
    if share >= 1:
        raise StaffError("a share of 1: no number of agents guarantees it; say for example 0.99")
    return Aim(share, options.within or within_s, options.abandon_max)


def _from_forecast(options: argparse.Namespace, settings: Settings) -> Outlook:
    zone = ZoneInfo(settings.timezone)
    queues = [queue.name for queue in settings.queues] if options.config is not None else None
    alone = queues[0] if queues is not None and len(queues) == 1 else ALONE
    if queues is not None and len(queues) > 1:
        alone = ""
    forecast = read_forecast(options.forecast, queues, alone)
    start = midnight(MONDAY, zone)
    return Outlook(
        [
            Expectation(
                part.queue,
                start + part.start_s,
                part.length_s,
                part.calls,
                part.aht_s,
                part.patience_s or options.patience or INFINITE,
            )
            for part in forecast.parts
        ],
        zone,
        options.forecast.name,
    )


def _from_history(options: argparse.Namespace, settings: Settings) -> Outlook:
    """Half hours of the day, or the mean of as many such weekdays as are asked for."""
    zone = ZoneInfo(settings.timezone)
    last = day_of(options.history, zone)
    wrap_up = {queue.name: queue.wrap_up_s for queue in settings.queues}
    past: list[PastCall] = []
    chosen = [last - timedelta(weeks=week) for week in range(options.weeks)]
    for day in chosen:
        shift = midnight(last, zone) - midnight(day, zone)
        past += [
            PastCall(call.at + shift, call.queue, call.waited_s, call.talk_s, call.gave_up)
            for call in past_calls(settings, day)
        ]
    patience = mean_patience(past)
    parts = []
    for queue in sorted({call.queue for call in past}):
        mine = [call for call in past if call.queue == queue]
        usual = _mean_talk(mine) or options.aht
        by_step: dict[float, list[PastCall]] = {}
        for call in mine:
            by_step.setdefault(call.at // STEP_S * STEP_S, []).append(call)
        parts += [
            Expectation(
                queue,
                start,
                STEP_S,
                len(calls) / len(chosen),
                (_mean_talk(calls) or usual) + wrap_up.get(queue, 0.0),
                patience.get(queue, options.patience or INFINITE),
            )
            for start, calls in sorted(by_step.items())
        ]
    return Outlook(parts, zone, _told(chosen))


def _mean_talk(calls: Sequence[PastCall]) -> float | None:
    talks = [call.talk_s for call in calls if call.talk_s is not None]
    return sum(talks) / len(talks) if talks else None


def _told(chosen: Sequence[date]) -> str:
    if len(chosen) == 1:
        return f"calls of {chosen[0]}"
    return f"mean of {len(chosen)} {chosen[0]:%A}s until {chosen[0]}"
