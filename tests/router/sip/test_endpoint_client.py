"""Outgoing calls: forks, challenges, refusals, CANCEL, changes of the session, routes."""

from __future__ import annotations

import pytest

from config.errors import MisuseError, PeerError
from router.sip.digest import Nonces, challenges, parse_credentials, verify
from router.sip.effects import (
    Answered,
    ChangeAnswered,
    ChangeAsked,
    ChangeRefused,
    Ended,
    Flow,
    Progressed,
    Refused,
)
from router.sip.message import Request
from router.sip.target import Credentials, Target
from tests.router.sip.world import DOMAIN, Peer, endpoint, secrets, talking

ROUTE = "<sip:proxy.example;lr>"


@pytest.fixture
def peer() -> Peer:
    return Peer(endpoint("us", "198.51.100.1"))


def ring(peer: Peer, body: bytes = b"offer", **words: object) -> str:
    target = peer.endpoint.target_of("sip:callee@192.0.2.1:5060")
    peer.take(
        peer.endpoint.invite("out", target, body, peer.now, caller="4400", **words)  # type: ignore[arg-type]
    )
    return "out"


def methods(peer: Peer) -> list[str]:
    return [m.method for m in peer.sent if isinstance(m, Request)]


# --- set-up --------------------------------------------------------------------------------------


def test_the_invite(peer: Peer) -> None:
    ring(peer, caller_name='Help "desk"', headers=(("X-Call", "7"),))
    invite = peer.request("INVITE")
    assert peer.flows[-1] == Flow("udp", "192.0.2.1", 5060)
    assert invite.uri == "sip:callee@192.0.2.1:5060"
    assert (invite.from_.display, invite.from_.uri) == ('Help "desk"', f"sip:4400@{DOMAIN}")
    assert invite.to.tag is None
    assert invite.session_expires == (1800, None)
    assert {"100rel", "timer"} <= invite.supported
    assert invite.headers.get("X-Call") == "7"
    assert (invite.content_type, invite.body) == ("application/sdp", b"offer")


def test_ringing_and_answer(peer: Peer) -> None:
    ring(peer)
    peer.reply(180)
    peer.reply(183, body=b"early")
    peer.reply(200, body=b"answer")
    assert peer.events == [
        Progressed("out", 180, b""),
        Progressed("out", 183, b"early"),
        Answered("out", b"answer"),
    ]
    ack = peer.request("ACK")
    assert (ack.uri, ack.cseq.number, ack.to.tag) == ("sip:callee@192.0.2.1:5060", 1, "callee")


def test_a_repeated_200_gets_the_ack_again(peer: Peer) -> None:
    talking(peer)
    peer.reply(200, body=b"answer")
    peer.reply(200, body=b"answer")
    acks = [m for m in peer.sent if isinstance(m, Request) and m.method == "ACK"]
    assert len(acks) == 3
    assert len({ack.encode() for ack in acks}) == 1
    assert peer.events == [Answered("out", b"answer")]


def test_a_repeated_200_gets_the_ack_after_the_end_too(peer: Peer) -> None:
    leg = talking(peer)
    invite = peer.request("INVITE")
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    peer.reply(200, request=peer.request("BYE"))
    peer.clear()
    peer.reply(200, body=b"answer", request=invite)
    assert methods(peer) == ["ACK"]


def test_a_late_offer(peer: Peer) -> None:
    ring(peer, body=b"")
    assert "100rel" not in peer.request("INVITE").supported
    peer.reply(200, body=b"their offer")
    assert peer.events == [Answered("out", b"their offer")]
    assert methods(peer) == ["INVITE"]
    peer.reply(200, body=b"their offer", request=peer.request("INVITE"))
    peer.take(peer.endpoint.acknowledge("out", b"our answer", peer.now))
    assert peer.request("ACK").body == b"our answer"
    peer.reply(200, body=b"their offer", request=peer.request("INVITE"))
    assert methods(peer) == ["INVITE", "ACK", "ACK"]


def test_hang_up_while_the_answer_to_a_late_offer_is_owed(peer: Peer) -> None:
    ring(peer, body=b"")
    peer.reply(200, body=b"their offer")
    peer.take(peer.endpoint.hang_up("out", peer.now))
    assert methods(peer) == ["INVITE", "ACK", "BYE"]
    assert peer.events[-1] == Ended("out", "bye")


