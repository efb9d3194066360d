"""The outbox on both databases: written with the tickets, read in order, bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from config.store import migrate, open_database
from config.webhooks import KINDS, Endpoint
from recordings.store import RecordingRows
from router.entry import Entry
from tests.tickets.entries import facts_of_call, numbered, people
from tickets.reader import RecordsReader
from tickets.tables import webhook_outbox
from tickets.webhook_lane import DELIVERED, GIVEN_UP, WAITING, Settled
from tickets.webhook_outbox import TOO_MANY, TOO_OLD, Limits, Outbox, OutboxStore

NOW = 5_000.0
LIMITS = Limits(
    give_up_s=100.0, backlog_max=1_000, keep_delivered_s=10.0, keep_given_up_s=50.0, kept_max=1_000
)
CRM = Endpoint(name="crm", url="https://crm.example/in", secret_env="A")
BANK = Endpoint(
    name="bank",
    url="https://bank.example/in",
    secret_env="B",
    events=("ticket.created",),
    caller="full",
)


class Broken:
    """A part of the reader's transaction that fails when it is told to."""

    broken = False

    async def write(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
        if self.broken:
            raise OSError("no space left")


def reader_of(
    database: AsyncEngine, *endpoints: Endpoint, part: Broken | None = None
) -> RecordsReader:
    reader = RecordsReader(database, parts=[RecordingRows(), *([part] if part else [])])
    reader.outbox = Outbox(endpoints or (CRM,), lambda: NOW)
    return reader


async def rows(database: AsyncEngine) -> list[tuple[str, int, int, str, str]]:
    columns = webhook_outbox.c
    wanted = select(
        columns.endpoint, columns.seq, columns.place, columns.kind, columns.body
    ).order_by(columns.endpoint, columns.seq, columns.place)
    async with database.connect() as connection:
        return [tuple(row) for row in await connection.execute(wanted)]  # type: ignore[misc]


async def filled(database: AsyncEngine, calls: int = 1) -> OutboxStore:
    """An outbox with the six events of each call for ``crm``."""
    facts = [
        fact for at in range(calls) for fact in facts_of_call(f"c{at}") + people(f"c{at}", 1100.0)
    ]
    await reader_of(database).apply(numbered(facts))
    return OutboxStore(database)


async def settle(store: OutboxStore, state: str, count: int, at: float = NOW) -> None:
    """Let the first ``count`` heads become this."""
    for _ in range(count):
        (head,) = await store.heads("crm", 1)
        await store.settle([Settled(head, state, at, 200, "")])


async def test_events_of_a_call_for_those_who_want_them(database: AsyncEngine) -> None:
    told: list[Mapping[str, int]] = []
    reader = reader_of(database, CRM, BANK)
    assert reader.outbox is not None
    reader.outbox.on_rows = told.append
    await reader.apply(numbered(facts_of_call("c")))
    found = await rows(database)
    assert [row[:4] for row in found] == [
        ("bank", 9, 1, "ticket.created"),
        ("crm", 9, 0, "call.ended"),
        ("crm", 9, 1, "ticket.created"),
        ("crm", 10, 0, "recording.ready"),
        ("crm", 10, 1, "ticket.updated"),
    ]
    assert "+37120000001" in found[0][4]
    assert not any("+3712000" in row[4] for row in found[1:])
    assert told == [{"crm": 4, "bank": 1}]


async def test_any_cut_and_any_redelivery_give_the_same_rows(database: AsyncEngine) -> None:
    entries = numbered(facts_of_call("c") + people("c", 1100.0))
    await reader_of(database).apply(entries)
    whole = await rows(database)
    assert len(whole) == 6
    for cut in range(len(entries)):
        async with database.begin() as connection:
            for name in ("webhook_outbox", "ticket_comments", "tickets", "call_records"):
                await connection.exec_driver_sql(f"DELETE FROM {name}")
            await connection.exec_driver_sql("DELETE FROM reader_positions")
        await reader_of(database).apply(entries[:cut])
        await reader_of(database).apply(entries)
        assert await rows(database) == whole


async def test_rows_and_position_are_one_transaction(database: AsyncEngine) -> None:
    part, told = Broken(), list[Mapping[str, int]]()
    reader = reader_of(database, part=part)
    assert reader.outbox is not None
    reader.outbox.on_rows = told.append
    entries = numbered(facts_of_call("c"))
    part.broken = True
    with pytest.raises(OSError, match="no space"):
        await reader.apply(entries)
    assert (await rows(database), told) == ([], [])
    part.broken = False
    await reader.apply(entries)
    assert (len(await rows(database)), told) == (4, [{"crm": 4}])


async def test_a_reader_without_endpoints_writes_none(database: AsyncEngine) -> None:
    reader = RecordsReader(database)
    reader.outbox = Outbox((), lambda: NOW)
    await reader.apply(numbered(facts_of_call("c")))
    assert await rows(database) == []


async def test_the_first_of_each_call_comes_first(database: AsyncEngine) -> None:
    store = await filled(database, calls=3)
    heads = await store.heads("crm", 8)
    assert [(item.call, item.kind) for item in heads] == [
        (f"c{at}", "call.ended") for at in range(3)
    ]
    # The first is to wait: nothing of its call may pass it, the others go on.
    await store.settle([Settled(heads[0], WAITING, NOW + 30, 400, "status 400")])
    await store.settle([Settled(heads[1], DELIVERED, NOW, 200, "")])
    heads = await store.heads("crm", 8)
    assert [(item.call, item.kind, item.attempts) for item in heads] == [
        ("c1", "ticket.created", 0),
        ("c2", "call.ended", 0),
        ("c0", "call.ended", 1),
    ]
    assert await store.heads("bank", 8) == []


async def test_a_long_backlog_is_not_sorted_for_each_look(tmp_path: Path) -> None:
    """20,000 rows that wait cost 35 ms a look when the order was not the index's."""
    engine = open_database("sqlite", tmp_path)
    await migrate(engine)
    asked: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, text: str, values: object, *more: object) -> None:
        asked.append((text, values))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await OutboxStore(engine).heads("crm", 8)
    text, values = asked[-1]
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)  # type: ignore[arg-type]
        plan = " / ".join(str(row[3]) for row in found)
    await engine.dispose()
    assert "TEMP B-TREE" not in plan
    assert "ix_webhook_outbox_endpoint_state_due_at_seq_place" in plan
    assert "ix_webhook_outbox_endpoint_call_seq" in plan


