"""Streams that outlive the process: what their keeper is told, and how they come back."""

from __future__ import annotations

import asyncio
import socket

import pytest

from config.settings import SipLimits
from router.sip.effects import Flow, Send
from router.sip.streams import Stream
from router.sip.transport import Place, SipTransport
from tests.router.sip.transport_cases import LOOPS, Told, message, run

pytestmark = pytest.mark.parametrize("loop", LOOPS)
BIG = b"x" * 200_000


class Noted:
    """A keeper that writes down what it hears."""

    def __init__(self) -> None:
        self.notes: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()

    def opened(self, stream: Stream, fd: int) -> None:
        self.notes.put_nowait(("opened", stream.number))

    def reading(self, number: int) -> None:
        self.notes.put_nowait(("reading", number))

    def done(self, number: int) -> None:
        self.notes.put_nowait(("done", number))

    def writing(self, number: int, on: bool) -> None:
        self.notes.put_nowait(("writing", number, on))

    def closed(self, number: int) -> None:
        self.notes.put_nowait(("closed", number))


class Taken:
    """A transport that takes over one stream, number 7, whose far end is ``far``."""

    def __init__(self, opened_for: Place | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.far = socket.create_connection(server.getsockname())
            self.near, self.place = server.accept()
        self.far.setblocking(False)
        self.opened_for = opened_for
        self.keeper, self.told = Noted(), Told()
        self.transport = SipTransport([], SipLimits(), keeper=self.keeper, first_number=100)

    async def prepare(self) -> None:
        await self.transport.prepare(
            lambda data, flow: self.told.messages.put_nowait((data, flow)),
            self.told.closed.put_nowait,
            self.told.failed.put_nowait,
            [(7, 1, self.opened_for, self.near)],
        )

    async def close(self) -> None:
        await self.transport.close()
        self.far.close()


def test_it_sends_at_once_and_reads_when_it_is_time(loop: str) -> None:
    async def test() -> None:
        taken = Taken()
        taken.far.send(message(1))
        await taken.prepare()
        flow = Flow("tcp", *taken.place, 7, 1)
        taken.transport.send(Send(flow, b"at once"))
        assert await asyncio.get_running_loop().sock_recv(taken.far, 100) == b"at once"
        await asyncio.sleep(0)
        assert taken.told.nothing_waits()
        await taken.transport.start()
        assert await taken.told.messages.get() == (message(1), flow)
        taken.far.send(message(2))
        assert (await taken.told.messages.get())[0] == message(2)
        await taken.close()

    run(loop, test())


def test_one_that_closed_meanwhile_is_told(loop: str) -> None:
    async def test() -> None:
        taken = Taken()
        taken.far.close()
        await taken.prepare()
        await taken.transport.start()
        assert await taken.told.closed.get() == 7
        await taken.close()

    run(loop, test())


def test_one_that_we_opened_is_found_by_its_place(loop: str) -> None:
    async def test() -> None:
        taken = Taken(("phone.example", 5060))
        await taken.prepare()
        await taken.transport.start()
        taken.transport.send(Send(Flow("tcp", "phone.example", 5060, -1, 1), b"INVITE"))
        assert await asyncio.get_running_loop().sock_recv(taken.far, 100) == b"INVITE"
        await taken.close()

    run(loop, test())


def test_the_keeper_knows_what_is_in_hand(loop: str) -> None:
    async def test() -> None:
        taken = Taken()
        await taken.prepare()
        await taken.transport.start()
        notes = taken.keeper.notes
        whole = message(1)
        taken.far.send(whole[:30])
        assert await notes.get() == ("reading", 7)
        taken.far.send(whole[30:])
        assert await notes.get() == ("reading", 7)
        await taken.told.messages.get()
        assert await notes.get() == ("done", 7)
        taken.far.send(b"\r\n")  # half a keep-alive
        assert await notes.get() == ("reading", 7)
        flow = Flow("tcp", *taken.place, 7, 1)
        sent = 0
        while notes.empty():
            taken.transport.send(Send(flow, BIG))
            sent += len(BIG)
            await asyncio.sleep(0)
        assert await notes.get() == ("writing", 7, True)
        while sent:
            sent -= len(await asyncio.get_running_loop().sock_recv(taken.far, 65_536))
        while await notes.get() != ("writing", 7, False):
            pass
        assert taken.told.closed.empty()
        taken.far.close()
        assert await taken.told.closed.get() == 7
        assert await notes.get() == ("closed", 7)
        await taken.close()

    run(loop, test())
