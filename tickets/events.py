"""Facts that people add to a ticket, as the journal keeps them; the entry's call names it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DispositionGiven:
    """The agent (or a supervisor) closed the wrap-up with an outcome code and a note."""

    by: str
    disposition: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class TicketCommented:
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class TicketClosed:
    by: str


EVENTS = (DispositionGiven, TicketCommented, TicketClosed)
