"""Loopback peers for the tests of the transport: what it tells, and far ends to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, cast

import uvloop

from config.settings import SipLimits
from router.sip.effects import Flow
from router.sip.streams import StreamLimits
from router.sip.transport import SipTransport
from tests.router.sip.transaction_cases import incoming

PATIENCE_S = 10.0  # a test that waits longer has failed
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def run(loop: str, test: Coroutine[Any, Any, None]) -> None:
    """Run a test on one of the two event loops."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(bounded())


def message(number: int = 1, body: bytes = b"") -> bytes:
    request = incoming("OPTIONS", cseq=number)
    request.body = body
    return request.encode()


def _bind(kind: int, host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.bind((host, 0))
    except OSError:
        sock.close()
        raise
    if kind == socket.SOCK_STREAM:
        sock.listen()
    sock.setblocking(False)
    return sock


def udp(host: str = "127.0.0.1") -> socket.socket:
    return _bind(socket.SOCK_DGRAM, host)


def tcp(host: str = "127.0.0.1") -> socket.socket:
    return _bind(socket.SOCK_STREAM, host)


def loopback_hosts() -> list[str]:
    """127.0.0.1, and ::1 on machines that have IPv6."""
    hosts = ["127.0.0.1"]
    with contextlib.suppress(OSError):
        udp("::1").close()
        hosts.append("::1")
    return hosts


class Told:
    """What the transport told, each kind in a queue to wait on."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.closed: asyncio.Queue[int] = asyncio.Queue()
        self.failed: asyncio.Queue[Flow] = asyncio.Queue()

    def nothing_waits(self) -> bool:
        return self.messages.empty() and self.closed.empty() and self.failed.empty()


@contextlib.asynccontextmanager
async def started(
    *sockets: socket.socket, streams: StreamLimits | None = None
) -> AsyncIterator[tuple[SipTransport, Told]]:
    transport = SipTransport(sockets, SipLimits(), streams=streams)
    told = Told()
    await transport.prepare(
        lambda data, flow: told.messages.put_nowait((data, flow)),
        told.closed.put_nowait,
        told.failed.put_nowait,
    )
    await transport.start()
    try:
        yield transport, told
    finally:
        await transport.close()


class UdpPeer(asyncio.DatagramProtocol):
    """A far end that collects datagrams."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.host, self.port = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.received.put_nowait(data)

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        self.transport.sendto(data, to)


@contextlib.asynccontextmanager
async def udp_peer(host: str = "127.0.0.1") -> AsyncIterator[UdpPeer]:
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_datagram_endpoint(UdpPeer, local_addr=(host, 0))
    try:
        yield peer
    finally:
        transport.close()


class TcpPeer:
    """A far end's stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.host, self.port = writer.get_extra_info("sockname")[:2]

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """What comes until the stream ends, by a close or a reset."""
        found = b""
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(65_536):
                found += data
        return found

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def tcp_peer(to: tuple[str, int]) -> AsyncIterator[TcpPeer]:
    """A peer that connects to us."""
    peer = TcpPeer(*await asyncio.open_connection(*to))
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def tcp_server() -> AsyncIterator[tuple[int, asyncio.Queue[TcpPeer]]]:
    """A peer that we connect to: its port, and the streams that it took."""
    taken: asyncio.Queue[TcpPeer] = asyncio.Queue()
    peers: list[TcpPeer] = []

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(TcpPeer(reader, writer))
        taken.put_nowait(peers[-1])

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], taken
    finally:
        server.close()
        for peer in peers:
            await peer.close()
