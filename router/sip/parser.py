"""Bytes to messages (RFC 3261 7, 18.3, 25.1).

Strict where a mistake makes a message ambiguous (start line, counts, lengths, the headers of
8.1.1), lazy everywhere else. Speed matters here: one ``partition`` a header line, no regular
expression on the usual path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.sip.errors import ParseError
from router.sip.headers import CANONICAL, Headers
from router.sip.lexical import TOKEN, digits, split
from router.sip.message import Request, Response
from router.sip.reasons import REASONS
from router.sip.uri import Uri
from router.sip.values import CSeq, NameAddr, Via

_FOLD = re.compile(r"\r\n[ \t]+")
_BLANKS = " \t"
# RFC 3261 7.3.1: all but those defined as a comma-separated list stand once
_ONCE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type")
_METHODS = frozenset(
    {
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "OPTIONS",
        "REGISTER",
        "PRACK",
        "UPDATE",
        "INFO",
        "REFER",
        "NOTIFY",
        "SUBSCRIBE",
        "MESSAGE",
        "PUBLISH",
    }
)


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one message may measure; beyond it: ParseError 413."""

    message_bytes_max: int = 65_535
    body_bytes_max: int = 16_384
    headers_max: int = 128


DEFAULT_LIMITS = ParseLimits()


def parse_message(data: bytes, limits: ParseLimits = DEFAULT_LIMITS) -> Request | Response:
    """Parse one datagram, or one message cut out of a stream.

    Bytes beyond Content-Length are ignored, fewer are an error; without Content-Length the
    body is all that follows (18.3). What 8.1.1 demands of a request or response (Via, From,
    To, Call-ID, CSeq, and the Request-URI and Max-Forwards of a request) is parsed, other
    headers are when they are read.

    Raises ParseError and nothing else. Its ``request`` is set when a request line was found,
    with whatever headers could be read; even its top Via may be malformed.
    """
    if data[:1] in (b"\r", b"\n"):
        data = data.lstrip(b"\r\n")  # 7.5
    head, blank, body = data[: limits.message_bytes_max].partition(b"\r\n\r\n")
    try:
        text = head.decode()
    except UnicodeDecodeError:
        # not UTF-8, so against 25.1; phones of the old kind do it in display names
        text = head.decode("latin-1")
    start, _, text = text.partition("\r\n")
    if not blank:
        text = text.removesuffix("\r\n")
    problem: ParseError | None = None
    try:
        try:
            headers = _read_fields(text, limits)
        except ParseError:
            # a folded line is no header line: unfold (7.3.1), then look again
            headers = _read_fields(_FOLD.sub(" ", text), limits)
    except ParseError as error:
        problem = error
        headers = _read_what_is_readable(text, limits)
    if start[:4] == "SIP/":
        response = _read_response(start, headers)
        if problem is not None:
            raise problem
        response.body = _read_body(headers, body, blank, limits)
        _check_common(response)
        return response
    request, start_problem = _read_request_line(start, headers)
    try:
        if start_problem is not None or problem is not None:
            raise start_problem or problem or ParseError("Malformed message")
        if len(data) > limits.message_bytes_max:
            raise ParseError(REASONS[413], 413)
        request.body = _read_body(headers, body, blank, limits)
        _check_request(request)
    except ParseError as error:
        error.request = request
        raise
    return request


def _read_fields(text: str, limits: ParseLimits) -> Headers:
    """The header lines; ParseError when one of them is broken (or folded)."""
    lines = text.split("\r\n")
    if len(lines) > limits.headers_max:
        raise ParseError("Too many headers", 413)
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks:
        raise ParseError("Line break other than CRLF")
    return Headers.of_lines(lines)


def _read_what_is_readable(text: str, limits: ParseLimits) -> Headers:
    """The good header lines of a bad message, for an answer; at most ``headers_max``."""
    items: list[tuple[str, str]] = []
    for line in _FOLD.sub(" ", text).split("\r\n", limits.headers_max)[: limits.headers_max]:
        name, _, value = line.partition(":")
        try:
            canonical = CANONICAL[name]
        except ParseError:
            continue
        if "\n" not in value and "\r" not in value:
            items.append((canonical, value.strip(_BLANKS)))
    return Headers.of_canonical(items)


