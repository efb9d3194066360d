"""Figures from facts: the fixture of the six service levels, and the traps beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from queues.events import (
    AgentPresence,
    CallQueued,
    OfferEnded,
    Presence,
    QueueVisitEnded,
    VisitEnd,
)
from queues.statistics import Statistics, bounds, fold
from queues.tallies import SERVICE_LEVELS
from router.events import CallConnected, CallEnded, CallHeld, CallResumed, CallTransferred
from tests.queues.floors import Watched, rules

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Line:
    """An entry of the log."""

    seq: int
    at: float
    call: str
    event: Any


class Log:
    """Entries at times relative to noon."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def add(self, at: float, call: str, event: Any) -> None:
        self.lines.append(Line(len(self.lines) + 1, NOON + at, call, event))

    def visit(
        self, call: str, at: float, end: VisitEnd, waited_s: float, queue: str = "main"
    ) -> None:
        self.add(at, call, queued(queue, at))
        short = end == "abandoned" and waited_s < 5
        self.add(at + waited_s, call, QueueVisitEnded(queue, end, waited_s, short))

    def agent(
        self, at: float, agent: str, presence: Presence, call: str = "", queue: str = ""
    ) -> None:
        self.add(at, call, AgentPresence(agent, presence, queue=queue))

    def fold(self) -> Statistics:
        return fold(self.lines)


def queued(queue: str, at: float, *, returned: bool = False) -> CallQueued:
    return CallQueued(queue, 0, 5, NOON + at + 20, returned=returned)


def test_the_fixture_of_the_six_service_levels() -> None:
    log = Log()
    ends: list[tuple[int, VisitEnd, float]] = [
        (60, "connected", 12.0),
        (20, "connected", 45.0),
        (6, "abandoned", 3.0),
        (4, "abandoned", 12.0),
        (6, "abandoned", 50.0),
        (2, "callback-requested", 15.0),
        (2, "overflowed", 70.0),
    ]
    number = 0
    for count, end, waited_s in ends:
        for _ in range(count):
            number += 1
            log.visit(f"c{number}", 0.0, end, waited_s)
    figures = log.fold().figures(NOON + 300)
    levels = {name: round(100 * (level or 0), 1) for name, level in figures.service_levels.items()}
    assert levels == {
        "answered": 75.0,
        "answered+abandoned": 72.9,
        "connect": 72.0,
        "genesys": 66.7,
        "genesys+overflow": 63.8,
        "strict": 60.0,
    }
    assert tuple(levels) == SERVICE_LEVELS
    assert figures.service_level == 0.6
    assert figures.tally.offered == 100
    assert figures.abandon_rate == 0.16
    assert figures.tally.longest_wait_s == 70.0
    assert figures.asa_s == (60 * 12 + 20 * 45) / 80


@pytest.mark.parametrize(
    ("waited_s", "within"), [(19.999, 1), (20.0, 1), (20.001, 0), (20.4, 0), (20.9, 0)]
)
def test_fractions_of_a_second_count_and_within_means_up_to(waited_s: float, within: int) -> None:
    log = Log()
    log.visit("c1", 0.25, "connected", waited_s)
    assert log.fold().figures(NOON + 100).tally.answered_within == within


def test_those_who_may_still_be_answered_in_time_are_left_out() -> None:
    log = Log()
    log.visit("c1", 0.0, "connected", 5.0)
    log.add(10.0, "c2", queued("main", 10.0))
    statistics = log.fold()
    assert statistics.figures(NOON + 30.0).service_level == 1.0
    assert statistics.figures(NOON + 30.5).service_level == 0.5
    assert statistics.figures(NOON + 30.0).tally.offered == 2


def test_counted_when_it_happens_not_when_the_call_ends() -> None:
    log = Log()
    log.visit("c1", 0.0, "connected", 5.0)
    assert log.fold().figures(NOON + 6).tally.answered == 1
    log.visit("c2", 10.0, "abandoned", 6.0)
    assert log.fold().figures(NOON + 16).tally.abandoned == 1
    log.add(500.0, "c1", CallEnded("answered", "bye"))
    log.add(500.0, "c2", CallEnded("missed", "bye"))
    statistics = log.fold()
    assert statistics.figures(NOON + 501).tally.answered == 1
    assert statistics.outcomes == {"answered": 1, "missed": 1}


