"""Figures of whatever the floor does: every visit is somewhere, once, at every instant."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis.stateful import invariant

from queues.events import RESTS, CallbackMissed, OfferEnded
from queues.figures.statistics import Statistics
from queues.offers import Effect
from tests.queues.made_up import Line
from tests.queues.test_floor_life import LifeMachine


class FiguresMachine(LifeMachine):
    """The floor's facts go to the figures as the journal brings them."""

    def begin(self) -> None:
        if not hasattr(self, "statistics"):
            self.statistics = Statistics()
            self.offers: Counter[tuple[str, str]] = Counter()
            self.dialled_in_vain = 0

    def do(self, name: str, *args: Any, **kwargs: Any) -> list[Effect]:
        self.begin()
        known = len(self.watched.facts)
        effects = super().do(name, *args, **kwargs)
        for at, call, event in self.watched.facts[known:]:
            self.statistics.apply(Line(self.statistics.seq + 1, at, call, event))
            if isinstance(event, OfferEnded):
                self.offers[event.agent, event.end] += 1
            elif isinstance(event, CallbackMissed):
                self.dialled_in_vain += event.cause not in RESTS
            self.adds_up()
        return effects

    def adds_up(self) -> None:
        """Invariant 5: offered = connected + abandoned (short included) + overflowed +
        callback-requested + removed + waiting, in every queue at every instant."""
        for queue in self.statistics.totals:
            figures = self.statistics.figures(self.now, queue=queue)
            tally = figures.tally
            assert tally.offered == tally.decided + figures.waiting
            assert tally.short <= tally.abandoned
            assert tally.answered == sum(tally.waits)
            assert 0 <= figures.undecided <= figures.waiting
            assert tally.callbacks_waiting >= 0
            for level in figures.service_levels.values():
                assert level is None or 0.0 <= level <= 1.0

    @invariant()
    def the_live_view_is_the_floor(self) -> None:
        self.begin()
        views = self.watched.floor.waiting()
        live = self.statistics.live(self.now).queues
        calls = Counter(view.queue for view in views if view.kind == "call")
        entries = Counter(view.queue for view in views if view.kind == "callback")
        assert {name: queue.waiting for name, queue in live.items() if queue.waiting} == calls
        assert {name: queue.callbacks for name, queue in live.items() if queue.callbacks} == entries
        for name in calls:
            since = min(v.since for v in views if v.queue == name and v.kind == "call")
            assert live[name].longest_wait_s == self.now - since

    @invariant()
    def who_may_still_be_answered_in_time_is_counted_by_looking_at_each(self) -> None:
        self.begin()
        visits = self.statistics.visits.visits.values()
        for queue in self.statistics.totals:
            for now in (self.now, self.now + 4.0, self.now + 19.0):
                figures = self.statistics.figures(now, queue=queue)
                mine = [v for v in visits if v.queue == queue and not v.returned]
                assert figures.waiting == len(mine)
                assert figures.undecided == sum(now - v.enqueued <= v.target_s for v in mine)

    @invariant()
    def agents_do_what_the_floor_says(self) -> None:
        self.begin()
        for view in self.watched.floor.agents():
            worker = self.statistics.worktime.workers.get(view.agent)
            assert view.presence == (worker.presence if worker else "signed-out")
            work = self.statistics.work(self.now, view.agent)
            for end, count in work.offers.items():
                assert self.offers[view.agent, end] == count
            assert work.breaks.keys() <= {"lunch", "tea", "refused", "did not answer", *OTHERS}
            assert sum(work.breaks.values()) == work.seconds.get("on-break", 0.0)
            handled_s = work.talk_s + work.hold_s + work.wrap_up_s
            assert handled_s <= work.handling_s + 1e-6
        missed = sum(tally.callbacks_missed for tally in self.statistics.totals.values())
        assert missed == self.dialled_in_vain


OTHERS = ("phone unreachable", "phone lost", "media timeout", "no answer", "football")

FiguresMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestFigures = FiguresMachine.TestCase
