"""The RTCP side of one session: when a report is due, what it says, what the far end's say."""

from __future__ import annotations

from router.media import rtcp
from router.media.playout import OutStream
from router.media.reception import Reception

INTERVAL_US = 5_000_000  # RFC 3550 6.2; sessions of two need no scaling
READS_MAX = 20  # datagrams a second; what is over is not looked at


class RtcpState:
    """Figures that RTCP brings, and what the next report of ours has to refer to."""

    __slots__ = (
        "due_us",
        "last_ntp",
        "last_seen_us",
        "reads",
        "remote_jitter",
        "remote_lost",
        "round_trip_s",
        "source",
    )

    def __init__(self) -> None:
        self.due_us = 0
        self.last_ntp = 0
        self.last_seen_us = 0
        self.reads = 0
        self.remote_lost = 0
        self.remote_jitter = 0
        self.round_trip_s = 0.0
        self.source: tuple[str, int] | None = None

    def take(self, data: bytes, ssrc: int, peer_ssrc: int, now_us: int, unix_s: float) -> bool:
        """Read a compound packet about our stream ``ssrc``. True where it was one."""
        found = rtcp.parse(data)
        for item in found:
            if not isinstance(item, rtcp.Report):
                continue
            if item.ntp is not None and item.ssrc == peer_ssrc:
                self.last_ntp = item.ntp >> 16 & 0xFFFFFFFF
                self.last_seen_us = now_us
            for block in item.blocks:
                if block.ssrc == ssrc:
                    self._take_block(block, unix_s)
        return bool(found)

    def _take_block(self, block: rtcp.Block, unix_s: float) -> None:
        self.remote_lost = block.lost
        self.remote_jitter = block.jitter
        if block.last_report:
            # RFC 3550 6.4.1: A - LSR - DLSR; a far end's nonsense shows as more than a minute
            trip = (rtcp.ntp_middle(unix_s) - block.last_report - block.delay) & 0xFFFFFFFF
            if trip < 60 << 16:
                self.round_trip_s = trip / 65_536

    def build(
        self,
        out: OutStream,
        out_timestamp: int,
        heard: Reception,
        now_us: int,
        unix_s: float,
        goodbye: bool = False,
    ) -> bytes:
        """Our compound packet. ``out_timestamp`` is the RTP time of now in our stream."""
        blocks: tuple[rtcp.Block, ...] = ()
        if heard.ssrc >= 0:
            delay = (now_us - self.last_seen_us) * 65_536 // 1_000_000 if self.last_ntp else 0
            blocks = (
                rtcp.Block(
                    heard.ssrc,
                    heard.fraction_lost(),
                    heard.missing,
                    heard.highest,
                    heard.jitter,
                    self.last_ntp,
                    delay,
                ),
            )
        if out.sent:
            report = rtcp.Report(
                out.ssrc, blocks, rtcp.ntp_time(unix_s), out_timestamp, out.sent, out.octets
            )
        else:
            report = rtcp.Report(out.ssrc, blocks)
        return rtcp.build(report, f"{out.ssrc:08x}@offhook", goodbye)
