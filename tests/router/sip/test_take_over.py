"""An engine dies and another has its legs: what each peer sees (RFC 3261 17, 12, 14)."""

from __future__ import annotations

import msgspec
import pytest

from router.sip.effects import (
    Answered,
    ChangeAnswered,
    ChangeAsked,
    Confirmed,
    Ended,
    Flow,
    Invited,
    KeyPressed,
    Progressed,
    Refused,
    TransferAsked,
)
from router.sip.message import Request, Response
from router.sip.target import Credentials
from tests.router.sip.take_over import Tokens, made, taken_over
from tests.router.sip.test_registrar import AOR, Phone
from tests.router.sip.world import DOMAIN, Peer, answered, endpoint, talking

EMPTY = {"dialogs": 0, "transactions": 0, "registrations": 0}


@pytest.fixture
def peer() -> Peer:
    return Peer(endpoint("us", "198.51.100.1"))


def statuses(peer: Peer) -> list[int]:
    return [m.status for m in peer.sent if isinstance(m, Response)]


def methods(peer: Peer) -> list[str]:
    return [m.method for m in peer.sent if isinstance(m, Request)]


def last_sent(peer: Peer) -> Request | Response:
    return peer.sent[-1]


def ring(peer: Peer, body: bytes = b"offer", **words: object) -> None:
    target = peer.endpoint.target_of("sip:callee@192.0.2.1:5060")
    peer.take(
        peer.endpoint.invite("out", target, body, peer.now, caller="4400", **words)  # type: ignore[arg-type]
    )


def again(peer: Peer, message: Request | Response) -> None:
    """The peer sends the very same message once more."""
    peer.clear()
    peer.send(message)


class Tape(Peer):
    """Remembers what it sent, to send it again."""

    def __init__(self) -> None:
        super().__init__(endpoint("us", "198.51.100.1"))
        self.said: list[Request | Response] = []

    def send(self, message: Request | Response) -> None:
        self.said.append(message)
        super().send(message)


# --- an incoming leg ---------------------------------------------------------------------------


def test_a_repeated_invite_gets_the_response_of_the_dead_engine() -> None:
    peer = Tape()
    leg = peer.call()
    peer.take(peer.endpoint.progress(leg, peer.now, 180))
    ringing = last_sent(peer)
    taken_over(peer)
    again(peer, peer.said[0])
    assert peer.sent == [ringing]
    assert peer.events == []


def test_an_invite_that_died_unheard_is_a_new_call() -> None:
    peer = Tape()
    peer.call()
    assert peer.sent == []  # no 100, so the peer asks again
    peer.endpoint = made(Tokens("new"), "198.51.100.1")
    again(peer, peer.said[0])
    assert isinstance(peer.events[0], Invited)


