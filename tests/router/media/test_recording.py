"""The recording file: what is written is read back, also from a file cut short."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.media.recording import (
    END,
    LEFT,
    MAGIC,
    PAUSE,
    RESUME,
    RIGHT,
    RTP,
    SIDE,
    Mark,
    Packet,
    Reading,
    RecordingFormatError,
    RecordingHeader,
    encode_header,
    encode_mark,
    encode_packet,
    read_recording,
)

HEADER = RecordingHeader("rec-1", 1_700_000_000.25, "caller", "agent")

packets = st.tuples(
    st.sampled_from((LEFT, RIGHT)),
    st.sampled_from((0, 8)),
    st.integers(0, 2**40),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**16 - 1),
    st.sampled_from((1, 2, 0xFFFFFFFF)),
    st.booleans(),
    st.binary(max_size=480),
)


def wire(codec: int, time: int, sequence: int, ssrc: int, marker: bool, payload: bytes) -> bytes:
    return RTP.pack(0x80, codec | marker << 7, sequence, time, ssrc) + payload


@given(st.lists(packets, max_size=30))
def test_round_trip(items: list[tuple[int, int, int, int, int, int, bool, bytes]]) -> None:
    data = encode_header(HEADER)
    expected, last = [], [None, None]
    for side, codec, arrival, time, sequence, ssrc, marker, payload in items:
        data += encode_packet(side, arrival, wire(codec, time, sequence, ssrc, marker, payload))
        fresh = last[side] != ssrc
        last[side] = ssrc
        expected.append(Packet(side, codec, arrival, time, sequence, ssrc, marker, fresh, payload))
    reading = Reading(io.BytesIO(data))
    assert reading.header == HEADER
    assert list(reading) == expected
    assert not reading.complete


@given(st.lists(packets, min_size=1, max_size=8), st.integers(0, 4000))
def test_a_cut_file_is_read_to_its_last_whole_record(
    items: list[tuple[int, int, int, int, int, int, bool, bytes]], cut: int
) -> None:
    head = encode_header(HEADER)
    records = [encode_packet(i[0], i[2], wire(i[1], *i[3:])) for i in items]
    data = (head + b"".join(records))[: len(head) + cut]
    whole, size = 0, len(head)
    for record in records:
        size += len(record)
        whole += size <= len(data)
    assert len(list(Reading(io.BytesIO(data)))) == whole


def test_marks_and_a_change_of_side(tmp_path: Path) -> None:
    packet = wire(0, 160, 1, 7, False, b"x" * 160)
    path = tmp_path / "r"
    path.write_bytes(
        encode_header(HEADER)
        + encode_packet(RIGHT, 1, packet)
        + encode_mark(PAUSE, 2)
        + encode_mark(RESUME, 3)
        + encode_mark(SIDE, 4, RIGHT, "agent-2")
        + encode_packet(RIGHT, 5, packet)
        + encode_mark(END, 6)
    )
    with read_recording(path) as reading:
        records = list(reading)
    assert records[1:4] == [Mark(PAUSE, 2), Mark(RESUME, 3), Mark(SIDE, 4, 1, "agent-2")]
    assert isinstance(records[4], Packet)
    assert records[4].new_source
    assert reading.complete


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF" * 8,
        MAGIC + b"\xff\xff",
        MAGIC + b"\x00\x01\xc1",
        encode_header(HEADER) + b"\xff" * 20,
        encode_header(HEADER) + encode_packet(LEFT, 0, b"short"),
    ],
)
def test_what_is_no_recording_is_refused(data: bytes) -> None:
    with pytest.raises(RecordingFormatError):
        list(Reading(io.BytesIO(data)))


@given(st.binary(max_size=600))
def test_noise_after_the_header_never_hurts(noise: bytes) -> None:
    try:
        for _ in Reading(io.BytesIO(encode_header(HEADER) + noise)):
            pass
    except RecordingFormatError:
        pass
