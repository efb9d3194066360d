"""Where callers hear who do nothing but listen: one socket for all of them, named in their session
descriptions. Each is told apart by where its packets come from; the kernel times them, so that a
sink that wakes late does not look like a gap of the music.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass

Address = tuple[str, int]

LOOK_S = 0.004
SAYS_EVERY = 50  # packets heard: a phone that sends nothing at all would be taken for dead
GONE_S = 2.5  # silent for so long: the call is over, or this is a gap that shows otherwise
_RTP = struct.Struct("!BBHII")
_QUIET = bytes([0xFF]) * 160  # G.711 mu-law
_TIMESPEC = struct.Struct("@qq")
_SO_TIMESTAMPNS = 35  # linux/asm-generic/socket.h; Python has no name for it


@dataclass(slots=True)
class Stream:
    """What comes from one port of a media worker. Times are Unix time in seconds."""

    heard_at: float
    since: float
    packets: int = 0
    gap_s: float = 0.0  # the longest since ``Sink.watch``


class Sink:
    """A thread with one socket."""

    def __init__(self, host: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.host, self.port = self._socket.getsockname()
        self._streams: dict[Address, Stream] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._ending.wait(LOOK_S):
            with self._lock:
                self._hear()

    def _hear(self) -> None:
        while True:
            try:
                _, more, _, source = self._socket.recvmsg(0, 64)
            except BlockingIOError:
                return
            seconds, nanoseconds = _TIMESPEC.unpack(more[0][2])
            at = seconds + nanoseconds / 1e9
            stream = self._streams.get(source)
            if stream is None:
                stream = self._streams[source] = Stream(at, at)
            stream.gap_s = max(stream.gap_s, at - stream.heard_at)
            stream.heard_at = at
            stream.packets += 1
            if stream.packets % SAYS_EVERY == 0:
                number = stream.packets // SAYS_EVERY
                head = _RTP.pack(0x80, 0, number & 0xFFFF, stream.packets * 160, source[1])
                self._socket.sendto(head + _QUIET, source)

    def watch(self) -> None:
        """Begin to look for gaps; streams of calls that are over are forgotten."""
        gone = time.time() - GONE_S
        with self._lock:
            for source, stream in [*self._streams.items()]:
                stream.gap_s = 0.0
                if stream.heard_at < gone:
                    del self._streams[source]

    def gaps(self, before: float) -> list[float]:
        """The longest since ``watch`` of each stream that was there ``before`` and still is."""
        with self._lock:
            now = time.time()
            return [
                stream.gap_s
                for stream in self._streams.values()
                if stream.since < before and now - stream.heard_at < 0.5
            ]
