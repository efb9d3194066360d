"""A client layer and a server layer over a network that loses, repeats and reorders.

Whatever it does: every request comes to exactly one final outcome, the two sides agree as far
as they can, and no transaction and no timer is left.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from router.sip.effects import Flow, Send
from router.sip.message import Request
from router.sip.parser import parse_message
from router.sip.transaction import (
    Acked,
    CancelAsked,
    Outcome,
    Requested,
    Responded,
    TimedOut,
    Transactions,
)
from tests.router.sip.transaction_cases import answer, layer, outgoing

GIVE_UP_S = 60.0  # the caller's patience: a ringing INVITE is cancelled then


@dataclass
class Plan:
    """What one run does. Chances are 0 to 1, times seconds of virtual time."""

    method: str
    status: int
    transport: str
    loss: float
    repeat: float
    delay_s: float
    rings: bool
    answer_after_s: float
    cancel_after_s: float


@dataclass
class Side:
    """One transaction layer and what its user saw."""

    layer: Transactions
    ticking_at: float = -1.0
    finals: list[int | str] = field(default_factory=list)


class World:
    """Virtual time, a network, a simple user agent on each side."""

    def __init__(self, plan: Plan, random: Random) -> None:
        self.plan = plan
        self.random = random
        self.now = 0.0
        self.order = count()
        self.queue: list[tuple[float, int, object]] = []
        transport = "tcp" if plan.transport == "tcp" else "udp"
        number = 1 if transport == "tcp" else 0
        self.to_server = Flow(transport, "192.0.2.1", 5060, number)
        self.to_client = Flow(transport, "198.51.100.1", 5060, number)
        self.client = Side(layer(name="client"))
        self.server = Side(layer(name="server"))
        self.sent_finals: set[int] = set()
        self.acked = False
        self.tx = ""

    def at(self, when: float, what: object) -> None:
        heapq.heappush(self.queue, (when, next(self.order), what))

    def run(self) -> None:
        self.tx, out = self.client.layer.request(outgoing(self.plan.method), self.to_server, 0.0)
        self.take(self.client, out)
        if self.plan.method == "INVITE":
            self.at(self.plan.cancel_after_s, "cancel")
            self.at(GIVE_UP_S, "cancel")
        for _ in range(5000):
            self.wake(self.client)
            self.wake(self.server)
            if not self.queue:
                return
            self.now, _, what = heapq.heappop(self.queue)
            self.happen(what)
        raise AssertionError("it does not end")

    def wake(self, side: Side) -> None:
        deadline = side.layer.next_deadline
        if deadline is not None and deadline != side.ticking_at:
            side.ticking_at = deadline
            self.at(deadline, side)

    def happen(self, what: object) -> None:
        if isinstance(what, Side):
            what.ticking_at = -1.0
            self.take(what, what.layer.tick(self.now))
        elif what == "cancel":
            self.take(self.client, self.client.layer.cancel(self.tx, self.now))
        elif isinstance(what, Send):
            to_server = what.flow == self.to_server
            side = self.server if to_server else self.client
            source = self.to_client if to_server else self.to_server
            self.take(side, side.layer.receive(parse_message(what.data), source, self.now))
        else:
            assert isinstance(what, tuple)
            self.respond(*what)

    def take(self, side: Side, out: Outcome) -> None:
        for effect in out:
            if isinstance(effect, Send):
                self.carry(effect)
            elif side is self.client:
                self.client_user(effect)
            else:
                self.server_user(effect)

    def carry(self, send: Send) -> None:
        """Over TCP: late but whole and in order."""
        plan, random = self.plan, self.random
        if plan.transport == "tcp":
            self.at(self.now + plan.delay_s, send)
            return
        copies = 0 if random.random() < plan.loss else 2 if random.random() < plan.repeat else 1
        for _ in range(copies):
            self.at(self.now + random.random() * plan.delay_s, send)

    def client_user(self, event: object) -> None:
        if isinstance(event, Responded):
            status = event.response.status
            if status >= 200:
                self.client.finals.append(status)
            if self.plan.method == "INVITE" and 200 <= status < 300:
                self.take(self.client, self.client.layer.send_ack(outgoing("ACK"), self.to_server))
        else:
            assert isinstance(event, TimedOut)
            self.client.finals.append("timed out")

    def server_user(self, event: object) -> None:
        if isinstance(event, Requested):
            self.server.finals.append(event.request.method)
            if self.plan.rings:
                self.at(self.now, (event.tx, event.request, 180, 0.0))
            self.at(
                self.now + self.plan.answer_after_s,
                (event.tx, event.request, self.plan.status, 0.5),
            )
        elif isinstance(event, CancelAsked):
            self.at(self.now, (event.tx, event.request, 487, 0.0))
        elif isinstance(event, Acked):
            self.acked = True
        else:
            assert isinstance(event, TimedOut), "only timer H"

    def respond(self, tx: str, request: Request, status: int, again_s: float) -> None:
        """The user agent core's part: a 2xx goes again until the ACK (RFC 3261 13.3.1.4)."""
        if again_s > 0.5 and self.acked:
            return
        response = answer(request, status)
        if request.method == "CANCEL":  # the 487 is the INVITE's
            response.headers.set("CSeq", "1 INVITE")
        out = self.server.layer.respond(tx, response, self.now)
        if out and status >= 200:
            self.sent_finals.add(status)
        self.take(self.server, out)
        repeats = self.plan.method == "INVITE" and 200 <= status < 300
        if repeats and out:
            self.at(self.now + again_s, (tx, request, status, min(2 * again_s, 4.0)))


