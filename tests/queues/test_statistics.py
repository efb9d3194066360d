"""Figures from facts: the fixture of the six service levels, and the traps beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from queues.events import (
    AgentPresence,
    BreakOverrun,
    CallbackEnd,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    CallQueued,
    OfferEnded,
    OfferMade,
    Presence,
    QueueVisitEnded,
    VisitEnd,
    WaitRaised,
)
from queues.figures.statistics import Statistics, bounds, fold
from queues.figures.tallies import SERVICE_LEVELS
from router.events import CallConnected, CallEnded, CallHeld, CallResumed, CallTransferred
from tests.queues.floors import Watched, rules
from tests.queues.lines import agent_report, queue_report

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
    quarters = queue_report(statistics, NOON + 5000, "15min", "main")
    assert [(at - NOON, f.tally.offered, f.tally.answered) for at, f in quarters] == [
        (0.0, 1, 1),
        (900.0, 1, 0),
        (3600.0, 1, 1),
    ]
    hours = queue_report(statistics, NOON + 5000, "hour", "main")
    assert [(at - NOON, f.tally.offered) for at, f in hours] == [(0.0, 2), (3600.0, 1)]
    (day,) = queue_report(statistics, NOON + 5000, "day", "main")
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
    spans = agent_report(statistics, NOON + 2100, "15min", "ann")
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


def test_the_longest_wait_is_that_of_who_still_waits_where_nobody_waited_longer() -> None:
    log = Log()
    log.visit("c1", 0.0, "connected", 40.0)
    log.add(30.0, "c2", queued("main", 30.0))
    log.add(31.0, "c3", queued("side", 31.0))
    log.add(1_000.0, "c4", queued("main", 1_000.0))
    statistics = log.fold()

    def longest_s(now: float, queue: str | None = "main", start: float = float("-inf")) -> float:
        return statistics.figures(NOON + now, queue=queue, start=start).longest_wait_s

    assert longest_s(60.0) == 40.0
    assert longest_s(80.0) == 50.0
    assert longest_s(80.0, None) == 50.0
    assert longest_s(1_010.0, start=NOON + 900.0) == 10.0, "of the visits that began since"
    log.add(100.0, "c2", QueueVisitEnded("main", "abandoned", 70.0))
    statistics = log.fold()
    assert longest_s(120.0) == 70.0


def test_old_intervals_are_forgotten_and_totals_stay() -> None:
    log = Log()
    log.visit("c1", 0.0, "connected", 5.0)
    log.visit("c2", 3 * 86_400.0, "connected", 5.0)
    statistics = log.fold()
    assert statistics.figures(NOON + 3 * 86_400 + 10).tally.offered == 1
    assert statistics.totals["main"].offered == 2
    assert statistics.totals["main"].waits[2] == 2


def test_a_resumed_place_is_a_visit_of_its_own_and_waits_from_its_own_beginning() -> None:
    log = Log()
    log.visit("c1", 0.0, "abandoned", 40.0)
    again = CallQueued("main", 0, 5, NOON + 20, origin=NOON, resumed=True)
    log.add(60.0, "c2", again)
    log.add(70.0, "c2", QueueVisitEnded("main", "connected", 70.0))  # since its origin
    figures = log.fold().figures(NOON + 100)
    assert (figures.tally.offered, figures.tally.abandoned, figures.tally.answered) == (2, 1, 1)
    assert (figures.asa_s, figures.tally.answered_within) == (10.0, 1)


def test_a_move_is_removed_there_and_offered_here() -> None:
    log = Log()
    log.add(0.0, "c1", queued("main", 0.0))
    log.add(30.0, "c1", QueueVisitEnded("main", "removed", 30.0))
    log.add(30.0, "c1", CallQueued("side", 0, 5, NOON + 20, origin=NOON))
    log.visit("c2", 5.0, "overflowed", 60.0)
    log.add(65.0, "c2", queued("side", 65.0))
    statistics = log.fold()
    here, there = (statistics.figures(NOON + 70, queue=name) for name in ("side", "main"))
    assert (there.tally.offered, there.tally.removed, there.tally.overflowed) == (2, 1, 1)
    assert (here.tally.offered, here.waiting, there.waiting) == (2, 2, 0)
    assert statistics.live_queue(NOON + 70, "side").longest_wait_s == 40.0


def test_a_visit_ends_by_its_own_fact_also_where_the_call_s_end_was_told_before() -> None:
    """At a restart: the calls that are gone first, then those who waited longer than they may."""
    log = Log()
    log.add(0.0, "c1", queued("main", 0.0))
    log.add(900.0, "c1", CallEnded("missed", "restart"))
    log.add(900.0, "c1", QueueVisitEnded("main", "overflowed", 900.0))
    figures = log.fold().figures(NOON + 901)
    assert (figures.tally.offered, figures.tally.overflowed, figures.waiting) == (1, 1, 0)


def test_a_visit_that_another_one_replaces_was_removed() -> None:
    log = Log()
    log.add(0.0, "c1", queued("main", 0.0))
    log.add(9.0, "c1", queued("main", 9.0))
    figures = log.fold().figures(NOON + 10)
    assert (figures.tally.offered, figures.tally.removed, figures.waiting) == (2, 1, 1)


def placed(at: float) -> CallbackPlaced:
    return CallbackPlaced("main", "+37120000001", 0, 5, NOON, 1, NOON + at, NOON + 9000)


def test_a_callback_s_place_is_counted_apart_and_the_talk_is_the_agent_s() -> None:
    log = Log()
    log.agent(-50, "ann", "available")
    log.visit("c1", 0.0, "callback-requested", 30.0)
    log.add(30.0, "c1", placed(30.0))
    log.add(40.0, "c1", CallEnded("callback-requested", "bye"))
    waiting = log.fold()
    assert waiting.live_queue(NOON + 50, "main").callbacks == 1
    assert waiting.live_queue(NOON + 50, "main").waiting == 0
    log.agent(1000, "ann", "reserved", "c1", "main")
    log.add(1020.0, "c1", CallbackMissed("main", 1, "no answer", NOON + 1300))
    log.agent(1020, "ann", "available", "c1")
    log.add(1300.0, "c1", CallbackMissed("main", 1, "queue closed", NOON + 1400))  # no attempt
    log.agent(1400, "ann", "reserved", "c1", "main")
    log.add(1410.0, "c1", CallbackReached("main", "ann", 2))
    log.agent(1410, "ann", "offered", "c1", "main")
    log.add(1415.0, "c1", CallbackEnded("main", "connected", 2, "ann"))
    log.agent(1415, "ann", "talking", "c1", "main")
    log.agent(1475, "ann", "wrap-up", "c1", "main")
    log.agent(1480, "ann", "available", "c1")
    statistics = log.fold()
    (quarter, figures), *later = queue_report(statistics, NOON + 2000, "15min", "main")
    tally = figures.tally
    assert quarter == NOON
    assert (tally.offered, tally.callback_requested, tally.answered) == (1, 1, 0)
    assert (tally.callbacks_placed, tally.callbacks_connected, tally.callbacks_missed) == (1, 1, 1)
    assert (tally.callbacks_waiting, tally.handled, tally.talk_s) == (0, 1, 60.0)
    assert later == []
    work = statistics.work(NOON + 1480, "ann")
    assert (work.handled, work.talk_s, work.wrap_up_s) == (1, 60.0, 5.0)
    assert work.seconds["reserved"] == 30.0
    assert work.handling_s == 60.0 + 5.0 + 30.0, "held for a caller whom we dial"


def test_a_caller_who_was_reached_and_asks_again_was_not_dialled_in_vain() -> None:
    log = Log()
    log.add(0.0, "c1", placed(0.0))
    log.add(10.0, "c1", CallbackReached("main", "ann", 1))
    log.add(20.0, "c1", CallbackMissed("main", 1, "asked for again", NOON + 20))
    assert log.fold().figures(NOON + 30).tally.callbacks_missed == 0
    log.add(40.0, "c1", CallbackMissed("main", 2, "busy", NOON + 340))
    assert log.fold().figures(NOON + 50).tally.callbacks_missed == 1


@pytest.mark.parametrize("end", get_args(CallbackEnd))
def test_every_end_of_a_callback_is_told(end: CallbackEnd) -> None:
    log = Log()
    log.add(0.0, "c1", placed(0.0))
    log.add(100.0, "c1", CallbackEnded("main", end, 1))
    tally = log.fold().figures(NOON + 100).tally
    ends = {
        "connected": tally.callbacks_connected,
        "abandoned": tally.callbacks_abandoned,
        "gave-up": tally.callbacks_gave_up,
        "expired": tally.callbacks_expired,
        "cancelled": tally.callbacks_cancelled,
    }
    assert ends == {**dict.fromkeys(ends, 0), end: 1}
    assert (tally.callbacks_waiting, tally.offered) == (0, 0)


def test_who_is_rung_beside_the_one_who_answers_has_refused_nothing() -> None:
    log = Log()
    for agent, end in (("ann", "accepted"), ("bob", "withdrawn"), ("cid", "refused")):
        log.add(1.0, "c1", OfferMade(agent, 1, "main", NOON + 60, 0))
        log.agent(1, agent, "offered", "c1", "main")
        log.add(5.0, "c1", OfferEnded(agent, 1, "main", end))  # type: ignore[arg-type]
        log.agent(5, agent, "talking" if end == "accepted" else "available", "c1", "main")
    statistics = log.fold()
    told = {agent: statistics.work(NOON + 5, agent).offers for agent in ("ann", "bob", "cid")}
    assert told == {"ann": {"accepted": 1}, "bob": {"withdrawn": 1}, "cid": {"refused": 1}}


def test_breaks_by_reason_and_those_that_took_too_long() -> None:
    log = Log()
    log.add(0.0, "", AgentPresence("ann", "on-break", "lunch", until=NOON + 100))
    log.add(100.0, "", BreakOverrun("ann", "lunch"))
    assert log.fold().live(NOON + 101).over_limit == 1
    log.add(130.0, "", AgentPresence("ann", "on-break", "lunch"))  # told again
    assert log.fold().live(NOON + 131).over_limit == 1
    log.add(150.0, "", AgentPresence("ann", "available"))
    log.add(160.0, "", AgentPresence("ann", "on-break", "training"))
    statistics = log.fold()
    work = statistics.work(NOON + 200, "ann")
    assert work.breaks == {"lunch": 150.0, "training": 40.0}
    assert (work.seconds["on-break"], work.overruns) == (190.0, 1)
    assert statistics.live(NOON + 200).over_limit == 0
    assert statistics.worktime.overruns == 1


def test_why_waits_grew_is_counted() -> None:
    log = Log()
    for reason in ("agent-left", "agent-left", "inserted-ahead"):
        log.add(1.0, "c1", WaitRaised("main", reason, 5.0, 10.0))  # type: ignore[arg-type]
    assert log.fold().raised == {("main", "agent-left"): 2, ("main", "inserted-ahead"): 1}


def test_an_agent_who_does_nothing_for_days_is_counted_in_each_quarter() -> None:
    log = Log()
    log.agent(0, "ann", "on-break")
    log.visit("c1", 3 * 86_400.0, "connected", 5.0)
    statistics = log.fold()
    spans = agent_report(statistics, NOON + 3 * 86_400 + 10, "15min", "ann")
    assert {work.seconds["on-break"] for _, work in spans[:-1]} == {900.0}
    assert len(spans) == 2 * 96 + 1, "what is older was let go"


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
