"""SIP requests and responses (RFC 3261 7), and the response to a request.

The one place to import a message's parts from.
"""

from __future__ import annotations

from collections.abc import Iterable

from router.sip.errors import FramingError, ParseError
from router.sip.fields import Message
from router.sip.headers import Headers, canonical_name
from router.sip.lexical import split
from router.sip.reasons import REASONS
from router.sip.uri import Uri
from router.sip.values import CSeq, NameAddr, Via

__all__ = [
    "REASONS",
    "CSeq",
    "FramingError",
    "Headers",
    "Message",
    "NameAddr",
    "ParseError",
    "Request",
    "Response",
    "Uri",
    "Via",
    "mark_received",
    "response_to",
]

_DIALOG_METHODS = frozenset({"INVITE", "SUBSCRIBE", "REFER", "NOTIFY"})


class Request(Message):
    """A request; ``uri`` is the text of the Request-URI, ``target`` parses it."""

    __slots__ = ("method", "uri")

    def __init__(
        self,
        method: str,
        uri: str,
        headers: Headers | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        self.method = method
        self.uri = uri
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.body = body

    def start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"

    @property
    def target(self) -> Uri:
        """The Request-URI. ParseError 400 when malformed, 416 for a scheme other than sip
        and sips and tel (RFC 3261 8.2.2.1)."""
        return self._kept("target", self._parse_target)

    def _parse_target(self) -> Uri:
        uri = Uri.parse(self.uri)
        if uri.scheme not in ("sip", "sips", "tel"):
            raise ParseError(REASONS[416], 416)
        if uri.headers:
            # RFC 3261 19.1.1: no headers in a Request-URI
            raise ParseError("Headers in Request-URI")
        return uri

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.uri!r}, {self.headers!r}, {self.body!r})"


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(
        self,
        status: int,
        reason: str | None = None,
        headers: Headers | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        self.status = status
        self.reason = REASONS.get(status, "") if reason is None else reason
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.body = body

    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"Response({self.status!r}, {self.reason!r}, {self.headers!r}, {self.body!r})"


def response_to(
    request: Request,
    status: int,
    reason: str | None = None,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """The response to a request (RFC 3261 8.2.6.2).

    Via, From, To, Call-ID and CSeq are copied as they stand (what a broken request lacks is
    left out), the top Via as it is now (see ``mark_received``). ``to_tag`` is added to a To
    without a tag, but not for 100. Record-Route is copied into 101 to 299 of methods that
    make a dialog (12.1.1), Timestamp into 100 (8.2.6.1). ``headers`` follow these.
    """
    copied = {"Via", "From", "To", "Call-ID", "CSeq"}
    if status == 100:
        copied.add("Timestamp")
    elif status < 300 and request.method in _DIALOG_METHODS:
        copied.add("Record-Route")
    items: list[tuple[str, str]] = []
    for item in request.headers:
        if item[0] not in copied:
            continue
        if item[0] == "To" and to_tag is not None and status != 100 and not _has_tag(request):
            item = ("To", f"{item[1]};tag={to_tag}")
        items.append(item)
    items += [(canonical_name(name), value) for name, value in headers]
    return Response(status, reason, Headers.of_canonical(items), body)


def _has_tag(request: Request) -> bool:
    try:
        return request.to.tag is not None
    except ParseError:
        return False


def mark_received(request: Request, host: str, port: int) -> None:
    """Write the source of a request into its top Via, where that says something new.

    ``received`` when it differs from the sent-by host (RFC 3261 18.2.1) or rport was asked
    for; ``rport`` when asked for (RFC 3581 4). ParseError when the top Via is malformed.
    """
    via = request.via
    params = dict(via.params)
    if via.wants_rport:
        params["rport"] = str(port)
    if via.host != host or via.wants_rport:
        params["received"] = host
    if params == via.params:
        return
    marked = Via(via.transport, via.host, via.port, params)
    lines = request.headers.get_all("Via")
    rest = split(lines[0], ",")[1:] if "," in lines[0] else []
    request.headers.replace_first("Via", ", ".join([str(marked), *rest]))
    request.headers.parsed["Via"] = marked
