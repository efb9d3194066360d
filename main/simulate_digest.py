"""A running digest of a rehearsal's log: equal digests are equal days."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from queues.rehearsal.rehearsal_log import Entry

BATCH = 256


class Digest:
    """BLAKE2b over every fact: time, call, kind and all fields, in order. Two runs decided alike,
    bit by bit, if and only if their digests are equal."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._rows: list[tuple[float, str, str, object]] = []
        self._encode = msgspec.msgpack.Encoder().encode

    def apply(self, entry: Entry) -> None:
        """Take one entry."""
        event = entry.event
        self._rows.append((entry.at, entry.call, type(event).__name__, event))
        if len(self._rows) >= BATCH:
            self._flush()

    def hexdigest(self) -> str:
        """Of all entries so far."""
        self._flush()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        for row in self._rows:  # one by one: a digest does not depend on the batches
            self._hash.update(self._encode(row))
        self._rows.clear()
