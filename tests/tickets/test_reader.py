"""The reader on both databases: one ticket a call, whatever crashes in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from config.errors import StoreWentBackError
from config.store import migrate, open_database
from recordings.events import RecordingFinished
from recordings.store import RecordingRows, RecordingStore
from router.events import CallArrived, CallEnded
from tests.tickets.entries import OUTCOMES, Entry, contents, empty, facts_of_call, noise, numbered
from tests.tickets.entries import people as added
from tickets import fold
from tickets.events import DispositionGiven
from tickets.reader import PositionMovedError, RecordsReader
from tickets.store import TicketStore
from tickets.tables import call_records, reader_positions, tickets


def reader_of(engine: AsyncEngine) -> RecordsReader:
    return RecordsReader(engine, parts=[RecordingRows()])


def interleaved(order: Sequence[int]) -> list[Entry]:
    """Nine calls of three callers, their facts mixed by ``order``, with noise and people."""
    queues = [
        [
            *facts_of_call(f"call-{i}", caller=f"+{i % 3}", outcome=OUTCOMES[i], start=100.0 * i),
            *added(f"call-{i}", 100.0 * i + 50),
        ]
        for i in range(9)
    ]
    facts = noise(1.0)
    for pick in [*order, *range(9)]:
        take = 1 if pick in order else 99
        facts += queues[pick % 9][:take]
        del queues[pick % 9][:take]
    for rest in queues:
        facts += rest
    return numbered(facts)


async def test_one_answered_call(database: AsyncEngine) -> None:
    await reader_of(database).apply(numbered(facts_of_call("c")))
    detail = await TicketStore(database).ticket_of_call("c")
    assert detail is not None
    ticket, record = detail.ticket, detail.record
    assert (ticket.number, ticket.status, ticket.title) == (
        1,
        "awaiting-disposition",
        "Call from Ännä answered by ann (sales)",
    )
    assert (record.arrived_at, record.picked_up_at, record.queued_at) == (1000.0, 1000.1, 1002.1)
    assert (record.connected_at, record.ended_at) == (1005.0, 1030.0)
    assert (record.queue, record.agent, record.waited_s, record.talked_s) == (
        *("sales", "ann"),
        *(2.9, 25.0),
    )
    assert (record.offers, record.packets_lost, record.jitter_ms) == (1, 7, 4.5)
    assert (record.recording, record.recording_sha256, record.recording_bytes) == ("r-c", "ab", 800)
    assert record.no_recording == ""
    stored = await RecordingStore(database).of_call("c")
    assert [(r.id, r.path, r.sha256) for r in stored] == [("r-c", "/r/c.wav", "ab")]


async def test_database_that_was_away_gets_its_tables_later(
    database_address: str, tmp_path: Path
) -> None:
    engine = open_database(database_address, tmp_path)
    reader = reader_of(engine)
    await reader.apply(numbered(facts_of_call("c")))
    assert len((await contents(engine))["tickets"]) == 1
    await engine.dispose()


async def test_restart_in_the_middle_of_a_call_loses_nothing(database: AsyncEngine) -> None:
    entries = numbered(facts_of_call("c") + added("c", 1100.0))
    await reader_of(database).apply(entries)
    whole = await contents(database)
    for cut in range(len(entries)):
        await empty(database)
        await reader_of(database).apply(entries[:cut])
        await reader_of(database).apply(entries)
        assert await contents(database) == whole


async def test_what_failed_is_as_if_it_had_not_been(database: AsyncEngine) -> None:
    class Broken:
        broken = True

        async def write(self, connection: AsyncConnection, entries: Sequence[fold.Entry]) -> None:
            if self.broken:
                raise OSError("no space left")

    part = Broken()
    reader = RecordsReader(database, parts=[part])
    entries = numbered(facts_of_call("c", finished=False))
    with pytest.raises(OSError, match="no space"):
        await reader.apply(entries)
    assert not (await contents(database))["call_records"]
    part.broken = False
    await reader.apply(entries)
    assert await reader.position() == len(entries)
    assert len((await contents(database))["tickets"]) == 1


async def test_second_reader_of_one_name_writes_nothing_twice(database: AsyncEngine) -> None:
    entries = numbered(facts_of_call("c"))
    first, second = reader_of(database), reader_of(database)
    assert await second.position() == 0
    await first.apply(entries)
    with pytest.raises(Exception, match="no longer at 0"):
        await second.apply(entries)
    await second.apply(entries)
    assert await second.position() == len(entries)
    assert (await contents(database))["tickets"][0][0] == 1


async def test_recording_that_failed_tells_why(database: AsyncEngine) -> None:
    facts = facts_of_call("c", finished=False)
    facts.append((1040.0, "c", RecordingFinished("r", "", "", 0.0, 0, "disk full")))
    await reader_of(database).apply(numbered(facts))
    record = await TicketStore(database).get_call("c")
    assert record is not None
    assert (record.recording, record.no_recording) == ("", "disk full")


async def test_reason_for_no_recording_comes_with_the_end(database: AsyncEngine) -> None:
    facts = [
        (1.0, "c", CallArrived("+1", "800", "t")),
        (2.0, "c", CallEnded("left-in-ivr", "bye", no_recording="never connected")),
    ]
    await reader_of(database).apply(numbered(facts))
    record = await TicketStore(database).get_call("c")
    assert record is not None
    assert record.no_recording == "never connected"


async def test_disposition_before_the_end_closes_the_ticket_at_the_end(
    database: AsyncEngine,
) -> None:
    facts = facts_of_call("c")
    facts.insert(6, (1010.0, "c", DispositionGiven("ann", "sold", "")))
    reader = reader_of(database)
    for entry in numbered(facts):
        await reader.apply([entry])
    detail = await TicketStore(database).ticket_of_call("c")
    assert detail is not None
    assert (detail.ticket.status, detail.ticket.closed_by) == ("closed", "ann")
    assert detail.record.disposition == "sold"


async def test_a_call_id_twice_leaves_one_ticket(database: AsyncEngine) -> None:
    facts = facts_of_call("c") + facts_of_call("c", outcome="missed", start=5000.0)
    reader = reader_of(database)
    for entry in numbered(facts):
        await reader.apply([entry])
    rows = (await contents(database))["tickets"]
    assert [row[4] for row in rows] == ["answered"]


async def test_text_that_no_database_takes(database: AsyncEngine) -> None:
    arrived = CallArrived("+1\0\udc80", "8" * 10_000, "t", caller_name="\ud800x")
    ended = CallEnded("missed", "\0", notes=("a\0", "b"))
    await reader_of(database).apply(numbered([(1.0, "c", arrived), (2.0, "c", ended)]))
    record = await TicketStore(database).get_call("c")
    assert record is not None
    assert (record.caller, record.caller_name, record.notes) == ("+1?", "?x", "a\nb")
    assert len(record.dialled) == fold.TEXT_MAX


async def test_more_loaded_than_is_kept(
    database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickets.reader.KEEP", 1)
    entries = interleaved([0, 1, 2, 3, 4, 5, 6, 7, 8] * 6)
    await RecordsReader(database, parts=[RecordingRows()]).apply(entries)
    whole = await contents(database)
    await empty(database)
    reader = reader_of(database)
    for entry in entries:
        await reader.apply([entry])
    assert await contents(database) == whole


async def split_and_redelivered(
    engine: AsyncEngine, entries: Sequence[Entry], steps: Sequence[tuple[int, int, bool]]
) -> None:
    """Deliver in batches of ``size``, each from ``back`` entries before, some after a crash."""
    await empty(engine)
    reader, done = reader_of(engine), 0
    for size, back, crash in steps:
        if crash:
            reader = reader_of(engine)
        upto = min(done + size, len(entries))
        await reader.apply(entries[max(0, done - back) : upto])
        done = upto
    await reader.apply(entries)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    order=st.lists(st.integers(0, 8), max_size=60),
    steps=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 200), st.booleans()), max_size=15),
)
def test_any_split_and_any_redelivery_gives_the_same_tables(
    database_address: str, tmp_path: Path, order: list[int], steps: list[tuple[int, int, bool]]
) -> None:
    async def compare() -> None:
        engine = open_database(database_address, tmp_path)
        await migrate(engine)
        entries = interleaved(order)
        try:
            await empty(engine)
            await reader_of(engine).apply(entries)
            whole = await contents(engine)
            assert len(whole["tickets"]) == 9
            await split_and_redelivered(engine, entries, steps)
            assert await contents(engine) == whole
        finally:
            await engine.dispose()

    asyncio.run(compare())


async def test_a_store_that_fails_while_it_is_asked_what_it_lost_is_believed_afterwards(
    database: AsyncEngine,
) -> None:
    """It came back with less, was asked where it stands, and failed at that very commit: the
    reader would have said for ever that the store went back, and taken nothing."""
    entries = numbered(facts_of_call("c"))
    reader = reader_of(database)
    await reader.apply(entries)
    async with database.begin() as connection:
        await connection.execute(update(reader_positions).values(seq=0))
    with pytest.raises(PositionMovedError):
        await reader.apply([Entry(len(entries) + 1, 2000.0, "", None)])

    def fails(*words: object) -> None:
        raise OSError("away")

    event.listen(database.sync_engine, "commit", fails)
    with pytest.raises(OSError, match="away"):
        await reader.apply(entries)
    event.remove(database.sync_engine, "commit", fails)
    with pytest.raises(StoreWentBackError):
        await reader.apply(entries)
    async with database.begin() as connection:
        await connection.execute(delete(tickets))
        await connection.execute(delete(call_records))
    await reader.apply(entries)
    assert await TicketStore(database).ticket_of_call("c") is not None
