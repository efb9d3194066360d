"""The media of all callers of ``bench.calls``: hears the prompt, presses the key, may talk.

SIPp's own ways to send a digit need raw sockets (root). All calls name this one address in their
session descriptions instead; each call is told apart by where its packets come from.
"""

from __future__ import annotations

import heapq
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass

EVENT_TYPE = 101
FRAME_S = 0.02
FRAME = 160
KEY = 1
KEY_FRAMES = 6  # three updates, three ends (RFC 4733 2.5.1.4)
LOOK_S = 0.004
FORGET_S = 5.0  # silent for so long: the port may belong to another call
SPEECH = bytes(0x80 + n % 40 for n in range(FRAME))
RTP = struct.Struct("!BBHII")
EVENT = struct.Struct("!BBH")


@dataclass(slots=True)
class Line:
    """One call, by the address that its packets come from."""

    source: tuple[str, int]
    heard_at: float
    heard: int = 0
    sequence: int = 0
    timestamp: int = 0
    ssrc: int = 0
    sent: int = 0


class Keypad:
    """A thread with one socket. ``press_after_s`` counts from a call's first packet."""

    def __init__(self, host: str, press_after_s: float, packets_min: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.host, self.port = self._socket.getsockname()
        self.pressed = 0
        self.unheard = 0  # calls whose prompt had not come in full when the key was due
        self.talks = False  # after the key, 50 packets of speech a second
        self._press_after_s = press_after_s
        self._packets_min = packets_min
        self._lines: dict[tuple[str, int], Line] = {}
        self._due: list[tuple[float, int, Line]] = []
        self._count = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keypad", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        # A look every few milliseconds: a socket that somebody waits at makes each packet wake
        # them up, and whoever sends it pays for that.
        while not self._ending.wait(LOOK_S):
            self._hear()
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                at, _, line = heapq.heappop(self._due)
                self._send(line, at)

    def _hear(self) -> None:
        now = time.monotonic()
        while True:
            try:
                _, source = self._socket.recvfrom(2048)
            except BlockingIOError:
                return
            line = self._lines.get(source)
            if line is None or now - line.heard_at > FORGET_S:
                line = self._lines[source] = Line(source, now)
                line.ssrc = random.getrandbits(32)
                self._later(now + self._press_after_s, line)
            line.heard += 1
            line.heard_at = now

    def _later(self, at: float, line: Line) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, line))

    def _send(self, line: Line, at: float) -> None:
        """The line's next packet: of the key first, then of speech while its far end is there."""
        number, line.sent = line.sent, line.sent + 1
        if number == 0:
            self.unheard += line.heard < self._packets_min
        key = number < KEY_FRAMES
        if key:
            ends = number >= KEY_FRAMES // 2
            frames = min(number + 1, KEY_FRAMES // 2)
            payload = EVENT.pack(KEY, 0x80 * ends | 10, FRAME * frames)
            kind = EVENT_TYPE | 0x80 * (number == 0)
        elif self.talks and at - line.heard_at < 1.0:
            line.timestamp += FRAME if number > KEY_FRAMES else FRAME * KEY_FRAMES
            payload, kind = SPEECH, 0
        else:
            return
        self.pressed += number == KEY_FRAMES - 1
        header = RTP.pack(0x80, kind, line.sequence & 0xFFFF, line.timestamp, line.ssrc)
        line.sequence += 1
        self._socket.sendto(header + payload, line.source)
        self._later(at + FRAME_S, line)
