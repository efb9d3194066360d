"""SIP over TCP, cut anywhere: framing, pipelining, one connection for all, broken streams."""

from __future__ import annotations

import random
import time

import pytest

from tests.wire.raw_sip import Message, Peer
from tests.wire.system import TRUNK, System, eventually

PAUSE_S = 0.001  # between two writes, so that they are read apart
NUMBER = "100"


def finish(peer: Peer, call_id: str) -> None:
    """Wait for the 200, then ACK and BYE in one write; the BYE's 200."""
    answer = peer.final(call_id, "INVITE")
    assert answer.status == 200, answer.start
    peer.send(peer.within("ACK", answer, 1) + peer.within("BYE", answer, 2))
    assert peer.final(call_id, "BYE").status == 200


def test_an_invite_cut_in_two_at_every_byte(system: System) -> None:
    """As many calls as it has bytes, all over one connection."""
    with Peer(system.sip_tcp, TRUNK, "tcp") as peer:
        size = len(peer.invite(NUMBER, "+3713000000", "cut-000"))
        for at in range(1, size):
            call_id = f"cut-{at:03}"
            text = peer.invite(NUMBER, f"+3713000{at:03}", call_id)
            peer.send(text[:at])
            time.sleep(PAUSE_S)
            peer.send(text[at:])
            finish(peer, call_id)
    assert size > 400
    system.wait_for_tickets("+3713000%", size - 1)


def test_an_invite_byte_by_byte(system: System) -> None:
    with Peer(system.sip_tcp, TRUNK, "tcp") as peer:
        for byte in peer.invite(NUMBER, "+37130010001", "bytes"):
            peer.send(byte)
            time.sleep(PAUSE_S / 5)
        finish(peer, "bytes")
    system.wait_for_tickets("+37130010001", 1)


def test_many_messages_in_one_write(system: System) -> None:
    """Calls and questions with keep-alives between them, all at once."""
    calls = [f"pipe-{n}" for n in range(20)]
    with Peer(system.sip_tcp, TRUNK, "tcp") as peer:
        questions = [peer.request("OPTIONS", call_id=f"ask-{n}") for n in range(20)]
        texts = [peer.invite(NUMBER, f"+3713002{n:04}", call) for n, call in enumerate(calls)]
        peer.send("".join(a + b + "\r\n\r\n" for a, b in zip(texts, questions, strict=True)))
        answers: dict[str, Message] = {}
        while len(answers) < 40:
            message = peer.receive()
            assert message is not None, f"only {len(answers)} answers"
            if message.status >= 200:
                answers[message["Call-ID"]] = message
        assert {message.status for message in answers.values()} == {200}
        for call in calls:
            answer = answers[call]
            peer.send(peer.within("ACK", answer, 1) + peer.within("BYE", answer, 2))
        for call in calls:
            assert peer.final(call, "BYE").status == 200
    system.wait_for_tickets("+3713002%", 20)


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_cut_anyhow(system: System, seed: int) -> None:
    dice = random.Random(seed)
    with Peer(system.sip_tcp, TRUNK, "tcp") as peer:
        texts = [peer.request("OPTIONS", call_id=f"any-{seed}-{n}") for n in range(60)]
        stream = "".join(texts)
        at = 0
        while at < len(stream):
            step = dice.choice((1, 2, 3, 50, 700, 3000))
            peer.send(stream[at : at + step])
            at += step
            time.sleep(PAUSE_S / 5)
        seen = [peer.receive() for _ in texts]
    assert [m["Call-ID"] for m in seen if m] == [f"any-{seed}-{n}" for n in range(60)]


def test_a_connection_serves_both_ways(system: System) -> None:
    """The BYE of the other side comes over the caller's connection, whatever its Contact says."""
    with Peer(system.sip_tcp, TRUNK, "tcp") as peer:
        peer.call(NUMBER, "+37130030001", "both-ways")
        (call,) = eventually(
            lambda: [c for c in live_calls(system) if c["caller"] == "+37130030001"], "the call"
        )
        with system.client() as client:
            assert client.post(f"/calls/{call['id']}/hang-up").status_code == 202
        bye = peer.wait_for("BYE", "both-ways")
        peer.reply(bye, 200)
    system.wait_for_tickets("+37130030001", 1)


def live_calls(system: System) -> list[dict[str, str]]:
    with system.client() as client:
        found: list[dict[str, str]] = client.get("/calls", params={"limit": 500}).json()["items"]
    return found


@pytest.mark.parametrize(
    ("length", "status"),
    [("abc", 400), ("-1", 400), ("99999999999", 400), ("999999", 413)],
)
def test_a_broken_frame_ends_its_stream_alone(system: System, length: str, status: int) -> None:
    with Peer(system.sip_tcp, TRUNK, "tcp") as other, Peer(system.sip_tcp, TRUNK, "tcp") as peer:
        text = peer.request("OPTIONS", call_id=f"broken-{length}")
        peer.send(text.replace("Content-Length: 0", f"Content-Length: {length}"))
        answer = peer.receive()
        assert answer is not None
        assert answer.status == status
        assert peer.receive() is None
        assert peer.closed
        assert other.ask(other.request("OPTIONS")).status == 200


def test_connections_that_come_and_go(system: System) -> None:
    """Half a message, or nothing at all, then gone: nothing is left of them."""
    for n in range(100):
        with Peer(system.sip_tcp, TRUNK, "tcp") as peer:
            if n % 2:
                peer.send(peer.invite(NUMBER, "+37130040001", f"gone-{n}")[: n * 4])
    with Peer(system.sip_tcp, TRUNK, "tcp") as peer:
        assert peer.bye(peer.call(NUMBER, "+37130050001")).status == 200
    system.wait_for_tickets("+37130050001", 1)
    assert not system.calls("+37130040001")


def test_afterwards_nothing_is_left(system: System) -> None:
    system.nothing_is_left()
    system.still_runs()
