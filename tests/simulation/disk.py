"""A disk of the simulation: the journal's own batches, records and recovery, on virtual time.

What is appended leaves in groups, as in ``engine.journal``; a write takes its time. An engine
that is killed leaves what was written, and of the write under way as many bytes as the seed says.
"""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

from engine.journal_backlog import Backlog
from engine.journal_file import Cursor, Entry, Header, path_of, recover
from engine.journal_notices import Notices
from engine.journal_writer import Batch
from engine.registry import Registry, product_registry
from tests.simulation.world import Agenda

REGISTRY: Registry = product_registry()
DELAYS_S = (0.0005, 0.002, 0.03)
Fuse = Callable[[str], None]


def read_back(data: bytes) -> tuple[list[Entry], bytes]:
    """What a start finds in these bytes, by the journal's own recovery: entries, sound bytes."""
    if not data:
        return [], b""
    with tempfile.TemporaryDirectory(prefix="offhook-simulation-") as name:
        folder = Path(name)
        path = path_of(folder, 1)
        path.write_bytes(Header(1, 1, 0, 0.0).pack() + data)
        found = recover(folder, REGISTRY)
        if not found.last_seq:
            return [], b""
        cursor = Cursor(folder, REGISTRY, 0)
        entries = cursor.take(found.last_seq, found.last_seq)
        cursor.close()
        header = len(Header(1, 1, 0, 0.0).pack())
        return entries, path.read_bytes()[header:]


class GroupDisk:
    """The journal as the engine's shells see it. ``fuse`` is told of what happens, by name."""

    full = False

    def __init__(
        self,
        agenda: Agenda,
        dice: random.Random,
        kept: bytes = b"",
        generation: int = 1,
        fuse: Fuse = lambda point: None,
    ) -> None:
        self.generation = generation
        self.entries, sound = read_back(kept)
        self._written = io.BytesIO()
        self._written.write(sound)
        last = self.entries[-1] if self.entries else None
        self.durable_seq = last.seq if last else 0
        self.recovered = SimpleNamespace(held=0, last_seq=self.durable_seq)
        self.dead = False
        self.fuse = fuse
        self._agenda = agenda
        self._dice = dice
        self._backlog = Backlog(REGISTRY, self.durable_seq, last.at if last else 0.0)
        self._notices = Notices()
        self._flying: Batch | None = None
        self._due = False

    def append(self, call: str, event: object, at: float) -> Entry:
        self.fuse(f"before {type(event).__name__}")
        entry = self._backlog.append(call, event, at)
        self.fuse(f"after {type(event).__name__}")
        self._write_soon()
        return entry

    def keep(self, name: object, write: Callable[[], object]) -> None:
        self._backlog.keep(name, write)
        self._write_soon()

    @property
    def last_seq(self) -> int:
        return self._backlog.last_seq

    @property
    def group_seq(self) -> int:
        return self._backlog.group_seq

    def when_durable(self, seq: int, callback: Callable[[], None], *, urgent: bool = True) -> None:
        assert seq <= self.group_seq, "nothing was appended under this number yet"
        if seq <= self.durable_seq:
            callback()
        else:
            self._notices.once(seq, callback)

    def live(self, callback: Callable[[Entry], None]) -> None:
        self._notices.every(callback)

    def hold(self, name: str, after: int) -> None:
        return None

    def read(self, after: int = 0) -> Iterator[Entry]:
        return iter([entry for entry in self.entries if entry.seq > after])

    def crash(self) -> bytes:
        """What a next start finds: the write under way is there, is not, or is cut anywhere."""
        self.dead = True
        data = self._written.getvalue()
        if self._flying is not None:
            flying = b"".join(self._flying.records)
            data += flying[
                : self._dice.choice((0, len(flying), self._dice.randrange(len(flying) + 1)))
            ]
        return data

    def bytes(self) -> bytes:
        return self._written.getvalue()

    def _write_soon(self) -> None:
        if not self._due:
            self._due = True
            self._agenda.after(0.0, self._hand_over)

    def _hand_over(self) -> None:
        if self.dead:
            return
        batch = self._flying = self._backlog.batch(0, False)
        self.fuse("write begins")
        self._agenda.after(self._dice.choice(DELAYS_S), lambda: self._synced(batch))

    def _synced(self, batch: Batch) -> None:
        if self.dead:
            return
        self.fuse("write ends")
        self._written.write(b"".join(batch.records))
        self._flying = None
        fresh = self._backlog.settle(batch)
        self.entries += fresh
        self._due = False
        if self._backlog.unhanded:
            self._write_soon()
        if fresh:
            self.durable_seq = fresh[-1].seq
        self._notices.durable(self.durable_seq, fresh)
        self.fuse("effects over")
