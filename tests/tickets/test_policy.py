"""The outcome decides what becomes of the ticket."""

from __future__ import annotations

import pytest

from router.events import Outcome
from tests.tickets.entries import OUTCOMES, facts_of_call, field_names, numbered
from tickets.fold import Fold
from tickets.policy import _TITLES, STATUS, Policy, number_text, opening, repeat, title
from tickets.records import CallRecord, Previous, Ticket
from tickets.tables import call_records, tickets

WAITING = {"answered"}
OPEN = {"missed", "dropped", "voicemail", "callback-requested", "failed"}


def test_every_outcome_has_a_status_and_a_title() -> None:
    assert set(STATUS) == set(_TITLES) == set(OUTCOMES)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_status_by_outcome(outcome: Outcome) -> None:
    fold = Fold(Policy(due_s=600), 41)
    for entry in numbered(facts_of_call("c", outcome=outcome)):
        fold.apply(entry)
    ticket = fold.take_changes().tickets[0]
    assert (ticket.number, ticket.outcome, ticket.opened_at) == (42, outcome, 1030.0)
    if outcome in OPEN:
        assert (ticket.status, ticket.due_at, ticket.closed_at) == ("open", 1630.0, None)
    elif outcome in WAITING:
        assert (ticket.status, ticket.due_at) == ("awaiting-disposition", None)
        assert ticket.closed_at is None
    else:
        assert (ticket.status, ticket.due_at, ticket.closed_at) == ("closed", None, 1030.0)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_title_names_caller_and_never_blames_the_agents(outcome: Outcome) -> None:
    text = title(CallRecord("c", 0.0, caller="+3712", outcome=outcome, queue="sales"))
    assert "+3712" in text
    assert text.endswith("(sales)")
    assert "busy" not in text


def test_answered_call_with_the_code_given_while_talking_is_closed() -> None:
    assert opening("answered", 5.0, Policy(), disposed=True).status == "closed"
    assert opening("missed", 5.0, Policy(), disposed=True).status == "open"
    assert opening("of a later version", 5.0, Policy(), disposed=False).status == "open"


def test_repeat_within_the_window() -> None:
    policy = Policy(repeat_window_s=100)
    assert repeat(None, 50, policy) == (None, 0)
    assert repeat(Previous(7, 50.0, 2), 150.0, policy) == (7, 3)
    assert repeat(Previous(7, 50.0, 2), 150.1, policy) == (None, 0)


def test_numbers_in_words() -> None:
    assert number_text(42) == "T-000042"
    assert number_text(12_345_678) == "T-12345678"


def test_records_have_a_field_for_each_column() -> None:
    assert sorted(field_names(CallRecord)) == sorted(c.name for c in call_records.columns)
    assert sorted(field_names(Ticket)) == sorted(c.name for c in tickets.columns)
