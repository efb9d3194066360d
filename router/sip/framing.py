"""Messages out of a byte stream (RFC 3261 18.3, keep-alives of RFC 5626 3.5.1)."""

from __future__ import annotations

import re

from router.sip.errors import FramingError, ParseError
from router.sip.message import Request
from router.sip.parser import DEFAULT_LIMITS, ParseLimits, parse_message
from router.sip.reasons import REASONS

PING = b"\r\n\r\n"
PONG = b"\r\n"

# "L : 5" and "content-length:5" at the start of a line; the value may be folded
_CONTENT_LENGTH = re.compile(
    rb"^(?:content-length|l)[ \t]*:[ \t]*(?:\r\n[ \t]+)?([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)


class StreamFramer:
    """Cuts the bytes of one stream into messages; keeps at most one unfinished message.

    The buffer never holds more than ``message_bytes_max`` and one chunk that was fed.
    After a FramingError the stream has no frame any more: nothing may be fed.
    """

    def __init__(self, limits: ParseLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0  # no end of headers before this offset
        self._need = 0  # length of the message at the front, 0 while unknown

    @property
    def unfinished(self) -> bool:
        """Bytes of a message that is not complete wait (for a deadline on slow peers)."""
        return not PING.startswith(self._buffer)

    @property
    def holds(self) -> bool:
        """Bytes wait, be it those of a keep-alive."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in; return what is complete, in order.

        An item is a whole message, or ``PING`` where the peer asks for a ``PONG``
        (RFC 5626 4.4.1). A lone CRLF between messages (a pong) is dropped.

        Raises FramingError when the length of a message cannot be known (no, or no sane,
        Content-Length: 400), or is over the limit (413); ``messages`` holds what was complete
        before it, ``request`` the broken request as far as it can be read.
        """
        self._buffer += data
        found: list[bytes] = []
        while self._buffer:
            if not self._need:
                if self._buffer[0] in b"\r\n":
                    if not self._skip_line_ends(found):
                        break
                    continue
                try:
                    self._measure()
                except FramingError as error:
                    error.messages = found
                    raise
            if not self._need or len(self._buffer) < self._need:
                break
            found.append(bytes(self._buffer[: self._need]))
            del self._buffer[: self._need]
            self._need = self._searched = 0
        return found

    def _skip_line_ends(self, found: list[bytes]) -> bool:
        """Take line ends off the front; False when more bytes are needed to tell them."""
        buffer = self._buffer
        if buffer.startswith(PING):
            found.append(PING)
            del buffer[:4]
            return True
        if PING.startswith(buffer):
            return False  # "\r", "\r\n" or "\r\n\r": a ping may be on its way
        del buffer[: 2 if buffer.startswith(b"\r\n") else 1]
        return True

    def _measure(self) -> None:
        """Find the length of the message at the front, if its headers are complete."""
        buffer, limit = self._buffer, self._limits.message_bytes_max
        end = buffer.find(b"\r\n\r\n", self._searched)
        if end < 0:
            if len(buffer) > limit:
                raise self._lost(REASONS[413], 413, len(buffer))
            self._searched = max(0, len(buffer) - 3)
            return
        head_end = end + 4
        lengths = _CONTENT_LENGTH.findall(bytes(buffer[:head_end]))
        if not lengths:
            raise self._lost("Missing Content-Length", 400, head_end)
        value = lengths[0].strip(b" \t")
        if len(lengths) > 1 or not value.isdigit() or len(value) > 10:
            raise self._lost("Malformed Content-Length", 400, head_end)
        length = int(value)
        if length > self._limits.body_bytes_max or head_end + length > limit:
            raise self._lost(REASONS[413], 413, head_end)
        self._need = head_end + length

    def _lost(self, reason: str, status: int, head_end: int) -> FramingError:
        """The error, with the request in it if there is one to answer."""
        head = bytes(self._buffer[: min(head_end, self._limits.message_bytes_max)])
        self._buffer.clear()
        error = FramingError(reason, status)
        try:
            message = parse_message(_CONTENT_LENGTH.sub(b"X-Length: 0", head), self._limits)
        except ParseError as problem:
            error.request = problem.request
        else:
            error.request = message if isinstance(message, Request) else None
        return error
