"""Requests that belong to no leg are not kept: what their peers see when an engine dies over them
and another answers what comes again (RFC 3261 17.2, 9.2, 10.3)."""

from __future__ import annotations

import pytest

from router.sip.digest import answer_challenge, ha1, response_digest
from router.sip.effects import Flow, Invited, RegistrationChanged
from router.sip.endpoint import Endpoint
from router.sip.message import Request, Response
from tests.router.sip.take_over import Tokens, made, through_bytes
from tests.router.sip.test_endpoint_world import (
    check_ends,
    check_nothing_is_left,
    dial,
    hang_up_at,
    pair,
)
from tests.router.sip.test_registrar import AOR, PHONE, Phone
from tests.router.sip.world import DOMAIN, Node, Peer, World, endpoint

MOMENTS = range(0, 140, 5)  # milliseconds; a message takes ten


def followed(old: Endpoint, now: float, host: str = "198.51.100.1") -> Endpoint:
    """The engine that comes after: it has the legs and the registrations."""
    new = made(Tokens("new"), host)
    for leg in old.legs():
        kept = old.keep(leg)
        assert kept is not None
        new.adopt(through_bytes(kept), now)
    new.registrar.restore(old.registrar.all())
    return new


def dies_at(world: World, node: Node, at_s: float) -> None:
    def die() -> None:
        node.endpoint = followed(node.endpoint, world.now, node.host)

    world.at(at_s, die)


# --- an INVITE that was refused before there was a leg -------------------------------------------


def refused_call(world: World) -> tuple[Node, Node]:
    """A caller that requires what we do not know: 420 without a leg (RFC 3261 8.2.2.3)."""
    caller, server = pair(world)
    target = caller.endpoint.target_of(f"sip:4400@{server.host}")
    wants = (("Require", "telepathy"),)
    caller.take(caller.endpoint.invite("out", target, b"offer", 0.0, caller="1", headers=wants))
    return caller, server


@pytest.mark.parametrize("loss", [0.0, 0.3])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_refusal_without_a_leg(moment: int, loss: float) -> None:
    """At every moment: the refusal is under way, its ACK, an INVITE that comes again."""
    world = World(seed=moment, loss=loss)
    caller, server = refused_call(world)
    dies_at(world, server, moment / 1000)
    world.run(100)
    assert [event.status for event in caller.events] == [420]  # type: ignore[union-attr]
    assert server.events == []
    check_ends(caller, "out")
    check_nothing_is_left(caller, server)


@pytest.mark.parametrize("loss", [0.0, 0.3])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_cancel_that_crosses_the_refusal(moment: int, loss: float) -> None:
    world = World(seed=moment, loss=loss, delay=0.02)
    caller, server = refused_call(world)
    dies_at(world, server, moment / 1000)
    hang_up_at(world, caller, lambda: "out", 0.03)
    world.run(100)
    (event,) = caller.events
    assert event.status in (420, 487)  # type: ignore[union-attr]
    assert server.events == []
    check_nothing_is_left(caller, server)


@pytest.mark.parametrize("loss", [0.0, 0.3])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_cancel_meets_an_invite_that_nobody_answered(moment: int, loss: float) -> None:
    """It rings for ever; the caller gives up, the engine dies before or after that."""
    world = World(seed=moment, loss=loss, delay=0.02)
    caller, server = pair(world)
    server.on[Invited] = lambda node, event: node.take(
        node.endpoint.progress(event.leg, world.now)  # type: ignore[union-attr]
    )
    dial(world, caller, server)
    dies_at(world, server, moment / 1000)
    hang_up_at(world, caller, lambda: "out", 0.06)
    world.run(200)
    check_ends(caller, "out")
    assert [event.status for event in caller.events[-1:]] == [487]  # type: ignore[union-attr]
    check_nothing_is_left(caller, server)


def test_a_challenge_of_the_dead_engine_is_answered_to_the_next() -> None:
    phone = Phone(endpoint("us", "198.51.100.1"), "203.0.113.5", 1024)
    words = {"call_id": "own", "to": f"<sip:*11@{DOMAIN}>", "from_": f"{AOR};tag=p"}
    uri = f"sip:*11@{DOMAIN}"
    challenge = phone.ask("INVITE", uri=uri, body=b"offer", **words)
    assert challenge is not None
    assert challenge.status == 401
    phone.endpoint = followed(phone.endpoint, 1.0)
    phone.now = 1.0
    phone.ask("ACK", uri=uri, **{**words, "to": challenge.headers.get("To") or ""})
    assert phone.events == []
    value = answer_challenge(
        challenge.headers.get_all("WWW-Authenticate"), "INVITE", uri, "101", "secret", 1, "c"
    )
    phone.ask("INVITE", ("Authorization", value), uri=uri, cseq=2, body=b"offer", **words)
    (event,) = phone.events
    assert isinstance(event, Invited)
    assert event.agent == "101"


# --- REGISTER ------------------------------------------------------------------------------------