def test_a_visit_counts_in_the_interval_of_its_enqueue() -> None:
    log = Log()
    log.visit("c1", 895.0, "connected", 10.0)
    log.visit("c2", 900.0, "abandoned", 30.0)
    log.visit("c3", 4000.0, "connected", 1.0)
    statistics = log.fold()
    quarters = statistics.intervals(NOON + 5000, "15min")
    assert [(at - NOON, f.tally.offered, f.tally.answered) for at, f in quarters] == [
        (0.0, 1, 1),
        (900.0, 1, 0),
        (3600.0, 1, 1),
    ]
    hours = statistics.intervals(NOON + 5000, "hour")
    assert [(at - NOON, f.tally.offered) for at, f in hours] == [(0.0, 2), (3600.0, 1)]
    (day,) = statistics.intervals(NOON + 5000, "day")
    assert (day[0], day[1].tally.offered) == (NOON - 43_200, 3)


def test_days_go_by_the_zone_and_the_changing_of_clocks() -> None:
    riga = ZoneInfo("Europe/Riga")
    start, end = bounds(datetime(2026, 3, 29, 9, 0, tzinfo=UTC).timestamp(), "day", riga)
    assert datetime.fromtimestamp(start, riga).hour == 0
    assert end - start == 23 * 3600
    kathmandu = ZoneInfo("Asia/Kathmandu")
    start, end = bounds(NOON, "hour", kathmandu)
    assert datetime.fromtimestamp(start, kathmandu).minute == 0


def test_talk_hold_and_wrap_up_make_the_handling_time_and_talk_is_no_wait() -> None:
    log = Log()
    log.agent(-100, "ann", "available")
    log.add(0.0, "c1", queued("main", 0.0))
    log.agent(8, "ann", "offered", "c1", "main")
    log.add(10.0, "c1", QueueVisitEnded("main", "connected", 10.0))
    log.agent(10, "ann", "talking", "c1", "main")
    log.add(10.0, "c1", CallConnected("l2", "ann", "main", 10.0))
    log.add(30.0, "c1", CallHeld("l2"))
    log.add(45.0, "c1", CallResumed("l2"))
    log.agent(110, "ann", "wrap-up", "c1", "main")
    before = log.fold().figures(NOON + 111).tally
    assert (before.answered, before.handled) == (1, 0)
    log.agent(120, "ann", "available", "c1")
    statistics = log.fold()
    figures = statistics.figures(NOON + 130)
    assert figures.asa_s == 10.0
    assert (figures.tally.talk_s, figures.tally.hold_s, figures.tally.wrap_up_s) == (85, 15, 10)
    assert figures.aht_s == 110.0
    work = statistics.work(NOON + 130, "ann")
    assert work.aht_s == 110.0
    assert work.occupancy == pytest.approx(110 / (110 + 100 + 8 + 2 + 10))


def test_transferred_talk_is_billed_to_whoever_talked() -> None:
    log = Log()
    for agent in ("ann", "bob"):
        log.agent(-10, agent, "available")
    log.visit("c1", 0.0, "connected", 5.0)
    log.agent(5, "ann", "talking", "c1", "main")
    log.agent(50, "bob", "talking")  # his phone rings for the transfer
    log.add(60.0, "c1", CallTransferred("ann", "agent bob"))
    log.add(60.0, "c1", CallConnected("l3", "bob"))
    log.agent(61, "ann", "wrap-up", "c1", "main")
    log.agent(71, "ann", "available", "c1")
    log.agent(360, "bob", "available")
    statistics = log.fold()
    ann, bob = (statistics.work(NOON + 400, agent) for agent in ("ann", "bob"))
    assert (ann.talk_s, ann.wrap_up_s, ann.handled) == (55, 10, 1)
    assert (bob.talk_s, bob.wrap_up_s, bob.handled) == (300, 0, 1)
    assert bob.seconds["own-call"] == 10
    queue = statistics.figures(NOON + 400).tally
    assert (queue.answered, queue.handled, queue.talk_s) == (1, 1, 55)


