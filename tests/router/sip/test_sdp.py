"""Session descriptions: RFC 3264 directions, codecs, addresses, refused media."""

from __future__ import annotations

import pytest

from router.sip.sdp import (
    LocalMedia,
    NoCommonCodec,
    SdpError,
    answer,
    make_offer,
    parse_description,
    read_answer,
)

LOCAL = LocalMedia("192.0.2.9", 20_000, 7, 1)
AUDIO = "m=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\n"


def description(media: str = AUDIO, connection: str = "c=IN IP4 192.0.2.1\r\n") -> bytes:
    return (f"v=0\r\no=a 1 2 IN IP4 h.example\r\ns=-\r\n{connection}t=5 6\r\n{media}").encode()


def lines(body: bytes) -> list[str]:
    return body.decode().split("\r\n")


def test_an_offer_of_ours_in_full() -> None:
    assert lines(make_offer(LOCAL)) == [
        "v=0",
        "o=- 7 1 IN IP4 192.0.2.9",
        "s=-",
        "c=IN IP4 192.0.2.9",
        "t=0 0",
        "m=audio 20000 RTP/AVP 8 0 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]


def test_the_order_of_the_offer_wins() -> None:
    agreed = answer(description(), LOCAL)
    assert (agreed.payload_type, agreed.digits_type) == (0, 96)
    assert agreed.remote == ("192.0.2.1", 4000)
    assert (agreed.direction, agreed.held) == ("sendrecv", False)
    assert "m=audio 20000 RTP/AVP 0 96" in lines(agreed.body)
    assert "t=5 6" in lines(agreed.body)
    only_alaw = LocalMedia("192.0.2.9", 20_000, 7, 1, codecs=("PCMA",))
    assert answer(description(), only_alaw).payload_type == 8


def test_static_payload_types_need_no_rtpmap_and_wrong_ones_do_not_count() -> None:
    assert answer(description("m=audio 4000 RTP/AVP 8\r\n"), LOCAL).payload_type == 8
    assert answer(description("m=audio 4000 RTP/AVP 8\r\n"), LOCAL).digits_type is None
    odd = "m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 opus/48000/2\r\na=rtpmap:8 pcma/8000/1\r\n"
    assert answer(description(odd), LOCAL).payload_type == 8


@pytest.mark.parametrize(
    "media",
    [
        "",
        "m=audio 4000 RTP/AVP 18\r\n",
        "m=audio 0 RTP/AVP 0\r\n",
        "m=audio 4000 RTP/SAVP 0\r\n",
        "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 PCMU/8000\r\n",  # the workers know static types
        "m=video 4000 RTP/AVP 31\r\n",
    ],
)
def test_no_common_codec(media: str) -> None:
    for read in (answer, read_answer):
        with pytest.raises(NoCommonCodec) as caught:
            read(description(media), LOCAL)
        assert caught.value.status == 488


def test_other_media_are_refused_in_their_places() -> None:
    media = (
        "m=video 5000 RTP/AVP 31 32\r\nc=IN IP6 not-an-address\r\na=rtpmap:x\r\n"
        "m=audio 6000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n"
        + AUDIO
        + "m=audio 7000 RTP/AVP 8\r\n"
    )
    agreed = answer(description(media), LOCAL)
    assert [line for line in lines(agreed.body) if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 31 32",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 20000 RTP/AVP 0 96",
        "m=audio 0 RTP/AVP 8",
    ]
    assert agreed.remote == ("192.0.2.1", 4000)
    again = make_offer(LOCAL, after=agreed.body)
    assert [line for line in lines(again) if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 31 32",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 20000 RTP/AVP 8 0 101",
        "m=audio 0 RTP/AVP 8",
    ]


# offered direction, ours wanted -> answered (ours), held
DIRECTIONS = [
    ("sendrecv", "sendrecv", "sendrecv", False),
    ("sendonly", "sendrecv", "recvonly", True),
    ("recvonly", "sendrecv", "sendonly", False),
    ("inactive", "sendrecv", "inactive", True),
    ("sendrecv", "sendonly", "sendonly", False),
    ("sendonly", "sendonly", "inactive", True),
    ("recvonly", "sendonly", "sendonly", False),
    ("inactive", "sendonly", "inactive", True),
    ("sendrecv", "recvonly", "recvonly", False),
    ("sendonly", "recvonly", "recvonly", False),
    ("recvonly", "recvonly", "inactive", False),
    ("inactive", "recvonly", "inactive", False),
    ("sendrecv", "inactive", "inactive", False),
    ("sendonly", "inactive", "inactive", False),
    ("recvonly", "inactive", "inactive", False),
    ("inactive", "inactive", "inactive", False),
]


@pytest.mark.parametrize(("theirs", "wanted", "ours", "held"), DIRECTIONS)
def test_directions(theirs: str, wanted: str, ours: str, held: bool) -> None:
    """RFC 3264 6.1: the full product, in the medium, in the session, and in an answer."""
    local = LocalMedia("192.0.2.9", 20_000, 7, 1, direction=wanted)  # type: ignore[arg-type]
    for offer in (
        description(AUDIO + f"a={theirs}\r\n"),
        description(AUDIO, f"c=IN IP4 192.0.2.1\r\na={theirs}\r\n"),
    ):
        agreed = answer(offer, local)
        assert (agreed.direction, agreed.held) == (ours, held)
        assert f"a={ours}" in lines(agreed.body)
        read = read_answer(offer, local)
        assert (read.direction, read.held, read.body) == (ours, held, b"")


def test_the_old_hold() -> None:
    agreed = answer(description(connection="c=IN IP4 0.0.0.0\r\n"), LOCAL)
    assert (agreed.remote, agreed.held, agreed.direction) == (None, True, "recvonly")


def test_addresses() -> None:
    own = AUDIO.replace("a=rtpmap", "c=IN IP6 2001:DB8::1\r\na=rtpmap")
    agreed = answer(description(own), LocalMedia("2001:db8::9", 20_000, 7, 1))
    assert agreed.remote == ("2001:db8::1", 4000)
    assert "c=IN IP6 2001:db8::9" in lines(agreed.body)
    for connection, status in (
        ("", 400),
        ("c=IN IP4\r\n", 400),
        ("c=IN IP4 2001:db8::1\r\n", 400),
        ("c=IN IP6 fe80::1%eth0\r\n", 400),
        ("c=IN IP4 host.example.com\r\n", 488),
        ("c=IN IP4 224.2.1.1/127\r\n", 488),
    ):
        with pytest.raises(SdpError) as caught:
            answer(description(connection=connection), LOCAL)
        assert caught.value.status == status, connection


def test_reading_an_answer() -> None:
    agreed = read_answer(
        description("m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"), LOCAL
    )
    assert (agreed.payload_type, agreed.digits_type) == (8, 101)


def test_bare_line_feeds_are_taken() -> None:
    assert answer(description().replace(b"\r\n", b"\n"), LOCAL).payload_type == 0


def test_parsed_fields() -> None:
    found = parse_description(description(AUDIO + "a=ptime:30\r\nb=AS:64\r\na=x\r\n"))
    assert (found.session_id, found.version, found.host) == ("1", "2", "192.0.2.1")
    assert found.audio is not None
    assert found.audio.ptime_ms == 30
    assert found.audio.fmtp == {96: "0-16"}
    assert parse_description(description("m=video 1 RTP/AVP 31\r\n")).audio is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=1\r\n",
        b"v=0\r\no=a 1\r\n",
        description("m=audio\r\n"),
        description("m=audio x RTP/AVP 0\r\n"),
        description("m=audio 70000 RTP/AVP 0\r\n"),
        description("m=audio 4000 RTP/AVP \x01\r\n"),
        description("m =audio 4000 RTP/AVP 0\r\n"),
        description(AUDIO + "a=rtpmap:x PCMU/8000\r\n"),
        description(AUDIO + "a=rtpmap:1000 PCMU/8000\r\n"),
        description("m=video 1 RTP/AVP 31\r\n" * 33),
        description("a=x\r\n" * 1001),
        b"\xff\xfe" * 50,
    ],
)
def test_malformed_descriptions(body: bytes) -> None:
    with pytest.raises(SdpError) as caught:
        answer(body, LOCAL)
    assert caught.value.status == 400
