"""Who may answer a waiting call, apart from presence: skills, level, and perhaps one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Needs = tuple[tuple[str, int], ...]

KNOWN_MAX = 4096


class Wants(NamedTuple):
    """Calls of one queue with equal wants are alike: they share a pool.

    ``needs`` are (skill, weakest level allowed) sorted by skill; ``level_max`` is the weakest
    level in the queue (0: any); ``only`` is the one agent who may answer ("": anybody).
    """

    needs: Needs = ()
    level_max: int = 0
    only: str = ""


class WantsKnown:
    """The very same value for all who want the same: thousands may wait. Forgets all at
    ``KNOWN_MAX``, which costs memory and nothing else."""

    def __init__(self) -> None:
        self._known: dict[Wants, Wants] = {}

    def alike(self, skills: Mapping[str, int], level_max: int, only: str) -> Wants:
        """The value for these requirements."""
        wants = Wants(tuple(sorted(skills.items())) if skills else (), level_max, only)
        known = self._known.get(wants)
        if known is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            known = self._known[wants] = wants
        return known
