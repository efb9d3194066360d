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
    """A queue visit begins. ``rank``, ``deadline`` and ``place`` are the call's sort key."""

    queue: str
    priority: int
    rank: int
    deadline: float
    skills: dict[str, int] = field(default_factory=dict)
    place: int = 0  # the floor's own sequence: ties go to the smaller
    returned: bool = False  # back at the head after the agent was lost: the same visit goes on
    target_s: float = 20.0  # the queue's aim as it was; service levels are judged by it


@dataclass(frozen=True, slots=True)
class CallPromoted:
    """The starvation bound lifted a waiting call over all classes but emergency."""

    queue: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class OfferMade:
    """This call to this agent, exclusively, with the reasons of the choice.

    ``runners_up`` are (agent, sort key as text), ``excluded`` counts by reason, ``key`` is the
    winner's sort key as text.
    """

    agent: str
    fence: int
    queue: str
    lease_until: float
    floor_version: int
    runners_up: tuple[tuple[str, str], ...] = ()
    excluded: dict[str, int] = field(default_factory=dict)
    key: str = ""


@dataclass(frozen=True, slots=True)
class OfferEnded:
    agent: str
    fence: int
    queue: str
    end: OfferEnd
    cause: str = ""


@dataclass(frozen=True, slots=True)
class QueueVisitEnded:
    """``returned``: the end of the wait after a lost agent; figures count the visit once."""

    queue: str
    end: VisitEnd
    waited_s: float
    short: bool = False
    returned: bool = False


@dataclass(frozen=True, slots=True)
class AgentPresence:
    """An agent's presence changed (the entry's call is the call concerned, or "").

    ``until`` is when wrap-up ends. ``after`` is what follows the talk or the wrap-up when it
    is not "available": a break or a sign-out that was asked for meanwhile, for ``after_reason``.
    Talking with an empty ``queue`` is the agent's own call or a call put through in person.
    """

    agent: str
    presence: Presence
    reason: str = ""
    queue: str = ""
    until: float = 0.0
    after: Presence | Literal[""] = ""
    after_reason: str = ""


@dataclass(frozen=True, slots=True)
class AgentReachable:
    """The agent's phone registered, or its last registration is gone (call is "")."""

    agent: str
    reachable: bool


EVENTS = (
    CallQueued,
    CallPromoted,
    OfferMade,
    OfferEnded,
    QueueVisitEnded,
    AgentPresence,
    AgentReachable,
)
