"""The recordings of a worker: which session is stored where."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from router.media.disk import Disk, File, Job
from router.media.leg import Leg
from router.media.protocol import (
    Answer,
    Done,
    PauseRecord,
    Record,
    RecordingSegment,
    Refused,
    Report,
    StopRecord,
)
from router.media.recorder import Recorder
from router.media.recording import LEFT, RIGHT
from router.media.upkeep import Clock

FLUSH_STEPS = 20  # of 5 ms: each file is appended to every 100 ms
SLOTS = sorted(range(FLUSH_STEPS), key=lambda slot: slot % 4)  # steps where few players are last
TOGETHER = 32  # files at one step
ENDED_KEPT = 500  # recordings that a second Record finds ended
PENDING_BYTES_MAX = 128 * 1024 * 1024  # a stall of 20 s under 300 recorded calls

Key = tuple[str, str]  # recording and the path that was asked for


class Tapes:
    """Recordings by id, and by session; a session is in one recording at most."""

    def __init__(
        self,
        legs: dict[str, Leg],
        clock: Clock,
        emit: Callable[[Report], None],
        disk: Disk,
    ) -> None:
        self.disk = disk
        disk.on_closed = self._closed
        self.legs = legs
        self.clock = clock
        self.emit = emit
        self.recorders: dict[str, Recorder] = {}
        self.recorded: dict[str, Recorder] = {}
        self._closing: dict[File, RecordingSegment] = {}
        self._ended: OrderedDict[Key, RecordingSegment | None] = OrderedDict()
        self.flushes: list[dict[Recorder, None]] = [{} for _ in range(FLUSH_STEPS)]

    def of(self, session: str) -> Recorder | None:
        return self.recorded.get(session)

    def step(self, number: int) -> None:
        """Hand over what waits for the files of this step."""
        slot = self.flushes[number % FLUSH_STEPS]
        if not slot:
            return
        jobs: list[Job] = []
        for recorder in tuple(slot):
            self._look(recorder)
            if recorder.buffer and not recorder.broken:
                jobs.append((recorder.file, recorder.take(), False))
        if jobs:
            self.disk.put(jobs)

    def _look(self, recorder: Recorder) -> None:
        """What went wrong with its file since the last time: it is over, and that is told while
        the call goes on."""
        error = recorder.file.error
        if self.disk.pending > PENDING_BYTES_MAX:
            error = error or "the disk is too slow"
        if not error or recorder.broken:
            return
        recorder.give_up(error)
        self.finish(recorder)

    def finish_all(self) -> None:
        for recorder in tuple(self.recorders.values()):
            self.finish(recorder)
        self.disk.close()

    def record(self, command: Record) -> Answer:
        recorder = self.recorders.get(command.recording)
        left, right = self.legs.get(command.left), self.legs.get(command.right)
        if recorder is not None:
            if recorder.left != command.left:
                return Refused(f"recording {command.recording} has another left side")
            return self._change_right(recorder, command.right, right)
        key = command.recording, command.path
        if key in self._ended:
            ended = self._ended[key]
            if ended is not None:  # else its file is being closed, and its report follows
                self.emit(ended)
            return Done()
        if left is None or (right is None and command.right):
            return Refused(f"unknown session {command.right if left else command.left}")
        if left is right:
            return Refused("left and right are the same session")
        for leg in (left, right):
            if leg is not None and leg.session in self.recorded:
                return Refused(f"session {leg.session} is recorded already")
        recorder = Recorder(
            command.recording,
            command.path,
            command.left,
            command.right,
            self.clock.now_us,
            self.clock.unix(),
        )
        self.disk.put([(recorder.file, recorder.take(), False)])
        self.recorders[command.recording] = recorder
        recorder.slot = min(SLOTS, key=lambda slot: len(self.flushes[slot]) // TOGETHER)
        self.flushes[recorder.slot][recorder] = None
        for leg in (left, right):
            if leg is not None:
                self.recorded[leg.session] = recorder
        self.tap(recorder)
        return Done()

    def _change_right(self, recorder: Recorder, session: str, right: Leg | None) -> Answer:
        if session == recorder.right:
            return Done()
        if session and right is None:
            return Refused(f"unknown session {session}")
        if session in self.recorded:
            return Refused(f"session {session} is recorded already")
        former = self.legs.get(recorder.right)
        if former is not None and self.recorded.pop(former.session, None) is not None:
            former.inbound.recorder = None
        recorder.change_right(session, self.clock.now_us)
        if right is not None:
            self.recorded[session] = recorder
        self.tap(recorder)
        return Done()

    def tap(self, recorder: Recorder) -> None:
        """Let both sides' packets reach the recorder, or none while it is paused or broken."""
        stores = not recorder.broken and not recorder.paused
        for side, session in ((LEFT, recorder.left), (RIGHT, recorder.right)):
            leg = self.legs.get(session)
            if leg is not None and self.recorded.get(session) is recorder:
                leg.inbound.side = side
                leg.inbound.recorder = recorder if stores else None

    def leave(self, leg: Leg) -> None:
        """A session closes; the recording ends when its other side is gone too."""
        recorder = self.recorded.pop(leg.session, None)
        if recorder is None:
            return
        leg.inbound.recorder = None
        other = recorder.right if leg.session == recorder.left else recorder.left
        if self.recorded.get(other) is not recorder:
            self.finish(recorder)

    def pause(self, command: PauseRecord) -> Answer:
        recorder = self.recorders.get(command.recording)
        if recorder is None:
            return Refused(f"unknown recording {command.recording}")
        recorder.pause(command.paused, self.clock.now_us)
        self.tap(recorder)
        return Done()

    def stop(self, command: StopRecord) -> Answer:
        recorder = self.recorders.get(command.recording)
        if recorder is not None:
            self.finish(recorder)
        return Done()

    def finish(self, recorder: Recorder) -> None:
        """End a recording; its segment is reported when the disk has all of it."""
        for session in (recorder.left, recorder.right):
            if self.recorded.get(session) is recorder:
                del self.recorded[session]
                self.legs[session].inbound.recorder = None
        del self.recorders[recorder.recording]
        del self.flushes[recorder.slot][recorder]
        self._closing[recorder.file] = recorder.finish(self.clock.now_us)
        self._ended[recorder.recording, recorder.file.asked] = None
        if len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)
        self.disk.put([(recorder.file, recorder.take(), True)])

    def _closed(self, file: File) -> None:
        """The disk has all of a finished recording."""
        segment = self._closing.pop(file)
        segment = replace(segment, path=file.path or file.asked, error=segment.error or file.error)
        key = segment.recording, file.asked
        if key in self._ended:
            self._ended[key] = segment
        self.emit(segment)
