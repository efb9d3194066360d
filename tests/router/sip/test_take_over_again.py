"""Engine after engine dies: each starts from the last record of a leg, which a timer that went
off does not renew. A peer must not hear that they are many."""

from __future__ import annotations

import pytest

from router.sip.message import Request, Response
from tests.router.sip.take_over import Journal, Tokens, made
from tests.router.sip.world import Peer, answered, endpoint

EVERY_S = (0.5, 1.5, 3.0, 5.0, 7.5, 20.0)


class Mortal(Peer):
    """Somebody whose engines die; what each did is in the journal."""

    def __init__(self) -> None:
        super().__init__(endpoint("us", "198.51.100.1"))
        self.journal = Journal()

    def noted(self) -> None:
        self.journal.write(self.endpoint)

    def dies(self) -> None:
        self.endpoint = made(Tokens(f"at {self.now}"), "198.51.100.1")
        self.take(self.journal.read(self.endpoint, self.now))
        self.noted()

    def lives(self, until: float, every: float, first: float, down: float = 0.0) -> list[float]:
        """When something was sent, with an engine that dies every so often from ``first`` on; the
        next one is there ``down`` later."""
        self.clear()
        heard: list[float] = []
        step = 0
        while self.now < until:
            step += 1
            self.now = step * 0.25
            since = (self.now - first) % every
            if self.now >= first and since < down:
                continue
            if self.now >= first and since == down:
                self.dies()
            self.tick(self.now)
            self.noted()
            heard += [self.now] * len(self.sent)
            self.clear()
        return heard


@pytest.fixture
def peer() -> Mortal:
    return Mortal()


def _refused(peer: Mortal) -> Response:
    leg = peer.call()
    peer.noted()
    peer.take(peer.endpoint.reject(leg, 503, peer.now))
    peer.noted()
    return peer.response()


def _ack_of(refusal: Response) -> Request:
    names = ("Via", "From", "To", "Call-ID")
    headers = [(name, refusal.headers.get(name) or "") for name in names]
    return Request("ACK", "sip:4400@offhook.local", [*headers, ("CSeq", "1 ACK")])


@pytest.mark.parametrize("every", EVERY_S)
def test_a_refusal_that_was_acknowledged_is_not_sent_again(peer: Mortal, every: float) -> None:
    peer.send(_ack_of(_refused(peer)))
    peer.noted()
    assert peer.lives(60.0, every, first=0.5) == []
    assert peer.journal.records == {}


def test_an_invite_that_comes_twice_after_its_ack_is_no_new_call(peer: Mortal) -> None:
    refusal = _refused(peer)
    invite = Request("INVITE", "sip:4400@offhook.local", list(_ack_of(refusal).headers)[:-1])
    invite.headers.add("CSeq", "1 INVITE")
    peer.send(_ack_of(refusal))
    peer.noted()
    peer.now = 1.0
    peer.dies()
    peer.clear()
    peer.send(invite)
    assert peer.sent == []
    assert peer.events == []


@pytest.mark.parametrize("every", EVERY_S)
@pytest.mark.parametrize(("first", "down"), [(0.5, 0.0), (0.75, 0.25), (2.25, 0.25), (31.75, 0.5)])
def test_a_bye_without_an_answer_ends_when_it_would_have(
    peer: Mortal, every: float, first: float, down: float
) -> None:
    """RFC 3261 17.1.2.2: timer F is 64*T1, however many engines wait for it; each repeats the
    BYE at once, then no sooner than the one before would have (timer E)."""
    leg = answered(peer)
    peer.take(peer.endpoint.hang_up(leg, peer.now))
    peer.noted()
    heard = peer.lives(60.0, every, first, down)
    if every - down > 1.0:  # lives long enough to end what nobody answers
        assert peer.journal.records == {}
    assert max(heard) <= 32.0
    assert len(heard) <= 11 + 32.0 / every + 1


@pytest.mark.parametrize("every", EVERY_S)
def test_a_refusal_without_an_ack_ends_when_it_would_have(peer: Mortal, every: float) -> None:
    _refused(peer)
    heard = peer.lives(60.0, every, first=0.5)
    assert 16.0 < max(heard) <= 32.0  # timer H
    assert len(heard) <= 11 + 32.0 / every + 1
    assert peer.journal.records == {}
