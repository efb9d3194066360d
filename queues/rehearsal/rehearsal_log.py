"""The log of a rehearsal: the same entries as the journal's, to whoever reads them."""

from __future__ import annotations

from collections.abc import Callable

from config.values import value


@value(frozen=True, slots=True)
class Entry:
    """A fact in the log: number, unix time, call id ("" for none), event."""

    seq: int
    at: float
    call: str
    event: object


Reader = Callable[[Entry], object]
