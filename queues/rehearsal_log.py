"""What reads a rehearsal's log: the same entries as the journal's, and a digest of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from config.values import value

BATCH = 512


@value(frozen=True, slots=True)
class Entry:
    """A fact in the log: number, unix time, call id ("" for none), event."""

    seq: int
    at: float
    call: str
    event: object


Reader = Callable[[Entry], object]


class Digest:
    """A running BLAKE2b over every fact: time, call, kind and all fields, in order. Two runs
    decided alike, bit by bit, if and only if their digests are equal."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._rows: list[object] = []
        self._read: dict[type, Callable[[Any], Any]] = {}

    def apply(self, entry: Entry) -> None:
        """Take one entry."""
        event = entry.event
        kind = type(event)
        read = self._read.get(kind)
        if read is None:
            names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
            read = self._read[kind] = attrgetter(*names)
        self._rows.append((entry.at, entry.call, kind.__name__, read(event)))
        if len(self._rows) >= BATCH:
            self._flush()

    def hexdigest(self) -> str:
        """Of all entries so far."""
        self._flush()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        self._hash.update(repr(self._rows).encode())
        self._rows.clear()