def test_a_break_asked_for_in_a_transferred_talk_does_not_cut_it() -> None:
    log = Log()
    log.agent(0, "bob", "available")
    log.agent(50, "bob", "talking")
    log.add(60.0, "c1", CallConnected("l3", "bob"))
    log.add(70.0, "", AgentPresence("bob", "talking", after="on-break", after_reason="lunch"))
    log.agent(100, "bob", "on-break")
    work = log.fold().work(NOON + 100, "bob")
    assert (work.talk_s, work.seconds["talking"], work.seconds["own-call"]) == (40, 40, 10)


def test_an_own_call_in_wrap_up_is_not_handling() -> None:
    log = Log()
    log.agent(0, "ann", "talking", "c1", "main")
    log.agent(30, "ann", "wrap-up", "c1", "main")
    log.agent(34, "ann", "talking")
    log.agent(94, "ann", "wrap-up")
    log.agent(100, "ann", "available")
    work = log.fold().work(NOON + 100, "ann")
    assert (work.talk_s, work.wrap_up_s, work.seconds["own-call"]) == (30, 10, 60)
    assert work.occupancy == 1.0


def test_a_caller_back_after_a_lost_agent_is_not_counted_twice() -> None:
    log = Log()
    log.visit("c1", 0.0, "connected", 5.0)
    log.agent(5, "ann", "talking", "c1", "main")
    log.agent(65, "ann", "on-break", "c1")
    log.add(65.0, "c1", queued("main", 65.0, returned=True))
    assert log.fold().live(NOON + 70).queues["main"].waiting == 1
    log.add(95.0, "c1", QueueVisitEnded("main", "abandoned", 30.0, returned=True))
    figures = log.fold().figures(NOON + 200)
    assert (figures.tally.offered, figures.tally.answered, figures.tally.abandoned) == (1, 1, 0)
    assert figures.asa_s == 5.0


def test_presence_is_split_at_the_quarter() -> None:
    log = Log()
    log.agent(600, "ann", "available")
    log.agent(2000, "ann", "on-break")
    statistics = log.fold()
    spans = statistics.work_intervals(NOON + 2100, "15min", "ann")
    assert [(at - NOON, work.seconds) for at, work in spans] == [
        (0.0, {"available": 300.0}),
        (900.0, {"available": 900.0}),
        (1800.0, {"available": 200.0, "on-break": 100.0}),
    ]


def test_offers_are_counted_by_how_they_ended() -> None:
    log = Log()
    log.add(1.0, "c1", OfferEnded("ann", 1, "main", "rung-out"))
    log.add(2.0, "c1", OfferEnded("ann", 2, "main", "accepted"))
    assert log.fold().work(NOON + 3, "ann").offers == {"rung-out": 1, "accepted": 1}


def test_live_tells_who_waits_how_long_and_who_works() -> None:
    log = Log()
    log.add(0.0, "c1", queued("main", 0.0))
    log.add(7.0, "c2", queued("main", 7.0))
    log.agent(8, "ann", "on-break")
    live = log.fold().live(NOON + 10)
    assert live.queues["main"].waiting == 2
    assert live.queues["main"].longest_wait_s == 10.0
    assert live.agents == {"on-break": 1}


def test_old_intervals_are_forgotten_and_totals_stay() -> None:
    log = Log()
    log.visit("c1", 0.0, "connected", 5.0)
    log.visit("c2", 3 * 86_400.0, "connected", 5.0)
    statistics = log.fold()
    assert statistics.figures(NOON + 3 * 86_400 + 10).tally.offered == 1
    assert statistics.totals["main"].offered == 2
    assert statistics.totals["main"].waits[2] == 2


def test_the_floor_s_own_facts_give_the_figures() -> None:
    """From enqueue to wrap-up through the floor, folded as they are."""
    watched = Watched(rules(), staffed=True)
    watched.enqueue("c1", "main", 10.0)
    agent = watched.ringing()["c1"]
    watched.accept(agent, watched.fence(agent), 14.5)
    watched.finished(agent, 74.5)
    watched.tick(84.5)
    statistics = fold(
        Line(seq, at, call, event) for seq, (at, call, event) in enumerate(watched.facts, 1)
    )
    figures = statistics.figures(100.0)
    assert (figures.asa_s, figures.aht_s, figures.service_level) == (4.5, 70.0, 1.0)
    assert statistics.seq == len(watched.facts)
