"""Sounds stand in the WAV within 20 ms of when they were on the wire."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from recordings.finish import finish
from recordings.measure import dominant_tone, gaps, read_wav
from router.media.recording import SIDE
from tests.recordings.speakers import (
    RATE,
    Beeps,
    Sent,
    doubled,
    lost,
    shifted,
    speak,
    uniform,
    write_log,
)

DELAY = 0.05  # what speak() puts between sending and arriving, at least
WITHIN_S = 0.020


def beginnings(samples: Sequence[int], quiet_s: float = 0.2) -> list[float]:
    """When sound begins after at least ``quiet_s`` of silence."""
    found = [gap.end for gap in gaps(samples, RATE, shortest_s=quiet_s)]
    return [at for at in found if at < len(samples) / RATE]


def left_of(tmp_path: Path, packets: Sequence[Sent], end: float | None = None) -> Sequence[int]:
    target = tmp_path / "out.wav"
    finish([write_log(tmp_path / "in.rec", packets, end=end)], str(target))
    return read_wav(target).channels[0]


def check(samples: Sequence[int], seconds: Sequence[int], *, on: float = 0.3) -> None:
    """A beep of every one of these seconds begins within 20 ms of its time, and no other does."""
    found = beginnings(samples)
    wanted = [second + on + DELAY for second in seconds]
    assert len(found) == len(wanted), found
    worst = max(abs(a - b) for a, b in zip(found, wanted, strict=True))
    assert worst <= WITHIN_S, (worst, found)


def test_clean(tmp_path: Path) -> None:
    samples = left_of(tmp_path, speak(Beeps(), 0, 10), end=10.5)
    check(samples, range(10))
    assert len(samples) == 10.5 * RATE
    assert beginnings(samples)[3] == pytest.approx(3.35, abs=0.001)


@pytest.mark.parametrize("width", [0.01, 0.04, 0.08])
@pytest.mark.parametrize("seed", range(4))
def test_jitter(tmp_path: Path, width: float, seed: int) -> None:
    packets = speak(Beeps(), 0, 30, jitter=uniform(width, seed))
    check(left_of(tmp_path, packets), range(30))


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_loss_duplicates_and_reordering(tmp_path: Path, share: float) -> None:
    # A short tone could be lost wholly: whether it begins late is then the network's doing.
    packets = doubled(speak(Beeps(), 0, 30, jitter=uniform(0.08)))
    heard = [p for p in packets if not 0.28 <= p.sent % 1 < 0.34]
    kept = lost(heard, share) + [p for p in packets if 0.28 <= p.sent % 1 < 0.34]
    check(left_of(tmp_path, kept), range(30))


@pytest.mark.parametrize("skew", [-100, 100, 400])
def test_skewed_clock_for_ten_minutes(tmp_path: Path, skew: float) -> None:
    packets = speak(Beeps(), 0, 600, skew_ppm=skew, jitter=uniform(0.03))
    check(left_of(tmp_path, packets), range(600))


@pytest.mark.parametrize(
    "jump", [1, 100, 640, 24_000, 123_456_789, 1 << 31, -400, -24_000, -(9**9)]
)
@pytest.mark.parametrize("width", [0.0, 0.04])
def test_jump_of_the_timestamp(tmp_path: Path, jump: int, width: float) -> None:
    packets = shifted(speak(Beeps(), 0, 20, jitter=uniform(width)), 9.98, jump)
    check(left_of(tmp_path, packets), range(20))


@pytest.mark.parametrize("hold", [0.5, 1.0, 7.0, 65.0])
@pytest.mark.parametrize("clock", ["runs", "stands", "anew"])
@pytest.mark.parametrize("width", [0.0, 0.06])
def test_hold(tmp_path: Path, hold: float, clock: str, width: float) -> None:
    """Phones on hold let the timestamp run, or stand, or start a new one; sequence goes on."""
    jitter = uniform(width)
    before = speak(Beeps(), 0, 10, jitter=jitter)
    stamp = {
        "runs": before[0].stamp + round((10 + hold) * RATE),
        "stands": before[-1].stamp + 160,
        "anew": 12345,
    }[clock]
    after = speak(
        Beeps(),
        10 + hold,
        30 + hold,
        jitter=jitter,
        sequence=before[-1].sequence + 1,
        stamp=stamp,
    )
    seconds = [second for second in range(int(30 + hold)) if not 10 <= second < 10 + hold]
    if hold == 0.5:  # resumed in the middle of a beep: it begins when the hold ends
        found = beginnings(left_of(tmp_path, [*before, *after]))
        assert found[10] == pytest.approx(10.5 + DELAY, abs=WITHIN_S)
        assert found[11] == pytest.approx(11.3 + DELAY, abs=WITHIN_S)
        return
    check(left_of(tmp_path, [*before, *after]), seconds)


def test_silence_suppression(tmp_path: Path) -> None:
    packets = speak(Beeps(), 0, 60, jitter=uniform(0.06))
    talk = [p for p in packets if 0.28 <= p.sent % 1 < 0.72]
    numbered = [replace(p, sequence=n & 0xFFFF) for n, p in enumerate(talk)]
    check(left_of(tmp_path, numbered), range(60))


def test_burst_after_a_stall_of_the_network(tmp_path: Path) -> None:
    packets = [
        replace(p, arrival=max(p.arrival, 12.0 + p.sent * 1e-5)) if 10 < p.sent < 12 else p
        for p in speak(Beeps(), 0, 20)
    ]
    check(left_of(tmp_path, packets), range(20))


def test_slower_network_for_a_while(tmp_path: Path) -> None:
    """Ten seconds of 60 ms more: sounds follow the wire, both ways."""
    packets = [
        replace(p, arrival=p.arrival + 0.06) if 10 <= p.sent < 20 else p
        for p in speak(Beeps(), 0, 30)
    ]
    found = beginnings(left_of(tmp_path, packets))
    wanted = [s + 0.3 + DELAY + (0.06 if 10 <= s < 20 else 0) for s in range(30)]
    assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= WITHIN_S


def test_new_ssrc_and_new_codec(tmp_path: Path) -> None:
    packets = speak(Beeps(), 0, 10, jitter=uniform(0.04))
    packets += speak(Beeps(), 10, 20, ssrc=99, stamp=77, sequence=5, jitter=uniform(0.04))
    packets += speak(
        Beeps(codec=8), 20, 30, ssrc=99, stamp=77 + 80_000, sequence=505, jitter=uniform(0.04)
    )
    check(left_of(tmp_path, packets), range(30))


def test_sides_lie_as_they_were_heard(tmp_path: Path) -> None:
    caller = speak(Beeps(400), 0, 20, jitter=uniform(0.04, 1))
    agent = speak(Beeps(1000, 8, 0.5, 0.9), 3, 20, jitter=uniform(0.04, 2), ssrc=7)
    target = tmp_path / "out.wav"
    finish([write_log(tmp_path / "in.rec", caller, agent, end=20.1)], str(target))
    wav = read_wav(target)
    check(wav.channels[0], range(20))
    check(wav.channels[1], range(3, 20), on=0.5)
    tones = (400, 500, 800, 1000)
    heard = [dominant_tone(c[4 * RATE : 9 * RATE], RATE, tones) for c in wav.channels]
    assert heard == [400, 1000]


def test_another_agent_with_the_same_ssrc(tmp_path: Path) -> None:
    first = speak(Beeps(), 0, 10)
    second = speak(Beeps(500), 12, 20)  # same SSRC, sequence and timestamp as the first began with
    path = write_log(
        tmp_path / "in.rec", [], [*first, *second], marks=[(11.0, SIDE, 1, "bob")], end=20.0
    )
    target = tmp_path / "out.wav"
    finish([path], str(target))
    check(read_wav(target).channels[1], [*range(10), *range(12, 20)])


def test_creeping_leaves_no_holes(tmp_path: Path) -> None:
    samples = left_of(tmp_path, speak(Beeps(on=0.0, off=1.0), 0, 120, skew_ppm=-300))
    inside = samples[RATE : 119 * RATE]
    assert not gaps(inside, RATE, threshold_dbfs=-60, shortest_s=0.001)


@pytest.mark.parametrize("seed", range(25))
def test_calls_of_all_faults(tmp_path: Path, seed: int) -> None:
    """Holds, jumps and new sources one after the other, under jitter, loss, skew, duplicates."""
    rng = random.Random(seed)
    jitter, skew = uniform(rng.choice((0.0, 0.02, 0.08)), seed), rng.choice((0, 50, -100))
    packets: list[Sent] = []
    seconds: list[int] = []
    now, sequence, stamp, ssrc = 0, rng.randrange(1 << 16), rng.randrange(1 << 32), 1
    for _ in range(rng.randrange(2, 5)):
        end = now + rng.randrange(3, 20)
        part = speak(
            *(Beeps(), now, end),
            jitter=jitter,
            skew_ppm=skew,
            ssrc=ssrc,
            sequence=sequence,
            stamp=stamp,
        )
        packets += part
        seconds += range(now, end)
        sequence, stamp = part[-1].sequence + 1 & 0xFFFF, part[-1].stamp + 160 & 0xFFFF_FFFF
        hold = rng.choice((0, 0, 1, 4))
        change = rng.choice(("jump", "nudge", "source", "run", "stand"))
        if change == "source":
            ssrc, sequence = ssrc + 1, rng.randrange(1 << 16)
        if change in ("jump", "source"):
            stamp = rng.randrange(1 << 32)
        elif change == "nudge":
            stamp = stamp + rng.randrange(-2000, 2000) & 0xFFFF_FFFF
        elif change == "run":
            stamp = stamp + hold * RATE & 0xFFFF_FFFF
        now = end + hold
    onsets = [p for p in packets if 0.28 <= p.sent % 1 < 0.34]  # their loss would be heard
    rest = [p for p in doubled(packets, seed) if not 0.28 <= p.sent % 1 < 0.34]
    check(left_of(tmp_path, [*lost(rest, rng.choice((0.0, 0.1)), seed), *onsets]), seconds)
