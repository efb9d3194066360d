"""Recording bridged and single legs: what reaches the file, and that errors hurt nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.media.protocol import (
    Bridge,
    Close,
    PauseRecord,
    Record,
    RecordingSegment,
    Refused,
    StopRecord,
    Update,
)
from router.media.recording import END, PAUSE, RESUME, SIDE, Mark, Packet, read_recording
from tests.router.media.stage import HOST, Phone, Stage


@pytest.fixture
def call(scene: Stage) -> tuple[Phone, Phone]:
    left, right = scene.phone("left"), scene.phone("right", payload_type=8)
    scene.done(Bridge("left", "right"))
    scene.talk(left, right, count=5)
    return left, right


def read(path: str) -> tuple[list[Packet], list[Mark], bool]:
    with read_recording(path) as reading:
        records = list(reading)
        complete = reading.complete
    packets = [record for record in records if isinstance(record, Packet)]
    return packets, [record for record in records if isinstance(record, Mark)], complete


def test_both_sides_as_they_came(scene: Stage, call: tuple[Phone, Phone]) -> None:
    left, right = call
    command = Record("r", str(scene.folder / "new" / "r.raw"), "left", "right")
    scene.done(command)
    scene.done(command)
    before = left.sequence, right.timestamp
    for number in range(50):
        scene.talk(left, right, payload=bytes((number,)) * 160)
    left.send(b"\x05\x0a\x00\xa0", payload_type=101)
    scene.read()
    scene.done(StopRecord("r"))
    scene.done(StopRecord("r"))
    (segment,) = scene.of(RecordingSegment)
    assert (segment.left_packets, segment.right_packets, segment.error) == (50, 50, "")
    assert segment.ended - segment.started == pytest.approx(1.0)
    packets, _, complete = read(segment.path)
    assert complete
    for side, phone in enumerate(call):
        mine = [packet for packet in packets if packet.side == side]
        assert [packet.payload[0] for packet in mine] == list(range(50))
        assert {packet.codec for packet in mine} == {phone.payload_type}
        assert {packet.ssrc for packet in mine} == {phone.ssrc}
        assert [packet.arrival_us for packet in mine] == [20_000 * n for n in range(50)]
        assert [packet.new_source for packet in mine] == [True] + [False] * 49
        assert mine[49].rtp_time - mine[0].rtp_time == 49 * 160
    assert packets[0].sequence == before[0]
    assert packets[1].rtp_time == before[1]


def test_pause_hold_and_another_agent(scene: Stage, call: tuple[Phone, Phone]) -> None:
    left, right = call
    path = str(scene.folder / "r")
    scene.done(Record("r", path, "left", "right"))
    scene.talk(left, right, count=5)
    scene.done(PauseRecord("r", True))
    scene.done(PauseRecord("r", True))
    scene.talk(left, right, count=5)
    scene.done(PauseRecord("r", False))
    scene.done(Update("right", right.address, (HOST,), 8, 101, "sendonly"))
    scene.talk(left, right, count=5)
    third = scene.phone("third")
    scene.do(Close("right"))
    scene.done(Bridge("left", "third"))
    scene.done(Record("r", path, "left", "third"))
    scene.talk(left, third, count=5)
    scene.do(Close("third"))
    assert not scene.of(RecordingSegment)
    scene.talk(left, count=5)
    scene.do(Close("left"))
    (segment,) = scene.of(RecordingSegment)
    packets, marks, complete = read(segment.path)
    assert complete
    assert [mark.kind for mark in marks] == [PAUSE, RESUME, SIDE, END]
    assert marks[2].session == "third"
    assert [sum(packet.side == side for packet in packets) for side in (0, 1)] == [20, 10]
    assert [p.ssrc for p in packets if p.side == 1 and p.new_source] == [right.ssrc, third.ssrc]


def test_voicemail_has_one_side(scene: Stage) -> None:
    phone = scene.phone("a")
    scene.done(Record("v", str(scene.folder / "v"), "a"))
    scene.talk(phone, count=20)
    scene.do(Close("a"))
    (segment,) = scene.of(RecordingSegment)
    assert (segment.left_packets, segment.right_packets) == (20, 0)
    assert len(read(segment.path)[0]) == 20


def test_what_is_recorded_is_on_disk_within_300_ms(scene: Stage, call: tuple[Phone, Phone]) -> None:
    path = scene.folder / "r"
    scene.done(Record("r", str(path), "left", "right"))
    scene.talk(*call, count=20)
    scene.pass_ms(300)
    packets, _, complete = read(str(path))
    assert len(packets) == 40
    assert not complete


def test_an_existing_file_is_not_written_over(scene: Stage, call: tuple[Phone, Phone]) -> None:
    path = scene.folder / "r.raw"
    path.write_bytes(b"precious")
    scene.done(Record("r", str(path), "left", "right"))
    scene.talk(*call, count=2)
    scene.done(StopRecord("r"))
    (segment,) = scene.of(RecordingSegment)
    assert segment.path == str(scene.folder / "r.2.raw")
    assert path.read_bytes() == b"precious"


def test_a_full_disk_stops_the_recording_alone(
    scene: Stage, call: tuple[Phone, Phone], tmp_path: Path
) -> None:
    left, right = call
    scene.done(Record("r", str(tmp_path / "r"), "left", "right"))
    recorder = scene.exchange.tapes.recorders["r"]
    with open("/dev/full", "wb", buffering=0) as full:
        os.dup2(full.fileno(), recorder.file.fd)
    right.heard()
    scene.talk(left, right, count=100)
    assert len(right.heard()) == 100
    assert not recorder.buffer
    (segment,) = scene.of(RecordingSegment)
    assert segment.error.startswith("disk full"), "told while the call goes on"
    scene.done(StopRecord("r"))
    assert len(scene.of(RecordingSegment)) == 1


def test_what_cannot_be_recorded_is_refused(scene: Stage, call: tuple[Phone, Phone]) -> None:
    (scene.folder / "file").write_bytes(b"")
    path = str(scene.folder / "r")
    scene.done(Record("r", path, "left", "right"))
    for command in (
        Record("q", path, "left"),
        Record("q", path, "nobody"),
        Record("r", path, "right", "left"),
        Record("r", path, "left", "nobody"),
        Record("q", path, "nobody", "left"),
        PauseRecord("q", True),
    ):
        assert isinstance(scene.do(command), Refused), command
    scene.done(StopRecord("r"))
    assert isinstance(scene.do(Record("q", path, "left", "left")), Refused)


def test_a_file_that_cannot_be_made_ends_its_recording(
    scene: Stage, call: tuple[Phone, Phone]
) -> None:
    (scene.folder / "file").write_bytes(b"")
    path = str(scene.folder / "file" / "x")
    scene.done(Record("q", path, "left", "right"))
    scene.talk(*call, count=15)
    (segment,) = scene.of(RecordingSegment)
    assert (segment.recording, segment.path, segment.error) == ("q", path, "Not a directory")
    assert not scene.exchange.tapes.recorders
    scene.done(StopRecord("q"))
    assert len(call[0].heard()) == 20
