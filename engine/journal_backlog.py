"""What is appended and not yet on disk: numbered, encoded, handed over in batches."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from config.errors import MisuseError
from engine.journal_file import BODY_BYTES_MAX, Entry, closing, record
from engine.journal_writer import Batch
from engine.registry import Registry

log = logging.getLogger(__name__)

BATCH_BYTES = 1_048_576  # one write takes about so much


class Backlog:
    """Entries from ``append`` through ``batch`` (given to the writer) to ``settle`` (on disk).

    What is given to the writer at once is a group: at a start after a crash it is there whole or
    not at all. So a state that changes ten times between two batches is written once (``keep``).
    """

    def __init__(self, registry: Registry, last_seq: int, last_at: float) -> None:
        self.last_seq = last_seq
        self.last_at = last_at
        self.handed_seq = last_seq
        self.bytes = 0  # of records not on disk yet
        self._encode = registry.encode
        self._handed_at = last_at
        self._entries: deque[Entry] = deque()  # not on disk
        self._records: deque[tuple[bytes, float]] = deque()  # not given to the writer: data, time
        self._states: dict[object, Callable[[], object]] = {}  # to be written down with the group
        self._closings: deque[int] = deque()  # last entries of groups that are not on disk

    def append(self, call: str, event: object, at: float) -> Entry:
        seq = self.last_seq + 1
        data = record(self._encode(seq, at, call, event), closes=False)
        if len(data) > BODY_BYTES_MAX:
            raise MisuseError(f"{type(event).__name__} takes {len(data)} bytes in the journal")
        entry = Entry(seq, at, call, event)
        self.last_seq = seq
        if at > self.last_at:
            self.last_at = at
        self._entries.append(entry)
        self._records.append((data, at))
        self.bytes += len(data)
        return entry

    def keep(self, name: object, write: Callable[[], object]) -> None:
        """``write`` appends the state of this name as it is when the group ends; a later one of
        the same name takes its place."""
        self._states[name] = write

    @property
    def group_seq(self) -> int:
        """When this is on disk, all that was appended or is to be kept up to now is."""
        return self.last_seq + 1 if self._states else self.last_seq

    @property
    def count(self) -> int:
        """Entries that are not on disk."""
        return len(self._entries) + len(self._states)

    @property
    def unhanded(self) -> int:
        """Entries that no batch took yet."""
        return len(self._records) + len(self._states)

    def _end_group(self) -> None:
        """What was appended up to now is a group: batches are made between turns, never in one."""
        states, self._states = self._states, {}
        for name, write in states.items():
            try:
                write()
            except Exception:  # one state that cannot be written must not cost the others
                log.exception("%s cannot be kept", name)
        if self._records and (not self._closings or self._closings[-1] < self.last_seq):
            data, at = self._records[-1]
            self._records[-1] = closing(data), at
            self._closings.append(self.last_seq)

    def batch(self, held: int, roll: bool) -> Batch:
        """The oldest unhanded entries, about 1 MiB of them, perhaps none."""
        self._end_group()
        first, last_at = self.handed_seq + 1, self._handed_at
        first_at = self._records[0][1] if self._records else None
        taken: list[bytes] = []
        size = 0
        while self._records and size < BATCH_BYTES:
            data, at = self._records.popleft()
            size += len(data)
            taken.append(data)
            if at > self._handed_at:
                self._handed_at = at
        self.handed_seq += len(taken)
        return Batch(first, self.handed_seq, taken, first_at, last_at, held, roll)

    def settle(self, batch: Batch) -> list[Entry]:
        """What is safe now that this batch is on disk: the entries of whole groups. Those of one
        that goes on in the next batch would be cut off at a start."""
        self.bytes -= sum(map(len, batch.records))
        safe = 0
        while self._closings and self._closings[0] <= batch.last:
            safe = self._closings.popleft()
        entries = self._entries
        settled: list[Entry] = []
        while entries and entries[0].seq <= safe:
            settled.append(entries.popleft())
        return settled

    def skip_to(self, seq: int) -> None:
        """Number the next entry ``seq + 1``; only while there is none here."""
        if self._entries:
            raise MisuseError("readers with a position subscribe before the first append")
        self.last_seq = self.handed_seq = seq
