"""What the engine wrote in a seeded world, crashes included, replays to the same decisions."""

from __future__ import annotations

import pytest

from queues.events import OfferMade
from queues.offers import FLOOR_FACTS
from queues.rules import from_settings
from queues.state import FloorState
from queues.why.picture import take
from queues.why.replay import Replay
from tests.simulation.world import SETTINGS, World


@pytest.mark.parametrize("seed", range(6))
def test_every_decision_of_a_world_is_taken_again(seed: int) -> None:
    world = World(seed)
    lives = []
    for life in range(3):
        world.run(900.0, lambda _: None)
        lives.append(len(world.disk.entries[: world.disk.durable_seq]))
        if life < 2:
            world = world.crash(seed * 10 + life)
    rules = from_settings(SETTINGS)
    run = Replay()
    run.begin(take(FloorState(rules)), rules)
    for entry in world.disk.entries:
        if entry.seq - 1 in lives[:-1] and run.state is not None:
            # What the last engine was about to write is nowhere: the instant is not judged.
            run.begin(take(run.state), rules)
        if isinstance(entry.event, FLOOR_FACTS):
            run.take(entry)
    result = run.close(complete=False)
    assert result.differences == []
    made = sum(isinstance(entry.event, OfferMade) for entry in world.disk.entries)
    assert result.decisions == made > 50
    assert result.unchecked == 0
