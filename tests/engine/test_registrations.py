"""Registered phones as facts: what is written when, and what a next engine finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from engine.holds import Holds
from engine.journal import Entry
from engine.phone import Phone
from engine.registrations import LEASE_S, Listeners, Registrations
from engine.timers import Timers
from router.events import PhoneGone, PhoneRegistered
from router.sip.effects import Flow, RegistrationChanged, Send
from router.sip.message import Request
from tests.fakes import START, FakeJournal, FakeLoop, HandClock
from tests.router.sip import test_registrar
from tests.router.sip.world import endpoint

AGENTS = {"101": "ann", "102": "bob"}
BEHIND_NAT = "sip:101@10.0.0.7:5060"


class Wire:
    """The transport: what is sent reaches the handset at the far end."""

    def __init__(self) -> None:
        self.handsets: dict[tuple[str, int], Handset] = {}

    def send(self, effect: object) -> None:
        if isinstance(effect, Send):
            self.handsets[effect.flow.host, effect.flow.port].take([effect])


class Office:
    """One life of an engine's SIP side, on time that is moved by hand."""

    def __init__(
        self,
        kept: Sequence[Entry] = (),
        at: float = START,
        transports: tuple[str, ...] = ("udp", "tcp"),
        agents: dict[str, str] = AGENTS,
    ) -> None:
        self.clock = HandClock(at)
        self.loop = FakeLoop(self.clock)
        self.journal = FakeJournal(kept)
        self.wire = Wire()
        timers = Timers(cast(Any, self.clock), cast(Any, self.loop))
        self.endpoint = endpoint("us", "198.51.100.1")
        self.phone = Phone(
            self.endpoint,
            cast(Any, self.wire),
            cast(Any, self.clock),
            timers,
            cast(Any, self.journal),
        )
        self.changed: list[RegistrationChanged] = []
        self.phone.on[RegistrationChanged] = self.changed.append
        self.registrations = Registrations(
            cast(Any, self.journal),
            cast(Any, self.clock),
            self.phone,
            lambda user: agents.get(user, ""),
            Listeners(transports),
        )
        for entry in kept:
            self.registrations.note(entry)
        self.back = self.registrations.restore() if kept else []

    def handset(self, host: str = "203.0.113.5", port: int = 1024, **more: Any) -> Handset:
        made = Handset(self, host, port, **more)
        self.wire.handsets[host, port] = made
        return made

    def crash(self, after_s: float = 1.0, **changes: Any) -> Office:
        """kill -9, and the next engine some time later."""
        kept = self.journal.entries[: self.journal.durable_seq]
        return Office(kept, self.clock.at + after_s, **changes)

    def facts(self) -> list[object]:
        return self.journal.facts()


class Handset(test_registrar.Phone):
    """A phone that talks to an office."""

    def __init__(self, office: Office, host: str, port: int, connection: int = 0) -> None:
        super().__init__(office.endpoint, host, port, connection)
        self.office = office

    def send(self, message: Any) -> None:
        self.office.phone.received(message.encode(), self.flow)


@pytest.fixture
def office() -> Office:
    return Office()


# --- what is written -------------------------------------------------------------------------


def test_a_new_contact_is_written(office: Office) -> None:
    office.handset().register(f"<{BEHIND_NAT}>;q=0.7", expires="3600")
    assert office.facts() == [
        PhoneRegistered(
            "101",
            BEHIND_NAT,
            "udp",
            "203.0.113.5",
            1024,
            START + 3600,
            q=0.7,
            sip_call_id="reg",
            cseq=2,
        )
    ]


def test_the_phone_is_told_when_it_is_on_disk(office: Office) -> None:
    handset = office.handset()
    office.journal.slow = True
    with pytest.raises(AssertionError):  # no answer yet
        handset.register(f"<{BEHIND_NAT}>")
    assert office.changed == [RegistrationChanged("101", 1)]
    before = len(handset.sent)
    office.journal.sync()
    assert [message.status for message in handset.sent[before:]] == [200]  # type: ignore[union-attr]


def test_a_refresh_waits_for_nothing_and_is_rarely_written(office: Office) -> None:
    """A phone that refreshes every 30 s for an hour: a fact in 7 or 8 minutes."""
    handset = office.handset()
    handset.register(f"<{BEHIND_NAT}>", expires="60")
    office.journal.slow = True
    for _ in range(120):
        office.loop.pass_time(30)
        assert handset.register(f"<{BEHIND_NAT}>", expires="60").status == 200
    written = office.journal.facts(PhoneRegistered)
    assert 7 <= len(written) <= 9
    assert not office.journal.facts(PhoneGone)
    assert written[-1].until > office.clock.at + LEASE_S / 2 - 31


@pytest.mark.parametrize("every_s", [1500, 1900, 3400])
def test_what_is_written_always_lasts_to_the_next_refresh(office: Office, every_s: float) -> None:
    handset = office.handset()
    for _ in range(20):
        handset.register(f"<{BEHIND_NAT}>", expires="3600")
        office.loop.pass_time(every_s)
        assert office.crash().back == ["ann"]


@pytest.mark.parametrize("change", ["port", "call id", "q"])
def test_another_way_to_the_phone_is_written(office: Office, change: str) -> None:
    handset = office.handset()
    handset.register(f"<{BEHIND_NAT}>")
    office.clock.at += 5
    moved = office.handset(port=2048) if change == "port" else handset
    moved.cseq = 10
    words = {"call_id": "again"} if change == "call id" else {}
    moved.register(f"<{BEHIND_NAT}>" + (";q=0.1" if change == "q" else ""), **words)
    assert len(office.journal.facts(PhoneRegistered)) == 2


