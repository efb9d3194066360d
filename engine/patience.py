"""Callers whose arrival does not reach the disk are told to come again, not left in silence."""

from __future__ import annotations

import logging

from engine.legs import Legs
from engine.phone import Phone
from engine.timers import Timers
from engine.turns import Turns
from router import effects as do
from router.call import Call

log = logging.getLogger(__name__)

# A disk that works takes milliseconds. A trunk that gets no answer tries its next way after some
# five seconds: by then it should have heard that this one is closed.
PATIENCE_S = 4.0


class Patience:
    """Watches calls that are to be picked up once their facts are durable. Who is turned away
    here leaves a ticket as soon as the disk takes what happened."""

    def __init__(
        self, turns: Turns, timers: Timers, legs: Legs, phone: Phone, retry_after_s: int
    ) -> None:
        self._turns = turns
        self._timers = timers
        self._legs = legs
        self._phone = phone
        self._retry_after_s = retry_after_s
        turns.early[do.PickUp] = self._waits

    def _waits(self, call: Call, effect: do.PickUp) -> None:
        """The arrival is being written."""
        due = self._turns.now() + PATIENCE_S
        self._timers.set(("arrival", call.id), due, lambda: self._look(call, effect))

    def _look(self, call: Call, effect: do.PickUp) -> None:
        io = self._legs.by_id.get(effect.leg)
        if effect not in self._turns.owed(call.id) or io is None or io.local_body:
            return  # it was picked up, perhaps by an engine that died; or it is over
        log.error("call %s: turned away, the disk did not take its arrival", call.id)
        self._turns.on_behalf(call.id, lambda: self._turn_away(effect.leg))

    def _turn_away(self, leg: str) -> None:
        self._phone.turn_down(leg, 503, (("Retry-After", str(self._retry_after_s)),))
        self._legs.refused(leg, "failed", "the disk takes nothing")
