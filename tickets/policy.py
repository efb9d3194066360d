"""What a call's outcome makes of its ticket (design, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tickets.records import CallRecord, Previous

Status = Literal["open", "awaiting-disposition", "closed"]

STATUS: Mapping[str, Status] = {
    "answered": "awaiting-disposition",
    "missed": "open",
    "dropped": "open",
    "voicemail": "open",
    "callback-requested": "open",
    "failed": "open",
    "short-abandoned": "closed",
    "left-in-ivr": "closed",
    "completed-in-ivr": "closed",
    "dialled-out": "closed",
    "overflowed": "closed",
    "refused": "closed",
}

_TITLES: Mapping[str, str] = {
    "answered": "Call from {caller} answered by {agent}",
    "missed": "Missed call from {caller} after {waited} s of waiting",
    "short-abandoned": "Call from {caller}, hung up after {waited} s of waiting",
    "left-in-ivr": "Call from {caller}, hung up in the menu",
    "completed-in-ivr": "Call from {caller}, served by the menu",
    "dropped": "Call from {caller} cut off while talking to {agent}",
    "voicemail": "Voicemail from {caller}",
    "callback-requested": "Callback to {callback}",
    "dialled-out": "Call from {caller} connected to an outside number",
    "overflowed": "Call from {caller} passed on to another destination",
    "refused": "Call from {caller} refused",
    "failed": "Call from {caller} failed on our side",
}

# How networks write "no number": such callers are nobody's repeat.
NO_NUMBER = frozenset(
    {"", "anonymous", "unknown", "unavailable", "restricted", "private", "withheld"}
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The knobs of ``config.settings.TicketPolicy``, in seconds."""

    due_s: float = 3600.0
    repeat_window_s: float = 604_800.0


@dataclass(frozen=True, slots=True)
class Opening:
    """How a ticket starts: only a ticket that someone must work on has a deadline."""

    status: Status
    due_at: float | None
    closed_at: float | None


def opening(outcome: str, at: float, policy: Policy, *, disposed: bool) -> Opening:
    """Status and deadline at the call's end. ``disposed``: the agent gave the code already.

    An outcome that this version does not know stays open: better one look too many.
    """
    status = STATUS.get(outcome, "open")
    if disposed and status == "awaiting-disposition":
        status = "closed"
    return Opening(
        status,
        at + policy.due_s if status == "open" else None,
        at if status == "closed" else None,
    )


def title(record: CallRecord) -> str:
    """The ticket in words, for lists. It names the caller: never into a log."""
    text = _TITLES.get(record.outcome, "Call from {caller}").format(
        caller=record.caller_name or record.caller or "an unknown number",
        agent=record.agent or "the dialled party",
        waited=round(record.waited_s),
        callback=record.callback_number or record.caller or "an unknown number",
    )
    return f"{text} ({record.queue})" if record.queue else text


def number_text(number: int) -> str:
    """A ticket's number as people say it: T-000042."""
    return f"T-{number:06d}"


def has_number(caller: str) -> bool:
    """Whether the caller can be told from others."""
    return caller.lower() not in NO_NUMBER


def repeat(previous: Previous | None, arrived_at: float, policy: Policy) -> tuple[int | None, int]:
    """(ticket this one repeats, how many calls of the same matter came before)."""
    if previous is None or arrived_at - previous.ended_at > policy.repeat_window_s:
        return None, 0
    return previous.number, previous.repeat_count + 1
