"""Recordings while they run: told to the worker, begun anew when a worker died."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from dataclasses import dataclass

from engine.legs import Legs
from engine.turns import Turns, register
from engine.workers import Workers
from router import effects as do
from router.call import Call
from router.events import RecordingClosed, RecordingStarted
from router.media import protocol as media
from router.media.client import WorkerClient

log = logging.getLogger(__name__)

WORKER_DIED = "the media worker died"
ENDED_KEPT = 1_000  # files whose end was told: a dead engine's wish may come after it


@dataclass(slots=True)
class Tape:
    """A recording in progress: its file of the moment, and how many there were."""

    call: str
    command: media.Record
    begun: float
    segments: int = 1
    runs: bool = False  # the worker took it, as far as one knows that a dead engine told it


class Taping:
    """Performs Record and StopRecording; knows which recordings run."""

    def __init__(self, turns: Turns, legs: Legs, workers: Workers) -> None:
        self._turns = turns
        self._legs = legs
        self._workers = workers
        self._tapes: dict[str, Tape] = {}
        self._of_call: dict[str, list[str]] = {}
        self._ended: deque[str] = deque(maxlen=ENDED_KEPT)  # paths
        self._adopted: set[str] = set()  # that a worker should be found to record
        self.none_runs = asyncio.Event()
        self.none_runs.set()
        register(turns.outer, {do.Record: self._record, do.StopRecording: self._stop_recording})

    def of(self, call: str) -> list[Tape]:
        """The recordings of a call that run."""
        return [self._tapes[name] for name in self._of_call.get(call, ()) if name in self._tapes]

    def adopt(self, tape: Tape) -> None:
        """A recording that a dead engine had begun: its worker goes on with it."""
        self._begun(tape)
        self._adopted.add(tape.command.recording)

    def adopt_owed(self, call: str, effect: do.Record) -> None:
        """One that it was to begin, and perhaps did: its start is in the log."""
        self._adopted.discard(effect.recording)
        if effect.recording not in self._tapes:
            command = media.Record(effect.recording, effect.path, effect.left, effect.right)
            self._begun(Tape(call, command, self._turns.clock.now()))

    def has(self, recording: str) -> bool:
        """Whether this one runs, or is about to: then who ends its files is here."""
        return recording in self._tapes

    def _begun(self, tape: Tape) -> None:
        self.none_runs.clear()
        self._tapes[tape.command.recording] = tape
        self._of_call.setdefault(tape.call, []).append(tape.command.recording)

    def _forget(self, recording: str) -> None:
        tape = self._tapes.pop(recording, None)
        if tape is not None:
            names = self._of_call[tape.call]
            names.remove(recording)
            if not names:
                del self._of_call[tape.call]
            self._turns.touch(tape.call)
        if not self._tapes:
            self.none_runs.set()

    def _record(self, call: Call, effect: do.Record) -> None:
        io = self._legs.by_id.get(effect.left)
        tape = self._tapes.get(effect.recording)
        if io is None or io.media_over:  # the caller left while the disk was slow
            if tape is None or not tape.runs:
                self._call_was_over(call.id, effect)
            return
        path = tape.command.path if tape else effect.path
        command = media.Record(effect.recording, path, effect.left, effect.right)
        if tape is None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            tape = Tape(call.id, command, self._turns.clock.now())
            self._begun(tape)
        else:
            tape.command = command
        self._turns.touch(call.id)  # nothing else may happen in a long talk
        self._tell(io.worker, tape)

    def _call_was_over(self, call: str, effect: do.Record) -> None:
        if effect.path in self._ended:  # an engine that died began it, and its worker ended it
            return
        log.info("recording %s: the call was over before it began", effect.recording)
        self._never_ran(call, effect.recording, effect.path, "the call was over")
        self._forget(effect.recording)

    def _tell(self, worker: WorkerClient, tape: Tape) -> None:
        command = tape.command

        def told(answer: media.Answer) -> None:
            """A recording that cannot begin is over. (Of one that runs, the side is refused.)"""
            if isinstance(answer, media.Done):
                tape.runs = True
            elif not tape.runs and worker.connected and tape.command is command:
                reason = answer.reason if isinstance(answer, media.Refused) else "no answer"
                log.error("recording %s: %s", command.recording, reason)
                self._never_ran(tape.call, command.recording, command.path, reason)
                self._forget(command.recording)

        self._workers.ask(worker, command, told)

    def _never_ran(self, call: str, recording: str, path: str, reason: str) -> None:
        """Its start is in the log, so its end must be: readers wait for it."""
        now = self._turns.clock.now()
        self._turns.fact(call, RecordingClosed(recording, path, now, now, 0, 0, reason))

    def _stop_recording(self, call: Call, effect: do.StopRecording) -> None:
        worker = self._workers.home(call.id)
        if worker is not None:
            self._workers.send(worker, media.StopRecord(effect.recording))
        elif effect.recording in self._tapes:
            self._worker_died(effect.recording, self._tapes[effect.recording])
            self._forget(effect.recording)

    def closed(self, segment: media.RecordingSegment) -> None:
        """The worker's report: the file is complete."""
        tape = self._tapes.get(segment.recording)
        self._ended.append(segment.path)
        if tape is not None and tape.command.path == segment.path:
            self._forget(segment.recording)
        self._turns.fact(
            segment.recording.rpartition("-")[0],
            RecordingClosed(
                segment.recording,
                segment.path,
                segment.started,
                segment.ended,
                segment.left_packets,
                segment.right_packets,
                segment.error,
            ),
        )

    def go_on(self, lost: set[str]) -> None:
        """Another worker took the place of one that died: its recordings go on in a new file."""
        for tape in tuple(self._tapes.values()):
            if tape.command.left in lost:
                self._anew(tape)

    def look_after(self, found: set[str]) -> None:
        """At a take-over, ``found``: what workers record. One that died with the last engine may
        have its sessions again, and not what it recorded of them."""
        adopted, self._adopted = self._adopted - found, set()
        for recording, tape in tuple(self._tapes.items()):
            io = self._legs.by_id.get(tape.command.left)
            here = io is not None and io.worker.connected and not io.media_over
            if recording in adopted and tape.call not in self._turns.calls:
                self._forget(recording)  # who closes what is open in the log closes it
            elif recording in adopted and here:
                self._anew(tape)

    def _anew(self, tape: Tape) -> None:
        """Its start is on disk before the worker begins, like that of any other."""
        recording = tape.command.recording
        self._adopted.discard(recording)
        self._worker_died(recording, tape)
        call = self._turns.calls.get(tape.call)
        if call is None:  # it is over: what was owed to it is being done
            self._forget(recording)
            return
        tape.segments += 1
        first = tape.command.path.partition(".part")[0]
        right = tape.command.right  # perhaps gone, while the caller waits for the next one
        now = tape.command = media.Record(
            recording,
            f"{first}.part{tape.segments}",
            tape.command.left,
            right if right in self._legs.by_id else "",
        )
        tape.runs = False
        self._turns.fact(tape.call, RecordingStarted(recording, now.path))
        self._turns.touch(tape.call)
        self._turns.owe(call, [do.Record(recording, now.path, now.left, now.right)])

    def _worker_died(self, recording: str, tape: Tape) -> None:
        """What the dead worker had written stays: a segment of the finished file."""
        now = self._turns.clock.now()
        self._turns.fact(
            tape.call,
            RecordingClosed(recording, tape.command.path, tape.begun, now, 0, 0, WORKER_DIED),
        )
