"""Why a call was answered by whom: its story, recomputed from the log while that holds it.

The log is read in a thread from the last picture of the floor before the call, a little at a
time, so that the engine goes on; beyond the log the decisions in the records tell.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from config.errors import PeerError
from config.settings import Settings
from engine.journal_file import Cursor, Entry
from engine.pictures import Pictures
from engine.registry import Registry, product_registry
from engine.replaying import LogReplay
from queues.state import FloorState
from queues.why.decisions import STORED, DecisionStore, StoredFact, is_told
from queues.why.explain_wait import Wait, wait
from queues.why.picture import state_of
from queues.why.story import Step, Story
from queues.why.wording import Names

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)

BATCH = 256
REST_S = 0.0005  # after each batch: the engine's turn
RECORDS_S = 5.0  # so long the records may take to answer
WAITING_MAX = 8  # who asks while the log is being read for others


class BusyError(PeerError):
    """Too many ask why at the same time."""


@dataclass(frozen=True, slots=True)
class Why:
    """A call's story. ``complete``: every decision in it was taken again and came out alike.
    ``waits`` is there while the call waits."""

    call: str
    steps: tuple[Step, ...]
    complete: bool
    waits: Wait | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: the journal's folder and who reads it; ``up_to`` the last durable entry."""

    folder: Path
    registry: Registry
    version: str
    up_to: int


@dataclass(slots=True)
class Question:
    """``stored`` are the call's facts in the records, which have everything up to entry
    ``stored_up_to``. ``over``: no further fact of the call is expected."""

    call: str
    names: Names
    stored: Sequence[StoredFact] = ()
    stored_up_to: int = 0
    over: bool = False
    waits: Wait | None = field(default=None)


class Asking:
    """One question at a time: reading the log costs time that calls need."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def ask(self, question: Question, place: Place) -> Why | None:
        """None where nothing is known of the call on the floor. BusyError."""
        if self._waiting >= WAITING_MAX:
            raise BusyError("others ask at the same time; try again in a moment")
        self._waiting += 1
        try:
            async with self._lock:
                return await asyncio.to_thread(answer, question, place, REST_S)
        finally:
            self._waiting -= 1


def answer(question: Question, place: Place, rest_s: float = 0.0) -> Why | None:
    """The story from log and records, in this thread; a fact that both have is the log's."""
    merged = Merged(question)
    story = merged.story
    _from_log(merged, question, place, rest_s)
    merged.rest()
    if not story.steps:
        return None
    decided = [step.decision for step in story.steps if step.decision is not None]
    complete = bool(decided) and all(decision.complete for decision in decided)
    return Why(question.call, tuple(story.steps), complete, question.waits)


class Merged:
    """The story told from the log's entries, and from the records where those have more."""

    def __init__(self, question: Question) -> None:
        self.story = Story(question.call, question.names)
        self._stored = deque(question.stored)

    def take(self, entry: Entry, state: FloorState | None) -> None:
        """The call's next fact in the log."""
        self._take_stored(entry.seq)
        if self._stored and self._stored[0].seq == entry.seq:
            self._stored.popleft()
        self.story.take(entry.seq, entry.at, entry.event, state)

    def rest(self) -> None:
        """The log has no more."""
        self._take_stored(None)

    def _take_stored(self, before: int | None) -> None:
        while self._stored and (before is None or self._stored[0].seq < before):
            row = self._stored.popleft()
            event = rebuilt(row)
            if event is not None:
                self.story.take(row.seq, row.at, event, None)


def _from_log(merged: Merged, question: Question, place: Place, rest_s: float) -> None:
    """Tell what the log has. A call that is over is looked for only where the records say that
    its facts are, and in what they do not have yet."""
    stored = question.stored
    first = stored[0].seq if stored else question.stored_up_to + 1
    last = stored[-1].seq if stored and question.over else place.up_to
    pictures = Pictures(place.folder, place.version)
    begin = max((seq for seq in pictures.seqs() if seq < first), default=0)
    log = LogReplay(pictures, judging=False)
    log.begin_after(begin)
    for entry in _slowly(place, begin, last, rest_s):
        if _is_told(entry, question.call):
            merged.take(entry, log.state_before(entry))
        log.take(entry)
    if last < place.up_to:
        for entry in _slowly(place, max(last, question.stored_up_to), place.up_to, rest_s):
            if _is_told(entry, question.call):
                merged.take(entry, None)


def _is_told(entry: Entry, call: str) -> bool:
    return entry.call == call and is_told(entry.event)


def _slowly(place: Place, after: int, up_to: int, rest_s: float) -> Iterable[Entry]:
    cursor = Cursor(place.folder, place.registry, after)
    try:
        while batch := cursor.take(BATCH, up_to):
            yield from batch
            if rest_s:
                time.sleep(rest_s)
    finally:
        cursor.close()


def rebuilt(stored: StoredFact) -> object | None:
    """The fact of a row; None for one that this version does not know."""
    kind = STORED.get(stored.kind)
    if kind is None:
        return None
    try:
        fact: object = msgspec.json.decode(stored.fact, type=kind)
        return fact
    except msgspec.ValidationError:
        return None


async def of_call(engine: Engine, call: str) -> Why | None:
    """Why, asked of a running engine; None where the floor knows nothing of the call.

    Raises BusyError. Records that are away are done without: the log alone is read, all of it.
    """
    names = names_of(engine.settings)
    stored, stored_up_to = await _stored(engine, call)
    now = engine.clock.now()
    waits = wait(state_of(engine.floor.floor), call, now, names)
    question = Question(
        call,
        names,
        stored,
        stored_up_to,
        over=waits is None and call not in engine.turns.calls,
        waits=waits,
    )
    history = engine.history
    place = Place(history.folder, product_registry(), engine.version, engine.journal.durable_seq)
    return await history.asking.ask(question, place)


async def _stored(engine: Engine, call: str) -> tuple[Sequence[StoredFact], int]:
    reader = engine.records_reader
    position = reader.position if reader is not None and not reader.failing else 0
    try:
        async with asyncio.timeout(RECORDS_S):
            return await DecisionStore(engine.database).of_call(call), position
    except Exception as error:
        log.warning("decisions of the records are not at hand: %s", type(error).__name__)
        return (), 0


def names_of(settings: Settings) -> Names:
    """What the agents are called."""
    return {agent.id: agent.name for agent in settings.agents}


def told(why: Why) -> str:
    """The whole story as lines; times are seconds after the first."""
    begin = why.steps[0].at if why.steps else 0.0
    lines = [f"{step.at - begin:8.1f} s  {step.text}" for step in why.steps]
    if why.waits is not None:
        lines.append(f"     now    {why.waits.text}")
    return "\n".join(lines)
