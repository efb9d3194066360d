"""Who is told when an entry is on disk."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable, Sequence

from engine.journal_file import Entry

log = logging.getLogger(__name__)


class Notices:
    """Callbacks by seq (each once) and callbacks for every entry. One that raises is logged."""

    def __init__(self) -> None:
        # A heap by seq; of what is told at once, those ``ahead`` come first.
        self._waiting: list[tuple[int, int, bool, Callable[[], None]]] = []
        self._ticket = itertools.count()
        self._live: list[Callable[[Entry], None]] = []

    def once(self, seq: int, callback: Callable[[], None], *, ahead: bool = False) -> None:
        heapq.heappush(self._waiting, (seq, next(self._ticket), ahead, callback))

    def every(self, callback: Callable[[Entry], None]) -> None:
        self._live.append(callback)

    def durable(self, last: int, entries: Sequence[Entry]) -> None:
        """All up to ``last`` is on disk, ``entries`` are new: first who waits, then the rest. Who
        comes to wait meanwhile waits for what comes next."""
        due = []
        while self._waiting and self._waiting[0][0] <= last:
            due.append(heapq.heappop(self._waiting)[2:])
        due.sort(key=lambda item: not item[0])
        for _, callback in due:
            _guarded(callback)
        for told in self._live:
            for entry in entries:
                _guarded(told, entry)


def _guarded(callback: Callable[..., None], *args: Entry) -> None:
    try:
        callback(*args)
    except Exception:
        log.exception("journal: a callback failed")
