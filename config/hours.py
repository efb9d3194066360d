"""Opening hours and holidays, by the wall clock of a time zone.

``now`` is unix seconds. Wall-clock comparison makes the two nights of a clock change right:
the hour that comes twice is open twice, the hour that is skipped is never asked about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

State = Literal["open", "closed", "holiday"]
Spans = tuple[tuple[int, int], ...]  # minutes since midnight; an end <= start is next day's

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60

_SPAN = re.compile(r"^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$")


@dataclass(frozen=True, slots=True)
class Schedule:
    """``week``: spans of each weekday from Monday. ``special`` days replace their weekday's spans.

    Keys of ``special`` and items of ``holidays`` are ``YYYY-MM-DD`` or, each year, ``MM-DD``.
    """

    zone: ZoneInfo
    week: tuple[Spans, Spans, Spans, Spans, Spans, Spans, Spans]
    holidays: frozenset[str] = frozenset()
    special: Mapping[str, Spans] | None = None

    def spans(self, day: date) -> Spans | None:
        """The opening spans that begin on this day; None on a holiday."""
        names = (day.isoformat(), day.strftime("%m-%d"))
        for name in names:
            if self.special and name in self.special:
                return self.special[name]
        if any(name in self.holidays for name in names):
            return None
        return self.week[day.weekday()]


def state(schedule: Schedule, now: float) -> State:
    """Open, closed or a holiday at this moment."""
    local = datetime.fromtimestamp(now, schedule.zone)
    minute = local.hour * 60 + local.minute
    today = local.date()
    yesterday = schedule.spans(today - timedelta(days=1)) or ()
    if any(end <= start and minute < end for start, end in yesterday):
        return "open"
    spans = schedule.spans(today)
    if spans is None:
        return "holiday"
    if any(start <= minute and (minute < end or end <= start) for start, end in spans):
        return "open"
    return "closed"


def parse_spans(text: str) -> Spans:
    """``09:00-13:00, 14:00-18:00`` or ``closed``. Raises ValueError with the remedy."""
    if text.strip() in ("closed", ""):
        return ()
    spans = []
    for part in text.split(","):
        found = _SPAN.match(part.strip())
        if found is None:
            raise ValueError(f"{part.strip()!r} is no span of hours; write '09:00-18:00'")
        numbers = [int(number) for number in found.groups()]
        start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
        if max(numbers[1], numbers[3]) > 59 or start >= DAY_MIN or end > DAY_MIN:
            raise ValueError(f"{part.strip()!r} is no time of day; from '00:00' to '24:00'")
        spans.append((start, end))
    return tuple(spans)


def parse_days(text: str) -> tuple[int, ...]:
    """``mon-fri``, ``sat`` or ``mon,wed`` as weekday numbers from Monday 0. Raises ValueError."""
    numbers: list[int] = []
    for part in text.lower().split(","):
        first, _, last = part.strip().partition("-")
        last = last or first
        if first not in DAYS or last not in DAYS:
            raise ValueError(f"{part.strip()!r} is no weekday; known: {', '.join(DAYS)}, mon-fri")
        start, end = DAYS.index(first), DAYS.index(last)
        numbers += range(start, end + 1) if start <= end else [*range(start, 7), *range(end + 1)]
    return tuple(numbers)


def parse_dates(text: str) -> tuple[str, ...]:
    """``2026-12-25``, ``12-25`` (each year) or ``2026-12-24..2026-12-26``. Raises ValueError."""
    first, dots, last = text.strip().partition("..")
    if not dots:
        return (_date(first),)
    if len(_date(first)) != 10 or len(_date(last)) != 10:
        raise ValueError(f"{text!r} must name years on both sides, as 2026-12-24..2026-12-26")
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    if not 0 <= (end - start).days <= 366:
        raise ValueError(f"{text!r} must go forward, by a year at most")
    return tuple(
        (start + timedelta(days=days)).isoformat() for days in range((end - start).days + 1)
    )


def _date(text: str) -> str:
    try:
        if re.fullmatch(r"\d{2}-\d{2}", text):
            date.fromisoformat(f"2024-{text}")  # a leap year: 02-29 is a date
            return text
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no date; write 2026-12-25, or 12-25 for every year")
