"""What a session needs from time to time: RTCP, its budget of packets, the media timeout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from router.media.leg import BUDGET, Leg
from router.media.report import READS_MAX

FLOOD = 1000  # packets a second of a latched far end; a call has 50


class Clock(Protocol):
    """The loop's time: one reading for everything that a wake-up does."""

    now_us: int

    def unix(self) -> float:
        """``now_us`` in unix seconds; never steps back."""


class Wiring(Protocol):
    """The loop's epoll. Handlers get ``now_us``; to watch or unwatch twice changes nothing."""

    def watch(self, fd: int, handler: Callable[[int], None]) -> None: ...
    def watch_leg(self, fd: int, leg: Leg) -> None: ...
    def unwatch(self, fd: int) -> None: ...
    def want_write(self, fd: int, wanted: bool) -> None: ...


def refill(leg: Leg, wiring: Wiring, rtcp_reader: Callable[[int], None]) -> None:
    """Once a second: read muted sockets again, or mute one whose latched far end floods."""
    leg.budget = leg.open_budget = BUDGET
    leg.rtcp.reads = 0
    if leg.muted:
        leg.muted = False
        wiring.watch(leg.rtp_socket.fileno(), leg.read_open)
        wiring.watch(leg.rtcp_socket.fileno(), rtcp_reader)
    received = leg.inbound.received
    twin = leg.twin
    if twin is not None:
        if received - leg.visited_received > FLOOD:
            leg.muted_twin = True
            wiring.unwatch(twin.fileno())
        elif leg.muted_twin:
            leg.muted_twin = False
            wiring.watch_leg(twin.fileno(), leg)
    leg.visited_received = received


def silent_too_long(leg: Leg, now_us: int) -> bool:
    """The far end should be sending, has not for ``timeout_s``, and nobody was told yet."""
    if not leg.hears or leg.remote is None or leg.timeout_s <= 0 or leg.timed_out:
        return False
    since = max(leg.armed_at, leg.inbound.heard)
    return now_us // 125 - since >= leg.timeout_s * 8000


def read_report(leg: Leg, clock: Clock, now_us: int) -> None:
    """One datagram on the RTCP port; only hosts that may win the latch are listened to."""
    try:
        data, address = leg.rtcp_socket.recvfrom(2048)
    except OSError:
        return
    source = address[:2]
    rtcp = leg.rtcp
    rtcp.reads += 1
    if rtcp.reads > READS_MAX:
        leg.board.rtcp_over_budget(leg)
    winner = leg.latch.winner
    known = source[0] in leg.latch.hosts or (winner is not None and source[0] == winner[0])
    if known and rtcp.take(data, leg.out.ssrc, leg.inbound.ssrc, now_us, clock.unix()):
        rtcp.source = source
    else:
        leg.dropped += 1


def send_report(leg: Leg, clock: Clock, goodbye: bool = False) -> None:
    """Send our RTCP report, if there is anything to tell and we know where to."""
    out, inbound = leg.out, leg.inbound
    target = leg.rtcp.source
    if target is None and leg.target is not None:
        target = leg.target[0], leg.target[1] + 1
    if target is None or not (out.sent or inbound.ssrc >= 0):
        return
    if leg.peer is not None:
        leg.peer.inbound.settle()
    now = clock.now_us // 125
    timestamp, at = out.timestamp, now if out.at is None else out.at
    data = leg.rtcp.build(out, timestamp + now - at, inbound, clock.now_us, clock.unix(), goodbye)
    try:
        leg.rtcp_socket.sendto(data, target)
    except (OSError, OverflowError):
        return  # lost like on the wire
