"""An endpoint dies at any moment of any talk: the one that adopts its legs does what it would
have done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import MisuseError
from router.sip.effects import Answered, ChangeAsked, Effect, Ended, Event, Invited, Refused
from router.sip.endpoint import Endpoint
from router.sip.message import Request, Response
from router.sip.target import Credentials
from tests.router.sip.take_over import Journal, Tokens, Twins, made
from tests.router.sip.test_endpoint_world import (
    ACTIONS,
    DRAIN_S,
    _ring,
    accept,
    act,
    check_ends,
    check_nothing_is_left,
    dial,
    dial_tcp,
    pair,
    server_leg,
)
from tests.router.sip.world import Node, Peer, World

TALKS = {
    "seed": st.integers(0, 2**32),
    "loss": st.sampled_from([0.0, 0.1, 0.3]),
    "double": st.sampled_from([0.0, 0.2]),
    "spread": st.sampled_from([0.0, 0.3, 2.0]),
    "body": st.sampled_from([b"offer", b""]),
    "pick": st.none() | st.floats(0.0, 20.0),
    "actions": st.lists(ACTIONS, max_size=6),
}


def talk(
    world: World,
    caller: Node,
    server: Node,
    body: bytes,
    pick: float | None,
    actions: list[tuple[float, str, str]],
    tcp: bool = False,
) -> None:
    """Everything that will happen, on the world's clock."""
    if pick is not None:
        server.on[Invited] = lambda node, event: _ring(node, event, pick)
    caller.on[ChangeAsked] = server.on[ChangeAsked] = accept
    if not body and not tcp:
        caller.on[Answered] = lambda node, event: node.take(
            node.endpoint.acknowledge("out", b"answer", world.now)
        )
    if tcp:
        dial_tcp(world, caller, server)
    else:
        dial(world, caller, server, body=body)
    for delay, who, what in actions:
        if who == "caller":
            world.at(delay, lambda what=what: act(caller, "out", what))  # type: ignore[misc]
        else:
            world.at(delay, lambda what=what: act(server, server_leg(server), what))  # type: ignore[misc]


def drain(world: World, caller: Node, server: Node) -> None:
    world.loss = 0.0
    for node, name in ((caller, "out"), (server, server_leg(server))):
        act(node, name, "hang up")
    world.run(DRAIN_S)


@given(**TALKS, when=st.floats(0.0, 45.0), of_caller=st.booleans(), tcp=st.booleans())
@settings(max_examples=250, deadline=None)
def test_the_twin_does_the_same(
    seed: int,
    loss: float,
    double: float,
    spread: float,
    body: bytes,
    pick: float | None,
    actions: list[tuple[float, str, str]],
    when: float,
    of_caller: bool,
    tcp: bool,
) -> None:
    world = World(seed, loss, double, 0.01, spread)
    caller, server = pair(world)
    node = caller if of_caller else server
    twins = Twins("t", node.host)
    node.endpoint = cast(Endpoint, twins)
    talk(world, caller, server, body, pick, actions, tcp)
    world.at(when, lambda: twins.part(world.now))
    world.run(120)
    drain(world, caller, server)
    second = twins.second
    assert second is not None
    core = second._core
    assert not core.legs
    assert not core.tags
    assert not core.invited
    assert not core.outstanding
    assert len(core.alarms) == 0
    assert second.next_deadline is None


class Mortal(Node):
    """A node whose engine writes a journal and dies now and then."""

    def __init__(self, world: World, name: str, host: str) -> None:
        super().__init__(world, name, host)
        self.name, self.lives = name, 1
        self.journal = Journal()
        self.endpoint = made(Tokens(name), host)
        self.is_dead = False
        self.streams: dict[int, int] = {}

    def take(self, output: list[Effect | Event]) -> None:
        if self.is_dead:
            return
        self.journal.write(self.endpoint)
        super().take(output)
        self.journal.write(self.endpoint)

    def die(self, downtime: float, cut: bool) -> None:
        """Nothing is heard for a while; then the next engine has the legs of the journal, and
        the streams unless they were ``cut``."""
        self.lives += 1
        self.streams = {} if cut else {number: number for number in range(1, 1000)}
        if cut:
            self.world.cut()
        self.endpoint = made(Tokens(f"{self.name}{self.lives}y"), self.host)
        self.is_dead = True
        self.world.at(downtime, self._rise)

    def _rise(self) -> None:
        self.is_dead = False
        # what arrived meanwhile met an endpoint without legs: as if it had been lost
        self.endpoint = made(Tokens(f"{self.name}{self.lives}z"), self.host)
        self.take(self.journal.read(self.endpoint, self.world.now, streams=self.streams))


