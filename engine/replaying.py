"""The log, read beside a running node or a dead one, through the floor's core.

Read-only: no lock is taken and nothing is cut off; what is not whole at the end is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.journal_file import HEADER_BYTES, Cursor, Entry, Header, path_of, segments
from engine.pictures import Pictures
from engine.registry import Registry
from queues.events import FloorRulesAdopted
from queues.offers import FLOOR_FACTS
from queues.state import FloorState
from queues.why.replay import Replay, Result

BATCH = 2_048
_END = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Replayed:
    """``first`` and ``last`` are the entries seen, 0 where there is none; ``checked_from`` the
    first one whose state was known, 0 where none was."""

    result: Result
    first: int
    last: int
    checked_from: int


def entries(folder: Path, registry: Registry, after: int = 0, up_to: int = _END) -> Iterator[Entry]:
    """The sound entries of a journal's folder with ``after`` < seq <= ``up_to``."""
    cursor = Cursor(folder, registry, after)
    try:
        while batch := cursor.take(BATCH, up_to):
            yield from batch
    finally:
        cursor.close()


def starts(folder: Path) -> frozenset[int]:
    """The first entry of each engine but the first: every start begins a segment, whose header
    tells the generation. One that cannot be read counts as a start."""
    found: set[int] = set()
    before: int | None = None
    for first in segments(folder):
        path = path_of(folder, first)
        try:
            with path.open("rb") as file:
                header = Header.unpack(file.read(HEADER_BYTES), path)
        except FileNotFoundError:
            continue  # every reader had it and it left meanwhile
        generation = None if header is None else header.generation
        if generation is None or before not in (None, generation):
            found.add(first)
        before = generation
    return frozenset(found)


class LogReplay:
    """Feeds a ``Replay`` with entries of the log, from pictures on, over starts and reloads."""

    def __init__(self, pictures: Pictures, *, judging: bool = True) -> None:
        self.run = Replay(judging=judging)
        self.checked_from = 0
        self._pictures = pictures
        self._seqs = frozenset(pictures.seqs())
        self._starts = starts(pictures.journal)
        self._position: int | None = None

    def state_before(self, entry: Entry) -> FloorState | None:
        """The floor just before the next entry, at its time, where it is known."""
        state = self.run.state
        if state is None or entry.at < state.now or self._position != entry.seq - 1:
            return None
        state.now = entry.at
        return state

    def begin_after(self, seq: int) -> None:
        """Begin with the picture after entry ``seq``."""
        self._position = seq
        self._look(seq)

    def take(self, entry: Entry) -> None:
        """The next entry, of whatever kind."""
        run, event = self.run, entry.event
        if self._position is not None and entry.seq != self._position + 1:
            run.lose()  # something is missing in between
        elif entry.seq in self._starts:
            run.lose()  # what the last engine was about to write is nowhere; a picture follows
        self._position = entry.seq
        if isinstance(event, FLOOR_FACTS):
            run.take(entry)
        elif isinstance(event, FloorRulesAdopted):
            rules = self._pictures.kept.load(event.digest)
            if rules is None:
                run.lose()
            else:
                run.adopt(rules, entry)
        if entry.seq in self._seqs:
            self._look(entry.seq)

    def _look(self, seq: int) -> None:
        found = self._pictures.load(seq)
        if found is None:
            return
        if self.run.state is not None and self.run.compare(seq, found[0]):
            return
        self.run.begin(*found)
        self.checked_from = self.checked_from or seq + 1


def replay_log(folder: Path, registry: Registry, version: str) -> Replayed:
    """Every decision that the log holds, taken again. OSError where the folder is not there."""
    log = LogReplay(Pictures(folder, version))
    first = last = 0
    for entry in entries(folder, registry):
        first = first or entry.seq
        last = entry.seq
        log.take(entry)
    return Replayed(log.run.close(complete=False), first, last, log.checked_from)
