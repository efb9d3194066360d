"""New INVITEs: calls of trunks, dialled codes and own calls of agents."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from config.settings import Settings
from engine.capacity import Capacity
from router import inputs as on
from router.call import Call, CallRules
from router.sip import effects as sip
from router.sip.uri import Uri

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)


def new_call_id(now: float) -> str:
    """Unique, sortable by arrival: milliseconds and random, in hexadecimal."""
    return f"{int(now * 1000):011x}{secrets.token_hex(3)}"


class Arrivals:
    """Turns Invited into a call, or refuses it."""

    def __init__(self, engine: Engine, settings: Settings, recordings_dir: str) -> None:
        self._engine = engine
        self._recordings_dir = recordings_dir
        self.accepting = True
        self.new_id: Callable[[float], str] = new_call_id
        self.drains_to: str | None = None  # while it drains: a SIP URI for new calls, "" for none
        self.capacity = Capacity(
            settings.sip.limits,
            lambda: len(engine.turns.calls),
            lambda: engine.journal.full,
            engine.liveness,
        )
        engine.phone.is_busy = lambda: self.capacity.why() is not None
        engine.phone.on_turned_away = self.capacity.refuses
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        self._settings = settings
        self.rules = CallRules(
            record=settings.recordings.enabled,
            recordings_dir=self._recordings_dir,
            voicemail_s_max=settings.recordings.voicemail_s_max,
            language=settings.language,
        )
        codes = settings.codes
        self._codes = {
            codes.sign_in: "signed-in",
            codes.sign_out: "signed-out",
            codes.on_break: "on-break",
            codes.ready: "ready",
        }

    def invited(self, event: sip.Invited) -> None:
        engine = self._engine
        if not self.accepting or self.capacity.refuses():
            self._put_off(event)
            return
        if self.drains_to is not None and not (event.agent and event.dialled in self._codes):
            self._send_away(event, self.drains_to)
            return
        if event.agent:
            self._agent_dials(event)
            return
        destination = engine.directions.of_number(event.dialled)
        queue = destination.name if destination.kind == "queue" else ""
        if engine.floor.is_blocked(event.caller, queue):
            destination = on.Destination("nowhere", "blocked")
        self._begin(event, destination)

    def _send_away(self, event: sip.Invited, peer: str) -> None:
        """A node that drains: to the peer (RFC 3261 21.3.3), or later (21.5.4)."""
        if peer:
            uri = Uri.parse(peer)
            contact = replace(uri, user=uri.user or quote(event.dialled))
            headers = (("Contact", f"<{contact}>"),)
            self._engine.phone.reject(event.leg, 302, headers)
        else:
            self._put_off(event)

    def _put_off(self, event: sip.Invited) -> None:
        """Later, please (RFC 3261 20.33)."""
        retry = str(self._settings.sip.limits.retry_after_s)
        self._engine.phone.reject(event.leg, 503, (("Retry-After", retry),))

    def _begin(
        self,
        event: sip.Invited,
        destination: on.Destination,
        *,
        agent: str = "",
        targets: tuple[str, ...] = (),
    ) -> None:
        engine = self._engine
        call = Call(self.new_id(engine.clock.now()), self.rules)
        if engine.legs.incoming(event.leg, call.id, event.body, event.source) is None:
            self._put_off(event)
            log.error("call refused: no media worker")
            return
        engine.turns.calls[call.id] = call
        if not agent:
            engine.callers.arrived(call.id, event.caller)
        engine.turns.feed(
            call.id,
            on.Arrive(
                event.leg,
                event.caller,
                event.dialled,
                event.trunk,
                destination,
                event.caller_name,
                event.sip_call_id,
                internal=bool(agent),
                agent=agent,
                targets=targets,
                hops=event.max_forwards,
            ),
        )

    def _agent_dials(self, event: sip.Invited) -> None:
        """A code changes presence; anything else needs a signed-in agent."""
        engine = self._engine
        agent = engine.directions.agent_of(event.agent)
        if not agent:  # a phone that registered before a reload took its person away
            engine.phone.reject(event.leg, 403)
            return
        code = self._codes.get(event.dialled)
        if code is not None:
            changes: dict[str, Callable[[str], str | None]] = {
                "signed-in": engine.sign_in,
                "signed-out": engine.sign_out,
                "on-break": engine.take_break,
                "ready": engine.ready,
            }
            change = changes[code]
            said = on.Destination("message", code)
            if code in ("signed-in", "ready"):  # calls come when this one is over
                self._begin(event, said, agent=agent)
                change(agent)
            elif change(agent):  # a break that cannot be taken now
                engine.phone.reject(event.leg, 603)
            else:
                self._begin(event, said, agent=agent)
            return
        if engine.presence(agent) == "signed-out":
            engine.phone.reject(event.leg, 403)
            return
        destination, targets = engine.directions.resolve(event.dialled)
        if destination.kind not in ("agent", "external") or not targets:
            engine.phone.reject(event.leg, 404)
            return
        if destination.kind == "agent" and engine.floor.is_taken(destination.name):
            engine.phone.reject(event.leg, 486)
            return
        if event.max_forwards < 1:  # it would have to be passed on (RFC 3261 16.3)
            engine.phone.reject(event.leg, 483)
            return
        self._begin(event, destination, agent=agent, targets=targets)
