"""Reports: steps of a calendar, and sums that do not depend on where they were kept."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.figures.reports import Calendar, agent_lines, by_name, label_of, queue_lines
from queues.figures.statistics import Step, fold
from queues.figures.tallies import Tally, WorkTally
from tests.queues.made_up import AGENTS, QUEUES, START, made_up_log

RIGA, KATHMANDU, CAIRO = (
    ZoneInfo(f"{name}") for name in ("Europe/Riga", "Asia/Kathmandu", "Africa/Cairo")
)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def calendar(start: str, end: str, step: Step, zone: ZoneInfo = RIGA, most: int = 10) -> Calendar:
    return Calendar(at(start), at(end), step, zone, most)


def hours(made: Calendar) -> list[float]:
    return [(end - begin) / 3600 for begin, end in made.spans]


def test_days_are_as_long_as_they_are() -> None:
    spring = calendar("2026-03-28T12:00+02:00", "2026-03-30T12:00+03:00", "day")
    assert hours(spring) == [24, 23, 24]
    autumn = calendar("2026-10-25T00:00+03:00", "2026-10-26T00:00+02:00", "day")
    assert hours(autumn) == [25]
    assert calendar("2026-10-25T00:00+03:00", "2026-10-26T00:01+02:00", "hour", most=30).complete


def test_a_day_without_a_midnight() -> None:
    """Clocks in Cairo go from midnight to one o'clock on 24 April 2026."""
    made = calendar("2026-04-23T10:00+02:00", "2026-04-25T10:00+03:00", "day", CAIRO)
    assert hours(made) == [24, 23, 24]
    assert all(made.spans[n][1] == made.spans[n + 1][0] for n in range(2))


def test_hours_go_by_the_zone_s_minutes() -> None:
    made = calendar("2026-03-02T10:00+05:45", "2026-03-02T12:30+05:45", "hour", KATHMANDU)
    assert hours(made) == [1, 1, 1]
    assert datetime.fromtimestamp(made.start, UTC).minute == 15


def test_what_is_touched_is_told_wholly_and_what_is_outside_is_in_no_step() -> None:
    made = calendar("2026-03-02T10:20+02:00", "2026-03-02T10:31+02:00", "15min")
    assert made.start == at("2026-03-02T10:15+02:00")
    assert made.end == at("2026-03-02T10:45+02:00")
    assert made.place(made.start) == 0
    assert made.place(made.start + 900) == 1
    assert made.place(made.start - 900) is None
    assert made.place(made.end) is None


def test_too_many_steps_are_not_made() -> None:
    made = calendar("2020-01-01T00:00+00:00", "2030-01-01T00:00+00:00", "15min")
    assert not made.complete
    assert len(made.spans) == 11


def test_personal_queues_have_one_name() -> None:
    rows = [("@ann", 0.0, Tally()), ("main", 0.0, Tally()), ("@bob", 900.0, Tally())]
    found = by_name(rows)
    assert found.keys() == {"@ann", "@bob", "(personal)", "main"}
    assert [begin for begin, _ in found["(personal)"]] == [0.0, 900.0]
    assert label_of("@ann") == "(personal)"


@given(
    seed=st.integers(0, 1 << 32),
    length=st.integers(1, 400),
    step=st.sampled_from(["15min", "hour", "day"]),
    kept=st.integers(0, 200),
)
@pytest.mark.parametrize("zone", [RIGA, KATHMANDU], ids=["riga", "kathmandu"])
def test_it_is_all_the_same_which_rows_the_database_brings(
    zone: ZoneInfo, seed: int, length: int, step: Step, kept: int
) -> None:
    """Memory alone, or older rows from the database: quarter by quarter, or whole days summed."""
    log = made_up_log(seed, length)
    figures = fold(log, kept_s=1e9)
    now = log[-1].at + 5.0
    made = Calendar(START, now + 1.0, step, zone, 10_000)
    kept_from = START + 900.0 * kept
    for queue in (*QUEUES, "(personal)"):
        rows = [
            (begin, tally)
            for name in figures.names_of(queue)
            for begin, tally in figures.visits.ledger.rows.get(name, {}).items()
            if begin < kept_from
        ]
        alone = queue_lines(figures, queue, [], made, 0.0, now)
        assert queue_lines(figures, queue, rows, made, kept_from, now) == alone
        sums: dict[float, Tally] = {}
        for begin, tally in rows:
            place = made.place(begin)
            if place is not None:
                sums.setdefault(made.spans[place][0], Tally()).add(tally)
        assert queue_lines(figures, queue, sums.items(), made, kept_from, now) == alone
        assert sum(line.figures.waiting for line in alone) == (
            figures.figures(now, queue=queue, start=made.start).waiting
        )
        for line in alone:
            tally = line.figures.tally
            assert tally.offered == tally.decided + line.figures.waiting
    for agent in AGENTS:
        work: list[tuple[float, WorkTally]] = [
            row for row in figures.worktime.ledger.rows.get(agent, {}).items() if row[0] < kept_from
        ]
        single = agent_lines(figures, agent, [], made, 0.0, now)
        assert agent_lines(figures, agent, work, made, kept_from, now) == single
        total = WorkTally()
        for line in single:
            total.add(line.work)
        assert total == figures.work(now, agent, start=made.start)
