"""Tickets: one for each call that is over. What people add becomes a fact of the journal."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from api.access import Leader, Principal, Staff, TheEngine
from api.errors import ConflictError, NotFoundError, UnavailableError, declared
from api.lasting import ask, keep
from api.shapes import NAME, Line, Shape, Text, TicketNumber, ticket_number
from api.ticket_shapes import Status, Ticket, TicketWhole, ticket_of, whole_of
from engine.engine import Engine
from router.events import Outcome
from tickets.events import DispositionGiven, TicketClosed, TicketCommented
from tickets.store import PAGE_MAX, TicketDetail, TicketFilter

router = APIRouter(tags=["tickets"])


class TicketQuery(Shape):
    """Times are of the ticket's opening, the call's end: from ``since``, before ``until``."""

    outcome: Outcome | None = None
    status: Status | None = None
    queue: str | None = Field(None, pattern=NAME)
    agent: str | None = Field(None, pattern=NAME)
    caller: str | None = Field(None, min_length=1, max_length=64)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    overdue: bool = Field(False, description="only open tickets past their deadline")
    limit: int = Field(50, ge=1, le=PAGE_MAX)
    cursor: str | None = Field(
        None, pattern=r"^[0-9]{1,15}$", description="next of the page before"
    )


class TicketPage(Shape):
    """Newest first. ``next`` is the cursor of the following page, null at the end."""

    items: list[Ticket]
    next: str | None


class CommentWish(Shape):
    text: Text = Field(min_length=1)


class DispositionWish(Shape):
    disposition: Line = Field(min_length=1, description="outcome code")
    note: Text = ""


class Accepted(Shape):
    """What will be, once the records have it (a moment later)."""

    number: str
    by: str
    status: Status


def _own(who: Principal, wanted: str | None) -> str:
    """The agent that the list is about: with an agent's token always that agent."""
    return wanted or "" if who.sees_all else who.agent


@router.get("/tickets", responses=declared(UnavailableError))
async def list_tickets(
    engine: TheEngine, who: Staff, query: Annotated[TicketQuery, Query()]
) -> TicketPage:
    """Tickets, newest first; an agent's token lists those that this agent handled."""
    if not who.sees_all and query.agent not in (None, who.agent):
        return TicketPage(items=[], next=None)
    wanted = TicketFilter(
        outcome=query.outcome or "",
        status=query.status or "",
        queue=query.queue or "",
        agent=_own(who, query.agent),
        caller=query.caller or "",
        since=query.since.timestamp() if query.since else None,
        until=query.until.timestamp() if query.until else None,
        overdue_at=engine.clock.now() if query.overdue else None,
    )
    before = int(query.cursor) if query.cursor else None
    page = await ask(engine.records.list_tickets(wanted, limit=query.limit, before=before))
    return TicketPage(
        items=[ticket_of(item) for item in page.items],
        next=None if page.next is None else str(page.next),
    )


async def _detail(engine: Engine, who: Principal, text: str) -> TicketDetail:
    """The ticket, where it is and where it is theirs to see."""
    found = await ask(engine.records.get_ticket(ticket_number(text)))
    if found is None or not (who.sees_all or found.ticket.agent == who.agent):
        raise NotFoundError(f"there is no ticket {text}, or it is not yours")
    return found


@router.get("/tickets/{number}", responses=declared(NotFoundError, UnavailableError))
async def get_ticket(number: TicketNumber, engine: TheEngine, who: Staff) -> TicketWhole:
    """One ticket with its comments and the caller's earlier tickets."""
    return whole_of(await _detail(engine, who, number), who)


@router.post(
    "/tickets/{number}/comments",
    status_code=202,
    responses=declared(NotFoundError, UnavailableError),
)
async def add_comment(
    number: TicketNumber, wish: CommentWish, engine: TheEngine, who: Staff
) -> Accepted:
    """Add a comment."""
    found = await _detail(engine, who, number)
    await keep(engine, found.ticket.call, TicketCommented(who.signs_as, wish.text))
    return _accepted(found, who, found.ticket.status)


@router.post(
    "/tickets/{number}/disposition",
    status_code=202,
    responses=declared(NotFoundError, UnavailableError),
)
async def give_disposition(
    number: TicketNumber, wish: DispositionWish, engine: TheEngine, who: Staff
) -> Accepted:
    """Say what came of the call; this closes the ticket. A later one replaces the earlier."""
    found = await _detail(engine, who, number)
    fact = DispositionGiven(who.signs_as, wish.disposition, wish.note)
    await keep(engine, found.ticket.call, fact)
    return _accepted(found, who, "closed")


@router.post(
    "/tickets/{number}/close",
    status_code=202,
    responses=declared(NotFoundError, ConflictError, UnavailableError),
)
async def close_ticket(number: TicketNumber, engine: TheEngine, who: Leader) -> Accepted:
    """Close a ticket without a disposition."""
    found = await _detail(engine, who, number)
    if found.record.ended_at is None or found.ticket.call in engine.turns.calls:
        raise ConflictError("the call is not over yet")
    if found.ticket.status == "closed":
        raise ConflictError("the ticket is closed already")
    await keep(engine, found.ticket.call, TicketClosed(who.signs_as))
    return _accepted(found, who, "closed")


def _accepted(found: TicketDetail, who: Principal, status: str) -> Accepted:
    number = ticket_of(found).number
    return Accepted.model_validate({"number": number, "by": who.signs_as, "status": status})
