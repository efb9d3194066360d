"""The media of a demo phone: speaks mu-law at 20 ms a packet, keeps what it hears."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from array import array
from collections.abc import Callable

from router.media.g711 import decode_ulaw, encode_ulaw

FRAME = 160
RATE = 8000
DIGIT_TYPE = 101
KEYS = "0123456789*#"


def family_of(host: str) -> socket.AddressFamily:
    """Of an IPv4 or IPv6 address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def tone(hz: float, level: float = 0.3) -> bytes:
    """One second of a sine as mu-law; whole periods, so that it loops without a click."""
    hz = round(hz)
    samples = array(
        "h",
        (int(32767 * level * math.sin(2 * math.pi * hz * n / RATE)) for n in range(RATE)),
    )
    return encode_ulaw(samples.tobytes())


class RtpLine:
    """One RTP stream each way on a socket of its own."""

    def __init__(self, host: str) -> None:
        self._socket = socket.socket(family_of(host), socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.host, self.port = self._socket.getsockname()[:2]
        self.remote: tuple[str, int] | None = None
        self.heard = bytearray()
        self._voice = tone(0, 0.0)
        self._at = 0
        self._sequence = 1
        self._timestamp = 0
        self._ssrc = id(self) & 0xFFFFFFFF
        self._keys: list[tuple[str, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self.on_audio: Callable[[], None] | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket.fileno(), self._readable)
        self._task = loop.create_task(self._speak())

    def speak(self, ulaw: bytes) -> None:
        """Say this, round and round."""
        self._voice, self._at = ulaw, 0

    async def press(self, key: str) -> None:
        """Send a key as RFC 4733 events; returns when it is sent."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keys.append((key, done))
        await done

    def vanish(self) -> None:
        """Stop sending and hearing at once, like a phone whose battery died."""
        if self._stopped:
            return
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def samples(self) -> array[int]:
        """What was heard, linear 16 bit."""
        out = array("h")
        out.frombytes(decode_ulaw(bytes(self.heard)))
        return out

    def _readable(self) -> None:
        for _ in range(64):
            try:
                packet = self._socket.recv(2048)
            except (BlockingIOError, OSError):
                return
            if len(packet) > 12 and packet[1] & 0x7F == 0:
                self.heard += packet[12:]
                if self.on_audio is not None:
                    self.on_audio()

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += 0.020
            await asyncio.sleep(max(0.0, due - loop.time()))
            if self._keys:
                key, done = self._keys.pop(0)
                due = await self._send_key(key, due)
                done.set_result(None)
                continue
            frame = bytes(self._voice[(self._at + n) % len(self._voice)] for n in range(FRAME))
            self._at = (self._at + FRAME) % len(self._voice)
            self._send(0, frame, self._timestamp)
            self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF

    async def _send_key(self, key: str, due: float) -> float:
        """Five updates and three ends on one timestamp (RFC 4733 2.5)."""
        loop = asyncio.get_running_loop()
        event = KEYS.index(key)
        start = self._timestamp
        for number in range(1, 9):
            due += 0.020
            await asyncio.sleep(max(0.0, due - loop.time()))
            self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
            end = 0x80 if number > 5 else 0
            body = struct.pack("!BBH", event, end | 10, min(number, 6) * FRAME)
            self._send(DIGIT_TYPE, body, start, marker=number == 1)
        return due

    def _send(self, kind: int, payload: bytes, timestamp: int, *, marker: bool = False) -> None:
        if self.remote is None or self._stopped:
            return
        head = struct.pack(
            "!BBHII",
            0x80,
            kind | (0x80 if marker else 0),
            self._sequence & 0xFFFF,
            timestamp,
            self._ssrc,
        )
        self._sequence += 1
        try:
            self._socket.sendto(head + payload, self.remote)
        except OSError:
            return