def test_the_same_200_goes_out_until_the_ack(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    ok = last_sent(peer)
    peer.clear()
    taken_over(peer)
    peer.take(peer.endpoint.answer(leg, b"another answer", peer.now))
    peer.tick(3.6)
    assert peer.sent == [ok] * 4  # by answer(), then on the schedule of before
    peer.within("ACK", cseq=1)
    assert peer.events == [Confirmed(leg, b"")]
    peer.clear()
    peer.tick(60)
    assert peer.sent == []
    assert peer.endpoint.answer(leg, b"another answer", peer.now) == []


def test_answered_anew_the_200_is_the_same(peer: Peer) -> None:
    """The answer was not written down: whoever gives it again says the same."""
    leg = peer.call()
    kept = peer.endpoint.keep(leg)
    assert kept is not None
    answers = []
    for engine in (peer.endpoint, made(Tokens("new"), "198.51.100.1")):
        engine.adopt(kept, 0.0)
        answers.append(engine.answer(leg, b"answer", 0.3))
    assert answers[0] == answers[1] != []


def test_a_late_ack_is_taken(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    taken_over(peer, now=2.0)
    peer.within("ACK", cseq=1)
    assert peer.events[-1] == Confirmed(leg, b"")


def test_a_late_offer_is_answered_in_the_ack(peer: Peer) -> None:
    leg = peer.call(body=b"")
    peer.take(peer.endpoint.answer(leg, b"our offer", peer.now))
    taken_over(peer)
    peer.within("ACK", cseq=1, body=b"their answer")
    assert peer.events[-1] == Confirmed(leg, b"their answer")


def test_an_ack_that_waits_in_the_socket_is_in_time(peer: Peer) -> None:
    """Nobody listened for longer than the ACK may take: it has a second more."""
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    taken_over(peer, now=40.0)
    peer.tick(40.0)
    peer.within("ACK", cseq=1)
    assert peer.events[-1] == Confirmed(leg, b"")


def test_without_the_ack_the_call_ends(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    taken_over(peer, now=40.0)
    peer.tick(42.0)
    assert peer.events[-1] == Ended(leg, "no ack")
    assert peer.request("BYE").cseq.number == 1001


@pytest.mark.parametrize("rings", [False, True])
def test_a_cancel_meant_for_the_dead_engine(peer: Peer, rings: bool) -> None:
    leg = peer.call()
    if rings:
        peer.take(peer.endpoint.progress(leg, peer.now, 180))
    peer.tick(0.25)
    cancel = _cancel_of(peer.response())
    taken_over(peer)
    peer.clear()
    peer.send(cancel)
    assert statuses(peer) == [200, 487]
    assert peer.events == [Ended(leg, "cancel")]
    again(peer, cancel)
    assert statuses(peer) == [200]


def test_a_cancel_that_crosses_our_200(peer: Peer) -> None:
    leg = peer.call()
    peer.tick(0.25)
    cancel = _cancel_of(peer.response())
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    taken_over(peer)
    peer.send(cancel)
    peer.within("ACK", cseq=1)
    assert peer.events[-1] == Confirmed(leg, b"")


def _cancel_of(response: Response) -> Request:
    headers = [("Via", response.headers.get("Via") or ""), ("Max-Forwards", "70")]
    headers += [(n, response.headers.get(n) or "") for n in ("From", "Call-ID")]
    headers += [("To", f"<sip:4400@{DOMAIN}>"), ("CSeq", "1 CANCEL")]
    return Request("CANCEL", "sip:4400@offhook.local", headers)


def test_a_refusal_is_repeated_until_its_ack(peer: Peer) -> None:
    leg = peer.call()
    peer.take(peer.endpoint.reject(leg, 486, peer.now))
    busy = last_sent(peer)
    taken_over(peer)
    peer.clear()
    peer.tick(0.6)
    assert peer.sent == [busy]
    assert peer.endpoint.legs() == []
    peer.tick(40)
    assert peer.endpoint.keep(leg) is None


def test_reliable_provisional_responses_go_on(peer: Peer) -> None:
    leg = peer.call(("Require", "100rel"))
    peer.take(peer.endpoint.progress(leg, peer.now, 183, body=b"early"))
    early = peer.response()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))  # waits for the PRACK
    taken_over(peer)
    peer.clear()
    peer.tick(0.6)
    assert peer.sent == [early]
    peer.within("PRACK", ("RAck", f"{early.rseq} 1 INVITE"), cseq=2)
    assert statuses(peer) == [183, 200, 200]
    peer.within("ACK", cseq=1)
    assert peer.events[-1] == Confirmed(leg, b"")


# --- an outgoing leg ---------------------------------------------------------------------------


def test_a_200_to_the_dead_engines_invite_is_acknowledged(peer: Peer) -> None:
    ring(peer)
    invite = peer.request("INVITE")
    taken_over(peer)
    peer.clear()
    peer.reply(200, body=b"answer", request=invite)
    assert peer.events == [Answered("out", b"answer")]
    assert str(peer.request("ACK").cseq) == "1 ACK"
    ack = last_sent(peer)
    taken_over(peer)
    peer.clear()
    peer.reply(200, body=b"answer", request=invite)  # our ACK was lost
    assert peer.sent == [ack]
    assert peer.events == []
    peer.take(peer.endpoint.hang_up("out", peer.now))
    assert peer.request("BYE").cseq.number == 2002


def test_an_invite_that_nobody_wrote_down_is_sent_anew_the_same(peer: Peer) -> None:
    ring(peer)
    first = last_sent(peer)
    peer.endpoint = made(Tokens("new"), "198.51.100.1")
    ring(peer)
    assert last_sent(peer).encode() == first.encode()


def test_the_answer_to_a_challenge_is_the_same_too(peer: Peer) -> None:
    challenge = ("WWW-Authenticate", 'Digest realm="x", nonce="n", algorithm=MD5, qop="auth"')
    sent = []
    for name in ("us", "new"):
        peer.endpoint = made(Tokens(name), "198.51.100.1")
        ring(peer, credentials=Credentials("4400", "secret"))
        peer.reply(401, challenge)
        sent.append(peer.request("INVITE").encode())
    assert sent[0] == sent[1]


def test_an_adopted_invite_goes_on_as_it_was(peer: Peer) -> None:
    ring(peer)
    invite = last_sent(peer)
    taken_over(peer, now=0.1)
    peer.clear()
    ring(peer)  # the call layer does it once more
    assert peer.sent == []
    peer.tick(1.6)
    assert peer.sent == [invite, invite]
    peer.reply(180, request=invite)  # type: ignore[arg-type]
    peer.tick(31.0)
    assert peer.events == [Progressed("out", 180, b"")]
    assert len(peer.sent) == 2


def test_without_an_answer_timer_b_runs_out_when_it_would_have(peer: Peer) -> None:
    ring(peer)
    taken_over(peer, now=20.0)
    peer.tick(31.9)
    assert peer.events == []
    peer.tick(32.1)
    assert peer.events == [Refused("out", 408, "Request Timeout")]


def test_a_cancel_keeps_to_its_invite(peer: Peer) -> None:
    ring(peer)
    invite = peer.request("INVITE")
    peer.reply(180)
    taken_over(peer)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    cancel = peer.request("CANCEL")
    assert str(cancel.cseq) == "1 CANCEL"
    assert cancel.via.branch == invite.via.branch
    taken_over(peer)
    peer.clear()
    peer.tick(0.6)
    assert methods(peer) == ["CANCEL"]
    peer.reply(200, request=cancel)
    peer.reply(487, request=invite)
    assert peer.events == [Refused("out", 487, "Request Terminated")]
    assert str(peer.request("ACK").cseq) == "1 ACK"


def test_a_200_that_crosses_the_cancel_of_the_dead_engine(peer: Peer) -> None:
    ring(peer)
    invite = peer.request("INVITE")
    peer.reply(180)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    taken_over(peer)
    peer.clear()
    peer.reply(200, body=b"answer", request=invite)
    assert methods(peer) == ["ACK", "BYE"]
    assert peer.events == [Refused("out", 487, "Request Terminated")]


def test_forks_are_kept_apart(peer: Peer) -> None:
    ring(peer)
    invite = peer.request("INVITE")
    peer.reply(183, to_tag="one", contact="<sip:one@192.0.2.1>")
    peer.reply(183, to_tag="two", contact="<sip:two@192.0.2.1>")
    taken_over(peer)
    peer.reply(200, to_tag="two", body=b"2", request=invite, contact="<sip:two@192.0.2.1>")
    assert peer.events[-1] == Answered("out", b"2")
    assert peer.request("ACK").uri == "sip:two@192.0.2.1"
    taken_over(peer)
    peer.clear()
    peer.reply(200, to_tag="one", body=b"1", request=invite, contact="<sip:one@192.0.2.1>")
    assert [(m.method, m.uri) for m in peer.sent if isinstance(m, Request)] == [
        ("ACK", "sip:one@192.0.2.1"),
        ("BYE", "sip:one@192.0.2.1"),
    ]


def test_a_callee_changes_its_early_dialog(peer: Peer) -> None:
    ring(peer)
    invite = peer.request("INVITE")
    reliable = (("Require", "100rel"), ("RSeq", "7"), ("Allow", "UPDATE"))
    peer.reply(183, *reliable, body=b"early", request=invite)
    taken_over(peer)
    peer.clear()
    peer.ask(
        "UPDATE",
        to=invite.headers.get("From") or "",
        from_=f"{invite.headers.get('To')};tag=callee",
        call_id=invite.call_id,
        body=b"offer 2",
    )
    assert peer.events == [ChangeAsked("out", "UPDATE", b"offer 2")]
    peer.reply(183, *reliable, request=invite)  # a repetition: its PRACK was sent
    assert methods(peer) == []


def test_a_session_too_short_for_the_callee(peer: Peer) -> None:
    ring(peer)
    peer.reply(422, ("Min-SE", "3000"))
    invite = peer.request("INVITE")
    taken_over(peer)
    peer.reply(200, ("Session-Expires", "3000;refresher=uac"), body=b"answer", request=invite)
    peer.clear()
    taken_over(peer)
    peer.take(peer.endpoint.change("out", b"hold", peer.now))
    assert peer.request("INVITE").headers.get("Min-SE") == "3000"
    assert peer.request("INVITE").session_expires == (3000, "uac")


def test_an_answer_owed_to_a_late_offer(peer: Peer) -> None:
    ring(peer, body=b"")
    peer.reply(200, body=b"their offer")
    taken_over(peer)
    peer.take(peer.endpoint.acknowledge("out", b"our answer", peer.now))
    ack = peer.request("ACK")
    assert (str(ack.cseq), ack.body) == ("1 ACK", b"our answer")


def test_a_challenge_after_the_take_over(peer: Peer) -> None:
    """Passwords are not kept: the shell gives them again."""
    given = Credentials("4400", "very secret")
    ring(peer, credentials=given)
    invite = peer.request("INVITE")
    kept = peer.endpoint.keep("out")
    assert b"very secret" not in msgspec.msgpack.encode(kept)
    taken_over(peer, credentials=given)
    challenge = ("WWW-Authenticate", 'Digest realm="x", nonce="n", algorithm=MD5, qop="auth"')
    peer.reply(401, challenge, request=invite)
    answer = peer.request("INVITE")
    assert answer.headers.get("Authorization")
    assert answer.cseq.number == 1002
    peer.reply(200, body=b"answer")
    assert peer.events == [Answered("out", b"answer")]
    assert peer.request("ACK").headers.get("Authorization")


def test_without_them_the_challenge_is_a_refusal(peer: Peer) -> None:
    ring(peer, credentials=Credentials("4400", "secret"))
    invite = peer.request("INVITE")
    taken_over(peer)
    peer.reply(401, ("WWW-Authenticate", 'Digest realm="x", nonce="n"'), request=invite)
    assert peer.events == [Refused("out", 401, "Unauthorized")]


# --- in a dialog -------------------------------------------------------------------------------


def test_a_repeated_bye_gets_its_200_again() -> None:
    peer = Tape()
    leg = answered(peer)
    peer.within("BYE", cseq=2)
    ok, bye = last_sent(peer), peer.said[-1]
    taken_over(peer, now=0.5)
    again(peer, bye)
    assert peer.sent == [ok]
    assert peer.events == []
    peer.tick(40)
    assert peer.endpoint.keep(leg) is None
    assert peer.endpoint.figures() == EMPTY


def test_a_bye_that_was_never_heard_ends_the_leg() -> None:
    peer = Tape()
    leg = answered(peer)
    taken_over(peer)
    peer.within("BYE", cseq=2)
    assert peer.events[-1] == Ended(leg, "bye")


def test_our_bye_goes_on_until_its_answer(peer: Peer) -> None:
    leg = answered(peer)
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    bye = peer.request("BYE")
    taken_over(peer)
    peer.clear()
    peer.tick(0.6)
    assert peer.sent == [bye]
    peer.clear()
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert peer.sent == []
    peer.reply(200, request=bye)
    peer.tick(60)
    assert peer.endpoint.keep(leg) is None
    assert not peer.endpoint._core.tags


def test_a_bye_that_crosses_ours(peer: Peer) -> None:
    leg = answered(peer)
    contact = peer.response()
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    taken_over(peer)
    peer.clear()
    peer.sent.append(contact)
    assert peer.within("BYE", cseq=2) is not None
    assert statuses(peer)[-1] == 200


def test_a_bye_without_an_answer_is_given_up(peer: Peer) -> None:
    leg = answered(peer)
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    taken_over(peer)
    peer.tick(40)
    assert peer.endpoint.keep(leg) is None
    assert peer.endpoint.figures() == EMPTY


def test_sequence_numbers_skip_forward_with_each_take_over(peer: Peer) -> None:
    leg = answered(peer)
    taken_over(peer)
    taken_over(peer, cseq_skip=50)
    peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    assert peer.request("INVITE").cseq.number == 1051


def test_the_peers_sequence_goes_on(peer: Peer) -> None:
    answered(peer)
    peer.within("INFO", ("Content-Type", "application/dtmf-relay"), cseq=7, body=b"Signal=1")
    taken_over(peer)
    answer = peer.within("OPTIONS", cseq=6)
    assert answer is not None
    assert answer.status == 500
    answer = peer.within("OPTIONS", cseq=8)
    assert answer is not None
    assert answer.status == 200


def test_a_key_is_not_pressed_twice() -> None:
    peer = Tape()
    leg = answered(peer)
    kind = ("Content-Type", "application/dtmf-relay")
    peer.within("INFO", kind, cseq=2, body=b"Signal=1\r\n")
    assert peer.events[-1] == KeyPressed(leg, "1")
    taken_over(peer)
    again(peer, peer.said[-1])
    assert statuses(peer) == [200]
    assert peer.events == []


def test_routes_of_both_directions(peer: Peer) -> None:
    route = ("Record-Route", "<sip:192.0.2.80;lr>, <sip:192.0.2.81;lr>")
    leg = answered(peer, route)
    talking(peer, route)
    taken_over(peer)
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert [r.uri for r in peer.request("BYE").routes] == ["sip:192.0.2.80;lr", "sip:192.0.2.81;lr"]
    assert peer.flows[-1] == Flow("udp", "192.0.2.80", 5060)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    assert [r.uri for r in peer.request("BYE").routes] == ["sip:192.0.2.81;lr", "sip:192.0.2.80;lr"]


def test_the_session_timer_goes_on(peer: Peer) -> None:
    leg = answered(peer, ("Supported", "timer"), ("Session-Expires", "600;refresher=uas"))
    taken_over(peer, now=200.0)
    peer.clear()
    peer.tick(299.0)
    assert peer.sent == []
    peer.tick(301.0)
    assert methods(peer)[0] in ("INVITE", "UPDATE")
    assert peer.events == []
    peer.tick(700.0)
    assert peer.events == [Ended(leg, "dialog lost")]


def test_a_session_that_ran_out_meanwhile_has_a_moment(peer: Peer) -> None:
    leg = answered(peer, ("Supported", "timer"), ("Session-Expires", "600;refresher=uac"))
    taken_over(peer, now=700.0)
    peer.tick(700.5)
    assert len(peer.events) == 2
    peer.tick(701.5)
    assert peer.events[2:] == [Ended(leg, "session expired")]


def test_the_peers_change_waits_for_its_answer() -> None:
    peer = Tape()
    leg = answered(peer)
    peer.within("INVITE", cseq=2, body=b"hold")
    assert peer.events[-1] == ChangeAsked(leg, "INVITE", b"hold")
    taken_over(peer)
    peer.clear()
    peer.take(peer.endpoint.accept_change(leg, b"held", peer.now))
    ok = peer.response()
    assert (ok.status, ok.body, str(ok.cseq)) == (200, b"held", "2 INVITE")
    assert ok.via.branch == peer.said[-1].via.branch
    taken_over(peer)
    assert peer.endpoint.accept_change(leg, b"held", peer.now) == []
    peer.clear()
    peer.tick(0.6)
    assert peer.sent == [ok]
    peer.within("ACK", cseq=2)
    peer.clear()
    peer.tick(30)
    assert peer.sent == []


def test_our_change_gets_its_answer(peer: Peer) -> None:
    leg = answered(peer)
    peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    change = peer.request("INVITE")
    peer.take(peer.endpoint.change(leg, b"resume", peer.now))  # waits for its turn
    taken_over(peer)
    peer.reply(200, body=b"held", request=change)
    assert peer.events[-1] == ChangeAnswered(leg, b"held")
    assert str(peer.request("ACK").cseq) == f"{change.cseq.number} ACK"
    assert (peer.request("INVITE").body, peer.request("INVITE").cseq.number) == (b"resume", 1002)


def test_a_transfer_is_told_its_fate(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("REFER", ("Refer-To", "<sip:102@x>"), cseq=2)
    assert isinstance(peer.events[-1], TransferAsked)
    taken_over(peer)
    peer.clear()
    peer.take(peer.endpoint.transfer_done(leg, 200, peer.now))
    notify = peer.request("NOTIFY")
    assert notify.body == b"SIP/2.0 200 OK\r\n"
    assert notify.cseq.number == 1002
    taken_over(peer)
    assert peer.endpoint.transfer_done(leg, 200, peer.now) == []


def test_a_second_transfer_is_told_apart(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("REFER", ("Refer-To", "<sip:102@x>"), cseq=2)
    peer.take(peer.endpoint.transfer_done(leg, 486, peer.now))
    taken_over(peer)
    peer.within("REFER", ("Refer-To", "<sip:102@x>"), cseq=3)
    assert peer.request("NOTIFY").headers.get("Event") == "refer;id=3"


def test_a_refresh_with_the_session_we_know_is_not_asked(peer: Peer) -> None:
    answered(peer)
    taken_over(peer)
    peer.clear()
    answer = peer.ask(
        "INVITE",
        to=peer.endpoint._core.legs[peer.endpoint.legs()[0]].dialog.local,
        cseq=2,
        body=b"offer",
    )
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"answer")
    assert peer.events == []


@pytest.mark.parametrize(("ours", "from_s", "to_s"), [(True, 2.1, 4.0), (False, 0.0, 2.0)])
def test_who_waits_how_long_after_both_changed_at_once(
    peer: Peer, ours: bool, from_s: float, to_s: float
) -> None:
    """RFC 3261 14.1: the owner of the Call-ID waits longer."""
    leg = talking(peer) if ours else answered(peer)
    taken_over(peer)
    peer.take(peer.endpoint.change(leg, b"hold", peer.now))
    peer.clear()
    peer.reply(491, request=_last_invite(peer, leg))
    peer.clear()
    peer.tick(from_s - 0.01)
    assert methods(peer) == []
    peer.tick(to_s + 0.01)
    assert methods(peer).count("INVITE") >= 1


def _last_invite(peer: Peer, leg: str) -> Request:
    core = peer.endpoint._core
    return core.outstanding[core.legs[leg].changing].request


def test_replaces_finds_an_adopted_leg(peer: Peer) -> None:
    leg = answered(peer)
    tag = peer.response().to.tag
    taken_over(peer)
    assert peer.endpoint.leg_of_replaces(f"call;to-tag={tag};from-tag=peer") == leg


# --- what tells messages apart -------------------------------------------------------------------


def test_an_invite_that_comes_by_two_ways_is_one_call() -> None:
    """RFC 3261 8.2.2.2: a proxy forked it, and both branches lead here."""
    peer = Tape()
    leg = peer.call()
    taken_over(peer)
    answer = peer.ask("INVITE", body=b"offer")
    assert answer is not None
    assert answer.status == 482
    assert [type(event) for event in peer.events] == [Invited]
    again(peer, peer.said[0])
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    assert statuses(peer)[-1] == 200


def test_an_ack_of_rfc_2543_is_told_by_its_tag() -> None:
    """RFC 3261 17.2.3: without a branch of its own that alone makes it this transaction's."""
    peer = Tape()
    old = ("Via", "SIP/2.0/UDP 192.0.2.1:5060")
    leg = peer.call(old)
    peer.take(peer.endpoint.reject(leg, 486, peer.now))
    refused = peer.response()
    taken_over(peer)
    again(peer, peer.said[0])
    assert peer.sent == [refused], "the INVITE is matched without a branch"
    tag = refused.to.tag
    for number, (to_tag, stops) in enumerate(((f"{tag}x", False), (tag, True))):
        peer.ask("ACK", old, to=f"<sip:4400@{DOMAIN}>;tag={to_tag}")
        peer.clear()
        peer.tick(3.0 * (number + 1))
        assert (peer.sent == []) == stops


# --- streams -----------------------------------------------------------------------------------


@pytest.fixture
def streaming() -> Peer:
    return Peer(endpoint("us", "198.51.100.1"), port=40_000, connection=3)


def test_a_stream_that_was_handed_over_has_another_number(streaming: Peer) -> None:
    leg = answered(streaming)
    taken_over(streaming, streams={3: 11})
    streaming.take(streaming.endpoint.hang_up(leg, streaming.now))
    assert streaming.flows[-1] == Flow("tcp", "192.0.2.1", 40_000, 11)


def test_a_stream_that_is_gone_is_opened_anew(streaming: Peer) -> None:
    leg = answered(streaming, ("Contact", "<sip:peer@192.0.2.1:5070;transport=tcp>"))
    taken_over(streaming)
    streaming.take(streaming.endpoint.hang_up(leg, streaming.now))
    assert streaming.flows[-1] == Flow("tcp", "192.0.2.1", 5070, -1)


def test_an_answer_goes_to_the_sent_by_port_when_the_stream_is_gone(streaming: Peer) -> None:
    via = ("Via", "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKx")
    leg = streaming.call(via)
    taken_over(streaming)
    streaming.take(streaming.endpoint.answer(leg, b"answer", streaming.now))
    assert streaming.flows[-1] == Flow("tcp", "192.0.2.1", 5070, -1)


def test_the_stream_to_the_first_route_is_the_same(streaming: Peer) -> None:
    """The stream that the call came by is gone since the first take-over; the one that was
    opened to the proxy instead outlives the second."""
    leg = answered(streaming, ("Record-Route", "<sip:192.0.2.80;transport=tcp;lr>"))
    taken_over(streaming)
    streaming.take(streaming.endpoint.change(leg, b"again", streaming.now))
    assert streaming.flows[-1] == Flow("tcp", "192.0.2.80", 5060, -1)
    streaming.flow = Flow("tcp", "192.0.2.80", 5060, 6)
    streaming.reply(200, body=b"yes", to_tag="peer", contact="<sip:peer@192.0.2.1:40000>")
    taken_over(streaming, streams={6: 12})
    streaming.take(streaming.endpoint.hang_up(leg, streaming.now))
    assert streaming.request("BYE")
    assert streaming.flows[-1] == Flow("tcp", "192.0.2.80", 5060, 12)


def test_a_number_means_nothing_to_who_was_not_told(streaming: Peer) -> None:
    """Stream 3 is somebody else's now."""
    leg = answered(streaming)
    taken_over(streaming, streams={1: 3})
    streaming.take(streaming.endpoint.hang_up(leg, streaming.now))
    assert streaming.flows[-1].connection == -1


def test_who_comes_back_is_reached_by_the_new_stream(streaming: Peer) -> None:
    leg = answered(streaming)
    taken_over(streaming)
    streaming.flow = Flow("tcp", "192.0.2.1", 41_000, 5)
    streaming.within("OPTIONS", cseq=2)
    streaming.take(streaming.endpoint.hang_up(leg, streaming.now))
    assert streaming.flows[-1] == streaming.flow


@pytest.mark.parametrize(
    ("contact", "host", "found"),
    [
        ("<sip:101@10.0.0.7:5060;transport=tcp>", "203.0.113.9", True),  # another way out
        ("<sip:101@10.0.0.7:49002;transport=tcp>", "203.0.113.5", True),  # the port of the stream
        ("<sip:101@10.0.0.8:5060;transport=tcp>", "203.0.113.9", False),
        ("<sip:other@10.0.0.7:5060;transport=tcp>", "203.0.113.5", False),
    ],
)
def test_a_phone_that_registers_anew_brings_its_legs(contact: str, host: str, found: bool) -> None:
    phone = Phone(endpoint("us", "198.51.100.1"), "203.0.113.5", 49_001, connection=3)
    was = "<sip:101@10.0.0.7:5060;transport=tcp>"
    phone.authorised("INVITE", uri=f"sip:*11@{DOMAIN}", body=b"offer", contact=was)
    leg = phone.events[-1].leg  # type: ignore[union-attr]
    phone.take(phone.endpoint.answer(leg, b"answer", phone.now))
    phone.within("ACK", cseq=phone.cseq, call_id="reg", from_=f"{AOR};tag=p")
    new = taken_over(phone)
    phone.flow = Flow("tcp", host, 49_002, 5)
    new.take_changed()
    phone.register(contact)
    assert new.take_changed() == ({leg} if found else set())
    phone.take(new.hang_up(leg, phone.now))
    assert (phone.flows[-1] == phone.flow) == found
    assert not new._core.adrift


def test_an_invite_over_a_lost_stream_goes_again() -> None:
    peer = Peer(endpoint("us", "198.51.100.1"))
    target = peer.endpoint.target_of("sip:callee@192.0.2.1:5080;transport=tcp")
    peer.take(peer.endpoint.invite("out", target, b"offer", 0.0, caller="1"))
    invite = peer.request("INVITE")
    peer.flow = Flow("tcp", "192.0.2.1", 5080, 4)
    contact = "<sip:callee@192.0.2.1:5080;transport=tcp>"
    peer.reply(180, contact=contact)
    peer.clear()
    taken_over(peer)
    peer.tick(peer.now)
    assert peer.sent == [invite]
    assert peer.flows == [Flow("tcp", "192.0.2.1", 5080, -1)]
    peer.flow = Flow("tcp", "192.0.2.1", 5080, 9)
    peer.reply(200, body=b"answer", request=invite, contact=contact)
    assert peer.events[-1] == Answered("out", b"answer")
    assert peer.flows[-1] == peer.flow


# --- the ledger --------------------------------------------------------------------------------


def test_what_changed_is_told_once(peer: Peer) -> None:
    leg = peer.call()
    assert peer.endpoint.take_changed() == {leg}
    assert peer.endpoint.take_changed() == set()
    peer.take(peer.endpoint.progress(leg, peer.now))
    assert peer.endpoint.take_changed() == {leg}


def test_retransmissions_change_nothing() -> None:
    peer = Tape()
    leg = peer.call()
    peer.take(peer.endpoint.answer(leg, b"answer", peer.now))
    ring(peer)
    assert peer.endpoint.take_changed() == {leg, "out"}
    peer.tick(5.0)
    peer.send(peer.said[0])
    peer.reply(100, request=peer.request("INVITE"))
    peer.reply(180, request=peer.request("INVITE"))
    assert peer.endpoint.take_changed() == {"out"}
    peer.reply(180, request=peer.request("INVITE"))
    assert peer.endpoint.take_changed() == set()


def test_a_leg_that_nothing_is_left_of_is_told_once_more(peer: Peer) -> None:
    leg = answered(peer)
    peer.endpoint.take_changed()
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert peer.endpoint.take_changed() == {leg}
    assert peer.endpoint.keep(leg) is not None
    peer.reply(200)
    peer.endpoint.take_changed()
    peer.tick(31.0)
    assert peer.endpoint.take_changed() == set()
    peer.tick(60.0)
    assert peer.endpoint.take_changed() == {leg}
    assert peer.endpoint.keep(leg) is None
    assert peer.endpoint.take_changed() == set()


def test_where_nobody_asks_nothing_piles_up(peer: Peer) -> None:
    for _ in range(20):
        leg = answered(peer)
        peer.within("BYE", cseq=2)
        peer.tick(peer.now + 60)
        assert peer.endpoint.keep(leg) is None
    ledger = peer.endpoint._core.ledger
    assert (ledger._changed, ledger._owned, ledger._told) == ({}, {}, set())


def test_a_talkative_peer_makes_no_large_record(peer: Peer) -> None:
    """Of its answered requests the newest eight are kept."""
    leg = answered(peer)
    for number in range(50):
        peer.within("OPTIONS", cseq=2 + number)
    assert len(msgspec.msgpack.encode(peer.endpoint.keep(leg))) < 8000


def test_a_leg_is_adopted_once(peer: Peer) -> None:
    leg = answered(peer)
    kept = peer.endpoint.keep(leg)
    assert kept is not None
    peer.endpoint.adopt(kept, peer.now)
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    assert peer.request("BYE").cseq.number == 1


def test_what_a_phone_proved_itself_with_is_not_kept() -> None:
    peer = Peer(endpoint("us", "198.51.100.1"))
    leg = peer.call(("Proxy-Authorization", "Digest a=b"))
    kept = peer.endpoint.keep(leg)
    assert b"Digest" not in msgspec.msgpack.encode(kept)


def test_a_record_of_a_leg_that_is_over_by_now_is_told_gone(peer: Peer) -> None:
    leg = answered(peer)
    peer.within("BYE", cseq=2)
    new = taken_over(peer, now=60.0)
    assert new.take_changed() == {leg}
    assert new.keep(leg) is None
    assert new.take_changed() == set()
