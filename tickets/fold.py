"""Folds the log into records and tickets. Pure: what must be loaded is named, then handed in.

Events are known by the name of their type, as the journal keeps them: those of the queues and
of the recordings are sister packages' and only their fields are relied on here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from router import events as router
from router.entry import Entry
from tickets import events
from tickets.policy import Policy, has_number, opening, repeat, title
from tickets.records import CallRecord, Case, Comment, Previous, Ticket

TEXT_MAX = 500  # characters of one field that came from outside
COMMENT_MAX = 20_000
FLOOR = "callback"  # who comments
CALLBACK_ENDS: Mapping[str, str] = {
    "connected": "Called back and connected",
    "abandoned": "Called back, hung up before an agent answered",
    "gave-up": "Callback given up: the caller was not reached",
    "expired": "Callback expired before its turn came",
    "cancelled": "Callback cancelled",
}


class _Queued(Protocol):
    queue: str


class _CallbackMissed(Protocol):
    attempt: int
    cause: str


class _CallbackEnded(Protocol):
    end: str
    attempts: int
    agent: str
    cause: str


class _Finished(Protocol):
    recording: str
    sha256: str
    duration_s: float
    size_bytes: int
    error: str
    missing: str


@dataclass(slots=True)
class Changes:
    """Rows to write, each once, in its last state."""

    records: list[CallRecord]
    tickets: list[Ticket]
    comments: list[Comment]


@dataclass(slots=True)
class Fold:
    """The records after a prefix of the log, as far as they are loaded.

    ``issued`` counts the tickets given out: the next number is one more. Numbers, links and
    counts follow from the order of the log alone, however it is cut into batches.
    """

    policy: Policy
    issued: int
    cases: dict[str, Case] = field(default_factory=dict)
    previous: dict[str, Previous | None] = field(default_factory=dict)
    _records: dict[str, Case] = field(default_factory=dict)
    _tickets: dict[str, Case] = field(default_factory=dict)
    _comments: list[Comment] = field(default_factory=list)

    def unknown_calls(self, entries: Iterable[Entry]) -> list[str]:
        """Calls that the entries touch and whose case, if any, has to be loaded."""
        return list(
            {
                entry.call: None
                for entry in entries
                if entry.call and entry.call not in self.cases and _name(entry) in _STEPS
            }
        )

    def unknown_callers(self, entries: Sequence[Entry]) -> list[str]:
        """Callers whose calls end here and whose latest ticket has to be loaded."""
        callers: dict[str, str] = {}
        wanted: dict[str, None] = {}
        for entry in entries:
            event = entry.event
            if type(event) is router.CallArrived:
                callers[entry.call] = _clean(event.caller)
            elif type(event) is router.CallEnded:
                case = self.cases.get(entry.call)
                caller = case.record.caller if case else callers.get(entry.call, "")
                if has_number(caller) and caller not in self.previous:
                    wanted[caller] = None
        return list(wanted)

    def apply(self, entry: Entry) -> None:
        """Take one entry over. Events of calls that never arrived have no record."""
        step = _STEPS.get(_name(entry))
        if step is None or not entry.call:
            return
        case = self.cases.get(entry.call)
        if case is None:
            event = entry.event
            if type(event) is not router.CallArrived:
                return
            case = self.cases[entry.call] = Case(_arrived(entry, event))
            self._records[entry.call] = case
            return
        step(self, case, entry, entry.event)

    def take_changes(self) -> Changes:
        """What changed since the last time."""
        changes = Changes(
            [case.record for case in self._records.values()],
            [case.ticket for case in self._tickets.values() if case.ticket],
            self._comments,
        )
        self._records, self._tickets, self._comments = {}, {}, []
        return changes

    def forget(self, keep: int) -> None:
        """Drop the oldest of what is loaded beyond ``keep`` cases and callers."""
        for loaded in (self.cases, self.previous):
            surplus = len(loaded) - keep
            if surplus > 0:
                for key in list(loaded)[:surplus]:
                    del loaded[key]

    def record_changed(self, case: Case) -> CallRecord:
        self._records[case.record.call] = case
        return case.record

    def ticket_changed(self, case: Case) -> None:
        self._tickets[case.record.call] = case

    def comment(self, comment: Comment) -> None:
        self._comments.append(comment)

    def open_ticket(self, case: Case, at: float) -> None:
        """The call is over: its one ticket."""
        record = case.record
        self.issued += 1
        start = opening(record.outcome, at, self.policy, disposed=bool(record.disposition))
        known = has_number(record.caller)
        repeat_of, count = (
            repeat(self.previous.get(record.caller), record.arrived_at, self.policy)
            if known
            else (None, 0)
        )
        case.ticket = Ticket(
            number=self.issued,
            call=record.call,
            title=title(record),
            status=start.status,
            outcome=record.outcome,
            caller=record.caller,
            queue=record.queue,
            agent=record.agent,
            opened_at=at,
            due_at=start.due_at,
            closed_at=start.closed_at,
            closed_by=record.disposition_by if start.closed_at is not None else "",
            repeat_of=repeat_of,
            repeat_count=count,
        )
        if known:
            self.previous[record.caller] = Previous(self.issued, at, count)
        self.ticket_changed(case)


def _name(entry: Entry) -> str:
    return type(entry.event).__name__


def _clean(text: str, limit: int = TEXT_MAX) -> str:
    """Text that both databases take: no NUL, no half characters, not endless."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "")[:limit]


def _arrived(entry: Entry, event: router.CallArrived) -> CallRecord:
    return CallRecord(
        call=entry.call,
        arrived_at=entry.at,
        caller=_clean(event.caller),
        caller_name=_clean(event.caller_name),
        dialled=_clean(event.dialled),
        trunk=event.trunk,
        sip_call_id=_clean(event.sip_call_id),
    )


