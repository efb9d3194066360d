"""Whatever comes in: a message, a description, or their error, and nothing else."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.sip.errors import FramingError
from router.sip.framing import PING, StreamFramer
from router.sip.message import (
    Message,
    ParseError,
    Request,
    Response,
    mark_received,
    response_to,
)
from router.sip.parser import ParseLimits, parse_message
from router.sip.sdp import LocalMedia, SdpError, answer, make_offer, parse_description, read_answer
from tests.router.sip.torture_verdicts import VERDICTS

CORPUS = [verdict.data for verdict in VERDICTS]
SDP = make_offer(LocalMedia("192.0.2.1", 4000, 1, 1))
LOCAL = LocalMedia("192.0.2.9", 20_000, 7, 1)
ACCESSORS = [
    name for name in dir(Message) if isinstance(getattr(Message, name), property)
]  # fmt: skip
PIECES = [
    b"\r\n", b"\r\n ", b"\r\n\r\n", b":", b";", b",", b"<", b">", b'"', b'\\"', b"\\", b"[", b"]",
    b"@", b"=", b"%", b"%00", b"\0", b"\xff", b"\xc3\xa9", b" ", b"\t", b"sip:", b"tel:", b"*",
    b"SIP/2.0", b"0", b"-1", b"4294967296", b"99999999999999999999999", b"Via: ", b"m=audio ",
    b"a=rtpmap:", b"c=IN IP6 ::", b"Content-Length: ", "٣".encode(), b"::ffff:1.2.3.4", b"?",
]  # fmt: skip


def read_everything(data: bytes) -> None:
    """All that a core might do with a message; only ParseError may come of it."""
    try:
        message = parse_message(data)
    except ParseError as error:
        if error.request is None:
            return
        message = error.request
    for name in ACCESSORS:
        try:
            value = getattr(message, name)
            str(value)
        except ParseError:
            continue
    assert isinstance(message, Request | Response)
    if isinstance(message, Request):
        try:
            mark_received(message, "::1", 5)
            _ = message.target
        except ParseError:
            pass
        response_to(message, 200, to_tag="t").encode()
    message.headers.copy()


def read_description(data: bytes) -> None:
    statuses = set()
    for read in (answer, read_answer):
        try:
            agreed = read(data, LOCAL)
        except SdpError as error:
            statuses.add(error.status)
            continue
        if agreed.body:
            parse_description(agreed.body)
            make_offer(LOCAL, after=agreed.body)
    assert statuses <= {400, 488}


def mutate(data: bytes, dice: random.Random) -> bytes:
    """One to eight random cuts, copies, swaps and insertions."""
    text = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        at = dice.randint(0, len(text))
        end = min(len(text), at + dice.choice((1, 1, 2, 5, 20, 200)))
        match dice.randint(0, 4):
            case 0:
                del text[at:end]
            case 1:
                text[at:at] = dice.choice(PIECES)
            case 2:
                text[at:end] = dice.choice(PIECES)
            case 3:
                text[at:at] = text[at:end] * dice.choice((1, 2, 30))
            case _:
                if at < len(text):
                    text[at] = dice.randrange(256)
    return bytes(text[:20_000])


@pytest.mark.parametrize("seed", range(8))
def test_mutated_messages(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(400):
        data = mutate(dice.choice(CORPUS), dice)
        read_everything(data)
        read_description(data.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("seed", range(4))
def test_mutated_descriptions(seed: int) -> None:
    dice = random.Random(seed)
    bodies = [SDP, *(data.partition(b"\r\n\r\n")[2] for data in CORPUS if b"v=0" in data)]
    for _ in range(500):
        read_description(mutate(dice.choice(bodies), dice))


@pytest.mark.parametrize("seed", range(4))
def test_mutated_streams_do_not_depend_on_how_they_are_cut(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(60):
        stream = b"".join(mutate(dice.choice(CORPUS), dice) for _ in range(3))
        whole = frames(stream, [])
        cuts = sorted(dice.randint(0, len(stream)) for _ in range(dice.randint(1, 9)))
        assert frames(stream, cuts) == whole


def frames(stream: bytes, cuts: list[int]) -> tuple[list[bytes], tuple[str, int] | None]:
    """Messages and the reason of the loss, if any."""
    framer = StreamFramer(ParseLimits(message_bytes_max=30_000))
    found: list[bytes] = []
    edges = [0, *cuts, len(stream)]
    for start, end in itertools.pairwise(edges):
        try:
            found += framer.feed(stream[start:end])
        except FramingError as error:
            return found + error.messages, (error.reason, error.status)
    return found, None


@given(st.binary(max_size=300))
def test_arbitrary_bytes(data: bytes) -> None:
    read_everything(data)
    read_description(data)
    frames(data, [len(data) // 2])


@given(
    st.lists(st.sampled_from([*PIECES, b"INVITE sip:a@b SIP/2.0\r\n", b"l: 3\r\n"]), max_size=30)
)
def test_arbitrary_pieces(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    read_everything(data)
    read_everything(b"OPTIONS sip:a@b SIP/2.0\r\n" + data)
    read_description(b"v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 192.0.2.1\r\n" + data)


# --- round trips -----------------------------------------------------------------------------

token = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
value = (
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40)
    .map(lambda text: text.strip(" \t"))
)  # fmt: skip
host = st.sampled_from(["example.com", "192.0.2.1", "[2001:db8::1]", "h-1.example"])
display = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)


@st.composite
def messages(draw: st.DrawFn) -> Request | Response:
    method = draw(st.sampled_from(["INVITE", "BYE", "OPTIONS", "x-new"]))
    quoted = draw(display).replace("\\", "\\\\").replace('"', '\\"')
    headers = [
        ("Via", f"SIP/2.0/UDP {draw(host)};branch=z9hG4bK{draw(token)}"),
        ("From", f'"{quoted}" <sip:{draw(host)}>;tag={draw(token)}'),
        ("To", f"<sip:{draw(host)}>"),
        ("Call-ID", draw(token)),
        ("CSeq", f"{draw(st.integers(0, 2**31 - 1))} {method}"),
        *draw(st.lists(st.tuples(st.sampled_from(["Subject", "X-Any", "Server"]), value))),
    ]
    body = draw(st.binary(max_size=200))
    headers = draw(st.permutations(headers))
    if draw(st.booleans()):
        return Request(method, f"sip:{draw(host)}", headers, body)
    return Response(draw(st.integers(100, 699)), draw(value), headers, body)


@given(messages())
def test_parse_of_encode_is_the_message(message: Request | Response) -> None:
    again = parse_message(message.encode())
    assert again == message
    assert again.encode() == message.encode()


@given(messages(), st.text(" \t", max_size=2), st.booleans())
def test_the_form_on_the_wire_does_not_matter(
    message: Request | Response, blanks: str, fold: bool
) -> None:
    """Compact names, white space and folding change nothing."""
    compact = {b"Via": b"v", b"From": b"f", b"To": b"t", b"Call-ID": b"I", b"Subject": b"S"}
    head, _, body = message.encode().partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    out = [start]
    for line in lines:
        name, _, text = line.partition(b": ")
        gap = b"\r\n " if fold else b" "
        out.append(compact.get(name, name) + blanks.encode() + b":" + gap + text)
    assert parse_message(b"\r\n".join(out) + b"\r\n\r\n" + body) == message


@settings(max_examples=50)
@given(st.lists(messages(), max_size=4), st.data())
def test_framing_does_not_depend_on_the_cuts(
    sent: list[Request | Response], data: st.DataObject
) -> None:
    parts = [part for message in sent for part in (message.encode(), PING)]
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    assert frames(stream, cuts) == (parts, None)
