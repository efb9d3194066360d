"""RFC 3262 on both sides, and what UPDATE may do before the answer (RFC 3311)."""

from __future__ import annotations

import pytest

from router.sip.effects import (
    Answered,
    ChangeAnswered,
    ChangeAsked,
    Confirmed,
    Ended,
    Progressed,
)
from router.sip.message import Request
from tests.router.sip.test_endpoint_client import methods, ring, within
from tests.router.sip.world import Peer, endpoint

REQUIRED = ("Require", "100rel")
SUPPORTED = ("Supported", "100rel")


@pytest.fixture
def peer() -> Peer:
    return Peer(endpoint("us", "198.51.100.1"))


def rack(peer: Peer, shift: int = 0) -> tuple[str, str]:
    last = [m for m in peer.sent if not isinstance(m, Request) and m.rseq is not None][-1]
    assert last.rseq is not None
    return "RAck", f"{last.rseq + shift} 1 INVITE"


def prack(peer: Peer, cseq: int = 2, body: bytes = b"", shift: int = 0) -> int:
    answer = peer.within("PRACK", rack(peer, shift), cseq=cseq, body=body)
    assert answer is not None
    return answer.status


@pytest.mark.parametrize(
    ("extra", "body", "reliable"),
    [
        ((), b"early", False),
        ((SUPPORTED,), b"", False),
        ((SUPPORTED,), b"early", True),
        ((REQUIRED,), b"", True),
    ],
)
def test_when_it_is_reliable(
    peer: Peer, extra: tuple[tuple[str, str], ...], body: bytes, reliable: bool
) -> None:
    leg = peer.call(*extra)
    peer.take(peer.endpoint.progress(leg, peer.now, 183, body=body))
    assert ("100rel" in peer.response().require) == reliable
    assert (peer.response().rseq is not None) == reliable


def test_repeated_until_the_prack(peer: Peer) -> None:
    leg = peer.call(REQUIRED)
    peer.take(peer.endpoint.progress(leg, peer.now, 183, body=b"early"))
    peer.tick(3.6)
    assert len(peer.sent) == 4  # 0, 0.5, 1.5, 3.5 s
    assert prack(peer, shift=1) == 481
    assert prack(peer, cseq=3) == 200
    assert prack(peer, cseq=4) == 481
    peer.clear()
    peer.tick(30)
    assert peer.sent == []


def test_without_prack_the_call_is_refused(peer: Peer) -> None:
    leg = peer.call(REQUIRED)
    peer.take(peer.endpoint.progress(leg, peer.now))
    peer.tick(33)
    assert peer.response().status == 504
    assert peer.events[-1] == Ended(leg, "no ack")


def test_the_200_waits_for_the_prack_and_brings_no_second_answer(peer: Peer) -> None:
    leg = peer.call(REQUIRED)
    peer.take(peer.endpoint.progress(leg, peer.now, 183, body=b"early"))
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    assert peer.response().status == 183
    prack(peer)
    assert (peer.response().status, peer.response().body) == (200, b"")
    peer.within("ACK", cseq=1)
    assert peer.events[-1] == Confirmed(leg, b"")


def test_hang_up_while_the_200_waits(peer: Peer) -> None:
    leg = peer.call(REQUIRED)
    peer.take(peer.endpoint.progress(leg, peer.now, 183, body=b"early"))
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert peer.response().status == 480


def test_the_200_need_not_wait_for_ringing(peer: Peer) -> None:
    leg = peer.call(REQUIRED)
    peer.take(peer.endpoint.progress(leg, peer.now))
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    assert (peer.response().status, peer.response().body) == (200, b"answer")


def test_one_at_a_time(peer: Peer) -> None:
    leg = peer.call(REQUIRED)
    for status in (180, 182, 183):
        peer.take(peer.endpoint.progress(leg, peer.now, status))
    assert peer.response().status == 180
    first = peer.response().rseq
    prack(peer)
    assert first is not None
    assert (peer.response().status, peer.response().rseq) == (182, first + 1)


def test_our_offer_in_a_reliable_response(peer: Peer) -> None:
    leg = peer.call(REQUIRED, body=b"")
    peer.take(peer.endpoint.progress(leg, peer.now, 183, body=b"our offer"))
    assert prack(peer, body=b"their answer") == 200
    peer.take(peer.endpoint.answer(leg, b"our offer", peer.now))
    assert peer.response().body == b""
    peer.within("ACK", cseq=1)
    assert peer.events[-1] == Confirmed(leg, b"their answer")