def _arrived_again(fold: Fold, case: Case, entry: Entry, event: router.CallArrived) -> None:
    """A call id arrives once; the first arrival stands."""


def _picked_up(fold: Fold, case: Case, entry: Entry, event: router.CallPickedUp) -> None:
    fold.record_changed(case).picked_up_at = entry.at


def _queued(fold: Fold, case: Case, entry: Entry, event: _Queued) -> None:
    record = fold.record_changed(case)
    record.queue = event.queue
    if record.queued_at is None:
        record.queued_at = entry.at


def _offered(fold: Fold, case: Case, entry: Entry, event: object) -> None:
    fold.record_changed(case).offers += 1


def _connected(fold: Fold, case: Case, entry: Entry, event: router.CallConnected) -> None:
    record = fold.record_changed(case)
    record.agent = event.agent or record.agent
    record.queue = event.queue or record.queue
    if record.connected_at is None:
        record.connected_at = entry.at


def _transferred(fold: Fold, case: Case, entry: Entry, event: router.CallTransferred) -> None:
    fold.record_changed(case).transfers += 1


def _quality(fold: Fold, case: Case, entry: Entry, event: router.LegQuality) -> None:
    record = fold.record_changed(case)
    record.packets_lost += event.lost
    record.jitter_ms = max(record.jitter_ms, event.jitter_ms)


def _ended(fold: Fold, case: Case, entry: Entry, event: router.CallEnded) -> None:
    if case.ticket is not None:  # a call ends once; the first end stands
        return
    record = fold.record_changed(case)
    record.ended_at = entry.at
    record.outcome = event.outcome
    record.cause = _clean(event.cause)
    record.queue = event.queue or record.queue
    record.agent = event.agent or record.agent
    record.waited_s = event.waited_s
    record.talked_s = event.talked_s
    record.language = event.language
    record.callback_number = _clean(event.callback_number)
    record.notes = _clean("\n".join(event.notes), COMMENT_MAX)
    if not record.recording:
        record.no_recording = _clean(event.no_recording) or record.no_recording
    fold.open_ticket(case, entry.at)


def _second_life_ended(fold: Fold, case: Case, entry: Entry, event: router.SecondLifeEnded) -> None:
    fold.record_changed(case).talked_s += event.talked_s


def _callback_missed(fold: Fold, case: Case, entry: Entry, event: _CallbackMissed) -> None:
    text = f"Callback {event.attempt} reached nobody: {_clean(event.cause)}"
    fold.comment(Comment(entry.seq, entry.call, entry.at, FLOOR, text))


def _callback_ended(fold: Fold, case: Case, entry: Entry, event: _CallbackEnded) -> None:
    """Called back: the ticket is the agent's now. Otherwise it stays open for people."""
    text = CALLBACK_ENDS.get(event.end, f"Callback over: {_clean(event.end)}")
    if event.cause:
        text += f" ({_clean(event.cause)})"
    fold.comment(Comment(entry.seq, entry.call, entry.at, FLOOR, text))
    ticket = case.ticket
    if event.end != "connected" or ticket is None:
        return
    fold.record_changed(case).agent = event.agent
    ticket.agent = event.agent
    if ticket.status == "open":
        ticket.status, ticket.due_at = "awaiting-disposition", None
    fold.ticket_changed(case)


def _recording_finished(fold: Fold, case: Case, entry: Entry, event: _Finished) -> None:
    record = case.record
    if event.error:
        if not record.recording:  # a good one of the same call is not lost to a bad one
            fold.record_changed(case).no_recording = _clean(event.error)
        return
    fold.record_changed(case)
    record.recording = event.recording
    record.recording_sha256 = event.sha256
    record.recording_s = event.duration_s
    record.recording_bytes = event.size_bytes
    record.no_recording = _clean(event.missing)


def _disposed(fold: Fold, case: Case, entry: Entry, event: events.DispositionGiven) -> None:
    record = fold.record_changed(case)
    record.disposition = _clean(event.disposition)
    record.disposition_by = _clean(event.by)
    record.disposition_note = _clean(event.note, COMMENT_MAX)
    record.disposed_at = entry.at
    _close(fold, case, entry.at, record.disposition_by)


def _commented(fold: Fold, case: Case, entry: Entry, event: events.TicketCommented) -> None:
    text = _clean(event.text, COMMENT_MAX)
    fold.comment(Comment(entry.seq, entry.call, entry.at, _clean(event.by), text))


def _closed(fold: Fold, case: Case, entry: Entry, event: events.TicketClosed) -> None:
    _close(fold, case, entry.at, _clean(event.by))


def _close(fold: Fold, case: Case, at: float, by: str) -> None:
    """Close the ticket, once; before the call's end there is none yet."""
    ticket = case.ticket
    if ticket is None or ticket.status == "closed":
        return
    ticket.status, ticket.closed_at, ticket.closed_by = "closed", at, by
    fold.ticket_changed(case)


_STEPS: Mapping[str, Callable[..., None]] = {
    "CallArrived": _arrived_again,
    "CallPickedUp": _picked_up,
    "CallQueued": _queued,
    "OfferMade": _offered,
    "CallConnected": _connected,
    "CallTransferred": _transferred,
    "LegQuality": _quality,
    "CallEnded": _ended,
    "SecondLifeEnded": _second_life_ended,
    "CallbackMissed": _callback_missed,
    "CallbackEnded": _callback_ended,
    "RecordingFinished": _recording_finished,
    "DispositionGiven": _disposed,
    "TicketCommented": _commented,
    "TicketClosed": _closed,
}
