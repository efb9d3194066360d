"""The pieces of the wait estimate: what is learned, the time of the n-th release, lines."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.estimates.estimate_ahead import Burden, clearing_s
from queues.estimates.estimate_learning import NORMAL_TAIL, Mean, Patience, Quantiles, Rate
from queues.estimates.estimate_model import DRIFT, Outlook, drain_s, outlook
from queues.estimates.estimate_staff import INSERTED_MAX, Kind, Place, Staff
from queues.order import Line
from queues.rules import AgentRules, FloorRules, QueueRules


def test_the_latest_values_count() -> None:
    mean = Mean(180.0, 5.0, 100.0)
    for _ in range(20):
        mean.add(60.0)
    assert mean.mean == pytest.approx((5 * 180 + 20 * 60) / 25)
    for _ in range(600):
        mean.add(300.0)
    assert mean.mean == pytest.approx(300.0, rel=0.01)
    assert mean.spread == pytest.approx(0.0, abs=0.02)


def test_spread_of_exponential_values_is_one() -> None:
    random = Random(1)
    mean = Mean(10.0, 1.0, 5000.0)
    for _ in range(5000):
        mean.add(random.expovariate(0.1))
    assert mean.spread == pytest.approx(1.0, abs=0.15)
    assert Mean(0.0, 1.0, 10.0).spread == 0.0


def test_a_rate_fades_when_nothing_comes() -> None:
    rate = Rate(900.0)
    for number in range(1000):
        rate.add(number * 10.0)
    assert rate.at(9990.0) == pytest.approx(0.1, rel=0.01)
    assert rate.at(9990.0 + 900.0) == pytest.approx(0.1 / 2.718, rel=0.02)


def test_patience_is_how_many_give_up_for_the_time_waited() -> None:
    patience = Patience()
    for number in range(2000):
        patience.add(100.0, number % 10 == 0)
    assert patience.rate == pytest.approx(0.001, rel=0.4)


@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_a_tenth_misses_on_either_side_also_of_what_drifts(drift: float) -> None:
    random = Random(7)
    quantiles, low, high = Quantiles(), 0, 0
    for number in range(4000):
        score = random.gauss(1.0 + drift * (number // 1000), 0.5)
        low += score < quantiles.bounds[0]
        high += score > quantiles.bounds[1]
        quantiles.add(score)
    assert 0.08 < low / 4000 < 0.12
    assert 0.08 < high / 4000 < 0.12


def test_a_queue_leans_on_all_until_it_has_a_past_of_its_own() -> None:
    every = Quantiles()
    for number in range(500):
        every.add(2.0 if number % 2 else 3.0)
    own = Quantiles(every)
    assert own.bounds == pytest.approx(every.bounds)
    assert Quantiles().bounds == (-NORMAL_TAIL, NORMAL_TAIL)
    for _ in range(500):
        own.add(-4.0)
    assert own.bounds[1] < every.bounds[1] - 1.0
    assert own.bounds[0] < -3.0


@given(
    st.floats(1.0, 5000.0),
    st.floats(0.01, 1.5),
    st.floats(0.2, 3.0),
)
def test_a_score_is_the_inverse_of_its_time(mean_s: float, variance: float, ratio: float) -> None:
    wait = Outlook(mean_s, variance)
    assert wait.at(wait.score(ratio * mean_s)) == pytest.approx(ratio * mean_s, rel=1e-6)


@pytest.mark.parametrize("shape", [1, 2, 5, 20])
def test_scores_are_those_of_the_gamma_distribution(shape: int) -> None:
    random = Random(shape)
    waits = sorted(random.gammavariate(shape, 100.0 / shape) for _ in range(40_000))
    for share, score in ((0.1, -NORMAL_TAIL), (0.5, 0.0), (0.9, NORMAL_TAIL)):
        quantile = waits[int(share * len(waits))]
        assert Outlook(100.0, 1.0 / shape).at(score) == pytest.approx(quantile, rel=0.08)


@given(st.integers(1, 300), st.floats(0.001, 1.0), st.floats(0.0, 0.01))
def test_draining_is_the_sum_of_the_releases(count: int, rate: float, give_up: float) -> None:
    exact = sum(1.0 / (rate + ahead * give_up) for ahead in range(count))
    assert drain_s(count, rate, give_up) == pytest.approx(exact, rel=0.4 if give_up > rate else 0.1)


def test_a_longer_line_is_relatively_surer_up_to_the_drift() -> None:
    variances = [outlook(n, 10.0, 200.0, 0.5, 0.0, 4.0).variance for n in (1, 3, 10, 100, 10_000)]
    assert variances == sorted(variances, reverse=True)
    assert variances[-1] == pytest.approx(DRIFT, rel=0.01)


def test_a_wait_that_cannot_end_earlier() -> None:
    assert Outlook(100.0, 0.5).not_before(50.0) == Outlook(100.0, 0.5)
    later = Outlook(100.0, 0.5).not_before(400.0)
    assert later.mean_s == 400.0
    assert later.variance < 0.1


burdens = st.lists(
    st.builds(
        Burden,
        work_s=st.floats(1.0, 10_000.0),
        both=st.floats(1.0, 30.0),
        rest=st.one_of(st.just(0.0), st.floats(1.0, 30.0)),
        cycle_s=st.just(100.0),
    ),
    max_size=6,
)


@given(st.floats(0.0, 10_000.0), burdens, st.floats(0.5, 40.0))
def test_clearing_balances_the_work(work_s: float, others: list[Burden], agents: float) -> None:
    seconds = clearing_s(work_s, others, agents)
    falls_to_us = work_s + sum(other.left_s(seconds) for other in others)
    assert falls_to_us == pytest.approx(seconds * agents, rel=1e-6, abs=1e-6)
    # Never earlier than the own work takes, nor later than with all the others' work.
    assert work_s / agents <= seconds * (1 + 1e-9)
    assert seconds <= (work_s + sum(other.work_s for other in others)) / agents * (1 + 1e-9)


def test_who_helps_whom() -> None:
    """Ten agents of ours, five of them shared with a queue that has five others."""
    mine = 1000.0
    light, even, heavy = (Burden(work, 5.0, 5.0, 100.0) for work in (100.0, 900.0, 90_000.0))
    assert clearing_s(mine, [light], 10.0) == pytest.approx(100.0)  # they get it done themselves
    assert clearing_s(mine, [even], 10.0) == pytest.approx(1900.0 / 15.0)  # one line for all
    assert clearing_s(mine, [heavy], 10.0) == pytest.approx(200.0)  # the shared ones are theirs


places = st.tuples(
    st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.floats(0, 9), st.integers(0, 5)
)


@given(st.lists(places, unique=True, max_size=60), places)
def test_below_counts_without_the_key_being_there(keys: list[Place], key: Place) -> None:
    line: Line[Place] = Line()
    for other in keys:
        line.add(other)
    assert line.below(key) == sum(other < key for other in keys)
    assert line.below(key[:3]) == sum(other < key[:3] for other in keys)


def test_below_in_a_line_of_many_blocks() -> None:
    line: Line[Place] = Line()
    for number in range(5000):
        line.add((2, 5, 1, float(number), number))
    assert [line.below((2, 5, 1, float(n))) for n in (0, 511, 512, 4999, 9999)] == [
        0,
        511,
        512,
        4999,
        5000,
    ]


def floor_of(agents: dict[str, AgentRules], *queues: str) -> Staff:
    staff = Staff(FloorRules({queue: QueueRules() for queue in queues}, agents))
    for number, agent in enumerate(agents):
        staff.change(agent, number, reachable=True)
        staff.change(agent, number, presence="available")
    return staff


def test_insertions_are_remembered_up_to_a_number() -> None:
    staff = floor_of({"ann": AgentRules({"main": 1})}, "main")
    pool = staff.pool(Kind("main"))
    mine: Place = (2, 5, 1, 100.0, 1)
    pool.note_inserted(10, (2, 5, 1, 50.0, 2))
    assert pool.inserted_since(9, mine, mine)
    assert not pool.inserted_since(10, mine, mine)
    pool.note_inserted(11, (1, 0, 1, 40.0, 3), (2, 5, 1, 40.0, 3))  # was before us already
    pool.note_inserted(12, (2, 5, 1, 200.0, 4))  # stays behind us
    assert not pool.inserted_since(10, mine, mine)
    for number in range(INSERTED_MAX):
        pool.note_inserted(20 + number, (2, 5, 1, 300.0, 9 + number))
    assert not pool.inserted_since(9, mine, mine)


def test_of_very_many_kinds_some_stand_for_the_rest() -> None:
    """A thousand kinds of call for the same twenty agents: the work is not lost sight of."""
    queues = [f"q{number}" for number in range(1000)]
    staff = floor_of(
        {f"a{number}": AgentRules(dict.fromkeys(queues, 1)) for number in range(20)}, *queues
    )
    for number, queue in enumerate(queues):
        staff.pool(Kind(queue)).line.add((2, 5, 1, 0.0, number))
    pool = staff.pool(Kind("q500"))
    staff.refresh(pool)
    assert pool.duty == 20
    assert len(pool.rivals) <= 25
    stood_for = (len(pool.rivals) - 1) * pool.scale
    assert stood_for == pytest.approx(1000, rel=0.05)
