"""One session: its sockets, its latch, what its far end hears and says.

``now_us`` is the loop's time in microseconds since the worker started; RTP times are in
1/8000 s (``now_us // 125``).
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Protocol

from router.media.digits import DigitReceiver, DigitSender
from router.media.g711 import ULAW_TO_ALAW
from router.media.inbound import BUFFER, VIEW, Inbound, view_of
from router.media.latching import HELD, LOCKED, STRANGER, Latch
from router.media.playout import FRAME, OutStream, Playlist
from router.media.protocol import Address, Direction, LegFigures
from router.media.report import RtcpState
from router.media.rtp import HEADER, HEADER_BYTES, plain
from router.media.sockets import open_twin

if TYPE_CHECKING:
    from router.media.ears import Aside

HELD_MAX = 16
BUDGET = 400  # packets a second of either socket that take the slow path
TWIN_DRAIN_MAX = 256

_FRAME_OUT = bytearray(HEADER_BYTES + 512)
_frame_out = memoryview(_FRAME_OUT)
_audio_out = _frame_out[: HEADER_BYTES + FRAME]
_pack_audio = struct.Struct(f"{HEADER.format}{FRAME}s").pack_into


class Board(Protocol):
    """What a leg tells the one that owns all legs."""

    def pressed(self, leg: Leg, key: str) -> None: ...
    def play_ended(self, leg: Leg, by_digit: bool) -> None: ...
    def media_returned(self, leg: Leg) -> None: ...
    def twin_opened(self, leg: Leg) -> None: ...
    def twin_closing(self, leg: Leg) -> None: ...
    def over_budget(self, leg: Leg, twin: bool) -> None: ...
    def rtcp_over_budget(self, leg: Leg) -> None: ...


class Leg:
    """The media of one party. Owned by the Exchange, which wires legs to each other."""

    __slots__ = (
        "armed_at",
        "aside",
        "board",
        "bound",
        "bridge_then",
        "budget",
        "digits_in",
        "digits_out",
        "digits_sent",
        "digits_type",
        "direction",
        "dropped",
        "ear_is_free",
        "hears",
        "held",
        "inbound",
        "ipv6",
        "latch",
        "muted",
        "muted_twin",
        "open_budget",
        "out",
        "past_plays",
        "payload_type",
        "peer",
        "phase",
        "play",
        "playlist",
        "port",
        "remote",
        "rtcp",
        "rtcp_socket",
        "rtp_socket",
        "session",
        "slot",
        "speaks",
        "stands_in",
        "stop_on_digit",
        "timed_out",
        "timeout_s",
        "told_end",
        "twin",
        "visited_received",
    )

    def __init__(
        self,
        session: str,
        board: Board,
        sockets: tuple[socket.socket, socket.socket],
        bound: Address,
        ipv6: bool,
        timeout_s: float,
        out: OutStream,
    ) -> None:
        self.session = session
        self.board = board
        self.rtp_socket, self.rtcp_socket = sockets
        self.bound = bound
        self.port = bound[1]
        self.ipv6 = ipv6
        self.timeout_s = timeout_s
        self.out = out
        self.twin: socket.socket | None = None
        self.latch = Latch()
        self.held: list[tuple[Address, int, bytes]] = []
        self.remote: Address | None = None
        self.payload_type = 0
        self.digits_type: int | None = None
        self.direction: Direction = "sendrecv"
        self.hears = False  # the far end may send to us
        self.speaks = False  # we may send to it, and know where
        self.peer: Leg | None = None
        self.bridge_then: tuple[bytes, ...] = ()
        self.playlist: Playlist | None = None
        self.play = ""
        self.past_plays: tuple[str, ...] = ()
        self.aside: Aside | None = None
        self.stop_on_digit = False
        self.told_end = True
        self.stands_in = False  # the playlist replaces a bridged far end that fell silent
        self.ear_is_free = False
        self.phase = 0
        self.slot = 0
        self.digits_in = DigitReceiver()
        self.digits_out: DigitSender | None = None
        self.digits_sent: list[str] = []
        self.dropped = 0
        self.budget = BUDGET
        self.open_budget = BUDGET
        self.muted = False
        self.muted_twin = False
        self.armed_at = 0
        self.timed_out = False
        self.visited_received = 0
        self.rtcp = RtcpState()
        self.inbound = Inbound(self)

    # --- from the far end ---------------------------------------------------------------------

    def read_open(self, now_us: int) -> None:
        """One datagram of the unconnected socket."""
        try:
            size, source = self.rtp_socket.recvfrom_into(BUFFER)
        except OSError:
            return
        self._judge(size, source[:2], now_us)
        self.open_budget -= 1
        if self.open_budget < 0:
            self.board.over_budget(self, False)

    def read_twin(self, size: int, now_us: int) -> None:
        """A datagram of the latched far end, in BUFFER, that the loop did not handle itself."""
        size = plain(BUFFER, size)
        if size:
            self.inbound.arrive(size, now_us)
        else:
            self.dropped += 1
        self.budget -= 1
        if self.budget < 0:
            self.board.over_budget(self, True)

    def _judge(self, size: int, source: Address, now_us: int) -> None:
        size = plain(BUFFER, size)
        kind = BUFFER[1] & 0x7F
        if not size or kind not in (self.payload_type, self.digits_type):
            self.dropped += 1
            return
        _, _, _, _, ssrc = HEADER.unpack_from(BUFFER)
        verdict = self.latch.take(source, ssrc)
        if verdict == STRANGER:
            self.dropped += 1
        elif verdict == HELD:
            self.held.append((source, ssrc, bytes(view_of(size))))
            if len(self.held) > HELD_MAX:
                del self.held[0]
                self.dropped += 1
        elif verdict == LOCKED:
            self._lock(source, ssrc, bytes(view_of(size)), now_us)
        else:
            self.inbound.arrive(size, now_us)

    def _lock(self, source: Address, ssrc: int, packet: bytes, now_us: int) -> None:
        """The source won: what it sent before is heard too, in order."""
        held, self.held = self.held, []
        self.settle_target()
        self._open_twin(source)
        mine = [item[2] for item in held if item[0] == source and item[1] == ssrc]
        self.dropped += len(held) - len(mine)
        for data in (*mine, packet):
            VIEW[: len(data)] = data
            self.inbound.arrive(len(data), now_us)
        self._drain_twin(now_us)

    def _open_twin(self, source: Address) -> None:
        try:
            self.twin = open_twin(self.bound[0], self.port, self.ipv6, source)
        except OSError:
            return  # every packet then goes by the first socket: slower, nothing else
        self.inbound.receive = self.twin.recv_into
        self.board.twin_opened(self)

    def _drain_twin(self, now_us: int) -> None:
        for _ in range(TWIN_DRAIN_MAX):
            twin = self.twin
            if twin is None:
                return
            try:
                size, source = twin.recvfrom_into(BUFFER)
            except OSError:
                return
            self._judge(size, source[:2], now_us)

    def pressed(self, key: str) -> None:
        self.board.pressed(self, key)

    def media_returned(self) -> None:
        self.timed_out = False
        self.board.media_returned(self)

    # --- to the far end -----------------------------------------------------------------------

    @property
    def target(self) -> Address | None:
        """Where our packets go: to the latched source, before that to the described address."""
        return self.latch.winner or self.remote

    def settle_target(self) -> None:
        """Work out anew what direction and address allow."""
        hears = self.direction in ("sendrecv", "recvonly")
        if hears != self.hears:
            self.hears = hears
            self.inbound.release()
        self.inbound.reroute()
        self.speaks = self.direction in ("sendrecv", "sendonly") and self.target is not None
        self.settle_ear()

    def settle_ear(self) -> None:
        """Work out whether the bridge has this ear; a relay that lost or got it starts anew."""
        free = self.speaks and self.playlist is None and self.digits_out is None
        changed, self.ear_is_free = free != self.ear_is_free, free
        if self.peer is None:
            return
        if changed:
            self.peer.inbound.release()
        self.peer.inbound.reroute()

    def close_twin(self) -> None:
        twin = self.twin
        if twin is None:
            return
        self.board.twin_closing(self)
        self.twin = None
        self.settle_target()
        twin.close()

    def transmit(self, packet: memoryview) -> None:
        """Send one RTP packet; what the kernel refuses is lost like on the wire."""
        try:
            if self.twin is not None:
                self.twin.send(packet)
            else:
                target = self.latch.winner or self.remote
                if target is None:
                    return
                self.rtp_socket.sendto(packet, target)
        except OSError:
            return
        out = self.out
        out.sent += 1
        out.octets += len(packet) - HEADER_BYTES

    def play_step(self, now_us: int) -> None:
        """Send the packet of these 20 ms: a key's event, or audio of the playlist."""
        playlist = self.playlist
        if self.digits_out is not None:
            self._digit_step(self.digits_out, now_us // 125)
            if playlist is not None:
                self._take_frame(playlist)
            return
        if playlist is None:
            return
        frame = playlist.frame() if self.told_end else self._take_frame(playlist)
        out = self.out
        if not self.speaks:
            out.flowing = False
            return
        second = self.payload_type
        if out.follow(now_us // 125):
            second |= 0x80
        if self.payload_type == 8:
            frame = frame.translate(ULAW_TO_ALAW)
        _pack_audio(_FRAME_OUT, 0, 0x80, second, out.sequence, out.timestamp, out.ssrc, frame)
        self.transmit(_audio_out)

    def _take_frame(self, playlist: Playlist) -> bytes:
        frame = playlist.frame()
        if playlist.ended and not self.told_end:
            self.told_end = True
            self.board.play_ended(self, False)
        return frame

    def _digit_step(self, digits: DigitSender, now: int) -> None:
        step = digits.step()
        if step is not None and self.speaks and self.digits_type is not None:
            first, payload = step
            out = self.out
            if first:
                out.start(now)
            else:
                out.repeat()
            HEADER.pack_into(
                _FRAME_OUT,
                0,
                0x80,
                (0x80 if first else 0) | self.digits_type,
                out.sequence,
                out.timestamp,
                out.ssrc,
            )
            size = HEADER_BYTES + len(payload)
            _frame_out[HEADER_BYTES:size] = payload
            self.transmit(_frame_out[:size])
        if digits.done:
            self.digits_out = None
            self.out.flowing = False
            self.settle_ear()

    # --- figures ------------------------------------------------------------------------------

    def figures(self) -> LegFigures:
        inbound = self.inbound
        return LegFigures(
            received=inbound.received,
            sent=self.out.sent,
            lost=max(0, inbound.lost),
            jitter_ms=inbound.jitter / 8,
            dropped=self.dropped,
            remote_lost=max(0, self.rtcp.remote_lost),
            remote_jitter_ms=self.rtcp.remote_jitter / 8,
            round_trip_ms=self.rtcp.round_trip_s * 1000,
        )

    def close(self) -> None:
        """Close the sockets; the exchange has unwired them."""
        if self.twin is not None:
            self.twin.close()
            self.twin = None
        self.rtp_socket.close()
        self.rtcp_socket.close()
