"""A call: one caller's visit, from arrival to end, as a pure state machine.

``step(call, input, now)`` changes the call and returns what to do. ``TABLE`` maps (phase,
input) to the function that handles it; what is in ``IGNORED`` means nothing in that phase
(a late report, a key while talking). A test walks the whole product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from router import effects as do
from router.effects import EnterQueue
from router.events import CallEnded, RecordingStarted, SecondLifeEnded
from router.inputs import Cause, Destination, QueueCare
from router.outcome import Milestones, outcome_of

Phase = Literal[
    "new",
    "arriving",
    "calling-back",
    "flow",
    "waiting",
    "dialling",
    "talking",
    "voicemail",
    "closing",
    "ended",
]
PHASES: tuple[Phase, ...] = (
    "new",
    "arriving",
    "calling-back",
    "flow",
    "waiting",
    "dialling",
    "talking",
    "voicemail",
    "closing",
    "ended",
)
Role = Literal["caller", "agent", "outside"]
LegState = Literal["dialling", "ringing", "up", "held", "gone"]

CLOSING_S_MAX = 60.0  # a worker that never reports the end of a goodbye
RING_S_TRANSFER = 30.0
TIMERS = ("announce", "message", "ring", "closing", "voicemail")
LEGS_KEPT = 256  # of a call, while some of them are over
NOWHERE = Destination("nowhere")


@dataclass(frozen=True, slots=True)
class CallRules:
    """Policy that a call carries from its arrival (a reload changes later calls)."""

    record: bool = True
    recordings_dir: str = ""
    voicemail_s_max: float = 180.0
    language: str = "en"


@dataclass(slots=True)
class Leg:
    """One party's connection: ``agent`` names the person behind an agent's phone."""

    id: str
    role: Role
    state: LegState
    agent: str = ""
    target: str = ""


@dataclass(slots=True)
class Offer:
    """An offer of the floor in progress, to one agent: the phones that ring for it."""

    agent: str
    fence: int
    queue: str
    targets: tuple[str, ...]  # phones that are still to ring, one after another
    until: float  # when the agent has rung out
    each_s: float = 0.0  # a phone rings so long before the next one does; 0: all at once
    legs: tuple[str, ...] = ()
    redirects: int = 0
    winner: str = ""  # the leg that answered, while the floor confirms
    worst: Cause = "unreachable"  # the most telling cause among the legs that ended
    why: str = "no phone registered"  # the same in words


@dataclass(slots=True)
class Attempt:
    """Dialling out for the flow, a transfer or an agent's own call."""

    destination: Destination
    legs: tuple[str, ...]
    by_leg: str = ""  # whose REFER it was
    by_agent: str = ""
    worst: Cause = "unreachable"
    instead: Literal["flow", "message"] = "flow"  # what follows where nobody answers


@dataclass(slots=True)
class SecondLife:
    """A callback: the agent who is held for it, and the ways to the caller that are left."""

    agent: str  # until their phone rings
    fence: int
    targets: tuple[str, ...]


@dataclass(slots=True)
class Call:
    """The state of one call; plain data, so that take-over can rebuild it."""

    id: str
    rules: CallRules = CallRules()
    phase: Phase = "new"
    internal: bool = False
    caller: str = ""
    caller_name: str = ""
    dialled: str = ""
    trunk: str = ""
    hops: int = 70  # that the caller's INVITE had left: a dial that comes back here ends
    destination: Destination = NOWHERE
    caller_leg: str = ""
    other_leg: str = ""  # whom the caller talks with
    legs: dict[str, Leg] = field(default_factory=dict)
    legs_made: int = 0
    plays_made: int = 0
    keys_sent: int = 0
    play: str = ""
    care: QueueCare | None = None
    welcome: tuple[object, ...] = ()  # said on entering the queue, before the position
    queue: str = ""
    waits_since: float = 0.0  # the clock of the place: overflow to another queue keeps it
    left_by_overflow: tuple[str, ...] = ()  # queues that are not entered again in this wait
    wish: EnterQueue | None = None  # what the flow asked of the queue
    announce_at: float = 0.0  # when the next announcement is due, 0.0: none
    speaks_until: float = 0.0  # something is said to the waiting caller, at the longest till then
    due: tuple[str, ...] = ()  # what is said after it
    messages_said: int = 0
    promised_at: float = 0.0  # by when the waiting caller was told to be answered, 0.0: not told
    second: SecondLife | None = None
    agent: str = ""  # the last agent who joined
    offers: dict[int, Offer] = field(default_factory=dict)  # by fence
    attempt: Attempt | None = None
    hidden_keys: bool = False
    variables: dict[str, str] = field(default_factory=dict)  # what the flow shows the agent
    talk_since: float = 0.0
    talked_s: float = 0.0
    recording: str = ""
    recordings_made: int = 0
    after_message: Literal["flow", "goodbye"] = "goodbye"
    message_s_max: float = 0.0  # the longest message, from its beep
    callback_number: str = ""
    end_cause: Cause = "bye"
    marks: Milestones = field(default_factory=Milestones)

    @property
    def second_life(self) -> bool:
        """The caller asked to be called back: the call ended once already, with its one
        CallEnded; the floor's CallbackEnded tells how this ends."""
        return self.second is not None

    @property
    def life(self) -> str:
        """Sets the ids of a second life apart from those of the first."""
        return f"b{self.second.fence}" if self.second is not None else ""


def new_leg(call: Call, role: Role, *, agent: str = "", target: str = "") -> Leg:
    if len(call.legs) >= LEGS_KEPT:
        _forget_a_leg(call)
    call.legs_made += 1
    number = f"{call.life}-{call.legs_made}" if call.second_life else str(call.legs_made)
    leg = Leg(f"{call.id}.{number}", role, "dialling", agent, target)
    call.legs[leg.id] = leg
    return leg


