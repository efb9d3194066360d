"""Which part of the log a next engine needs: from the oldest fact that still matters."""

from __future__ import annotations

from collections.abc import Callable

from engine.journal import Entry, Journal
from engine.kept import CallKept
from queues.events import AgentPresence, CallbackEnded, CallbackPlaced, CallbackReached
from router.events import (
    CallArrived,
    CallEnded,
    PhoneGone,
    PhoneRegistered,
    RecordingClosed,
    RecordingStarted,
    SecondLifeEnded,
)

STEP = 500  # entries between two moves of the hold
RENEW = 200_000  # entries: an older presence is written again, so that a restart reads no more
_NOTED: frozenset[type] = frozenset(
    {
        AgentPresence,
        CallArrived,
        CallEnded,
        CallKept,
        CallbackEnded,
        CallbackPlaced,
        CallbackReached,
        PhoneGone,
        PhoneRegistered,
        RecordingClosed,
        RecordingStarted,
        SecondLifeEnded,
    }
)


class Holds:
    """Follows live calls' first facts, the places that callbacks keep, agents' last presence,
    phones' last registration, open recordings; moves the hold."""

    NAME = "engine"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._calls: dict[str, int] = {}
        self._callbacks: dict[str, int] = {}
        self._agents: dict[str, int] = {}
        self._phones: dict[tuple[str, str], int] = {}
        self._files: dict[str, int] = {}
        self._held = -STEP
        self.renew: Callable[[str], None] = lambda agent: None  # write this agent's presence again

    def note(self, entry: Entry) -> None:
        """Take a fact (live or at start), in order."""
        if type(entry.event) in _NOTED:
            self._note(entry)
        if entry.seq - self._held >= STEP:
            self.move(entry.seq)

    def _note(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, CallArrived | CallbackReached):
            self._calls[entry.call] = entry.seq
        elif isinstance(event, CallKept):
            if event.data:
                self._calls.setdefault(entry.call, entry.seq)
            else:
                self._calls.pop(entry.call, None)
        elif isinstance(event, CallEnded | SecondLifeEnded):
            self._calls.pop(entry.call, None)
        elif isinstance(event, CallbackPlaced):
            self._callbacks[entry.call] = entry.seq
        elif isinstance(event, CallbackEnded):
            self._callbacks.pop(entry.call, None)
        elif isinstance(event, RecordingStarted):
            self._files[event.path] = entry.seq
        elif isinstance(event, RecordingClosed):
            self._files.pop(event.path, None)
        elif isinstance(event, AgentPresence):
            if event.presence == "signed-out":
                self._agents.pop(event.agent, None)
            else:
                self._agents[event.agent] = entry.seq
        elif isinstance(event, PhoneRegistered):
            self._phones[event.user, event.uri] = entry.seq
        elif isinstance(event, PhoneGone):
            self._phones.pop((event.user, event.uri), None)

    def move(self, seq: int) -> None:
        """Everything before the oldest fact that matters may leave."""
        self._held = seq
        held = (self._calls, self._callbacks, self._agents, self._phones, self._files)
        oldest = min((least for of in held for least in of.values()), default=seq + 1)
        self._journal.hold(self.NAME, min(oldest - 1, seq))
        for agent in [agent for agent, at in self._agents.items() if seq - at > RENEW]:
            self.renew(agent)

    def is_open(self, file: str) -> bool:
        """A recording's file whose end is not in the log."""
        return file in self._files
