"""Facts of the floor, as the journal keeps them (the queues' share).

The first form is written by ``queues.floor``; recovery applies them and never decides again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Presence = Literal[
    "signed-out", "available", "offered", "talking", "wrap-up", "on-break", "reserved"
]
VisitEnd = Literal["connected", "abandoned", "overflowed", "callback-requested", "removed"]
OfferEnd = Literal["accepted", "refused", "rung-out", "withdrawn", "unreachable"]


@dataclass(frozen=True, slots=True)
class CallQueued:
    """A queue visit begins. ``deadline`` and ``rank`` are the call's sort key with the entry's order."""

    queue: str
    priority: int
    rank: int
    deadline: float
    skills: dict[str, int] = field(default_factory=dict)
    place: int = 0  # the floor's own sequence: ties go to the smaller


@dataclass(frozen=True, slots=True)
class OfferMade:
    """This call to this agent, exclusively, with the reasons of the choice.

    ``runners_up`` are (agent, sort key as text), ``excluded`` counts by reason.
    """

    agent: str
    fence: int
    queue: str
    lease_until: float
    floor_version: int
    runners_up: tuple[tuple[str, str], ...] = ()
    excluded: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OfferEnded:
    agent: str
    fence: int
    queue: str
    end: OfferEnd
    cause: str = ""


@dataclass(frozen=True, slots=True)
class QueueVisitEnded:
    queue: str
    end: VisitEnd
    waited_s: float
    short: bool = False


@dataclass(frozen=True, slots=True)
class AgentPresence:
    """An agent's presence changed (the entry's call is the call concerned, or "")."""

    agent: str
    presence: Presence
    reason: str = ""
    queue: str = ""


EVENTS = (CallQueued, OfferMade, OfferEnded, QueueVisitEnded, AgentPresence)
