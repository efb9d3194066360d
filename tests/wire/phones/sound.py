"""Tones that phones speak and what of them must arrive: files and figures, nothing of Offhook's."""

from __future__ import annotations

import asyncio
import math
import sys
import wave
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from recordings import measure

RATE = 8000
LEVEL = 0.3  # of full scale: -13.5 dBFS RMS
LEVEL_DBFS = 20 * math.log10(LEVEL) - 3.01
NEAR_DB = 3.0
GAP_S_MAX = 0.060

Result = TypeVar("Result")


def write_tone(path: Path, hz: float, seconds: float = 60.0) -> Path:
    """A WAV of 8 kHz, mono, 16 bit; a whole number of periods a second, so that it loops."""
    second = array(
        "h", (round(32767 * LEVEL * math.sin(2 * math.pi * hz * n / RATE)) for n in range(RATE))
    )
    if sys.byteorder == "big":
        second.byteswap()
    data = second.tobytes() * round(seconds)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data)
    return path


def read_wav(path: Path) -> array[int]:
    """The samples of a mono 8 kHz WAV, also of one whose writer was killed (sizes 0)."""
    data = path.read_bytes()
    at = data.find(b"data")
    samples = array("h")
    if at >= 0:
        body = data[at + 8 :]
        samples.frombytes(body[: len(body) // 2 * 2])
    return samples


def trimmed(samples: Sequence[int], edge_s: float) -> Sequence[int]:
    """Without the first and last ``edge_s``: how calls begin and end is judged elsewhere."""
    edge = round(edge_s * RATE)
    return samples[edge : len(samples) - edge]


def longest_gap_s(samples: Sequence[int]) -> float:
    return max((gap.end - gap.start for gap in measure.gaps(samples, RATE)), default=0.0)


async def hold_tone(samples: Sequence[int], hz: float, *, where: str) -> None:
    """Assert one clean tone: the right one, at its level, nowhere interrupted."""
    await aside(_hold_tone, samples, hz, LEVEL_DBFS, where)


async def aside(work: Callable[..., Result], *arguments: Any) -> Result:
    """Do the work in a process of its own: this one's loop paces the media of other scenes, and
    a thread would hold the interpreter's lock when a packet is due."""
    return await asyncio.get_running_loop().run_in_executor(_bench(), work, *arguments)


@cache
def _bench() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _hold_tone(samples: Sequence[int], hz: float, expected_dbfs: float, where: str) -> None:
    assert len(samples) >= RATE // 2, f"{where}: only {len(samples) / RATE:.2f} s of sound"
    level = measure.tone_level(samples, RATE, hz)
    assert abs(level - expected_dbfs) <= NEAR_DB, (
        f"{where}: {hz} Hz at {level:.1f} dBFS instead of {expected_dbfs:.1f}, "
        f"all sound at {measure.rms_dbfs(samples):.1f}"
    )
    gap = longest_gap_s(samples)
    assert gap < GAP_S_MAX, f"{where}: silence of {gap * 1000:.0f} ms within the tone"
