"""What becomes of a callback stands in the ticket of the call that asked for it."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from queues.events import CallbackEnded, CallbackMissed
from router.events import CallConnected, SecondLifeEnded
from tests.tickets.entries import facts_of_call, numbered
from tickets.events import TicketClosed
from tickets.reader import RecordsReader
from tickets.store import TicketStore


async def test_the_agent_who_called_back_has_the_ticket(database: AsyncEngine) -> None:
    facts = [
        *facts_of_call("c", outcome="callback-requested"),
        (1100.0, "c", CallbackMissed("sales", 1, "no-answer", 1400.0)),
        (1410.0, "c", CallConnected("a2", "bob", "sales", 400.0)),
        (1410.0, "c", CallbackEnded("sales", "connected", 2, "bob")),
        (1500.0, "c", SecondLifeEnded("bye", "sales", "bob", 0.0, 90.0)),
    ]
    await RecordsReader(database).apply(numbered(facts))
    detail = await TicketStore(database).ticket_of_call("c")
    assert detail is not None
    ticket = detail.ticket
    assert (ticket.status, ticket.due_at, ticket.agent) == ("awaiting-disposition", None, "bob")
    assert (detail.record.outcome, detail.record.talked_s) == ("callback-requested", 25.0 + 90.0)
    assert [comment.text for comment in detail.comments] == [
        "Callback 1 reached nobody: no-answer",
        "Called back and connected",
    ]


async def test_a_callback_that_reached_nobody_leaves_the_ticket_open(
    database: AsyncEngine,
) -> None:
    facts = [
        *facts_of_call("c", outcome="callback-requested"),
        (1100.0, "c", CallbackEnded("sales", "gave-up", 3, cause="busy")),
    ]
    await RecordsReader(database).apply(numbered(facts))
    detail = await TicketStore(database).ticket_of_call("c")
    assert detail is not None
    assert detail.ticket.status == "open"
    assert detail.ticket.due_at is not None
    (comment,) = detail.comments
    assert comment.text == "Callback given up: the caller was not reached (busy)"


async def test_a_ticket_that_was_closed_meanwhile_stays_closed(database: AsyncEngine) -> None:
    facts = [
        *facts_of_call("c", outcome="callback-requested"),
        (1100.0, "c", TicketClosed("ann")),
        (1200.0, "c", CallbackEnded("sales", "connected", 1, "bob")),
    ]
    await RecordsReader(database).apply(numbered(facts))
    detail = await TicketStore(database).ticket_of_call("c")
    assert detail is not None
    assert detail.ticket.status == "closed"
