"""From a worker's packet log to the stereo WAV: caller left, agent right, 16 bit, 8 kHz."""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import BinaryIO, NamedTuple

from config.errors import PeerError
from recordings.alignment import RATE, Aligner
from recordings.timeline import Timeline
from router.media.recording import (
    END,
    SIDE,
    Packet,
    Reading,
    RecordingFormatError,
    read_recording,
)

FRAME_BYTES = 4  # two sides of 16 bits
WAV = struct.Struct("<4sI4s4sIHHIIHH4sI")
LENGTH_S_MAX = 24 * 3600  # also keeps the sizes within RIFF's 32 bits
BACK = 12 * RATE  # a payload is laid down at most so long after it was due
TURN = RATE // 2  # how often silent sides are asked and PCM is given out
HASH_BYTES = 65_536


class UnfinishableError(PeerError):
    """There is nothing to make a recording of; the text says why."""


class Finished(NamedTuple):
    """The WAV on disk. ``warning`` tells what of it is missing, "" for nothing."""

    sha256: str
    duration_s: float
    size_bytes: int
    warning: str


def finish(paths: Sequence[str], target: str) -> Finished:
    """Make the WAV of a recording's files, in their order; the gaps between are silence.

    ``target`` appears whole or not at all, on disk for good; its directory is made. A damaged
    file counts up to the damage.

    Raises UnfinishableError where no file can be read, OSError where writing fails.
    """
    part = f"{target}.part"
    directory = os.path.dirname(target) or "."
    os.makedirs(directory, exist_ok=True)
    with _alone(part) as out:
        try:
            frames, warnings = _write(paths, out)
            sha256 = _hash(out)
            out.flush()
            os.fsync(out.fileno())
            os.replace(part, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise
    _sync_directory(directory)
    size = WAV.size + frames * FRAME_BYTES
    return Finished(sha256, frames / RATE, size, "; ".join(warnings))


def _alone(path: str) -> BinaryIO:
    """The file, empty, with nobody else at it.

    The finishing process of an engine that was killed ends its job; the next engine's, which
    has the same job, waits for that and then makes the file again.
    """
    while True:
        file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w+b")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            mine = os.path.samestat(os.fstat(file.fileno()), os.stat(path))
        except FileNotFoundError:
            mine = False  # the other one has given it its name
        except BaseException:
            file.close()
            raise
        if mine:
            file.truncate(0)
            return file
        file.close()


def wav_header(frames: int) -> bytes:
    """The 44 bytes before the samples of a stereo WAV."""
    data = frames * FRAME_BYTES
    return WAV.pack(
        *(b"RIFF", WAV.size - 8 + data, b"WAVE", b"fmt ", 16, 1, 2),
        *(RATE, RATE * FRAME_BYTES, FRAME_BYTES, 16, b"data", data),
    )


class _Writer:
    """One WAV in the making: segments go in, PCM goes out behind them."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._timeline = Timeline()
        self._given = 0
        self._end = 0
        self._origin: float | None = None  # unix time of position 0

    def segment(self, reading: Reading) -> None:
        """Lay one file out. Raises RecordingFormatError at a damage, what was before stays."""
        if self._origin is None:
            self._origin = reading.header.started
        base = max(0, round((reading.header.started - self._origin) * RATE))
        if base > LENGTH_S_MAX * RATE:
            raise RecordingFormatError("starts more than a day after the first")
        sides = (Aligner(), Aligner())
        now, turn = 0, TURN
        try:
            for record in reading:
                now = record.arrival_us * RATE // 1_000_000
                if now > turn:
                    if base + now > LENGTH_S_MAX * RATE:
                        raise RecordingFormatError("longer than a day")
                    self._turn(sides, base, now)
                    turn = now + TURN
                if isinstance(record, Packet):
                    side = record.side
                    for position, codec, payload in sides[side].push(
                        now,
                        record.ssrc,
                        record.codec,
                        record.sequence,
                        record.rtp_time,
                        record.payload,
                    ):
                        self._timeline.put(side, base + position, codec, payload)
                elif record.kind == SIDE:
                    self._put(record.side, base, sides[record.side].finish())
                elif record.kind == END:
                    self._end = max(self._end, base + now)
        finally:
            for side, aligner in enumerate(sides):
                self._put(side, base, aligner.finish())

    def close(self) -> int:
        """Give out the rest; returns the frames of the whole."""
        self._give(max(self._end, self._timeline.end))
        return self._given

    def _turn(self, sides: tuple[Aligner, Aligner], base: int, now: int) -> None:
        for side, aligner in enumerate(sides):
            self._put(side, base, aligner.advance(now))
        self._give(base + now - BACK)

    def _put(self, side: int, base: int, placed: Iterable[tuple[int, int, bytes]]) -> None:
        for position, codec, payload in placed:
            self._timeline.put(side, base + position, codec, payload)

    def _give(self, upto: int) -> None:
        for chunk in self._timeline.give(upto):
            self._out.write(chunk)
        self._given = max(self._given, upto)


def _write(paths: Sequence[str], out: BinaryIO) -> tuple[int, list[str]]:
    out.write(wav_header(0))
    writer = _Writer(out)
    problems: list[str] = []
    read = 0
    for path in paths:
        try:
            with read_recording(path) as reading:
                read += 1
                writer.segment(reading)
                if not reading.complete:
                    problems.append("a part was cut short")
        except RecordingFormatError as error:
            problems.append(f"a part is damaged: {error}")
        except FileNotFoundError:
            problems.append("a part is missing")
    if not read:
        raise UnfinishableError("; ".join(problems) or "no file was recorded")
    frames = writer.close()
    out.seek(0)
    out.write(wav_header(frames))
    return frames, problems


def _hash(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.flush()
    file.seek(0)
    while block := file.read(HASH_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _sync_directory(path: str) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
