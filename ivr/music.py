"""The shipped hold music: a calm loop of chords and plucked notes, computed, nobody's property."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ivr.audio_format import RATE_HZ, level_dbfs

BAR_S = 4.0
MUSIC_DBFS = -20.0

# Each bar: the notes of its chord as MIDI numbers, the bass first.
BARS = (
    (48, 60, 64, 67, 71),  # C major 7
    (45, 57, 60, 64, 67),  # A minor 7
    (41, 53, 57, 60, 64),  # F major 7
    (43, 55, 59, 62, 64),  # G 6
    (40, 55, 59, 62, 64),  # E minor 7
    (45, 57, 60, 64, 67),
    (50, 57, 60, 65, 69),  # D minor 7
    (43, 55, 60, 62, 65),  # G 7 sus 4
)
ARPEGGIO = (1, 3, 2, 4, 3, 2, 4, 3)  # which note of the chord on each eighth


def _frequency(note: int) -> float:
    return 440.0 * 2 ** ((note - 69) / 12)


def _add(loop: list[float], start_s: float, sound: Sequence[float]) -> None:
    """Mix in; what goes over the end goes on at the beginning, so the loop has no seam."""
    start = round(start_s * RATE_HZ)
    for at, sample in enumerate(sound):
        loop[(start + at) % len(loop)] += sample


def _pluck(note: int, loudness: float) -> list[float]:
    """A soft string: four partials that fade, the higher the sooner; 12 ms of attack."""
    frequency, length = _frequency(note), round(2.4 * RATE_HZ)
    sound = [0.0] * length
    for partial, share in ((1, 1.0), (2, 0.35), (3, 0.12), (4, 0.05)):
        step, fade = 2 * math.pi * frequency * partial / RATE_HZ, (1.6 + 1.2 * partial) / RATE_HZ
        for at in range(length):
            sound[at] += share * math.sin(step * at) * math.exp(-fade * at)
    return [loudness * sample * _edges(at, length, 96) for at, sample in enumerate(sound)]


def _pad(note: int, loudness: float) -> list[float]:
    """A held tone of two voices a hair apart, swelling in and out over the neighbouring bars."""
    frequency, length = _frequency(note), round((BAR_S + 1.2) * RATE_HZ)
    low, high = (2 * math.pi * frequency * detune / RATE_HZ for detune in (0.9985, 1.0015))
    swell = round(1.2 * RATE_HZ)
    return [
        loudness * (math.sin(low * at) + math.sin(high * at)) * _edges(at, length, swell)
        for at in range(length)
    ]


def _edges(at: int, length: int, swell: int) -> float:
    """0 to 1 over ``swell`` samples at both ends, along a cosine."""
    near = min(at, length - 1 - at)
    return 1.0 if near >= swell else 0.5 - 0.5 * math.cos(math.pi * near / swell)


def compose() -> list[float]:
    """The loop: 8 kHz samples at MUSIC_DBFS."""
    loop = [0.0] * round(len(BARS) * BAR_S * RATE_HZ)
    plucks: dict[tuple[int, float], list[float]] = {}
    for bar, chord in enumerate(BARS):
        begin = bar * BAR_S
        _add(loop, begin, _pad(chord[0] + 12, 0.05))
        for note in chord[1:]:
            _add(loop, begin, _pad(note, 0.035))
        for eighth, which in enumerate(ARPEGGIO):
            key = (chord[which] + 12 * (eighth in (3, 6)), 0.16 if eighth % 4 == 0 else 0.11)
            if key not in plucks:
                plucks[key] = _pluck(*key)
            _add(loop, begin + eighth * BAR_S / len(ARPEGGIO), plucks[key])
    gain = 10 ** ((MUSIC_DBFS - level_dbfs(loop)) / 20)
    return [sample * gain for sample in loop]


def beep(seconds: float = 0.4, frequency_hz: float = 880.0) -> list[float]:
    """The tone before a message."""
    length = round(seconds * RATE_HZ)
    step = 2 * math.pi * frequency_hz / RATE_HZ
    return [0.25 * math.sin(step * at) * _edges(at, length, 80) for at in range(length)]
