"""The transaction layer of RFC 3261 section 17 with RFC 6026, RFC 3581 and RFC 4320, sans I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from router.sip.effects import CloseStream, Flow, Send
from router.sip.message import Request, Response
from router.sip.transaction_events import (
    Acked,
    CancelAsked,
    Failed,
    Requested,
    Responded,
    TimedOut,
    TransactionEvent,
    TransactionLimits,
)

__all__ = [
    "Acked",
    "CancelAsked",
    "Failed",
    "Requested",
    "Responded",
    "TimedOut",
    "TransactionEvent",
    "TransactionLimits",
    "Transactions",
]

Outcome = list[Send | CloseStream | TransactionEvent]


class Transactions:
    """All client and server transactions of one SIP element."""

    def __init__(
        self,
        *,
        limits: TransactionLimits,
        branch: Callable[[], str],  # a fresh unique token; z9hG4bK is put before it
        sent_by: Callable[[Flow], tuple[str, int]],  # our host and port for the Via
        t1: float = 0.5,
        t2: float = 4.0,
        t4: float = 5.0,
    ) -> None:
        raise NotImplementedError

    def receive(self, message: Request | Response, flow: Flow, now: float) -> Outcome:
        """Take one parsed message off the wire."""
        raise NotImplementedError

    def request(self, request: Request, flow: Flow, now: float) -> tuple[str, Outcome]:
        """Send ``request`` (not ACK, not CANCEL) in a new client transaction; puts a Via on top."""
        raise NotImplementedError

    def respond(self, tx: str, response: Response, now: float) -> Outcome:
        """Answer the request of a server transaction. A 2xx again while in Accepted is sent again."""
        raise NotImplementedError

    def cancel(self, tx: str, now: float) -> Outcome:
        """Cancel our INVITE; waits for a provisional first (RFC 3261 9.1). Too late: no effect."""
        raise NotImplementedError

    def send_ack(self, request: Request, flow: Flow) -> list[Send | CloseStream]:
        """ACK for a 2xx: a Via with a branch of its own, no transaction (RFC 3261 13.2.2.4)."""
        raise NotImplementedError

    def transport_failed(self, flow: Flow, now: float) -> Outcome:
        """Sending on ``flow`` failed: its client transactions fail (RFC 3261 17.1.4)."""
        raise NotImplementedError

    def stream_closed(self, connection: int, now: float) -> Outcome:
        """A stream is gone: as ``transport_failed`` for all that runs over it."""
        raise NotImplementedError

    def tick(self, now: float) -> Outcome:
        """Run every timer due at ``now``."""
        raise NotImplementedError

    @property
    def next_deadline(self) -> float | None:
        """When ``tick`` is wanted next, or None."""
        raise NotImplementedError

    def figures(self) -> dict[str, int]:
        """Open transactions by kind and state: ``{"invite-server completed": 3, ...}``."""
        raise NotImplementedError
