"""The latch: who wins, and that nobody takes it over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.media.latching import CANDIDATES_MAX, HEARD, HELD, LOCKED, RELOCK_AFTER, STRANGER, Latch

PHONE = ("192.0.2.1", 4000)
MOVED = ("192.0.2.1", 4002)
THIEF = ("203.0.113.9", 4000)

sources = st.tuples(st.sampled_from(("192.0.2.1", "192.0.2.2", "203.0.113.9")), st.integers(1, 4))


def latched() -> Latch:
    latch = Latch()
    latch.allow(("192.0.2.1",))
    assert [latch.take(PHONE, 7) for _ in range(3)] == [HELD, HELD, LOCKED]
    return latch


@given(st.lists(st.tuples(sources, st.integers(1, 3)), max_size=200))
def test_never_stolen(packets: list[tuple[tuple[str, int], int]]) -> None:
    latch = Latch()
    latch.allow(("192.0.2.1", "192.0.2.2"))
    winner = None
    for source, ssrc in packets:
        verdict = latch.take(source, ssrc)
        if winner is None:
            assert verdict in (STRANGER, HELD, LOCKED)
            assert source[0] != "203.0.113.9" or verdict == STRANGER
            if verdict == LOCKED:
                winner = source
        else:
            assert verdict == (HEARD if source == winner else STRANGER)
        assert latch.winner == winner


def test_three_of_one_ssrc_from_one_address() -> None:
    latch = Latch()
    latch.allow(("192.0.2.1",))
    mixed = [(PHONE, 1), (PHONE, 2), (MOVED, 1), (PHONE, 1), (MOVED, 1)]
    assert [latch.take(*packet) for packet in mixed] == [HELD] * 5
    assert latch.take(PHONE, 1) == LOCKED


def test_nobody_is_allowed_before_the_description() -> None:
    latch = Latch()
    assert [latch.take(PHONE, 1) for _ in range(9)] == [STRANGER] * 9


def test_reopened_the_new_address_goes_before_the_former() -> None:
    latch = latched()
    latch.reopen()
    assert latch.take(PHONE, 7) == HEARD
    assert [latch.take(MOVED, 7) for _ in range(3)] == [HELD, HELD, LOCKED]
    assert latch.take(PHONE, 7) == STRANGER


def test_reopened_the_former_wins_again_when_nobody_else_comes() -> None:
    latch = latched()
    latch.reopen()
    verdicts = [latch.take(PHONE, 7) for _ in range(RELOCK_AFTER)]
    assert verdicts == [HEARD] * (RELOCK_AFTER - 1) + [LOCKED]


def test_the_former_is_heard_until_then_also_from_a_host_no_longer_named() -> None:
    latch = latched()
    latch.allow(("192.0.2.77",))
    latch.reopen()
    assert latch.take(PHONE, 7) == HEARD
    assert latch.take(THIEF, 7) == STRANGER


def test_candidates_are_bounded() -> None:
    latch = Latch()
    latch.allow(("192.0.2.1",))
    latch.take(PHONE, 1)
    latch.take(PHONE, 1)
    for ssrc in range(100, 100 + CANDIDATES_MAX):
        assert latch.take(PHONE, ssrc) == HELD
    assert latch.take(PHONE, 1) == HELD  # forgotten: counts from one again