def test_a_prack_may_bring_a_further_offer(peer: Peer) -> None:
    leg = peer.call(REQUIRED)
    peer.take(peer.endpoint.progress(leg, peer.now, 183, body=b"early"))
    peer.within("PRACK", rack(peer), cseq=2, body=b"offer 2")
    assert peer.events[-1] == ChangeAsked(leg, "PRACK", b"offer 2")
    peer.take(peer.endpoint.accept_change(leg, b"answer 2", peer.now))
    assert (peer.response().cseq.method, peer.response().body) == ("PRACK", b"answer 2")


# --- UPDATE in an early dialog -------------------------------------------------------------------


def test_update_before_any_answer_must_wait(peer: Peer) -> None:
    leg = peer.call(SUPPORTED)
    peer.take(peer.endpoint.progress(leg, peer.now))
    answer = peer.within("UPDATE", cseq=2, body=b"offer 2")
    assert answer is not None
    assert answer.status == 500


def test_update_in_the_early_dialog(peer: Peer) -> None:
    leg = peer.call(REQUIRED, ("Allow", "UPDATE"))
    peer.take(peer.endpoint.progress(leg, peer.now, 183, body=b"early"))
    prack(peer)
    peer.within("UPDATE", cseq=3, body=b"hold")
    assert peer.events[-1] == ChangeAsked(leg, "UPDATE", b"hold")
    peer.take(peer.endpoint.accept_change(leg, b"held", peer.now))
    assert peer.response().body == b"held"
    peer.take(peer.endpoint.change(leg, b"ours", peer.now))
    assert peer.request("UPDATE").body == b"ours"
    peer.reply(200, body=b"theirs")
    assert peer.events[-1] == ChangeAnswered(leg, b"theirs")


# --- outgoing calls -------------------------------------------------------------------------------


def test_we_prack(peer: Peer) -> None:
    ring(peer)
    invite = peer.request("INVITE")
    peer.reply(183, REQUIRED, ("RSeq", "7"), body=b"early", request=invite)
    request = peer.request("PRACK")
    assert (request.rack, request.cseq.number) == ((7, 1, "INVITE"), 2)
    peer.reply(183, REQUIRED, ("RSeq", "7"), body=b"early", request=invite)  # again
    peer.reply(180, REQUIRED, ("RSeq", "9"), request=invite)  # out of order
    assert methods(peer).count("PRACK") == 1
    peer.reply(200, request=request)
    peer.reply(180, REQUIRED, ("RSeq", "8"), request=invite)
    assert methods(peer).count("PRACK") == 2
    peer.reply(200, request=invite)
    assert peer.events == [
        Progressed("out", 183, b"early"),
        Progressed("out", 180, b""),
        Answered("out", b""),
    ]


def test_update_from_the_callee_before_the_answer(peer: Peer) -> None:
    ring(peer)
    invite = peer.request("INVITE")
    peer.reply(183, REQUIRED, ("RSeq", "7"), ("Allow", "UPDATE"), body=b"early", request=invite)
    assert within(peer, "UPDATE", body=b"offer 2") == 0
    assert peer.events[-1] == ChangeAsked("out", "UPDATE", b"offer 2")
    peer.take(peer.endpoint.accept_change("out", b"fine", peer.now))
    assert peer.response().status == 200
    assert within(peer, "BYE", cseq=2) == 481  # a callee does not say BYE before its 200


@pytest.mark.parametrize("status", [481, 408])
def test_an_early_dialog_that_the_caller_does_not_know_ends_the_invite(status: int) -> None:
    """RFC 3261 12.2.1.2 ends the dialog; its INVITE must have an answer all the same."""
    peer = Peer(endpoint("us", "198.51.100.1"))
    leg = peer.call(REQUIRED, ("Allow", "INVITE, ACK, UPDATE"))
    peer.take(peer.endpoint.progress(leg, peer.now, 183, body=b"early"))
    prack(peer)
    peer.take(peer.endpoint.change(leg, b"change", peer.now))
    peer.reply(status, request=peer.request("UPDATE"))
    assert peer.response().status == 487
    assert peer.events[-1] == Ended(leg, "dialog lost")
    peer.tick(60)
    assert peer.endpoint.figures()["transactions"] == 0


def test_a_refusal_answers_the_update_that_waits(peer: Peer) -> None:
    """Whatever ends the leg, no request of the peer stays unanswered (RFC 3261 15.1.2)."""
    leg = peer.call(body=b"")
    peer.take(peer.endpoint.progress(leg, peer.now))
    peer.within("UPDATE", cseq=2, body=b"offer")
    assert peer.events[-1] == ChangeAsked(leg, "UPDATE", b"offer")
    peer.clear()
    peer.take(peer.endpoint.reject(leg, 486, peer.now))
    answered = [(str(m.cseq), m.status) for m in peer.sent if not isinstance(m, Request)]
    assert sorted(answered) == [("1 INVITE", 486), ("2 UPDATE", 487)]
    peer.tick(60)
    assert peer.endpoint.figures()["transactions"] == 0
