"""Places of callers who hung up: whoever redials in time has the old one."""

from __future__ import annotations

from typing import NamedTuple

PLACES_MAX = 10_000


class Kept(NamedTuple):
    """The sort key of a visit that was abandoned, and when."""

    origin: float
    deadline: float
    place: int
    priority: int
    promoted: bool
    left_at: float


class KeptPlaces:
    """Places by queue and caller; at most ``PLACES_MAX``, then the one kept longest goes."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Kept] = {}  # the one kept longest is first

    def keep(self, queue: str, caller: str, kept: Kept, resume_s_max: float) -> None:
        """Remember a place instead of the caller's former one there; forget what nobody can
        resume any more, ``resume_s_max`` being the longest that any queue allows."""
        self._kept.pop((queue, caller), None)
        while self._kept:
            oldest = next(iter(self._kept))
            if (
                len(self._kept) < PLACES_MAX
                and kept.left_at - self._kept[oldest].left_at <= resume_s_max
            ):
                break
            del self._kept[oldest]
        self._kept[queue, caller] = kept

    def find(self, queue: str, caller: str, now: float, resume_s: float) -> Kept | None:
        """The place that the caller may have again, if any."""
        kept = self._kept.get((queue, caller))
        return kept if kept is not None and now - kept.left_at <= resume_s else None

    def take(self, queue: str, caller: str) -> None:
        """The place is resumed, or of no use any more."""
        self._kept.pop((queue, caller), None)

    def all(self) -> dict[tuple[str, str], Kept]:
        """A copy, for comparison."""
        return dict(self._kept)
