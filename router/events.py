"""Facts of a call, as the journal keeps them (the router's share).

Plain frozen values: JSON-like fields only, so that any codec can keep them. A fact is never
changed; a new need is a new event or a new field with a default. Times are unix seconds,
telephone numbers stand as they came (masking is the log's and the metrics' business).
``call`` and the time of the fact stand in the journal's entry, not in the event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal[
    "answered",
    "missed",
    "short-abandoned",
    "left-in-ivr",
    "completed-in-ivr",
    "dropped",
    "voicemail",
    "callback-requested",
    "dialled-out",
    "overflowed",
    "refused",
    "failed",
]


@dataclass(frozen=True, slots=True)
class CallArrived:
    """An authorised trunk brought a call. The one event that makes a ticket due."""

    caller: str
    dialled: str
    trunk: str
    caller_name: str = ""
    sip_call_id: str = ""


@dataclass(frozen=True, slots=True)
class CallPickedUp:
    """We answered the caller's leg (the IVR picks up at second 0)."""


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """A key, and whose. Keys of hidden input (PINs, cards) are journaled as ``*``."""

    leg: str
    key: str


@dataclass(frozen=True, slots=True)
class LegDialled:
    """We sent an INVITE for this leg: an agent's phone, a transfer's target, a callback."""

    leg: str
    target: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class LegEnded:
    """A leg other than the caller's is over: cause ``bye``, ``refused 486``, ``no answer``..."""

    leg: str
    cause: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class CallConnected:
    """Caller and agent (or dialled party) are bridged: from here on they talk."""

    leg: str
    agent: str = ""
    queue: str = ""
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CallHeld:
    """A leg put the other on hold."""

    leg: str


@dataclass(frozen=True, slots=True)
class CallResumed:
    leg: str


@dataclass(frozen=True, slots=True)
class CallTransferred:
    """A blind transfer took effect; talk time up to here is ``by``'s."""

    by: str
    target: str


@dataclass(frozen=True, slots=True)
class CallSentOn:
    """Where a call went that a queue's rules sent on: ``flow``, ``voicemail``, ``callback``,
    ``queue:<name>``, ``announcement``, ``number`` or ``hang-up``."""

    queue: str
    to: str


@dataclass(frozen=True, slots=True)
class AgentLost:
    """The agent's leg died while talking; the caller goes to the head of the queue."""

    agent: str
    cause: str


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    recording: str
    path: str
    kind: Literal["talk", "voicemail"] = "talk"


@dataclass(frozen=True, slots=True)
class RecordingClosed:
    """The worker closed the file; finishing (WAV, SHA-256) follows as its own event."""

    recording: str
    path: str
    started: float
    ended: float
    left_packets: int
    right_packets: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class LegQuality:
    """Media figures of a leg, once, when it closes."""

    leg: str
    received: int
    sent: int
    lost: int
    jitter_ms: float
    remote_lost: int = 0
    remote_jitter_ms: float = 0.0
    round_trip_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over: exactly one per CallArrived."""

    outcome: Outcome
    cause: str
    queue: str = ""
    agent: str = ""
    waited_s: float = 0.0
    talked_s: float = 0.0
    callback_number: str = ""
    no_recording: str = ""  # why there is none; "" when there is one
    language: str = ""
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class SecondLifeEnded:
    """A caller who was called back is gone again: nothing more comes of this call, and its
    recordings are complete. One for each time that the caller was reached; what became of the
    callback itself is the floor's CallbackEnded."""

    cause: str
    queue: str = ""
    agent: str = ""
    waited_s: float = 0.0
    talked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """A new engine generation took over the journal (call is ""). ``supervisor`` names the
    process that started it: while that one lives, so do sockets and workers."""

    generation: int
    version: str
    supervisor: str = ""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """A worker's numbered report was taken over up to here (call is "").

    ``worker`` is name, pid and start time: another process of the same name counts from 1 again.
    """

    worker: str
    number: int


@dataclass(frozen=True, slots=True)
class PhoneRegistered:
    """A phone of SIP user ``user`` is reached by this flow (call is "").

    Written when the contact is new or its path changed; a mere refresh is written only now and
    then, which is why ``until`` may lie beyond what the phone asked for: the contact holds until
    then unless PhoneGone says otherwise. ``connection`` is of the process that wrote it.
    """

    user: str
    uri: str
    transport: Literal["udp", "tcp"]
    host: str
    port: int
    until: float
    connection: int = 0
    listener: int = 0
    q: float = 1.0
    sip_call_id: str = ""
    cseq: int = 0
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class PhoneGone:
    """A contact is no more (call is ""): ``unregistered``, ``expired``, ``stream closed``..."""

    user: str
    uri: str
    cause: str


EVENTS = (
    CallArrived,
    CallPickedUp,
    DigitPressed,
    LegDialled,
    LegEnded,
    CallConnected,
    CallHeld,
    CallResumed,
    CallTransferred,
    CallSentOn,
    AgentLost,
    RecordingStarted,
    RecordingClosed,
    LegQuality,
    CallEnded,
    SecondLifeEnded,
    EngineStarted,
    WorkerReport,
    PhoneRegistered,
    PhoneGone,
)
