"""Incoming calls: what is refused and how, the answer and its ACK, requests in the dialog."""

from __future__ import annotations

import pytest

from config.errors import MisuseError
from router.sip.effects import (
    ChangeAsked,
    Confirmed,
    Ended,
    Flow,
    Invited,
    KeyPressed,
    Send,
    TransferAsked,
)
from router.sip.message import Request, Response
from tests.router.sip.world import Peer, answered, endpoint, tight


@pytest.fixture
def peer() -> Peer:
    return Peer(endpoint("us", "198.51.100.1"))


def statuses(peer: Peer) -> list[int]:
    return [m.status for m in peer.sent if not isinstance(m, Request)]


# --- the INVITE --------------------------------------------------------------------------------


def test_a_trunk_brings_a_call(peer: Peer) -> None:
    peer.call(
        ("P-Asserted-Identity", '"Jane" <sip:+37120000002@192.0.2.1>'),
        ("X-Account", "7"),
        ("Diversion", "<sip:1@192.0.2.1>"),
        uri="sip:+3716700%3000;phone-context=x@offhook.local;user=phone",
    )
    told = peer.events[-1]
    assert told == Invited(
        leg=told.leg,  # type: ignore[union-attr]
        trunk="carrier",
        agent="",
        caller="+37120000002",
        caller_name="Jane",
        dialled="+3716700000",
        body=b"offer",
        sip_call_id="call",
        source="192.0.2.1",
        headers={"X-Account": "7", "Diversion": "<sip:1@192.0.2.1>"},
    )
    assert statuses(peer) == []
    peer.tick(0.25)
    assert statuses(peer) == [100]  # RFC 3261 17.2.1


@pytest.mark.parametrize(("given", "told"), [("70", 70), ("1", 1), ("0", 0), ("255", 70)])
def test_the_hops_that_an_invite_has_left_are_told(peer: Peer, given: str, told: int) -> None:
    """RFC 3261 16.3 is for who passes on: here an INVITE with 0 may stay. More than the 70 that
    one begins with (8.1.1.6) is not believed: loops end."""
    peer.call(("Max-Forwards", given))
    event = peer.events[-1]
    assert isinstance(event, Invited)
    assert event.max_forwards == told


@pytest.mark.parametrize(
    ("extra", "body", "status", "header"),
    [
        ([("Require", "timer, foo, bar")], b"", 420, ("Unsupported", "bar, foo")),
        ([("Proxy-Require", "sec-agree")], b"", 420, ("Unsupported", "sec-agree")),
        ([("Content-Type", "text/plain")], b"hello", 415, ("Accept", "application/sdp")),
        ([("Content-Encoding", "gzip")], b"zip", 415, ("Accept-Encoding", "identity")),
        ([("Accept", "text/plain")], b"", 406, None),
        ([("Session-Expires", "30"), ("Supported", "timer")], b"", 422, ("Min-SE", "90")),
        ([("Session-Expires", "what")], b"", 400, None),
    ],
)
def test_what_cannot_be_is_refused(
    peer: Peer, extra: list[tuple[str, str]], body: bytes, status: int, header: tuple[str, str]
) -> None:
    answer = peer.ask("INVITE", *extra, body=body)
    assert answer is not None
    assert answer.status == status
    assert answer.to.tag
    assert header is None or answer.headers.get(header[0]) == header[1]
    assert peer.events == []
    assert peer.endpoint.figures()["dialogs"] == 0


def test_an_invite_without_a_contact_is_refused(peer: Peer) -> None:
    answer = peer.ask("INVITE", contact="<sip:a@192.0.2.1>, <sip:b@192.0.2.1>")
    assert answer is not None
    assert answer.status == 400


def test_too_many_dialogs() -> None:
    peer = Peer(endpoint("us", "198.51.100.1", limits=tight(dialogs_max=2)))
    for number in range(2):
        peer.call(call_id=f"c{number}", from_=f"<sip:x@192.0.2.1>;tag=t{number}")
    answer = peer.ask("INVITE", call_id="c3", body=b"offer")
    assert answer is not None
    assert (answer.status, answer.retry_after) == (503, 5)


