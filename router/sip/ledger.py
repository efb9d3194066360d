"""Whose transaction is whose, and which legs changed since somebody asked: what must be written
down again so that another process could go on."""

from __future__ import annotations

from collections.abc import Container, Iterable, Set


class Ledger:
    """``legs`` are those alive. A leg that is over stands here while a transaction of its own
    runs; it is gone with the last one, and then told once more, if it ever was.

    Where nobody asks nothing piles up: a leg that was never told is forgotten with its end.
    """

    __slots__ = ("_changed", "_legs", "_owned", "_told")

    def __init__(self, legs: Container[str] = ()) -> None:
        self._legs = legs
        self._owned: dict[str, dict[str, None]] = {}
        self._changed: dict[str, None] = {}  # a set that keeps its order
        self._told: set[str] = set()

    def own(self, tx: str, leg: str) -> None:
        """``tx`` belongs to ``leg`` from now on."""
        self._owned.setdefault(leg, {})[tx] = None
        self.touch(leg)

    def disown(self, tx: str, leg: str) -> None:
        """``tx`` is over, or nothing of it matters any more."""
        owned = self._owned.get(leg)
        if owned is not None and owned.pop(tx, "") is None and not owned:
            del self._owned[leg]
            if leg not in self._legs:
                self.touch(leg)

    def of(self, leg: str) -> Iterable[str]:
        """The transactions of a leg, the oldest first."""
        return self._owned.get(leg, ())

    def holds(self, leg: str) -> bool:
        """Something of this leg is under way, or it is alive."""
        return leg in self._legs or leg in self._owned

    def touch(self, leg: str) -> None:
        """The leg changed in a way that the next process must know."""
        if leg in self._legs or leg in self._owned or leg in self._told:
            self._changed[leg] = None
        else:
            self._changed.pop(leg, None)

    def adopted(self, leg: str) -> None:
        """A record of this leg was read, so its end must be told even if it is over."""
        self._told.add(leg)
        self._changed[leg] = None

    def take(self) -> Set[str]:
        """Legs that changed since the last time, in order; a leg that nothing is left of comes
        once."""
        changed, self._changed = self._changed, {}
        for leg in list(changed):
            if self.holds(leg):
                self._told.add(leg)
            elif leg in self._told:
                self._told.discard(leg)
            else:
                del changed[leg]
        return changed.keys()
