"""What other systems are told of a call and its ticket: one JSON object an event. Pure.

An event is a fact of the log that changed what is told; its id is made of the call, the fact's
number and the kind, so it is the same however often it is written or sent. What it says is the
call and the ticket as they stood right after that fact, whatever came later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from config.values import value
from config.webhooks import KINDS
from router.entry import Entry
from tickets.policy import has_number, number_text
from tickets.records import CallRecord, Case, Ticket

TEXT_MAX = 2_000  # characters of a note or comment in a message; the API has the whole
BODY_BYTES_MAX = 131_072  # never reached: texts are cut, and so are the fields of the records

# The facts that may change what is told, and what an update calls it.
CHANGES = {
    "CallEnded": "",
    "RecordingFinished": "recording",
    "DispositionGiven": "disposition",
    "TicketCommented": "comment",
    "TicketClosed": "closed",
    "CallbackMissed": "callback",
    "CallbackEnded": "callback",
    "SecondLifeEnded": "callback",
}
# Kept from an endpoint that has callers masked: numbers, but for two digits; names and free text.
NUMBERS = ("caller", "callback_number")
PRIVATE = (
    ("call", "caller_name"),
    ("call", "notes"),
    ("ticket", "disposition_note"),
    ("comment", "text"),
)

Data = dict[str, Any]
_ID = re.compile(r"msg_([0-9A-Za-z_-]{1,64})_([0-9]{1,18})_([a-z-]+)")
_KIND_OF = {kind.replace(".", "-"): kind for kind in KINDS}


@value(frozen=True, slots=True)
class Notice:
    """One event. ``place`` orders those of one fact; ``data`` is whole, nothing masked."""

    seq: int
    place: int
    kind: str
    call: str
    at: float
    data: Data


def is_public(entry: Entry) -> bool:
    """Whether the entry may change what is told."""
    return type(entry.event).__name__ in CHANGES


def told(case: Case | None) -> Data:
    """What is told of a call now; {} of one that is not known."""
    if case is None:
        return {}
    record, ticket = case.record, case.ticket
    return {
        "call": _call(record, ticket),
        "ticket": None if ticket is None else _ticket(ticket, record),
        "recording": _recording(record),
        "no_recording": record.no_recording or None,
    }


def notices(entry: Entry, before: Data, case: Case | None) -> Iterator[Notice]:
    """The events that a fact makes. ``before``: what was ``told`` before it was applied."""
    after = told(case)
    if not after:
        return
    name = type(entry.event).__name__
    known = before.get("ticket") is not None
    if not known and after["ticket"] is not None:
        yield _notice(entry, 0, "call.ended", {**after, "ticket": None})
        yield _notice(entry, 1, "ticket.created", after)
    if name == "RecordingFinished" and after["recording"] != before.get("recording"):
        yield _notice(entry, 0, "recording.ready", {**after, "ticket": None})
    comment = _comment(entry) if name == "TicketCommented" else None
    if known and (comment is not None or name == "CallbackMissed" or after != before):
        changed = {**after, "changed": CHANGES[name], "comment": comment}
        yield _notice(entry, 1, "ticket.updated", changed)


def _notice(entry: Entry, place: int, kind: str, data: Data) -> Notice:
    if data["ticket"] is None:
        data = {key: part for key, part in data.items() if key != "ticket"}
    return Notice(entry.seq, place, kind, entry.call, entry.at, data)


def message_id(call: str, seq: int, kind: str) -> str:
    """The same for every endpoint and every attempt: who has it drops the message."""
    return f"msg_{call}_{seq}_{kind.replace('.', '-')}"


def parse_id(text: str) -> tuple[str, int, str] | None:
    """(call, seq, kind) of a message id; None where it is none."""
    found = _ID.fullmatch(text)
    if found is None or found.group(3) not in _KIND_OF:
        return None
    return found.group(1), int(found.group(2)), _KIND_OF[found.group(3)]


def body_of(notice: Notice, caller: str) -> str:
    """The message's body, JSON; ``caller``: ``masked`` or ``full``."""
    data = notice.data if caller == "full" else masked(notice.data)
    text = json.dumps(
        {
            "id": message_id(notice.call, notice.seq, notice.kind),
            "type": notice.kind,
            "timestamp": _instant(notice.at),
            "sequence": notice.seq,
            "data": data,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return text.encode("utf-8", "replace").decode()  # no half characters


def masked(data: Data) -> Data:
    """The same without what tells who the caller is."""
    kept = {key: dict(part) if isinstance(part, dict) else part for key, part in data.items()}
    for field in NUMBERS:
        if kept["call"][field] is not None:
            kept["call"][field] = mask(kept["call"][field])
    for part, field in PRIVATE:
        if kept.get(part) is not None:
            kept[part][field] = None
    return kept


def mask(number: str) -> str:
    """All but the last two characters; words like anonymous stay."""
    if not has_number(number):
        return number
    return "*" * (len(number) - 2) + number[-2:] if len(number) > 4 else "*" * len(number)


def _call(record: CallRecord, ticket: Ticket | None) -> Data:
    return {
        "id": record.call,
        "ticket": None if ticket is None else number_text(ticket.number),
        "outcome": record.outcome or None,
        "cause": record.cause or None,
        "caller": record.caller,
        "caller_name": record.caller_name or None,
        "dialled": record.dialled,
        "trunk": record.trunk,
        "queue": record.queue or None,
        "agent": record.agent or None,
        "language": record.language or None,
        "arrived_at": _instant(record.arrived_at),
        "picked_up_at": _moment(record.picked_up_at),
        "queued_at": _moment(record.queued_at),
        "connected_at": _moment(record.connected_at),
        "ended_at": _moment(record.ended_at),
        "waited_s": round(record.waited_s, 3),
        "talked_s": round(record.talked_s, 3),
        "callback_number": record.callback_number or None,
        "notes": record.notes[:TEXT_MAX] or None,
    }


def _ticket(ticket: Ticket, record: CallRecord) -> Data:
    return {
        "number": number_text(ticket.number),
        "call": ticket.call,
        "status": ticket.status,
        "outcome": ticket.outcome,
        "queue": ticket.queue or None,
        "agent": ticket.agent or None,
        "opened_at": _instant(ticket.opened_at),
        "due_at": _moment(ticket.due_at),
        "closed_at": _moment(ticket.closed_at),
        "closed_by": ticket.closed_by or None,
        "disposition": record.disposition or None,
        "disposition_by": record.disposition_by or None,
        "disposition_note": record.disposition_note[:TEXT_MAX] or None,
        "repeat_of": None if ticket.repeat_of is None else number_text(ticket.repeat_of),
        "repeat_count": ticket.repeat_count,
    }


def _recording(record: CallRecord) -> Data | None:
    if not record.recording:
        return None
    return {
        "id": record.recording,
        "audio": f"/recordings/{record.recording}/audio",
        "sha256": record.recording_sha256,
        "duration_s": round(record.recording_s, 3),
        "size_bytes": record.recording_bytes,
    }


def _comment(entry: Entry) -> Data:
    event: Any = entry.event
    return {"at": _instant(entry.at), "by": event.by[:TEXT_MAX], "text": event.text[:TEXT_MAX]}


def _instant(at: float) -> str:
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _moment(at: float | None) -> str | None:
    return None if at is None else _instant(at)
