"""What the transaction layer tells the transaction user (RFC 3261 17), and its limits."""

from __future__ import annotations

from config.values import value
from router.sip.effects import Flow
from router.sip.message import Request, Response


@value(frozen=True, slots=True)
class TransactionLimits:
    """Bounds of the layer. Beyond ``transactions_max`` open server transactions (client ones
    count as well) a new request is answered 503 with Retry-After, without a transaction; our
    own requests always go."""

    transactions_max: int = 20_000
    retry_after_s: int = 5


@value(frozen=True, slots=True)
class Requested:
    """A new request opened the server transaction ``tx``; answer it with ``respond``.

    An INVITE that is not answered within 200 ms gets a 100. Never ACK, never CANCEL.
    """

    tx: str
    request: Request
    flow: Flow


@value(frozen=True, slots=True)
class Acked:
    """ACK for a 2xx; it belongs to the dialog, not to a transaction (RFC 3261 13.3.1.4)."""

    request: Request
    flow: Flow


@value(frozen=True, slots=True)
class CancelAsked:
    """A CANCEL matched the INVITE server transaction ``tx`` and was answered 200 (RFC 3261 9.2).

    Told while the INVITE has no final response; respond 487 to ``tx``.
    """

    tx: str
    request: Request
    flow: Flow


@value(frozen=True, slots=True)
class Responded:
    """A response to our request ``tx``: every provisional, the first final, and of an INVITE
    each further 2xx while timer M runs (retransmitted ones and those of forks, RFC 6026 7.2)."""

    tx: str
    response: Response
    flow: Flow


@value(frozen=True, slots=True)
class TimedOut:
    """Timer B or F: no final response (treat as 408), or timer H: no ACK for our refusal."""

    tx: str


@value(frozen=True, slots=True)
class Failed:
    """The transport could not carry it (treat as 503). The transaction is over."""

    tx: str


TransactionEvent = Requested | Acked | CancelAsked | Responded | TimedOut | Failed
