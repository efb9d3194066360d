"""What is appended and not yet on disk: numbered, encoded, handed over in batches."""

from __future__ import annotations

from collections import deque

from config.errors import MisuseError
from engine.journal_file import BODY_BYTES_MAX, Entry, closing, record
from engine.journal_writer import Batch
from engine.registry import Registry

BATCH_BYTES = 1_048_576  # one write takes about so much


class Backlog:
    """Entries from ``append`` through ``batch`` (given to the writer) to ``settle`` (on disk)."""

    def __init__(self, registry: Registry, last_seq: int, last_at: float) -> None:
        self.last_seq = last_seq
        self.last_at = last_at
        self.handed_seq = last_seq
        self.bytes = 0  # of records not on disk yet
        self._encode = registry.encode
        self._handed_at = last_at
        self._entries: deque[Entry] = deque()  # not on disk
        self._records: deque[tuple[bytes, float]] = deque()  # not given to the writer: data, time

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

    @property
    def count(self) -> int:
        """Entries that are not on disk."""
        return len(self._entries)

    @property
    def unhanded(self) -> int:
        """Entries that no batch took yet."""
        return len(self._records)

    def batch(self, held: int, roll: bool) -> Batch:
        """The oldest unhanded entries, about 1 MiB of them, perhaps none. What was appended up to
        now is a group: batches are made between turns, never in one."""
        if self._records:
            data, at = self._records[-1]
            self._records[-1] = closing(data), at
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
        """The entries of a batch that is on disk now."""
        self.bytes -= sum(map(len, batch.records))
        return [self._entries.popleft() for _ in batch.records]

    def skip_to(self, seq: int) -> None:
        """Number the next entry ``seq + 1``; only while there is none here."""
        if self._entries:
            raise MisuseError("readers with a position subscribe before the first append")
        self.last_seq = self.handed_seq = seq
