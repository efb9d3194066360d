"""Opening hours: the wall clock decides, also across clock changes, midnight and holidays."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.hours import DAYS, parse_dates, parse_days, parse_spans, state
from ivr.build import build_schedule
from ivr.schema import Schedule

OFFICE = {
    "timezone": "Europe/Riga",
    "week": {"mon-fri": "09:00-13:00, 14:00-18:00", "sat": "10:00-14:00"},
    "holidays": ["12-25", "2026-12-31..2027-01-01", "2026-11-18"],
    "special": {"2026-12-24": "09:00-12:00", "2026-11-18": "closed"},
}
NIGHT = {"timezone": "Europe/Riga", "week": {"mon-sun": "22:00-04:00"}, "holidays": ["2026-11-18"]}
ALWAYS = {"timezone": "UTC", "week": {"mon-sun": "00:00-24:00"}}


def at(text: str, zone: str = "Europe/Riga", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        (OFFICE, "2026-11-20 08:59:59", "closed"),  # a Friday
        (OFFICE, "2026-11-20 09:00:00", "open"),
        (OFFICE, "2026-11-20 12:59:59", "open"),
        (OFFICE, "2026-11-20 13:30:00", "closed"),
        (OFFICE, "2026-11-20 17:59:59", "open"),
        (OFFICE, "2026-11-20 18:00:00", "closed"),
        (OFFICE, "2026-11-21 10:30:00", "open"),  # Saturday
        (OFFICE, "2026-11-22 10:30:00", "closed"),  # Sunday
        (OFFICE, "2026-12-25 10:00:00", "holiday"),
        (OFFICE, "2031-12-25 10:00:00", "holiday"),  # every year
        (OFFICE, "2027-01-01 10:00:00", "holiday"),  # within a range
        (OFFICE, "2027-12-31 10:00:00", "open"),  # another year's
        (OFFICE, "2026-12-24 11:59:00", "open"),
        (OFFICE, "2026-12-24 15:00:00", "closed"),  # special hours go over the weekday's
        (OFFICE, "2026-11-18 10:00:00", "closed"),  # and over a holiday
        (NIGHT, "2026-11-16 23:00:00", "open"),
        (NIGHT, "2026-11-17 03:59:00", "open"),
        (NIGHT, "2026-11-17 04:00:00", "closed"),
        (NIGHT, "2026-11-18 03:00:00", "open"),  # the night that began before the holiday
        (NIGHT, "2026-11-18 23:00:00", "holiday"),
        (NIGHT, "2026-11-19 03:00:00", "closed"),  # would have begun on the holiday
        (ALWAYS, "2026-11-20 23:59:59", "open"),
    ],
)
def test_moments(schedule: dict[str, object], moment: str, expected: str) -> None:
    built = build_schedule(Schedule.model_validate(schedule), "UTC")
    zone = str(schedule["timezone"])
    assert state(built, at(moment, zone)) == expected


def test_clock_changes_follow_the_wall_clock() -> None:
    built = build_schedule(Schedule.model_validate(OFFICE), "UTC")
    # Riga: UTC+3 until 2026-10-25 04:00, then UTC+2; UTC+3 again from 2027-03-28 03:00.
    assert state(built, datetime(2026, 10, 23, 6, 0, tzinfo=UTC).timestamp()) == "open"
    assert state(built, datetime(2026, 10, 26, 6, 59, tzinfo=UTC).timestamp()) == "closed"
    assert state(built, datetime(2026, 10, 26, 7, 0, tzinfo=UTC).timestamp()) == "open"
    assert state(built, datetime(2027, 3, 29, 6, 0, tzinfo=UTC).timestamp()) == "open"


def test_the_hour_that_comes_twice_and_the_one_that_is_skipped() -> None:
    shift = {"timezone": "Europe/Riga", "week": {"sun": "03:00-04:00"}}
    built = build_schedule(Schedule.model_validate(shift), "UTC")
    assert state(built, at("2026-10-25 03:30", fold=0)) == "open"
    assert state(built, at("2026-10-25 03:30", fold=1)) == "open"
    opened = sum(
        state(built, datetime(2027, 3, 28, hour, minute, tzinfo=UTC).timestamp()) == "open"
        for hour in range(24)
        for minute in (0, 30)
    )
    assert opened == 0  # 03:00-04:00 does not exist on that Sunday


def test_the_flows_zone_serves_where_the_schedule_names_none() -> None:
    week = {"week": {"mon-sun": "09:00-10:00"}}
    built = build_schedule(Schedule.model_validate(week), "Asia/Tokyo")
    assert state(built, at("2026-11-20 09:30", "Asia/Tokyo")) == "open"


def test_days_and_dates() -> None:
    assert parse_days("mon-fri") == (0, 1, 2, 3, 4)
    assert parse_days("sat-mon") == (5, 6, 0)
    assert parse_days("Tue, thu") == (1, 3)
    assert parse_dates("02-29") == ("02-29",)
    assert parse_dates("2026-12-30..2027-01-01") == ("2026-12-30", "2026-12-31", "2027-01-01")
    assert parse_spans("closed") == ()


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (parse_days, "monday", "known: mon, tue"),
        (parse_spans, "9-18", "write '09:00-18:00'"),
        (parse_spans, "09:00-25:00", "no time of day"),
        (parse_spans, "09:60-10:00", "no time of day"),
        (parse_dates, "2026-02-30", "write 2026-12-25, or 12-25"),
        (parse_dates, "25.12.2026", "write 2026-12-25, or 12-25"),
        (parse_dates, "12-24..12-26", "must name years"),
        (parse_dates, "2026-12-26..2026-12-24", "must go forward"),
        (parse_dates, "2026-12-26..2029-12-24", "by a year at most"),
    ],
)
def test_what_is_refused(parse: object, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse(text)  # type: ignore[operator]


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(DAYS),
        st.tuples(st.integers(0, 1439), st.integers(0, 1440)).map(
            lambda span: (
                f"{span[0] // 60:02}:{span[0] % 60:02}-{span[1] // 60:02}:{span[1] % 60:02}"
            )
        ),
        min_size=1,
    ),
    st.sampled_from(("UTC", "Europe/Riga", "America/St_Johns", "Pacific/Apia")),
    st.integers(0, 4_000_000_000),
)
def test_any_moment_has_a_state(week: dict[str, str], zone: str, now: int) -> None:
    built = build_schedule(Schedule(timezone=zone, week=week), "UTC")
    assert state(built, now) in ("open", "closed")
