"""Streams: messages cut anywhere, pipelined, keep-alives, lost frames."""

from __future__ import annotations

import pytest

from router.sip.errors import FramingError
from router.sip.framing import PING, StreamFramer
from router.sip.parser import ParseLimits, parse_message


def message(number: int, body: bytes = b"", length: str | None = None) -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if length is None else length
    return (
        f"OPTIONS sip:c@d SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK{number}\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {number}\r\n{length}"
        f"CSeq: {number} OPTIONS\r\n\r\n"
    ).encode() + body


def lost(data: bytes, limits: ParseLimits | None = None) -> FramingError:
    with pytest.raises(FramingError) as caught:
        StreamFramer(limits or ParseLimits()).feed(data)
    return caught.value


def test_pipelined_messages_come_in_order() -> None:
    stream = [message(1), message(2, b"\r\n\r\nINVITE x"), message(3, b"abc")]
    framer = StreamFramer()
    assert framer.feed(b"".join(stream)) == stream
    assert not framer.unfinished


def test_cut_at_every_byte() -> None:
    stream = [message(1, b"\r\n\r\nabc"), PING, message(2), message(3, b"x")]
    data = b"".join(stream)
    for cut in range(1, len(data)):
        framer = StreamFramer()
        assert framer.feed(data[:cut]) + framer.feed(data[cut:]) == stream, cut


def test_byte_by_byte() -> None:
    stream = [message(1, b"\r\n\r\nabc"), PING, PING, message(2)]
    framer = StreamFramer()
    found = [item for byte in b"".join(stream) for item in framer.feed(bytes([byte]))]
    assert found == stream


@pytest.mark.parametrize(
    "length",
    ["Content-Length: 3\r\n", "l:3\r\n", "L \t:\t3 \r\n", "CONTENT-length:\r\n  3\r\n"],
)
def test_spellings_of_content_length(length: str) -> None:
    data = message(1, b"abc", length)
    assert StreamFramer().feed(data + message(2)) == [data, message(2)]
    assert parse_message(data).body == b"abc"


def test_a_length_elsewhere_is_none() -> None:
    tricky = "Subject: l: 9\r\n Content-Length: 9\r\nX-Content-Length: 9\r\nl: 1\r\n"
    data = message(1, b"a", tricky)
    assert StreamFramer().feed(data) == [data]


def test_keep_alives() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n") == [PING]
    assert framer.feed(b"\r\n") == []  # a pong, or the first half of a ping
    assert not framer.unfinished
    assert framer.feed(message(1)) == [message(1)]
    assert framer.feed(b"\r\n\r\n\r\n\r\n" + message(2)) == [PING, PING, message(2)]


def test_unfinished_tells_of_a_slow_peer() -> None:
    framer = StreamFramer()
    assert not framer.unfinished
    framer.feed(message(1)[:9])
    assert framer.unfinished


@pytest.mark.parametrize(
    "length",
    ["", "Content-Length: -1\r\n", "Content-Length: x\r\n", "l: 1\r\nContent-Length: 1\r\n",
     "Content-Length:\r\n", "Content-Length: 99999999999999\r\n"],
)  # fmt: skip
def test_no_length_is_answered_400(length: str) -> None:
    error = lost(message(1, b"a") + message(2, b"abc", length) + message(3))
    assert error.status == 400
    assert error.messages == [message(1, b"a")]
    assert error.request is not None
    assert error.request.cseq.number == 2


def test_too_large_is_answered_413() -> None:
    limits = ParseLimits(message_bytes_max=1000, body_bytes_max=500)
    error = lost(message(1, length="Content-Length: 501\r\n"), limits)
    assert error.status == 413
    assert error.request is not None
    endless = lost(message(1)[:-2] + b"Subject: " + b"x" * 1000, limits)
    assert endless.status == 413
    assert lost(b"x" * 1001, limits).request is None
    assert StreamFramer(limits).feed(message(1, b"x" * 500)) == [message(1, b"x" * 500)]


def test_the_buffer_is_bounded() -> None:
    framer = StreamFramer(ParseLimits(message_bytes_max=1000))
    line = b"A: " + b"b" * 20 + b"\r\n"
    for _ in range(1000 // len(line)):
        assert framer.feed(line) == []
    with pytest.raises(FramingError):
        framer.feed(line)
    assert not framer.unfinished
