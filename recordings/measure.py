"""Measuring what a recording holds: levels, tones, gaps. Standard library only.

Samples are 16-bit values of one channel (``array('h')`` or any sequence of int), positions are
seconds from the start.
"""

from __future__ import annotations

import math
import sys
import wave
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

FULL_SCALE = 32_768.0
SILENT_DBFS = -120.0  # what is reported for digital silence


class Wav(NamedTuple):
    """``channels`` holds one array of samples a channel."""

    rate: int
    channels: tuple[array[int], ...]

    @property
    def duration_s(self) -> float:
        return len(self.channels[0]) / self.rate


class Gap(NamedTuple):
    """A stretch without sound, in seconds."""

    start: float
    end: float


def read_wav(path: str | Path) -> Wav:
    """Read a 16-bit PCM WAV. Raises wave.Error, OSError; ValueError for another sample size."""
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{8 * file.getsampwidth()} bits a sample, not 16")
        samples = array("h", file.readframes(file.getnframes()))
        count, rate = file.getnchannels(), file.getframerate()
    if sys.byteorder == "big":
        samples.byteswap()
    return Wav(rate, tuple(samples[channel::count] for channel in range(count)))


def rms_dbfs(samples: Sequence[int]) -> float:
    """Power of the samples; a full-scale sine is -3.01."""
    if not samples:
        return SILENT_DBFS
    mean = sum(value * value for value in samples) / len(samples)
    return 10 * math.log10(mean / FULL_SCALE**2) if mean else SILENT_DBFS


def tone_level(samples: Sequence[int], rate: int, freq: float, *, block_s: float = 0.05) -> float:
    """Level in dBFS of one frequency, as ``rms_dbfs`` of that tone alone.

    Goertzel over blocks, powers added up, so that pauses and jumps of the phase do not hide
    the tone. Frequencies that differ by multiples of 1 / ``block_s`` do not disturb each other.
    """
    block = min(len(samples), max(1, round(block_s * rate)))
    count = len(samples) // block if block else 0
    if not count:
        return SILENT_DBFS
    turn = 2 * math.cos(2 * math.pi * freq / rate)
    power = 0.0
    for start in range(0, count * block, block):
        before = last = 0.0
        for value in samples[start : start + block]:
            before, last = last, value + turn * last - before
        power += before * before + last * last - turn * before * last
    mean = 2 * power / count / (block * FULL_SCALE) ** 2
    return 10 * math.log10(mean) if mean > 1e-12 else SILENT_DBFS


def dominant_tone(
    samples: Sequence[int], rate: int, freqs: Iterable[float], *, margin_db: float = 10.0
) -> float | None:
    """The one of ``freqs`` that is the loudest by ``margin_db`` and most of the sound, or None."""
    levels = sorted(((tone_level(samples, rate, freq), freq) for freq in freqs), reverse=True)
    if not levels or levels[0][0] < rms_dbfs(samples) - 3.0 or levels[0][0] <= SILENT_DBFS:
        return None
    if len(levels) > 1 and levels[0][0] - levels[1][0] < margin_db:
        return None
    return levels[0][1]


def onset(
    samples: Sequence[int], rate: int, *, after: float = 0.0, threshold_dbfs: float = -40.0
) -> float | None:
    """When sound begins: the first sample at or above the threshold, or None."""
    limit = FULL_SCALE * 10 ** (threshold_dbfs / 20)
    for index in range(max(0, round(after * rate)), len(samples)):
        if abs(samples[index]) >= limit:
            return index / rate
    return None


def gaps(
    samples: Sequence[int], rate: int, *, threshold_dbfs: float = -50.0, shortest_s: float = 0.01
) -> list[Gap]:
    """Stretches of at least ``shortest_s`` in which no sample reaches the threshold."""
    limit = FULL_SCALE * 10 ** (threshold_dbfs / 20)
    found: list[Gap] = []
    start = 0
    for index, value in enumerate(samples):
        if abs(value) >= limit:
            if index - start >= shortest_s * rate:
                found.append(Gap(start / rate, index / rate))
            start = index + 1
    if len(samples) - start >= shortest_s * rate and samples:
        found.append(Gap(start / rate, len(samples) / rate))
    return found
