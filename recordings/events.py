"""Facts of recordings, as the journal keeps them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordingFinished:
    """The stereo WAV (caller left, agent right) is on disk, or ``error`` says why not.

    ``missing`` tells why one that is there is not whole, "" where it is.
    """

    recording: str
    path: str
    sha256: str
    duration_s: float
    size_bytes: int
    error: str = ""
    missing: str = ""


EVENTS = (RecordingFinished,)
