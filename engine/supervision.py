"""What supervisors and agents change on the floor while it works; effective at once."""

from __future__ import annotations

from collections.abc import Mapping

from config.queueing import BreakReason
from engine.floorside import FloorSide
from queues.offers import BreakRefused
from queues.waiting import WaitingView


class Supervision:
    """Changes of waiting calls, kept places, breaks and wrap-ups. Who may is the API's business;
    ``by`` is who did, for the log."""

    def __init__(self, floor: FloorSide) -> None:
        self._floor = floor

    def waiting(self, call: str) -> WaitingView | None:
        """The call on the floor, or the place that its callback keeps; None where neither is."""
        return next((view for view in self._floor.waiting() if view.call == call), None)

    def change(
        self,
        call: str,
        *,
        priority: int | None = None,
        rank: int | None = None,
        skills: Mapping[str, int] | None = None,
        by: str,
    ) -> None:
        """Another priority, class or other needs; None leaves as it is. The place's clock
        runs on."""
        self._floor.change(
            lambda now: self._floor.floor.change(
                call, now, priority=priority, rank=rank, skills=skills, by=by
            )
        )

    def move(self, call: str, queue: str, *, by: str) -> None:
        """Into another queue, with the time waited."""
        self._floor.change(lambda now: self._floor.floor.move(call, queue, now, by=by))

    def cancel_callback(self, call: str, *, by: str) -> None:
        """Nobody is called back; the ticket stays."""
        self._floor.change(
            lambda now: self._floor.floor.cancel_callback(call, now, f"cancelled by {by}")
        )

    def take_break(self, agent: str, reason: str) -> str:
        """ "" or, in plain words, why not."""
        effects = self._floor.change(lambda now: self._floor.floor.take_break(agent, now, reason))
        refused = [effect for effect in effects if isinstance(effect, BreakRefused)]
        return refused[0].why if refused else ""

    def extend_wrap_up(self, agent: str, seconds: float) -> None:
        """More time after the call, up to the queue's limit."""
        self._floor.change(lambda now: self._floor.floor.extend_wrap_up(agent, seconds, now))

    @staticmethod
    def default_break(breaks: tuple[BreakReason, ...]) -> str:
        """The reason of a break that was asked for without one (a dialled code)."""
        return breaks[0].name if breaks else "break"
