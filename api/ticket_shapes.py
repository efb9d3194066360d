"""Tickets as the API shows them. Numbers of callers stand in full: who sees a ticket may."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from api.access import Principal
from api.shapes import Shape, instant, moment
from router.events import Outcome
from tickets.policy import number_text
from tickets.records import CallRecord
from tickets.store import TicketDetail, TicketWithCall

Status = Literal["open", "awaiting-disposition", "closed"]


class RecordingOfCall(Shape):
    """The finished stereo file: caller left, agent right."""

    id: str
    sha256: str
    duration_s: float
    size_bytes: int


class Ticket(Shape):
    """A ticket with what the call's record adds. ``no_recording`` says why there is none,
    or what is missing of the one that there is.

    With both null and ``recording`` null the recording is being finished.
    """

    number: str
    call: str
    title: str
    status: Status
    outcome: Outcome
    caller: str
    caller_name: str
    dialled: str
    queue: str | None
    agent: str | None
    arrived_at: datetime
    opened_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    waited_s: float
    talked_s: float
    callback_number: str | None
    disposition: str | None
    disposition_note: str | None
    repeat_of: str | None
    repeat_count: int
    recording: RecordingOfCall | None
    no_recording: str | None


class Comment(Shape):
    at: datetime
    by: str
    text: str


class TicketWhole(Ticket):
    """``earlier`` are the same caller's earlier tickets, newest first, 20 at most."""

    notes: list[str]
    comments: list[Comment]
    earlier: list[Ticket]


def recording_of(record: CallRecord) -> RecordingOfCall | None:
    if not record.recording:
        return None
    return RecordingOfCall(
        id=record.recording,
        sha256=record.recording_sha256,
        duration_s=record.recording_s,
        size_bytes=record.recording_bytes,
    )


def _values(found: TicketWithCall | TicketDetail) -> dict[str, object]:
    ticket, record = found.ticket, found.record
    return {
        "number": number_text(ticket.number),
        "call": ticket.call,
        "title": ticket.title,
        "status": ticket.status,
        "outcome": ticket.outcome,
        "caller": ticket.caller,
        "caller_name": record.caller_name,
        "dialled": record.dialled,
        "queue": ticket.queue or None,
        "agent": ticket.agent or None,
        "arrived_at": instant(record.arrived_at),
        "opened_at": instant(ticket.opened_at),
        "due_at": moment(ticket.due_at),
        "closed_at": moment(ticket.closed_at),
        "closed_by": ticket.closed_by or None,
        "waited_s": record.waited_s,
        "talked_s": record.talked_s,
        "callback_number": record.callback_number or None,
        "disposition": record.disposition or None,
        "disposition_note": record.disposition_note or None,
        "repeat_of": None if ticket.repeat_of is None else number_text(ticket.repeat_of),
        "repeat_count": ticket.repeat_count,
        "recording": recording_of(record),
        "no_recording": record.no_recording or None,
    }


def ticket_of(found: TicketWithCall | TicketDetail) -> Ticket:
    return Ticket.model_validate(_values(found))


def whole_of(found: TicketDetail, who: Principal) -> TicketWhole:
    """An agent sees of the caller's history what this agent handled."""
    earlier = [
        ticket_of(item) for item in found.earlier if who.sees_all or item.ticket.agent == who.agent
    ]
    comments = [Comment(at=instant(item.at), by=item.by, text=item.text) for item in found.comments]
    return TicketWhole.model_validate(
        {
            **_values(found),
            "notes": found.record.notes.splitlines(),
            "comments": comments,
            "earlier": earlier,
        }
    )