plans = st.builds(
    Plan,
    method=st.sampled_from(["INVITE", "BYE"]),
    status=st.sampled_from([200, 302, 486, 503, 603]),
    transport=st.sampled_from(["udp", "udp", "udp", "tcp"]),
    loss=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    repeat=st.sampled_from([0.0, 0.3, 1.0]),
    delay_s=st.sampled_from([0.0, 0.05, 0.7, 6.0]),
    rings=st.booleans(),
    answer_after_s=st.sampled_from([0.0, 0.3, 5.0, 59.9, 200.0]),
    cancel_after_s=st.sampled_from([0.0, 0.01, 0.3, 5.0, 500.0]),
)


@given(plan=plans, random=st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_every_request_ends_once_and_leaves_nothing(plan: Plan, random: Random) -> None:
    world = World(plan, random)
    world.run()
    finals = world.client.finals
    assert finals
    if len(finals) > 1:  # only a 2xx of an INVITE is told again (RFC 6026 7.2)
        assert plan.method == "INVITE"
        assert set(finals) == {200}
    if finals[0] != "timed out":
        assert finals[0] in world.sent_finals
    if world.acked and plan.delay_s < 5.0:  # a refusal's ACK later than timer I is a stray
        assert finals[0] == 200
    if plan.loss == 0.0 or plan.transport == "tcp":
        assert finals[0] != "timed out" or plan.method == "BYE" or plan.answer_after_s > GIVE_UP_S
    for side in (world.client, world.server):
        assert len(side.layer) == 0
        assert side.layer.next_deadline is None


@given(plan=plans, random=st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_user_sees_a_request_once_while_its_transaction_lives(
    plan: Plan, random: Random
) -> None:
    """Copies within the transaction's life are absorbed; later ones than 5 s do not exist."""
    world = World(plan, random)
    world.run()
    if plan.delay_s < 5.0 and plan.transport == "udp":
        assert world.server.finals.count(plan.method) <= 1


def test_a_clean_network_needs_every_message_once() -> None:
    plan = Plan("INVITE", 200, "udp", 0.0, 0.0, 0.01, True, 0.3, 500.0)
    world = World(plan, Random(1))
    world.run()
    assert world.client.finals == [200]
    assert world.acked
    assert world.server.finals == ["INVITE"]
