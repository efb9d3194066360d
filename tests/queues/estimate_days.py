"""Days on the production floor with callers who give up and agents who come, go and have lunch:
what callers are told, and how long they waited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import exp, log, sqrt
from random import Random
from typing import Any

from queues.estimates.estimate import Estimate, Estimates
from queues.events import OfferMade, QueueVisitEnded
from queues.floor import Floor
from queues.offers import Effect, Fact, Offer
from queues.rules import AgentRules, FloorRules, QueueRules

HOUR_S = 3600.0
TELL_EVERY_S = 30.0
RING_S = 4.0


@dataclass
class Told:
    """What a caller was told, and when."""

    at: float
    estimate: Estimate


@dataclass
class Score:
    """Waits against intervals. ``width`` sums the logarithm of high / low (5 s added to each)."""

    inside: int = 0
    below: int = 0
    above: int = 0
    wait_s: float = 0.0
    width: float = 0.0

    def add(self, estimate: Estimate, wait_s: float) -> None:
        self.below += wait_s < estimate.low_s
        self.above += wait_s > estimate.high_s
        self.inside += estimate.low_s <= wait_s <= estimate.high_s
        self.wait_s += wait_s
        self.width += log((estimate.high_s + 5.0) / (estimate.low_s + 5.0))

    @property
    def count(self) -> int:
        return self.inside + self.below + self.above

    @property
    def coverage(self) -> float:
        return self.inside / self.count


@dataclass
class Outcome:
    """Intervals told to callers who had to wait: ``first`` at enqueue to those who were answered,
    ``later`` every half minute to those, ``stayed`` at enqueue to all: who gave up is scored by
    the moment at which an agent took the next call behind (see ``Days.resolve``)."""

    first: Score = field(default_factory=Score)
    later: Score = field(default_factory=Score)
    stayed: Score = field(default_factory=Score)
    queues: dict[str, Score] = field(default_factory=dict)
    gave_up: int = 0
    unknown: int = 0
    raised: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Shape:
    """A kind of day. ``rates`` give calls an hour by queue and second of the day; ``talk_s``
    the mean talk by queue and second; ``shifts`` (on, off, break starts, break length) by agent."""

    rules: FloorRules
    rates: Callable[[str, float], float]
    rate_max: dict[str, float]
    talk_s: Callable[[str, float], float]
    shifts: dict[str, tuple[float, float, tuple[float, ...], float]]
    patience_s: float = 900.0
    talk_spread: float = 0.7  # coefficient of variation


class Days:
    """The floor, its callers and its agents on a virtual clock."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self.random = Random(seed)
        self.floor = Floor(shape.rules, estimates=False)
        self.estimates = Estimates(shape.rules)
        self.outcome = Outcome()
        self.calls = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0
        self._told: dict[str, list[Told]] = {}
        self._gone: dict[str, dict[str, Told]] = {}
        self._offered: set[str] = set()

    def run(self, days: int) -> Outcome:
        for agent in sorted(self.shape.rules.agents):
            self._do(self.floor.set_reachable(agent, True, 0.0), 0.0)
        for day in range(days):
            start = day * 24 * HOUR_S
            for agent, (on, off, breaks, length) in sorted(self.shape.shifts.items()):
                self._at(start + on, self._sign, agent, True)
                self._at(start + off, self._sign, agent, False)
                for begin in breaks:
                    self._at(start + begin, self._break, agent, length)
            for queue in sorted(self.shape.rules.queues):
                self._at(start, self._arrival, queue, start, False)
        while self._heap:
            due = self.floor.next_deadline
            if due is not None and due < self._heap[0][0]:
                self._do(self.floor.tick(due), due)
                continue
            now, _, what, args = heappop(self._heap)
            what(now, *args)
        return self.outcome

    def _at(self, when: float, what: Callable[..., None], *args: Any) -> None:
        self._number += 1
        heappush(self._heap, (when, self._number, what, args))

    def _do(self, effects: list[Effect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, Fact):
                self._fact(effect.call, effect.event, now)
            elif isinstance(effect, Offer):
                if self.random.random() < 0.02:
                    self._at(now + effect.ring_timeout_s, self._no_answer, effect)
                else:
                    self._at(now + self.random.uniform(1.0, 2 * RING_S - 1.0), self._answer, effect)

    def _fact(self, call: str, event: Any, now: float) -> None:
        self.estimates.note(call, event, now)
        if isinstance(event, OfferMade):
            self._offered.add(call)
            self.resolve(call, event.queue, now)
        elif isinstance(event, QueueVisitEnded):
            self._offered.discard(call)
            told = self._told.pop(call, [])
            if event.end != "connected":
                self.outcome.gave_up += 1
                if told:
                    self._gone.setdefault(event.queue, {})[call] = told[0]
                return
            for number, item in enumerate(told):
                (self.outcome.later if number else self.outcome.first).add(
                    item.estimate, now - item.at
                )
            for item in told[:1]:
                self.outcome.stayed.add(item.estimate, now - item.at)
                self.outcome.queues.setdefault(event.queue, Score()).add(
                    item.estimate, now - item.at
                )

    def resolve(self, call: str, queue: str, now: float) -> None:
        """Had a caller stayed who gave up, the agent who takes the first call behind would have
        taken theirs: the wait they would have had is known then."""
        gone = self._gone.get(queue, {})
        for former in [name for name in gone if int(name[1:]) < int(call[1:])]:
            told = gone.pop(former)
            self.outcome.stayed.add(told.estimate, now + RING_S - told.at)

    def _sign(self, now: float, agent: str, on: bool) -> None:
        self._do((self.floor.sign_in if on else self.floor.sign_out)(agent, now), now)

    def _break(self, now: float, agent: str, length: float) -> None:
        self._do(self.floor.take_break(agent, now, "lunch"), now)
        self._at(now + length, self._back, agent)

    def _back(self, now: float, agent: str) -> None:
        self._do(self.floor.ready(agent, now), now)

    def _arrival(self, now: float, queue: str, start: float, real: bool) -> None:
        """Thinning: candidates at the greatest rate, each real with the rate of its moment."""
        rate_max = self.shape.rate_max[queue]
        if real:
            self._join(now, queue)
        then = now + self.random.expovariate(rate_max / HOUR_S)
        if then < start + 24 * HOUR_S:
            share = self.shape.rates(queue, then - start) / rate_max
            self._at(then, self._arrival, queue, start, self.random.random() < share)

    def _join(self, now: float, queue: str) -> None:
        self.calls += 1
        call = f"c{self.calls}"
        self._do(self.floor.enqueue(call, queue, now), now)
        if call not in self._offered:
            self._told[call] = []
            self._tell(now, call)
        self._at(now + self.random.expovariate(1 / self.shape.patience_s), self._give_up, call)

    def _tell(self, now: float, call: str) -> None:
        if call not in self._told:
            return
        estimate = self.estimates.of(call, now)
        if estimate is None:
            self.outcome.unknown += 1
        else:
            self._told[call].append(Told(now, estimate))
            if estimate.raised is not None:
                self.outcome.raised[estimate.raised.reason] += 1
                self.estimates.note(call, estimate.raised, now)
        self._at(now + TELL_EVERY_S, self._tell, call)

    def _give_up(self, now: float, call: str) -> None:
        self._do(self.floor.leave(call, now, "abandoned"), now)

    def _answer(self, now: float, offer: Offer) -> None:
        effects = self.floor.accept(offer.agent, offer.fence, now)
        self._do(effects, now)
        if any(isinstance(e, Fact) and isinstance(e.event, QueueVisitEnded) for e in effects):
            mean = self.shape.talk_s(offer.queue, now % (24 * HOUR_S))
            sigma = sqrt(log(1.0 + self.shape.talk_spread**2))
            talk = mean * exp(self.random.gauss(-sigma * sigma / 2, sigma))
            self._at(now + talk, self._finish, offer.agent)

    def _no_answer(self, now: float, offer: Offer) -> None:
        self._do(self.floor.refuse(offer.agent, offer.fence, now, "rung-out", "no answer"), now)
        self._at(now + 60.0, self._back, offer.agent)

    def _finish(self, now: float, agent: str) -> None:
        self._do(self.floor.finished(agent, now), now)


def agents(number: int, *queues: str) -> dict[str, AgentRules]:
    return {
        f"{'-'.join(queues)}-{i:03}": AgentRules(dict.fromkeys(queues, 1)) for i in range(number)
    }


def office(names: list[str]) -> dict[str, Any]:
    """Come between 7:30 and 8:15 for nine hours; half an hour at 9:30, at lunch (a third of them
    each from 12:00, 12:30 and 13:00) and at 15:00, not all at the same minute."""
    shifts = {}
    for i, name in enumerate(names):
        on = 7.5 + (i % 4) * 0.25
        breaks = (9.5 + (i % 7) * 0.2, 12.0 + (i % 3) * 0.5, 15.0 + (i % 5) * 0.2)
        shifts[name] = (on * HOUR_S, (on + 9.0) * HOUR_S, tuple(b * HOUR_S for b in breaks), 1800.0)
    return shifts


def business(peak: float, base: float) -> Callable[[str, float], float]:
    """Calls an hour from 8:00 to 16:30 with peaks at 10:00 and 14:00."""

    def rate(queue: str, second: float) -> float:
        hour = second / HOUR_S
        if not 8.0 <= hour < 16.5:
            return 0.0
        bump = exp(-((hour - 10.0) ** 2)) + exp(-((hour - 14.0) ** 2))
        return base + (peak - base) * min(1.0, bump)

    return rate


CYCLE_S = 194.0  # 4 s ringing, 180 s talk, 10 s wrap-up
PATIENT = QueueRules(wait_max_s=36_000.0)


def _one_queue(
    number: int,
    peak: float,
    base: float,
    *,
    patience_s: float,
    talk_s: Callable[[float], float] = lambda second: 180.0,
) -> Shape:
    """``peak`` and ``base`` are the load, 1.0 being all that the agents could do."""
    staff = agents(number, "main")
    capacity = number * HOUR_S / CYCLE_S
    return Shape(
        FloorRules({"main": PATIENT}, staff),
        business(capacity * peak, capacity * base),
        {"main": capacity * peak},
        lambda queue, second: talk_s(second),
        office(list(staff)),
        patience_s,
    )


def steady() -> Shape:
    """Round the clock at 95 % load, nobody comes or goes."""
    staff = agents(20, "main")
    rate = 20 * HOUR_S / CYCLE_S * 0.95
    return Shape(
        FloorRules({"main": PATIENT}, staff),
        lambda queue, second: rate,
        {"main": rate},
        lambda queue, second: 180.0,
        dict.fromkeys(staff, (0.0, 1000 * HOUR_S, (), 0.0)),
    )


def peaks() -> Shape:
    """Understaffed at 10:00 and 14:00 by a quarter."""
    return _one_queue(20, 1.25, 0.6, patience_s=600.0)


def lunch() -> Shape:
    """90 % load all day: too much while a third are at lunch."""
    return _one_queue(20, 0.9, 0.9, patience_s=1200.0)


def slower() -> Shape:
    """Talks take five minutes instead of three from 13:00 on."""
    return _one_queue(
        20,
        0.85,
        0.85,
        patience_s=900.0,
        talk_s=lambda second: 180.0 if second < 13 * HOUR_S else 300.0,
    )


def few() -> Shape:
    """Four agents."""
    return _one_queue(4, 0.85, 0.85, patience_s=1200.0)


def many() -> Shape:
    """Sixty agents, understaffed at the peaks by a fifth."""
    return _one_queue(60, 1.2, 0.6, patience_s=600.0)


def mixed() -> Shape:
    """Three queues of two classes and two aims, whose agents serve one, two or all of them."""
    queues = {
        "gold": QueueRules(rank=1, wait_max_s=36_000.0),
        "main": PATIENT,
        "side": QueueRules(target_s=120.0, wait_max_s=36_000.0),
    }
    staff = (
        agents(8, "main")
        | agents(8, "main", "gold")
        | agents(6, "main", "side", "gold")
        | agents(3, "side")
    )
    share = {"gold": 0.2, "main": 0.5, "side": 0.2}
    capacity = 25 * HOUR_S / CYCLE_S
    rate = business(capacity * 1.2, capacity * 0.6)
    return Shape(
        FloorRules(queues, staff),
        lambda queue, second: share[queue] * rate(queue, second),
        {queue: part * capacity * 1.2 for queue, part in share.items()},
        lambda queue, second: 260.0 if queue == "side" else 180.0,
        office(list(staff)),
        patience_s=900.0,
    )


SHAPES = {
    "steady": steady,
    "peaks": peaks,
    "lunch": lunch,
    "slower": slower,
    "few": few,
    "many": many,
    "mixed": mixed,
}
