"""The log of facts: everything that must survive a crash is appended here first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from engine.journal_file import Entry
from engine.registry import Registry

__all__ = ["Entry", "Journal", "JournalFigures", "Subscription"]


@dataclass(frozen=True, slots=True)
class JournalFigures:
    bytes_on_disk: int
    segments: int
    last_sync_s: float
    pending: int  # entries appended and not yet durable
    lag: Mapping[str, int]  # reader: durable entries it does not have yet
    full: bool
    failed: str  # "" or why writing fails at present


class Subscription:
    """A named reader's task."""

    name: str

    @property
    def position(self) -> int:
        """The last seq whose delivery returned."""
        raise NotImplementedError

    async def caught_up(self, seq: int) -> None:
        """Wait until this reader has everything up to ``seq``."""
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError


class Journal:
    """Appends at once, tells when it is on disk, feeds the readers.

    All methods belong to the loop's thread. ``generation`` is one more than that of the start
    before; it counts from the moment that the first append of this start is durable.
    """

    @classmethod
    def open(
        cls,
        dir: Path,
        registry: Registry,
        *,
        segment_bytes: int = 16_777_216,
        total_bytes_max: int = 4_294_967_296,
        sync: bool = True,
        readers: Iterable[str] = (),
        keep_s: float = 86_400.0,
    ) -> Self:
        """Recover what is there. ``readers``: no segment leaves before these subscribed.

        ``sync=False`` (tests, simulation): no thread and no fdatasync; an append is durable in
        the loop's next turn.
        """
        raise NotImplementedError

    generation: int

    def append(self, call: str, event: object, at: float) -> Entry:
        """Number the event and queue it for writing; returns at once."""
        raise NotImplementedError

    def when_durable(self, seq: int, callback: Callable[[], None]) -> None:
        """Run the callback once all up to ``seq`` is on disk, in seq order; now if it is."""
        raise NotImplementedError

    async def flush(self) -> None:
        """Return when everything appended up to now is durable."""
        raise NotImplementedError

    @property
    def durable_seq(self) -> int:
        raise NotImplementedError

    @property
    def last_seq(self) -> int:
        raise NotImplementedError

    @property
    def last_at(self) -> float:
        raise NotImplementedError

    @property
    def full(self) -> bool:
        """No new calls, please: total_bytes_max is reached, or too much waits for the disk."""
        raise NotImplementedError

    @property
    def failed(self) -> str:
        """Why writing fails at present, "" while it works."""
        raise NotImplementedError

    def read(self, after: int = 0) -> Iterator[Entry]:
        """The durable entries with seq > ``after``, oldest first."""
        raise NotImplementedError

    def subscribe(
        self,
        name: str,
        position: int,
        deliver: Callable[[Sequence[Entry]], Awaitable[None]],
        *,
        batch: int = 256,
    ) -> Subscription:
        """Start a reader after ``position``; ``deliver`` raising means: again, after a pause."""
        raise NotImplementedError

    def hold(self, name: str, after: int) -> None:
        """Keep every segment with an entry after ``after`` until the hold is moved on.

        For who folds the log at start: the engine holds the start of its oldest live call.
        """
        raise NotImplementedError

    def live(self, callback: Callable[[Entry], None]) -> None:
        """Call with each entry, in order, once it is durable (from now on, in the loop)."""
        raise NotImplementedError

    @property
    def figures(self) -> JournalFigures:
        raise NotImplementedError

    async def close(self) -> None:
        """Flush, end the readers, end the thread."""
        raise NotImplementedError