def test_forks_the_first_2xx_wins(peer: Peer) -> None:
    ring(peer)
    peer.reply(180, to_tag="a", contact="<sip:a@192.0.2.1>")
    peer.reply(180, to_tag="b", contact="<sip:b@192.0.2.1>")
    peer.reply(
        200, to_tag="b", contact="<sip:b@192.0.2.1>", body=b"b", request=peer.request("INVITE")
    )
    peer.reply(
        200, to_tag="a", contact="<sip:a@192.0.2.1>", body=b"a", request=peer.request("INVITE")
    )
    assert [e for e in peer.events if isinstance(e, Answered)] == [Answered("out", b"b")]
    sent = [(m.method, m.uri, m.to.tag) for m in peer.sent if isinstance(m, Request)][1:]
    assert sent == [
        ("ACK", "sip:b@192.0.2.1", "b"),
        ("ACK", "sip:a@192.0.2.1", "a"),
        ("BYE", "sip:a@192.0.2.1", "a"),
    ]
    peer.take(peer.endpoint.hang_up("out", peer.now))
    assert peer.request("BYE").to.tag == "b"


@pytest.mark.parametrize("status", [302, 404, 486, 500, 603])
def test_refusals(peer: Peer, status: int) -> None:
    ring(peer)
    extra = (
        [("Contact", "<sip:x@a>, <sip:y@b>")] if status == 302 else [("Retry-After", "7 (busy)")]
    )
    peer.reply(status, *extra)
    told = peer.events[-1]
    assert isinstance(told, Refused)
    assert (told.leg, told.status) == ("out", status)
    assert told.contacts == (("sip:x@a", "sip:y@b") if status == 302 else ())
    assert told.retry_after_s == (None if status == 302 else 7)
    assert methods(peer) == ["INVITE", "ACK"]


def test_no_answer_at_all(peer: Peer) -> None:
    ring(peer)
    peer.tick(33)
    assert peer.events == [Refused("out", 408, "Request Timeout")]
    assert peer.endpoint.figures()["dialogs"] == 0


def test_no_way_to_send(peer: Peer) -> None:
    ring(peer)
    peer.take(peer.endpoint.send_failed(Flow("udp", "192.0.2.1", 5060), 0.0))
    assert peer.events == [Refused("out", 503, "Service Unavailable")]


def test_hops_of_the_invite(peer: Peer) -> None:
    """RFC 7332: who calls on behalf of another says how many hops are left; it stays with the
    leg's INVITEs, and is not for requests in the dialog."""
    ring(peer)
    assert peer.request("INVITE").max_forwards == 70
    with pytest.raises(MisuseError, match="hops"):
        peer.endpoint.invite(
            "two", peer.endpoint.target_of("sip:a@192.0.2.1"), b"", 0.0, caller="1", max_forwards=-1
        )


def test_hops_are_kept_when_the_invite_is_sent_again(peer: Peer) -> None:
    ring(peer, max_forwards=4)
    assert peer.request("INVITE").max_forwards == 4
    peer.reply(422, ("Min-SE", "3600"))
    again = peer.request("INVITE")
    assert (again.cseq.number, again.max_forwards) == (2, 4)


def test_an_interval_too_small_for_the_peer(peer: Peer) -> None:
    ring(peer)
    peer.reply(422, ("Min-SE", "3600"))
    again = peer.request("INVITE")
    assert (again.session_expires, again.min_se, again.cseq.number) == ((3600, None), 3600, 2)
    peer.reply(422, ("Min-SE", "3600"))
    assert [e.status for e in peer.events if isinstance(e, Refused)] == [422]


# --- CANCEL ------------------------------------------------------------------------------------


def test_cancel_waits_for_a_provisional(peer: Peer) -> None:
    ring(peer)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    assert methods(peer) == ["INVITE"]
    peer.reply(100)
    assert methods(peer) == ["INVITE", "CANCEL"]
    peer.reply(200, request=peer.request("CANCEL"))
    peer.reply(487, request=peer.request("INVITE"))
    assert peer.events == [Refused("out", 487, "Request Terminated")]


def test_cancel_that_crosses_the_200(peer: Peer) -> None:
    ring(peer)
    peer.reply(180)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    peer.reply(200, body=b"answer", request=peer.request("INVITE"))
    assert methods(peer) == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert peer.events[-1] == Refused("out", 487, "Request Terminated")
    assert not [e for e in peer.events if isinstance(e, Answered)]


def test_cancel_without_an_end(peer: Peer) -> None:
    ring(peer)
    peer.reply(180)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    peer.take(peer.endpoint.hang_up("out", peer.now))
    peer.tick(80)
    assert peer.events[-1] == Refused("out", 487, "Request Terminated")
    peer.tick(200)
    assert peer.endpoint.figures() == {"dialogs": 0, "transactions": 0, "registrations": 0}


