"""When a queue is open, and when it will be."""

from __future__ import annotations

from datetime import datetime, timedelta

from config.hours import Schedule, state

DAYS_AHEAD = 8


def is_open(schedule: Schedule | None, now: float) -> bool:
    """Without a schedule always."""
    return schedule is None or state(schedule, now) == "open"


def next_opening(schedule: Schedule, now: float) -> float:
    """The first opening after ``now``, by the wall clock of the schedule's zone. Where there is
    none within ``DAYS_AHEAD`` days: so many days from now, to look again."""
    local = datetime.fromtimestamp(now, schedule.zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    for days in range(DAYS_AHEAD + 1):
        day = midnight + timedelta(days=days)
        for start, _ in sorted(schedule.spans(day.date()) or ()):
            opens = (day + timedelta(minutes=start)).timestamp()
            if opens > now and state(schedule, opens) == "open":
                return opens
    return now + DAYS_AHEAD * 86_400.0
