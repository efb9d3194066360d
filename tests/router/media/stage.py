"""The worker's insides on real loopback sockets and a virtual clock."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from router.media.disk import InlineDisk
from router.media.exchange import Exchange
from router.media.loop import Loop, LoopClock
from router.media.playout import STEP_US
from router.media.ports import PortPool
from router.media.protocol import Answer, Command, Done, Open, Opened, Report, Update
from router.media.rtp import RtpPacket, build, parse

HOST = "127.0.0.1"
_PORTS = itertools.cycle(range(50_000, 60_000, 40))


class Phone:
    """A far end: sends numbered packets of 20 ms, keeps what it hears."""

    def __init__(self, ssrc: int, payload_type: int = 0, ipv6: bool = False) -> None:
        family, host = (socket.AF_INET6, "::1") if ipv6 else (socket.AF_INET, HOST)
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.address: tuple[str, int] = self.socket.getsockname()[:2]
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.sequence = 1000 * ssrc
        self.timestamp = 160 * self.sequence
        self.port = 0

    def send(self, payload: bytes = b"\x11" * 160, count: int = 1, **changes: Any) -> None:
        """Send packets to the session; ``changes`` are fields that differ from the next."""
        for _ in range(count):
            packet = RtpPacket(
                self.payload_type, False, self.sequence, self.timestamp, self.ssrc, payload
            )._replace(**changes)
            self.raw(build(packet))
            self.sequence = (self.sequence + 1) % 65_536
            self.timestamp = (self.timestamp + 160) % 2**32

    def raw(self, data: bytes) -> None:
        self.socket.sendto(data, (self.address[0], self.port))

    def heard(self) -> list[RtpPacket]:
        """Every packet of the session that arrived since the last call."""
        packets: list[RtpPacket] = []
        while True:
            try:
                data, source = self.socket.recvfrom(2048)
            except BlockingIOError:
                return packets
            if source[1] == self.port:  # not what was meant for whoever had this port before
                packets.append(parse(data))

    def close(self) -> None:
        self.socket.close()


class Stage:
    """An exchange, its loop, and phones; time goes by ``pass_ms``."""

    def __init__(self, folder: Path, rest_s: float = 10.0, ports: int = 20) -> None:
        self.folder = folder
        self.time_ns = 1_000_000_000
        self.loop = Loop(LoopClock(lambda: self.time_ns, lambda: 1_700_000_000.0))
        self.reports: list[Report] = []
        self._random = 100
        first = next(_PORTS)
        self.exchange = Exchange(
            (HOST, "::1"),
            PortPool(first, first + 2 * ports - 1, rest_s),
            self.loop,
            self.loop.clock,
            self.reports.append,
            self._next_random,
            InlineDisk(),
        )
        self.phones: list[Phone] = []
        self._step = 0

    def _next_random(self) -> int:
        self._random += 65_000
        return self._random

    def do(self, command: Command) -> Answer:
        self.loop.clock.read()
        return self.exchange.handle(command)

    def done(self, command: Command) -> None:
        assert self.do(command) == Done()

    def phone(
        self,
        session: str,
        payload_type: int = 0,
        digits_type: int | None = 101,
        ipv6: bool = False,
        timeout_s: float = 15.0,
    ) -> Phone:
        """Open a session with a far end."""
        phone = Phone(len(self.phones) + 1, payload_type, ipv6)
        self.phones.append(phone)
        answer = self.do(Open(session, ipv6, timeout_s=timeout_s))
        assert isinstance(answer, Opened)
        phone.port = answer.port
        hosts = (phone.address[0],)
        self.done(Update(session, phone.address, hosts, payload_type, digits_type))
        return phone

    def read(self) -> None:
        """Let the loop take everything that has arrived."""
        while self.loop.epoll.poll(0):
            self.loop.turns(0)

    def pass_ms(self, ms: int) -> None:
        """Let time go by in steps of 5 ms."""
        for _ in range(ms * 1000 // STEP_US):
            self.time_ns += STEP_US * 1000
            self.read()
            self.loop.clock.read()
            self.exchange.step(self._step)
            self._step += 1

    def talk(self, *phones: Phone, count: int = 1, payload: bytes = b"\x11" * 160) -> None:
        """Each phone sends packets every 20 ms, which the loop takes."""
        for _ in range(count):
            for phone in phones:
                phone.send(payload)
            self.read()
            self.pass_ms(20)

    def audio(self, name: str, samples: bytes) -> str:
        """The path of a file to play."""
        path = self.folder / name
        path.write_bytes(samples)
        return str(path)

    def of(self, kind: type) -> list[Any]:
        """The reports of one type."""
        return [report for report in self.reports if isinstance(report, kind)]

    def close(self) -> None:
        for leg in self.exchange.legs.values():
            leg.close()
        self.exchange.tapes.finish_all()
        for phone in self.phones:
            phone.close()
        self.loop.close()


@contextmanager
def stage(folder: Path, rest_s: float = 10.0, ports: int = 20) -> Iterator[Stage]:
    made = Stage(folder, rest_s, ports)
    try:
        yield made
    finally:
        made.close()


def continuous(packets: list[RtpPacket]) -> bool:
    """One SSRC, no gap in the sequence, time never back."""
    for before, after in itertools.pairwise(packets):
        if after.ssrc != before.ssrc or after.sequence != (before.sequence + 1) % 65_536:
            return False
        if (after.timestamp - before.timestamp) % 2**32 >= 2**31:
            return False
    return True
