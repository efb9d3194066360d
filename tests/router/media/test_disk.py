"""A disk that stalls, is slow or full: the call goes on, what is lost is told."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from router.media import tapes
from router.media.disk import File, InlineDisk, Job, ThreadDisk
from router.media.protocol import Bridge, Record, RecordingSegment, StopRecord
from router.media.recording import Packet, read_recording
from tests.router.media.stage import Phone, Stage


class Stalled(InlineDisk):
    """Keeps its jobs until it moves again."""

    def __init__(self, on_closed: Callable[[File], None]) -> None:
        super().__init__()
        self.on_closed = on_closed
        self.jobs: list[Job] = []

    def put(self, jobs: Sequence[Job]) -> None:
        self.jobs += jobs
        self.pending += sum(len(data) for _, data, _ in jobs)

    def move(self) -> None:
        super().put(self.jobs)
        self.jobs, self.pending = [], 0


def stalled(scene: Stage) -> Stalled:
    held = scene.exchange.tapes
    disk = held.disk = Stalled(held.disk.on_closed)
    return disk


def call(scene: Stage) -> tuple[Phone, Phone]:
    left, right = scene.phone("left"), scene.phone("right")
    scene.done(Bridge("left", "right"))
    scene.talk(left, right, count=5)
    right.heard()
    return left, right


def test_a_stall_delays_no_packet_and_loses_none(scene: Stage) -> None:
    disk = stalled(scene)
    left, right = call(scene)
    path = str(scene.folder / "r")
    scene.done(Record("r", path, "left", "right"))
    scene.talk(left, right, count=50)
    scene.done(StopRecord("r"))
    scene.done(Record("r", path, "left", "right"))
    assert len(right.heard()) == 50
    assert not list(scene.folder.glob("r*"))
    assert not scene.of(RecordingSegment), "nothing is told whole before it is"
    disk.move()
    (segment,) = scene.of(RecordingSegment)
    assert (segment.left_packets, segment.right_packets, segment.error) == (50, 50, "")
    with read_recording(path) as reading:
        assert sum(isinstance(record, Packet) for record in reading) == 100
        assert reading.complete


def test_what_a_stall_holds_is_bounded(scene: Stage) -> None:
    disk = stalled(scene)
    left, right = call(scene)
    scene.done(Record("r", str(scene.folder / "r"), "left", "right"))
    scene.talk(left, right, count=5)
    disk.pending = tapes.PENDING_BYTES_MAX + 1
    scene.talk(left, right, count=50)
    assert len(right.heard()) == 55
    kept = len(disk.jobs)
    scene.talk(left, right, count=50)
    assert len(disk.jobs) == kept
    disk.move()
    (segment,) = scene.of(RecordingSegment)
    assert segment.error == "the disk is too slow"


class Slow(File):
    """Written when it may be."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.may = threading.Event()

    def append(self, data: bytes | bytearray) -> None:
        self.may.wait(5)
        super().append(data)


def test_a_thread_writes_in_order_and_tells_of_the_end(tmp_path: Path) -> None:
    disk = ThreadDisk()
    closed: list[File] = []
    disk.on_closed = closed.append
    slow, other = Slow(str(tmp_path / "slow")), File(str(tmp_path / "other"))
    disk.put([(slow, b"a", False), (slow, b"b", False)])
    disk.put([(other, b"x", True), (slow, b"c", True)])
    assert disk.pending == 4
    assert not closed
    slow.may.set()
    while len(closed) < 2:
        assert select.select([disk.wake_fd], [], [], 5)[0]
        disk.take_closed()
    assert closed == [other, slow]
    assert disk.pending == 0
    assert (tmp_path / "slow").read_bytes() == b"abc"
    assert (tmp_path / "other").read_bytes() == b"x"
    disk.close()


def test_what_waits_at_the_end_is_written(tmp_path: Path) -> None:
    disk = ThreadDisk()
    closed: list[File] = []
    disk.on_closed = closed.append
    files = [File(str(tmp_path / str(number))) for number in range(20)]
    disk.put([(file, b"x" * 1000, True) for file in files])
    disk.close()
    assert closed == files
    assert all((tmp_path / str(number)).stat().st_size == 1000 for number in range(20))


class Faulty(File):
    def append(self, data: bytes | bytearray) -> None:
        raise ZeroDivisionError


def test_a_fault_about_one_file_is_not_the_end_of_others(tmp_path: Path) -> None:
    disk = ThreadDisk()
    faulty, other = Faulty(str(tmp_path / "f")), File(str(tmp_path / "o"))
    disk.put([(faulty, b"x", False), (other, b"x", True)])
    disk.close()
    assert faulty.error == "fault in the worker: ZeroDivisionError"
    assert (tmp_path / "o").read_bytes() == b"x"
