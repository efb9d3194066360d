"""Loss and jitter: the figures of RFC 3550 against a plain count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.media.reception import ADVANCED, DROPPED, LATE, RESTARTED, Reception


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), max_size=300),
)
def test_loss_over_a_wrap_with_duplicates_and_reordering(
    start: int, fates: list[tuple[bool, bool, int]]
) -> None:
    arrivals = [(0.0, 0)]
    for number, (lost, doubled, late) in enumerate(fates, 1):
        if not lost:
            arrivals += [(number + late + 0.5, number)] * (1 + doubled)
    arrivals.sort()
    reception = Reception()
    for position, number in arrivals:
        timestamp = (number * 160) & 0xFFFFFFFF
        reception.take(1, (start + number) & 0xFFFF, timestamp, int(position * 160))
    highest = max(number for _, number in arrivals)
    assert reception.received == len(arrivals)
    assert reception.expected == highest + 1
    assert reception.lost == highest + 1 - len(arrivals)
    assert reception.highest == start + highest
    assert 0 <= reception.jitter <= 4 * 160


def test_a_far_jump_counts_only_when_its_follower_confirms_it() -> None:
    reception = Reception()
    assert reception.take(1, 10, 0, 0) == RESTARTED
    assert reception.take(1, 40_000, 160, 160) == DROPPED
    assert reception.take(1, 11, 160, 160) == ADVANCED
    assert reception.take(1, 40_000, 160, 160) == DROPPED
    assert reception.take(1, 40_001, 320, 320) == RESTARTED
    assert reception.take(1, 40_000, 160, 330) == LATE
    assert reception.received == 4
    assert reception.take(2, 5, 0, 500) == RESTARTED
    assert (reception.received, reception.lost) == (5, -1)


def test_jitter_by_hand() -> None:
    """A.8: one packet 10 ms late makes D = 80 twice, J = 80/16, then on."""
    reception = Reception()
    for number, arrival in enumerate((0, 160, 320 + 80, 480)):
        reception.take(1, number, number * 160, arrival)
    assert reception.jitter16 == 80 + 80 - ((80 + 8) >> 4)


def test_fraction_lost_is_since_the_last_report() -> None:
    reception = Reception()
    for number in (0, 1, 2, 3, 6, 7):
        reception.take(1, number, number * 160, number * 160)
    assert reception.fraction_lost() == 256 * 2 // 8
    for number in (8, 9):
        reception.take(1, number, number * 160, number * 160)
    assert reception.fraction_lost() == 0
    assert reception.lost == 2
