"""Recordings after the call: segments reported by workers become finished files, once."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from engine.clock import Clock
from engine.journal import Entry, Journal
from recordings.client import Finisher
from router.events import RecordingClosed

log = logging.getLogger(__name__)


class RecordingsReader:
    """A reader of the journal: finishes every RecordingClosed and journals the result.

    Finishing again after a crash gives the same file; the position is kept in a file beside
    the journal, written after the results are durable.
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
        self._segments: dict[str, list[str]] = {}

    def position(self) -> int:
        try:
            return int(json.loads(self._state.read_text())["seq"])
        except (OSError, ValueError, KeyError):
            return 0

    async def deliver(self, entries: Sequence[Entry]) -> None:
        done: list[str] = []
        for entry in entries:
            if isinstance(entry.event, RecordingClosed):
                done += await self._finish(entry.call, entry.event)
        if done:
            await self._journal.flush()
            for path in done:
                Path(path).unlink(missing_ok=True)
        if done or entries[-1].seq - self.position() > 1000:
            part = self._state.with_suffix(".new")
            part.write_text(json.dumps({"seq": entries[-1].seq}))
            part.replace(self._state)

    async def _finish(self, call: str, closed: RecordingClosed) -> list[str]:
        target = self._directory / f"{closed.recording}.wav"
        if target.exists() and not Path(closed.path).exists():
            return []
        finished = await self._finisher.finish(closed.recording, [closed.path], str(target))
        self._journal.append(call, finished, self._clock.now())
        if finished.error:
            log.error("recording %s: %s", closed.recording, finished.error)
            return []
        return [closed.path]
