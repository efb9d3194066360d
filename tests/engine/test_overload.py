"""Above capacity a new INVITE is turned away before it is taken in; what is there goes on."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bench.sip import make_invite
from config.settings import Sip, SipLimits
from engine.capacity import Capacity
from engine.liveness import EVERY_S, Liveness
from engine.phone import Phone
from engine.timers import Timers
from router.sip.directory import DirectoryUser
from router.sip.effects import Flow, Invited, Send
from router.sip.endpoint import Endpoint
from router.sip.message import Response
from router.sip.parser import parse_message
from tests.fakes import FakeJournal, FakeLoop, HandClock

FLOW = Flow("udp", "192.0.2.1", 5060)
LIMITS = SipLimits(calls_max=2, lag_s_max=0.5)


class Trunks:
    """Every address is the trunk's."""

    def trunk_at(self, host: str, port: int) -> str | None:
        return "trunk"

    def user(self, name: str) -> DirectoryUser | None:
        return None


class Wire:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Response] = []

    def send(self, effect: Send) -> None:
        found = parse_message(effect.data)
        assert isinstance(found, Response)
        self.sent.append(found)


class Front:
    """A phone at work, without a call layer."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.journal = FakeJournal()
        self.wire = Wire()
        endpoint = Endpoint(
            Sip(),
            Trunks(),
            token=iter(f"t{n}" for n in range(10_000)).__next__,
            nonce_secret=b"0123456789abcdef",
            local_host=lambda flow: ("192.0.2.9", 5060),
        )
        timers = Timers(cast(Any, self.clock), cast(Any, FakeLoop(self.clock)))
        self.phone = Phone(
            endpoint,
            cast(Any, self.wire),
            cast(Any, self.clock),
            timers,
            cast(Any, self.journal),
        )
        self.invited: list[Invited] = []
        self.phone.on[Invited] = self.invited.append
        self.turned_away = 0

    def busy(self, busy: bool = True) -> None:
        self.phone.is_busy = lambda: busy
        self.phone.on_turned_away = self._count

    def _count(self) -> None:
        self.turned_away += 1


@pytest.fixture
def front() -> Front:
    return Front()


def test_a_new_call_is_turned_away_and_leaves_nothing(front: Front) -> None:
    front.busy()
    front.phone.received(make_invite(1), FLOW)
    (answer,) = front.wire.sent
    invite = parse_message(make_invite(1))
    assert (answer.status, answer.headers.first("Retry-After")) == (503, "5")
    assert answer.to.tag
    for name in ("From", "Call-ID", "CSeq"):
        assert answer.headers.get_all(name) == invite.headers.get_all(name)
    assert f"rport={FLOW.port}" in answer.headers.get_all("Via")[0]
    assert (front.invited, front.journal.entries, front.turned_away) == ([], [], 1)
    assert front.phone.figures()["transactions"] == 0
    front.phone.received(make_invite(1), FLOW)
    assert front.wire.sent[1].to.tag == answer.to.tag, "a retransmission hears the same"


def test_a_call_that_was_taken_is_not_turned_away_when_its_invite_comes_again(
    front: Front,
) -> None:
    front.phone.received(make_invite(1), FLOW)
    assert len(front.invited) == 1
    front.busy()
    front.phone.received(make_invite(1), FLOW)
    assert all(answer.status < 200 for answer in front.wire.sent)
    assert (len(front.invited), front.turned_away) == (1, 0)


@pytest.mark.parametrize(
    "change",
    [
        (b"INVITE ", b"OPTIONS "),
        (b">\r\nFrom", b">;tag=ours\r\nFrom"),  # within a dialog
    ],
)
def test_all_else_is_taken(front: Front, change: tuple[bytes, bytes]) -> None:
    front.busy()
    front.phone.received(make_invite(1).replace(*change), FLOW)
    assert front.turned_away == 0


def test_what_cannot_be_read_at_a_glance_goes_the_usual_way(front: Front) -> None:
    front.busy()
    folded = make_invite(1).replace(b"Max-Forwards: 70", b"Subject: a\r\n b\r\nMax-Forwards: 70")
    front.phone.received(folded, FLOW)
    front.phone.received(b"INVITE sip:x SIP/2.0\r\nVia: nonsense\r\n\r\n", FLOW)
    front.phone.received(b"INVITE \r\n\r\n", FLOW)
    front.phone.received(b"INVITE sip:x SIP/2.0", FLOW)
    assert front.turned_away == 0


def test_a_refusal_does_not_wait_for_the_disk(front: Front) -> None:
    """A trunk has one address for all its calls: what waits there must not hold up a 503."""
    front.journal.slow = True
    front.phone.received(make_invite(1), FLOW)
    front.busy()
    front.phone.received(make_invite(2), FLOW)
    assert [answer.status for answer in front.wire.sent][-1] == 503


# --- when --------------------------------------------------------------------------------------


class Node:
    """What Capacity asks."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.loop = FakeLoop(self.clock)
        timers = Timers(cast(Any, self.clock), cast(Any, self.loop))
        self.liveness = Liveness(timers, cast(Any, self.clock))
        self.liveness.start()
        self.calls = 0
        self.full = False
        self.capacity = Capacity(LIMITS, lambda: self.calls, lambda: self.full, self.liveness)

    def late(self, *lags: float) -> str | None:
        for lag in lags:
            self.clock.at += EVERY_S + lag
            self.loop.pass_time(0.0)
        return self.capacity.why()


@pytest.fixture
def node() -> Node:
    return Node()


def test_by_calls_in_progress(node: Node) -> None:
    assert node.capacity.why() is None
    node.calls = 2
    assert node.capacity.refuses()
    node.calls = 1
    assert not node.capacity.refuses()
    assert node.capacity.refused == {"journal": 0, "calls": 1, "lag": 0}


def test_by_the_journals_room(node: Node) -> None:
    node.full = True
    assert node.capacity.why() == "journal"


def test_by_the_loops_lag(node: Node) -> None:
    assert node.late(0.6) is None, "one hiccup"
    assert node.late(0.6) == "lag"
    assert node.late(0.3) == "lag", "not quite in time again"
    assert node.late(0.1) == "lag"
    assert node.late(0.1) is None
    assert node.late(0.6, 0.1, 0.6, 0.1) is None
