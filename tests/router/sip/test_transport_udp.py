"""UDP on loopback: batches, families, a full socket, failures, names."""

from __future__ import annotations

import socket

import pytest

from router.sip import datagrams
from router.sip.datagrams import DatagramListener
from router.sip.effects import Flow, Send
from tests.router.sip.transport_cases import (
    LOOPS,
    Told,
    loopback_hosts,
    message,
    run,
    started,
    udp,
    udp_peer,
)

pytestmark = pytest.mark.parametrize("loop", LOOPS)


@pytest.mark.parametrize("host", loopback_hosts())
def test_a_datagram_comes_with_its_flow_and_the_answer_goes_back(loop: str, host: str) -> None:
    async def test() -> None:
        sock = udp(host)
        port = sock.getsockname()[1]
        async with started(udp(), sock) as (transport, told), udp_peer(host) as peer:
            peer.send(b"a request", (host, port))
            data, flow = await told.messages.get()
            assert (data, flow) == (b"a request", Flow("udp", host, peer.port, 0, 1))
            transport.send(Send(flow, b"its answer"))
            assert await peer.received.get() == b"its answer"
            assert told.nothing_waits()

    run(loop, test())


def test_more_datagrams_than_a_batch_all_come_in_order(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "BATCH", 8)

    async def test() -> None:
        sock = udp()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for number in range(30):
                peer.sendto(message(number), sock.getsockname())
            async with started(sock) as (_, told):
                for number in range(30):
                    data, _ = await told.messages.get()
                    assert data == message(number)

    run(loop, test())


def test_it_says_when_what_waited_was_given_out(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "BATCH", 2)

    async def test() -> None:
        busy, quiet = udp(), udp()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for number in range(30):
                peer.sendto(message(number), busy.getsockname())
            async with started(quiet, busy) as (transport, told):
                await transport.caught_up()
                assert told.messages.qsize() == 30

    run(loop, test())


def test_keep_alives_are_not_messages(loop: str) -> None:
    async def test() -> None:
        sock = udp()
        async with started(sock) as (_, told), udp_peer() as peer:
            for data in (b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b"end"):
                peer.send(data, sock.getsockname())
            assert (await told.messages.get())[0] == b"end"

    run(loop, test())


def test_a_response_of_any_size_goes(loop: str) -> None:
    async def test() -> None:
        async with started(udp()) as (transport, _), udp_peer() as peer:
            transport.send(Send(Flow("udp", peer.host, peer.port), b"x" * 9000))
            assert len(await peer.received.get()) == 9000

    run(loop, test())


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 0), ("::1", 5060), (64 * "a" + ".example", 5060)]
)
def test_what_cannot_be_sent_is_told(loop: str, host: str, port: int) -> None:
    async def test() -> None:
        async with started(udp()) as (transport, told):
            flow = Flow("udp", host, port)
            transport.send(Send(flow, b"lost"))
            assert told.nothing_waits()
            assert await told.failed.get() == flow

    run(loop, test())


def test_a_name_is_looked_up_and_kept(loop: str) -> None:
    async def test() -> None:
        async with started(udp()) as (transport, told), udp_peer() as peer:
            for data in (b"one", b"two"):
                transport.send(Send(Flow("udp", "localhost", peer.port), data))
            assert {await peer.received.get(), await peer.received.get()} == {b"one", b"two"}
            transport.send(Send(Flow("udp", "localhost", peer.port), b"three"))
            assert await peer.received.get() == b"three"
            assert told.nothing_waits()

    run(loop, test())


class FullSocket(socket.socket):
    """Takes nothing until it is told to."""

    full = True

    def sendto(self, *args: object) -> int:
        if self.full:
            raise BlockingIOError
        return super().sendto(*args)  # type: ignore[arg-type]


def test_a_full_socket_makes_datagrams_wait_in_order_and_drops_beyond_the_queue(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "QUEUE_MAX", 3)

    async def test() -> None:
        sock = FullSocket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        told = Told()
        listener = DatagramListener(sock, 0)
        listener.prepare(
            lambda data, flow: told.messages.put_nowait((data, flow)), told.failed.put_nowait
        )
        listener.start()
        async with udp_peer() as peer:
            for number in range(5):
                listener.send(b"%d" % number, peer.host, Flow("udp", peer.host, peer.port))
            assert listener.dropped == 2
            sock.full = False
            assert [await peer.received.get() for _ in range(3)] == [b"0", b"1", b"2"]
            listener.send(b"next", peer.host, Flow("udp", peer.host, peer.port))
            assert await peer.received.get() == b"next"
            sock.full = True
            listener.send(b"never", peer.host, Flow("udp", peer.host, peer.port))
        listener.close()

    run(loop, test())
