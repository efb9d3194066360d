"""Both sides of a recording on one time line, turned into stereo PCM in bounded memory. Pure.

G.711 is decoded by two byte translations (low and high byte of the 16-bit sample), and sides
are woven together by slice assignment: both run in C, so an hour takes a second or two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router.media.g711 import ALAW_DECODED, ULAW_DECODED

CHUNK = 32_768  # samples written at once


def _planes(decoded: Sequence[int]) -> tuple[bytes, bytes]:
    return bytes(v & 0xFF for v in decoded), bytes(v >> 8 & 0xFF for v in decoded)


ULAW, ALAW = 0, 8  # RTP payload types (RFC 3551 table 4)
_TABLES = {ULAW: _planes(ULAW_DECODED), ALAW: _planes(ALAW_DECODED)}


class Timeline:
    """Payloads go in at their positions, little-endian stereo PCM comes out in order.

    What was never written is silence; what is written twice is the later. ``clipped`` counts
    samples that came for a stretch already given out.
    """

    def __init__(self) -> None:
        self._start = 0  # position of the planes' first sample
        self._planes = [bytearray() for _ in range(4)]  # left low, left high, right low, high
        self.clipped = 0
        self.end = 0

    def put(self, side: int, position: int, codec: int, payload: bytes) -> None:
        """Lay a payload (a byte a sample) on a side: 0 left, 1 right. Unknown codec: silence."""
        tables = _TABLES.get(codec)
        offset = position - self._start
        if offset < 0:
            self.clipped += min(-offset, len(payload))
            payload, offset = payload[-offset:], 0
        if tables is None or not payload:
            return
        end = offset + len(payload)
        for plane, table in zip(self._planes[2 * side : 2 * side + 2], tables, strict=True):
            if len(plane) < offset:
                plane += bytes(offset - len(plane))
            plane[offset:end] = payload.translate(table)
        self.end = max(self.end, self._start + end)

    def give(self, upto: int) -> Iterator[bytes]:
        """PCM from where the last giving ended up to the position ``upto``, in chunks."""
        while self._start < upto:
            count = min(CHUNK, upto - self._start)
            out = bytearray(4 * count)
            for number, plane in enumerate(self._planes):
                part = plane[:count]
                if part:
                    out[number : 4 * len(part) : 4] = part
                    del plane[:count]
            self._start += count
            yield bytes(out)
