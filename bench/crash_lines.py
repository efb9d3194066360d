"""The media of the phones of ``bench.crash``: numbered frames out, gaps between packets in.

Every frame says which it is: 80 bytes of one value for the hundreds, 80 of another for the rest,
so that a recording tells which frames it lacks. What comes in is timed by the kernel
(SO_TIMESTAMPNS): a bench that wakes late does not look like a gap in the stream.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

Address = tuple[str, int]

FRAME = 160
FRAME_S = 0.02
QUIET_EVERY = 10  # a caller who waits sends one frame of so many: a phone with voice detection
FRAMES = 10_000  # then the count begins anew
HUNDREDS = bytes(range(0x90, 0xF4))  # of G.711 mu-law: positive values
UNITS = bytes(range(0x10, 0x74))  # negative ones
_RTP = struct.Struct("!BBHII")
_TIMESPEC = struct.Struct("@qq")
_SO_TIMESTAMPNS = 35  # linux/asm-generic/socket.h; Python has no name for it


def payload(number: int) -> bytes:
    """The 160 bytes of a frame."""
    hundreds, units = divmod(number % FRAMES, 100)
    return HUNDREDS[hundreds : hundreds + 1] * 80 + UNITS[units : units + 1] * 80


@dataclass(slots=True)
class Line:
    """One leg's stream. Times are Unix time in seconds."""

    begun: float  # frame 0 is due then
    ssrc: int
    far: Address = ("", 0)
    talks: bool = False  # every frame goes out, not just one of QUIET_EVERY
    sequence: int = 0
    frame: int = 0  # the next to be sent
    heard_at: float = 0.0
    heard: int = 0
    gap: float = 0.0  # the longest since ``Lines.watch``
    watched: bool = False


@dataclass(slots=True)
class Lines:
    """All legs that share an RTP socket, told apart by where their packets come from."""

    host: str
    by_far: dict[Address, Line] = field(default_factory=dict)
    _socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((self.host, 0))
        self._socket.setblocking(False)

    @property
    def at(self) -> Address:
        host, port = self._socket.getsockname()
        return host, port

    def close(self) -> None:
        self._socket.close()

    def join(self, line: Line, far: Address) -> None:
        self.leave(line)
        line.far = far
        self.by_far[far] = line

    def leave(self, line: Line) -> None:
        if self.by_far.get(line.far) is line:
            del self.by_far[line.far]

    # --- in ------------------------------------------------------------------------------------

    def hear(self) -> None:
        """Take all packets that are there."""
        while True:
            try:
                _, more, _, far = self._socket.recvmsg(0, 64)
            except BlockingIOError:
                return
            line = self.by_far.get(far)
            if line is None:
                continue
            seconds, nanoseconds = _TIMESPEC.unpack(more[0][2])
            at = seconds + nanoseconds / 1e9
            if line.heard_at and at - line.heard_at > line.gap:
                line.gap = at - line.heard_at
            line.heard_at = at
            line.heard += 1

    def watch(self) -> None:
        """Begin to look for gaps on every line that has been heard."""
        for line in self.by_far.values():
            line.gap = 0.0
            line.watched = line.heard > 0

    # --- out -----------------------------------------------------------------------------------

    def speak(self, lines: Iterable[Line], now: float) -> None:
        """Send what is due; after a stall of ours the frames of it, too."""
        for line in lines:
            due = int((now - line.begun) / FRAME_S)
            if not line.far[1]:
                line.frame = due
            while line.frame < due:
                number, line.frame = line.frame, line.frame + 1
                if line.talks or number % QUIET_EVERY == 0:
                    head = _RTP.pack(
                        0x80, 0, line.sequence & 0xFFFF, number * FRAME & 0xFFFFFFFF, line.ssrc
                    )
                    line.sequence += 1
                    self._socket.sendto(head + payload(number), line.far)
