"""The raw recording a worker writes and the finisher reads: an append-only packet log.

The file is ``MAGIC``, a 2-byte big-endian length, a msgpack map (``RecordingHeader``), then
records. A record is ``PREFIX`` (kind u8, length u16, arrival u64, all big-endian) and
``length`` bytes:

=========  ===================================================================
kind       the bytes after the prefix
=========  ===================================================================
LEFT 0     an RTP packet of the left side: the plain 12-byte header, payload
RIGHT 1    the same of the right side
PAUSE 2    empty: from here nothing is stored (time goes on)
RESUME 3   empty
SIDE 4     the side (0 or 1) as one byte, then the session id now on that side
END 5      empty: the writer closed the file; a crash leaves it out
=========  ===================================================================

``arrival`` is in microseconds since ``started``, by a clock that never steps back; it does not
decrease from record to record. The RTP header is as it came from the wire (without CSRC,
extension and padding), so sequence, timestamp and SSRC are the sender's. Only audio of the
negotiated codec is stored, never telephone-events. Packets stand in the order of arrival:
loss, reordering and jumps of the timestamp are the reader's to judge.

A file cut short (power, full disk) is read up to its last whole record.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import msgspec

from config.errors import PeerError

MAGIC = b"OHREC\x00\x01\n"
PREFIX = struct.Struct(">BHQ")
RTP = struct.Struct(">BBHII")

LEFT, RIGHT, PAUSE, RESUME, SIDE, END = range(6)

PACKET_BYTES_MAX = 1600
HEADER_BYTES_MAX = 4096


class RecordingFormatError(PeerError):
    """The file is no recording of ours, or damaged before its end."""


class RecordingHeader(msgspec.Struct, frozen=True):
    """``started`` is unix time of arrival 0; ``left`` and ``right`` are session ids."""

    recording: str
    started: float
    left: str
    right: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """PAUSE, RESUME, SIDE (with ``side`` and ``session``) or END."""

    kind: int
    arrival_us: int
    side: int = 0
    session: str = ""


class Packet(NamedTuple):
    """One audio packet. ``payload`` is G.711, a byte a sample: ``codec`` 0 mu-law, 8 A-law.

    ``new_source`` is set on the first packet of a side and wherever its SSRC or its session
    changed: ``rtp_time`` and ``sequence`` then have nothing to do with those before.
    """

    side: int
    codec: int
    arrival_us: int
    rtp_time: int
    sequence: int
    ssrc: int
    marker: bool
    new_source: bool
    payload: bytes


Record = Packet | Mark


def encode_header(header: RecordingHeader) -> bytes:
    """The first bytes of a file."""
    body = msgspec.msgpack.encode(header)
    return MAGIC + len(body).to_bytes(2, "big") + body


def encode_mark(kind: int, arrival_us: int, side: int = 0, session: str = "") -> bytes:
    """A record of kind PAUSE, RESUME, SIDE or END."""
    body = bytes((side,)) + session.encode()[:255] if kind == SIDE else b""
    return PREFIX.pack(kind, len(body), arrival_us) + body


def encode_packet(side: int, arrival_us: int, packet: bytes) -> bytes:
    """A record of one plain RTP packet (12-byte header). The worker's loop inlines this."""
    return PREFIX.pack(side, len(packet), arrival_us) + packet


class Reading:
    """An open recording: ``header``, then iterate over its records once; memory is bounded.

    ``complete`` tells after the last record whether END was there.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.complete = False
        self.header = self._read_header()

    def _read_header(self) -> RecordingHeader:
        start = self._file.read(len(MAGIC) + 2)
        if len(start) < len(MAGIC) + 2 or not start.startswith(MAGIC):
            raise RecordingFormatError("not a recording: wrong first bytes")
        size = int.from_bytes(start[-2:], "big")
        if size > HEADER_BYTES_MAX:
            raise RecordingFormatError("header too long")
        try:
            return msgspec.msgpack.decode(self._file.read(size), type=RecordingHeader)
        except msgspec.MsgspecError as error:
            raise RecordingFormatError(f"header: {error}") from None

    def __iter__(self) -> Iterator[Record]:
        """Yield records in order of arrival; raise RecordingFormatError on a damaged one."""
        read, unpack = self._file.read, PREFIX.unpack
        last_ssrc: list[int | None] = [None, None]
        while True:
            prefix = read(PREFIX.size)
            if len(prefix) < PREFIX.size:
                return
            kind, length, arrival = unpack(prefix)
            if kind > END or length > PACKET_BYTES_MAX:
                raise RecordingFormatError(f"damaged record of kind {kind}, {length} bytes")
            body = read(length)
            if len(body) < length:
                return
            if kind <= RIGHT:
                if length < RTP.size:
                    raise RecordingFormatError(f"packet of {length} bytes")
                _, second, sequence, rtp_time, ssrc = RTP.unpack_from(body)
                fresh = ssrc != last_ssrc[kind]
                last_ssrc[kind] = ssrc
                yield Packet(
                    kind,
                    second & 0x7F,
                    arrival,
                    rtp_time,
                    sequence,
                    ssrc,
                    second >= 0x80,
                    fresh,
                    body[RTP.size :],
                )
                continue
            side = body[0] & 1 if kind == SIDE and body else 0
            if kind == SIDE:
                last_ssrc[side] = None
            self.complete = self.complete or kind == END
            yield Mark(kind, arrival, side, body[1:].decode(errors="replace"))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def read_recording(path: str | os.PathLike[str]) -> Reading:
    """Open a recording for one pass: ``with read_recording(path) as r: for record in r``.

    Raises RecordingFormatError, OSError.
    """
    file = open(path, "rb")  # noqa: SIM115 (Reading closes it)
    try:
        return Reading(file)
    except BaseException:
        file.close()
        raise
