"""Figures that are written down and taken up again are those that nobody stopped."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.figures.statistics import Statistics, fold
from queues.figures.statistics_kept import (
    Interval,
    UnderWay,
    interval,
    intervals,
    taken_up,
    under_way,
)
from tests.queues.lines import queue_report
from tests.queues.made_up import AGENTS, QUEUES, START, made_up_log, whole

SEEDS = st.integers(0, 1 << 32)


def through_json(statistics: Statistics) -> Statistics:
    """The figures as a next process has them."""
    state = msgspec.json.encode(under_way(statistics))
    rows = [msgspec.json.encode(interval(statistics, at)) for at in intervals(statistics)]
    changes = statistics.visits.ledger.changed is not None
    again = Statistics(statistics.kept_s, takes_changes=changes)
    taken_up(
        again,
        msgspec.json.decode(state, type=UnderWay),
        [msgspec.json.decode(row, type=Interval) for row in rows],
    )
    return again


@given(seed=SEEDS, length=st.integers(1, 400), stops=st.sets(st.integers(0, 400), max_size=4))
def test_stopping_anywhere_changes_nothing(seed: int, length: int, stops: set[int]) -> None:
    log = made_up_log(seed, length)
    straight = fold(log)
    stopped = Statistics()
    for line in log:
        stopped.apply(line)
        if line.seq in stops:
            stopped = through_json(stopped)
    assert whole(stopped) == whole(straight)
    for now in (log[-1].at, log[-1].at + 15.0, log[-1].at + 5_000.0):
        for queue in (None, *QUEUES):
            assert stopped.figures(now, queue=queue) == straight.figures(now, queue=queue)
        for queue in QUEUES:
            assert queue_report(stopped, now, "hour", queue) == queue_report(
                straight, now, "hour", queue
            )
        for agent in AGENTS:
            assert stopped.work(now, agent) == straight.work(now, agent)
        assert stopped.live(now) == straight.live(now)


@given(seed=SEEDS, length=st.integers(1, 300), again=st.integers(0, 300))
def test_what_is_delivered_twice_counts_once(seed: int, length: int, again: int) -> None:
    """A state that is newer than where the log is read from."""
    log = made_up_log(seed, length)
    statistics = fold(log)
    for line in log[again:]:
        statistics.apply(line)
    assert whole(statistics) == whole(fold(log))


@given(seed=SEEDS, length=st.integers(1, 400), looks=st.sets(st.integers(1, 400), max_size=3))
def test_a_day_so_far_that_is_looked_at_is_the_sum_of_its_intervals(
    seed: int, length: int, looks: set[int]
) -> None:
    """The sums that are kept running for who looks, against those that are added up."""
    log = made_up_log(seed, length)
    statistics = Statistics()
    for line in log:
        statistics.apply(line)
        if line.seq in looks:
            for queue in QUEUES:
                statistics.figures(line.at, queue=queue, start=START)
            for agent in AGENTS:
                statistics.work(line.at, agent, start=START)
    end = log[-1].at + 1e6
    for queue in QUEUES:
        looked = statistics.figures(log[-1].at, queue=queue, start=START)
        assert looked == statistics.figures(log[-1].at, queue=queue, start=START, end=end)
    for agent in AGENTS:
        worked = statistics.work(log[-1].at, agent, start=START)
        assert worked == statistics.work(log[-1].at, agent, start=START, end=end)


@given(seed=SEEDS, length=st.integers(1, 400))
def test_rows_that_changed_are_told_and_stay_until_they_are_taken(seed: int, length: int) -> None:
    """Who follows the changes has every row in the end; what comes days late has none."""
    log = made_up_log(seed, length)
    statistics = Statistics(takes_changes=True)
    everything = fold(log, kept_s=1e9)
    rows: dict[tuple[str, float], Any] = {}
    for number, line in enumerate(log):
        statistics.apply(line)
        if number % 7 == 0 or line is log[-1]:
            queues, agents = statistics.take_changes()
            for taken, ledger in (
                (queues, statistics.visits.ledger),
                (agents, statistics.worktime.ledger),
            ):
                for name, at in taken:
                    rows[name, at] = msgspec.json.encode(ledger.rows[name][at])
    told = {
        (name, at): msgspec.json.encode(row)
        for ledger in (everything.visits.ledger, everything.worktime.ledger)
        for name, at, row in ledger.items()
    }
    newest = statistics.visits.ledger.first
    assert {key: row for key, row in rows.items() if key[1] >= newest} == {
        key: row for key, row in told.items() if key[1] >= newest
    }
    assert rows.keys() <= told.keys()


def test_a_log_whose_beginning_has_left_says_from_where_it_is_whole() -> None:
    log = made_up_log(3, 200)
    late = fold(log[50:])
    assert late.whole_from > log[50].at
    assert late.kept_from >= late.whole_from
    assert through_json(late).whole_from == late.whole_from
    assert fold(log).whole_from == 0.0


def test_a_state_of_another_form_is_refused() -> None:
    kept = fold(made_up_log(1, 200))
    state = under_way(kept)
    row = Interval(START)
    tally = next(iter(kept.totals.values()))
    tally.waits.append(0)
    with pytest.raises(ValueError, match="buckets"):
        taken_up(Statistics(), state, [row])
