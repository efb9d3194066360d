"""A media worker as a process, its engine, and far ends whose packets the kernel times."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from router.media.client import WorkerClient
from router.media.protocol import Command, Done, Open, Opened, RecordingSegment, Report, Update
from router.media.rtp import RtpPacket, build, parse
from tests.router.media.stage import HOST

ROOT = Path(__file__).parents[2]
FRAME_S = 0.02
_STAMP = struct.Struct("qq")
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; not in Python's socket module


class Heard(NamedTuple):
    at: float  # unix time at which the kernel had it
    packet: RtpPacket


class Peer:
    """A far end: sends numbered packets, one byte of each saying which; keeps what it hears."""

    def __init__(self, ssrc: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((HOST, 0))
        self.address: tuple[str, int] = self.socket.getsockname()
        self.ssrc = ssrc
        self.sent = 0
        self.port = 0
        self.heard: list[Heard] = []

    def send(self, code: int = 0x11) -> None:
        number = self.sent
        packet = RtpPacket(0, False, number, 160 * number, self.ssrc, bytes((code,)) * 160)
        with contextlib.suppress(OSError):  # nobody there: its worker is dead
            self.socket.sendto(build(packet), (HOST, self.port))
        self.sent += 1

    def listen(self) -> None:
        while True:
            try:
                data, more, _, source = self.socket.recvmsg(2048, 64)
            except BlockingIOError:
                return
            except OSError:
                continue
            if source != (HOST, self.port):
                continue  # what was on its way to whoever had this port before
            seconds, nanos = _STAMP.unpack(more[0][2])
            self.heard.append(Heard(seconds + nanos / 1e9, parse(data)))


class Worker:
    """A worker process; ``start`` again after ``kill`` for another of the same address."""

    def __init__(self, folder: Path, pairs: int) -> None:
        self.path = str(folder / "w0.sock")
        low = 20_000 + os.getpid() % 20 * 500
        self._ports = f"{low}-{low + 2 * pairs + 100}"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        arguments = ["--socket", self.path, "--ports", self._ports, "--rest", "0.2"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "router.media.worker", *arguments],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        return self.process

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        self.process.wait(10)


@contextlib.contextmanager
def worker(folder: Path, pairs: int) -> Iterator[Worker]:
    made = Worker(folder, pairs)
    try:
        yield made
    finally:
        made.kill(signal.SIGTERM)


class Engine:
    """A client and the reports that it was told."""

    def __init__(self) -> None:
        self.reports: dict[int, Report] = {}
        self.client: WorkerClient

    async def connect(self, path: str, generation: int) -> Engine:
        for _ in range(500):
            try:
                self.client = await WorkerClient.connect(
                    path,
                    generation,
                    f"e{generation}",
                    lambda _, number, report: self.reports.__setitem__(number, report),
                    lambda _: None,
                    lambda _: None,
                )
                return self
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.01)
        raise AssertionError("the worker does not listen")

    def die(self) -> None:
        """As a killed engine's socket closes."""
        transport = self.client._transport
        assert transport is not None
        transport.abort()

    async def done(self, *commands: Command) -> None:
        for command in commands:
            assert await self.client.ask(command) == Done()

    async def admit(self, session: str, peer: Peer) -> None:
        """Open the session of a far end, on the port that it knows if it knows one."""
        answer = await self.client.ask(Open(session, port=peer.port))
        assert isinstance(answer, Opened)
        assert peer.port in (0, answer.port)
        peer.port = answer.port
        await self.done(Update(session, peer.address, (HOST,), 0, 101))

    def segments(self) -> list[RecordingSegment]:
        return [item for item in self.reports.values() if isinstance(item, RecordingSegment)]


class Pacing:
    """Far ends talk every 20 ms and listen, in the background."""

    def __init__(self, talkers: list[Peer], listeners: list[Peer]) -> None:
        self._talkers = talkers
        self._listeners = listeners
        self.began = time.time()
        self.ticks = 0
        self.late_ms = 0.0  # the longest that the talkers themselves paused
        self._task = asyncio.create_task(self._run())

    def code(self, number: int) -> int:
        """What packet ``number`` says: another byte for each of a hundred."""
        return 1 + number % 100

    async def _run(self) -> None:
        begun = last = time.monotonic()
        while True:
            await asyncio.sleep(max(0.0, begun + self.ticks * FRAME_S - time.monotonic()))
            now = time.monotonic()
            self.late_ms, last = max(self.late_ms, (now - last) * 1000), now
            for peer in self._talkers:
                peer.send(self.code(self.ticks))
            self.ticks += 1
            for peer in self._listeners:
                peer.listen()

    async def end(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await asyncio.sleep(0.1)
        for peer in self._listeners:
            peer.listen()


def gaps_ms(heard: list[Heard]) -> list[float]:
    """Times between one packet and the next."""
    return [(b.at - a.at) * 1000 for a, b in itertools.pairwise(heard)]


def breaks(heard: list[Heard]) -> list[str]:
    """Where packets are not each the next of one stream."""
    found = []
    for at, ((_, a), (_, b)) in enumerate(itertools.pairwise(heard)):
        step = (b.sequence - a.sequence) % 65_536
        if b.ssrc != a.ssrc or step != 1:
            found.append(f"packet {at}: sequence {step:+}, ssrc {a.ssrc:x} {b.ssrc:x}")
    return found
