"""What engine and finishing process say to each other: one JSON line a job, one an answer."""

from __future__ import annotations

import msgspec


class Job(msgspec.Struct, frozen=True):
    """Make ``target`` (a WAV) of the files ``paths``, which are parts of one recording."""

    recording: str
    paths: list[str]
    target: str


class Answer(msgspec.Struct, frozen=True):
    """``error`` is "" where the file is there; ``warning`` tells what of it is missing."""

    recording: str
    path: str = ""
    sha256: str = ""
    duration_s: float = 0.0
    size_bytes: int = 0
    error: str = ""
    warning: str = ""
