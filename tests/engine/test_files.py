"""Recordings become files once, whatever dies when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from engine.files import AGAIN_S, POSITION_STEP, RecordingsReader
from engine.journal import Entry
from recordings.events import RecordingFinished
from router.events import (
    CallArrived,
    CallEnded,
    CallPickedUp,
    RecordingClosed,
    RecordingStarted,
    SecondLifeEnded,
)
from tests.fakes import FakeJournal, HandClock


class Pen:
    """A finisher that writes the names of its segments into the target."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, list[str]]] = []
        self.fails = ""
        self.breaks = False

    async def finish(self, recording: str, paths: Sequence[str], target: str) -> RecordingFinished:
        self.jobs.append((recording, [Path(path).name for path in paths]))
        if self.breaks:
            raise OSError("no process")
        if self.fails:
            return RecordingFinished(recording, "", "", 0.0, 0, self.fails)
        text = "+".join(Path(path).read_text() for path in paths)
        Path(target).write_text(text)
        return RecordingFinished(recording, target, "ab" * 32, 1.0, len(text))


class Room:
    """A folder of recordings, a journal and its reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = FakeJournal()
        self.pen = Pen()
        self.clock = HandClock()
        self.restart()

    def restart(self) -> None:
        self.reader = RecordingsReader(
            cast(Any, self.journal), cast(Any, self.clock), cast(Any, self.pen),
            self.folder, self.folder / "recordings.position",
        )  # fmt: skip

    def segment(self, name: str, text: str = "") -> str:
        path = self.folder / name
        path.write_text(text or name)
        return str(path)

    def fact(self, event: object, call: str = "c") -> Entry:
        return self.journal.append(call, event, 1.0)

    def started(self, name: str, recording: str = "c-r1", call: str = "c") -> Entry:
        return self.fact(RecordingStarted(recording, self.segment(name)), call)

    def closed(self, name: str, recording: str = "c-r1", call: str = "c") -> Entry:
        return self.fact(RecordingClosed(recording, str(self.folder / name), 0.0, 1.0, 5, 5), call)

    def ended(self, call: str = "c") -> Entry:
        return self.fact(CallEnded("answered", "bye"), call)

    async def read(self, upto: int | None = None) -> None:
        """Deliver what the reader has not (to its knowledge) had."""
        entries = self.journal.entries[self.reader.position : upto]
        await self.reader.deliver(entries)

    @property
    def finished(self) -> list[RecordingFinished]:
        return self.journal.facts(RecordingFinished)

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.suffix != ".position")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


async def test_one_segment_becomes_one_file_and_goes(room: Room) -> None:
    room.started("a.part")
    room.closed("a.part")
    room.ended()
    await room.read()
    assert [(f.recording, f.error) for f in room.finished] == [("c-r1", "")]
    assert room.files == ["c-r1.wav"]
    assert room.journal.entries[-1].call == "c"


async def test_the_end_of_the_call_may_come_first(room: Room) -> None:
    room.started("a.part")
    room.ended()
    await room.read()
    assert room.finished == [], "the worker still writes"
    await room.reader.deliver([room.closed("a.part")])
    assert len(room.finished) == 1


async def test_a_recording_of_a_second_life_is_finished_at_its_end(room: Room) -> None:
    """The call ended once already, when its caller hung up to be called back."""
    room.ended()
    room.started("b.part", "c-b7r1")
    room.closed("b.part", "c-b7r1")
    await room.read()
    assert room.finished == []
    await room.reader.deliver([room.fact(SecondLifeEnded("bye"))])
    assert [found.recording for found in room.finished] == ["c-b7r1"]
    assert room.files == ["c-b7r1.wav"]


async def test_segments_of_two_workers_make_one_file(room: Room) -> None:
    room.started("a.part")
    room.closed("a.part")
    room.started("a.part2")
    room.closed("a.part2")
    room.ended()
    await room.read()
    assert room.pen.jobs == [("c-r1", ["a.part", "a.part2"])]
    assert (room.folder / "c-r1.wav").read_text() == "a.part+a.part2"
    assert len(room.finished) == 1


async def test_the_second_segment_is_waited_for(room: Room) -> None:
    room.started("a.part")
    room.closed("a.part")
    room.started("a.part2")
    room.ended()
    await room.read()
    assert room.finished == []


async def test_several_recordings_of_one_call_are_several_files(room: Room) -> None:
    for recording in ("c-r1", "c-r2"):
        room.started(f"{recording}.part", recording)
        room.closed(f"{recording}.part", recording)
    room.ended()
    await room.read()
    assert room.files == ["c-r1.wav", "c-r2.wav"]


async def test_calls_without_a_recording_pass(room: Room) -> None:
    room.fact(CallArrived("", "", ""))
    room.ended()
    await room.read()
    assert room.pen.jobs == []
    assert room.reader.position == 2


async def test_a_report_that_comes_twice_finishes_nothing_twice(room: Room) -> None:
    room.started("a.part")
    room.closed("a.part")
    room.closed("a.part")
    room.ended()
    await room.read()
    later = [room.closed("a.part")]
    await room.reader.deliver(later)
    assert room.pen.jobs == [("c-r1", ["a.part"])]
    assert room.reader.position == later[-1].seq, "and holds nothing up"


async def test_what_cannot_be_finished_is_told_and_its_segments_stay(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.pen.fails = "disk full"
    room.started("a.part")
    room.closed("a.part")
    room.ended()
    await room.read()
    assert [f.error for f in room.finished] == ["disk full"]
    assert room.files == ["a.part"]
    assert "disk full" in caplog.text


async def test_a_segment_that_was_never_written_is_told_too(room: Room) -> None:
    room.fact(RecordingStarted("c-r1", str(room.folder / "gone.part")))
    room.closed("gone.part")
    room.ended()
    room.pen.fails = "no segment"
    await room.read()
    assert room.pen.jobs == [("c-r1", ["gone.part"])]
    assert [f.error for f in room.finished] == ["no segment"]


async def test_a_recording_that_never_began_says_why(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """Not that a part is missing: there was none. It is no fault, so nobody is alarmed."""
    room.fact(RecordingStarted("c-r1", str(room.folder / "never.part")))
    path = str(room.folder / "never.part")
    room.fact(RecordingClosed("c-r1", path, 1.0, 1.0, 0, 0, "the call was over"))
    room.ended()
    await room.read()
    assert [f.error for f in room.finished] == ["the call was over"]
    assert room.pen.jobs == []
    assert caplog.text == ""


async def test_a_finisher_that_fails_is_asked_again(room: Room) -> None:
    room.started("a.part")
    room.closed("a.part")
    await room.read()
    room.pen.breaks = True
    last = [room.ended()]
    with pytest.raises(ExceptionGroup):
        await room.reader.deliver(last)
    room.pen.breaks = False
    await room.reader.deliver(last)
    assert room.files == ["c-r1.wav"]
    assert len(room.finished) == 1


# --- crashes ---------------------------------------------------------------------------------


async def test_a_crash_before_the_position_finishes_to_the_same_file(room: Room) -> None:
    room.started("a.part")
    room.closed("a.part")
    room.ended()
    before = (room.folder / "recordings.position").exists()
    await room.read()
    (room.folder / "recordings.position").unlink()
    assert not before
    room.restart()
    assert room.reader.position == 0
    await room.read()
    assert len(room.pen.jobs) == 1, "the segments are gone, the file is there"
    assert len(room.finished) == 1


async def test_a_crash_before_the_segments_went_makes_the_same_file_again(room: Room) -> None:
    room.started("a.part")
    room.closed("a.part")
    room.ended()
    (room.folder / "c-r1.wav").write_text("half")  # the fact of it is not in the log
    await room.read()
    assert (room.folder / "c-r1.wav").read_text() == "a.part"
    assert room.files == ["c-r1.wav"]


async def test_a_crash_amid_the_removal_does_not_shorten_the_file(room: Room) -> None:
    for name in ("a.part", "a.part2"):
        room.started(name)
        room.closed(name)
    room.ended()
    (room.folder / "c-r1.wav").write_text("whole")
    room.fact(RecordingFinished("c-r1", "c-r1.wav", "ab" * 32, 1.0, 5))
    (room.folder / "a.part").unlink()
    await room.read()
    assert (room.folder / "c-r1.wav").read_text() == "whole"
    assert room.files == ["c-r1.wav"]
    assert len(room.finished) == 1


async def test_an_unfinished_recording_holds_nothing_of_the_log(room: Room) -> None:
    room.fact(CallArrived("", "", ""))
    first = room.started("a.part")
    for _ in range(POSITION_STEP * 2):
        room.fact(CallPickedUp(), "other")
    await room.read()
    assert room.reader.position > first.seq
    room.restart()
    assert room.reader.position > first.seq
    room.closed("a.part")
    room.ended()
    await room.read()
    assert room.reader.position == room.journal.last_seq - 1
    assert room.files == ["c-r1.wav"]


@pytest.mark.parametrize("text", ["", "nonsense", "{}", '{"seq": null}', "[1]"])
def test_a_damaged_position_reads_from_the_start(room: Room, text: str) -> None:
    (room.folder / "recordings.position").write_text(text)
    room.restart()
    assert room.reader.position == 0


async def test_the_position_is_written_whole(room: Room) -> None:
    room.fact(CallPickedUp())
    await room.read()
    assert json.loads((room.folder / "recordings.position").read_text()) == {
        "seq": 1,
        "open": {},
    }
    assert not (room.folder / "recordings.new").exists()


async def test_a_full_disk_is_told_once_and_tried_again(room: Room) -> None:
    room.started("a")
    room.closed("a")
    room.ended()
    room.pen.fails = "writing failed: No space left on device"
    await room.read()
    await room.read()
    (told,) = room.journal.facts(RecordingFinished)
    assert "No space left" in told.error
    assert (room.folder / "a").exists()
    assert room.reader.failed["disk full"] == 1
    room.pen.fails = ""
    room.clock.at += AGAIN_S
    room.fact(CallPickedUp(), "d")
    await room.read()
    *_, finished = room.journal.facts(RecordingFinished)
    assert (finished.error, finished.missing) == ("", "")
    assert not (room.folder / "a").exists()


async def test_the_alarm_rises_while_the_call_goes_on(room: Room) -> None:
    """Once: not again for the report that comes twice, nor when the call has ended."""
    room.started("a")
    why = "disk full: No space left on device"
    for _ in range(2):
        room.fact(RecordingClosed("c-r1", str(room.folder / "a"), 0.0, 1.0, 5, 5, why))
    await room.read()
    assert room.reader.failed == {"disk full": 1, "worker died": 0, "other": 0}
    room.ended()
    room.pen.fails = "writing failed: No space left on device"
    await room.read()
    assert len(room.journal.facts(RecordingFinished)) == 1
    assert room.reader.failed == {"disk full": 1, "worker died": 0, "other": 0}


async def test_a_recording_counts_under_each_cause(room: Room) -> None:
    room.started("a")
    died = RecordingClosed("c-r1", str(room.folder / "a"), 0.0, 1.0, 5, 5, "the media worker died")
    room.fact(died)
    room.started("a.part2")
    full = "disk full: No space left on device"
    room.fact(RecordingClosed("c-r1", str(room.folder / "a.part2"), 1.0, 2.0, 5, 5, full))
    room.ended()
    await room.read()
    assert len(room.journal.facts(RecordingFinished)) == 1
    assert room.reader.failed == {"disk full": 1, "worker died": 1, "other": 0}


async def test_a_recording_cut_short_says_what_is_missing(room: Room) -> None:
    room.started("a")
    why = "disk full: No space left on device"
    room.fact(RecordingClosed("c-r1", str(room.folder / "a"), 0.0, 1.0, 5, 5, why))
    room.ended()
    await room.read()
    (finished,) = room.journal.facts(RecordingFinished)
    assert (finished.error, finished.missing) == ("", why)
    assert room.reader.failed == {"disk full": 1, "worker died": 0, "other": 0}