@pytest.mark.parametrize("cause", ["unregistered", "expired", "stream closed"])
def test_why_a_contact_is_gone(office: Office, cause: str) -> None:
    handset = office.handset(connection=4)
    uri = "sip:101@10.0.0.7:5060;transport=tcp"
    handset.register(f"<{uri}>", expires="60")
    if cause == "unregistered":
        handset.register("*", expires="0")
    elif cause == "expired":
        office.loop.pass_time(61)
    else:
        office.phone.stream_closed(4)
    assert office.facts()[1:] == [PhoneGone("101", uri, cause)]
    assert office.crash().back == []


def test_refused_and_asking_phones_leave_no_fact(office: Office) -> None:
    handset = office.handset()
    assert handset.register(f"<{BEHIND_NAT}>", expires="5").status == 423
    assert handset.register(expires=None).status == 200
    assert office.facts() == []


# --- the next engine -------------------------------------------------------------------------


def test_a_phone_is_called_as_before(office: Office) -> None:
    office.handset().register(f"<{BEHIND_NAT}>;q=0.5", "<sip:101@10.0.0.8>", expires="60")
    before = office.endpoint.contacts("101")
    later = office.crash()
    assert later.back == ["ann"]
    found = later.endpoint.contacts("101")
    assert [(c.uri, c.flow, c.q) for c in found] == [(c.uri, c.flow, c.q) for c in before]
    assert later.facts() == office.facts()  # nothing new to say
    far_end = later.handset()
    target = later.phone.contacts("101")[0].target
    later.phone.invite(
        "leg",
        target,
        b"offer",
        caller="4400",
        caller_name="",
        credentials=None,
        max_forwards=69,
    )
    assert isinstance(far_end.sent[-1], Request)
    assert far_end.sent[-1].uri == "sip:101@10.0.0.8"


def test_it_refreshes_as_if_nothing_had_happened(office: Office) -> None:
    first = office.handset()
    first.register(f"<{BEHIND_NAT}>", expires="60")
    later = office.crash()
    again = later.handset()
    again.cseq = first.cseq
    assert again.register(f"<{BEHIND_NAT}>", expires="60").status == 200
    assert later.changed == []
    assert later.facts() == office.facts()
    later.loop.pass_time(61)  # and then no more: the phone's own time counts again
    assert later.facts()[-1] == PhoneGone("101", BEHIND_NAT, "expired")
    assert later.changed == [RegistrationChanged("101", 0)]


def test_one_that_never_comes_back_ends_with_the_lease(office: Office) -> None:
    office.handset().register(f"<{BEHIND_NAT}>", expires="60")
    later = office.crash(LEASE_S - 10)
    assert later.back == ["ann"]
    later.loop.pass_time(11)
    assert later.facts()[-1] == PhoneGone("101", BEHIND_NAT, "expired")
    assert later.changed == [RegistrationChanged("101", 0)]


def test_a_long_night_ends_registrations(office: Office) -> None:
    office.handset().register(f"<{BEHIND_NAT}>", expires="600")
    later = office.crash(LEASE_S + 1)
    assert later.back == []
    assert later.facts()[-1] == PhoneGone("101", BEHIND_NAT, "expired")


@pytest.mark.parametrize(
    ("uri", "left"),
    [
        ("sip:101@10.0.0.7:5060;transport=tcp", None),
        ("sip:101@203.0.113.5:5066;transport=tcp", Flow("tcp", "203.0.113.5", 5066, -1)),
    ],
)
def test_streams_die_with_their_engine(office: Office, uri: str, left: Flow | None) -> None:
    """By its URI, where that is the host that the stream came from; else at its next REGISTER."""
    office.handset(connection=4).register(f"<{uri}>")
    later = office.crash(transports=("tcp",))
    assert [contact.flow for contact in later.endpoint.contacts("101")] == ([left] if left else [])
    assert later.back == (["ann"] if left else [])
    last = later.facts()[-1]
    if left is None:
        assert last == PhoneGone("101", uri, "stream closed")
    else:
        assert isinstance(last, PhoneRegistered)
        assert (last.port, last.connection) == (5066, -1)
        assert later.crash(transports=("tcp",)).back == ["ann"]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"agents": {"102": "bob"}}, "no such user"),
        ({"transports": ("tcp",)}, "no such listener"),
    ],
)
def test_a_configuration_may_have_changed(
    office: Office, changes: dict[str, Any], cause: str
) -> None:
    office.handset().register(f"<{BEHIND_NAT}>")
    later = office.crash(**changes)
    assert later.back == []
    assert later.facts()[-1] == PhoneGone("101", BEHIND_NAT, cause)


def test_another_listener_of_the_same_transport_will_do(office: Office) -> None:
    office.handset().register(f"<{BEHIND_NAT}>")
    later = office.crash(transports=("tcp", "udp"))
    assert [contact.flow.listener for contact in later.endpoint.contacts("101")] == [1]


def test_many_lives(office: Office) -> None:
    office.handset().register(f"<{BEHIND_NAT}>", expires="3600")
    for _ in range(5):
        office = office.crash()
        assert office.back == ["ann"]
    assert len(office.facts()) == 1


# --- the log ---------------------------------------------------------------------------------


def test_the_log_is_held_from_the_oldest_phone_on() -> None:
    journal = FakeJournal()
    holds = Holds(cast(Any, journal))
    for n in range(1, 1001):
        uri = f"sip:101@192.0.2.{n % 2}"
        event: object = PhoneRegistered("101", uri, "udp", "192.0.2.1", 5060, 2e9)
        if n > 600 and n % 2:
            event = PhoneGone("101", uri, "expired")
        holds.note(Entry(n, float(n), "", event))
    holds.move(1000)
    assert journal.held == {Holds.NAME: 999}
