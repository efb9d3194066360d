"""One recording while the call goes on (format: recording.py)."""

from __future__ import annotations

from router.media.disk import File
from router.media.protocol import RecordingSegment
from router.media.recording import (
    END,
    PAUSE,
    PREFIX,
    RESUME,
    RIGHT,
    SIDE,
    RecordingHeader,
    encode_header,
    encode_mark,
)


class Recorder:
    """``buffer`` takes records; ``take`` gives them out to be written to ``file``.

    The worker's loop appends packets to ``buffer`` itself. ``give_up`` ends the storing for
    good; why goes into the segment's report.
    """

    __slots__ = (
        "broken",
        "buffer",
        "counts",
        "error",
        "file",
        "left",
        "paused",
        "recording",
        "right",
        "slot",
        "started",
        "zero_us",
    )

    def __init__(
        self, recording: str, path: str, left: str, right: str, now_us: int, started: float
    ) -> None:
        """``now_us`` is the loop's time, ``started`` the same in unix seconds."""
        self.recording = recording
        self.left = left
        self.right = right
        self.zero_us = now_us
        self.started = started
        self.paused = False
        self.broken = False
        self.error = ""
        self.counts = [0, 0]
        self.slot = 0
        self.file = File(path)
        self.buffer = bytearray(encode_header(RecordingHeader(recording, started, left, right)))

    def packet(self, side: int, packet: bytes | memoryview, now_us: int) -> None:
        """Keep one plain RTP packet of a side (0 left, 1 right)."""
        if self.broken or self.paused:
            return
        self.buffer += PREFIX.pack(side, len(packet), now_us - self.zero_us)
        self.buffer += packet
        self.counts[side] += 1

    def pause(self, paused: bool, now_us: int) -> None:
        if paused != self.paused:
            self.paused = paused
            self._mark(PAUSE if paused else RESUME, now_us)

    def change_right(self, session: str, now_us: int) -> None:
        """Another session is on the right side from here."""
        self.right = session
        self._mark(SIDE, now_us, RIGHT, session)

    def _mark(self, kind: int, now_us: int, side: int = 0, session: str = "") -> None:
        if not self.broken:
            self.buffer += encode_mark(kind, now_us - self.zero_us, side, session)

    def take(self) -> bytearray:
        """What waits to be written; it is the taker's now."""
        taken, self.buffer = self.buffer, bytearray()
        return taken

    def give_up(self, error: str) -> None:
        """Nothing more is stored."""
        self.broken = True
        self.error = self.error or error
        self.buffer = bytearray()

    def finish(self, now_us: int) -> RecordingSegment:
        """No more records come; what to report once the file is closed."""
        self._mark(END, now_us)
        return RecordingSegment(
            self.recording,
            self.file.asked,
            self.started,
            self.started + (now_us - self.zero_us) / 1e6,
            self.counts[0],
            self.counts[1],
            self.error,
        )
