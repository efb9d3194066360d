"""A burst of broken datagrams at the running system, from a trunk and from a stranger."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import time

import pytest

from tests.router.sip.test_fuzz import CORPUS, mutate
from tests.wire import sipp
from tests.wire.raw_sip import Message, Peer, sdp
from tests.wire.system import STRANGER, TRUNK, System, eventually

DATAGRAMS = 2000
PROBE_EVERY = 50  # the system keeps up: no burst is longer than its socket's buffer


def corpus(peer: Peer) -> list[bytes]:
    """The torture messages, and good ones that get further."""
    good = [
        peer.invite("100", "+37140000000", "fuzz-1"),
        peer.invite("700", "+37140000000", "fuzz-2"),
        peer.invite("100", "+37140000000", "fuzz-3", headers=("Require: 100rel, timer",)),
        peer.request("REGISTER", "101", headers=('Authorization: Digest username="101"',)),
        peer.request("OPTIONS"),
        peer.request("BYE", "100"),
        peer.request("CANCEL", "100"),
        peer.request("ACK", "100"),
        peer.request("UPDATE", "100", body="v=0\r\n"),
        peer.request("REFER", "100", headers=("Refer-To: <sip:102@127.0.0.1>",)),
    ]
    return [*CORPUS, *(text.encode() for text in good * 4)]


@pytest.mark.parametrize("host", [TRUNK, STRANGER], ids=["trunk", "stranger"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_burst_and_then_a_call(system: System, host: str, seed: int) -> None:
    dice = random.Random(seed)
    before = len(system.calls())
    with Peer(system.sip, host) as peer:
        messages = corpus(peer)
        for at in range(DATAGRAMS):
            peer.send(mutate(dice.choice(messages), dice)[:60_000])
            if at % PROBE_EVERY == 0:
                question = peer.request("OPTIONS", call_id=f"probe-{seed}-{at}")
                assert peer.ask(question, 10).status in (200, 401)
    system.still_runs()
    sipp.run(system, "uac", keys={"prefix": f"+3714001{seed}{host[-1]}"})
    system.wait_for_tickets(f"+3714001{seed}{host[-1]}%", 1)
    if host == STRANGER:
        assert len(system.calls()) == before + 1, "a stranger's datagram became a call"


def media_of(answer: Message) -> tuple[str, int]:
    found = re.search(r"c=IN IP4 (\S+)(?s:.*)m=audio (\d+)", answer.body)
    assert found is not None, answer.body
    return found.group(1), int(found.group(2))


def test_broken_rtp_from_anywhere(system: System) -> None:
    """The caller's music goes on to the caller's port, at its pace, and to nobody else."""
    dice = random.Random(3)
    rtp = b"\x80\x08" + bytes(10) + b"\xd5" * 160
    rtcp = b"\x81\xc8\x00\x0c" + bytes(48)
    with (
        Peer(system.sip, TRUNK) as caller,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        for sock, host in ((ear, TRUNK), (stranger, STRANGER)):
            sock.bind((host, 0))
            sock.setblocking(False)
        invite = caller.request(
            "INVITE",
            "700",
            caller="+37140020000",
            body=sdp(TRUNK, ear.getsockname()[1]),
        )
        answer = caller.ask(invite)
        caller.acknowledge(answer)
        host, port = media_of(answer)
        began = time.monotonic()
        while (lasted := time.monotonic() - began) < 1.5:
            for _ in range(20):
                junk = mutate(dice.choice((rtp, rtcp, rtp * 9)), dice)
                dice.choice((ear, stranger)).sendto(junk, (host, port + dice.choice((0, 0, 1))))
            time.sleep(0.01)
        heard = [packet for packet in drained(ear) if packet[:1] == b"\x80"]
        assert 0.8 < len(heard) / (lasted * 50) < 1.2, f"{len(heard)} packets in {lasted:.2f} s"
        assert not drained(stranger), "a stranger took the audio"
        assert caller.bye(answer).status == 200
    system.still_runs()
    system.wait_for_tickets("+37140020000", 1)


def drained(sock: socket.socket) -> list[bytes]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(sock.recv(2048))
    return found


def test_what_became_a_call_has_its_ticket(system: System) -> None:
    """Nobody acknowledges them; they are ended from outside, and each leaves one ticket."""
    with system.client() as client:
        for call in client.get("/calls", params={"limit": 500}).json()["items"]:
            assert client.post(f"/calls/{call['id']}/hang-up").status_code in (202, 404)
    eventually(lambda: not system.live(), "no call is left")
    calls, tickets = system.calls(), system.tickets()
    assert len(calls) > 10, "the fuzzer should make some calls"
    assert sorted(t["call"] for t in tickets) == sorted(c["call"] for c in calls)