@given(
    **TALKS,
    deaths=st.lists(
        st.tuples(st.floats(0.0, 50.0), st.booleans(), st.booleans()), min_size=1, max_size=3
    ),
    downtime=st.sampled_from([0.0, 0.3, 2.0]),
    tcp=st.booleans(),
)
@settings(max_examples=250, deadline=None)
def test_both_sides_end_whoever_dies_when(
    seed: int,
    loss: float,
    double: float,
    spread: float,
    body: bytes,
    pick: float | None,
    actions: list[tuple[float, str, str]],
    deaths: list[tuple[float, bool, bool]],
    downtime: float,
    tcp: bool,
) -> None:
    world = World(seed, loss, double, 0.01, spread)
    caller = world.nodes["192.0.2.1"] = Mortal(world, "c", "192.0.2.1")
    server = world.nodes["192.0.2.2"] = Mortal(world, "s", "192.0.2.2")
    talk(world, caller, server, body, pick, actions, tcp)
    for at, of_caller, cut in deaths:
        dying = caller if of_caller else server
        world.at(at, lambda dying=dying, cut=cut: dying.die(downtime, cut))  # type: ignore[misc]
    world.run(120)
    drain(world, caller, server)
    check_ends(caller, "out")
    assert len([e for e in caller.events if isinstance(e, Ended | Refused)]) == 1
    leg = server_leg(server)
    if leg is not None:
        check_ends(server, leg)
    check_nothing_is_left(caller, server)
    assert not caller.journal.records
    assert not server.journal.records


# --- a scripted peer -----------------------------------------------------------------------------