def test_a_200_long_after_the_cancel_was_given_up(peer: Peer) -> None:
    ring(peer)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    peer.reply(200, body=b"answer", request=peer.request("INVITE"))
    assert methods(peer) == ["INVITE", "ACK", "BYE"]


# --- challenges ----------------------------------------------------------------------------------

NONCES = Nonces(b"fedcba9876543210", 300)
ROAMER = Credentials("roamer", ha1=secrets()["roamer"])


def challenge(
    peer: Peer, salt: str, status: int = 401, stale: bool = False, **words: object
) -> str:
    nonce = NONCES.make(0.0, salt)
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    values = [(name, value) for value in challenges(DOMAIN, nonce, stale)]
    peer.reply(status, *values, **words)  # type: ignore[arg-type]
    return nonce


@pytest.mark.parametrize("status", [401, 407])
def test_an_invite_is_authorised(peer: Peer, status: int) -> None:
    ring(peer, credentials=ROAMER)
    challenge(peer, f"i{status}", status)
    again = peer.request("INVITE")
    name = "Authorization" if status == 401 else "Proxy-Authorization"
    value = again.headers.get(name) or ""
    assert again.cseq.number == 2
    assert again.body == b"offer"
    assert verify(value, "INVITE", again.uri, secrets()["roamer"], NONCES, 0.0) == "ok"
    assert len(again.headers.get_all("Via")) == 1
    peer.reply(200, body=b"answer")
    assert peer.events == [Answered("out", b"answer")]
    ack = peer.request("ACK")
    assert (ack.cseq.number, ack.headers.get(name)) == (2, value)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    assert peer.request("BYE").cseq.number == 3


def test_credentials_that_are_refused_are_not_sent_again(peer: Peer) -> None:
    ring(peer, credentials=ROAMER)
    challenge(peer, "r1")
    challenge(peer, "r2")
    assert [e.status for e in peer.events if isinstance(e, Refused)] == [401]
    assert methods(peer).count("INVITE") == 2


def test_a_stale_nonce_is_tried_again_but_not_for_ever(peer: Peer) -> None:
    ring(peer, credentials=ROAMER)
    challenge(peer, "s0")
    for number in range(1, 6):
        if methods(peer).count("INVITE") == number:
            break
        challenge(peer, f"s{number}", stale=True)
    assert methods(peer).count("INVITE") == 5
    assert [e.status for e in peer.events if isinstance(e, Refused)] == [401]


def test_a_challenge_without_credentials_is_a_refusal(peer: Peer) -> None:
    ring(peer)
    challenge(peer, "n")
    assert [e.status for e in peer.events if isinstance(e, Refused)] == [401]


@pytest.mark.parametrize("method", ["BYE", "INVITE"])
def test_requests_in_the_dialog_are_authorised(peer: Peer, method: str) -> None:
    leg = talking(peer, credentials=ROAMER)
    if method == "BYE":
        peer.take(peer.endpoint.hang_up(leg, peer.now))
    else:
        peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    challenge(peer, f"d{method}")
    again = peer.request(method)
    assert again.cseq.number == 3
    value = again.headers.get("Authorization") or ""
    assert parse_credentials(value)["username"] == "roamer"
    peer.reply(200, body=b"" if method == "BYE" else b"held")
    told = Ended(leg, "bye") if method == "BYE" else ChangeAnswered(leg, b"held")
    assert peer.events[-1] == told


# --- changes --------------------------------------------------------------------------------------


def test_our_change(peer: Peer) -> None:
    leg = talking(peer)
    peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    assert (peer.request("INVITE").cseq.number, peer.request("INVITE").body) == (2, b"hold")
    peer.reply(200, body=b"held", contact="<sip:moved@192.0.2.1:5060>")
    assert peer.events[-1] == ChangeAnswered(leg, b"held")
    assert (peer.request("ACK").uri, peer.request("ACK").cseq.number) == (
        "sip:moved@192.0.2.1:5060",
        2,
    )
    peer.reply(200, body=b"held", request=peer.request("INVITE"))
    assert methods(peer)[-1] == "ACK"
    assert peer.events[-1] == ChangeAnswered(leg, b"held")


def test_changes_wait_for_each_other(peer: Peer) -> None:
    leg = talking(peer)
    for body in (b"one", b"two", b"three"):
        peer.take(peer.endpoint.change(leg, body, peer.now))
    peer.reply(200, body=b"1")
    assert peer.request("INVITE").body == b"three"
    peer.reply(200, body=b"3")
    told = [e.body for e in peer.events if isinstance(e, ChangeAnswered)]
    assert told == [b"1", b"3"]


