"""Logs that no floor would write: any fact at any time, for what must hold whatever comes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, get_args

import msgspec

from queues.events import (
    AgentPresence,
    BreakOverrun,
    CallbackEnd,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    CallQueued,
    OfferEnd,
    OfferEnded,
    OfferMade,
    Presence,
    QueueVisitEnded,
    RaiseReason,
    VisitEnd,
    WaitRaised,
)
from queues.figures.statistics import Statistics
from queues.figures.statistics_kept import interval, intervals, under_way
from router.events import (
    CallConnected,
    CallEnded,
    CallHeld,
    CallResumed,
    CallTransferred,
    Outcome,
    SecondLifeEnded,
)

QUEUES = ("main", "sales", "@ann")
AGENTS = ("ann", "bob", "cid")
START = 1_772_452_800.0  # a noon


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of the log."""

    seq: int
    at: float
    call: str
    event: Any


def made_up_log(seed: int, length: int) -> list[Line]:
    """Facts over some hours, sometimes with days between them."""
    dice = Random(seed)
    at = START
    lines = []
    for seq in range(1, length + 1):
        at += dice.choice((0.0, 0.0, 0.25, 3.5, 17.0, 60.0, 400.0, 2000.0))
        if dice.random() < 0.005:
            at += dice.choice((90_000.0, 300_000.0))
        lines.append(Line(seq, at, f"c{dice.randrange(8)}", _fact(dice, at)))
    return lines


def _fact(dice: Random, at: float) -> Any:
    queue, agent = dice.choice(QUEUES), dice.choice(AGENTS)
    match dice.randrange(14):
        case 0 | 1:
            target_s = dice.choice((20.0, 600.0))
            back = dice.random() < 0.1
            return CallQueued(queue, 0, 5, at + target_s, target_s=target_s, returned=back)
        case 2:
            end = dice.choice(get_args(VisitEnd))
            return QueueVisitEnded(queue, end, dice.random() * 60, dice.random() < 0.2)
        case 3 | 4 | 5:
            presence = dice.choice(get_args(Presence))
            reason = dice.choice(("", "lunch", "training")) if presence == "on-break" else ""
            return AgentPresence(agent, presence, reason, dice.choice((queue, "")))
        case 6:
            return OfferMade(agent, 1, queue, at + 60, 1)
        case 7:
            return OfferEnded(agent, 1, queue, dice.choice(get_args(OfferEnd)))
        case 8:
            return CallConnected("l2", dice.choice((agent, "")), queue)
        case 9:
            return dice.choice((CallHeld("l1"), CallHeld("l2"), CallResumed("l2")))
        case 10:
            return CallTransferred(agent, "agent bob")
        case 11:
            return dice.choice(
                (
                    CallbackPlaced(queue, "+37120000001", 0, 5, at, 1, at, at + 9000),
                    CallbackMissed(queue, dice.randrange(4), "busy", at + 300),
                    CallbackReached(queue, agent, 1),
                    CallbackEnded(queue, dice.choice(get_args(CallbackEnd)), 1),
                )
            )
        case 12:
            raised = WaitRaised(queue, dice.choice(get_args(RaiseReason)), 5.0, 10.0)
            return dice.choice((raised, BreakOverrun(agent, "lunch")))
    ended = CallEnded(dice.choice(get_args(Outcome)), "bye")
    return dice.choice((ended, ended, SecondLifeEnded("bye")))


def whole(statistics: Statistics) -> Any:
    """Everything that figures are made of, as plain values; sets in order. Without the rows that
    only wait to be taken: when somebody took them is not the figures' affair."""
    waiting = [
        (queue, visits._all, sorted(visits._counted.items()))
        for queue, visits in sorted(statistics.visits.waiting.items())
        if visits
    ]
    first = statistics.visits.ledger.first
    rows = [interval(statistics, at) for at in intervals(statistics) if at >= first]
    return msgspec.to_builtins([under_way(statistics), rows, waiting], order="deterministic")
