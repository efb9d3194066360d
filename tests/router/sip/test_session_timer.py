"""RFC 4028: negotiation, both roles of the refresher, the end of what nobody refreshes."""

from __future__ import annotations

import pytest

from router.sip.effects import Ended
from router.sip.message import Request, Response
from router.sip.session_timer import SessionTimer, as_client, as_server, ask
from tests.router.sip.world import Peer, answered, endpoint, talking


@pytest.fixture
def peer() -> Peer:
    return Peer(endpoint("us", "198.51.100.1"))


@pytest.mark.parametrize(
    ("supported", "asked", "min_se", "said"),
    [
        (False, None, None, "1800;refresher=uas"),
        (True, None, None, "1800;refresher=uas"),
        (True, "600", None, "600;refresher=uac"),
        (True, "600;refresher=uac", None, "600;refresher=uac"),
        (True, "600;refresher=uas", None, "600;refresher=uas"),
        (True, "7200;refresher=uas", None, "1800;refresher=uas"),
        (True, "7200;refresher=uac", "3600", "3600;refresher=uac"),
        (False, "600;refresher=uac", None, "600;refresher=uas"),  # a proxy asked
        (False, "40", None, "90;refresher=uas"),
    ],
)
def test_as_server(supported: bool, asked: str | None, min_se: str | None, said: str) -> None:
    headers = [("Supported", "timer")] if supported else []
    headers += [("Session-Expires", asked)] if asked else []
    headers += [("Min-SE", min_se)] if min_se else []
    timer, answer = as_server(Request("INVITE", "sip:x@y", headers), 1800)
    assert dict(answer)["Session-Expires"] == said
    assert timer.ours == said.endswith("uas")
    assert ("Require" in dict(answer)) == said.endswith("uac")


@pytest.mark.parametrize(
    ("said", "timer"),
    [
        (None, SessionTimer(1800, True)),
        ("600;refresher=uas", SessionTimer(600, False)),
        ("600;refresher=uac", SessionTimer(600, True)),
        ("600", SessionTimer(600, True)),
        ("1;refresher=uac", SessionTimer(10, True)),
        ("soon", SessionTimer(1800, True)),
    ],
)
def test_as_client(said: str | None, timer: SessionTimer) -> None:
    response = Response(200, headers=[("Session-Expires", said)] if said else [])
    assert as_client(response, 1800) == timer


def test_the_roles_stay() -> None:
    assert ask(1800, 90, None) == [("Session-Expires", "1800")]
    assert ask(1800, 90, SessionTimer(600, True))[0][1] == "1800;refresher=uac"
    assert ask(1800, 120, SessionTimer(600, False)) == [
        ("Session-Expires", "1800;refresher=uas"),
        ("Min-SE", "120"),
    ]


def test_we_refresh_by_update_where_the_peer_allows_it(peer: Peer) -> None:
    answered(peer, ("Allow", "INVITE, UPDATE, BYE"))
    peer.clear()
    peer.tick(901)
    update = peer.request("UPDATE")
    assert (update.session_expires, update.body) == ((1800, "uac"), b"")
    peer.reply(200, ("Session-Expires", "1800;refresher=uac"))
    peer.clear()
    peer.tick(1750)
    assert peer.sent == []
    peer.tick(1803)
    assert peer.request("UPDATE")
    assert peer.events == []


def test_we_refresh_by_reinvite_with_the_same_session_description(peer: Peer) -> None:
    talking(peer, ("Session-Expires", "600;refresher=uac"))
    peer.clear()
    peer.tick(301)
    assert peer.request("INVITE").body == b"offer"
    peer.reply(200, ("Session-Expires", "600;refresher=uac"), body=b"answer")
    assert peer.request("ACK")
    assert peer.events == []


def test_a_peer_that_does_not_refresh_is_left(peer: Peer) -> None:
    leg = answered(peer, ("Supported", "timer"), ("Session-Expires", "90;refresher=uac"))
    peer.tick(59)
    assert peer.events[-1] != Ended(leg, "session expired")
    peer.tick(61)  # a third of the interval before its end
    assert peer.events[-1] == Ended(leg, "session expired")
    assert peer.request("BYE")


def test_a_peer_that_refreshes_stays(peer: Peer) -> None:
    timer = [("Supported", "timer"), ("Session-Expires", "90;refresher=uac")]
    leg = answered(peer, *timer)
    for number in range(2, 12):
        peer.tick(peer.now + 45)
        answer = peer.within("UPDATE", *timer, cseq=number)
        assert answer is not None
        assert answer.session_expires == (90, "uac")
    assert Ended(leg, "session expired") not in peer.events


def test_a_refresh_that_is_too_fast_is_422(peer: Peer) -> None:
    answered(peer)
    timer = [("Supported", "timer"), ("Session-Expires", "60")]
    answer = peer.within("UPDATE", *timer, cseq=2)
    assert answer is not None
    assert (answer.status, answer.min_se) == (422, 90)


def test_our_refresh_without_an_answer_ends_the_call(peer: Peer) -> None:
    leg = answered(peer, ("Allow", "UPDATE"))
    peer.tick(935)
    assert peer.events[-1] == Ended(leg, "dialog lost")


def test_update_refused_although_allowed(peer: Peer) -> None:
    answered(peer, ("Allow", "UPDATE"))
    peer.tick(901)
    peer.reply(501)
    assert peer.request("INVITE").body == b"answer"


def test_a_refresh_that_is_refused_is_tried_until_the_end(peer: Peer) -> None:
    leg = answered(peer, ("Allow", "UPDATE"))
    while not any(isinstance(event, Ended) for event in peer.events):
        due = peer.endpoint.next_deadline
        assert due is not None
        peer.tick(due)
        if isinstance(peer.sent[-1], Request) and peer.sent[-1].method == "UPDATE":
            peer.reply(500)
    assert peer.events[-1] == Ended(leg, "session expired")
    updates = [m for m in peer.sent if isinstance(m, Request) and m.method == "UPDATE"]
    assert len({update.cseq.number for update in updates}) == 4  # after 900 s, each 225 s
