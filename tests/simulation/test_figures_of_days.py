"""Figures of seeded days with crashes, against a count of the log by other means."""

from __future__ import annotations

from collections import Counter

import pytest

from queues.events import CallQueued, QueueVisitEnded
from queues.figures.statistics import fold
from router.events import CallEnded
from tests.queues.lines import queue_report
from tests.queues.made_up import whole
from tests.simulation.world import AGENTS, World


def check(world: World) -> None:
    """Invariant 5, with the disk a little behind the floor."""
    for queue in world.statistics.totals:
        figures = world.statistics.figures(world.clock.at, queue=queue)
        assert figures.tally.offered == figures.tally.decided + figures.waiting


@pytest.mark.parametrize("seed", range(12))
def test_figures_of_days_with_crashes(seed: int) -> None:
    world = World(seed)
    for life in range(3):
        world.run(400.0 + 7 * life, check)
        world = world.crash(seed * 10 + life)
    world.run(300.0, check)
    world.drain()
    while world.disk.durable_seq < world.disk.last_seq:
        assert world.agenda.step(world.clock.at + 1.0)
    statistics, log = world.statistics, world.disk.entries
    assert whole(statistics) == whole(fold(log))

    ended = Counter(entry.event.outcome for entry in log if isinstance(entry.event, CallEnded))
    assert statistics.outcomes == ended
    visits = [entry.event for entry in log if isinstance(entry.event, CallQueued)]
    ends = [entry.event for entry in log if isinstance(entry.event, QueueVisitEnded)]
    now = world.clock.at
    for queue in statistics.totals:
        figures = statistics.figures(now, queue=queue)
        tally = figures.tally
        counted = Counter(e.end for e in ends if e.queue == queue and not e.returned)
        assert tally.offered == sum(v.queue == queue and not v.returned for v in visits)
        assert tally.answered == counted["connected"]
        assert tally.abandoned == counted["abandoned"]
        assert tally.overflowed == counted["overflowed"]
        assert tally.callback_requested == counted["callback-requested"]
        assert tally.removed == counted["removed"]
        assert (figures.waiting, tally.callbacks_waiting) == (0, 0)
        waits = [
            e.waited_s for e in ends if (e.queue, e.end, e.returned) == (queue, "connected", 0)
        ]
        assert tally.answer_wait_s == pytest.approx(sum(waits), abs=1e-3)
    quarters = [
        figures
        for queue in statistics.totals
        for _, figures in queue_report(statistics, now, "15min", queue)
    ]
    assert sum(figures.tally.offered for figures in quarters) == len(
        [visit for visit in visits if not visit.returned]
    )
    for agent in AGENTS:
        work = statistics.work(now, agent)
        assert work.talk_s + work.hold_s <= work.seconds.get("talking", 0.0) + 1e-6