class Persistent(Phone):
    """A phone behind NAT that says again what it said last."""

    last: Request

    def send(self, message: Request | Response) -> None:
        assert isinstance(message, Request)
        self.last = message
        super().send(message)

    def again(self) -> Response:
        self.clear()
        self.send(self.last)
        return self.response()

    def meets_the_next_engine(self) -> None:
        self.now += 1.0
        self.endpoint = followed(self.endpoint, self.now)


@pytest.fixture
def phone() -> Persistent:
    return Persistent(endpoint("us", "198.51.100.1"), "203.0.113.5", 1024)


def uris(phone: Phone) -> list[str]:
    return [contact.uri for contact in phone.endpoint.contacts("101")]


@pytest.mark.parametrize("restarts", [1, 2])
@pytest.mark.parametrize("contacts", [(PHONE,), (PHONE, "<sip:101@b>")])
def test_a_register_again(phone: Persistent, contacts: tuple[str, ...], restarts: int) -> None:
    """Same CSeq, same nonce, same count: taken, and answered alike, however often it comes."""
    first = phone.register(*contacts)
    for _ in range(restarts):
        phone.meets_the_next_engine()
        for _ in range(3):
            answer = phone.again()
            assert answer.status == 200
            assert len(answer.headers.get_all("Contact")) == len(contacts)
    assert len(first.headers.get_all("Contact")) == len(contacts)
    assert phone.register(*contacts).status == 200, "and it goes on from there"


def test_a_register_whose_first_answer_was_not_written(phone: Persistent) -> None:
    """A mere refresh leaves no fact: the next engine knows the contact by an older CSeq."""
    phone.register(PHONE)
    older = list(phone.endpoint.registrar.all())
    phone.register(PHONE)
    phone.endpoint = made(Tokens("new"), "198.51.100.1")
    phone.endpoint.registrar.restore(older)
    assert phone.again().status == 200
    assert phone.events == []


@pytest.mark.parametrize("contact", [f"{PHONE};expires=0", "*"])
def test_signing_off_again(phone: Persistent, contact: str) -> None:
    phone.register(PHONE)
    phone.register(contact, expires="0")
    assert uris(phone) == []
    phone.meets_the_next_engine()
    for _ in range(2):
        assert phone.again().status == 200
    assert uris(phone) == []
    assert phone.events == [], "nothing changes a second time"


@pytest.mark.parametrize("contact", [f"{PHONE};expires=0", "*"])
def test_signing_off_where_that_was_not_written(phone: Persistent, contact: str) -> None:
    phone.register(PHONE)
    there = list(phone.endpoint.registrar.all())
    phone.register(contact, expires="0")
    phone.endpoint = made(Tokens("new"), "198.51.100.1")
    phone.endpoint.registrar.restore(there)
    assert phone.again().status == 200
    assert phone.events == [RegistrationChanged("101", 0)]


def test_a_register_of_an_old_phone_again(phone: Persistent) -> None:
    """RFC 2069: no count and no cnonce; a nonce serves once, and once more in the next engine."""
    words = {"uri": f"sip:{DOMAIN}", "to": AOR, "from_": f"{AOR};tag=p", "call_id": "old"}
    challenge = phone.ask("REGISTER", **words)
    assert challenge is not None
    told = challenge.headers.get_all("WWW-Authenticate")
    nonce = told[0].partition('nonce="')[2].partition('"')[0]
    secret = ha1("101", DOMAIN, "secret", "MD5")
    answer = response_digest("MD5", secret, "REGISTER", words["uri"], nonce)
    credentials = (
        f'Digest username="101", realm="{DOMAIN}", nonce="{nonce}", uri="{words["uri"]}", '
        f'response="{answer}"'
    )
    extra = (("Authorization", credentials), ("Contact", PHONE), ("Expires", "600"))
    first = phone.ask("REGISTER", *extra, cseq=2, **words)
    assert first is not None
    assert first.status == 200
    phone.meets_the_next_engine()
    for _ in range(2):
        assert phone.again().status == 200


def test_a_register_again_that_was_challenged(phone: Persistent) -> None:
    phone.ask("REGISTER", uri=f"sip:{DOMAIN}", to=AOR, from_=f"{AOR};tag=p")
    phone.meets_the_next_engine()
    assert phone.again().status == 401
    assert phone.register(PHONE).status == 200


# --- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "status"),
    [("OPTIONS", 200), ("MESSAGE", 405), ("REFER", 403), ("INFO", 481), ("BYE", 481)],
)
def test_a_request_of_no_dialog_is_answered_alike_again(method: str, status: int) -> None:
    peer = Peer(endpoint("us", "198.51.100.1"))
    tag = ";tag=gone" if status == 481 else ""
    first = peer.ask(method, to=f"<sip:4400@{DOMAIN}>{tag}")
    assert first is not None
    peer.endpoint = followed(peer.endpoint, 1.0)
    peer._branches = iter([1])  # type: ignore[assignment]  # the same transaction
    second = peer.ask(method, to=f"<sip:4400@{DOMAIN}>{tag}")
    assert second is not None
    assert (first.status, second.status) == (status, status)
    assert peer.events == []
    assert peer.flows[0] == peer.flows[-1] == Flow("udp", "192.0.2.1", 5060)