def test_a_message_over_the_limit_is_413() -> None:
    peer = Peer(endpoint("us", "198.51.100.1", limits=tight(body_bytes_max=512)))
    answer = peer.ask("INVITE", body=b"x" * 513)
    assert answer is not None
    assert answer.status == 413


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("OPTIONS", 200),
        ("MESSAGE", 405),
        ("SUBSCRIBE", 405),
        ("NOTIFY", 405),
        ("PUBLISH", 405),
        ("REFER", 403),
        ("BYE", 481),
        ("UPDATE", 481),
        ("PRACK", 481),
        ("INFO", 481),
        ("DANCE", 501),
    ],
)
def test_methods_outside_a_dialog(peer: Peer, method: str, status: int) -> None:
    answer = peer.ask(method)
    assert answer is not None
    assert answer.status == status
    if status in (200, 405, 501):
        assert "INVITE" in answer.allow


def test_options_tell_what_we_can(peer: Peer) -> None:
    answer = peer.ask("OPTIONS", ("Max-Forwards", "0"))
    assert answer is not None
    assert {"100rel", "timer"} <= answer.supported
    assert answer.headers.get("Accept") == "application/sdp"


def test_a_merged_request_is_482(peer: Peer) -> None:
    peer.call()
    answer = peer.ask("INVITE", body=b"offer")
    assert answer is not None
    assert answer.status == 482


def test_an_unknown_dialog_is_481(peer: Peer) -> None:
    for method in ("BYE", "INVITE", "UPDATE", "INFO"):
        answer = peer.ask(method, to="<sip:4400@offhook.local>;tag=gone", call_id=method)
        assert answer is not None
        assert answer.status == 481


def test_a_malformed_request_is_answered(peer: Peer) -> None:
    data = (
        b"INVITE sip:x@offhook.local SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n"
        b"From: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: 1\r\nCSeq: zero INVITE\r\n\r\n"
    )
    sent = peer.endpoint.receive(data, peer.flow, 0.0)
    assert [item.data[:11] for item in sent if isinstance(item, Send)] == [b"SIP/2.0 400"]


# --- answer and ACK ----------------------------------------------------------------------------


