"""What a peer can get wrong in a SIP message, a session description or a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.errors import PeerError

if TYPE_CHECKING:
    from router.sip.message import Request


class ParseError(PeerError):
    """A message, or one value in it, is malformed or over a limit.

    ``status`` is what a UAS should answer (400, 413, 416, 505, ...). ``reason`` is fit for a
    reason phrase and for a log: it names the header, never what the peer put into it.
    ``request`` is the request as far as it could be read, when it holds enough (a top Via) to
    be answered; None for responses and for what cannot be answered at all.
    """

    def __init__(self, reason: str, status: int = 400, request: Request | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.request = request


class FramingError(ParseError):
    """A byte stream lost its frame (RFC 3261 18.3).

    Handle ``messages`` (complete before the loss), answer ``request`` if there, then close.
    """

    def __init__(self, reason: str, status: int = 400, request: Request | None = None) -> None:
        super().__init__(reason, status, request)
        self.messages: list[bytes] = []
