"""Two endpoints over a network that loses, doubles and reorders: whatever the moments at which
somebody acts, both sides agree that a call is over, once, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.sip.effects import (
    Answered,
    ChangeAnswered,
    ChangeAsked,
    ChangeRefused,
    Confirmed,
    Ended,
    Event,
    Flow,
    Invited,
    Progressed,
    Refused,
    TransferAsked,
)
from router.sip.message import Request
from tests.router.sip.world import Node, Peer, World, answered, endpoint, talking

DRAIN_S = 4000.0  # longer than any session timer and transaction
EMPTY = {"dialogs": 0, "transactions": 0, "registrations": 0}


def pair(world: World) -> tuple[Node, Node]:
    """A carrier that calls, and us."""
    return world.node("c", "192.0.2.1"), world.node("s", "192.0.2.2")


def dial(
    world: World, caller: Node, server: Node, leg: str = "out", body: bytes = b"offer"
) -> None:
    target = caller.endpoint.target_of(f"sip:4400@{server.host}")
    caller.take(caller.endpoint.invite(leg, target, body, world.now, caller="+37120000001"))


def pick_up(after: float, ringing: bool = True) -> Callable[[Node, Event], None]:
    """Ring and answer after so many seconds."""

    def react(node: Node, event: Event) -> None:
        assert isinstance(event, Invited)
        if ringing:
            node.take(node.endpoint.progress(event.leg, node.world.now))
        node.world.at(
            after,
            lambda: node.take(node.endpoint.answer(event.leg, b"answer", node.world.now)),
        )

    return react


def accept(node: Node, event: Event) -> None:
    assert isinstance(event, ChangeAsked)
    node.take(node.endpoint.accept_change(event.leg, b"re:" + event.body, node.world.now))


def hang_up_at(world: World, node: Node, leg: Callable[[], str | None], delay: float) -> None:
    def act() -> None:
        name = leg()
        if name is not None:
            node.take(node.endpoint.hang_up(name, world.now))

    world.at(delay, act)


def server_leg(server: Node) -> str | None:
    told = [event for event in server.events if isinstance(event, Invited)]
    return told[0].leg if told else None


def check_ends(node: Node, leg: str) -> None:
    """A leg ends once, and nothing comes after its end."""
    mine = [event for event in node.events if getattr(event, "leg", None) == leg]
    ends = [event for event in mine if isinstance(event, Ended | Refused)]
    assert len(ends) <= 1
    if ends:
        assert mine[-1] is ends[0]


def check_nothing_is_left(*nodes: Node) -> None:
    for node in nodes:
        assert node.endpoint.figures() == EMPTY
        assert node.endpoint.next_deadline is None
        core = node.endpoint._core
        assert not core.tags
        assert not core.invited
        assert not core.outstanding
        assert len(core.alarms) == 0


def test_a_whole_call() -> None:
    world = World()
    caller, server = pair(world)
    server.on[Invited] = pick_up(2.0)
    dial(world, caller, server)
    hang_up_at(world, caller, lambda: "out", 10.0)
    world.run(60)
    assert [type(e) for e in caller.events] == [Progressed, Answered, Ended]
    assert [type(e) for e in server.events] == [Invited, Confirmed, Ended]
    assert world.methods() == ["INVITE", "180", "200", "ACK", "BYE", "200"]
    check_nothing_is_left(caller, server)


@pytest.mark.parametrize("step", range(60))
def test_cancel_against_200_at_every_moment(step: int) -> None:
    """One message takes 10 ms: INVITE at 0, answered at 100 ms, CANCEL from 0 to 300 ms."""
    world = World()
    caller, server = pair(world)
    server.on[Invited] = pick_up(0.1)
    dial(world, caller, server)
    hang_up_at(world, caller, lambda: "out", step * 0.005)
    world.run(DRAIN_S)
    assert isinstance(caller.events[-1], Ended | Refused)
    assert isinstance(server.events[-1], Ended)
    check_ends(caller, "out")
    leg = server_leg(server)
    assert leg is not None
    check_ends(server, leg)
    check_nothing_is_left(caller, server)


@pytest.mark.parametrize("step", range(40))
def test_both_hang_up_around_the_same_moment(step: int) -> None:
    world = World()
    caller, server = pair(world)
    server.on[Invited] = pick_up(0.0, ringing=False)
    dial(world, caller, server)
    hang_up_at(world, caller, lambda: "out", 0.1)
    hang_up_at(world, server, lambda: server_leg(server), step * 0.005)
    world.run(DRAIN_S)
    assert isinstance(caller.events[-1], Ended | Refused)
    check_nothing_is_left(caller, server)


def test_hold_from_both_sides_at_once() -> None:
    world = World()
    caller, server = pair(world)
    server.on[Invited] = pick_up(0.0)
    caller.on[ChangeAsked] = server.on[ChangeAsked] = accept
    dial(world, caller, server)
    world.run(1)
    leg = server_leg(server)
    assert leg is not None
    caller.take(caller.endpoint.change("out", b"hold by caller", world.now))
    server.take(server.endpoint.change(leg, b"hold by server", world.now))
    world.run(10)
    assert caller.events[-1] in (
        ChangeAnswered("out", b"re:hold by caller"),
        ChangeAsked("out", "INVITE", b"hold by server"),
    )
    for node in (caller, server):
        assert len(node.told(ChangeAnswered)) == 1
        assert len(node.told(ChangeAsked)) == 1
    assert world.methods().count("491") == 2


def test_a_session_lives_for_hours_and_dies_with_its_peer() -> None:
    world = World()
    caller, server = pair(world)
    server.on[Invited] = pick_up(0.0)
    dial(world, caller, server)
    world.run(4 * 3600)
    assert not caller.told(Ended)
    assert not server.told(Ended)
    assert world.methods().count("UPDATE") >= 15
    world.loss = 1.0
    world.run(2 * 3600)
    assert len(caller.told(Ended)) == 1
    assert len(server.told(Ended)) == 1
    check_nothing_is_left(caller, server)


def test_transfer_between_endpoints() -> None:
    """Our NOTIFYs of a REFER are answered by a peer that asked for none."""
    peer = Peer(endpoint("us", "198.51.100.1"))
    leg = answered(peer)
    peer.within("REFER", ("Refer-To", "<sip:102@x>"), cseq=2)
    assert isinstance(peer.events[-1], TransferAsked)
    peer.reply(481)
    assert peer.endpoint.transfer_done(leg, 200, peer.now) == []


# --- a bad network -----------------------------------------------------------------------------

ACTIONS = st.tuples(
    st.floats(0.0, 40.0),
    st.sampled_from(["caller", "server"]),
    st.sampled_from(["hang up", "change", "answer", "progress", "early", "refer"]),
)


def act(node: Node, leg: str | None, what: str) -> None:
    if leg is None:
        return
    world, sip = node.world, node.endpoint
    held = sip._core.legs.get(leg)
    if what == "hang up":
        node.take(sip.hang_up(leg, world.now))
    elif what == "change":
        node.take(sip.change(leg, f"change {world.now}".encode(), world.now))
    elif what == "refer" or held is None or not held.incoming:
        node.take(sip.transfer_done(leg, 200, world.now))
    elif held.state == "invited":
        if what == "answer":
            node.take(sip.answer(leg, b"answer", world.now))
        else:
            body = b"early" if what == "early" else b""
            node.take(sip.progress(leg, world.now, 183, body=body))


@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.1, 0.3]),
    double=st.sampled_from([0.0, 0.2]),
    spread=st.sampled_from([0.0, 0.3, 2.0]),
    body=st.sampled_from([b"offer", b""]),
    pick=st.none() | st.floats(0.0, 20.0),
    actions=st.lists(ACTIONS, max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_both_sides_end(
    seed: int,
    loss: float,
    double: float,
    spread: float,
    body: bytes,
    pick: float | None,
    actions: list[tuple[float, str, str]],
) -> None:
    world = World(seed, loss, double, 0.01, spread)
    caller, server = pair(world)
    if pick is not None:
        server.on[Invited] = lambda node, event: _ring(node, event, pick)
    caller.on[ChangeAsked] = server.on[ChangeAsked] = accept
    if not body:
        caller.on[Answered] = lambda node, event: node.take(
            node.endpoint.acknowledge("out", b"answer", world.now)
        )
    dial(world, caller, server, body=body)
    for delay, who, what in actions:
        if who == "caller":
            world.at(delay, lambda what=what: act(caller, "out", what))  # type: ignore[misc]
        else:
            world.at(delay, lambda what=what: act(server, server_leg(server), what))  # type: ignore[misc]
    world.run(120)
    world.loss = 0.0
    for node, name in ((caller, "out"), (server, server_leg(server))):
        act(node, name, "hang up")
    world.run(DRAIN_S)
    check_ends(caller, "out")
    assert len([e for e in caller.events if isinstance(e, Ended | Refused)]) == 1
    leg = server_leg(server)
    assert len(server.told(Invited)) <= 1
    if leg is not None:
        check_ends(server, leg)
        if server.told(Confirmed):
            assert len(server.told(Ended)) == 1
    # each change was answered once, unless a newer one or the end of the call took its place
    for node in (caller, server):
        outcomes = node.told(ChangeAnswered) + node.told(ChangeRefused)
        mine = sum(
            1
            for _, who, what in actions
            if what == "change" and (who == "caller") == (node is caller)
        )
        assert len(outcomes) <= mine
    check_nothing_is_left(caller, server)


def _ring(node: Node, event: Event, after: float) -> None:
    assert isinstance(event, Invited)
    leg = event.leg
    node.take(node.endpoint.progress(leg, node.world.now))

    def answer() -> None:
        held = node.endpoint._core.legs.get(leg)
        if held is not None and held.state == "invited":
            node.take(node.endpoint.answer(leg, b"answer", node.world.now))

    node.world.at(after, answer)


def dial_tcp(world: World, caller: Node, server: Node) -> None:
    target = caller.endpoint.target_of(f"sip:4400@{server.host};transport=tcp")
    caller.take(caller.endpoint.invite("out", target, b"offer", world.now, caller="1"))


def test_a_call_over_one_stream() -> None:
    world = World()
    caller, server = pair(world)
    server.on[Invited] = pick_up(1.0)
    dial_tcp(world, caller, server)
    hang_up_at(world, server, lambda: server_leg(server), 5.0)
    world.run(60)
    assert world.methods() == ["INVITE", "180", "200", "ACK", "BYE", "200"]
    assert len(world._ends) == 2
    check_nothing_is_left(caller, server)


@given(
    cuts=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=4),
    ends=st.floats(0.0, 4.0),
    by_caller=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_streams_that_break_at_any_moment(cuts: list[float], ends: float, by_caller: bool) -> None:
    world = World(delay=0.2)
    caller, server = pair(world)
    server.on[Invited] = pick_up(0.5)
    dial_tcp(world, caller, server)
    for cut in cuts:
        world.at(cut, world.cut)
    if by_caller:
        hang_up_at(world, caller, lambda: "out", ends)
    else:
        hang_up_at(world, server, lambda: server_leg(server), ends)
    world.run(100)
    for node, name in ((caller, "out"), (server, server_leg(server))):
        act(node, name, "hang up")
    world.run(DRAIN_S)
    check_ends(caller, "out")
    check_nothing_is_left(caller, server)


# --- arbitrary bytes ---------------------------------------------------------------------------


def _talk() -> list[bytes]:
    """Everything that a busy hour puts on the wire, as seeds for mutation."""
    seen: list[bytes] = []
    peer = Peer(endpoint("us", "198.51.100.1"))
    plain = peer.send

    def send(message: Request) -> None:
        seen.append(message.encode())
        plain(message)

    peer.send = send  # type: ignore[method-assign, assignment]
    leg = answered(peer, ("Supported", "100rel, timer"), ("Session-Expires", "600"))
    peer.within("INVITE", cseq=2, body=b"hold")
    peer.take(peer.endpoint.accept_change(leg, b"held", peer.now))
    peer.within("ACK", cseq=2)
    peer.within("UPDATE", cseq=3, body=b"x")
    peer.within("INFO", ("Content-Type", "application/dtmf-relay"), cseq=4, body=b"Signal=1\r\n")
    peer.within("REFER", ("Refer-To", "<sip:102@x?Replaces=1%3Bto-tag%3D2>"), cseq=5)
    peer.within("PRACK", ("RAck", "1 1 INVITE"), cseq=6)
    peer.within("BYE", cseq=7)
    peer.ask("OPTIONS", call_id="o")
    peer.ask("REGISTER", ("Contact", "<sip:a@b>;q=0.1;expires=9"), ("Authorization", "Digest a=b"))
    talking(peer, ("Record-Route", "<sip:a;lr>"), ("Session-Expires", "90;refresher=uac"))
    return seen


SEEDS = _talk()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_stumble(seed: int) -> None:
    """Messages of a real talk, in order, each changed here and there."""
    random = Random(seed)
    peer = Peer(endpoint("us", "198.51.100.1"))
    sip = peer.endpoint
    sip.invite("out", sip.target_of("sip:callee@192.0.2.1"), b"offer", 0.0, caller="1")
    now = 0.0
    for original in SEEDS:
        data = bytearray(original)
        for _ in range(random.choice((0, 0, 1, 1, 2, 5))):
            at = random.randrange(len(data))
            kind = random.randrange(4)
            if kind == 0:
                data[at] = random.randrange(256)
            elif kind == 1:
                del data[at : at + random.randrange(1, 12)]
            elif kind == 2:
                data[at:at] = bytes(random.choice(b'\r\n;,<>"@:= 019z\xff') for _ in range(3))
            else:
                lines = bytes(data).split(b"\r\n")
                line = random.randrange(len(lines))
                lines[line] = lines[random.randrange(len(lines))]
                data = bytearray(b"\r\n".join(lines))
        host = random.choice(("192.0.2.1", "203.0.113.1"))
        flow = Flow("tcp", host, 5060, 2) if random.random() < 0.3 else Flow("udp", host, 5060)
        for event in sip.receive(bytes(data), flow, now):
            if isinstance(event, Invited):
                sip.answer(event.leg, b"answer", now)
            elif isinstance(event, ChangeAsked):
                sip.accept_change(event.leg, b"fine", now)
        now += random.random() * 3
        sip.tick(now)
    for leg in list(sip._core.legs):
        sip.hang_up(leg, now)
    while (due := sip.next_deadline) is not None:
        sip.tick(due)
    assert sip.figures()["dialogs"] == 0


@given(data=st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_noise_is_harmless(data: bytes) -> None:
    sip = endpoint("us", "198.51.100.1")
    for flow in (Flow("udp", "192.0.2.1", 5060), Flow("tcp", "203.0.113.1", 9, 3)):
        assert not [e for e in sip.receive(data, flow, 0.0) if isinstance(e, Invited)]
