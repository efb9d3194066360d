"""RTP and RTCP packets: read, built, and a fuzzer that mutates them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.media import rtcp
from router.media.report import RtcpState
from router.media.rtp import HEADER, RtpError, RtpPacket, build, parse, plain

packets = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=400),
)
u32 = st.integers(0, 0xFFFFFFFF)
blocks = st.builds(
    rtcp.Block, u32, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), u32, u32, u32, u32
)
reports = st.one_of(
    st.builds(rtcp.Report, u32, st.lists(blocks, max_size=3).map(tuple)),
    st.builds(
        rtcp.Report,
        u32,
        st.lists(blocks, max_size=3).map(tuple),
        st.integers(0, 2**64 - 1),
        u32,
        u32,
        u32,
    ),
)


@given(packets)
def test_round_trip(packet: RtpPacket) -> None:
    assert parse(build(packet)) == packet


@given(packets, st.integers(0, 15), st.binary(max_size=12), st.integers(0, 20))
def test_sources_extension_and_padding_go(
    packet: RtpPacket, sources: int, extension: bytes, padding: int
) -> None:
    extension = extension[: len(extension) // 4 * 4]
    data = build(packet)
    first = 0x80 | sources | 0x10 | (0x20 if padding else 0)
    head = bytes((first,)) + data[1:12] + bytes(4 * sources)
    head += b"\xbe\xde" + (len(extension) // 4).to_bytes(2, "big") + extension
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    assert parse(head + data[12:] + tail) == packet


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        bytes(12),
        b"\x40" + bytes(40),
        b"\x8f" + bytes(20),
        b"\x90" + bytes(12),
        b"\x90" + bytes(13) + b"\xff\xff",
        b"\xa0" + bytes(20),
        b"\xa0" + bytes(11) + b"\xff",
        b"\x80" + bytes(1500),
    ],
)
def test_what_is_no_rtp_is_refused(data: bytes) -> None:
    with pytest.raises(RtpError):
        parse(data)


@given(reports, st.booleans(), st.text(max_size=300))
def test_rtcp_round_trip(report: rtcp.Report, goodbye: bool, cname: str) -> None:
    data = rtcp.build(report, cname, goodbye)
    assert len(data) % 4 == 0
    expected = [report, rtcp.Goodbye(report.ssrc)] if goodbye else [report]
    assert rtcp.parse(data) == expected


def mutate(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        what = chance.randrange(4)
        at = chance.randrange(len(changed) + 1)
        if what == 0 and changed:
            changed[at % len(changed)] = chance.randrange(256)
        elif what == 1:
            del changed[at : at + chance.randrange(9)]
        elif what == 2:
            changed[at:at] = chance.randbytes(chance.randrange(9))
        elif changed:
            changed[at % len(changed)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def test_mutated_rtp_is_read_or_refused() -> None:
    chance = random.Random(3550)
    seed = HEADER.pack(0xB2, 0x80, 7, 160, 9) + bytes(8) + b"\xbe\xde\x00\x01abcd" + bytes(160)
    seed += b"\x00\x00\x00\x04"
    buffer = bytearray(4096)
    for _ in range(20_000):
        data = mutate(chance, seed)
        buffer[: len(data)] = data
        size = plain(buffer, len(data))
        assert len(buffer) == 4096
        assert size == 0 or 12 <= size <= len(data)
        assert size == 0 or buffer[0] == 0x80


def test_mutated_rtcp_never_hurts() -> None:
    chance = random.Random(3611)
    block = rtcp.Block(1, 2, 3, 4, 5, 6, 7)
    seed = rtcp.build(rtcp.Report(9, (block, block), 10, 11, 12, 13), "name@host", goodbye=True)
    state = RtcpState()
    for number in range(20_000):
        data = mutate(chance, seed)
        assert len(rtcp.parse(data)) <= len(data) // 4
        state.take(data, 1, 9, number, 1.0e9)
        assert state.round_trip_s < 60


def test_round_trip_time() -> None:
    """The far end answers our report of 100.0 s after half a second; it arrives at 100.6 s."""
    state = RtcpState()
    said = rtcp.ntp_middle(100.0)
    block = rtcp.Block(77, 0, 4, 1000, 16, said, 65_536 // 2)
    assert state.take(rtcp.build(rtcp.Report(5, (block,)), "x"), 77, 5, 0, 100.6)
    assert state.round_trip_s == pytest.approx(0.1, abs=0.001)
    assert (state.remote_lost, state.remote_jitter) == (4, 16)
