"""RTCP sender and receiver reports (RFC 3550 6): what we send every five seconds, and read."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION, BYE = 200, 201, 202, 203
NTP_UNIX_S = 2_208_988_800  # seconds from 1900 to 1970
COMPOUND_BYTES_MAX = 1500

_COMMON = struct.Struct(">BBHI")
_SENDER = struct.Struct(">QIII")
_BLOCK = struct.Struct(">IIIIII")


@dataclass(frozen=True, slots=True)
class Block:
    """One reception report block (RFC 3550 6.4.1).

    ``fraction`` is of 256, ``lost`` signed 24 bits, ``jitter`` in timestamp units,
    ``last_report`` and ``delay`` in 1/65536 s (the middle 32 bits of an NTP time).
    """

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int


@dataclass(frozen=True, slots=True)
class Report:
    """A sender report (``ntp`` not None) or a receiver report.

    ``ntp`` is the 64-bit NTP time of ``timestamp``; ``packets`` and ``octets`` are what was sent.
    """

    ssrc: int
    blocks: tuple[Block, ...] = ()
    ntp: int | None = None
    timestamp: int = 0
    packets: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Goodbye:
    ssrc: int


def ntp_time(unix_s: float) -> int:
    """64-bit NTP time of unix seconds."""
    return int((unix_s + NTP_UNIX_S) * 4_294_967_296) & 0xFFFFFFFFFFFFFFFF


def ntp_middle(unix_s: float) -> int:
    """The middle 32 bits of the NTP time, in 1/65536 s (RFC 3550 4)."""
    return ntp_time(unix_s) >> 16 & 0xFFFFFFFF


def build(report: Report, cname: str, goodbye: bool = False) -> bytes:
    """A compound packet: the report, a source description with CNAME (6.5.1), maybe BYE."""
    body = b"".join(
        _BLOCK.pack(
            block.ssrc,
            (block.fraction & 0xFF) << 24 | (max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF),
            block.highest & 0xFFFFFFFF,
            min(block.jitter, 0xFFFFFFFF),
            block.last_report,
            min(block.delay, 0xFFFFFFFF),
        )
        for block in report.blocks[:31]
    )
    kind = RECEIVER_REPORT
    if report.ntp is not None:
        kind = SENDER_REPORT
        body = (
            _SENDER.pack(
                report.ntp,
                report.timestamp & 0xFFFFFFFF,
                report.packets & 0xFFFFFFFF,
                report.octets & 0xFFFFFFFF,
            )
            + body
        )
    count = 0x80 | len(report.blocks[:31])
    data = _COMMON.pack(count, kind, (len(body) + 4) // 4, report.ssrc) + body
    item = bytes((1, len(cname.encode()[:255]))) + cname.encode()[:255]
    item += b"\x00" * (4 - len(item) % 4)
    data += _COMMON.pack(0x81, DESCRIPTION, (len(item) + 4) // 4, report.ssrc) + item
    if goodbye:
        data += _COMMON.pack(0x81, BYE, 1, report.ssrc)
    return data


def parse(data: bytes) -> list[Report | Goodbye]:
    """What a compound packet of up to 1500 bytes says; other and damaged packets are left out."""
    found: list[Report | Goodbye] = []
    position = 0
    size = min(len(data), COMPOUND_BYTES_MAX)
    while position + _COMMON.size <= size:
        first, kind, words, ssrc = _COMMON.unpack_from(data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > size or words == 0:
            break
        if kind in (SENDER_REPORT, RECEIVER_REPORT):
            report = _read_report(data[position + _COMMON.size : end], kind, first & 0x1F, ssrc)
            if report is not None:
                found.append(report)
        elif kind == BYE and first & 0x1F:
            found.append(Goodbye(ssrc))
        position = end
    return found


def _read_report(body: bytes, kind: int, count: int, ssrc: int) -> Report | None:
    ntp, timestamp, packets, octets, start = None, 0, 0, 0, 0
    if kind == SENDER_REPORT:
        if len(body) < _SENDER.size:
            return None
        ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
        start = _SENDER.size
    if start + count * _BLOCK.size > len(body):
        return None
    blocks = []
    for index in range(count):
        source, loss, highest, jitter, last, delay = _BLOCK.unpack_from(
            body, start + index * _BLOCK.size
        )
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        blocks.append(Block(source, loss >> 24, lost, highest, jitter, last, delay))
    return Report(ssrc, tuple(blocks), ntp, timestamp, packets, octets)
