"""Playing: an hour without drift, gapless files, one stream of RTP numbers."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.media.playout import (
    CATCH_UP_STEPS,
    FRAME,
    STEP_US,
    STEPS_PER_FRAME,
    ULAW_SILENCE,
    Cadence,
    OutStream,
    Playlist,
)


@pytest.mark.parametrize("phase", range(STEPS_PER_FRAME))
def test_an_hour_is_180000_packets(phase: int) -> None:
    """Wake-ups up to 150 ms late lose nothing and drift nowhere."""
    chance = random.Random(phase)
    cadence, out = Cadence(17), OutStream(1, 65_500, 2**32 - 1000)
    first = out.timestamp
    now, packets, end = 17, 0, 17 + 3600 * 1_000_000 - 1
    while now < end:
        now = min(end, max(now, cadence.deadline_us) + chance.choice((0, 90, 1_000, 150_000)))
        for step in cadence.due(now):
            if step % STEPS_PER_FRAME == phase:
                marker = out.follow(now // 125)
                assert marker == (packets == 0)
                assert out.timestamp == (first + packets * FRAME) % 2**32
                packets += 1
        assert cadence.skipped == 0
    assert packets == 180_000
    assert out.sequence == (65_500 + packets) % 65_536


def test_a_stall_is_not_made_up_in_a_burst() -> None:
    cadence = Cadence(0)
    assert list(cadence.due(0)) == [0]
    steps = cadence.due(10_000_000)
    assert len(steps) == CATCH_UP_STEPS
    assert cadence.skipped == 10_000_000 // STEP_US - CATCH_UP_STEPS
    assert cadence.deadline_us == 10_000_000 + STEP_US
    assert not cadence.due(10_000_000)
    assert not cadence.due(9_000_000)


def test_steps_without_work_are_passed_over_but_never_one_with_work() -> None:
    cadence = Cadence(0)
    assert list(cadence.due(0)) == [0]
    busy = 4  # steps 1 to 3 have nothing to do
    cadence.pass_over(busy, 2 * STEP_US + 100)  # woken early, by a packet
    assert cadence.next == 3  # whoever took a seat at step 1 or 2 meanwhile is not hurried
    assert not cadence.due(2 * STEP_US + 100)
    cadence.pass_over(busy, 5 * STEP_US)
    assert list(cadence.due(5 * STEP_US)) == [4, 5]


@given(st.lists(st.sampled_from(("play", "pause", "relay", "event")), max_size=60))
def test_numbers_never_gap_nor_go_back(course: list[str]) -> None:
    out, now = OutStream(9, 65_530, 2**32 - 500), 0
    sent: list[tuple[int, int, int]] = []  # sequence, timestamp, what the clock said then
    theirs = 40_000
    for what in course:
        now += 160
        if what == "play":
            out.follow(now)
        elif what == "pause":
            out.flowing = False
            continue
        elif what == "event":
            out.start(now)
            sent.append((out.sequence, out.timestamp, now))
            out.repeat()
            out.flowing = False
        else:
            add, add_time = out.align(theirs, 77, now)
            for more in range(5):
                time = (77 + 160 * more + add_time) % 2**32
                sent.append(((theirs + more + add) % 65_536, time, now + 160 * more))
            now += 4 * 160
            out.settle(theirs + 4 + add, 77 + 640 + add_time, now)
            theirs += 5_000
            continue
        sent.append((out.sequence, out.timestamp, now))
    for before, after in itertools.pairwise(sent):
        assert after[0] == (before[0] + 1) % 65_536
        assert (after[1] - before[1]) % 2**32 == after[2] - before[2]


@given(
    st.lists(st.integers(0, 500), max_size=5),
    st.lists(st.integers(0, 500), max_size=3),
)
def test_files_follow_without_a_gap_then_loop(files: list[int], then: list[int]) -> None:
    parts = [bytes((65 + at,)) * size for at, size in enumerate(files)]
    loop = [bytes((97 + at,)) * size for at, size in enumerate(then)]
    playlist = Playlist(tuple(parts), tuple(loop))
    once, again = b"".join(parts), b"".join(loop)
    total = (len(once) // FRAME + 12) * FRAME
    expected = once + (again * (total // len(again) + 1) if again else b"\xff" * total)
    heard = b""
    assert playlist.ended == (not once)
    while len(heard) < total:
        frame = playlist.frame()
        assert len(frame) == FRAME
        heard += frame
        assert playlist.ended == (len(heard) >= len(once))
    assert heard == expected[:total]


def test_skipping_to_what_follows() -> None:
    playlist = Playlist((b"a" * 800, b"b" * 800), (b"m" * 320,))
    assert playlist.frame() == b"a" * FRAME
    playlist.skip()
    assert playlist.ended
    assert playlist.frame() == b"m" * FRAME
    silent = Playlist((b"a" * 800,))
    silent.skip()
    assert silent.frame() == ULAW_SILENCE
