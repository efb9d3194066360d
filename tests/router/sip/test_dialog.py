"""Dialogs as data: where requests go, and what moves that."""

from __future__ import annotations

import pytest

from router.sip.dialog import comes_from, next_hop, of_invite, request_in, stream_is_gone
from router.sip.effects import Flow
from router.sip.message import ParseError, Request
from tests.router.sip.world import Peer, answered, endpoint

PUBLIC = Flow("udp", "8.8.4.4", 5060)
STREAM = Flow("tcp", "8.8.4.4", 40_000, 7)


def invite(contact: str, *extra: tuple[str, str]) -> Request:
    headers = [
        ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"),
        ("From", "<sip:a@h>;tag=theirs"),
        ("To", "sip:b@h"),
        ("Call-ID", "c"),
        ("CSeq", "7 INVITE"),
        ("Contact", contact),
    ]
    return Request("INVITE", "sip:b@h", [*headers, *extra])


@pytest.mark.parametrize(
    ("contact", "flow", "hop"),
    [
        ("<sip:a@8.8.4.4>", PUBLIC, PUBLIC),
        ("<sip:a@8.8.4.4:5070>", PUBLIC, Flow("udp", "8.8.4.4", 5070)),
        ("<sip:a@8.8.8.8>", PUBLIC, Flow("udp", "8.8.8.8", 5060)),
        ("<sip:a@10.0.0.1>", PUBLIC, PUBLIC),
        ("<sip:a@0.0.0.0>", PUBLIC, PUBLIC),
        ("<sip:a@[::]>", PUBLIC, PUBLIC),
        ("<sip:a@edge.example;maddr=8.8.8.8>", PUBLIC, Flow("udp", "8.8.8.8", 5060)),
        ("<sip:a@edge.example;transport=tcp>", PUBLIC, Flow("tcp", "edge.example", 5060, -1)),
        ("<sip:a@8.8.8.8;transport=sctp>", PUBLIC, PUBLIC),
        ("<tel:+371>", PUBLIC, PUBLIC),
        ("<sip:a@8.8.4.4>", STREAM, STREAM),
        ("<sip:a@8.8.4.4;transport=tcp>", STREAM, STREAM),
        ("<sip:a@8.8.4.4;transport=udp>", STREAM, Flow("udp", "8.8.4.4", 5060)),
    ],
)
def test_next_hop(contact: str, flow: Flow, hop: Flow) -> None:
    assert next_hop(of_invite(invite(contact), flow, "ours", False)) == hop
    assert next_hop(of_invite(invite(contact), flow, "ours", True)) == flow


def test_requests_of_the_server_s_side() -> None:
    routes = [("Record-Route", "<sip:8.8.8.1;lr>, <sip:8.8.8.2;lr>")]
    dialog = of_invite(invite("<sip:a@10.0.0.1>", *routes), PUBLIC, "ours", False)
    request = request_in(dialog, "BYE", [])
    assert (request.from_.tag, request.to.tag, request.cseq.number) == ("ours", "theirs", 1)
    assert [route.uri for route in request.routes] == ["sip:8.8.8.1;lr", "sip:8.8.8.2;lr"]
    assert next_hop(dialog).host == "8.8.8.1"


@pytest.mark.parametrize("contact", ["<sip:a@h>, <sip:b@h>", "<nonsense>", "<sip:a@h:99999>"])
def test_contacts_that_make_no_dialog(contact: str) -> None:
    with pytest.raises(ParseError):
        of_invite(invite(contact), PUBLIC, "ours", False)


def test_an_invite_of_rfc_2543_has_no_contact() -> None:
    request = invite("<sip:a@h>")
    request.headers.remove("Contact")
    assert of_invite(request, PUBLIC, "ours", False).target == "sip:a@h"


def test_a_stream_that_is_gone_is_opened_anew() -> None:
    dialog = of_invite(invite("<sip:a@8.8.4.4:5062;transport=tcp>"), STREAM, "ours", False)
    stream_is_gone(dialog, 8)
    assert next_hop(dialog) == STREAM
    stream_is_gone(dialog, 7)
    assert next_hop(dialog) == Flow("tcp", "8.8.4.4", 5062, -1)
    comes_from(dialog, Flow("tcp", "8.8.4.4", 40_001, 9))
    assert next_hop(dialog) == Flow("tcp", "8.8.4.4", 40_001, 9)


def test_a_trunk_is_not_followed_around() -> None:
    dialog = of_invite(invite("<sip:a@8.8.4.4>"), PUBLIC, "ours", False)
    comes_from(dialog, Flow("udp", "8.8.8.8", 5060))
    assert next_hop(dialog) == PUBLIC


def test_a_phone_whose_nat_gave_it_another_port() -> None:
    dialog = of_invite(invite("<sip:a@10.0.0.1>"), PUBLIC, "ours", True)
    comes_from(dialog, Flow("udp", "8.8.4.4", 6060))
    assert next_hop(dialog).port == 6060


def test_the_leg_that_replaces_names() -> None:
    peer = Peer(endpoint("us", "198.51.100.1"))
    leg = answered(peer)
    ours = next(m.to.tag for m in reversed(peer.sent) if m.to.tag)
    name = peer.endpoint.leg_of_replaces
    assert name(f"call;to-tag={ours};from-tag=peer") == leg
    assert name(f"call;to-tag={ours};from-tag=other") is None
    assert name(f"other;to-tag={ours};from-tag=peer") is None
    assert name("call;to-tag=;;") is None
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert name(f"call;to-tag={ours};from-tag=peer") is None
