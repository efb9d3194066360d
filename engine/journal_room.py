"""Whether the disk has room for more than what the calls in progress still have to say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from engine.journal_writer import RESERVE_S

log = logging.getLogger(__name__)


class Room:
    """What the writer tells of its reserve. While that is gone, ``look`` is called every
    RESERVE_S: it has something written, be it nothing, and the writer tells again."""

    def __init__(self, look: Callable[[], None]) -> None:
        self.short = False
        self._look = look
        self._timer: asyncio.TimerHandle | None = None

    def told(self, short: bool) -> bool:
        """True where room became short just now."""
        began = short and not self.short
        if began:
            log.error("journal: the disk is full, no new calls until there is room again")
        elif self.short and not short:
            log.warning("journal: there is room on the disk again")
        self.short = short
        if short and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RESERVE_S, self._again)
        return began

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _again(self) -> None:
        self._timer = None
        self._look()