RELIABLE = (("Require", "100rel"), ("RSeq", "7"))
CHALLENGE = ("WWW-Authenticate", 'Digest realm="x", nonce="n", algorithm=MD5, qop="auth"')
WITHIN = ("ACK", "BYE", "INVITE", "UPDATE", "REFER", "INFO", "OPTIONS", "PRACK", "NOTIFY")
OPS = st.one_of(
    st.tuples(st.just("peer"), st.sampled_from(WITHIN), st.booleans()),
    st.tuples(
        st.just("reply"),
        st.sampled_from((100, 180, 183, 200, 202, 302, 401, 422, 481, 486, 491)),
        st.sampled_from(("one", "two")),
    ),
    st.tuples(
        st.just("ours"),
        st.sampled_from(
            [
                "progress",
                "early",
                "answer",
                "reject",
                "hang up",
                "change",
                "accept",
                "refuse",
                "transfer done",
                "acknowledge",
            ]
        ),
        st.booleans(),
    ),
    st.tuples(st.just("again"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("cancel"), st.just(0), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from((0.1, 0.3, 0.6, 2.0, 5.0, 33.0)), st.booleans()),
)


class Script(Peer):
    """Says what the operations want, whether or not it makes sense; remembers it all."""

    def __init__(self, twins: Twins) -> None:
        super().__init__(cast(Endpoint, twins))
        self.said: list[Request | Response] = []
        self.cseq = 1

    def send(self, message: Request | Response) -> None:
        self.said.append(message)
        super().send(message)

    def do(self, op: tuple[str, Any, Any], legs: tuple[str, str]) -> None:
        kind, what, flag = op
        leg = legs[1] if flag is True else legs[0]
        with contextlib.suppress(MisuseError, StopIteration, IndexError):
            getattr(self, f"do_{kind}")(what, flag, leg)

    def do_peer(self, method: str, flag: bool, leg: str) -> None:
        extra: list[tuple[str, str]] = []
        if method == "REFER":
            extra.append(("Refer-To", "<sip:102@x>"))
        elif method == "PRACK":
            last = [m.rseq for m in self.sent if isinstance(m, Response) and m.rseq is not None]
            extra.append(("RAck", f"{last[-1]} 1 INVITE"))
        elif method == "INFO":
            extra.append(("Content-Type", "application/dtmf-relay"))
        self.cseq += method != "ACK"
        body = b"Signal=5\r\n" if method == "INFO" else b"new" if flag else b""
        cseq = 1 if method == "ACK" and flag else self.cseq
        self.within(method, *extra, cseq=cseq, body=b"" if method == "REFER" else body)

    def do_reply(self, status: int, tag: str, leg: str) -> None:
        extra = {401: (CHALLENGE,), 422: (("Min-SE", "3000"),), 183: RELIABLE}.get(status, ())
        self.reply(status, *extra, to_tag=tag, body=b"sdp" if status in (183, 200) else b"")

    def do_ours(self, what: str, flag: bool, leg: str) -> None:
        sip, now = self.endpoint, self.now
        act: dict[str, Callable[[], list[Effect | Event]]] = {
            "progress": lambda: sip.progress(leg, now),
            "early": lambda: sip.progress(leg, now, 183, body=b"early"),
            "answer": lambda: sip.answer(leg, b"answer", now),
            "reject": lambda: sip.reject(leg, 486, now),
            "hang up": lambda: sip.hang_up(leg, now),
            "change": lambda: sip.change(leg, b"changed", now),
            "accept": lambda: sip.accept_change(leg, b"accepted", now),
            "refuse": lambda: sip.reject_change(leg, 488, now),
            "transfer done": lambda: sip.transfer_done(leg, 200, now),
            "acknowledge": lambda: sip.acknowledge(leg, b"late", now),
        }
        self.take(act[what]())

    def do_again(self, back: int, flag: bool, leg: str) -> None:
        super().send(self.said[-1 - back])

    def do_cancel(self, what: int, flag: bool, leg: str) -> None:
        invite = next(m for m in self.said if isinstance(m, Request) and m.method == "INVITE")
        taken = [(n, v) for n, v in invite.headers if n in ("Via", "From", "To", "Call-ID")]
        headers = [*taken, ("Max-Forwards", "70"), ("CSeq", "1 CANCEL")]
        self.send(Request("CANCEL", invite.uri, headers))

    def do_wait(self, seconds: float, flag: bool, leg: str) -> None:
        self.tick(self.now + seconds)


@given(
    ops=st.lists(OPS, min_size=1, max_size=25),
    at=st.integers(0, 25),
    late=st.booleans(),
    reliable=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_the_twin_does_the_same_whatever_the_peer_says(
    ops: list[tuple[str, Any, Any]], at: int, late: bool, reliable: bool
) -> None:
    twins = Twins("t", "198.51.100.1")
    script = Script(twins)
    extra = (("Supported", "100rel, timer"),) if reliable else ()
    legs = (script.call(*extra, body=b"" if late else b"offer"), "out")
    target = script.endpoint.target_of("sip:callee@192.0.2.1:5060")
    given_ = Credentials("4400", "secret")
    body = b"" if late else b"offer"
    script.take(script.endpoint.invite("out", target, body, 0.0, caller="1", credentials=given_))
    for number, op in enumerate(ops):
        if number == at:
            twins.part(script.now, given_)
        script.do(op, legs)
    if twins.second is None:
        twins.part(script.now, given_)
    for leg in list(twins.first.legs()):
        script.take(script.endpoint.hang_up(leg, script.now))
    script.tick(script.now + 4000)
    for endpoint in (twins.first, twins.second):
        assert endpoint is not None
        core = endpoint._core
        assert not core.legs
        assert not core.tags
        assert not core.invited
        assert not core.outstanding
        assert len(core.alarms) == 0
        assert len(core.transactions) == 0
