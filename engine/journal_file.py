"""How the journal lies on disk: segment files, their header, their records.

``<dir>/<first seq, 20 digits>.log``: a header ``magic, version, generation, first seq, time of
the entry before it, CRC32`` and then records ``length u32, CRC32 u32, body`` (big-endian), one
for each entry, ``seq`` rising by one. The first record that does not hold (cut short, wrong
CRC, wrong seq) ends a segment. A start never writes into a file of the start before: what lies
behind a torn tail is left alone, and the first seq of the next segment bounds the one before.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact: its number, its unix time, the call it belongs to ("" for none), the event."""

    seq: int
    at: float
    call: str
    event: object