def test_glare(peer: Peer) -> None:
    leg = talking(peer)
    peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    answer = within(peer, "INVITE", body=b"theirs")
    assert answer == 491
    peer.reply(491, request=peer.request("INVITE"))
    assert methods(peer).count("INVITE") == 2
    peer.tick(2.0)
    assert peer.request("INVITE").cseq.number == 2
    peer.tick(4.1)  # RFC 3261 14.1: 2.1 to 4 s for the owner of the Call-ID
    assert peer.request("INVITE").cseq.number == 3
    peer.reply(200, body=b"held")
    assert peer.events[-1] == ChangeAnswered(leg, b"held")


def within(peer: Peer, method: str, cseq: int = 1, body: bytes = b"", **words: object) -> int:
    """A request of the callee in the dialog of our INVITE."""
    invite = peer.request("INVITE")
    answer = peer.ask(
        method,
        uri="sip:offhook@198.51.100.1:5060",
        call_id=invite.call_id,
        cseq=cseq,
        from_=f"{invite.headers.get('To') or ''}" + ("" if invite.to.tag else ";tag=callee"),
        to=invite.headers.get("From") or "",
        body=body,
        **words,  # type: ignore[arg-type]
    )
    return answer.status if answer is not None else 0


def test_a_refused_change_leaves_the_call(peer: Peer) -> None:
    leg = talking(peer)
    peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    peer.reply(488)
    assert peer.events[-1] == ChangeRefused(leg, 488)
    assert peer.endpoint.figures()["dialogs"] == 1


@pytest.mark.parametrize("status", [408, 481])
def test_a_lost_dialog_ends_the_call(peer: Peer, status: int) -> None:
    leg = talking(peer)
    peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    peer.reply(status)
    assert peer.events[-1] == Ended(leg, "dialog lost")
    assert methods(peer)[-1] == "BYE"


def test_a_change_whose_interval_is_too_small(peer: Peer) -> None:
    leg = talking(peer)
    peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    peer.reply(422, ("Min-SE", "3600"))
    again = peer.request("INVITE")
    assert (again.body, again.min_se, again.session_expires) == (b"hold", 3600, (3600, "uac"))
    peer.reply(200, body=b"held")
    assert peer.events[-1] == ChangeAnswered(leg, b"held")


def test_a_refresh_that_meets_their_change(peer: Peer) -> None:
    talking(peer, ("Session-Expires", "600;refresher=uac"))
    within(peer, "INVITE", body=b"theirs")
    peer.clear()
    peer.tick(301)
    assert methods(peer) == []
    peer.take(peer.endpoint.accept_change("out", b"fine", peer.now))
    assert peer.response().session_expires == (1800, "uas")


def test_a_refresh_that_gets_491(peer: Peer) -> None:
    talking(peer, ("Session-Expires", "600;refresher=uac"), ("Allow", "UPDATE"))
    peer.tick(301)
    peer.reply(491)
    peer.tick(306)
    assert peer.request("UPDATE").cseq.number == 3


def test_a_challenge_after_hanging_up_is_the_end(peer: Peer) -> None:
    ring(peer, credentials=ROAMER)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    challenge(peer, "late")
    assert methods(peer) == ["INVITE", "ACK"]
    assert [e.status for e in peer.events if isinstance(e, Refused)] == [401]


def test_a_challenge_that_nobody_can_answer(peer: Peer) -> None:
    ring(peer, credentials=ROAMER)
    peer.reply(401, ("WWW-Authenticate", "Basic realm=x"))
    assert [e.status for e in peer.events if isinstance(e, Refused)] == [401]


def test_our_change_waits_while_theirs_is_open(peer: Peer) -> None:
    leg = talking(peer)
    assert within(peer, "INVITE", body=b"theirs") == 0
    assert peer.events[-1] == ChangeAsked(leg, "INVITE", b"theirs")
    peer.take(peer.endpoint.change(leg, b"ours", peer.now))
    peer.take(peer.endpoint.accept_change(leg, b"fine", peer.now))
    assert methods(peer).count("INVITE") == 1
    within(peer, "ACK")
    assert peer.request("INVITE").body == b"ours"


def test_no_change_in_an_early_dialog_without_update(peer: Peer) -> None:
    ring(peer)
    peer.reply(180)
    peer.take(peer.endpoint.change("out", b"hold", peer.now))
    assert peer.events[-1] == ChangeRefused("out", 491)


