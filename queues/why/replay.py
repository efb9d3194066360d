"""Replaying the log: the same facts through the same core must give the same decisions.

Facts change a ``FloorState`` as in recovery. Before each recorded offer the production matching
looks at the state and must come to the very same offer: call, agent, key, runners-up, counts,
version, fence and lease. When the facts of an instant are complete, no call may wait beside an
agent who may take it, and nothing that was due may be left undone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from hashlib import blake2b
from typing import Any

from config.errors import MisuseError
from queues.dispatch import Dispatch
from queues.events import BreakOverrun, CallbackDue, CallPromoted, CallWidened, OfferMade
from queues.leaving import may_wait_for
from queues.offers import FLOOR_FACTS, FloorEvent
from queues.rules import FloorRules
from queues.state import FloorState
from queues.timers import Kind
from queues.why.picture import Picture, restore, take
from router.entry import Entry

DIFFERENCES_MAX = 100  # kept; the rest is counted
NOTHING = "nothing"

# Facts that only time brings.
_TIMED: dict[type[Any], Kind] = {
    CallPromoted: Kind.PROMOTE,
    CallWidened: Kind.WIDEN,
    CallbackDue: Kind.DUE,
    BreakOverrun: Kind.BREAK,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """What the log has and what the replay comes to at this entry."""

    seq: int
    at: float
    call: str
    recorded: str
    replayed: str


@dataclass(slots=True)
class Result:
    """``unchecked`` decisions stand where the state before them is not known; ``pictures`` were
    held against the replayed state; ``late_s`` is how long after its time the latest timer came;
    ``different`` counts all differences, of which the first are kept."""

    decisions: int = 0
    unchecked: int = 0
    timers: int = 0
    pictures: int = 0
    late_s: float = 0.0
    different: int = 0
    differences: list[Difference] = field(default_factory=list)
    digest: str = ""


class DecisionDigest:
    """BLAKE2b over decisions in their order: equal digests are equal decisions, bit by bit."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)

    def add(self, at: float, call: str, event: OfferMade) -> None:
        told = json.dumps([at, call, *astuple(event)], separators=(",", ":"), sort_keys=True)
        self._hash.update(told.encode() + b"\n")

    def __str__(self) -> str:
        return self._hash.hexdigest()


class _EmittedError(Exception):
    """What the core would write now."""

    def __init__(self, call: str, event: FloorEvent) -> None:
        self.call = call
        self.event = event


class _Foresight(Dispatch):
    """The production core up to its first fact, which it tells and does not take."""

    def __init__(self, state: FloorState) -> None:
        self.state = state
        self.effects = []

    def emit(self, call: str, event: FloorEvent) -> None:
        raise _EmittedError(call, event)


def next_fact(state: FloorState) -> tuple[str, FloorEvent] | None:
    """What matching would decide now: an offer, or that a callback rests; None where nothing is
    to be decided. Changes nothing that a decision depends on."""
    try:
        _Foresight(state)._match()
    except _EmittedError as told:
        return told.call, told.event
    return None


def _falls_due(state: FloorState, kind: Kind, ident: str) -> tuple[str, FloorEvent] | None:
    """The fact that this timer would lead to now."""
    try:
        _Foresight(state)._fall_due(kind, ident)
    except _EmittedError as told:
        return told.call, told.event
    return None


