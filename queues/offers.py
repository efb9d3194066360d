"""What the floor asks of its shell: facts to journal, phones to ring, calls to move on.

The effects of one call of the floor are in order: a fact always stands before the effect
that it explains, so a shell that journals facts as it meets them has journaled first.
"""

from __future__ import annotations

from typing import Literal

from config.values import value
from queues.events import (
    AgentPresence,
    AgentReachable,
    CallPromoted,
    CallQueued,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
)

FloorEvent = (
    CallQueued
    | CallPromoted
    | OfferMade
    | OfferEnded
    | QueueVisitEnded
    | AgentPresence
    | AgentReachable
)

OverflowReason = Literal["waited too long", "floor full", "queue removed"]


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
    """The call is out of the queue: move it on to ``to`` (the queue's ``overflow`` policy)."""

    call: str
    queue: str
    to: str
    reason: OverflowReason


Effect = Fact | Offer | Withdraw | OfferStale | Overflow
