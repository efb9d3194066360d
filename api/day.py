"""Where the day began that figures speak of."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from queues.figures.statistics import bounds


def start_of_day(now: float, zone: str) -> float:
    """Unix time of the latest midnight in the configured time zone."""
    return bounds(now, "day", ZoneInfo(zone))[0]
