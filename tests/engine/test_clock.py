"""Time never steps back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.clock import Clock


class Hands:
    """A wall clock and a monotonic clock, set by hand."""

    def __init__(self, wall: float, monotonic: float) -> None:
        self.wall = wall
        self.monotonic = monotonic

    def clock(self, floor: float = 0.0) -> Clock:
        return Clock(floor, lambda: self.wall, lambda: self.monotonic)


def test_it_shows_the_wall_clock_and_goes_on_by_the_monotonic_one() -> None:
    hands = Hands(1_000.0, 5.0)
    clock = hands.clock()
    assert clock.now() == 1_000.0
    hands.monotonic, hands.wall = 7.5, 3.0
    assert clock.now() == 1_002.5


def test_after_a_restart_it_goes_on_from_the_floor() -> None:
    clock = Hands(900.0, 5.0).clock(floor=1_000.0)
    assert clock.now() == 1_000.0


@given(
    st.floats(0, 1e10),
    st.floats(0, 1e10),
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e6, 1e6))),
)
def test_it_never_steps_back(wall: float, floor: float, steps: list[tuple[float, float]]) -> None:
    hands = Hands(wall, 0.0)
    clock = hands.clock(floor)
    last = clock.now()
    assert last >= floor
    for forward, jump in steps:
        hands.monotonic += forward
        hands.wall += jump
        now = clock.now()
        assert now >= last
        last = now
