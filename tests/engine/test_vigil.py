"""Who hangs is found in a few looks, who is slow is not, and a busy machine accuses nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from engine.vigil import LATE_S, LOOK_EVERY_S, Vigil
from router.pulse import SILENT_S_MAX, VARIABLE, Pulse, own_pulse, pulse_fd

LOOKS = range(3 * SILENT_S_MAX)
START_S = 10.0


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    fd = pulse_fd()
    theirs = own_pulse({VARIABLE: str(os.dup(fd))})
    ours = Pulse(fd)
    os.close(fd)
    vigil.watch(7, ours)
    yield theirs
    vigil.forget(7)
    theirs.close()


vigil = Vigil(START_S)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    vigil.next_look = 0.0


def test_one_that_never_shows_itself_is_found_when_its_start_takes_too_long(pulse: Pulse) -> None:
    found = [vigil.look(n * LOOK_EVERY_S) for n in range(10)]
    assert found == [[]] * 9 + [[7]]
    assert not vigil.forget(7)


def test_one_that_starts_up_may_take_its_time_while_it_comes_on(pulse: Pulse) -> None:
    for n in range(3_000):
        if n % 9 == 0:
            pulse.progress()
        assert vigil.look(n * LOOK_EVERY_S) == []
    assert not pulse.works
    pulse.beat()
    assert pulse.works
    before = pulse.count
    pulse.progress()
    assert pulse.count == before, "one that works beats"
    assert vigil.forget(7)


def test_one_that_stops_is_found_after_some_looks(pulse: Pulse) -> None:
    for n in range(300):  # the count goes round
        pulse.beat()
        assert vigil.look(n * LOOK_EVERY_S) == []
    found = [vigil.look((300 + n) * LOOK_EVERY_S) for n in range(SILENT_S_MAX)]
    assert found == [[]] * (SILENT_S_MAX - 1) + [[7]]


def test_one_that_is_slow_is_left_alone(pulse: Pulse) -> None:
    for n in LOOKS:
        if n % (SILENT_S_MAX - 1) == 0:
            pulse.beat()
        assert vigil.look(n * LOOK_EVERY_S) == []


def test_who_looks_late_accuses_nobody(pulse: Pulse) -> None:
    pulse.beat()
    now = 0.0
    for n in LOOKS:
        now += LOOK_EVERY_S + (LATE_S + 0.1 if n % 3 == 0 else 0.0)
        assert vigil.look(now) == []


def test_a_process_that_nobody_watches_beats_for_itself() -> None:
    alone = own_pulse({})
    alone.beat()
    assert alone.works
    alone.close()
