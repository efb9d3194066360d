"""What a call wants done, in neutral words.

Inner effects (floor, flow, timers, facts) take place at once in the engine's turn; outer ones
(legs, media) wait until the turn's facts are durable, so that nothing shows outside that a
crash could forget.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from config.values import value

# --- inner ----------------------------------------------------------------------------------


@value(frozen=True, slots=True)
class Fact:
    """Append to the journal."""

    event: object


@value(frozen=True, slots=True)
class StartFlow:
    flow: str


FlowInput = Literal["digit", "play-ended", "tick", "dial-ended", "voicemail-ended", "queue-left"]


@value(frozen=True, slots=True)
class StepFlow:
    """Give the IVR an input; its actions come back as Flow... inputs."""

    what: FlowInput
    value: str = ""


@value(frozen=True, slots=True)
class EnterQueue:
    queue: str
    priority: int = 0
    rank: int | None = None
    skills: dict[str, int] = field(default_factory=dict)
    head: bool = False
    origin: float = 0.0  # since when the caller has waited, in another queue; 0: from now on


@value(frozen=True, slots=True)
class LeaveQueue:
    end: Literal["abandoned", "overflowed", "removed"]


@value(frozen=True, slots=True)
class RequestCallback:
    """The caller keeps the place in ``queue`` without holding the line: ``number`` is dialled
    when its turn comes. Who does not wait (any more) takes a place there as by ``EnterQueue``."""

    queue: str
    number: str
    priority: int = 0
    rank: int | None = None
    skills: dict[str, int] = field(default_factory=dict)
    origin: float = 0.0


@value(frozen=True, slots=True)
class CallbackReached:
    """The caller of a callback is on the line: ring the reserved agent."""

    agent: str
    fence: int


@value(frozen=True, slots=True)
class CallbackMissed:
    """The caller of a callback was not reached."""

    fence: int
    cause: str


@value(frozen=True, slots=True)
class AcceptOffer:
    agent: str
    fence: int


@value(frozen=True, slots=True)
class RefuseOffer:
    agent: str
    fence: int
    end: Literal["refused", "rung-out", "unreachable"]
    cause: str


@value(frozen=True, slots=True)
class AgentDone:
    """The agent's part in this call is over: wrap-up follows (``lost``: the phone died)."""

    agent: str
    lost: bool = False


@value(frozen=True, slots=True)
class AgentBusy:
    """The agent talks outside the queue (a transfer to the person, an own call)."""

    agent: str
    reason: str


@value(frozen=True, slots=True)
class SetTimer:
    """Fire TimerFired(name) at ``at``; the same name again replaces it."""

    name: str
    at: float


@value(frozen=True, slots=True)
class ClearTimer:
    name: str


@value(frozen=True, slots=True)
class Finished:
    """The call is over; only its files are still to be finished."""


# --- outer ----------------------------------------------------------------------------------


@value(frozen=True, slots=True)
class PickUp:
    """Answer the caller's leg: LegUp or LegGone follows."""

    leg: str


@value(frozen=True, slots=True)
class Dial:
    """Call out: LegRinging, LegUp or LegGone follow. ``target``: see engine.targets."""

    leg: str
    target: str
    caller: str
    caller_name: str = ""
    hops: int = 70  # of the call; at 0 nothing is dialled, else the far end is given one less


@value(frozen=True, slots=True)
class Drop:
    """End a leg and its media. ``status``: what a leg that is not up yet is refused with."""

    leg: str
    reason: str
    status: int = 0


@value(frozen=True, slots=True)
class Play:
    """Play prompts to a leg, then music (or silence); PlayDone(play) follows where ``report``."""

    leg: str
    play: str
    prompts: tuple[object, ...]
    then_music: bool = True
    stop_on_digit: bool = False


@value(frozen=True, slots=True)
class Phrase:
    """A named phrase of the shipped set, for Play. ``number`` where the phrase has one."""

    name: str
    language: str
    number: int = 0


@value(frozen=True, slots=True)
class TellPosition:
    """Play the call's position in its queue (looked up when it is played), then music."""

    leg: str
    play: str
    language: str
    callback_key: str
    greeting: bool = False  # the first time: the callback is offered, too
    first: tuple[object, ...] = ()  # said before it
    position: bool = True
    wait: bool = True  # tell the expected wait where it is known


@value(frozen=True, slots=True)
class Join:
    """Bridge two legs; if one goes the other hears music."""

    left: str
    right: str


@value(frozen=True, slots=True)
class Record:
    recording: str
    path: str
    left: str
    right: str = ""


@value(frozen=True, slots=True)
class StopRecording:
    recording: str


@value(frozen=True, slots=True)
class SendKey:
    """Send a key to a leg's far end as RFC 4733 events; ``number`` tells this press from others."""

    leg: str
    key: str
    number: int


@value(frozen=True, slots=True)
class Probe:
    """Ask a silent leg whether it is still there (a refresh of its session)."""

    leg: str


@value(frozen=True, slots=True)
class TransferFate:
    """Tell the leg that asked for a transfer (REFER) how it ended."""

    leg: str
    status: int


Inner = (
    Fact
    | StartFlow
    | StepFlow
    | EnterQueue
    | LeaveQueue
    | RequestCallback
    | CallbackReached
    | CallbackMissed
    | AcceptOffer
    | RefuseOffer
    | AgentDone
    | AgentBusy
    | SetTimer
    | ClearTimer
    | Finished
)
Outer = (
    PickUp
    | Dial
    | Drop
    | Play
    | TellPosition
    | Join
    | Record
    | StopRecording
    | SendKey
    | Probe
    | TransferFate
)
Effect = Inner | Outer
