"""What the API and the IVR ask for, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tickets.entries import facts_of_call, numbered, people
from tickets.reader import RecordsReader
from tickets.store import CallFilter, EarlierCalls, TicketFilter, TicketStore

WEEK = 604_800.0


@pytest.fixture
async def store(database: AsyncEngine) -> TicketStore:
    """Six calls of +1 and +2, an hour apart, and one still waiting."""
    outcomes = ("missed", "answered", "left-in-ivr", "missed", "dropped", "answered")
    facts = []
    for i, outcome in enumerate(outcomes):
        facts += facts_of_call(
            f"c{i}",
            caller=f"+{i % 2 + 1}",
            outcome=outcome,  # type: ignore[arg-type]
            start=3600.0 * i,
        )
    facts += people("c1", 30_000.0)
    facts += facts_of_call("live", caller="+1", start=40_000.0)[:4]
    await RecordsReader(database).apply(numbered(facts))
    return TicketStore(database)


async def numbers(store: TicketStore, wanted: TicketFilter) -> list[int]:
    return [item.ticket.number for item in (await store.list_tickets(wanted)).items]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (TicketFilter(), [6, 5, 4, 3, 2, 1]),
        (TicketFilter(outcome="missed"), [4, 1]),
        (TicketFilter(status="awaiting-disposition"), [6]),
        (TicketFilter(status="closed"), [3, 2]),
        (TicketFilter(caller="+2", status="open"), [4]),
        (TicketFilter(queue="sales", agent="ann", outcome="dropped"), [5]),
        (TicketFilter(queue="other"), []),
        (TicketFilter(since=3600.0 * 4), [6, 5]),
        (TicketFilter(until=3600.0 * 2), [2, 1]),
        (TicketFilter(overdue_at=3600.0 * 4.5), [4, 1]),
    ],
)
async def test_filters(store: TicketStore, wanted: TicketFilter, found: list[int]) -> None:
    assert await numbers(store, wanted) == found


async def test_pages_hold_each_ticket_once(store: TicketStore) -> None:
    seen: list[int] = []
    before: int | None = None
    for size in (4, 2):
        page = await store.list_tickets(limit=4, before=before)
        assert len(page.items) == size
        seen += [item.ticket.number for item in page.items]
        before = page.next
    assert before is None
    assert seen == [6, 5, 4, 3, 2, 1]
    assert page.items[0].number == "T-000002"


async def test_detail_has_comments_and_history(store: TicketStore) -> None:
    detail = await store.get_ticket(6)
    assert detail is not None
    assert [item.ticket.number for item in detail.earlier] == [4, 2]
    assert (detail.ticket.repeat_of, detail.ticket.repeat_count) == (4, 2)
    worked = await store.get_ticket(2)
    assert worked is not None
    assert [(comment.by, comment.text) for comment in worked.comments] == [("ann", "rang back")]
    assert (worked.ticket.status, worked.ticket.closed_by) == ("closed", "ann")
    assert (worked.record.disposition, worked.record.disposition_note) == ("sold", "two")
    assert await store.get_ticket(99) is None


async def test_calls(store: TicketStore) -> None:
    live = await store.get_call("live")
    assert live is not None
    assert (live.queue, live.queued_at, live.ended_at) == ("sales", 40_002.1, None)
    assert await store.ticket_of_call("live") is None
    first = await store.list_calls(limit=5)
    assert [record.call for record in first.items] == ["live", "c5", "c4", "c3", "c2"]
    second = await store.list_calls(limit=5, before=first.next)
    assert [record.call for record in second.items] == ["c1", "c0"]
    assert second.next is None
    missed = await store.list_calls(CallFilter(outcome="missed", since=1.0))
    assert [record.call for record in missed.items] == ["c3"]


async def test_earlier_calls(store: TicketStore) -> None:
    assert await store.earlier_calls("+1") == EarlierCalls(3, "dropped")
    assert await store.earlier_calls("+1", since=3600.0 * 3) == EarlierCalls(1, "dropped")
    assert await store.earlier_calls("+9") == EarlierCalls(0, "")
    assert await store.earlier_calls("anonymous") == EarlierCalls(0, "")


async def test_count_by_status(store: TicketStore) -> None:
    assert await store.count_by_status() == {"open": 3, "closed": 2, "awaiting-disposition": 1}


async def test_nobody_s_calls_are_not_repeats(database: AsyncEngine) -> None:
    facts = facts_of_call("a", caller="Anonymous") + facts_of_call("b", caller="Anonymous")
    await RecordsReader(database).apply(numbered(facts))
    detail = await TicketStore(database).get_ticket(2)
    assert detail is not None
    assert (detail.ticket.repeat_of, detail.earlier) == (None, ())


async def test_callers_agree_with_the_earlier_calls_of_each(store: TicketStore) -> None:
    known = await store.callers(0.0, 100)
    assert {caller for caller, *_ in known} >= {"+1"}
    for caller, count, outcome, _ in known:
        assert await store.earlier_calls(caller) == EarlierCalls(count, outcome)
    assert len(await store.callers(0.0, 1)) <= 1
