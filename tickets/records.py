"""What the records hold of a call: plain values, a field for each column of the tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class CallRecord:
    """One call, as far as the log has told (columns of ``call_records``)."""

    call: str
    arrived_at: float
    caller: str = ""
    caller_name: str = ""
    dialled: str = ""
    trunk: str = ""
    sip_call_id: str = ""
    queue: str = ""
    agent: str = ""
    picked_up_at: float | None = None
    queued_at: float | None = None
    connected_at: float | None = None
    ended_at: float | None = None
    waited_s: float = 0.0
    talked_s: float = 0.0
    outcome: str = ""
    cause: str = ""
    language: str = ""
    callback_number: str = ""
    notes: str = ""  # one a line
    offers: int = 0
    transfers: int = 0
    packets_lost: int = 0
    jitter_ms: float = 0.0
    recording: str = ""
    recording_sha256: str = ""
    recording_s: float = 0.0
    recording_bytes: int = 0
    no_recording: str = ""
    disposition: str = ""
    disposition_by: str = ""
    disposition_note: str = ""
    disposed_at: float | None = None


@dataclass(slots=True)
class Ticket:
    """One ticket (columns of ``tickets``)."""

    number: int
    call: str
    title: str
    status: str
    outcome: str
    caller: str
    queue: str
    agent: str
    opened_at: float
    due_at: float | None = None
    closed_at: float | None = None
    closed_by: str = ""
    repeat_of: int | None = None
    repeat_count: int = 0


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment (columns of ``ticket_comments``); ``seq`` is the log's."""

    seq: int
    call: str
    at: float
    by: str
    text: str


@dataclass(slots=True)
class Case:
    """A call's record with its ticket, which exists from the call's end on."""

    record: CallRecord
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True)
class Previous:
    """A caller's latest ticket: what a further call is linked to."""

    number: int
    ended_at: float
    repeat_count: int
