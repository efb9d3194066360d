"""Who reads the log: records, recordings, the state for another machine; and from where on."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from engine.clock import Clock
from engine.files import RecordingsReader
from engine.journal import Journal, Subscription
from engine.journal_reader import Pace
from engine.state import PACE as STATE_PACE
from engine.state import READER as STATE
from engine.state import Snapshot, StateStore
from recordings.client import Finisher
from tickets.reader import RecordsReader

log = logging.getLogger(__name__)

RECORDS_PACE = Pace(batch=1024, linger_s=0.5)  # one transaction for half a second of facts
RECORDINGS_PACE = Pace(batch=1024, linger_s=0.2)


async def state_elsewhere(journal: Journal, state: StateStore) -> Snapshot:
    """What another machine kept, for an engine without a journal of its own."""
    if journal.last_seq:
        return Snapshot()
    try:
        return await state.load()
    except Exception as error:
        log.error("the state store is away, starting without it: %s", type(error).__name__)
        return Snapshot()


async def subscribe(journal: Journal, reader: RecordsReader, state: StateStore) -> Subscription:
    """The records' subscription; that of the state goes on beside it."""
    records = journal.subscribe(
        "records", await _position("database", reader.position), reader.apply, RECORDS_PACE
    )
    held, last = journal.recovered.held, journal.last_seq
    position = await _position("state store", state.position, empty=held)
    if position <= last:  # of this log, not another machine's: all that matters passes again
        position = min(position, held)
    journal.subscribe(STATE, position, state.apply, STATE_PACE)
    return records


def subscribe_recordings(
    journal: Journal, clock: Clock, finisher: Finisher, folder: Path, data_dir: Path
) -> None:
    """Closed recordings are finished and told, from where the last engine came to."""
    position = data_dir / "journal" / "recordings.position"
    files = RecordingsReader(journal, clock, finisher, folder, position)
    journal.subscribe("recordings", files.position, files.deliver, RECORDINGS_PACE)


async def _position(store: str, ask: Callable[[], Awaitable[int]], empty: int = 0) -> int:
    """Where a store stands, ``empty`` for one that has nothing. One that is away is read to from
    the beginning: it says itself, when it is back, what it has."""
    try:
        return await ask() or empty
    except Exception as error:
        log.error("the %s is away and catches up when it is back: %s", store, type(error).__name__)
        return 0
