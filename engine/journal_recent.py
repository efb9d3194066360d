"""The newest entries on disk, in memory for the readers that keep up."""

from __future__ import annotations

from collections import deque

from engine.journal_file import Entry

RECENT_ENTRIES = 2_048


class Recent(deque[Entry]):
    """Durable entries in order, ``RECENT_ENTRIES`` at most."""

    def __init__(self) -> None:
        super().__init__(maxlen=RECENT_ENTRIES)

    def take(self, after: int, limit: int) -> list[Entry] | None:
        """Entries with seq > ``after``; None where that is older than what is here."""
        if not self or after + 1 < self[0].seq:
            return None
        start = after + 1 - self[0].seq
        # By index from the nearer end: who keeps up asks for the last few of thousands.
        return [self[at] for at in range(start, min(start + limit, len(self)))]
