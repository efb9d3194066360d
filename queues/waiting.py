"""A waiting call and its place in the order; the entry that a callback keeps is one too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from config.values import value
from queues.events import CallbackStage, PlaceKept
from queues.rules import EMERGENCY_RANK
from queues.wants import Needs, Wants

EMERGENCY, PROMOTED, IN_CLASS = 0, 1, 2

WaitingKind = Literal["call", "callback"]
Stage = CallbackStage


class CallKey(NamedTuple):
    """The order of calls across all queues: the smallest goes first.

    ``tier`` is emergency, promoted (by the starvation bound, or back after a lost agent) or
    in class; ``rank`` is the class and counts only in the last; ``turn`` is 0 for a call that
    is back after a lost agent; ``deadline`` is enqueued + target - credit; ``place`` is the
    floor's sequence and breaks ties, so ``call`` never decides.
    """

    tier: int
    rank: int
    turn: int
    deadline: float
    place: int
    call: str


@dataclass(frozen=True, slots=True)
class Callback:
    """What a callback's entry needs beside its place. ``attempts`` counts how often the caller
    was dialled.

    It is ``due`` (offered like a call, an agent is reserved first), ``resting`` until
    ``next_at`` (nobody was reached, or the queue is closed), or ``live``: the caller is on the
    line again and waits as everybody does.
    """

    number: str
    trunk: str
    dialled: str
    language: str
    expires_at: float = 0.0
    attempts: int = 0
    stage: Stage = "due"
    next_at: float = 0.0


@dataclass(slots=True)
class WaitingCall:
    """A call that waits, being offered included, or a callback's entry.

    ``since`` is when this wait began (of a callback: the request, then the caller's return),
    ``origin`` when the clock of its place did. ``rung`` are the agents it is being offered to
    or for whom one is reserved, in the order of the offers.
    """

    call: str
    queue: str
    priority: int
    rank: int
    wants: Wants
    since: float
    deadline: float
    place: int
    origin: float
    returned: bool = False
    resumed: bool = False
    promoted: bool = False
    caller: str = ""
    callback: Callback | None = None
    rung: tuple[str, ...] = ()

    def kept(self) -> PlaceKept:
        """The place as a fact that stands for all before it. Not while a phone rings for it."""
        entry = self.callback or Callback("", "", "", "en", 0.0)
        return PlaceKept(
            self.queue,
            self.priority,
            self.rank,
            self.deadline,
            self.place,
            self.origin,
            self.since,
            dict(self.wants.needs),
            self.wants.level_max,
            self.wants.only,
            self.returned,
            self.resumed,
            self.promoted,
            self.caller,
            entry.number,
            entry.trunk,
            entry.dialled,
            entry.language,
            entry.expires_at,
            entry.attempts,
            entry.stage,
            entry.next_at,
        )

    @classmethod
    def of(cls, call: str, kept: PlaceKept) -> WaitingCall:
        """The same place in a floor that does not know the call."""
        callback = Callback(
            kept.number,
            kept.trunk,
            kept.dialled,
            kept.language,
            kept.expires_at,
            kept.attempts,
            kept.stage,
            kept.next_at,
        )
        return cls(
            call=call,
            queue=kept.queue,
            priority=kept.priority,
            rank=kept.rank,
            wants=Wants(tuple(sorted(kept.skills.items())), kept.level_max, kept.only),
            since=kept.since,
            deadline=kept.deadline,
            place=kept.place,
            origin=kept.origin,
            returned=kept.returned,
            resumed=kept.resumed,
            promoted=kept.promoted,
            caller=kept.caller,
            callback=callback if kept.number else None,
        )

    @property
    def needs(self) -> Needs:
        """The skills required."""
        return self.wants.needs

    @property
    def is_open(self) -> bool:
        """Whether it may be offered: no phone rings for it, and it does not rest."""
        return not self.rung and (self.callback is None or self.callback.stage != "resting")

    @property
    def on_line(self) -> bool:
        """Whether a caller holds the line: all but callbacks that have not been reached."""
        return self.callback is None or self.callback.stage == "live"

    def key(self) -> CallKey:
        """The call's sort key as things stand."""
        turn = 0 if self.returned else 1
        if self.rank == EMERGENCY_RANK:
            return CallKey(EMERGENCY, 0, turn, self.deadline, self.place, self.call)
        if self.promoted or self.returned:
            return CallKey(PROMOTED, 0, turn, self.deadline, self.place, self.call)
        return CallKey(IN_CLASS, self.rank, turn, self.deadline, self.place, self.call)

    def view(self, position: int) -> WaitingView:
        """A copy that stays as it is."""
        resting = self.callback is not None and self.callback.stage == "resting"
        return WaitingView(
            call=self.call,
            queue=self.queue,
            position=position,
            priority=self.priority,
            rank=self.rank,
            skills=dict(self.wants.needs),
            since=self.since,
            deadline=self.deadline,
            promoted=self.promoted,
            returned=self.returned,
            offered_to=self.rung,
            origin=self.origin,
            resumed=self.resumed,
            level_max=self.wants.level_max,
            only=self.wants.only,
            kind="call" if self.callback is None else "callback",
            on_line=self.on_line,
            next_at=self.callback.next_at if resting and self.callback else 0.0,
        )


@value(frozen=True, slots=True)
class WaitingView:
    """A waiting call as the API shows it; ``position`` is 1-based within its queue.

    ``offered_to`` are the agents being rung (of a callback that was not reached: the one
    reserved). ``on_line`` is False for a callback whose caller does not hold the line;
    ``next_at`` is when one that rests is due again, else 0.0.
    """

    call: str
    queue: str
    position: int
    priority: int
    rank: int
    skills: Mapping[str, int]
    since: float
    deadline: float
    promoted: bool
    returned: bool
    offered_to: tuple[str, ...]
    origin: float
    resumed: bool
    level_max: int
    only: str
    kind: WaitingKind
    on_line: bool
    next_at: float
