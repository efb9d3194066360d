"""RTP packets (RFC 3550 5.1): parse, build, and bring to the plain form of 12 header bytes."""

from __future__ import annotations

import struct
from typing import NamedTuple

from config.errors import PeerError

HEADER = struct.Struct(">BBHII")
HEADER_BYTES = HEADER.size
PACKET_BYTES_MAX = 1500


class RtpError(PeerError):
    """The datagram is no RTP packet of version 2."""


class RtpPacket(NamedTuple):
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def plain(buffer: bytearray, size: int) -> int:
    """Bring the packet in ``buffer[:size]`` to the plain form, in place.

    Contributing sources, extension and padding go away (RFC 3550 5.1, 5.3.1). Returns the new
    size (at least 12), or 0 where it is no RTP packet of version 2 that adds up (A.1). Never
    resizes the buffer.
    """
    if size < HEADER_BYTES or size > PACKET_BYTES_MAX:
        return 0
    first = buffer[0]
    if first == 0x80:
        return size
    if first >> 6 != 2:
        return 0
    start = HEADER_BYTES + 4 * (first & 0x0F)
    end = size
    if first & 0x10:
        if start + 4 > size:
            return 0
        start += 4 + 4 * (buffer[start + 2] << 8 | buffer[start + 3])
    if first & 0x20:
        padding = buffer[size - 1]
        if padding == 0:
            return 0
        end -= padding
    if start > end:
        return 0
    size = HEADER_BYTES + end - start
    buffer[HEADER_BYTES:size] = buffer[start:end]
    buffer[0] = 0x80
    return size


def parse(data: bytes) -> RtpPacket:
    """Read one packet of up to 1500 bytes. Raises RtpError."""
    buffer = bytearray(data)
    size = plain(buffer, len(buffer))
    if not size:
        raise RtpError(f"no RTP packet: {len(data)} bytes")
    _, second, sequence, timestamp, ssrc = HEADER.unpack_from(buffer)
    payload = bytes(buffer[HEADER_BYTES:size])
    return RtpPacket(second & 0x7F, second >= 0x80, sequence, timestamp, ssrc, payload)


def build(packet: RtpPacket) -> bytes:
    """The plain form of a packet; fields are taken modulo their width."""
    return (
        HEADER.pack(
            0x80,
            (packet.payload_type & 0x7F) | (0x80 if packet.marker else 0),
            packet.sequence & 0xFFFF,
            packet.timestamp & 0xFFFFFFFF,
            packet.ssrc & 0xFFFFFFFF,
        )
        + packet.payload
    )
