"""Earlier calls, in memory and bounded."""

from __future__ import annotations

import pytest

from engine import callers as module
from engine.callers import Callers
from engine.journal import Entry
from queues.events import CallbackEnded
from router.events import CallArrived, CallEnded, SecondLifeEnded


def test_calls_are_counted_when_they_end() -> None:
    callers = Callers()
    assert callers.earlier("+371") == (0, "")
    callers.arrived("c1", "+371")
    assert callers.earlier("+371") == (0, ""), "the call in progress is no earlier one"
    callers.ended("c1", "missed")
    callers.arrived("c2", "+371")
    callers.ended("c2", "answered")
    assert callers.earlier("+371") == (2, "answered")
    assert callers.earlier("+372") == (0, "")


def test_an_end_counts_once_and_an_unknown_one_not_at_all() -> None:
    callers = Callers()
    callers.arrived("c1", "+371")
    callers.arrived("c1", "+371")  # from the INVITE and from the log
    for _ in range(2):
        callers.ended("c1", "missed")
    callers.ended("c9", "missed")
    assert callers.earlier("+371") == (1, "missed")


def test_a_withheld_number_is_nobody() -> None:
    callers = Callers()
    callers.arrived("c1", "")
    callers.ended("c1", "missed")
    assert callers.earlier("") == (0, "")


def test_at_the_limit_the_least_recently_seen_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALLERS_MAX", 3)
    callers = Callers()
    for number in ("a", "b", "c", "a", "d"):
        callers.note(number, 1, "missed")
    assert [callers.earlier(number)[0] for number in "abcd"] == [1, 0, 1, 1]


def test_the_records_add_what_the_log_does_not_hold() -> None:
    callers = Callers()
    callers.note("a", 2, "answered")
    callers.seed([("a", 5, "missed", "anna"), ("b", 1, "dropped", "")])
    assert callers.earlier("a") == (5, "answered")
    assert callers.earlier("b") == (1, "dropped")
    assert callers.agent_of("a") == "anna"


def test_the_last_agent_is_remembered_over_a_call_that_nobody_answered() -> None:
    callers = Callers()
    for call, agent in (("c1", "boris"), ("c2", "anna"), ("c3", "")):
        callers.arrived(call, "+371")
        callers.ended(call, "answered" if agent else "missed", agent)
    assert callers.agent_of("+371") == "anna"
    assert callers.agent_of("+372") == ""


def test_who_called_back_knows_the_caller() -> None:
    callers = Callers()
    facts: list[object] = [
        CallArrived("+371", "100", "t"),
        CallEnded("callback-requested", "bye"),
        CallbackEnded("support", "connected", 1, "anna"),
        SecondLifeEnded("bye", "support", "anna"),
    ]
    for seq, fact in enumerate(facts, 1):
        callers.take(Entry(seq, 1.0, "c1", fact))
    assert callers.agent_of("+371") == "anna"
    assert callers.earlier("+371") == (1, "callback-requested")
    assert not callers._of_call
    callers.take(Entry(5, 2.0, "c2", CallArrived("+372", "100", "t")))
    callers.take(Entry(6, 2.0, "c2", CallEnded("callback-requested", "bye")))
    callers.take(Entry(7, 3.0, "c2", CallbackEnded("support", "gave-up", 3)))
    assert callers.agent_of("+372") == ""
    assert not callers._of_call
