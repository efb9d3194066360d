"""The SIP side of the engine: the endpoint's bytes to the transport, its events to the calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from config.errors import MisuseError
from engine.clock import Clock
from engine.journal import Journal
from engine.kept import LegKept
from engine.timers import Timers
from router.sip import effects as sip
from router.sip.core import SENDING
from router.sip.directory import Directory
from router.sip.endpoint import Endpoint
from router.sip.kept import KeptLeg
from router.sip.registrar import Contact
from router.sip.target import Credentials, Target
from router.sip.transport import SipTransport

log = logging.getLogger(__name__)

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(KeptLeg).decode


def peer_of(effect: sip.Effect) -> object:
    """Whom a datagram or a stream's bytes go to."""
    flow = effect.flow
    return flow.transport, flow.host, flow.port, flow.connection


class Phone:
    """Owns the endpoint and its transport; ``on`` maps an event's type to its taker."""

    def __init__(
        self,
        endpoint: Endpoint,
        transport: SipTransport,
        clock: Clock,
        timers: Timers,
        journal: Journal,
    ) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._clock = clock
        self._timers = timers
        self._journal = journal
        self._after: list[tuple[list[sip.Effect], int]] | None = None  # of steps within this one
        self._late: dict[object, int] = {}  # by peer: what its last datagram waits for
        self._due: float | None = None
        self.streams: Mapping[int, int] = {}  # of an earlier engine, there and here
        self.is_busy: Callable[[], bool] = lambda: False  # new calls are turned away
        self.on_turned_away: Callable[[], object] = lambda: None
        self.on: dict[type, Callable[[Any], None]] = {}
        self.on_touched: Callable[[Iterable[str], str], int] = lambda users, cause: 0

    # --- from the network ----------------------------------------------------------------------

    def received(self, data: bytes, flow: sip.Flow) -> None:
        if data.startswith(b"INVITE ") and self.is_busy():
            refusal = self._endpoint.turn_away(data, flow)
            if refusal is not None:
                self.on_turned_away()
                for effect in refusal:
                    self._transport.send(effect)
                return
        self._take(self._endpoint.receive(data, flow, self._clock.now()), "unregistered")

    def stream_closed(self, connection: int) -> None:
        self._take(self._endpoint.stream_closed(connection, self._clock.now()), "stream closed")

    def send_failed(self, flow: sip.Flow) -> None:
        self._take(self._endpoint.send_failed(flow, self._clock.now()))

    def _tick(self) -> None:
        self._due = None
        self._take(self._endpoint.tick(self._clock.now()), "expired")

    def _take(self, output: list[sip.Effect | sip.Event], cause: str = "") -> None:
        """Events first, then the bytes: what they confirm to a peer (the end of a call, an
        answer, a registration) is on disk before they leave, for the peer would not say it again
        to another engine."""
        sends: list[sip.Effect] = []
        events = []
        for item in output:
            if isinstance(item, SENDING):
                sends.append(item)
            else:
                events.append(item)
        touched = self._endpoint.registrar.take_touched()
        seq = self.on_touched(touched, cause) if touched else 0
        outer, self._after = self._after, []
        self._tell(events)
        self._keep()
        later, self._after = self._after, outer
        if events:
            seq = self._journal.group_seq
        due = self._endpoint.next_deadline
        if due is not None and (self._due is None or due < self._due):
            self._due = due
            self._timers.set("sip", due, self._tick)
        for batch, needed in [(sends, seq), *later]:
            if outer is None:
                self._send(batch, needed)
            else:  # what a taker of an event asks for leaves after what the event came with
                outer.append((batch, needed))

    def _tell(self, events: list[sip.Event]) -> None:
        for event in events:
            taker = self.on.get(type(event))
            if taker is None:
                continue
            try:
                taker(event)
            except Exception:  # a mistake of ours must not cost the events behind it
                log.exception("sip: %s", type(event).__name__)

    def _keep(self) -> None:
        """Write down the legs that the step changed."""
        for leg in self._endpoint.take_changed():
            self.keep_again(leg)

    def keep_again(self, leg: str) -> None:
        """Write down how the leg is when the journal's next batch leaves."""
        self._journal.keep(("leg", leg), partial(self._write, leg))

    def _write(self, leg: str) -> None:
        kept = self._endpoint.keep(leg)
        data = _ENCODE(kept) if kept is not None else b""
        self._journal.append("", LegKept(leg, data), self._clock.now())

    def _send(self, sends: list[sip.Effect], seq: int = 0) -> None:
        """Send when all up to ``seq`` is durable; to one peer in one order."""
        for effect in sends:
            peer = peer_of(effect)
            needed = max(seq, self._late.get(peer, 0))
            if needed <= self._journal.durable_seq:
                self._late.pop(peer, None)
                self._transport.send(effect)
                continue
            self._late[peer] = needed
            self._journal.when_durable(needed, partial(self._send_late, peer, needed, effect))

    def _send_late(self, peer: object, needed: int, effect: sip.Effect) -> None:
        if self._late.get(peer) == needed:
            del self._late[peer]
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

    def turn_down(self, leg: str, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        """A refusal by one who cannot write: it waits for nothing, also not behind what else is
        held back from the same peer."""

        def at_once() -> list[sip.Effect | sip.Event]:
            output = self._endpoint.reject(leg, status, self._clock.now(), headers=headers)
            for effect in output:
                if isinstance(effect, SENDING):
                    self._transport.send(effect)
            return [item for item in output if not isinstance(item, SENDING)]

        self._do(at_once)

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

    def adopt(self, data: bytes, credentials: Credentials | None) -> None:
        """A leg of an earlier engine, as ``LegKept`` has it. MsgspecError for what is none."""
        now, streams = self._clock.now(), self.streams
        self._endpoint.adopt(_DECODE(data), now, credentials=credentials, streams=streams)

    def legs(self) -> set[str]:
        """Every leg that SIP knows and that is not over."""
        return set(self._endpoint.legs())

    def restore(self, contacts: Iterable[Contact]) -> list[Contact]:
        """Contacts of an earlier engine; those that can still be reached, as they are now."""
        kept = self._endpoint.registrar.restore(contacts, self.streams)
        self._take([])
        return kept

    def target_of(self, uri: str) -> Target:
        return self._endpoint.target_of(uri)

    def use_directory(self, directory: Directory) -> None:
        self._endpoint.use_directory(directory)

    def figures(self) -> dict[str, int]:
        return dict(self._endpoint.figures())