def _read_request_line(start: str, headers: Headers) -> tuple[Request, ParseError | None]:
    """The request, and what is wrong with its line; ParseError when it is no request at all."""
    parts = start.split(" ")
    if len(parts) == 3 and parts[2] == "SIP/2.0":
        method, uri, _ = parts
        if method in _METHODS or TOKEN.fullmatch(method) is not None:
            return Request(method, uri, headers), None
    words = start.split()
    if len(words) < 3 or TOKEN.fullmatch(words[0]) is None or words[-1][:4].upper() != "SIP/":
        raise ParseError("Malformed start line")
    request = Request(words[0], " ".join(words[1:-1]), headers)
    if len(parts) == 3 and TOKEN.fullmatch(parts[2].replace("/", "", 1)) is not None:
        return request, ParseError(REASONS[505], 505)
    return request, ParseError("Malformed request line")


def _read_response(start: str, headers: Headers) -> Response:
    version, _, rest = start.partition(" ")
    status, _, reason = rest.partition(" ")
    if version != "SIP/2.0" or len(status) != 3 or not (status.isascii() and status.isdigit()):
        raise ParseError("Malformed status line")
    if not "100" <= status <= "699" or "\r" in reason or "\n" in reason:
        raise ParseError("Malformed status line")
    return Response(int(status), reason, headers)


def _read_body(headers: Headers, rest: bytes, blank: bytes, limits: ParseLimits) -> bytes:
    """The body within what follows the empty line."""
    if not blank:
        raise ParseError("Headers do not end")
    value = headers.first("Content-Length")
    if value is not None and value != str(len(rest)):
        if not (value.isascii() and value.isdigit()):
            raise ParseError("Malformed Content-Length")
        if len(value) > 10 or int(value) > len(rest):
            raise ParseError("Content-Length is beyond the end")
        rest = rest[: int(value)]
    if len(rest) > limits.body_bytes_max:
        raise ParseError(REASONS[413], 413)
    return rest


def _check_common(message: Request | Response) -> dict[str, str]:
    """Parse what every message must have (8.1.1); ParseError when it is not there or not once.

    Returns the first value of each header by canonical name.
    """
    headers = message.headers
    first = headers.index()
    if len(first) != len(headers):
        for name in _ONCE:
            if len(headers.get_all(name)) > 1:
                raise ParseError(f"More than one {name}")
    try:
        via = first["Via"].strip(_BLANKS)
        from_ = first["From"].strip(_BLANKS)
        to = first["To"].strip(_BLANKS)
        cseq = first["CSeq"].strip(_BLANKS)
        call_id = first["Call-ID"].strip(_BLANKS)
    except KeyError as missing:
        raise ParseError(f"Missing {missing.args[0]}") from None
    if not call_id or " " in call_id or "\t" in call_id:
        raise ParseError("Malformed Call-ID")
    parsed = headers.parsed
    parsed["Call-ID"] = call_id
    parsed["Via"] = Via.parse(via if "," not in via else split(via, ",")[0])
    parsed["From"] = NameAddr.parse(from_)
    parsed["To"] = NameAddr.parse(to)
    parsed["CSeq"] = CSeq.parse(cseq)
    return first


def _check_request(request: Request) -> None:
    """What a request must have besides: a fitting CSeq, a Request-URI we can read (8.1.1)."""
    first = _check_common(request)
    hops = first.get("Max-Forwards")
    if hops is not None:
        hops = hops.strip(_BLANKS)
        hops_left = 70 if hops == "70" else digits(hops, "Max-Forwards", 255)
        request.headers.parsed["Max-Forwards"] = hops_left
    if request.headers.parsed["CSeq"].method != request.method:
        raise ParseError("CSeq method does not match")
    if not Uri.is_plain(request.uri):
        _ = request.target
