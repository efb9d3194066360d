"""The recordings of a worker: which session is stored where."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

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
TOGETHER = 8  # files at one step
ENDED_KEPT = 500  # recordings that a second Record finds ended


class Tapes:
    """Recordings by id, and by session; a session is in one recording at most."""

    def __init__(self, legs: dict[str, Leg], clock: Clock, emit: Callable[[Report], None]) -> None:
        self.legs = legs
        self.clock = clock
        self.emit = emit
        self.recorders: dict[str, Recorder] = {}
        self.recorded: dict[str, Recorder] = {}
        self._ended: OrderedDict[tuple[str, str], RecordingSegment] = OrderedDict()
        self.flushes: list[dict[Recorder, None]] = [{} for _ in range(FLUSH_STEPS)]

    def of(self, session: str) -> Recorder | None:
        return self.recorded.get(session)

    def step(self, number: int) -> None:
        """Append what waits for the files of this step."""
        for recorder in tuple(self.flushes[number % FLUSH_STEPS]):
            broken = recorder.fd < 0
            recorder.flush()
            if recorder.fd < 0 and not broken:
                self.tap(recorder)

    def finish_all(self) -> None:
        for recorder in tuple(self.recorders.values()):
            self.finish(recorder)

    def record(self, command: Record) -> Answer:
        recorder = self.recorders.get(command.recording)
        left, right = self.legs.get(command.left), self.legs.get(command.right)
        if recorder is not None:
            if recorder.left != command.left:
                return Refused(f"recording {command.recording} has another left side")
            return self._change_right(recorder, command.right, right)
        ended = self._ended.get((command.recording, command.path))
        if ended is not None:
            self.emit(ended)
            return Done()
        if left is None or (right is None and command.right):
            return Refused(f"unknown session {command.right if left else command.left}")
        if left is right:
            return Refused("left and right are the same session")
        for leg in (left, right):
            if leg is not None and leg.session in self.recorded:
                return Refused(f"session {leg.session} is recorded already")
        try:
            recorder = Recorder(
                command.recording,
                command.path,
                command.left,
                command.right,
                self.clock.now_us,
                self.clock.unix(),
            )
        except OSError as error:
            return Refused(f"cannot record: {error.strerror or error}")
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
        stores = recorder.fd >= 0 and not recorder.paused
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
        """Close a recording and report its segment."""
        for session in (recorder.left, recorder.right):
            if self.recorded.get(session) is recorder:
                del self.recorded[session]
                self.legs[session].inbound.recorder = None
        del self.recorders[recorder.recording]
        del self.flushes[recorder.slot][recorder]
        segment = recorder.finish(self.clock.now_us)
        self._ended[recorder.recording, recorder.asked_path] = segment
        if len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)
        self.emit(segment)