def test_the_200_is_repeated_until_the_ack(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    peer.tick(3.6)
    assert statuses(peer) == [200, 200, 200, 200]  # 0, 0.5, 1.5, 3.5 s
    peer.within("ACK", cseq=1)
    assert peer.events[-1] == Confirmed(leg, b"")
    peer.clear()
    peer.tick(40)
    assert peer.sent == []


def test_no_ack_ends_the_call(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    peer.tick(33)
    assert peer.events[-1] == Ended(leg, "no ack")
    assert peer.request("BYE").cseq.number == 1
    peer.tick(200)
    assert peer.endpoint.figures() == {"dialogs": 0, "transactions": 0, "registrations": 0}


def test_a_late_offer(peer: Peer) -> None:
    leg = peer.call(body=b"")
    peer.take(peer.endpoint.answer(leg, b"our offer", peer.now))
    assert peer.response().body == b"our offer"
    peer.within("ACK", cseq=1, body=b"their answer")
    assert peer.events[-1] == Confirmed(leg, b"their answer")


def test_a_call_is_rejected_once(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.reject(leg, 486, peer.now, headers=(("Retry-After", "9"),)))
    assert (peer.response().status, peer.response().retry_after) == (486, 9)
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    peer.take(peer.endpoint.answer(leg, b"", peer.now))
    assert statuses(peer) == [486]
    assert len(peer.events) == 1


def test_hang_up_before_the_ack_waits_for_it(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert peer.events[-1] == Ended(leg, "bye")
    assert not [m for m in peer.sent if isinstance(m, Request)]
    peer.within("ACK", cseq=1)
    assert peer.request("BYE").uri == "sip:peer@192.0.2.1:5060"


def test_cancel(peer: Peer) -> None:
    leg = peer.call()
    peer.tick(0.25)
    peer.send(_cancel_of(peer))
    assert statuses(peer) == [100, 200, 487]
    assert peer.events[-1] == Ended(leg, "cancel")
    assert peer.endpoint.answer(leg, b"", peer.now) == []


def test_cancel_that_crosses_our_200(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    peer.send(_cancel_of(peer))
    assert statuses(peer) == [200, 200]
    peer.within("ACK", cseq=1)
    assert peer.events[-1] == Confirmed(leg, b"")


def _cancel_of(peer: Peer) -> Request:
    response = peer.sent[0]
    headers = [("Via", response.headers.get("Via") or ""), ("Max-Forwards", "70")]
    headers += [(n, response.headers.get(n) or "") for n in ("From", "To", "Call-ID")]
    return Request("CANCEL", "sip:4400@offhook.local", [*headers, ("CSeq", "1 CANCEL")])


def test_expires_of_an_invite(peer: Peer) -> None:
    leg = peer.call(("Expires", "20"))
    peer.tick(21)
    assert peer.response().status == 487
    assert peer.events[-1] == Ended(leg, "cancel")


def test_a_provisional_is_repeated_each_minute(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.progress(leg, peer.now, 182, "Queued"))
    peer.tick(130)
    assert statuses(peer) == [182, 182, 182]


def test_bye_in_the_early_dialog(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.progress(leg, peer.now))
    assert peer.within("BYE", cseq=2) is not None
    assert statuses(peer) == [180, 200, 487]
    assert peer.events[-1] == Ended(leg, "bye")


# --- in the dialog -------------------------------------------------------------------------------


def test_bye(peer: Peer) -> None:
    leg = answered(peer)
    answer = peer.within("BYE", cseq=2)
    assert answer is not None
    assert answer.status == 200
    assert peer.events[-1] == Ended(leg, "bye")
    assert peer.endpoint.hang_up(leg, peer.now) == []


def test_both_say_bye(peer: Peer) -> None:
    leg = answered(peer)
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    answer = peer.within("BYE", cseq=2)
    assert answer is not None
    assert answer.status == 200
    assert peer.events.count(Ended(leg, "bye")) == 1


def test_out_of_order_is_500_and_unknown_things_are_refused(peer: Peer) -> None:
    answered(peer)
    cases = [
        ("INFO", 5, (), 200),
        ("INFO", 4, (), 500),
        ("OPTIONS", 6, (), 200),
        ("MESSAGE", 7, (), 405),
        ("DANCE", 8, (), 501),
        ("NOTIFY", 9, (("Event", "talk"),), 481),
        ("INFO", 10, (("Require", "magic"),), 420),
        ("INFO", 11, (("Info-Package", "x"),), 469),
        ("PRACK", 12, (("RAck", "1 1 INVITE"),), 481),
        ("PRACK", 13, (), 481),
    ]
    for method, cseq, extra, status in cases:
        answer = peer.within(method, *extra, cseq=cseq)
        assert answer is not None
        assert answer.status == status, method


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"Signal= *\nDuration= 250", "*"),
        ("application/dtmf-relay", b"Signal=11", "#"),
        ("application/dtmf", b"#", "#"),
        ("application/dtmf", b"a\r\n", "A"),
        ("application/dtmf", b"flash", None),
        ("application/dtmf-relay", b"", None),
    ],
)
def test_keys_by_info(peer: Peer, kind: str, body: bytes, key: str | None) -> None:
    leg = answered(peer)
    peer.events.clear()
    answer = peer.within("INFO", ("Content-Type", kind), cseq=2, body=body)
    assert answer is not None
    assert answer.status == 200
    assert peer.events == ([KeyPressed(leg, key)] if key else [])


def test_hold_by_reinvite(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("INVITE", cseq=2, body=b"hold")
    assert peer.events[-1] == ChangeAsked(leg, "INVITE", b"hold")
    peer.take(peer.endpoint.accept_change(leg, b"held", peer.now))
    assert (peer.response().status, peer.response().body) == (200, b"held")
    peer.tick(0.6)
    assert statuses(peer)[-2:] == [200, 200]  # until the ACK
    peer.within("ACK", cseq=2)
    peer.clear()
    peer.tick(5)
    assert peer.sent == []
    assert peer.events == []


def test_no_ack_to_a_reinvite_ends_the_call(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("INVITE", cseq=2, body=b"hold")
    peer.take(peer.endpoint.accept_change(leg, b"held", peer.now))
    peer.tick(33)
    assert peer.events[-1] == Ended(leg, "no ack")


def test_a_reinvite_may_ask_for_an_offer(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("INVITE", cseq=2)
    assert peer.events[-1] == ChangeAsked(leg, "INVITE", b"")
    peer.take(peer.endpoint.accept_change(leg, b"offer again", peer.now))
    peer.within("ACK", cseq=2, body=b"answer again")
    assert peer.events[-1] == Confirmed(leg, b"answer again")


def test_hold_by_update_and_its_refusal(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("UPDATE", cseq=2, body=b"hold")
    assert peer.events[-1] == ChangeAsked(leg, "UPDATE", b"hold")
    peer.take(peer.endpoint.reject_change(leg, 488, peer.now))
    assert peer.response().status == 488
    assert peer.endpoint.accept_change(leg, b"late", peer.now) == []


def test_a_refresh_is_answered_unseen(peer: Peer) -> None:
    answered(peer)
    peer.events.clear()
    for method, cseq, body, wanted in (
        ("INVITE", 2, b"offer", b"answer"),
        ("UPDATE", 3, b"offer", b"answer"),
        ("UPDATE", 4, b"", b""),
    ):
        peer.within(method, cseq=cseq, body=body)
        assert (peer.response().status, peer.response().body) == (200, wanted)
        if method == "INVITE":
            peer.within("ACK", cseq=cseq)
    assert peer.events == []


def test_a_second_change_meanwhile_is_turned_away(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("INVITE", cseq=2, body=b"hold")
    answer = peer.within("UPDATE", cseq=3, body=b"more")
    assert answer is not None
    assert answer.status == 500
    assert answer.retry_after is not None
    assert 0 <= answer.retry_after <= 10
    peer.take(peer.endpoint.accept_change(leg, b"held", peer.now))
    peer.within("INVITE", cseq=4, body=b"x")  # the ACK to its 200 was lost
    peer.take(peer.endpoint.accept_change(leg, b"held again", peer.now))
    assert peer.response().body == b"held again"


def test_a_reinvite_before_the_ack(peer: Peer) -> None:
    """RFC 5407 3.1.4: it is taken, and the first 200 is not sent again."""
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    peer.within("INVITE", cseq=2, body=b"hold")
    assert peer.events[-2:] == [Confirmed(leg, b""), ChangeAsked(leg, "INVITE", b"hold")]
    peer.take(peer.endpoint.accept_change(leg, b"held", peer.now))
    assert (peer.response().status, peer.response().body) == (200, b"held")
    peer.within("ACK", cseq=1)  # late: it is not that of the re-INVITE
    peer.clear()
    peer.tick(peer.now + 0.6)
    assert [m.body for m in peer.sent if isinstance(m, Response)] == [b"held"]


def test_a_reinvite_before_the_answer_to_our_offer(peer: Peer) -> None:
    """RFC 5407 3.1.5."""
    leg = peer.call(body=b"")
    peer.take(peer.endpoint.answer(leg, b"offer", peer.now))
    early = peer.within("INVITE", cseq=2, body=b"hold")
    assert early is not None
    assert early.status == 491


def test_two_reinvites_at_once(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("INVITE", cseq=3, body=b"hold")
    second = peer.within("INVITE", cseq=4, body=b"hold")
    assert second is not None
    assert second.status == 500
    peer.take(peer.endpoint.change(leg, b"ours", peer.now))
    peer.take(peer.endpoint.reject_change(leg, 488, peer.now))
    crossing = peer.within("UPDATE", cseq=5, body=b"again")
    assert crossing is not None
    assert crossing.status == 491


def test_bye_while_a_change_waits_answers_both(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("INVITE", cseq=2, body=b"hold")
    peer.clear()
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert peer.response().status == 487
    assert peer.request("BYE")


def test_cancel_of_a_reinvite_keeps_the_call(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("INVITE", cseq=2, body=b"hold")
    peer.tick(0.25)
    via = peer.sent[-1].headers  # of the 100
    headers = [(n, via.get(n) or "") for n in ("Via", "From", "To", "Call-ID")]
    cancel = Request(
        "CANCEL",
        "sip:offhook@198.51.100.1",
        [*headers, ("Max-Forwards", "70"), ("CSeq", "2 CANCEL")],
    )
    peer.send(cancel)
    assert statuses(peer)[-2:] == [200, 487]
    assert peer.endpoint.accept_change(leg, b"held", peer.now) == []
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert peer.request("BYE")


# --- transfer ----------------------------------------------------------------------------------


def refer(
    peer: Peer, *extra: tuple[str, str], cseq: int = 2, to: str = "<sip:102@offhook.local>"
) -> int:
    answer = peer.within("REFER", ("Refer-To", to), *extra, cseq=cseq)
    assert answer is not None
    return answer.status


def test_blind_transfer(peer: Peer) -> None:
    leg = answered(peer)
    assert refer(peer, to="<sip:102@offhook.local?Replaces=a%40b%3Bto-tag%3D1>") == 202
    assert peer.events[-1] == TransferAsked(leg, "102", "sip:102@offhook.local", "a@b;to-tag=1")
    first = peer.request("NOTIFY")
    assert first.body == b"SIP/2.0 100 Trying\r\n"
    assert first.headers.get("Event") == "refer"
    assert (first.headers.get("Subscription-State") or "").startswith("active")
    assert first.headers.get("Content-Type") == "message/sipfrag;version=2.0"
    peer.reply(200)
    assert refer(peer, cseq=3) == 491
    peer.take(peer.endpoint.transfer_done(leg, 200, peer.now))
    final = peer.request("NOTIFY")
    assert final.body == b"SIP/2.0 200 OK\r\n"
    assert final.headers.get("Subscription-State") == "terminated;reason=noresource"
    assert peer.endpoint.transfer_done(leg, 200, peer.now) == []
    assert refer(peer, cseq=4) == 202
    assert peer.request("NOTIFY").headers.get("Event") == "refer;id=4"


def test_transfer_without_notify(peer: Peer) -> None:
    leg = answered(peer)
    assert refer(peer, ("Require", "norefersub"), ("Refer-Sub", "false")) == 202
    assert peer.response().headers.get("Refer-Sub") == "false"
    peer.take(peer.endpoint.transfer_done(leg, 200, peer.now))
    assert not [m for m in peer.sent if isinstance(m, Request)]


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ("<http://example.com>", 416),
        ("<sip:102@offhook.local;method=BYE>", 603),
        ("<sip:102@offhook.local>, <sip:103@offhook.local>", 400),
        ("nonsense", 400),
    ],
)
def test_transfers_that_cannot_be(peer: Peer, to: str, status: int) -> None:
    answered(peer)
    peer.events.clear()
    assert refer(peer, to=to) == status
    assert peer.events == []


# --- misuse and trouble -----------------------------------------------------------------------


def test_misuse_is_named(peer: Peer) -> None:
    leg = peer.call()
    with pytest.raises(MisuseError):
        peer.endpoint.reject(leg, 200, peer.now)
    with pytest.raises(MisuseError):
        peer.endpoint.progress(leg, peer.now, 200)
    with pytest.raises(MisuseError):
        peer.endpoint.acknowledge(leg, b"", peer.now)
    peer.take(peer.endpoint.answer(leg, b"", peer.now))
    with pytest.raises(MisuseError):
        peer.endpoint.reject(leg, 486, peer.now)
    assert peer.endpoint.hang_up("nobody", peer.now) == []


@pytest.mark.parametrize("tail", ["", ";transport=tcp"])
def test_a_stream_is_used_again(tail: str) -> None:
    peer = Peer(endpoint("us", "198.51.100.1"), port=40_000, connection=3)
    leg = peer.call(contact=f"<sip:peer@192.0.2.1:5062{tail}>")
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    peer.within("ACK", cseq=1)
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert peer.flows[-1] == peer.flow


def test_in_dialog_requests_after_the_stream_closed() -> None:
    peer = Peer(endpoint("us", "198.51.100.1"), port=40_000, connection=3)
    leg = peer.call(contact="<sip:peer@192.0.2.1:5062;transport=tcp>")
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    peer.within("ACK", cseq=1, contact="x")
    peer.take(peer.endpoint.stream_closed(3, peer.now))
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert peer.flows[-1] == Flow("tcp", "192.0.2.1", 5062, -1)
