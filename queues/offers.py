"""What the floor asks of its shell: facts to journal, phones to ring, calls to move on.

The effects of one call of the floor are in order: a fact always stands before the effect
that it explains, so a shell that journals facts as it meets them has journaled first.
"""

from __future__ import annotations

from typing import Literal, get_args

from config.values import value
from queues.events import (
    AgentPresence,
    AgentReachable,
    BreakOverrun,
    CallbackDue,
    CallbackEnd,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    CallChanged,
    CallPromoted,
    CallQueued,
    CallWidened,
    OfferEnded,
    OfferMade,
    PlaceKept,
    QueueVisitEnded,
    WaitRaised,
)

FloorEvent = (
    CallQueued
    | CallWidened
    | CallChanged
    | CallPromoted
    | OfferMade
    | OfferEnded
    | QueueVisitEnded
    | AgentPresence
    | AgentReachable
    | BreakOverrun
    | CallbackPlaced
    | CallbackMissed
    | CallbackDue
    | CallbackReached
    | CallbackEnded
    | PlaceKept
    | WaitRaised
)

FLOOR_FACTS: tuple[type, ...] = get_args(FloorEvent)

OverflowReason = Literal[
    "waited too long",
    "expected wait too long",
    "queue full",
    "floor full",
    "queue closed",
    "nobody signed in",
    "nobody working",
    "queue removed",
]


@value(frozen=True, slots=True)
class Fact:
    """Journal this, at the ``now`` that was passed in; ``call`` is "" where none is concerned."""

    call: str
    event: FloorEvent


@value(frozen=True, slots=True)
class Offer:
    """Ring this agent's phone for this call; give up after ``ring_timeout_s`` by ``refuse``."""

    call: str
    agent: str
    fence: int
    queue: str
    ring_timeout_s: float


@value(frozen=True, slots=True)
class Withdraw:
    """Stop ringing; an answer that crosses this comes back as ``OfferStale``."""

    call: str
    agent: str
    fence: int
    reason: str


@value(frozen=True, slots=True)
class OfferStale:
    """The phone answered an offer that is over: hang that leg up, bridge nobody."""

    agent: str
    fence: int


@value(frozen=True, slots=True)
class Overflow:
    """The call is out of the queue: move it on to ``to`` (the queue's ``overflow`` policy).
    ``origin`` is for ``enqueue`` where that is another queue, so that it keeps its place."""

    call: str
    queue: str
    to: str
    reason: OverflowReason
    origin: float = 0.0


@value(frozen=True, slots=True)
class Reserve:
    """An agent is held for a callback: dial ``number`` now. ``Floor.callback_reached`` where the
    caller answered, ``Floor.callback_missed`` where not; a ``Withdraw`` of the fence ends it."""

    call: str
    agent: str
    fence: int
    queue: str
    number: str
    trunk: str
    dialled: str
    language: str
    ring_s: float


@value(frozen=True, slots=True)
class Moved:
    """A supervisor moved the waiting call to another queue; its place went along."""

    call: str
    queue: str


@value(frozen=True, slots=True)
class BreakRefused:
    """The agent may not take this break: ``why`` in plain words."""

    agent: str
    reason: str
    why: str


@value(frozen=True, slots=True)
class CallbackOver:
    """The callback's entry is gone without a talk (given up, expired, cancelled): stop dialling
    and tell the ticket."""

    call: str
    end: CallbackEnd
    cause: str


Effect = (
    Fact | Offer | Withdraw | OfferStale | Overflow | Reserve | Moved | BreakRefused | CallbackOver
)
