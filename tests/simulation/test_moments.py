"""kill -9 at every moment of recorded scenarios: before, in the middle of and after each append,
each write, each effect, each datagram, each command to a media worker.

``python -m tests.simulation --kind moments`` goes on with other delays of the disk.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.scenarios import SCENARIOS, killed_at, moments

every_scenario = pytest.mark.parametrize("name", SCENARIOS)


@every_scenario
def test_a_death_at_any_moment_loses_nothing(name: str) -> None:
    points = moments(name)
    wrong = {
        f"{number} ({point})": found
        for number, point in enumerate(points, 1)
        if (found := killed_at(name, number))
    }
    assert wrong == {}


@every_scenario
def test_the_media_worker_dies_with_it(name: str) -> None:
    points = moments(name)
    wrong = {
        f"{number} ({points[number - 1]})": found
        for number in range(1, len(points) + 1, 3)
        if (found := killed_at(name, number, worker_too=True))
    }
    assert wrong == {}


def test_the_moments_are_those_of_the_issue() -> None:
    kinds = Counter(" ".join(point.split()[:2]) for name in SCENARIOS for point in moments(name))
    for fact in ("CallArrived", "CallQueued", "OfferMade", "CallConnected", "CallEnded"):
        assert kinds[f"before {fact}"] == kinds[f"after {fact}"] > 0
    for step in ("write begins", "write ends", "before effect", "after effect", "before send"):
        assert kinds[step] > 20