def test_the_callee_hangs_up(peer: Peer) -> None:
    leg = talking(peer)
    assert within(peer, "BYE") == 200
    assert peer.events[-1] == Ended(leg, "bye")
    assert peer.endpoint.change(leg, b"x", peer.now) == []


# --- routes ------------------------------------------------------------------------------------


def test_a_loose_route(peer: Peer) -> None:
    leg = talking(
        peer,
        ("Record-Route", "<sip:192.0.2.20;lr>, <sip:192.0.2.10:5070;lr>"),
    )
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    bye = peer.request("BYE")
    assert bye.uri == "sip:callee@192.0.2.1:5060"
    assert [r.uri for r in bye.routes] == ["sip:192.0.2.10:5070;lr", "sip:192.0.2.20;lr"]
    assert peer.flows[-1] == Flow("udp", "192.0.2.10", 5070)


def test_a_strict_route(peer: Peer) -> None:
    leg = talking(peer, ("Record-Route", "<sip:192.0.2.20;lr>, <sip:192.0.2.10:5070>"))
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    bye = peer.request("BYE")
    assert bye.uri == "sip:192.0.2.10:5070"
    assert [r.uri for r in bye.routes] == ["sip:192.0.2.20;lr", "sip:callee@192.0.2.1:5060"]
    assert peer.flows[-1] == Flow("udp", "192.0.2.10", 5070)


def test_a_preloaded_route_and_a_pinned_flow(peer: Peer) -> None:
    phone = Flow("tcp", "203.0.113.9", 40_000, 5)
    target = Target("sip:101@10.0.0.7:5060", phone, ("sip:edge;lr",), pinned=True)
    peer.take(peer.endpoint.invite("out", target, b"offer", 0.0, caller=""))
    assert peer.flows[-1] == phone
    assert [r.uri for r in peer.request("INVITE").routes] == ["sip:edge;lr"]
    peer.reply(200, body=b"answer", contact="<sip:101@10.0.0.7:5060>")
    peer.take(peer.endpoint.hang_up("out", peer.now))
    assert peer.flows[-1] == phone
    assert peer.request("BYE").uri == "sip:101@10.0.0.7:5060"


def test_a_contact_elsewhere_is_followed(peer: Peer) -> None:
    target = peer.endpoint.target_of("sip:192.0.2.1;transport=tcp")
    assert target.flow == Flow("tcp", "192.0.2.1", 5060, -1)
    peer.flow = Flow("tcp", "192.0.2.1", 5060, 9)
    peer.take(peer.endpoint.invite("out", target, b"offer", 0.0, caller="1"))
    peer.reply(200, body=b"answer", contact="<sip:media@192.0.2.77:5080>")
    assert peer.flows[-1] == Flow("udp", "192.0.2.77", 5080)


def test_the_stream_that_was_opened_is_used_again(peer: Peer) -> None:
    target = peer.endpoint.target_of("sip:192.0.2.1;transport=tcp")
    peer.flow = Flow("tcp", "192.0.2.1", 5060, 9)
    peer.take(peer.endpoint.invite("out", target, b"offer", 0.0, caller="1"))
    peer.reply(200, body=b"answer", contact="<sip:callee@192.0.2.1:5060;transport=tcp>")
    assert peer.flows[-1] == Flow("tcp", "192.0.2.1", 5060, 9)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    assert peer.flows[-1] == Flow("tcp", "192.0.2.1", 5060, 9)


@pytest.mark.parametrize("uri", ["", "mailto:x", "sip:x;transport=sctp", "sips:x@y", "sip:x:99999"])
def test_targets_that_cannot_be(peer: Peer, uri: str) -> None:
    with pytest.raises(PeerError):
        peer.endpoint.target_of(uri)


def test_a_leg_is_called_once(peer: Peer) -> None:
    ring(peer)
    ring(peer)
    assert methods(peer) == ["INVITE"]
    peer.reply(486)
    ring(peer)
    assert methods(peer) == ["INVITE", "ACK"]
    assert len(peer.events) == 1


def test_what_an_outgoing_leg_does_not_do(peer: Peer) -> None:
    ring(peer)
    with pytest.raises(MisuseError):
        peer.endpoint.answer("out", b"", 0.0)


def test_a_change_that_is_never_answered_does_not_outlive_the_call(peer: Peer) -> None:
    leg = talking(peer)
    peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    change = peer.request("INVITE")
    peer.reply(100, request=change)
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert methods(peer)[-2:] == ["BYE", "CANCEL"]
    assert peer.request("CANCEL").via.branch == change.via.branch
    peer.tick(peer.now + 70)
    assert peer.endpoint.figures()["transactions"] == 0
    assert not peer.endpoint._core.outstanding
