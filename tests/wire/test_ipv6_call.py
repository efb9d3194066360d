"""Whole calls over IPv6: a trunk known by its address, a phone, a stream.

The other side of each talk is on IPv4: the relay joins the two.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from main.demo.rtp_line import tone
from main.demo.softphone import Softphone
from router.sip.uri import host_port
from tests.wire import sipp
from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.system import TRUNK, System
from tests.wire.talks import AGENT_HZ, CALLER_HZ, EDGE_S, Room, configuration, together

HERE = "::1"
LISTEN = """\
  listen:
    - {transport: udp, host: '::1', port: 0}
    - {transport: tcp, host: '::1', port: 0}
"""
CONFIG = (
    configuration()
    .replace("  listen:\n", LISTEN)
    .replace("addresses: [127.0.0.2]", "addresses: [127.0.0.2, '::1']")
)
TALK_S = 2.0


async def _talk(room: Room, caller: Softphone, agent: Softphone, number: str) -> None:
    """A call to the queue; both ears and the recording hold the other's tone, unbroken."""
    await room.caller(phone=caller)
    await asyncio.wait_for(agent.up.wait(), 5)
    await asyncio.sleep(0.1)
    before = len(caller.line.heard), len(agent.line.heard)
    await asyncio.sleep(TALK_S)
    caller.hang_up()
    await asyncio.wait_for(agent.over.wait(), 3)

    for phone, since, hz in zip((caller, agent), before, (AGENT_HZ, CALLER_HZ), strict=True):
        heard = sound.trimmed(phone.line.samples()[since:], EDGE_S)
        await sound.hold_tone(heard, hz, where=f"the ear of {phone.user}")
    left = await room.left_by(number)
    for side, hz in zip(left.wav.channels, (CALLER_HZ, AGENT_HZ), strict=True):
        await sound.hold_tone(sound.trimmed(side, EDGE_S), hz, where=f"the recording, {hz} Hz")
    assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", f"a{agent.user}")
    assert left.record["packets_lost"] == 0
    assert abs(left.wav.duration_s - TALK_S) < 0.5


async def _caller_on_ipv6(room: Room) -> None:
    async with room:
        agent = await room.softphone(room.agents[0], AGENT_HZ)
        await room.sign_in(room.agents[0])
        caller = Softphone(room.stranger, "", HERE, room.system.sip6)
        caller.line.speak(tone(CALLER_HZ))
        await _talk(room, caller, agent, room.stranger)


async def _agent_on_ipv6(room: Room) -> None:
    async with room:
        extension = room.agents[0]
        phone = Softphone(extension, room.system.password(extension), HERE, room.system.sip6)
        agent = await room.softphone(extension, AGENT_HZ, phone)
        await room.sign_in(extension)
        caller = Softphone(room.stranger, "", TRUNK, room.system.sip)
        caller.line.speak(tone(CALLER_HZ))
        await _talk(room, caller, agent, room.stranger)


async def _baresip_on_ipv6(room: Room) -> None:
    """Somebody else's phone; its caller is on IPv4."""
    async with room:
        extension, (host, port) = room.agents[0], room.system.sip6
        brackets = host_port(host)
        phone = await room.phone(
            Baresip, extension, AGENT_HZ, server=(brackets, port), host=brackets
        )
        await room.sign_in(extension)
        caller = await room.caller()
        await phone.wait("ringing")
        await phone.answer()
        await phone.wait("up")
        before = len(caller.line.heard)
        await asyncio.sleep(TALK_S)
        await phone.hang_up()
        await asyncio.wait_for(caller.over.wait(), 3)
        at_caller = sound.trimmed(caller.line.samples()[before:], EDGE_S)
        await sound.hold_tone(at_caller, AGENT_HZ, where="the caller's ear")
        at_agent = sound.trimmed(phone.heard(), EDGE_S)
        await sound.hold_tone(at_agent, CALLER_HZ, where="baresip's ear")
        assert (await room.left_by()).ticket["agent"] == f"a{extension}"


async def test_a_caller_and_agents_on_ipv6(system: System, tmp_path: Path) -> None:
    scenes = (_caller_on_ipv6, _agent_on_ipv6, _baresip_on_ipv6)
    await together(*(scene(Room(system, tmp_path, 10 + n)) for n, scene in enumerate(scenes)))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_calls_of_sipp_over_ipv6(system: System, transport: str) -> None:
    """Somebody else's brackets, in Via, Contact, Route and session description."""
    number = {"udp": "+371261", "tcp": "+371262"}[transport]
    keys = {"prefix": number}
    sipp.run(system, "uac", host=HERE, transport=transport, calls=10, keys=keys)
    system.wait_for_tickets(f"{number}%", 10)
    system.nothing_is_left()


def test_a_stream_on_ipv6(system: System) -> None:
    """Answered, and in the answer and our Contact the address has its brackets."""
    with socket.create_connection(system.sip6_tcp, timeout=5) as stream:
        host, port = stream.getsockname()[:2]
        own, ours = host_port(host, port), host_port(*system.sip6_tcp)
        body = (
            f"v=0\r\no=- 1 1 IN IP6 {host}\r\ns=-\r\nc=IN IP6 {host}\r\nt=0 0\r\n"
            "m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
        )
        head = (
            f"Via: SIP/2.0/TCP {own};branch=z9hG4bK%s\r\nFrom: <sip:+371200@{own}>;tag=a\r\n"
            f"To: <sip:710@{ours}>%s\r\nCall-ID: six\r\nMax-Forwards: 0\r\nCSeq: %s\r\n"
        )
        invite = f"INVITE sip:710@{ours};transport=tcp SIP/2.0\r\n"
        invite += head % ("1", "", "1 INVITE") + f"Contact: <sip:a@{own};transport=tcp>\r\n"
        invite += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        stream.sendall(invite.encode())
        told = ""
        while "\r\na=ptime" not in told and "m=audio" not in told:
            got = stream.recv(65_536).decode()
            assert got, f"closed after: {told}"
            told += got
        assert f"Contact: <sip:offhook@{ours};transport=tcp>" in told
        assert "c=IN IP6 ::1" in told
        tag = told[told.rindex("\nTo: ") :].partition("tag=")[2].partition("\r")[0]
        for number, method in (("1", "ACK"), ("2", "BYE")):
            request = f"{method} sip:offhook@{ours};transport=tcp SIP/2.0\r\n"
            request += head % (f"{method}", f";tag={tag}", f"{number} {method}")
            stream.sendall(f"{request}Content-Length: 0\r\n\r\n".encode())
        assert stream.recv(65_536).startswith(b"SIP/2.0 200 ")
    system.nothing_is_left()
