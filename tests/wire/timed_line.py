"""A phone's media with a memory: bursts at known times out, everything that came in with its time.

Times are unix seconds. What a packet's audio began at is told as the sender means it: by its
timestamp, anchored at the packets that were delayed least, as a listener's jitter buffer would.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from main.demo.rtp_line import FRAME, RATE, tone
from main.demo.softphone import Softphone
from recordings import measure
from router.media.g711 import decode_ulaw, encode_ulaw
from router.sip import sdp
from tests.wire.system import TRUNK, System

FRAME_S = FRAME / RATE
SILENCE = encode_ulaw(bytes(2 * FRAME))
PERIOD = 40  # frames from burst to burst: 0.8 s
BURST = 10  # frames of tone in it


@dataclass(frozen=True)
class Sent:
    """A frame: when it was due and sent, whether it belongs to a burst, whether it was dropped."""

    number: int
    at: float
    loud: bool
    dropped: bool


@dataclass(frozen=True)
class Came:
    at: float
    stamp: int
    ssrc: int
    payload: bytes


class TimedLine:
    """The interface of ``RtpLine``; ``drop`` is the share of packets that the network loses."""

    def __init__(self, host: str, hz: float, *, first: int = 5, drop: float = 0.0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.host, self.port = self._socket.getsockname()
        self.remote: tuple[str, int] | None = None
        self.heard = bytearray()
        self.sent: list[Sent] = []
        self.came: list[Came] = []
        self.on_audio: Callable[[], None] | None = None
        self._first = first
        self._drop = drop
        self._dice = Random(4711)
        self._tone = tone(hz)
        self._ssrc = self._dice.getrandbits(32)
        self._stamp = self._dice.getrandbits(32)
        self._sequence = self._dice.getrandbits(16)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket.fileno(), self._readable)
        self._task = loop.create_task(self._speak())

    def speak(self, ulaw: bytes) -> None:
        """It speaks its bursts, whatever it is told."""

    def vanish(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        self._task = None
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def samples(self) -> array[int]:
        out = array("h")
        out.frombytes(decode_ulaw(bytes(self.heard)))
        return out

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        number = 0
        while True:
            await asyncio.sleep(max(0.0, begun + number * FRAME_S - loop.time()))
            self._frame(number)
            number += 1

    def _frame(self, number: int) -> None:
        place = (number - self._first) % PERIOD
        loud = number >= self._first and place < BURST
        frame = self._tone[place * FRAME :][:FRAME] if loud else SILENCE
        head = struct.pack(
            "!BBHII",
            0x80,
            0,
            (self._sequence + number) & 0xFFFF,
            (self._stamp + number * FRAME) & 0xFFFFFFFF,
            self._ssrc,
        )
        dropped = self._dice.random() < self._drop
        if self.remote is not None:
            self.sent.append(Sent(number, time.time(), loud, dropped))
            if not dropped:
                self._socket.sendto(head + frame, self.remote)

    def _readable(self) -> None:
        for _ in range(64):
            try:
                packet = self._socket.recv(2048)
            except OSError:
                return
            if len(packet) > 12 and packet[1] & 0x7F == 0:
                _, _, _, stamp, ssrc = struct.unpack_from("!BBHII", packet)
                self.came.append(Came(time.time(), stamp, ssrc, packet[12:]))
                self.heard += packet[12:]

    def bursts_sent(self) -> list[float]:
        """When the first frame of each burst that got through was due on the wire."""
        anchor = min(frame.at - frame.number * FRAME_S for frame in self.sent)
        begun: list[float] = []
        last = -PERIOD
        for frame in self.sent:
            if frame.loud and not frame.dropped and frame.number - last >= BURST:
                begun.append(anchor + frame.number * FRAME_S)
                last = frame.number
        return begun

    def bursts_heard(self, quiet_frames: int = 8) -> list[float]:
        """When each burst that came in began, to the sample, by the timestamps around it."""
        begun: list[float] = []
        quiet = quiet_frames
        for number, packet in enumerate(self.came):
            at = _first_loud(packet.payload)
            if at is None:
                quiet += 1
                continue
            if quiet >= quiet_frames:
                begun.append(self._meant(number) + at / RATE)
            quiet = 0
        return begun

    def _meant(self, number: int) -> float:
        """The time of a packet by those around it that belong to the same run of timestamps."""
        own = self.came[number]
        around = self.came[max(0, number - 25) : number + 25]
        delays = [
            other.at - _difference(other.stamp, own.stamp) / RATE
            for other in around
            if other.ssrc == own.ssrc
            and abs(_difference(other.stamp, own.stamp) / RATE - (other.at - own.at)) < 0.1
        ]
        return min(delays)


def _difference(one: int, other: int) -> int:
    return ((one - other + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def _first_loud(payload: bytes, threshold: int = 330) -> int | None:
    """Position of the first sample over -40 dBFS."""
    samples = array("h")
    samples.frombytes(decode_ulaw(payload))
    return next((n for n, value in enumerate(samples) if abs(value) >= threshold), None)


class TimedPhone(Softphone):
    """A softphone with such a line; it can hold, too."""

    line: TimedLine  # type: ignore[assignment]

    def __init__(self, system: System, user: str, line: TimedLine, password: str = "") -> None:
        super().__init__(user, password, line.host, system.sip)
        self.line.vanish()
        self.line = line
        self._local = replace(self._local, port=line.port)

    async def change(self, direction: str) -> None:
        """Re-INVITE: ``sendonly`` holds, ``sendrecv`` resumes."""
        self._local = replace(self._local, direction=direction, version=self._local.version + 1)  # type: ignore[arg-type]
        self._take(self._endpoint.change(self.leg, sdp.make_offer(self._local), time.time()))


def at_trunk(hz: float, **options: float) -> TimedLine:
    return TimedLine(TRUNK, hz, **options)  # type: ignore[arg-type]


def onsets(samples: Sequence[int], started: float, expected: Sequence[float]) -> list[float]:
    """How far, in seconds, each burst in a channel of a recording lies from its time.

    ``started`` is the recording's time 0. A burst is looked for from 0.3 s before its time.
    """
    off: list[float] = []
    for at in expected:
        found = measure.onset(samples, RATE, after=max(0.0, at - started - 0.3))
        assert found is not None, f"no burst after {at - started:.2f} s"
        off.append(started + found - at)
    return off
