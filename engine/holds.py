"""Which part of the log a next engine needs: from the oldest fact that still matters."""

from __future__ import annotations

from engine.journal import Entry, Journal
from queues.events import AgentPresence
from router.events import CallArrived, CallEnded, RecordingClosed, RecordingStarted

STEP = 500  # entries between two moves of the hold


class Holds:
    """Follows live calls' first facts, agents' last presence, open recordings; moves the hold."""

    NAME = "engine"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._calls: dict[str, int] = {}
        self._agents: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._held = -STEP

    def note(self, entry: Entry) -> None:
        """Take a fact (live or at start), in order."""
        event = entry.event
        if isinstance(event, CallArrived):
            self._calls[entry.call] = entry.seq
        elif isinstance(event, CallEnded):
            self._calls.pop(entry.call, None)
        elif isinstance(event, RecordingStarted):
            self._files[event.path] = entry.seq
        elif isinstance(event, RecordingClosed):
            self._files.pop(event.path, None)
        elif isinstance(event, AgentPresence):
            if event.presence == "signed-out":
                self._agents.pop(event.agent, None)
            else:
                self._agents[event.agent] = entry.seq
        if entry.seq - self._held >= STEP:
            self.move(entry.seq)

    def move(self, seq: int) -> None:
        """Everything before the oldest fact that matters may leave."""
        self._held = seq
        matter = (*self._calls.values(), *self._agents.values(), *self._files.values())
        oldest = min(matter, default=seq + 1)
        self._journal.hold(self.NAME, min(oldest - 1, seq))
