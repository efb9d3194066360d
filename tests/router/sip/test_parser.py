"""From bytes to messages: layout, limits, lengths, and errors that can be answered."""

from __future__ import annotations

import pytest

from router.sip.message import ParseError, Request, Response
from router.sip.parser import ParseLimits, parse_message

HEAD = (
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\n"
    b"To: <sip:c@d>\r\n"
    b"Call-ID: x\r\n"
)
OPTIONS = b"OPTIONS sip:c@d SIP/2.0\r\n" + HEAD + b"CSeq: 1 OPTIONS\r\n"
OK = b"SIP/2.0 200 OK\r\n" + HEAD + b"CSeq: 1 OPTIONS\r\n"


def refused(data: bytes, limits: ParseLimits | None = None) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_message(data, limits or ParseLimits())
    return caught.value


def test_a_request_and_a_response() -> None:
    request = parse_message(OPTIONS + b"\r\n")
    assert isinstance(request, Request)
    assert (request.method, request.uri, request.body) == ("OPTIONS", "sip:c@d", b"")
    assert request.via.branch == "z9hG4bK1"
    assert request.max_forwards is None
    response = parse_message(OK + b"\r\n")
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (200, "OK")


def test_line_ends_before_the_start_line_are_ignored() -> None:
    assert isinstance(parse_message(b"\r\n\r\n" + OPTIONS + b"\r\n"), Request)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b"Subject: a\r\n b\r\n\t c", "Subject", "a b c"),
        (b"s : a ", "Subject", "a"),
        (b"SUBJECT:a", "Subject", "a"),
        (b"Subject:", "Subject", ""),
        (b"Subject:\r\n ", "Subject", ""),
        (b"X-Y: a: b", "X-Y", "a: b"),
        ("Subject: ж".encode(), "Subject", "ж"),
        (b"Subject: \xe9", "Subject", "é"),  # Latin-1, as old phones send it
    ],
)
def test_header_lines(line: bytes, name: str, value: str) -> None:
    message = parse_message(OPTIONS + line + b"\r\n\r\n")
    assert message.headers.get(name) == value
    assert message.via.branch == "z9hG4bK1"


def test_the_body_ends_with_content_length() -> None:
    assert parse_message(OPTIONS + b"Content-Length: 3\r\n\r\nabcdef").body == b"abc"
    assert parse_message(OPTIONS + b"\r\nabcdef").body == b"abcdef"
    error = refused(OPTIONS + b"Content-Length: 7\r\n\r\nabcdef")
    assert error.status == 400
    assert error.request is not None
    for value in (b"-1", b"x", b"", b"1 2", b"99999999999999999999", "٣".encode()):
        assert refused(OPTIONS + b"Content-Length: " + value + b"\r\n\r\nabc").status == 400


@pytest.mark.parametrize(
    "line",
    [b"no colon", b"bad name: x", b": x", b"Subject: a\nb", b"Subject: a\rb", b"(x): y"],
)
def test_malformed_lines(line: bytes) -> None:
    error = refused(OPTIONS + line + b"\r\n\r\n")
    assert error.status == 400
    assert error.request is not None
    assert error.request.cseq.method == "OPTIONS"  # the rest can be read, so it can be answered


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n\r\n", b"\0" * 100, b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", OPTIONS[3:11],
        b"SIP/2.0 20 OK\r\n" + HEAD + b"\r\n", b"SIP/2.0 099 OK\r\n" + HEAD + b"\r\n",
        b"SIP/2.0 700 OK\r\n" + HEAD + b"\r\n", b"SIP/3.0 200 OK\r\n" + HEAD + b"\r\n",
        OK.replace(b"Call-ID: x\r\n", b"") + b"\r\n",
        OK,
    ],
)  # fmt: skip
def test_what_cannot_be_answered(data: bytes) -> None:
    assert refused(data).request is None


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"OPTIONS sip:c@d SIP/3.0", 505),
        (b"OPTIONS  sip:c@d SIP/2.0", 400),
        (b"OPTIONS sip:c@d SIP/2.0 ", 400),
        (b"OPTIONS sip:c d SIP/2.0", 400),
        (b"OPTIONS urn:x SIP/2.0", 416),
        (b"OPTIONS sip:c@d;x=1;x=2 SIP/2.0", 400),
    ],
)
def test_request_lines(start: bytes, status: int) -> None:
    error = refused(OPTIONS.replace(b"OPTIONS sip:c@d SIP/2.0", start) + b"\r\n")
    assert error.status == status
    assert error.request is not None
    assert error.request.method == "OPTIONS"


@pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_required_headers(name: bytes) -> None:
    lines = [line for line in OPTIONS.split(b"\r\n") if not line.startswith(name + b":")]
    error = refused(b"\r\n".join(lines) + b"\r\n")
    assert error.status == 400
    assert name.decode() in error.reason


@pytest.mark.parametrize(
    "line",
    [b"From: <sip:x@y>;tag=2", b"t: <sip:x@y>", b"i: y", b"CSeq: 2 OPTIONS", b"Max-Forwards: 1"],
)
def test_headers_that_stand_once(line: bytes) -> None:
    message = OPTIONS + b"Max-Forwards: 70\r\n" + line + b"\r\n\r\n"
    assert refused(message).reason.startswith("More than one")


def test_limits_and_what_is_answered_at_them() -> None:
    limits = ParseLimits(message_bytes_max=600, body_bytes_max=100, headers_max=8)
    assert isinstance(parse_message(OPTIONS + b"\r\n" + b"x" * 100, limits), Request)
    for data in (
        OPTIONS + b"\r\n" + b"x" * 101,
        OPTIONS + b"Subject: " + b"x" * 600 + b"\r\n\r\n",
        OPTIONS + b"A: b\r\n" * 8 + b"\r\n",
        OPTIONS + b"\r\n" + b"x" * 1000,
    ):
        error = refused(data, limits)
        assert error.request is not None
        assert error.request.via.host == "192.0.2.1"
        if b"Subject" not in data:
            assert error.status == 413


def test_a_malformed_via_leaves_a_request_without_a_usable_via() -> None:
    error = refused(OPTIONS.replace(b"SIP/2.0/UDP 192.0.2.1", b"SIP/2.0/UDP") + b"\r\n")
    assert error.request is not None
    with pytest.raises(ParseError):
        _ = error.request.via


def test_hostile_lengths_stay_linear() -> None:
    """Inputs at which a careless expression goes quadratic: done in well under a second."""
    for value in (
        b'"' + b'\\"' * 30_000,
        b" " * 60_000 + b"x",
        b"<" * 60_000,
        b'"' * 60_000,
        b";" * 60_000,
        b"a" * 60_000,
        b"\r\n " * 20_000 + b"x",
    ):
        for name in (b"From: ", b"Via: ", b"Contact: "):
            data = OPTIONS.replace(b"From: <sip:a@b>;tag=1", b"From: " + value)
            if name != b"From: ":
                data = OPTIONS + name + value + b"\r\n"
            try:
                message = parse_message(data + b"\r\n")
                _ = message.contacts, message.vias
            except ParseError:
                continue
