"""Trials of a staffing: a queue with so many agents, through the production floor.

One queue, agents who answer at once and do nothing else, as in the formulas; the handling time
is all talk. ``steady`` plays one load for long, ``days`` plays a day with changing load and staff
many times over. Half-widths are of 95 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from main.simulate_day import stream
from queues.events import QueueVisitEnded
from queues.rehearsal.erlang import Aim, Load
from queues.rehearsal.rehearsal import Rehearsal, Shift
from queues.rehearsal.rehearsal_calls import INFINITE, Caller, Expectation, callers
from queues.rehearsal.rehearsal_confidence import Estimate, estimate
from queues.rehearsal.rehearsal_log import Entry, Reader
from queues.rules import AgentRules, FloorRules, QueueRules

QUEUE = "queue"
CONFIDENCE = 0.95
BATCHES = 20
BATCH_CALLS = 1_500
CLOSING_S = 4 * 3600.0  # how long the last agents go on for those who still wait


@dataclass(frozen=True, slots=True)
class Trial:
    """What so many agents came to. None where nothing was answered or nobody called."""

    agents: int
    service_level: Estimate
    asa_s: Estimate
    abandon_rate: Estimate

    def reaches(self, aim: Aim) -> bool:
        """Whether the means are good enough."""
        few_gone = aim.abandon_max is None or self.abandon_rate.mean <= aim.abandon_max
        return self.service_level.mean >= aim.share and few_gone


@dataclass(slots=True)
class Sums:
    """Visits of a batch or an interval, by arrival; ``calls`` are all that came."""

    calls: int = 0
    within: int = 0
    answered: int = 0
    abandoned: int = 0
    waited_s: float = 0.0

    def end(self, event: QueueVisitEnded, within_s: float) -> None:
        """A visit that ``calls`` counts is over."""
        if event.end == "connected":
            self.answered += 1
            self.within += event.waited_s <= within_s
            self.waited_s += event.waited_s
        else:
            self.abandoned += 1

    @property
    def service_level(self) -> float:
        """Strict; of nobody all are in time."""
        return self.within / self.calls if self.calls else 1.0

    @property
    def asa_s(self) -> float:
        return self.waited_s / self.answered if self.answered else 0.0

    @property
    def abandon_rate(self) -> float:
        return self.abandoned / self.calls if self.calls else 0.0


def rules(queue: str, agents: int) -> FloorRules:
    """One queue that nothing overflows from, and its agents."""
    return FloorRules(
        {queue: QueueRules(wrap_up_s=0.0, wait_max_s=INFINITE)},
        {_agent(number): AgentRules({queue: 1}) for number in range(agents)},
        starvation_s=INFINITE,
        waiting_max=10**9,
    )


def steady(load: Load, agents: int, within_s: float, seed: int) -> Trial:
    """``BATCHES`` batches of ``BATCH_CALLS`` after one that is thrown away: the floor was empty.
    The same callers come for every number of agents."""
    batches = [Sums(BATCH_CALLS) for _ in range(BATCHES + 1)]

    def read(entry: Entry) -> None:
        event = entry.event
        if type(event) is QueueVisitEnded:
            batches[(int(entry.call[1:]) - 1) // BATCH_CALLS].end(event, within_s)

    _play(rules(QUEUE, agents), _so_many(load, seed), None, read, seed)
    kept = batches[1:]
    return Trial(
        agents,
        estimate([sums.service_level for sums in kept], CONFIDENCE),
        estimate([sums.asa_s for sums in kept], CONFIDENCE),
        estimate([sums.abandon_rate for sums in kept], CONFIDENCE),
    )


def fewest(load: Load, aim: Aim, start: int, seed: int) -> list[Trial]:
    """Trials around ``start`` agents, by number of agents, until one is found that reaches the
    aim and is the smallest or has a neighbour below that does not. More agents than the load at
    least, where nobody hangs up: fewer never catch up."""
    least = 1 if load.patience_s < INFINITE else int(load.erlangs) + 1
    agents = max(least, start)
    done = [steady(load, agents, aim.within_s, seed)]
    while done[0].reaches(aim) and done[0].agents > least:
        done.insert(0, steady(load, done[0].agents - 1, aim.within_s, seed))
    while not done[-1].reaches(aim):
        agents += 1
        done.append(steady(load, agents, aim.within_s, seed))
    return done


def days(
    day: Sequence[Expectation],
    agents: Sequence[int],
    within_s: float,
    count: int,
    seed: int,
) -> list[list[Sums]]:
    """``count`` days with so many agents in each interval: sums by day and interval of arrival.
    An agent whose interval ends finishes the talk first."""
    starts = [part.start for part in day]
    found = []
    for number in range(count):
        sums = [Sums() for _ in day]
        place: dict[str, int] = {}
        coming = list(callers(day, partial(stream, seed * 1_000_003 + number)))
        interval = 0
        for index, caller in enumerate(coming, 1):
            while interval + 1 < len(starts) and caller.at >= starts[interval + 1]:
                interval += 1
            place[f"c{index}"] = interval
            sums[interval].calls += 1

        def read(entry: Entry, sums: list[Sums] = sums, place: dict[str, int] = place) -> None:
            event = entry.event
            if type(event) is QueueVisitEnded:
                sums[place[entry.call]].end(event, within_s)

        _play(rules(day[0].queue, max(agents)), coming, _shifts(day, agents), read, seed)
        found.append(sums)
    return found


def _play(
    floor: FloorRules,
    coming: Iterable[Caller],
    shifts: Sequence[Shift] | None,
    read: Reader,
    seed: int,
) -> None:
    opens = shifts[0].start if shifts else 0.0
    Rehearsal(floor, [read], stream(seed, "phones")).run(coming, shifts, opens)


def _so_many(load: Load, seed: int) -> Iterator[Caller]:
    """Exactly as many as the batches hold."""
    calls = (BATCHES + 1) * BATCH_CALLS
    length_s = 2 * calls * 3600.0 / load.calls_per_hour
    whole = Expectation(QUEUE, 0.0, length_s, 2 * calls, load.aht_s, load.patience_s)
    return islice(callers([whole], partial(stream, seed)), calls)


def _shifts(day: Sequence[Expectation], agents: Sequence[int]) -> list[Shift]:
    """Agent k works in the intervals that have more than k agents; the last talks of callers who
    wait at the end are taken by the last interval's agents."""
    shifts: list[Shift] = []
    since: dict[int, float] = {}
    before = day[0].start
    for number, part in enumerate(day):
        going = [  # fewer are needed, or the queue was closed in between
            agent for agent in sorted(since) if agent >= agents[number] or before < part.start
        ]
        shifts += [Shift(_agent(agent), since.pop(agent), before) for agent in going]
        for agent in range(agents[number]):
            since.setdefault(agent, part.start)
        before = part.start + part.length_s
    shifts += [Shift(_agent(agent), start, before + CLOSING_S) for agent, start in since.items()]
    return sorted(shifts, key=lambda shift: (shift.start, shift.agent))


def _agent(number: int) -> str:
    return f"agent-{number:05}"
