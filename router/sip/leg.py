"""A leg as the SIP core keeps it: plain data, no behaviour, so that a journal can rebuild it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from router.sip.dialog import Dialog
from router.sip.effects import CloseStream, Flow, Send
from router.sip.leg_table import State
from router.sip.message import Request, Response
from router.sip.session_timer import NO_TIMER, SessionTimer
from router.sip.target import Credentials

# RFC 3261 13.2.1 and RFC 3264: whose answer the session descriptions wait for
Exchange = Literal["none", "theirs", "ours", "stable"]


@dataclass(slots=True)
class Unacked:
    """Our 2xx to an INVITE, sent again until its ACK comes (RFC 3261 13.3.1.4)."""

    tx: str
    response: Response
    cseq: int
    interval_s: float
    give_up_at: float
    late: bool  # the ACK brings the answer to our offer


@dataclass(slots=True)
class Reliable:
    """Reliable provisional responses of an incoming leg (RFC 3262 3): one is under way."""

    rseq: int
    response: Response | None = None
    described: bool = False  # the one under way holds a session description
    interval_s: float = 0.0
    give_up_at: float = 0.0
    waiting: deque[tuple[int, str, bytes]] = field(default_factory=deque)
    agreed: bool = False  # a session description was acknowledged: the 2xx needs none
    answer: bytes = b""  # what a PRACK brought to our offer


@dataclass(slots=True)
class Asked:
    """The peer's re-INVITE, UPDATE or PRACK with an offer, which the call layer answers."""

    tx: str
    request: Request


@dataclass(slots=True)
class Transfer:
    """The subscription that a REFER made (RFC 3515 2.4.4)."""

    event: str  # the Event value of its NOTIFYs
    silent: bool  # RFC 4488: no NOTIFY wanted


@dataclass(slots=True)
class Leg:
    """One leg. ``dialog`` is, of an outgoing leg without a 2xx, the seed of its forks."""

    id: str
    state: State
    incoming: bool
    dialog: Dialog
    invite: Request  # the peer's; of an outgoing leg only the headers it asked to add
    tx: str  # the INVITE's transaction, server or client
    credentials: Credentials | None = None
    forks: dict[str, Dialog] = field(default_factory=dict)
    timer: SessionTimer = NO_TIMER
    session_s: int = 0  # what we ask for
    min_se_s: int = 0
    max_forwards: int = 0  # of our INVITE
    sent: bytes = b""  # our session description in effect
    received: bytes = b""  # the peer's
    exchange: Exchange = "none"
    wanted: bytes | None = None  # a change that waits for its turn
    changing: str = ""  # our re-INVITE's or UPDATE's transaction
    asked: Asked | None = None
    unacked: Unacked | None = None
    reliable: Reliable | None = None
    held_answer: bytes | None = None  # answer() waits for a PRACK
    provisional: int = 0  # the last status sent
    transfer: Transfer | None = None
    transfers: int = 0  # REFERs taken
    leaving: str = ""  # our BYE's transaction

    def dialogs(self) -> list[Dialog]:
        """Its own, then those of its forks."""
        return [self.dialog, *self.forks.values()]


Purpose = Literal["invite", "change", "refresh", "bye", "prack", "notify"]


@dataclass(slots=True)
class Outstanding:
    """A request of ours in a dialog, or the INVITE that makes one.

    ``acks``: what acknowledged the 2xx of each fork, by its tag, to be sent again.
    """

    purpose: Purpose
    leg: Leg
    dialog: Dialog
    request: Request
    flow: Flow
    nonces: tuple[str, ...] = ()
    acks: dict[str, list[Send | CloseStream]] = field(default_factory=dict)
    settled: bool = False  # a final response was taken