async def test_in_the_end_all_of_a_call_was_there_in_order(database: AsyncEngine) -> None:
    store = await filled(database)
    seen = []
    while heads := await store.heads("crm", 8):
        (head,) = heads
        seen.append(head.kind)
        await store.settle([Settled(head, DELIVERED, NOW, 204, "")])
    assert seen[:4] == ["call.ended", "ticket.created", "recording.ready", "ticket.updated"]
    assert set(seen) == set(KINDS)
    assert (await store.counts())["crm"] == {WAITING: 0, DELIVERED: 6, GIVEN_UP: 0}


async def test_what_is_too_old_is_given_up(database: AsyncEngine) -> None:
    store = await filled(database)
    swept = await store.sweep("crm", NOW + 100, LIMITS)
    assert (swept.given_up, swept.counts[WAITING]) == (0, 6)
    swept = await store.sweep("crm", NOW + 101, LIMITS)
    assert (swept.given_up, swept.counts[GIVEN_UP]) == (6, 6)
    found, _ = await store.page("crm", GIVEN_UP, 10)
    assert {item.why for item in found} == {TOO_OLD}
    swept = await store.sweep("crm", NOW + 151, LIMITS)
    assert swept.counts[GIVEN_UP] == 6
    swept = await store.sweep("crm", NOW + 152, LIMITS)
    assert swept.counts[GIVEN_UP] == 0


async def test_beyond_the_limit_the_oldest_are_given_up(database: AsyncEngine) -> None:
    store = await filled(database, calls=3)
    limits = Limits(1e9, 10, 10.0, 1e9, 1_000)
    swept = await store.sweep("crm", NOW, limits)
    assert swept.counts[WAITING] <= 10
    assert swept.given_up == swept.counts[GIVEN_UP] == 18 - swept.counts[WAITING]
    found, _ = await store.page("crm", GIVEN_UP, 100)
    left, _ = await store.page("crm", WAITING, 100)
    assert {item.why for item in found} == {TOO_MANY}
    assert max(item.message.seq for item in found) < min(item.message.seq for item in left)


@pytest.mark.parametrize("state", [DELIVERED, GIVEN_UP])
async def test_what_is_kept_is_bounded_in_time_and_number(
    database: AsyncEngine, state: str
) -> None:
    store = await filled(database, calls=2)
    await settle(store, state, 6)
    limits = Limits(1e9, 1_000, 10.0, 10.0, 4)
    swept = await store.sweep("crm", NOW, limits)
    assert 0 < swept.counts[state] <= 4
    assert swept.counts[WAITING] == 6
    swept = await store.sweep("crm", NOW + 11, limits)
    assert swept.counts == {WAITING: 6, DELIVERED: 0, GIVEN_UP: 0}


async def test_pages_are_newest_first_and_whole(database: AsyncEngine) -> None:
    store = await filled(database, calls=3)
    seen, before = [], None
    while True:
        found, before = await store.page("crm", None, 4, before)
        seen += [item.message.id for item in found]
        if before is None:
            break
    assert len(seen) == len(set(seen)) == 18
    everything, following = await store.page("crm", None, 100)
    assert (seen, following) == ([item.message.id for item in everything], None)
    assert [item.message.seq for item in everything] == sorted(
        (item.message.seq for item in everything), reverse=True
    )


async def test_one_message_and_all_that_were_given_up_wait_again(database: AsyncEngine) -> None:
    store = await filled(database)
    await settle(store, DELIVERED, 2)
    await settle(store, GIVEN_UP, 2)
    found, _ = await store.page("crm", DELIVERED, 10)
    first = found[-1].message
    assert await store.again("crm", first.id, NOW + 9) == 1
    assert await store.again("crm", first.id, NOW + 9) == 0, "it waits already"
    assert await store.again("crm", "msg_c0_99_call-ended", NOW) == 0
    assert await store.again("crm", "nothing", NOW) == 0
    (head,) = await store.heads("crm", 8)
    assert (head.id, head.since, head.attempts) == (first.id, NOW + 9, 0)
    assert await store.again("crm", None, NOW + 9) == 2
    assert (await store.counts())["crm"] == {WAITING: 5, DELIVERED: 1, GIVEN_UP: 0}
    stored = await store.get("crm", first.id)
    assert stored is not None
    assert (stored.state, stored.settled_at) == (WAITING, None)
    assert await store.get("bank", first.id) is None


async def test_no_more_than_a_bound_is_sent_again_at_once(
    database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickets.webhook_outbox.AGAIN_MAX", 4)
    store = await filled(database, calls=2)
    await settle(store, GIVEN_UP, 12)
    done = 0
    while count := await store.again("crm", None, NOW):
        assert count <= 4
        done += count
    assert done == 12
