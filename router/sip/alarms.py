"""Times to be told at: one per (owner, kind), cheap to move and to clear."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

_SLACK = 64


class Alarms:
    """A heap of times whose truth is a dict, so that clearing costs nothing.

    Stale heap entries are dropped when they come up, and all at once when there are more
    than eight entries for each owner.
    """

    __slots__ = ("_heap", "_sequence", "_set")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, str]] = []
        self._set: dict[str, dict[str, tuple[float, int]]] = {}
        self._sequence = 0

    def set(self, owner: str, kind: str, at: float) -> None:
        """Set, or move, the alarm ``kind`` of ``owner``."""
        self._sequence += 1
        self._set.setdefault(owner, {})[kind] = (at, self._sequence)
        heap = self._heap
        heappush(heap, (at, self._sequence, owner, kind))
        if len(heap) > _SLACK and len(heap) > 8 * len(self._set):
            self._compact()

    def clear(self, owner: str, kind: str) -> None:
        kinds = self._set.get(owner)
        if kinds is not None and kinds.pop(kind, None) is not None and not kinds:
            del self._set[owner]

    def clear_all(self, owner: str) -> None:
        self._set.pop(owner, None)

    def is_set(self, owner: str, kind: str) -> bool:
        return kind in self._set.get(owner, ())

    def of(self, owner: str) -> dict[str, float]:
        """When the alarms of ``owner`` go off, by kind."""
        return {kind: at for kind, (at, _) in self._set.get(owner, {}).items()}

    def due(self, now: float) -> tuple[str, str] | None:
        """Take the earliest (owner, kind) that is due, or None."""
        at = self.next
        if at is None or at > now:
            return None
        _, _, owner, kind = heappop(self._heap)
        self.clear(owner, kind)
        return owner, kind

    @property
    def next(self) -> float | None:
        """The earliest time, or None."""
        heap = self._heap
        while heap:
            at, sequence, owner, kind = heap[0]
            kinds = self._set.get(owner)
            if kinds is not None and kinds.get(kind) == (at, sequence):
                return at
            heappop(heap)
        return None

    def __len__(self) -> int:
        return sum(map(len, self._set.values()))

    def _compact(self) -> None:
        self._heap = [
            (at, sequence, owner, kind)
            for owner, kinds in self._set.items()
            for kind, (at, sequence) in kinds.items()
        ]
        heapify(self._heap)
