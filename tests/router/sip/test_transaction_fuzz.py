"""Any order of messages, answers, failures and timers: nothing raises, everything stays bounded
and can be drained."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from router.sip.effects import Flow
from router.sip.parser import parse_message
from router.sip.transaction import Outcome, Requested, Transactions
from tests.router.sip.transaction_cases import answer, incoming, layer, outgoing, sent, told

LIMIT = 4
OURS_MAX = 3
FLOWS = (
    Flow("udp", "192.0.2.1", 5060),
    Flow("udp", "192.0.2.2", 31_000),
    Flow("tcp", "192.0.2.1", 40_000, 7),
    Flow("tcp", "192.0.2.1", 40_001, 8),
    Flow("tcp", "192.0.2.1", 5060, -1),
)
VIAS = (
    "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa",
    "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb;rport",
    "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKc, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa",
    "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK",
    "SIP/2.0/UDP [2001:db8::1]",
)
METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER")
TOS = ("<sip:us@198.51.100.1>", "<sip:us@198.51.100.1>;tag=ours")
STATUSES = (100, 180, 200, 202, 302, 486, 603)

flow = st.sampled_from(FLOWS)
status = st.sampled_from(STATUSES)
index = st.integers(0, 20)
acts = st.one_of(
    st.tuples(
        st.just("receive"),
        flow,
        st.sampled_from(METHODS),
        st.sampled_from(VIAS),
        st.integers(1, 2),
        st.sampled_from(TOS),
    ),
    st.tuples(st.just("request"), flow, st.sampled_from(("INVITE", "BYE"))),
    st.tuples(st.just("response"), flow, index, status),
    st.tuples(st.just("respond"), index, status),
    st.tuples(st.just("cancel"), index),
    st.tuples(st.just("fail"), flow),
    st.tuples(st.just("close"), st.sampled_from((7, 8, 9))),
    st.tuples(st.just("wait"), st.sampled_from((0.0, 0.5, 4.0, 40.0))),
)


@dataclass
class World:
    transactions: Transactions = field(default_factory=lambda: layer(transactions_max=LIMIT))
    now: float = 0.0
    asked: list[Requested] = field(default_factory=list)
    ours: list[str] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)

    def take(self, out: Outcome) -> None:
        self.asked += [event for event in told(out) if isinstance(event, Requested)]
        self.requests += [item.encode() for item in sent(out) if hasattr(item, "method")]

    def act(self, kind: str, *args: object) -> None:
        getattr(self, kind)(*args)

    def receive(self, path: Flow, method: str, via: str, cseq: int, to: str) -> None:
        message = parse_message(incoming(method, via, cseq, to).encode())
        self.take(self.transactions.receive(message, path, self.now))

    def request(self, path: Flow, method: str) -> None:
        if len(self.ours) < OURS_MAX:
            tx, out = self.transactions.request(outgoing(method), path, self.now)
            self.ours.append(tx)
            self.take(out)

    def response(self, path: Flow, which: int, code: int) -> None:
        if self.requests:
            request = parse_message(self.requests[which % len(self.requests)])
            if request.cseq.method != "ACK":
                response = parse_message(answer(request, code).encode())  # type: ignore[arg-type]
                self.take(self.transactions.receive(response, path, self.now))

    def respond(self, which: int, code: int) -> None:
        if self.asked:
            event = self.asked[which % len(self.asked)]
            response = answer(event.request, code, "ours")
            self.take(self.transactions.respond(event.tx, response, self.now))

    def cancel(self, which: int) -> None:
        if self.ours:
            self.take(self.transactions.cancel(self.ours[which % len(self.ours)], self.now))

    def fail(self, path: Flow) -> None:
        self.take(self.transactions.transport_failed(path, self.now))

    def close(self, connection: int) -> None:
        self.take(self.transactions.stream_closed(connection, self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.transactions.tick(self.now))

    def drain(self) -> None:
        """The user answers what is open and gives up what rings; then time passes."""
        for event in self.asked:
            response = answer(event.request, 500)
            self.take(self.transactions.respond(event.tx, response, self.now))
        for tx in self.ours:
            self.take(self.transactions.cancel(tx, self.now))
        while (deadline := self.transactions.next_deadline) is not None:
            self.now = max(self.now, deadline)
            self.take(self.transactions.tick(self.now))


@given(steps=st.lists(acts, max_size=40))
@settings(max_examples=400, deadline=None)
def test_nothing_raises_everything_is_bounded_and_drains(steps: list[tuple[object, ...]]) -> None:
    world = World()
    for kind, *args in steps:
        world.act(str(kind), *args)
        # a CANCEL is a client transaction of its own
        assert len(world.transactions) <= LIMIT + LIMIT // 10 + 2 * OURS_MAX
    world.drain()
    assert len(world.transactions) == 0
    assert world.transactions.figures() == {}
    machine = world.transactions._machine
    assert (machine.merges, machine.paths, len(machine.timers)) == ({}, {}, 0)
