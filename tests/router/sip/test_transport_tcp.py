"""TCP on loopback: framing, reuse, streams on demand, closing."""

from __future__ import annotations

import asyncio

import pytest

from router.sip.effects import CloseStream, Flow, Send
from router.sip.streams import StreamLimits
from tests.router.sip.transport_cases import (
    LOOPS,
    loopback_hosts,
    message,
    run,
    started,
    tcp,
    tcp_peer,
    tcp_server,
    udp,
)

pytestmark = pytest.mark.parametrize("loop", LOOPS)


@pytest.mark.parametrize("host", loopback_hosts())
def test_a_message_comes_with_its_flow_and_the_answer_goes_back(loop: str, host: str) -> None:
    async def test() -> None:
        sock = tcp(host)
        async with (
            started(udp(), sock) as (transport, told),
            tcp_peer(sock.getsockname()[:2]) as peer,
        ):
            peer.send(message())
            data, flow = await told.messages.get()
            assert (data, flow) == (message(), Flow("tcp", host, peer.port, 1, 1))
            transport.send(Send(flow, b"its answer"))
            assert await peer.receive(10) == b"its answer"
        assert told.nothing_waits()

    run(loop, test())


def test_messages_cut_at_every_byte_and_pipelined(loop: str) -> None:
    async def test() -> None:
        sock = tcp()
        async with started(sock) as (_, told), tcp_peer(sock.getsockname()) as peer:
            whole = message(1, b"a body\r\n\r\n")
            for at in range(len(whole)):
                peer.send(whole[at : at + 1])
                await peer.writer.drain()
            assert (await told.messages.get())[0] == whole
            peer.send(message(2) + message(3) + whole[:20])
            peer.send(whole[20:])
            for expected in (message(2), message(3), whole):
                assert (await told.messages.get())[0] == expected

    run(loop, test())


@pytest.mark.parametrize("at", range(0, 200, 20))
def test_a_stream_cut_inside_a_message_is_only_closed(loop: str, at: int) -> None:
    async def test() -> None:
        sock = tcp()
        async with started(sock) as (_, told):
            async with tcp_peer(sock.getsockname()) as peer:
                peer.send(message(1) + message(2)[:at])
            assert await told.closed.get() == 1
            assert (await told.messages.get())[0] == message(1)
            assert told.nothing_waits()

    run(loop, test())


def test_a_ping_gets_its_pong(loop: str) -> None:
    async def test() -> None:
        sock = tcp()
        async with started(sock) as (_, told), tcp_peer(sock.getsockname()) as peer:
            peer.send(b"\r\n\r\n")
            assert await peer.receive(2) == b"\r\n"
            peer.send(b"\r\n" + message())
            assert (await told.messages.get())[0] == message()

    run(loop, test())


