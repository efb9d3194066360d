"""The SIP side of the engine: the endpoint's bytes to the transport, its events to the calls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from config.errors import MisuseError
from engine.clock import Clock
from engine.timers import Timers
from router.sip import effects as sip
from router.sip.endpoint import Endpoint
from router.sip.registrar import Contact
from router.sip.target import Credentials, Target
from router.sip.transport import SipTransport

log = logging.getLogger(__name__)


class Phone:
    """Owns the endpoint and its transport; ``on`` maps an event's type to its taker."""

    def __init__(
        self, endpoint: Endpoint, transport: SipTransport, clock: Clock, timers: Timers
    ) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._clock = clock
        self._timers = timers
        self._due: float | None = None
        self.on: dict[type, Callable[[Any], None]] = {}

    # --- from the network ----------------------------------------------------------------------

    def received(self, data: bytes, flow: sip.Flow) -> None:
        self._take(self._endpoint.receive(data, flow, self._clock.now()))

    def stream_closed(self, connection: int) -> None:
        self._take(self._endpoint.stream_closed(connection, self._clock.now()))

    def send_failed(self, flow: sip.Flow) -> None:
        self._take(self._endpoint.send_failed(flow, self._clock.now()))

    def _tick(self) -> None:
        self._due = None
        self._take(self._endpoint.tick(self._clock.now()))

    def _take(self, output: list[sip.Effect | sip.Event]) -> None:
        """Bytes first, so that a slow taker of an event delays no response."""
        events = []
        for item in output:
            if isinstance(item, sip.Send | sip.CloseStream):
                self._transport.send(item)
            else:
                events.append(item)
        due = self._endpoint.next_deadline
        if due is not None and (self._due is None or due < self._due):
            self._due = due
            self._timers.set("sip", due, self._tick)
        for event in events:
            taker = self.on.get(type(event))
            if taker is not None:
                taker(event)

    # --- from the calls ------------------------------------------------------------------------

    def _do(self, work: Callable[[], list[sip.Effect | sip.Event]]) -> None:
        """A leg may have ended in the instant before; that is no error of the call's."""
        try:
            output = work()
        except MisuseError as error:
            log.debug("sip: %s", error)
            return
        self._take(output)

    def answer(self, leg: str, body: bytes) -> None:
        self._do(lambda: self._endpoint.answer(leg, body, self._clock.now()))

    def reject(self, leg: str, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._do(lambda: self._endpoint.reject(leg, status, self._clock.now(), headers=headers))

    def invite(
        self,
        leg: str,
        target: Target,
        body: bytes,
        *,
        caller: str,
        caller_name: str,
        credentials: Credentials | None,
    ) -> None:
        self._do(
            lambda: self._endpoint.invite(
                leg,
                target,
                body,
                self._clock.now(),
                caller=caller,
                caller_name=caller_name,
                credentials=credentials,
            )
        )

    def hang_up(self, leg: str, status: int, reason: str) -> None:
        self._do(lambda: self._endpoint.hang_up(leg, self._clock.now(), status, reason))

    def change(self, leg: str, body: bytes) -> None:
        self._do(lambda: self._endpoint.change(leg, body, self._clock.now()))

    def accept_change(self, leg: str, body: bytes) -> None:
        self._do(lambda: self._endpoint.accept_change(leg, body, self._clock.now()))

    def reject_change(self, leg: str, status: int) -> None:
        self._do(lambda: self._endpoint.reject_change(leg, status, self._clock.now()))

    def transfer_done(self, leg: str, status: int) -> None:
        self._do(lambda: self._endpoint.transfer_done(leg, status, self._clock.now()))

    def contacts(self, user: str) -> list[Contact]:
        return self._endpoint.contacts(user)

    def target_of(self, uri: str) -> Target:
        return self._endpoint.target_of(uri)

    def figures(self) -> dict[str, int]:
        return dict(self._endpoint.figures())
