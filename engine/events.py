"""Who takes what: the SIP core's events and the workers' reports on their way to the calls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.leg_io import cause_of_end, cause_of_status
from router import inputs as on
from router.media import protocol as media
from router.sip import effects as sip

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)


class Wiring:
    """Translates; decides nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        legs = engine.legs
        of_a_leg: dict[type, Callable[[Any], None]] = {
            sip.Confirmed: lambda event: legs.confirmed(event.leg, event.body),
            sip.Progressed: lambda event: legs.progressed(event.leg, event.status, event.body),
            sip.Answered: lambda event: legs.answered(event.leg, event.body),
            sip.Refused: self._refused,
            sip.ChangeAsked: lambda event: legs.change_asked(event.leg, event.body),
            sip.ChangeAnswered: lambda event: legs.change_answered(event.leg, event.body),
            sip.TransferAsked: self._transfer,
            sip.KeyPressed: lambda event: self._key(event.leg, event.key, signalled=True),
            sip.Ended: self._ended,
        }
        engine.phone.on = {
            **{kind: self._on_behalf(take) for kind, take in of_a_leg.items()},
            sip.Invited: engine.arrivals.invited,
            sip.RegistrationChanged: self._registered,
        }

    def _on_behalf(self, take: Callable[[Any], None]) -> Callable[[Any], None]:
        """What goes wrong with a leg's event costs its call, and no other."""

        def taken(event: Any) -> None:
            io = self._engine.legs.by_id.get(event.leg)
            if io is None:
                take(event)
            else:
                self._engine.turns.on_behalf(io.call, lambda: take(event))

        return taken

    def _refused(self, event: sip.Refused) -> None:
        engine = self._engine
        io = engine.legs.by_id.get(event.leg)
        if io is not None and 300 <= event.status < 400:
            call = engine.turns.calls.get(io.call)
            leg = call.legs.get(event.leg) if call is not None else None
            agent = leg.agent if leg is not None else ""
            engine.legs.redirected(event.leg, engine.directions.follow(agent, event.contacts))
            return
        cause = cause_of_status(event.status)
        engine.legs.refused(event.leg, cause, f"refused {event.status}")

    def _ended(self, event: sip.Ended) -> None:
        self._engine.legs.refused(event.leg, cause_of_end(event.cause), event.cause)

    def _key(self, leg: str, key: str, *, signalled: bool = False) -> None:
        io = self._engine.legs.by_id.get(leg)
        if io is not None:
            self._engine.turns.feed(io.call, on.KeyPressed(leg, key, signalled))

    def _transfer(self, event: sip.TransferAsked) -> None:
        engine = self._engine
        io = engine.legs.by_id.get(event.leg)
        if io is None:
            return
        destination, phones = engine.floor.through(event.target)
        engine.turns.feed(io.call, on.TransferAsked(event.leg, destination, phones))

    def _registered(self, event: sip.RegistrationChanged) -> None:
        agent = self._engine.directions.agent_of(event.user)
        if agent:
            floor = self._engine.floor
            floor.change(lambda now: floor.floor.set_reachable(agent, event.contacts > 0, now))

    def reported(self, worker: str, report: Any) -> None:
        """A worker's numbered report."""
        engine = self._engine
        match report:
            case media.Digit(session, key):
                self._key(session, key)
            case media.PlayEnded(session, play):
                self._to_call(session, on.PlayDone(session, play))
            case media.MediaTimeout(session):
                self._to_call(session, on.MediaLost(session))
            case media.RecordingSegment():
                engine.taping.closed(report)

    def _to_call(self, session: str, happened: on.Input) -> None:
        io = self._engine.legs.by_id.get(session)
        if io is not None:
            self._engine.turns.feed(io.call, happened)
