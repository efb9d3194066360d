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
OfferKind = Literal["call", "callback"]
CallbackEnd = Literal["connected", "abandoned", "gave-up", "expired", "cancelled"]
CallbackStage = Literal["due", "resting", "live"]
RaiseReason = Literal["inserted-ahead", "agent-left", "slower-than-expected"]

SortKey = tuple[int, float, int]
"""(level in the queue, the strategy's figure, other queues served): the smallest is rung."""


@dataclass(frozen=True, slots=True)
class FloorRulesAdopted:
    """From here on the floor obeys these rules (at start and at each reload). The rules stand in
    a file beside the log that the digest names; replays and explanations read them there."""

    digest: str


@dataclass(frozen=True, slots=True)
class CallQueued:
    """A queue visit begins. ``rank``, ``deadline`` and ``place`` are the call's sort key.

    ``origin`` is when the clock of its place began (0: now): earlier for a call that resumes
    its place or comes from another queue. ``level_max`` (0: any) and ``only`` restrict who may
    answer: the weakest level, and the one agent who knows the caller or is asked for.
    """

    queue: str
    priority: int
    rank: int
    deadline: float
    skills: dict[str, int] = field(default_factory=dict)
    place: int = 0  # the floor's own sequence: ties go to the smaller
    returned: bool = False  # back at the head after the agent was lost: the same visit goes on
    target_s: float = 20.0  # the queue's aim as it was; service levels are judged by it
    origin: float = 0.0
    resumed: bool = False  # redialled in time: the place of the abandoned visit
    promoted: bool = False  # the starvation bound had lifted it before
    level_max: int = 0
    only: str = ""
    caller: str = ""  # whose place may be resumed; "" for a withheld number


@dataclass(frozen=True, slots=True)
class CallWidened:
    """Waiting changed who may answer: the requirements from here on (see ``CallQueued``)."""

    queue: str
    skills: dict[str, int]
    level_max: int
    only: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class CallChanged:
    """A supervisor or a flow changed a waiting call; its sort key and needs from here on."""

    queue: str
    priority: int
    rank: int
    deadline: float
    skills: dict[str, int]
    by: str = ""


@dataclass(frozen=True, slots=True)
class CallPromoted:
    """The starvation bound lifted a waiting call over all classes but emergency."""

    queue: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class OfferMade:
    """This call to this agent, with the reasons of the choice; a callback's agent is reserved.

    ``key`` is the winner's sort key, ``runners_up`` are (agent, sort key), ``excluded`` counts
    the queue's other agents by reason. ``floor_version`` counts the facts before this one.
    """

    agent: str
    fence: int
    queue: str
    lease_until: float
    floor_version: int
    runners_up: tuple[tuple[str, SortKey], ...] = ()
    excluded: dict[str, int] = field(default_factory=dict)
    key: SortKey = (0, 0.0, 0)
    strategy: str = "longest-idle"
    kind: OfferKind = "call"


@dataclass(frozen=True, slots=True)
class OfferEnded:
    agent: str
    fence: int
    queue: str
    end: OfferEnd
    cause: str = ""


@dataclass(frozen=True, slots=True)
class QueueVisitEnded:
    """``returned``: the end of the wait after a lost agent; figures count the visit once.
    ``cause`` is why the floor ended it: of an overflow, or who moved the call elsewhere."""

    queue: str
    end: VisitEnd
    waited_s: float
    short: bool = False
    returned: bool = False
    cause: str = ""


@dataclass(frozen=True, slots=True)
class AgentPresence:
    """An agent's presence changed (the entry's call is the call concerned, or "").

    ``until`` is when wrap-up ends, or a break with a limit should. ``after`` is what follows the
    talk or the wrap-up when it is not "available": a break or a sign-out that was asked for
    meanwhile, for ``after_reason``.
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


@dataclass(frozen=True, slots=True)
class BreakOverrun:
    """The agent's break is longer than its limit."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallbackPlaced:
    """The caller hung up and keeps the place: an entry with the visit's key, counted apart.

    It becomes due like the call would have; ``number`` is dialled through ``trunk`` then.
    Follows the visit's end "callback-requested".
    """

    queue: str
    number: str
    priority: int
    rank: int
    deadline: float
    place: int
    origin: float
    expires_at: float
    skills: dict[str, int] = field(default_factory=dict)
    promoted: bool = False
    level_max: int = 0
    trunk: str = ""
    dialled: str = ""  # what the caller had dialled: shown to them when we call
    language: str = "en"


CLOSED, ASKED_AGAIN = "queue closed", "asked for again"
RESTS = (CLOSED, ASKED_AGAIN)


@dataclass(frozen=True, slots=True)
class CallbackMissed:
    """An attempt reached nobody, or (a cause of ``RESTS``: no attempt was made, its number stays)
    the turn came while the queue is closed, or the caller, on the line again, asked once more.
    The entry rests until ``next_at`` with its place unchanged."""

    queue: str
    attempt: int
    cause: str
    next_at: float


@dataclass(frozen=True, slots=True)
class CallbackDue:
    """The entry has rested: from here on an agent may be reserved for it again."""

    queue: str


@dataclass(frozen=True, slots=True)
class CallbackReached:
    """The caller is on the line again and the reserved agent's phone rings: a visit goes on."""

    queue: str
    agent: str
    fence: int


@dataclass(frozen=True, slots=True)
class CallbackEnded:
    """The entry is over; ``attempts`` counts how often the caller was dialled."""

    queue: str
    end: CallbackEnd
    attempts: int
    agent: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class PlaceKept:
    """A place as it stands, told again so that the log before it may leave. Who knows the call
    learns nothing from it. ``number`` is not "" for the place that a callback keeps."""

    queue: str
    priority: int
    rank: int
    deadline: float
    place: int
    origin: float
    since: float
    skills: dict[str, int] = field(default_factory=dict)
    level_max: int = 0
    only: str = ""
    returned: bool = False
    resumed: bool = False
    promoted: bool = False
    caller: str = ""
    number: str = ""
    trunk: str = ""
    dialled: str = ""
    language: str = "en"
    expires_at: float = 0.0
    attempts: int = 0
    stage: CallbackStage = "due"
    next_at: float = 0.0


@dataclass(frozen=True, slots=True)
class WaitRaised:
    """A wait that was told to the caller grew, and why; seconds from now."""

    queue: str
    reason: RaiseReason
    low_s: float
    high_s: float


EVENTS = (
    FloorRulesAdopted,
    CallQueued,
    CallWidened,
    CallChanged,
    CallPromoted,
    OfferMade,
    OfferEnded,
    QueueVisitEnded,
    AgentPresence,
    AgentReachable,
    BreakOverrun,
    CallbackPlaced,
    CallbackMissed,
    CallbackDue,
    CallbackReached,
    CallbackEnded,
    PlaceKept,
    WaitRaised,
)
