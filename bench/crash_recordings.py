"""Which frames a finished recording lacks, from the numbers that ``bench.crash_lines`` sends."""

from __future__ import annotations

from array import array
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from bench.crash_lines import FRAMES, HUNDREDS, UNITS
from recordings.measure import read_wav
from router.media.g711 import decode_ulaw

RUN_MIN = 40  # samples of one value that count as half a frame: the finisher may drop a few


class Hole(NamedTuple):
    """Frames that are missing, from ``first`` on."""

    side: int  # 0 the caller's, 1 the agent's
    first: int
    frames: int


class Heard(NamedTuple):
    """A recording: its holes, and on each side the first and the last frame."""

    holes: list[Hole]
    ends: tuple[tuple[int, int] | None, ...]


def _samples(values: bytes) -> dict[int, int]:
    decoded = array("h")
    decoded.frombytes(decode_ulaw(values))
    return {sample: number for number, sample in enumerate(decoded)}


_HUNDREDS, _UNITS = _samples(HUNDREDS), _samples(UNITS)


def read(path: Path) -> Heard:
    """OSError, wave.Error where there is none."""
    sides = [_frames(samples) for samples in read_wav(path).channels]
    holes = [
        Hole(side, (before + 1) % FRAMES, (after - before - 1) % FRAMES)
        for side, frames in enumerate(sides)
        for before, after in pairwise(frames)
        if (after - before) % FRAMES != 1
    ]
    return Heard(holes, tuple((side[0], side[-1]) if side else None for side in sides))


def _frames(samples: array[int]) -> list[int]:
    """The numbers of the frames, in order."""
    found = []
    hundreds = -1
    for value, run in groupby(samples):
        if value in _HUNDREDS and sum(1 for _ in run) >= RUN_MIN:
            hundreds = _HUNDREDS[value]
        elif hundreds >= 0 and value in _UNITS and sum(1 for _ in run) >= RUN_MIN:
            found.append(hundreds * 100 + _UNITS[value])
            hundreds = -1
    return found
