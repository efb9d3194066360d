"""Who calls in a rehearsal: callers made from a forecast, or as they were.

Chance comes in as streams by name, so that the same seed gives the same callers whatever the
settings are: two settings are compared on the same day, call by call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge
from typing import Protocol

from config.values import value

INFINITE = math.inf


class Chance(Protocol):
    """A stream of chance, ``random.Random`` for example."""

    def random(self) -> float:
        """Uniform in [0, 1)."""


Streams = Callable[[str], Chance]
"""A stream of chance by its name: the same name, the same numbers."""


@value(frozen=True, slots=True)
class Caller:
    """One call that will come. ``patience_s`` is how long the caller waits before hanging up.

    ``fate`` is uniform in [0, 1): what else the caller decides (a callback) is taken from it.
    """

    at: float
    queue: str
    talk_s: float
    patience_s: float = INFINITE
    fate: float = 1.0


@value(frozen=True, slots=True)
class Expectation:
    """A forecast of one queue from ``start`` (unix seconds) for ``length_s``: so many calls on
    average, with an average talk (hold included) and patience."""

    queue: str
    start: float
    length_s: float
    calls: float
    talk_s: float
    patience_s: float = INFINITE


def exponential(chance: Chance, mean_s: float) -> float:
    """An exponential time; endless for an endless mean."""
    if mean_s == INFINITE:
        return INFINITE
    return -mean_s * math.log1p(-chance.random())


def callers(forecast: Sequence[Expectation], streams: Streams) -> Iterator[Caller]:
    """Calls by chance (Poisson) at the rate of each interval, exponential talks and patience,
    in the order of arrival; at the same instant by the queue's name."""
    queues: dict[str, list[Expectation]] = {}
    for expectation in forecast:
        queues.setdefault(expectation.queue, []).append(expectation)
    return merge(
        *(_of_queue(queues[name], streams, name) for name in sorted(queues)), key=lambda c: c.at
    )


def _of_queue(forecast: Sequence[Expectation], streams: Streams, queue: str) -> Iterator[Caller]:
    coming = streams(f"{queue} arrivals")
    talks = streams(f"{queue} talks")
    patience = streams(f"{queue} patience")
    fates = streams(f"{queue} fates")
    ahead = exponential(coming, 1.0)  # calls' worth of time until the next one
    for part in sorted(forecast, key=lambda expectation: expectation.start):
        left = part.calls
        while ahead < left:
            left -= ahead
            yield Caller(
                part.start + part.length_s * (1.0 - left / part.calls),
                queue,
                exponential(talks, part.talk_s),
                exponential(patience, part.patience_s),
                fates.random(),
            )
            ahead = exponential(coming, 1.0)
        ahead -= left


@value(frozen=True, slots=True)
class PastCall:
    """A call that was: ``waited_s`` until the talk of ``talk_s`` (hold included) began, or, where
    nobody answered (None), until the caller ``gave_up`` or was taken out of the queue."""

    at: float
    queue: str
    waited_s: float
    talk_s: float | None
    gave_up: bool


def as_they_were(past: Sequence[PastCall], streams: Streams) -> list[Caller]:
    """The same callers again. What their visit did not show is drawn: how much longer an answered
    caller would have waited (their patience is at least the wait; exponential beyond, by the mean
    of the queue: all waits / those who gave up), and how long one who was never answered would
    have talked (a talk of the queue's, picked by chance)."""
    talks: dict[str, list[float]] = {}
    for call in past:
        if call.talk_s is not None:
            talks.setdefault(call.queue, []).append(call.talk_s)
    patience = mean_patience(past)
    chance = streams("what was not seen")
    return [
        Caller(
            call.at,
            call.queue,
            call.talk_s if call.talk_s is not None else _pick(chance, talks.get(call.queue, [])),
            call.waited_s
            if call.gave_up
            else call.waited_s + exponential(chance, patience.get(call.queue, INFINITE)),
            chance.random(),
        )
        for call in sorted(past, key=lambda call: call.at)
    ]


def mean_patience(past: Sequence[PastCall]) -> Mapping[str, float]:
    """By queue: all waits / those who gave up, the likeliest mean of exponential patience where
    answers cut it short. Queues where nobody gave up are left out."""
    waits: dict[str, float] = {}
    gone: dict[str, int] = {}
    for call in past:
        waits[call.queue] = waits.get(call.queue, 0.0) + call.waited_s
        gone[call.queue] = gone.get(call.queue, 0) + call.gave_up
    return {queue: waits[queue] / gone[queue] for queue in sorted(gone) if gone[queue]}


TALK_UNKNOWN_S = 180.0


def _pick(chance: Chance, talks: Sequence[float]) -> float:
    drawn = chance.random()
    return talks[int(drawn * len(talks))] if talks else TALK_UNKNOWN_S
