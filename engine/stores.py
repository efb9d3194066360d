"""Who reads the log: records, recordings, the state for another machine; and from where on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path

from engine.clock import Clock
from engine.files import RecordingsReader
from engine.journal import Entry, Journal, Subscription
from engine.journal_reader import Deliver, Pace, ReaderFigures
from engine.state import PACE as STATE_PACE
from engine.state import READER as STATE
from engine.state import Snapshot, StateStore
from recordings.client import Finisher
from tickets.reader import RecordsReader

log = logging.getLogger(__name__)

RECORDINGS = "recordings"
RECORDS_PACE = Pace(batch=1024, linger_s=0.5)  # one transaction for half a second of facts
RECORDINGS_PACE = Pace(batch=1024, linger_s=0.2)
SNAPSHOT_S = 10.0
POSITION_S = 1.0  # a store that does not answer by then is away: calls wait for this start


async def state_elsewhere(journal: Journal, state: StateStore) -> Snapshot:
    """What another machine kept, for an engine without a journal of its own."""
    if journal.last_seq:
        return Snapshot()
    try:
        async with asyncio.timeout(SNAPSHOT_S):
            return await state.load()
    except Exception as error:
        log.error("the state store is away, starting without it: %s", type(error).__name__)
        return Snapshot()


async def subscribe(journal: Journal, reader: RecordsReader, state: StateStore) -> Subscription:
    """The records' subscription; that of the state goes on beside it."""
    database = _Store("database", reader.position, reader.apply)
    elsewhere = _Store("state store", state.position, state.apply)
    # Without a log, what the stores say decides how its numbers go on: that is waited for.
    within_s = POSITION_S if journal.last_seq else None
    await asyncio.gather(database.ask(within_s), elsewhere.ask(within_s))
    records = journal.subscribe("records", database.position, database.apply, RECORDS_PACE)
    held, last = journal.recovered.held, journal.last_seq
    position = elsewhere.position or held
    if position <= last:  # of this log, not another machine's: all that matters passes again
        position = min(position, held)
    journal.subscribe(STATE, position, elsewhere.apply, STATE_PACE)
    return records


class _Store:
    """A store at the start: asked where it stands (``position``, 0 for one that has nothing or is
    away), and not written to before that question is over. One that is away is read to from the
    beginning: it says itself, when it is back, what it has."""

    def __init__(
        self, name: str, ask: Callable[[], Coroutine[None, None, int]], apply: Deliver
    ) -> None:
        self.position = 0
        self._name = name
        self._apply = apply
        self._asked = asyncio.get_running_loop().create_task(ask(), name=f"position of {name}")

    async def ask(self, within_s: float | None) -> None:
        await asyncio.wait({self._asked}, timeout=within_s)
        if not self._asked.done():
            why = "no answer"
        elif (error := self._asked.exception()) is not None:
            why = type(error).__name__
        else:
            self.position = self._asked.result()
            return
        log.error("the %s is away and catches up when it is back: %s", self._name, why)

    async def apply(self, entries: Sequence[Entry]) -> None:
        if not self._asked.done():
            await asyncio.wait({self._asked})
        await self._apply(entries)


def subscribe_recordings(
    journal: Journal, clock: Clock, finisher: Finisher, folder: Path, data_dir: Path
) -> Mapping[str, int]:
    """Closed recordings are finished and told, from where the last engine came to. The counts of
    those that are missing or not whole, by cause, as they go on."""
    position = data_dir / "journal" / "recordings.position"
    files = RecordingsReader(journal, clock, finisher, folder, position)
    journal.subscribe(RECORDINGS, files.position, files.deliver, RECORDINGS_PACE)
    return files.failed


# What a store says when it does not take something: part of its words, ours.
_WORDS = (
    ("locked", "locked"),
    ("disk is full", "disk full"),
    ("No space left", "disk full"),
    ("Timeout", "no answer"),
    ("Connect", "away"),
    ("OSError", "away"),
    ("CannotConnectNow", "away"),
    ("AdminShutdown", "away"),
    ("InterfaceError", "away"),
)
STUCK_S = 5.0  # a reader that took nothing for so long is in trouble, whatever its store says


def trouble(figures: ReaderFigures) -> str:
    """Why a reader stays behind, in a word or two without names of hosts; "" where it does not."""
    told = figures.failing.partition("\n")[0]  # without the statement that failed
    if not told:
        return "no answer" if figures.stuck_s >= STUCK_S else ""
    return next((word for part, word in _WORDS if part in told), told.partition(":")[0])
