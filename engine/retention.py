"""What the database forgets: decisions and figures that are older than the configuration keeps.

Nothing waits for it. A pass looks once a day and deletes a bounded piece at a time, oldest first,
until nothing is left that is too old; a piece is due with each writing of figures (half a minute),
so that other writers of a database that was away or grew for years have their turn in between.
"""

from __future__ import annotations

import logging

from sqlalchemy.ext.asyncio import AsyncEngine

from config.settings import Store
from queues.figures.figures_store import FiguresStore
from queues.why.decisions import DecisionStore

log = logging.getLogger(__name__)

DAY_S = 86_400.0
DECISIONS_MAX = 5_000  # rows of one piece
FIGURES_S_MAX = 3_600.0  # the intervals of one piece begin within so long


class Retention:
    """Asked to ``step`` now and then; does so daily, and again while there is more."""

    def __init__(self, database: AsyncEngine, keeps: Store) -> None:
        self._decisions = DecisionStore(database)
        self._figures = FiguresStore(database)
        self._keeps = keeps
        self._next_at = 0.0

    async def step(self, now: float) -> None:
        """One piece of each, where the day's pass is not over. A database that is away is tried
        the next time; errors are the log's."""
        if now < self._next_at:
            return
        try:
            more = await self._decisions_step(now) | await self._figures_step(now)
        except Exception as error:
            log.warning("what is too old stays in the database: %s", type(error).__name__)
            return
        if not more:
            self._next_at = now + DAY_S

    async def _decisions_step(self, now: float) -> bool:
        kept_s = self._keeps.decisions_kept_s
        if kept_s is None:
            return False
        gone = await self._decisions.forget_before(now - kept_s, DECISIONS_MAX)
        return gone == DECISIONS_MAX

    async def _figures_step(self, now: float) -> bool:
        kept_s = self._keeps.figures_kept_s
        return kept_s is not None and await self._figures.forget_before(now - kept_s, FIGURES_S_MAX)
