"""Who may answer a waiting call, apart from presence: skills, level, and perhaps one person."""

from __future__ import annotations

from typing import NamedTuple

Needs = tuple[tuple[str, int], ...]


class Wants(NamedTuple):
    """Calls of one queue with equal wants are alike: they share a pool.

    ``needs`` are (skill, weakest level allowed) sorted by skill; ``level_max`` is the weakest
    level in the queue (0: any); ``only`` is the one agent who may answer ("": anybody).
    """

    needs: Needs = ()
    level_max: int = 0
    only: str = ""
