"""A waiting call and its place in the order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from config.values import value
from queues.rules import EMERGENCY_RANK

EMERGENCY, PROMOTED, IN_CLASS = 0, 1, 2


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


@dataclass(slots=True)
class WaitingCall:
    """A call that waits, being offered included. ``since`` is when this wait began.

    ``needs`` are (skill, weakest level allowed) sorted by skill: calls with equal needs are alike.
    """

    call: str
    queue: str
    priority: int
    rank: int
    needs: tuple[tuple[str, int], ...]
    since: float
    deadline: float
    place: int
    returned: bool
    promoted: bool = False
    offered_to: str = ""

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
        return WaitingView(
            call=self.call,
            queue=self.queue,
            position=position,
            priority=self.priority,
            rank=self.rank,
            skills=dict(self.needs),
            since=self.since,
            deadline=self.deadline,
            promoted=self.promoted,
            returned=self.returned,
            offered_to=self.offered_to,
        )


@value(frozen=True, slots=True)
class WaitingView:
    """A waiting call as the API shows it; ``position`` is 1-based within its queue."""

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
    offered_to: str
