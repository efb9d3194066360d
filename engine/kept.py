"""What the log keeps of calls beside their facts, so that another engine can take them over.

These are states, not facts: the last one of a call or leg counts, readers pass them over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.kept_codec import Codec
from ivr import actions as ivr
from ivr.position import CallerFacts, Position
from router import call, effects, inputs, outcome
from router.media import protocol as media
from router.sip import effects as sip
from router.sip import sdp, target


@dataclass(frozen=True, slots=True)
class CallKept:
    """A call as its group of the log ends (a ``KeptCall`` by ``CODEC``); empty once nothing of it
    is left."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LegKept:
    """The SIP side of a leg at that moment; empty once it is gone."""

    leg: str
    data: bytes


EVENTS = (CallKept, LegKept)


@dataclass(slots=True)
class KeptIo:
    """An ``engine.leg_io.LegIo`` without its connection to the worker."""

    id: str
    incoming: bool
    peer_host: str
    remote_body: bytes = b""
    target: target.Target | None = None
    local: sdp.LocalMedia | None = None
    local_body: bytes = b""
    agreed: sdp.Negotiated | None = None
    port: int = 0
    internal: bool = False
    ipv6: bool = False
    held: bool = False
    leaving: bool = False
    media_closed: bool = False
    far_end: media.Update | None = None
    ear: media.Play | media.Bridge | None = None


@dataclass(slots=True)
class KeptTape:
    """A recording in progress (``engine.taping.Tape``)."""

    command: media.Record
    begun: float
    segments: int
    runs: bool


@dataclass(slots=True)
class KeptCall:
    """Everything of a call: its core, its timers by name, where it is in its flow, its legs,
    its recordings, the worker it is at home with, its music, and the outer effects that may not
    have been performed."""

    call: call.Call
    timers: dict[str, float] = field(default_factory=dict)
    flow: str = ""
    position: Position | None = None
    legs: tuple[KeptIo, ...] = ()
    tapes: tuple[KeptTape, ...] = ()
    worker: str = ""
    music: str = ""
    outer: tuple[object, ...] = ()


_LASTING = (
    call.CallRules,
    sip.Flow,
    target.Target,
    sdp.LocalMedia,
    sdp.Negotiated,
    media.Update,
    media.Play,
    media.Bridge,
    media.Record,
)

CODEC = Codec(
    (
        KeptCall,
        KeptIo,
        KeptTape,
        Position,
        CallerFacts,
        call.Call,
        call.Leg,
        call.Offer,
        call.Attempt,
        call.SecondLife,
        outcome.Milestones,
        inputs.QueueCare,
        inputs.Destination,
        effects.EnterQueue,
        effects.Phrase,
        effects.PickUp,
        effects.Dial,
        effects.Drop,
        effects.Play,
        effects.TellPosition,
        effects.Join,
        effects.Record,
        effects.StopRecording,
        effects.SendKey,
        effects.Probe,
        effects.TransferFate,
        ivr.Audio,
        ivr.Speech,
        ivr.Phrase,
        *_LASTING,
    ),
    lasting=_LASTING,
)
