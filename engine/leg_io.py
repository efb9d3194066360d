"""What the engine keeps of a leg beside the call core: its SIP side and its media side."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from config.errors import PeerError
from engine.workers import Workers
from router.effects import Dial, PickUp
from router.events import LegQuality
from router.inputs import Cause
from router.media.client import WorkerClient
from router.media.protocol import Bridge, LegFigures, Play, Update
from router.sip.sdp import LocalMedia, Negotiated, parse_description
from router.sip.target import Target


@dataclass(slots=True)
class LegIo:
    """One leg's connection to the outside. ``id`` is the SIP leg and the media session."""

    id: str
    call: str
    worker: WorkerClient
    incoming: bool
    peer_host: str  # where signalling comes from or goes to: a candidate of the latch
    remote_body: bytes = b""  # the far end's offer, b"" for a late one
    target: Target | None = None
    local: LocalMedia | None = None
    local_body: bytes = b""  # what we said last
    agreed: Negotiated | None = None
    port: int = 0
    internal: bool = False  # an agent's own call: leaves no fact
    ipv6: bool = False
    held: bool = False
    leaving: bool = False  # we hang up: what still comes from it means nothing
    media_closed: bool = False
    far_end: Update | None = None  # what the worker was told of the far end
    ear: Play | Bridge | None = None  # what the far end hears
    # Of this engine only:
    media_over: bool = False  # an engine that died had it closed: the leg's end comes again
    doing: PickUp | Dial | None = None  # what waits for the worker's answer, a session
    invite: Callable[[], None] = lambda: None  # of a leg out: what to do once there is media
    again: Callable[[], None] | None = None  # its worker died: asks the next one for the session

    def ask_again(self) -> None:
        """Ask the worker that is there now for the session, where that is still to be had."""
        again, self.again = self.again, None
        if again is not None:
            again()


def far_host(io: LegIo) -> str:
    """Where the far end says that its media are, or where its signalling comes from."""
    if io.remote_body:
        with suppress(PeerError):
            return parse_description(io.remote_body).host or io.peer_host
    return io.peer_host


def absent(worker: str) -> WorkerClient:
    """What stands for a worker that is not connected yet: it takes commands and does nothing."""
    client = WorkerClient(0, lambda *_: None, lambda _: None, lambda _: None)
    client.name = worker
    return client


def home_of(workers: Workers, call: str) -> WorkerClient | None:
    """A call's worker; for one that died what stands for it until the next is there."""
    there = workers.home(call)
    name = workers.home_of(call)
    return there or (absent(name) if name else None)


def quality(leg: str, figures: LegFigures) -> LegQuality:
    """The fact of a leg's end: how its media were."""
    return LegQuality(
        leg,
        figures.received,
        figures.sent,
        figures.lost,
        round(figures.jitter_ms, 2),
        figures.remote_lost,
        round(figures.remote_jitter_ms, 2),
        round(figures.round_trip_ms, 2),
    )


def cause_of_status(status: int) -> Cause:
    """The neutral cause of an outgoing leg's final status (RFC 3261 21)."""
    if status in (486, 600):
        return "busy"
    if status in (480, 487):
        return "no-answer"
    if status in (401, 403, 407, 603) or 300 <= status < 400:
        return "refused"
    if status in (488, 606):
        return "failed"
    return "unreachable"


def cause_of_end(cause: str) -> Cause:
    """The neutral cause of an established leg's end, from the SIP core's word for it."""
    if cause == "bye":
        return "bye"
    return "cancel" if cause == "cancel" else "lost"
