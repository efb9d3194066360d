"""A storm of REGISTERs does not stand before a call's messages."""

from __future__ import annotations

import socket

import pytest

from router.sip import datagrams
from tests.router.sip.transport_cases import LOOPS, run, started, udp

pytestmark = pytest.mark.parametrize("loop", LOOPS)

REGISTER = b"REGISTER sip:offhook.test SIP/2.0\r\nCall-ID: %d\r\n\r\n"
BYE = b"BYE sip:offhook.test SIP/2.0\r\n\r\n"


def test_registers_give_way(loop: str) -> None:
    async def test() -> None:
        sock = udp()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for number in range(30):
                peer.sendto(REGISTER % number, sock.getsockname())
            peer.sendto(BYE, sock.getsockname())
            async with started(sock) as (_, told):
                came = [(await told.messages.get())[0] for _ in range(31)]
        assert came == [BYE, *(REGISTER % number for number in range(30))]

    run(loop, test())


def test_what_is_put_off_is_bounded(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "LATER_MAX", 10)

    async def test() -> None:
        sock = udp()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for number in range(30):
                peer.sendto(REGISTER % number, sock.getsockname())
            peer.sendto(BYE, sock.getsockname())
            async with started(sock) as (_, told):
                came = [(await told.messages.get())[0] for _ in range(11)]
                assert told.messages.empty()
        assert came == [BYE, *(REGISTER % number for number in range(10))]

    run(loop, test())
