"""Which part of the log a next engine needs: from the oldest record that still matters.

Nothing keeps the log for long: what stays as it is for ``RENEW`` entries (a caller who waits, a
place that a callback keeps, a long talk, a phone, an agent on duty) is written again, so that a
start reads a bounded piece of the log however long calls last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from config.queueing import QueueSettings
from engine.journal import Entry, Journal
from engine.kept import CallKept, LegKept
from queues.events import (
    AgentPresence,
    CallbackEnded,
    CallbackPlaced,
    CallbackReached,
    PlaceKept,
    QueueVisitEnded,
)
from router.events import (
    CallArrived,
    CallEnded,
    EngineStarted,
    PhoneGone,
    PhoneRegistered,
    RecordingClosed,
    RecordingStarted,
    SecondLifeEnded,
)

STEP = 500  # entries between two moves of the hold
RENEW = 20_000  # entries: what is older is written again
ENTRY_BYTES = 1_024  # an entry's size, on the safe side of what is usual
PART = 4  # of the log's size, at most this part is held
AGAIN_MAX = 200  # things written again at one move: the others follow at the next


def nothing(*what: object) -> None:
    """Who renews is not there yet (at start)."""


@dataclass(slots=True)
class Renewal:
    """What writes things again: a call or a kept place (False where that cannot be just now), a
    leg, an agent; and a fact as it was."""

    call: Callable[[str], bool] = bool
    leg: Callable[[str], None] = nothing
    agent: Callable[[str], None] = nothing
    fact: Callable[[str, object], None] = nothing


@dataclass(slots=True)
class Held:
    """Where in the log a thing stands last, and the fact that says it."""

    seq: int
    call: str = ""
    event: object = None
    again: bool = False  # it is being written again: the next record counts


@dataclass(slots=True)
class Table:
    """Things of one kind by name."""

    things: dict[object, Held] = field(default_factory=dict)

    def begins(self, name: object, entry: Entry) -> None:
        """Its first record counts, until it is written again."""
        held = self.things.get(name)
        if held is None:
            self.things[name] = Held(entry.seq, entry.call)
        elif held.again:
            held.seq, held.again = entry.seq, False

    def stands(self, name: object, entry: Entry) -> None:
        """Its last record counts."""
        self.things[name] = Held(entry.seq, entry.call, entry.event)

    def ends(self, name: object) -> None:
        self.things.pop(name, None)

    @property
    def oldest(self) -> int | None:
        return min((held.seq for held in self.things.values()), default=None)

    def old(self, before: int) -> list[tuple[object, Held]]:
        """What has stood since before this entry, the oldest first, not too many."""
        found = [item for item in self.things.items() if item[1].seq < before]
        return sorted(found, key=lambda item: item[1].seq)[:AGAIN_MAX]


class Left(NamedTuple):
    """A caller who hung up while waiting and may redial: where their call stands first in the
    log, where and when they left."""

    first: int
    seq: int
    at: float


class Holds:
    """Follows calls, the places that callbacks keep, legs, agents, phones, open recordings and
    the engine's start; moves the hold and has written again what is old.

    The place of a caller who hung up is held for ``resume_s``, for ``RENEW`` entries at most."""

    NAME = "engine"

    def __init__(
        self, journal: Journal, bytes_max: int = 1 << 40, queues: Iterable[QueueSettings] = ()
    ) -> None:
        self._journal = journal
        self.adopt(queues)
        self._left: deque[Left] = deque()
        # What is held must be a small part of a log that may be small.
        self._renew_after = min(RENEW, bytes_max // ENTRY_BYTES // PART)
        self._calls, self._places, self._legs, self._agents = Table(), Table(), Table(), Table()
        self._phones, self._files, self._start = Table(), Table(), Table()
        self._held = -STEP
        self.renewal = Renewal()

    def adopt(self, queues: Iterable[QueueSettings]) -> None:
        """Their rules say for how long a place may be resumed."""
        self._resume_s = max((queue.resume_s for queue in queues), default=0.0)

    def note(self, entry: Entry) -> None:
        """Take an entry (live or at start), in order."""
        take = _TAKE.get(type(entry.event))
        if take is not None:
            take(self, entry)
        if entry.seq - self._held >= STEP:
            self._forget_left(entry)
            self.move(entry.seq)

    def call_begins(self, entry: Entry) -> None:
        self._calls.begins(entry.call, entry)

    def call_ends(self, entry: Entry) -> None:
        self._calls.ends(entry.call)

    def place(self, entry: Entry) -> None:
        """Of a call that waits the place is written again first: that record counts. What a
        callback keeps outlasts its call."""
        is_callback = isinstance(entry.event, CallbackPlaced) or (
            isinstance(entry.event, PlaceKept) and bool(entry.event.number)
        )
        (self._places if is_callback else self._calls).begins(entry.call, entry)

    def visit_ended(self, entry: Entry) -> None:
        assert isinstance(entry.event, QueueVisitEnded)
        call = self._calls.things.get(entry.call)
        if entry.event.end == "abandoned" and self._resume_s and call is not None:
            self._left.append(Left(call.seq, entry.seq, entry.at))

    def _forget_left(self, entry: Entry) -> None:
        oldest, since = entry.seq - self._renew_after, entry.at - self._resume_s
        while self._left and (self._left[0].seq < oldest or self._left[0].at < since):
            self._left.popleft()

    def call_kept(self, entry: Entry) -> None:
        assert isinstance(entry.event, CallKept)
        if entry.event.data:
            self._calls.begins(entry.call, entry)
        else:
            self._calls.ends(entry.call)

    def callback_ends(self, entry: Entry) -> None:
        self._places.ends(entry.call)

    def leg_kept(self, entry: Entry) -> None:
        assert isinstance(entry.event, LegKept)
        if entry.event.data:
            self._legs.stands(entry.event.leg, entry)
        else:
            self._legs.ends(entry.event.leg)

    def presence(self, entry: Entry) -> None:
        assert isinstance(entry.event, AgentPresence)
        if entry.event.presence == "signed-out":
            self._agents.ends(entry.event.agent)
        else:
            self._agents.stands(entry.event.agent, entry)

    def phone(self, entry: Entry) -> None:
        assert isinstance(entry.event, PhoneRegistered)
        self._phones.stands((entry.event.user, entry.event.uri), entry)

    def phone_gone(self, entry: Entry) -> None:
        assert isinstance(entry.event, PhoneGone)
        self._phones.ends((entry.event.user, entry.event.uri))

    def recording(self, entry: Entry) -> None:
        assert isinstance(entry.event, RecordingStarted)
        self._files.stands(entry.event.path, entry)

    def recorded(self, entry: Entry) -> None:
        assert isinstance(entry.event, RecordingClosed)
        self._files.ends(entry.event.path)

    def started(self, entry: Entry) -> None:
        self._start.stands("engine", entry)

    def move(self, seq: int) -> None:
        """Everything before the oldest record that matters may leave."""
        self._held = seq
        facts = (self._phones, self._files, self._start)
        tables = (self._calls, self._places, self._legs, self._agents, *facts)
        left = min((left.first for left in self._left), default=None)
        oldest = [left, *(table.oldest for table in tables)]
        first = min((at for at in oldest if at is not None), default=seq + 1)
        self._journal.hold(self.NAME, min(first - 1, seq))
        self._renew(seq - self._renew_after)

    def _renew(self, before: int) -> None:
        for name, held in [*self._calls.old(before), *self._places.old(before)]:
            held.again = self.renewal.call(str(name)) or held.again
        for name, _ in self._legs.old(before):
            self.renewal.leg(str(name))
        for name, _ in self._agents.old(before):
            self.renewal.agent(str(name))
        for table in (self._phones, self._files, self._start):
            for _, held in table.old(before):
                self.renewal.fact(held.call, held.event)

    def is_open(self, file: str) -> bool:
        """A recording's file whose end is not in the log."""
        return file in self._files.things


_TAKE: dict[type, Callable[[Holds, Entry], None]] = {
    CallArrived: Holds.call_begins,
    CallbackPlaced: Holds.place,
    CallbackReached: Holds.call_begins,
    PlaceKept: Holds.place,
    CallKept: Holds.call_kept,
    CallEnded: Holds.call_ends,
    QueueVisitEnded: Holds.visit_ended,
    SecondLifeEnded: Holds.call_ends,
    CallbackEnded: Holds.callback_ends,
    LegKept: Holds.leg_kept,
    AgentPresence: Holds.presence,
    PhoneRegistered: Holds.phone,
    PhoneGone: Holds.phone_gone,
    RecordingStarted: Holds.recording,
    RecordingClosed: Holds.recorded,
    EngineStarted: Holds.started,
}
