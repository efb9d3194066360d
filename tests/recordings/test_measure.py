"""The measuring instruments, measured."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

import pytest

from recordings.measure import (
    SILENT_DBFS,
    dominant_tone,
    gaps,
    onset,
    read_wav,
    rms_dbfs,
    tone_level,
)

RATE = 8000
TONES = (400, 700, 1000, 1300)


def sine(freq: float, seconds: float, level: float = 1.0) -> array[int]:
    return array(
        "h",
        (
            round(32_767 * level * math.sin(2 * math.pi * freq * i / RATE))
            for i in range(round(seconds * RATE))
        ),
    )


def test_level_of_a_full_scale_sine() -> None:
    tone = sine(1000, 1.0)
    assert rms_dbfs(tone) == pytest.approx(-3.01, abs=0.01)
    assert tone_level(tone, RATE, 1000) == pytest.approx(-3.01, abs=0.01)
    assert tone_level(tone, RATE, 1300) < -60


def test_level_with_pauses_and_jumps_of_the_phase() -> None:
    broken = array("h")
    for _ in range(10):
        broken += sine(1000, 0.053, 0.1) + array("h", bytes(2 * 371))
    assert tone_level(broken, RATE, 1000) == pytest.approx(rms_dbfs(broken), abs=1.5)
    assert dominant_tone(broken, RATE, TONES) == 1000


def test_nothing_is_silent() -> None:
    for samples in (array("h"), array("h", bytes(2000))):
        assert rms_dbfs(samples) == tone_level(samples, RATE, 400) == SILENT_DBFS
        assert dominant_tone(samples, RATE, TONES) is None
    assert dominant_tone(sine(400, 0.1), RATE, ()) is None


def test_two_tones_have_no_dominant_one() -> None:
    both = array("h", (a + b for a, b in zip(sine(400, 1, 0.4), sine(700, 1, 0.4), strict=True)))
    assert dominant_tone(both, RATE, TONES) is None


def test_another_tone_is_none_of_these() -> None:
    assert dominant_tone(sine(2200, 1.0), RATE, TONES) is None


def test_gaps_and_onset() -> None:
    quiet = array("h", bytes(2 * 1600))
    samples = quiet + sine(400, 0.5) + quiet + sine(400, 0.5) + quiet
    found = [(round(gap.start, 2), round(gap.end, 2)) for gap in gaps(samples, RATE)]
    assert found == [(0.0, 0.2), (0.7, 0.9), (1.4, 1.6)]
    assert onset(samples, RATE) == pytest.approx(0.2, abs=0.001)
    assert onset(samples, RATE, after=0.75) == pytest.approx(0.9, abs=0.001)
    assert onset(quiet, RATE) is None
    assert gaps(array("h"), RATE) == []


def test_reading_a_wav(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array("h", [1, -1, 2, -2]).tobytes())
    wav = read_wav(tmp_path / "a.wav")
    assert (wav.rate, [list(channel) for channel in wav.channels]) == (RATE, [[1, 2], [-1, -2]])
    assert wav.duration_s == 2 / RATE


def test_eight_bits_are_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE)
        file.writeframes(b"\0")
    with pytest.raises(ValueError, match="8 bits"):
        read_wav(tmp_path / "a.wav")
