"""All sessions of a worker: what each command does to them, and what they report.

The exchange owns legs, bridges and recordings. It is driven by the loop (``worker.py``), which
gives it commands, steps of 5 ms and the time, and by the sockets of its legs.
"""

from __future__ import annotations

import errno
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from router.media.audio import AudioError
from router.media.digits import DigitSender
from router.media.disk import Disk
from router.media.ears import Ears
from router.media.leg import Leg
from router.media.playout import STEPS_PER_FRAME, OutStream
from router.media.ports import PortPool
from router.media.protocol import (
    Answer,
    Bridge,
    Close,
    Closed,
    Command,
    Done,
    LegFigures,
    ListSessions,
    MediaTimeout,
    Open,
    Opened,
    PauseRecord,
    Play,
    Record,
    Refused,
    Report,
    SendDigits,
    Sessions,
    SessionState,
    StopRecord,
    Unbridge,
    Update,
)
from router.media.report import INTERVAL_US
from router.media.sockets import AddressError, literal, open_pair
from router.media.tapes import Tapes
from router.media.upkeep import Clock, Wiring, read_report, refill, send_report, silent_too_long

PORTS_TRIED_MAX = 1_000  # another program may hold a good part of the range
DIGITS_IDS_KEPT = 16
VISIT_STEPS = 200  # 1 s
CLOSED_KEPT = 500  # closed sessions whose figures a second Close gets too

_NO_FIGURES = LegFigures()


