"""All sessions of a worker: what each command does to them, and what they report.

The exchange owns legs, bridges and recordings. It is driven by the loop (``worker.py``), which
gives it commands, steps of 5 ms and the time, and by the sockets of its legs.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from typing import Any

from router.media.audio import AudioCache, AudioError
from router.media.digits import DigitSender
from router.media.leg import Leg
from router.media.playout import STEPS_PER_FRAME, OutStream, Playlist
from router.media.ports import PortPool
from router.media.protocol import (
    Answer,
    Bridge,
    Close,
    Closed,
    Command,
    Digit,
    Done,
    LegFigures,
    ListSessions,
    MediaTimeout,
    Open,
    Opened,
    PauseRecord,
    Play,
    PlayEnded,
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
TOGETHER = 64  # players at one step, about half a millisecond of work

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
    ) -> None:
        self.hosts = hosts
        self.ports = ports
        self.wiring = wiring
        self.clock = clock
        self.emit = emit
        self.random32 = random32
        self.audio = AudioCache()
        self.legs: dict[str, Leg] = {}
        self.tapes = Tapes(self.legs, clock, emit)
        self.players: list[dict[Leg, None]] = [{} for _ in range(STEPS_PER_FRAME)]
        self.visits: list[dict[Leg, None]] = [{} for _ in range(VISIT_STEPS)]
        self.closed = 0
        self.received_before = 0
        self.sent_before = 0
        self.lost_before = 0
        self._next_slot = 0
        self._handlers: dict[type, Callable[[Any], Answer]] = {
            ListSessions: self._list,
            Open: self._open,
            Update: self._update,
            Play: self._play,
            Bridge: self._bridge,
            Unbridge: self._unbridge,
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
        return Sessions(tuple(self._state(leg) for leg in self.legs.values()))

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
            return Closed(command.session, _NO_FIGURES)
        send_report(leg, self.clock, goodbye=True)
        self._part(leg, leg.bridge_then)
        self.set_playlist(leg, None)
        del self.visits[leg.slot][leg]
        self.players[leg.phase].pop(leg, None)
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
        return Closed(command.session, figures)

    # --- playing ------------------------------------------------------------------------------

    def _load(self, files: tuple[str, ...]) -> tuple[bytes, ...]:
        return tuple(self.audio.load(path) for path in files)

    def _play(self, command: Play) -> Answer:
        leg = self.legs.get(command.session)
        if leg is None:
            return Refused(f"unknown session {command.session}")
        if command.play == leg.play:
            return Done()
        playlist = Playlist(self._load(command.files), self._load(command.then))
        leg.play = command.play
        leg.stop_on_digit = command.stop_on_digit
        leg.told_end = False
        self.set_playlist(leg, playlist)
        return Done()

    def set_playlist(self, leg: Leg, playlist: Playlist | None, stands_in: bool = False) -> None:
        """Give the ear of a leg to a playlist, or back to the bridge."""
        leg.playlist = playlist
        leg.stands_in = stands_in
        if playlist is not None:
            self.seat(leg)
        else:
            leg.told_end = True
            leg.out.flowing = False
        leg.settle_ear()

    def seat(self, leg: Leg) -> None:
        """Step this leg every 20 ms from now on: few share a phase, many spread over all."""
        if leg not in self.players[leg.phase]:
            shares = [len(players) // TOGETHER for players in self.players]
            leg.phase = shares.index(min(shares))
            self.players[leg.phase][leg] = None

    def play_ended(self, leg: Leg, by_digit: bool) -> None:
        leg.told_end = True
        self.emit(PlayEnded(leg.session, leg.play, by_digit, self.clock.unix()))
        if leg.peer is not None and leg.playlist is not None and not leg.playlist.loops:
            self.set_playlist(leg, None)

    def pressed(self, leg: Leg, key: str) -> None:
        self.emit(Digit(leg.session, key, self.clock.unix()))
        if leg.stop_on_digit and leg.playlist is not None and not leg.told_end:
            leg.playlist.skip()
            self.play_ended(leg, True)

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
        self.seat(leg)
        leg.settle_ear()
        return Done()

    # --- bridges ------------------------------------------------------------------------------

    def _bridge(self, command: Bridge) -> Answer:
        left, right = self.legs.get(command.left), self.legs.get(command.right)
        if left is None or right is None:
            return Refused(f"unknown session {command.right if left else command.left}")
        if left is right:
            return Refused("a session has no bridge to itself")
        then = self._load(command.then)
        if left.peer is not right:
            self._part(left, left.bridge_then)
            self._part(right, right.bridge_then)
            left.peer, right.peer = right, left
        for leg in (left, right):
            leg.bridge_then = then
            leg.play = ""
            if leg.playlist is not None:
                self.set_playlist(leg, None)
            leg.settle_ear()
        return Done()

    def _unbridge(self, command: Unbridge) -> Answer:
        leg = self.legs.get(command.session)
        if leg is None or leg.peer is None:
            return Done()
        then = self._load(command.then)
        self._part(leg, then)
        self._fall_back(leg, then)
        return Done()

    def _part(self, leg: Leg, then: tuple[bytes, ...]) -> None:
        """End the bridge of a leg; the other one hears ``then``."""
        peer = leg.peer
        if peer is None:
            return
        leg.inbound.release()
        peer.inbound.release()
        leg.peer = peer.peer = None
        leg.bridge_then = peer.bridge_then = ()
        self._fall_back(peer, then)

    def _fall_back(self, leg: Leg, then: tuple[bytes, ...]) -> None:
        if leg.playlist is None or leg.stands_in:
            leg.play = ""
            self.set_playlist(leg, Playlist((), then))

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

    def media_returned(self, leg: Leg) -> None:
        if leg.peer is not None and leg.peer.stands_in:
            self.set_playlist(leg.peer, None)

    # --- steps of 5 ms ------------------------------------------------------------------------

    def step(self, number: int) -> None:
        """Do what is due at this step: packets of those who play, files, visits."""
        now_us = self.clock.now_us
        players = self.players[number % STEPS_PER_FRAME]
        for leg in tuple(players):
            leg.play_step(now_us)
            if leg.playlist is None and leg.digits_out is None:
                del players[leg]
        self.tapes.step(number)
        for leg in tuple(self.visits[number % VISIT_STEPS]):
            self._visit(leg)

    def skipped(self) -> None:
        """Steps were lost to a stall: timestamps make up for it with the next packet."""
        for players in self.players:
            for leg in players:
                leg.out.flowing = False

    def _visit(self, leg: Leg) -> None:
        """Once a second."""
        refill(leg, self.wiring, partial(read_report, leg, self.clock))
        if silent_too_long(leg, self.clock.now_us):
            leg.timed_out = True
            leg.inbound.release()
            self.emit(MediaTimeout(leg.session, self.clock.unix()))
            peer = leg.peer
            if peer is not None and peer.playlist is None and any(leg.bridge_then):
                self.set_playlist(peer, Playlist((), leg.bridge_then), stands_in=True)
        if self.clock.now_us >= leg.rtcp.due_us:
            leg.rtcp.due_us = self.clock.now_us + INTERVAL_US + self.random32() % 500_000 - 250_000
            send_report(leg, self.clock)