def _forget_a_leg(call: Call) -> None:
    """A long wait rings many phones; the oldest that is over makes room."""
    for leg in call.legs.values():
        if leg.state == "gone" and leg.id != call.caller_leg:
            del call.legs[leg.id]
            return


def new_play(call: Call) -> str:
    call.plays_made += 1
    call.play = f"{call.id}.{call.life}p{call.plays_made}"
    return call.play


def ring_timer(fence: int) -> str:
    """The name of the timer of an offer."""
    return f"ring-{fence}"


def is_up(call: Call, leg: str) -> bool:
    found = call.legs.get(leg)
    return found is not None and found.state in ("up", "held")


def fact(call: Call, event: object) -> list[do.Effect]:
    """The fact to journal; an agent's own call leaves none."""
    return [] if call.internal else [do.Fact(event)]


def drop(call: Call, leg_id: str, reason: str, status: int = 0) -> list[do.Effect]:
    """End a leg of ours; nothing where it is gone already."""
    leg = call.legs.get(leg_id)
    if leg is None or leg.state == "gone":
        return []
    leg.state = "gone"
    return [do.Drop(leg_id, reason, status)]


def stop_recording(call: Call) -> list[do.Effect]:
    recording, call.recording = call.recording, ""
    return [do.StopRecording(recording)] if recording else []


def keeps_busy(call: Call) -> bool:
    """Whether who dials is in a call in person: also who hears that calls come from now on, for
    a phone with one line would refuse one before that is said."""
    to = call.destination
    return call.internal and (to.kind != "message" or to.name in ("signed-in", "ready"))


def talk_ended(call: Call, now: float) -> None:
    if call.talk_since:
        call.talked_s += max(0.0, now - call.talk_since)
        call.talk_since = 0.0


def end(
    call: Call,
    now: float,
    cause: Cause,
    detail: str = "",
    status: int = 0,
    leaves: Literal["abandoned", "removed"] = "abandoned",
) -> list[do.Effect]:
    """The one way a call ends: every leg down, the queue left, one CallEnded (in its first
    life)."""
    out: list[do.Effect] = []
    if call.phase == "calling-back" and call.second is not None:
        out.append(do.CallbackMissed(call.second.fence, detail or cause))
    if call.phase == "waiting":
        call.marks.waited_s = max(0.0, now - call.marks.queued)
        out.append(do.LeaveQueue(leaves))
    talk_ended(call, now)
    other = call.legs.get(call.other_leg)
    if other is not None and other.agent:
        out.append(do.AgentDone(other.agent))
    attempt = call.attempt
    if attempt is not None and attempt.destination.kind == "agent":
        out.append(do.AgentDone(attempt.destination.name))
    dialler = call.legs.get(call.caller_leg)
    if dialler is not None and keeps_busy(call):
        out.append(do.AgentDone(dialler.agent))
    for offer in call.offers.values():
        if offer.winner:  # answered, and the caller left before the floor's word was heard
            out.append(do.AgentDone(offer.agent))
        out.append(do.ClearTimer(ring_timer(offer.fence)))
    call.other_leg = ""
    call.offers.clear()
    call.attempt = None
    out += stop_recording(call)
    for leg_id in list(call.legs):
        out += drop(call, leg_id, detail or cause, status)
    call.phase = "ended"
    call.marks.ended = now
    out += [do.ClearTimer(name) for name in TIMERS]
    return [*out, *_ended(call, cause, detail), do.Finished()]


def _ended(call: Call, cause: Cause, detail: str) -> list[do.Effect]:
    waited_s, talked_s = round(call.marks.waited_s, 3), round(call.talked_s, 3)
    if call.second_life:
        if not call.marks.picked_up:
            return []
        return fact(
            call, SecondLifeEnded(detail or cause, call.queue, call.agent, waited_s, talked_s)
        )
    ended = CallEnded(
        outcome=outcome_of(call.marks, cause),
        cause=detail or cause,
        queue=call.queue,
        agent=call.agent,
        waited_s=waited_s,
        talked_s=talked_s,
        callback_number=call.callback_number,
        no_recording="" if call.recordings_made else _why_no_recording(call),
        language=call.care.language if call.care else call.rules.language,
    )
    return fact(call, ended)


def _why_no_recording(call: Call) -> str:
    if not call.rules.record:
        return "recording is switched off"
    return "nobody talked"


def start_recording(call: Call, right: str, kind: Literal["talk", "voicemail"]) -> list[do.Effect]:
    """Begin, or go on with another right side (a second agent joins the same file)."""
    if not call.rules.record or call.internal:
        return []
    begun = not call.recording
    if begun:
        call.recordings_made += 1
        call.recording = f"{call.id}-{call.life}r{call.recordings_made}"
    path = f"{call.rules.recordings_dir}/{call.recording}.part"
    record = do.Record(call.recording, path, call.caller_leg, right)
    if not begun:
        return [record]
    return [*fact(call, RecordingStarted(call.recording, path, kind)), record]


def close_with(
    call: Call, now: float, prompts: tuple[object, ...], cause: Cause
) -> list[do.Effect]:
    """Say goodbye, then end; the outcome is settled by the milestones."""
    call.end_cause = cause
    if not prompts or not is_up(call, call.caller_leg):
        return end(call, now, cause)
    call.phase = "closing"
    return [
        do.Play(call.caller_leg, new_play(call), prompts, then_music=False),
        do.SetTimer("closing", now + CLOSING_S_MAX),
    ]
