"""Writing one recording while the call goes on (format: recording.py)."""

from __future__ import annotations

import errno
import os

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

FILE_BYTES_MAX = 4 * 1024 * 1024 * 1024  # 60 hours of two sides
NAMES_MAX = 100


class Recorder:
    """One recording: ``buffer`` takes records, ``flush`` appends them to the file.

    The worker's loop appends packets to ``buffer`` itself. An I/O error stops the storing for
    good; its text goes into the segment's report. An existing file is never written over: the
    name gets ``.2``, ``.3``... before its suffix.
    """

    __slots__ = (
        "asked_path",
        "buffer",
        "counts",
        "error",
        "fd",
        "left",
        "path",
        "paused",
        "recording",
        "right",
        "size",
        "slot",
        "started",
        "zero_us",
    )

    def __init__(
        self, recording: str, path: str, left: str, right: str, now_us: int, started: float
    ) -> None:
        """Create the file. ``now_us`` is the loop's time, ``started`` the same in unix seconds.

        Raises OSError.
        """
        self.recording = recording
        self.asked_path = path
        self.left = left
        self.right = right
        self.zero_us = now_us
        self.started = started
        self.paused = False
        self.error = ""
        self.counts = [0, 0]
        self.size = 0
        self.slot = 0
        self.fd, self.path = _create(path)
        self.buffer = bytearray(encode_header(RecordingHeader(recording, started, left, right)))

    def packet(self, side: int, packet: bytes | memoryview, now_us: int) -> None:
        """Keep one plain RTP packet of a side (0 left, 1 right)."""
        if self.fd < 0 or self.paused:
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
        if self.fd >= 0:
            self.buffer += encode_mark(kind, now_us - self.zero_us, side, session)

    def flush(self) -> None:
        """Append what waits to the file."""
        buffer = self.buffer
        if not buffer or self.fd < 0:
            return
        try:
            with memoryview(buffer) as view:
                done = 0
                while done < len(view):
                    done += os.write(self.fd, view[done:])
        except OSError as error:
            self._give_up(_say(error))
            return
        self.size += len(buffer)
        buffer.clear()
        if self.size > FILE_BYTES_MAX:
            self._give_up("the recording is too long")

    def _give_up(self, error: str) -> None:
        self.error = error
        self.buffer.clear()
        self._close()

    def _close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            try:
                os.close(fd)
            except OSError as error:
                self.error = self.error or _say(error)

    def finish(self, now_us: int) -> RecordingSegment:
        """Close the file; what to report of it."""
        self._mark(END, now_us)
        self.flush()
        self._close()
        return RecordingSegment(
            self.recording,
            self.path,
            self.started,
            self.started + (now_us - self.zero_us) / 1e6,
            self.counts[0],
            self.counts[1],
            self.error,
        )


def _say(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"disk full: {text}" if error.errno in (errno.ENOSPC, errno.EDQUOT) else text


def _create(path: str) -> tuple[int, str]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    root, suffix = os.path.splitext(path)
    for number in range(1, NAMES_MAX + 1):
        name = path if number == 1 else f"{root}.{number}{suffix}"
        try:
            return os.open(name, flags, 0o640), name
        except FileExistsError:
            continue
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return os.open(name, flags, 0o640), name
    raise FileExistsError(errno.EEXIST, "too many recordings of this name", path)
