"""The SIP side of the engine: the endpoint's bytes to the transport, its events to the calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from config.errors import MisuseError
from engine.clock import Clock
from engine.timers import Timers
from router.sip import effects as sip
from router.sip.core import SENDING
from router.sip.directory import Directory
from router.sip.endpoint import Endpoint
from router.sip.registrar import Contact
from router.sip.target import Credentials, Target
from router.sip.transport import SipTransport

log = logging.getLogger(__name__)

# Users whose bindings were touched, why, and what tells the phone: when that may be seen.
Touched = Callable[[Iterable[str], str, Callable[[], None]], None]


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
        self.on_touched: Touched = lambda users, cause, then: then()

    # --- from the network ----------------------------------------------------------------------

    def received(self, data: bytes, flow: sip.Flow) -> None:
        self._take(self._endpoint.receive(data, flow, self._clock.now()), "unregistered")

    def stream_closed(self, connection: int) -> None:
        self._take(self._endpoint.stream_closed(connection, self._clock.now()), "stream closed")

    def send_failed(self, flow: sip.Flow) -> None:
        self._take(self._endpoint.send_failed(flow, self._clock.now()))

    def _tick(self) -> None:
        self._due = None
        self._take(self._endpoint.tick(self._clock.now()), "expired")

    def _take(self, output: list[sip.Effect | sip.Event], cause: str = "") -> None:
        """Bytes first, so that a slow taker of an event delays no response. Only the answer to
        a REGISTER that changes something waits, until that is written down."""
        answers = cause == "unregistered"
        sends: list[sip.Effect] = []
        events = []
        for item in output:
            if isinstance(item, SENDING):
                sends.append(item)
            else:
                events.append(item)
        touched = self._endpoint.registrar.take_touched()
        if not (touched and answers):
            self._send(sends)
        if touched:
            self.on_touched(touched, cause, lambda: self._send(sends) if answers else None)
        due = self._endpoint.next_deadline
        if due is not None and (self._due is None or due < self._due):
            self._due = due
            self._timers.set("sip", due, self._tick)
        for event in events:
            taker = self.on.get(type(event))
            if taker is None:
                continue
            try:
                taker(event)
            except Exception:  # a mistake of ours must not cost the events behind it
                log.exception("sip: %s", type(event).__name__)

    def _send(self, sends: list[sip.Effect]) -> None:
        for effect in sends:
            self._transport.send(effect)

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
        max_forwards: int,
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
                max_forwards=max_forwards,
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

    def restore(self, contacts: Iterable[Contact]) -> list[Contact]:
        """Contacts of an earlier engine; those that can still be reached, as they are now."""
        kept = self._endpoint.registrar.restore(contacts)
        self._take([])
        return kept

    def target_of(self, uri: str) -> Target:
        return self._endpoint.target_of(uri)

    def use_directory(self, directory: Directory) -> None:
        self._endpoint.use_directory(directory)

    def figures(self) -> dict[str, int]:
        return dict(self._endpoint.figures())
