"""Recordings after the call: segments reported by workers become finished files, once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from engine.clock import Clock
from engine.journal import Entry, Journal
from recordings.client import Finisher
from recordings.events import RecordingFinished
from router.events import CallEnded, RecordingClosed, RecordingStarted, SecondLifeEnded

log = logging.getLogger(__name__)

POSITION_STEP = 200  # entries between two writings while calls are open
AGAIN_S = 30.0  # what found no room on the disk is tried again at most so often
DISK_FULL, WORKER_DIED, OTHER = "disk full", "worker died", "other"
FULL = ("No space left", "Disk quota exceeded", DISK_FULL)


@dataclass(slots=True)
class Takes:
    """The recordings of one call: segment files by recording, and the files still written to."""

    first: int  # seq of the first fact about them
    running: set[str] = field(default_factory=set)
    paths: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  # why the last segment is not whole
    ended: bool = False
    told: set[str] = field(default_factory=set)  # the log has why they are not finished yet
    counted: dict[str, set[str]] = field(default_factory=dict)  # by recording: causes


class RecordingsReader:
    """A reader of the journal: a recording is finished once, when its call has ended.

    A recording may have several segments (its worker died); all of them make one file, so they
    are kept until the call ended and no segment is open. Position and what is open are kept in a
    file beside the journal, so that a long talk holds nothing of the log; what a crash delivers
    again is finished again, to the same file.

    A disk that is full holds up nothing: the log is told why there is no file, the segments stay
    and are tried again, by the next start at the latest. ``failed`` counts recordings by cause,
    as soon as a segment is told not to be whole: the call may go on for long.
    """

    NAME = "recordings"

    def __init__(
        self, journal: Journal, clock: Clock, finisher: Finisher, directory: Path, state: Path
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._finisher = finisher
        self._directory = directory
        self._state = state
        self._open: dict[str, Takes] = {}  # by call
        self._written = 0
        self._read_state()
        # Calls with segments that found no room.
        self._later = {
            call for call, takes in self._open.items() if takes.ended and not takes.running
        }
        self._again_at = 0.0
        self.failed = dict.fromkeys((DISK_FULL, WORKER_DIED, OTHER), 0)

    def _read_state(self) -> None:
        """Where the last engine came to; nothing that can be read is the beginning."""
        with suppress(OSError, ValueError, KeyError, TypeError, msgspec.ValidationError):
            kept = json.loads(self._state.read_text())
            position = int(kept["seq"])
            self._open = msgspec.convert(kept.get("open", {}), dict[str, Takes])
            self._written = position

    @property
    def position(self) -> int:
        """The last entry that needs no reading again."""
        return self._written

    async def deliver(self, entries: Sequence[Entry]) -> None:
        ready = dict.fromkeys(entry.call for entry in entries if self._take(entry))
        if self._later and self._clock.now() >= self._again_at:
            ready.update(dict.fromkeys(sorted(self._later)))
        if ready:
            async with asyncio.TaskGroup() as group:
                for call in ready:
                    group.create_task(self._finish(call, self._open[call]))
            await self._journal.flush(urgent=False)
            for call in ready:  # not before: what fails is delivered again
                if call not in self._later:
                    del self._open[call]
        self._keep_position(entries[-1].seq)

    def _take(self, entry: Entry) -> bool:
        """Note a fact; True when the call's recordings can be finished now."""
        event = entry.event
        if isinstance(event, RecordingStarted):
            takes = self._open.setdefault(entry.call, Takes(entry.seq))
            takes.running.add(event.path)
            takes.paths.setdefault(event.recording, [])
        elif isinstance(event, RecordingClosed):
            if entry.call not in self._open:
                return False  # a worker's report that came twice: that recording is finished
            takes = self._open[entry.call]
            takes.running.discard(event.path)
            paths = takes.paths.setdefault(event.recording, [])
            if event.path not in paths:
                paths.append(event.path)
            if event.error:
                takes.reasons[event.recording] = event.error
                self._count(takes, event.recording, event.error)
        elif isinstance(event, CallEnded | SecondLifeEnded) and entry.call in self._open:
            self._open[entry.call].ended = True
        else:
            return False
        takes = self._open[entry.call] if entry.call in self._open else Takes(0)
        return takes.ended and not takes.running and bool(takes.paths)

    async def _finish(self, call: str, takes: Takes) -> None:
        self._later.discard(call)
        for recording, paths in takes.paths.items():
            target = self._directory / f"{recording}.wav"
            there = [path for path in paths if Path(path).exists()]
            if target.exists() and (not there or self._is_told(recording, takes.first)):
                _remove(there)  # finished before a crash
                continue
            reason = takes.reasons.get(recording)
            if reason and not there:  # it never began; who closed it has told
                self._tell(call, takes, RecordingFinished(recording, "", "", 0.0, 0, reason))
                continue
            finished = await self._finisher.finish(recording, there or paths, str(target))
            if any(text in finished.error for text in FULL):
                self._later.add(call)
                self._again_at = self._clock.now() + AGAIN_S
                if recording in takes.told:
                    continue
                takes.told.add(recording)
            elif not finished.error:
                parts = dict.fromkeys(filter(None, (reason, finished.missing)))
                finished = replace(finished, missing="; ".join(parts))
            self._tell(call, takes, finished)
            if finished.error:
                log.error("recording %s: %s", recording, finished.error)
                continue
            await self._journal.flush(urgent=False)
            _remove(there)

    def _count(self, takes: Takes, recording: str, problem: str) -> None:
        """A recording counts once for each cause."""
        full = any(text in problem for text in FULL)
        cause = DISK_FULL if full else WORKER_DIED if "worker died" in problem else OTHER
        counted = takes.counted.setdefault(recording, set())
        if cause not in counted:
            counted.add(cause)
            self.failed[cause] += 1

    def _tell(self, call: str, takes: Takes, finished: RecordingFinished) -> None:
        """Into the log: the recording, or why there is none."""
        problem = finished.error or finished.missing
        if problem:
            self._count(takes, finished.recording, problem)
        self._journal.append(call, finished, self._clock.now())

    def _is_told(self, recording: str, since: int) -> bool:
        """Whether the log has it finished: a crash may have left some of its segments. They must
        not be taken for the whole of it."""
        return any(
            isinstance(entry.event, RecordingFinished)
            and entry.event.recording == recording
            and not entry.event.error
            for entry in self._journal.read(since)
        )

    def _keep_position(self, seq: int) -> None:
        if seq - self._written < POSITION_STEP and self._open:
            return
        part = self._state.with_suffix(".new")
        part.write_text(json.dumps({"seq": seq, "open": msgspec.to_builtins(self._open)}))
        part.replace(self._state)
        self._written = seq


def _remove(paths: Sequence[str]) -> None:
    for path in paths:
        Path(path).unlink(missing_ok=True)
