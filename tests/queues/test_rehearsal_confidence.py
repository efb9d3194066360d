"""Batch means and Student's t."""

from __future__ import annotations

import random

import pytest

from config.errors import MisuseError
from queues.rehearsal.rehearsal_confidence import Estimate, estimate, student_t


@pytest.mark.parametrize(
    ("confidence", "freedom", "t"),
    [
        (0.95, 1, 12.7062),
        (0.95, 2, 4.3027),
        (0.95, 3, 3.1824),
        (0.95, 10, 2.2281),
        (0.99, 29, 2.7564),
        (0.99, 30, 2.7500),
        (0.999, 9, 4.7809),
        (0.95, 1000, 1.9623),
    ],
)
def test_t_is_that_of_the_tables(confidence: float, freedom: int, t: float) -> None:
    assert student_t(confidence, freedom) == pytest.approx(t, abs=1e-4)


def test_the_half_width_of_a_textbook() -> None:
    found = estimate([1.20, 1.50, 1.68, 1.89, 0.95, 1.49, 1.58, 1.55, 0.50, 1.09], 0.90)
    assert found.mean == pytest.approx(1.34, abs=0.005)  # Law and Kelton, example 4.26
    assert found.half_width == pytest.approx(0.24, abs=0.005)
    assert found.holds(1.5)
    assert not found.holds(1.6)


def test_a_family_is_wider_than_one() -> None:
    batches = [1.0, 2.0, 3.0, 4.0]
    assert estimate(batches, 0.99, 100).half_width > estimate(batches, 0.99).half_width
    assert estimate([2.0, 2.0]) == Estimate(2.0, 0.0)


def test_intervals_hold_as_often_as_they_say() -> None:
    chance = random.Random(7)
    runs = [estimate([chance.gauss(5, 2) for _ in range(10)], 0.9) for _ in range(2000)]
    assert 0.88 < sum(run.holds(5.0) for run in runs) / len(runs) < 0.92


def test_one_batch_says_nothing() -> None:
    with pytest.raises(MisuseError, match="two batches"):
        estimate([1.0])
    with pytest.raises(MisuseError, match="no t"):
        student_t(1.0, 3)
