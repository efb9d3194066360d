"""Opening hours as a person writes them, for flows and queues alike."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from config import hours
from config.section import Section


class Schedule(Section):
    """Opening hours: ``week`` by weekday, ``special`` by date, and the dates of holidays."""

    timezone: str | None = None
    week: dict[str, str] = Field(min_length=1)
    holidays: tuple[str, ...] = Field((), max_length=500)
    special: dict[str, str] = Field(default_factory=dict, max_length=500)

    @field_validator("week")
    @classmethod
    def _week_is_days_and_spans(cls, value: dict[str, str]) -> dict[str, str]:
        seen: set[int] = set()
        for days, spans in value.items():
            numbers = set(hours.parse_days(days))
            if numbers & seen:
                raise ValueError(f"{days!r} names a day a second time; name each once")
            seen |= numbers
            hours.parse_spans(spans)
        return value

    @field_validator("holidays")
    @classmethod
    def _holidays_are_dates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            hours.parse_dates(text)
        return value

    @field_validator("special")
    @classmethod
    def _special_days_have_spans(cls, value: dict[str, str]) -> dict[str, str]:
        for text, spans in value.items():
            hours.parse_dates(text)
            hours.parse_spans(spans)
        return value


def build_schedule(schedule: Schedule, timezone: str) -> hours.Schedule:
    """The schedule as a value, by its own time zone or else ``timezone``."""
    week: list[hours.Spans] = [()] * 7
    for days, spans in schedule.week.items():
        for day in hours.parse_days(days):
            week[day] = hours.parse_spans(spans)
    special = {
        date: hours.parse_spans(spans)
        for text, spans in schedule.special.items()
        for date in hours.parse_dates(text)
    }
    holidays = {date for text in schedule.holidays for date in hours.parse_dates(text)}
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = week
    return hours.Schedule(
        ZoneInfo(schedule.timezone or timezone),
        (monday, tuesday, wednesday, thursday, friday, saturday, sunday),
        frozenset(holidays),
        special,
    )
