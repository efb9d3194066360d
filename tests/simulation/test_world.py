"""Seeded days in the call centre: the invariants hold at every instant and after every crash.

A failing seed is in the test's name; the same seed gives the same day.
"""

from __future__ import annotations

from collections import Counter

import pytest

from queues.events import CallbackEnded, CallbackPlaced, CallQueued, QueueVisitEnded
from router import events as facts
from tests.simulation.world import AGENTS, World

SEEDS = range(60)


def check(world: World) -> None:
    """Work-conserving, exclusive, nobody talks to two."""
    talking: dict[str, str] = {}
    for call in world.turns.calls.values():
        if call.phase == "talking" and call.other_leg:
            agent = call.legs[call.other_leg].agent
            assert agent not in talking, f"{agent} talks in two calls"
            talking[agent] = call.id
    free = [
        view.agent
        for view in world.floor.agents()
        if view.presence == "available" and view.reachable
    ]
    unserved = [
        view.call for view in world.floor.waiting() if not view.offered_to and not view.next_at
    ]
    assert not (free and unserved), f"{unserved} wait while {free} are free"


def check_end(world: World) -> None:
    for call, ended in world.ended().items():
        assert len(ended) == 1, f"call {call} has {len(ended)} ends"
    assert world.floor.waiting() == []
    visits = sum(
        isinstance(entry.event, CallQueued) and not entry.event.returned
        for entry in world.disk.entries
    )
    ends = sum(
        isinstance(entry.event, QueueVisitEnded) and not entry.event.returned
        for entry in world.disk.entries
    )
    assert visits == ends
    placed = Counter(e.call for e in world.disk.entries if isinstance(e.event, CallbackPlaced))
    over = Counter(e.call for e in world.disk.entries if isinstance(e.event, CallbackEnded))
    assert placed == over, "a callback has one end"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_leaves_one_end_for_every_call(seed: int) -> None:
    world = World(seed)
    world.run(900.0, check)
    world.drain()
    check_end(world)
    assert not [leg for leg, agent in world.alive.items() if agent], "a phone rings for nobody"


@pytest.mark.parametrize("seed", SEEDS)
def test_crashes_lose_no_call_that_was_picked_up(seed: int) -> None:
    world = World(seed)
    picked_up: set[str] = set()
    for life in range(4):
        world.run(120.0 + 7 * life, check)
        picked_up |= set(world.seen_outside)
        world = world.crash(seed * 10 + life)
    world.drain()
    check_end(world)
    assert picked_up <= set(world.ended()), "a call that heard us left no trace"
    restarted = [
        ended[0].outcome for ended in world.ended().values() if ended[0].cause == "restart"
    ]
    assert set(restarted) <= {"missed", "dropped", "failed", "callback-requested", "voicemail"}
    presences = {view.agent: view.presence for view in world.floor.agents()}
    assert set(presences) == set(AGENTS)
    assert "talking" not in presences.values()
    assert "offered" not in presences.values()


def test_the_same_seed_is_the_same_day() -> None:
    days = []
    for _ in range(2):
        world = World(7)
        world.run(600.0, check)
        days.append(
            [(entry.seq, entry.at, entry.call, entry.event) for entry in world.disk.entries]
        )
    assert days[0] == days[1]
    assert any(isinstance(event, facts.CallConnected) for _, _, _, event in days[0])
