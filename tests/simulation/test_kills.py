"""kill -9 of the engine in a seeded world: nobody notices, whenever it comes.

A failing seed or offset is in the test's name; the same one gives the same day.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from queues.events import OfferEnded, OfferMade
from router import events as facts
from tests.simulation.test_world import check, check_end
from tests.simulation.world import World

DAY_S = 60.0


def nothing_lost(world: World) -> None:
    """After the last call is over: one end each, none by a restart, no offer twice."""
    check_end(world)
    restarted = [
        call for call, ends in world.ended().items() if any(e.cause == "restart" for e in ends)
    ]
    assert restarted == []
    made = Counter(e.event.fence for e in world.disk.entries if isinstance(e.event, OfferMade))
    ended = Counter(e.event.fence for e in world.disk.entries if isinstance(e.event, OfferEnded))
    assert made == ended, "every offer is made once and ends once"
    assert not [leg for leg, agent in world.alive.items() if agent], "a phone rings for nobody"


def order(world: World) -> list[str]:
    return [view.call for view in world.floor.waiting()]


def kill(world: World) -> None:
    """The floor of the next engine is what the log says, the order of the queue with it."""
    durable = {entry.call for entry in world.disk.entries[: world.disk.durable_seq]}
    before = [call for call in order(world) if call in durable]
    world.kill()
    after = order(world)
    both = set(before) & set(after)
    assert [call for call in before if call in both] == [call for call in after if call in both]


@pytest.mark.parametrize("seed", range(40))
def test_a_day_with_many_kills_loses_nothing(seed: int) -> None:
    world = World(seed)
    dice = random.Random(seed)
    for _ in range(8):
        world.run(dice.uniform(1.0, 60.0), check)
        kill(world)
        check(world)
    world.run(60.0, check)
    world.drain()
    nothing_lost(world)


def offsets(seed: int) -> int:
    world = World(seed)
    world.run(DAY_S, lambda _: None)
    return world.disk.last_seq


@pytest.mark.parametrize("seed", [11])
@pytest.mark.parametrize("where", ["appended", "durable"])
def test_a_kill_at_every_offset_of_the_log_loses_nothing(seed: int, where: str) -> None:
    """The same scenario again and again, killed when the log has just so many entries: before
    they are on disk (and what they allow is done), or right after."""
    for offset in range(1, offsets(seed) + 1):
        world = World(seed)

        def reached(world: World = world, offset: int = offset) -> bool:
            disk = world.disk
            return (disk.last_seq if where == "appended" else disk.durable_seq) >= offset

        world.run(DAY_S, lambda _: None, until=reached)
        kill(world)
        world.run(20.0, check)
        world.drain()
        nothing_lost(world)


def test_what_an_engine_confirmed_is_never_asked_again() -> None:
    world = World(5)
    world.run(120.0, check)
    arrived = sum(isinstance(entry.event, facts.CallArrived) for entry in world.disk.entries)
    connected = [e.call for e in world.disk.entries if isinstance(e.event, facts.CallConnected)]
    world.kill()
    kept = world.disk.entries
    assert sum(isinstance(entry.event, facts.CallArrived) for entry in kept) == arrived
    assert [e.call for e in kept if isinstance(e.event, facts.CallConnected)] == connected
