"""Queue visits and callbacks, folded into sums by queue and quarter of an hour.

A visit counts in the interval of its enqueue, at the moment each thing happens; its wait is from
its own enqueue, also where it resumes an older place. A callback's place counts apart, in the
interval where it was placed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from queues.events import (
    RESTS,
    CallbackEnd,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallQueued,
    QueueVisitEnded,
)
from queues.figures.ledger import Ledger
from queues.figures.open_visits import OpenVisits
from queues.figures.tallies import Tally


@dataclass(slots=True)
class Visit:
    """A queue visit under way; ``returned`` ones were counted before."""

    queue: str
    enqueued: float
    target_s: float
    returned: bool


@dataclass(slots=True)
class Place:
    """The place that a callback keeps; the caller was dialled in vain so many times."""

    queue: str
    placed: float
    attempts: int = 0


@dataclass(slots=True)
class Visits:
    """``totals`` count from the first entry folded and only grow. ``begun`` tells, for calls
    whose talk is about to begin, when the visit (or the callback) that leads to it began."""

    ledger: Ledger[Tally] = field(default_factory=lambda: Ledger(Tally))
    totals: dict[str, Tally] = field(default_factory=dict)
    visits: dict[str, Visit] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, OpenVisits] = field(default_factory=dict)

    def cells(self, queue: str, at: float) -> list[Tally]:
        """All sums that a thing of this queue and time counts in."""
        total = self.totals.get(queue)
        if total is None:
            total = self.totals[queue] = Tally()
        found = self.ledger.cells(queue, at)
        found.append(total)
        return found

    def enter(self, call: str, visit: Visit) -> None:
        """A visit is under way: now, or because what was kept says so."""
        self.visits[call] = visit
        waiting = self.waiting.get(visit.queue)
        if waiting is None:
            waiting = self.waiting[visit.queue] = OpenVisits()
        waiting.add(visit.enqueued, visit.target_s, not visit.returned)

    def queued(self, call: str, event: CallQueued, at: float) -> None:
        """A visit begins. One that is still open (it never should be) was removed."""
        if call in self.visits:
            self.ended(call, QueueVisitEnded(event.queue, "removed", 0.0), at)
        self.enter(call, Visit(event.queue, at, event.target_s, event.returned))
        if not event.returned:
            for tally in self.cells(event.queue, at):
                tally.offered += 1

    def ended(self, call: str, event: QueueVisitEnded, at: float) -> None:
        """The visit is over. One that nobody saw beginning counts nowhere."""
        visit = self._leave(call)
        if visit is None:
            return
        if event.end == "connected":
            self.begun[call] = visit.enqueued
        if visit.returned:
            return
        waited_s = at - visit.enqueued
        within = waited_s <= visit.target_s
        for tally in self.cells(visit.queue, visit.enqueued):
            tally.ended(event.end, waited_s, within, event.short)

    def _leave(self, call: str) -> Visit | None:
        visit = self.visits.pop(call, None)
        if visit is not None:
            waiting = self.waiting[visit.queue]
            waiting.remove(visit.enqueued, visit.target_s, not visit.returned)
        return visit

    # Callbacks.

    def placed(self, call: str, event: CallbackPlaced, at: float) -> None:
        """A callback keeps a place; one that the call had before is given up for it."""
        self._place_gone(call, "cancelled")
        self.places[call] = Place(event.queue, at)
        for tally in self.cells(event.queue, at):
            tally.callbacks_placed += 1

    def missed(self, call: str, event: CallbackMissed) -> None:
        """The caller was dialled in vain; or the entry only rests: then no attempt was made."""
        place = self.places.get(call)
        if place is None:
            return
        place.attempts = event.attempt
        if event.cause not in RESTS:
            for tally in self.cells(place.queue, place.placed):
                tally.callbacks_missed += 1

    def callback_ended(self, call: str, event: CallbackEnded) -> None:
        """The place is gone; a talk that follows began with the callback's placing."""
        place = self._place_gone(call, event.end)
        if place is not None and event.end == "connected":
            self.begun[call] = place.placed

    def _place_gone(self, call: str, end: CallbackEnd) -> Place | None:
        place = self.places.pop(call, None)
        if place is not None:
            for tally in self.cells(place.queue, place.placed):
                tally.callback_ended(end)
        return place

    def began(self, call: str, at: float) -> float:
        """When the visit or the callback began that this call's talk belongs to."""
        place = self.places.get(call)
        return place.placed if place is not None else self.begun.get(call, at)
