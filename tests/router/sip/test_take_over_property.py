"""An endpoint dies at any moment of any talk: the one that adopts its legs does what it would
have done."""

from __future__ import annotations

from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from router.sip.effects import Answered, ChangeAsked, Effect, Ended, Event, Invited, Refused
from router.sip.endpoint import Endpoint
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
from tests.router.sip.world import Node, World

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