class TestOnDemand:
    def test_one_stream_is_opened_and_reused(self, loop: str) -> None:
        async def test() -> None:
            async with tcp_server() as (port, taken), started(tcp()) as (transport, told):
                flow = Flow("tcp", "127.0.0.1", port, -1)
                transport.send(Send(flow, b"one "))
                transport.send(Send(flow, b"two "))
                peer = await taken.get()
                assert await peer.receive(8) == b"one two "
                transport.send(Send(flow, b"three"))
                assert await peer.receive(5) == b"three"
                peer.send(message())
                _, came = await told.messages.get()
                assert came == Flow("tcp", "127.0.0.1", port, 1)
                transport.send(Send(came, b"four"))
                assert await peer.receive(4) == b"four"
                assert taken.empty()

        run(loop, test())

    def test_a_stream_that_the_peer_opened_is_reused(self, loop: str) -> None:
        async def test() -> None:
            sock = tcp()
            async with started(sock) as (transport, told), tcp_peer(sock.getsockname()) as peer:
                peer.send(message())
                await told.messages.get()
                transport.send(Send(Flow("tcp", peer.host, peer.port, -1), b"reused"))
                assert await peer.receive(6) == b"reused"

        run(loop, test())

    def test_a_name_is_looked_up(self, loop: str) -> None:
        async def test() -> None:
            async with tcp_server() as (port, taken), started(tcp("0.0.0.0")) as (transport, _):
                transport.send(Send(Flow("tcp", "localhost", port, -1), b"hello"))
                peer = await taken.get()
                transport.send(Send(Flow("tcp", "localhost", port, -1), b"again"))
                assert await peer.receive(10) == b"helloagain"
                assert taken.empty()

        run(loop, test())

    def test_a_closed_port_and_a_bad_name_are_told_once(self, loop: str) -> None:
        async def test() -> None:
            free = tcp()
            port = free.getsockname()[1]
            free.close()
            async with started(tcp()) as (transport, told):
                for host in ("127.0.0.1", 64 * "a" + ".example"):
                    flow = Flow("tcp", host, port, -1)
                    transport.send(Send(flow, b"lost"))
                    transport.send(Send(flow, b"lost"))
                    assert await told.failed.get() == flow
                assert told.nothing_waits()

        run(loop, test())

    def test_a_stream_closed_before_any_answer_is_a_failed_send(self, loop: str) -> None:
        async def test() -> None:
            async with tcp_server() as (port, taken), started(tcp()) as (transport, told):
                flow = Flow("tcp", "127.0.0.1", port, -1)
                transport.send(Send(flow, b"request"))
                peer = await taken.get()
                await peer.receive(7)
                await peer.close()
                assert await told.closed.get() == 1
                assert await told.failed.get() == flow
                transport.send(Send(flow, b"again"))
                assert await (await taken.get()).receive(5) == b"again"

        run(loop, test())

    def test_a_stream_closed_after_an_answer_is_only_closed(self, loop: str) -> None:
        async def test() -> None:
            async with tcp_server() as (port, taken), started(tcp()) as (transport, told):
                transport.send(Send(Flow("tcp", "127.0.0.1", port, -1), b"request"))
                peer = await taken.get()
                peer.send(message())
                await told.messages.get()
                await peer.close()
                assert await told.closed.get() == 1
                assert told.nothing_waits()

        run(loop, test())

    def test_what_waits_for_a_stream_is_bounded(self, loop: str) -> None:
        async def test() -> None:
            limits = StreamLimits(waiting_max=2)
            async with (
                tcp_server() as (port, taken),
                started(tcp(), streams=limits) as (
                    transport,
                    told,
                ),
            ):
                flow = Flow("tcp", "127.0.0.1", port, -1)
                for data in (b"one ", b"two ", b"lost"):
                    transport.send(Send(flow, data))
                assert await told.failed.get() == flow
                assert await (await taken.get()).receive(8) == b"one two "

        run(loop, test())

    def test_a_silent_stream_of_ours_is_not_taken_for_a_slow_sender(self, loop: str) -> None:
        async def test() -> None:
            limits = StreamLimits(message_s=0.01, idle_s=0.1)
            async with (
                tcp_server() as (port, taken),
                started(tcp(), streams=limits) as (
                    transport,
                    told,
                ),
            ):
                start = asyncio.get_running_loop().time()
                transport.send(Send(Flow("tcp", "127.0.0.1", port, -1), b"request"))
                await taken.get()
                assert await told.closed.get() == 1
                assert asyncio.get_running_loop().time() - start >= 0.09

        run(loop, test())


class TestClosing:
    def test_a_closed_stream_is_told_once_and_refuses_what_is_sent(self, loop: str) -> None:
        async def test() -> None:
            sock = tcp()
            async with started(sock) as (transport, told):
                async with tcp_peer(sock.getsockname()) as peer:
                    peer.send(message())
                    _, flow = await told.messages.get()
                assert await told.closed.get() == flow.connection
                transport.send(Send(flow, b"too late"))
                assert await told.failed.get() == flow
                transport.send(CloseStream(flow))
                assert told.nothing_waits()
                assert transport.figures()["streams"] == 0

        run(loop, test())

    def test_close_stream_sends_what_was_written_before(self, loop: str) -> None:
        async def test() -> None:
            sock = tcp()
            async with started(sock) as (transport, told), tcp_peer(sock.getsockname()) as peer:
                peer.send(message())
                _, flow = await told.messages.get()
                transport.send(Send(flow, b"good-bye"))
                transport.send(CloseStream(flow))
                assert await peer.rest() == b"good-bye"
                assert await told.closed.get() == flow.connection

        run(loop, test())

    def test_shutting_down_tells_nothing_and_leaves_nothing(self, loop: str) -> None:
        async def test() -> None:
            sock, datagrams = tcp(), udp()
            async with started(sock, datagrams) as (transport, told):
                async with tcp_peer(sock.getsockname()) as peer:
                    peer.send(message())
                    _, flow = await told.messages.get()
                    transport.send(Send(flow, b"last words"))
                    transport.send(Send(Flow("tcp", "localhost", 9, -1), b"never"))
                    await transport.close()
                    assert await peer.rest() == b"last words"
                assert told.nothing_waits()
                assert datagrams.fileno() == -1
            assert len(asyncio.all_tasks()) == 1

        run(loop, test())