class Exchange:
    """Commands in, answers out; reports go to ``emit``.

    ``hosts`` are the addresses to bind (IPv4, IPv6); ``random32`` gives 32 random bits.
    """

    def __init__(
        self,
        hosts: tuple[str, str],
        ports: PortPool,
        wiring: Wiring,
        clock: Clock,
        emit: Callable[[Report], None],
        random32: Callable[[], int],
        disk: Disk,
    ) -> None:
        self.hosts = hosts
        self.ports = ports
        self.wiring = wiring
        self.clock = clock
        self.emit = emit
        self.random32 = random32
        self.legs: dict[str, Leg] = {}
        self.ears = Ears(self.legs, clock, emit)
        self.tapes = Tapes(self.legs, clock, emit, disk)
        self.visits: list[dict[Leg, None]] = [{} for _ in range(VISIT_STEPS)]
        self.closed = 0
        self._last_figures: OrderedDict[str, LegFigures] = OrderedDict()
        self.received_before = 0
        self.sent_before = 0
        self.lost_before = 0
        self._next_slot = 0
        self._handlers: dict[type, Callable[[Any], Answer]] = {
            ListSessions: self._list,
            Open: self._open,
            Update: self._update,
            Play: self.ears.play,
            Bridge: self.ears.bridge,
            Unbridge: self.ears.unbridge,
            SendDigits: self._send_digits,
            Record: self.tapes.record,
            PauseRecord: self.tapes.pause,
            StopRecord: self.tapes.stop,
            Close: self._close,
        }

    def handle(self, command: Command) -> Answer:
        """Carry out one command; the same twice leaves the state of once."""
        try:
            return self._handlers[type(command)](command)
        except AudioError as error:
            return Refused(str(error))

    # --- sessions -----------------------------------------------------------------------------

    def _open(self, command: Open) -> Answer:
        known = self.legs.get(command.session)
        if known is not None:
            return Opened(command.session, known.port)
        host = self.hosts[command.ipv6]
        tries = 1 if command.port else PORTS_TRIED_MAX
        reason = f"no port free, {len(self.legs)} sessions are open"
        if command.port:
            reason = f"port {command.port} is in use or out of range"
        for _ in range(tries):
            now = self.clock.now_us / 1e6
            port = self.ports.take(now, command.port)
            if port is None:
                return Refused(reason)
            try:
                pair = open_pair(host, port, command.ipv6)
            except OSError as error:
                self.ports.give_back(port, now)
                if error.errno != errno.EADDRINUSE:
                    return Refused(f"no port free, {port}: {error.strerror or error}")
                reason = f"no port free, {port}: {error.strerror or error}"
                continue
            out = OutStream(self.random32(), self.random32(), self.random32())
            bound = (host, port)
            leg = Leg(command.session, self, pair, bound, command.ipv6, command.timeout_s, out)
            self._admit(leg)
            return Opened(command.session, port)
        return Refused(reason)

    def _admit(self, leg: Leg) -> None:
        self._next_slot = (self._next_slot + 1) % VISIT_STEPS
        # Spread over the second (77 is coprime to 50), at steps where the first players are.
        leg.slot = self._next_slot * 77 * STEPS_PER_FRAME % VISIT_STEPS
        leg.rtcp.due_us = self.clock.now_us + 2_500_000 + self.random32() % 2_500_000
        self.visits[leg.slot][leg] = None
        self.legs[leg.session] = leg
        self.wiring.watch(leg.rtp_socket.fileno(), leg.read_open)
        self.wiring.watch(leg.rtcp_socket.fileno(), partial(read_report, leg, self.clock))

    def _update(self, command: Update) -> Answer:
        leg = self.legs.get(command.session)
        if leg is None:
            return Refused(f"unknown session {command.session}")
        if command.payload_type not in (0, 8):
            return Refused(f"payload type {command.payload_type} is neither PCMU nor PCMA")
        remote = command.remote
        try:
            if remote is not None:
                remote = (literal(remote[0], leg.ipv6), remote[1]) if remote[1] else None
        except AddressError as error:
            return Refused(str(error))
        hosts = set()
        for host in command.sources:
            try:
                hosts.add(literal(host, leg.ipv6))
            except AddressError:
                continue  # of the other family: nobody can come from there
        leg.latch.allow(hosts)
        if remote is not None and remote != leg.remote:
            if leg.latch.winner is not None and leg.latch.winner != remote:
                leg.latch.reopen()
                leg.close_twin()
            leg.rtcp.source = None
        heard_before = leg.hears
        leg.remote = remote
        leg.payload_type = command.payload_type
        leg.digits_type = command.digits_type
        leg.direction = command.direction
        leg.settle_target()
        if leg.hears and not heard_before:
            leg.armed_at = self.clock.now_us // 125
        return Done()

    def _list(self, _: ListSessions) -> Answer:
        states = tuple(self._state(leg) for leg in self.legs.values())
        return Sessions(states, tuple(self._last_figures))

    def _state(self, leg: Leg) -> SessionState:
        recorder = self.tapes.of(leg.session)
        return SessionState(
            session=leg.session,
            port=leg.port,
            ipv6=leg.ipv6,
            remote=leg.remote,
            latched=leg.latch.winner,
            payload_type=leg.payload_type,
            digits_type=leg.digits_type,
            direction=leg.direction,
            play=leg.play,
            bridged=leg.peer.session if leg.peer is not None else "",
            recording=recorder.recording if recorder is not None else "",
            figures=leg.figures(),
        )

    def _close(self, command: Close) -> Answer:
        leg = self.legs.pop(command.session, None)
        if leg is None:
            return Closed(command.session, self._last_figures.get(command.session, _NO_FIGURES))
        send_report(leg, self.clock, goodbye=True)
        self.ears.leave(leg)
        del self.visits[leg.slot][leg]
        self.tapes.leave(leg)
        leg.close_twin()
        self.wiring.unwatch(leg.rtp_socket.fileno())
        self.wiring.unwatch(leg.rtcp_socket.fileno())
        leg.close()
        self.ports.give_back(leg.port, self.clock.now_us / 1e6)
        self.closed += 1
        figures = leg.figures()
        self.received_before += figures.received
        self.sent_before += figures.sent
        self.lost_before += figures.lost
        self._last_figures[command.session] = figures
        if len(self._last_figures) > CLOSED_KEPT:
            self._last_figures.popitem(last=False)
        return Closed(command.session, figures)

    # --- digits ---------------------------------------------------------------------------------

    def _send_digits(self, command: SendDigits) -> Answer:
        leg = self.legs.get(command.session)
        if leg is None:
            return Refused(f"unknown session {command.session}")
        if command.digits_id in leg.digits_sent:
            return Done()
        if leg.digits_type is None:
            return Refused("the far end takes no telephone-events")
        sender = leg.digits_out or DigitSender()
        try:
            sender.add(command.digits, command.duration_ms)
        except ValueError as error:
            return Refused(str(error))
        leg.digits_out = sender
        leg.digits_sent = [*leg.digits_sent[1 - DIGITS_IDS_KEPT :], command.digits_id]
        self.ears.seat(leg)
        leg.settle_ear()
        return Done()

    # --- what legs tell (Board) ---------------------------------------------------------------

    def pressed(self, leg: Leg, key: str) -> None:
        self.ears.pressed(leg, key)

    def play_ended(self, leg: Leg, by_digit: bool) -> None:
        self.ears.play_ended(leg, by_digit)

    def media_returned(self, leg: Leg) -> None:
        self.ears.media_returned(leg)

    def twin_opened(self, leg: Leg) -> None:
        if leg.twin is not None:
            self.wiring.watch_leg(leg.twin.fileno(), leg)

    def twin_closing(self, leg: Leg) -> None:
        if leg.twin is not None:
            self.wiring.unwatch(leg.twin.fileno())
            leg.muted_twin = False

    def over_budget(self, leg: Leg, twin: bool) -> None:
        """A flood: the socket is not read until the next visit; the kernel drops what is over."""
        if twin and leg.twin is not None:
            leg.muted_twin = True
            self.wiring.unwatch(leg.twin.fileno())
        elif not twin:
            leg.muted = True
            self.wiring.unwatch(leg.rtp_socket.fileno())

    def rtcp_over_budget(self, leg: Leg) -> None:
        leg.muted = True
        self.wiring.unwatch(leg.rtcp_socket.fileno())

    # --- steps of 5 ms ------------------------------------------------------------------------

    def step(self, number: int) -> None:
        """Do what is due at this step: packets of those who play, files, visits."""
        self.ears.step(number)
        self.tapes.step(number)
        for leg in tuple(self.visits[number % VISIT_STEPS]):
            self._visit(leg)

    def skipped(self) -> None:
        """Steps were lost to a stall: timestamps make up for it with the next packet."""
        self.ears.skipped()

    def _visit(self, leg: Leg) -> None:
        """Once a second."""
        refill(leg, self.wiring, partial(read_report, leg, self.clock))
        if silent_too_long(leg, self.clock.now_us):
            leg.timed_out = True
            leg.inbound.release()
            self.emit(MediaTimeout(leg.session, self.clock.unix()))
            self.ears.fell_silent(leg)
        if self.clock.now_us >= leg.rtcp.due_us:
            leg.rtcp.due_us = self.clock.now_us + INTERVAL_US + self.random32() % 500_000 - 250_000
            send_report(leg, self.clock)