class Replay:
    """Takes the floor's entries in order; ``begin`` where the state is known, ``lose`` where it
    is not any more (a start, a gap in the log). Without ``judging`` the facts only change the
    state."""

    def __init__(self, *, judging: bool = True) -> None:
        self.result = Result()
        self._judging = judging
        self.state: FloorState | None = None
        self._digest = DecisionDigest()
        self._last: Entry | None = None

    def begin(self, picture: Picture, rules: FloorRules) -> None:
        """Go on from a picture; what is pending is not judged."""
        self.state = restore(picture, rules)
        next_fact(self.state)
        self._last = None

    def lose(self) -> None:
        """Decisions are only counted until the next ``begin``."""
        self.state = None
        self._last = None

    def compare(self, seq: int, picture: Picture) -> bool:
        """Whether the replayed state equals a picture taken after entry ``seq``; only its time
        may be later, as not every look at the clock leaves a fact."""
        if self.state is None or not self._judging:
            return True
        self.result.pictures += 1
        self.state.now = max(self.state.now, picture.now)
        mine = take(self.state)
        others = [
            name for name in Picture.__slots__ if getattr(mine, name) != getattr(picture, name)
        ]
        if others:
            recorded = f"a picture with other {', '.join(others)}"
            self._differ(seq, picture.now, "", recorded, "what the facts before it made")
        return not others

    def adopt(self, rules: FloorRules, entry: Entry) -> None:
        """Other rules from here on."""
        if self.state is not None:
            self._pass_to(entry)
            self.state.now = max(self.state.now, entry.at)
            self.state.adopt(rules)
            self._last = entry

    def take(self, entry: Entry) -> None:
        """One fact of the floor; others are MisuseError."""
        event = entry.event
        if not isinstance(event, FLOOR_FACTS):
            raise MisuseError(f"{type(event).__name__} is no fact of the floor")
        if isinstance(event, OfferMade) and self._judging:
            self.result.decisions += 1
            self._digest.add(entry.at, entry.call, event)
        state = self.state
        if state is None:
            self.result.unchecked += isinstance(event, OfferMade)
            return
        if entry.at < state.now:
            self._differ(entry.seq, entry.at, entry.call, "a time before the last", NOTHING)
            self.lose()
            return
        self._pass_to(entry)
        state.now = entry.at
        if not self._judging:
            pass
        elif isinstance(event, OfferMade):
            self._judge(entry, next_fact(state))
        elif type(event) in _TIMED:
            self._judge_timed(entry, state, _TIMED[type(event)])
        state.apply(entry.call, event, entry.at)  # type: ignore[arg-type]
        self._last = entry

    def close(self, *, complete: bool) -> Result:
        """The end of the log; ``complete``: no fact of its last instant is still to come."""
        if complete:
            self._complete()
        self.result.digest = str(self._digest)
        return self.result

    def _pass_to(self, entry: Entry) -> None:
        """Time goes on: what happened at the instant before is all there."""
        state, last = self.state, self._last
        if state is None or last is None or entry.at <= last.at or not self._judging:
            return
        self._complete()
        due = state.timers.next
        if due is not None and due < entry.at:
            self.result.late_s = max(self.result.late_s, entry.at - due)

    def _complete(self) -> None:
        """Nothing may be left: no pair to match, nothing due."""
        state, last = self.state, self._last
        if state is None or last is None:
            return
        left = next_fact(state)
        if left is not None:
            self._differ(last.seq, last.at, left[0], NOTHING, _told(left))
        due = state.timers.next
        if due is not None and due <= last.at:
            self._differ(last.seq, last.at, "", NOTHING, f"something that was due at {due!r}")

    def _judge(self, entry: Entry, replayed: tuple[str, FloorEvent] | None) -> None:
        if replayed != (entry.call, entry.event):
            told = NOTHING if replayed is None else _told(replayed)
            self._differ(entry.seq, entry.at, entry.call, _told((entry.call, entry.event)), told)

    def _judge_timed(self, entry: Entry, state: FloorState, kind: Kind) -> None:
        """A fact that only time brings: its timer must be there, be due, and bring just this."""
        event = entry.event
        self.result.timers += 1
        ident = event.agent if isinstance(event, BreakOverrun) else entry.call
        due = state.timers.at(kind, ident)
        recorded = entry.call, event
        if due is None or due > entry.at:
            replayed, told = None, NOTHING if due is None else f"that it is due at {due!r}"
        else:
            replayed = _falls_due(state, kind, ident)
            told = repr(replayed)
        if replayed != recorded and not _agent_gone(state, entry):
            self._differ(entry.seq, entry.at, entry.call, _told(recorded), told)

    def _differ(self, seq: int, at: float, call: str, recorded: str, replayed: str) -> None:
        self.result.different += 1
        if len(self.result.differences) < DIFFERENCES_MAX:
            self.result.differences.append(Difference(seq, at, call, recorded, replayed))


def _agent_gone(state: FloorState, entry: Entry) -> bool:
    """Whether the call is widened just because the one agent it waits for will not come."""
    call, event = state.calls.get(entry.call), entry.event
    if not isinstance(event, CallWidened) or call is None or not call.wants.only:
        return False
    agent = state.agents.get(call.wants.only)
    away = agent is None or not may_wait_for(agent, call.queue, call.wants)
    same = (dict(call.wants.needs), call.wants.level_max) == (event.skills, event.level_max)
    return away and same and not event.only


def replay(rules: FloorRules, entries: Sequence[Entry], *, complete: bool = True) -> Result:
    """The whole life of a floor that began empty with these rules."""
    run = Replay()
    run.begin(take(FloorState(rules)), rules)
    for entry in entries:
        run.take(entry)
    return run.close(complete=complete)


def _told(decision: tuple[str, object]) -> str:
    call, event = decision
    return f"{call}: {event!r}"
