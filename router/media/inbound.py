"""What a far end sends us, packet by packet: count it, record it, relay it to the other leg.

``Inbound.arrive`` handles every packet. The worker's loop handles the common one itself, inlined:
the next in order, of the same size, audio, from a latched leg to a latched leg whose ear is
free. ``first`` is what its first 16 bits must be for that, -1 while it is not allowed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from config.errors import MisuseError
from router.media.g711 import ALAW_TO_ULAW, ULAW_TO_ALAW
from router.media.reception import ADVANCED, DROPPED, LATE, RESTARTED, Reception
from router.media.recording import LEFT
from router.media.rtp import HEADER, HEADER_BYTES, PACKET_BYTES_MAX

if TYPE_CHECKING:
    from router.media.leg import Leg
    from router.media.recorder import Recorder

FAST = struct.Struct(">HHII")  # the same header with its first two bytes as one number
BUFFER = bytearray(2048)  # every datagram is received here, and relayed from here
VIEW = memoryview(BUFFER)

_views: dict[int, memoryview] = {}


def view_of(size: int) -> memoryview:
    """``BUFFER[:size]``, made once for each size."""
    view = _views.get(size)
    if view is None:
        view = _views[size] = VIEW[:size]
    return view


def _closed(data: object) -> int:
    raise MisuseError("the leg has no latched socket")


class Inbound(Reception):
    """The stream of one leg's far end, and how it is rewritten for the other leg."""

    __slots__ = (
        "first",
        "leg",
        "out_first",
        "out_send",
        "out_ssrc",
        "out_stream",
        "receive",
        "recorder",
        "sent_mark",
        "sequence_offset",
        "side",
        "size",
        "synced",
        "table",
        "timestamp_offset",
        "valid_from",
        "view",
    )

    def __init__(self, leg: Leg) -> None:
        super().__init__()
        self.leg = leg
        self.recorder: Recorder | None = None
        self.side = LEFT
        self.first = -1
        self.size = 0
        self.view = view_of(0)
        self.out_send: Callable[[memoryview], int] = _closed
        self.receive: Callable[[bytearray], int] = _closed
        self.out_stream = leg.out
        self.out_first = 0
        self.out_ssrc = 0
        self.table: bytes | None = None
        self.synced = False
        self.sequence_offset = 0
        self.timestamp_offset = 0
        self.valid_from = 0
        self.sent_mark = 0

    def arrive(self, size: int, now_us: int) -> None:
        """One plain packet of the latched far end, in ``BUFFER[:size]``."""
        leg = self.leg
        _, second, sequence, timestamp, ssrc = HEADER.unpack_from(BUFFER)
        self.settle()
        now = now_us // 125
        verdict = self.take(ssrc, sequence, timestamp, now)
        if verdict == DROPPED:
            leg.dropped += 1
            return
        if verdict == RESTARTED:
            self.synced = False
        if leg.timed_out:
            leg.media_returned()
        kind = second & 0x7F
        audio = kind == leg.payload_type
        if kind == leg.digits_type:
            payload = bytes(VIEW[HEADER_BYTES : min(size, HEADER_BYTES + 4)])
            key = leg.digits_in.take(payload, timestamp, second >= 0x80, ssrc, now)
            if key:
                leg.pressed(key)
        elif not audio or not leg.hears:
            leg.dropped += 1
        if audio and leg.hears and self.recorder is not None:
            self.recorder.packet(self.side, view_of(size), now_us)
        relayed = leg.hears and self._relay(size, verdict, now)
        if not relayed and self.synced and verdict == ADVANCED:
            # What the other side does not get leaves no gap in what it does get.
            self.sequence_offset = (self.sequence_offset - 1) & 0xFFFF
            self.valid_from = sequence + 1
        self._quicken(size, audio)

    def _relay(self, size: int, verdict: int, now: int) -> bool:
        """Send the packet in BUFFER on to the other leg, where it has an ear for it."""
        leg = self.leg
        peer = leg.peer
        if peer is None or not peer.ear_is_free:
            return False
        _, second, sequence, timestamp, _ = HEADER.unpack_from(BUFFER)
        marker = second & 0x80
        kind = second & 0x7F
        if kind == leg.payload_type:
            out_kind = peer.payload_type
        elif kind == leg.digits_type and peer.digits_type is not None:
            out_kind = peer.digits_type
        else:
            return False
        if not self.synced:
            if verdict == LATE:
                return False
            self.sequence_offset, self.timestamp_offset = peer.out.align(sequence, timestamp, now)
            self.valid_from = sequence
            self.out_stream = peer.out
            self.synced = True
            marker = 0x80
        elif verdict == LATE and (sequence - self.valid_from) & 0xFFFF > 0x7FFF:
            return False
        if out_kind != kind and kind == leg.payload_type:
            table = ULAW_TO_ALAW if out_kind == 8 else ALAW_TO_ULAW
            VIEW[HEADER_BYTES:size] = bytes(VIEW[HEADER_BYTES:size]).translate(table)
        HEADER.pack_into(
            BUFFER,
            0,
            0x80,
            marker | out_kind,
            (sequence + self.sequence_offset) & 0xFFFF,
            (timestamp + self.timestamp_offset) & 0xFFFFFFFF,
            peer.out.ssrc,
        )
        peer.transmit(view_of(size))
        return True

    def _quicken(self, size: int, audio: bool) -> None:
        """Let the loop handle the next packet, if it is like this one."""
        leg = self.leg
        peer = leg.peer
        if not self.synced or peer is None:
            self.first = -1
            return
        self.sent_mark = self.out_stream.sent
        if leg.twin is None or peer.twin is None or size > PACKET_BYTES_MAX:
            self.first = -1
            return
        if not audio:
            return
        self.first = 0x8000 | leg.payload_type
        self.size = size
        self.view = view_of(size)
        self.out_first = 0x8000 | peer.payload_type
        self.out_ssrc = peer.out.ssrc
        self.out_send = peer.twin.send
        self.table = None
        if leg.payload_type != peer.payload_type:
            self.table = ULAW_TO_ALAW if peer.payload_type == 8 else ALAW_TO_ULAW

    def settle(self) -> None:
        """Write down in the other leg's stream how far the relay has come (where it is on)."""
        if not self.synced:
            return
        out = self.out_stream
        out.settle(
            self.next - 1 + self.sequence_offset, self.timestamp + self.timestamp_offset, self.heard
        )
        out.octets += (out.sent - self.sent_mark) * (self.size - HEADER_BYTES)
        self.sent_mark = out.sent

    def release(self) -> None:
        """The other ear is no longer ours: the next packet for it begins a talkspurt."""
        self.settle()
        self.synced = False
        self.first = -1

    def reroute(self) -> None:
        """An address or type changed: the next packet works out anew how to get there."""
        self.first = -1
