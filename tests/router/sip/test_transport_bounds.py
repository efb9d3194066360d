"""What one TCP peer, and all together, may ask of us: sizes, deadlines, counts, buffers."""

from __future__ import annotations

import asyncio
import socket

import pytest

from router.sip.effects import Flow, Send
from router.sip.message import Response
from router.sip.parser import ParseLimits, parse_message
from router.sip.streams import StreamLimits
from tests.router.sip.transport_cases import (
    LOOPS,
    message,
    run,
    started,
    tcp,
    tcp_peer,
    tcp_server,
)

pytestmark = pytest.mark.parametrize("loop", LOOPS)


def refusal(data: bytes) -> Response:
    response = parse_message(data)
    assert isinstance(response, Response)
    return response


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (message(1, b"x" * 5000), 413),
        (message().replace(b"\r\n\r\n", b"\r\nSubject: " + b"x" * 5000 + b"\r\n\r\n"), 413),
        (message().replace(b"Content-Length: 0", b"Subject: none"), 400),
    ],
)
def test_a_message_without_end_is_answered_then_the_stream_closed(
    loop: str, data: bytes, status: int
) -> None:
    async def test() -> None:
        sock = tcp()
        limits = StreamLimits(ParseLimits(message_bytes_max=4000, body_bytes_max=1000))
        async with started(sock, streams=limits) as (_, told):
            async with tcp_peer(sock.getsockname()) as peer:
                peer.send(message(7) + data + message(8))
                assert refusal(await peer.rest()).status == status
            assert (await told.messages.get())[0] == message(7)
            await told.closed.get()
            assert told.nothing_waits()

    run(loop, test())


def test_garbage_closes_the_stream(loop: str) -> None:
    async def test() -> None:
        sock = tcp()
        async with started(sock) as (_, told), tcp_peer(sock.getsockname()) as peer:
            peer.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert await peer.rest() == b""
            assert told.messages.empty()

    run(loop, test())


def test_a_peer_that_does_not_close_after_its_refusal_is_cut(loop: str) -> None:
    async def test() -> None:
        sock = tcp()
        limits = StreamLimits(linger_s=0.05)
        async with (
            started(sock, streams=limits) as (_, told),
            tcp_peer(sock.getsockname()) as peer,
        ):
            peer.send(b"GET / HTTP/1.1\r\n\r\n")
            assert await told.closed.get() == 1

    run(loop, test())


@pytest.mark.parametrize("data", [b"", b"OPTIONS", b"\r\n", message() + b"OPT"])
def test_a_message_that_never_ends_is_cut(loop: str, data: bytes) -> None:
    async def test() -> None:
        sock = tcp()
        limits = StreamLimits(message_s=0.05)
        async with (
            started(sock, streams=limits) as (_, told),
            tcp_peer(sock.getsockname()) as peer,
        ):
            peer.send(data)
            assert await peer.rest() == b""
            assert await told.closed.get() == 1

    run(loop, test())


def test_a_drip_does_not_put_the_cut_off(loop: str) -> None:
    async def test() -> None:
        sock = tcp()
        limits = StreamLimits(message_s=0.05)
        async with (
            started(sock, streams=limits) as (_, told),
            tcp_peer(sock.getsockname()) as peer,
        ):
            cut = asyncio.ensure_future(told.closed.get())
            while not cut.done():
                peer.send(b"O")
                await asyncio.wait([cut], timeout=0.005)

    run(loop, test())


@pytest.mark.parametrize("after", [b"", b"\r\n"])
def test_an_idle_stream_is_closed(loop: str, after: bytes) -> None:
    async def test() -> None:
        sock = tcp()
        limits = StreamLimits(idle_s=0.1, message_s=0.05)
        clock = asyncio.get_running_loop()
        async with (
            started(sock, streams=limits) as (_, told),
            tcp_peer(sock.getsockname()) as peer,
        ):
            start = clock.time()
            peer.send(message() + after)
            assert await peer.rest() == b""
            assert clock.time() - start >= 0.09
            assert await told.closed.get() == 1

    run(loop, test())


def test_streams_beyond_the_limit_are_closed_at_once_but_ours_still_open(loop: str) -> None:
    async def test() -> None:
        sock = tcp()
        limits = StreamLimits(connections_max=1)
        async with (
            started(sock, streams=limits) as (transport, told),
            tcp_peer(sock.getsockname()) as first,
            tcp_server() as (port, taken),
        ):
            first.send(message(1))
            await told.messages.get()
            async with tcp_peer(sock.getsockname()) as second:
                assert await second.rest() == b""
            assert transport.figures()["streams_refused"] == 1
            transport.send(Send(Flow("tcp", "127.0.0.1", port, -1), b"ours"))
            assert await (await taken.get()).receive(4) == b"ours"
            full = Flow("tcp", "127.0.0.2", port, -1)
            transport.send(Send(full, b"too many"))
            assert await told.failed.get() == full
            first.send(message(2))
            assert (await told.messages.get())[0] == message(2)
            assert told.nothing_waits()

    run(loop, test())


def test_a_peer_that_does_not_read_is_cut(loop: str) -> None:
    async def test() -> None:
        sock = tcp()
        limits = StreamLimits(write_bytes_max=65_536)
        async with started(sock, streams=limits) as (transport, told):
            with socket.create_connection(sock.getsockname()) as peer:
                peer.sendall(message())
                _, flow = await told.messages.get()
                for _ in range(1000):
                    transport.send(Send(flow, b"x" * 60_000))
                    await asyncio.sleep(0)
                    if not told.failed.empty():
                        break
                assert await told.failed.get() == flow
                assert await told.closed.get() == flow.connection

    run(loop, test())
