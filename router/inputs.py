"""What can happen to a call, in neutral words: no SIP, no RTP, no third party.

The engine translates the SIP core's events, a worker's reports, the IVR's actions and the
floor's effects into these values; ``router.call.step`` takes them one at a time.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from config.values import value

Cause = Literal[
    "bye",  # the far end hung up
    "cancel",  # the caller gave up before we picked up
    "busy",  # 486, 600
    "refused",  # 603 and other refusals by a person or policy
    "no-answer",  # rang, nobody came: 408, 480, 487
    "unreachable",  # nobody there: timer B, 404, 5xx, transport failure
    "lost",  # was up and died: media timeout, dead dialog, session expired, no ACK
    "failed",  # ours: no port, no worker, no common codec
]
DestinationKind = Literal["flow", "queue", "agent", "external", "message", "nowhere"]


@value(frozen=True, slots=True)
class Destination:
    """Where a number, a flow's node or a transfer leads (``message``: a phrase is said)."""

    kind: DestinationKind
    name: str = ""


@value(frozen=True, slots=True)
class Arrive:
    """The caller's INVITE was authorised. ``internal``: an agent's own call, leaves no ticket."""

    leg: str
    caller: str
    dialled: str
    trunk: str
    destination: Destination
    caller_name: str = ""
    sip_call_id: str = ""
    internal: bool = False
    agent: str = ""  # of an internal call: who dials
    targets: tuple[str, ...] = ()  # of an internal call: the phones to ring
    hops: int = 70  # how often the call may still be passed on (RFC 3261 20.22)


@value(frozen=True, slots=True)
class LegRinging:
    leg: str
    early: bool = False  # early media flows


@value(frozen=True, slots=True)
class LegUp:
    leg: str


@value(frozen=True, slots=True)
class LegGone:
    leg: str
    cause: Cause
    detail: str = ""


@value(frozen=True, slots=True)
class LegHeld:
    leg: str


@value(frozen=True, slots=True)
class LegResumed:
    leg: str


@value(frozen=True, slots=True)
class KeyPressed:
    """``signalled``: it came by SIP INFO; a key in RTP passes a bridge by itself."""

    leg: str
    key: str
    signalled: bool = False


@value(frozen=True, slots=True)
class PlayDone:
    leg: str
    play: str


@value(frozen=True, slots=True)
class MediaLost:
    """No RTP from this leg for the timeout although it should be sending."""

    leg: str


# --- from the IVR ---------------------------------------------------------------------------


@value(frozen=True, slots=True)
class FlowSays:
    """``prompts`` are the IVR's own values, passed through untouched to the prompt store."""

    prompts: tuple[object, ...]
    barge_in: bool = True
    hidden: bool = False  # keys pressed from now on are a PIN or a card: never journaled
    works: bool = False  # the flow waits for something of ours then, as in FlowWorks


@value(frozen=True, slots=True)
class FlowWorks:
    """The flow waits for something of ours (a lookup): the caller must not hear silence."""


@value(frozen=True, slots=True)
class FlowQueues:
    queue: str
    priority: int = 0
    rank: int | None = None
    skills: dict[str, int] = field(default_factory=dict)
    prompts: tuple[object, ...] = ()


@value(frozen=True, slots=True)
class FlowDials:
    """``otherwise``: how the dialling ends where there are no targets."""

    destination: Destination
    timeout_s: float
    targets: tuple[str, ...] = ()
    prompts: tuple[object, ...] = ()
    otherwise: Cause = "unreachable"


@value(frozen=True, slots=True)
class FlowTakesMessage:
    greeting: tuple[object, ...]
    max_s: float


@value(frozen=True, slots=True)
class FlowPromisesCallback:
    number: str
    queue: str


@value(frozen=True, slots=True)
class FlowEnds:
    prompts: tuple[object, ...]
    completed: bool
    reason: str
    refused: bool = False  # closed, blocked


# --- from the floor -------------------------------------------------------------------------


@value(frozen=True, slots=True)
class QueueCare:
    """What a waiting caller gets, from the queue's settings."""

    queue: str
    target_s: float = 20.0
    short_abandon_s: float = 5.0
    announce_s: float = 30.0
    callback_key: str = "1"
    language: str = "en"
    tells_position: bool = True
    tells_wait: bool = True
    messages: tuple[object, ...] = ()  # prompts, one each ``message_s``, in turn
    message_s: float = 60.0


@value(frozen=True, slots=True)
class Queued:
    """The floor took the call in."""

    care: QueueCare


@value(frozen=True, slots=True)
class Offered:
    """The floor offers this call to an agent whose phones are ``targets``. A ring-all queue makes
    several offers at once, each with a fence of its own. ``each_s``: the phones ring one after
    another, so long each; 0: all at once."""

    agent: str
    fence: int
    queue: str
    ring_s: float
    targets: tuple[str, ...]
    each_s: float = 0.0


@value(frozen=True, slots=True)
class Withdrawn:
    agent: str
    fence: int
    reason: str


@value(frozen=True, slots=True)
class OfferWon:
    """The floor confirmed: this agent, this call, this fence."""

    agent: str
    fence: int


@value(frozen=True, slots=True)
class OfferStale:
    """The phone answered too late: the offer was gone."""

    agent: str
    fence: int


@value(frozen=True, slots=True)
class Overflowed:
    """``to``: voicemail, callback, hang-up, flow (its queue node says how it goes on),
    queue:<name>, announcement:<file> (``prompts``) or number:<digits> (``targets``)."""

    to: str
    reason: str = "overflow"
    prompts: tuple[object, ...] = ()
    targets: tuple[str, ...] = ()


@value(frozen=True, slots=True)
class CallBack:
    """A callback is due: dial the caller for whom this agent is reserved. The call's second
    life: its id, record and ticket are those of the first."""

    number: str
    targets: tuple[str, ...]
    care: QueueCare
    agent: str
    fence: int
    ring_s: float
    trunk: str
    dialled: str


@value(frozen=True, slots=True)
class LegRedirected:
    """The phone sent the call on (302). ``target`` is where to, "" where policy forbids it."""

    leg: str
    target: str


# --- from people and the clock ----------------------------------------------------------------


@value(frozen=True, slots=True)
class TransferAsked:
    """Blind transfer of the caller by ``leg`` (REFER) or by the API (leg "")."""

    leg: str
    destination: Destination
    targets: tuple[str, ...] = ()  # phones, where the destination is an agent or external


@value(frozen=True, slots=True)
class HangUpAsked:
    """``cut``: the call was not over (a shutdown): a talk is dropped, a menu is our failure."""

    by: str
    cut: bool = False


@value(frozen=True, slots=True)
class TimerFired:
    name: str


Input = (
    Arrive
    | LegRinging
    | LegUp
    | LegGone
    | LegRedirected
    | LegHeld
    | LegResumed
    | KeyPressed
    | PlayDone
    | MediaLost
    | FlowSays
    | FlowWorks
    | FlowQueues
    | FlowDials
    | FlowTakesMessage
    | FlowPromisesCallback
    | FlowEnds
    | Queued
    | Offered
    | Withdrawn
    | OfferWon
    | OfferStale
    | Overflowed
    | CallBack
    | TransferAsked
    | HangUpAsked
    | TimerFired
)
