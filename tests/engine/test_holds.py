"""What of the log the next engine needs is kept, and no more."""

from __future__ import annotations

from typing import Any, cast

import pytest

from engine.holds import STEP, Holds
from engine.journal import Entry
from queues.events import AgentPresence, CallbackEnded, CallbackPlaced
from router.events import (
    CallArrived,
    CallEnded,
    CallPickedUp,
    RecordingClosed,
    RecordingStarted,
)
from tests.fakes import FakeJournal


class Log:
    def __init__(self) -> None:
        self.journal = FakeJournal()
        self.holds = Holds(cast(Any, self.journal))
        self.seq = 0

    def fact(self, event: object, call: str = "") -> int:
        self.seq += 1
        self.holds.note(Entry(self.seq, 1.0, call, event))
        return self.seq

    def pass_by(self, count: int = STEP) -> None:
        for _ in range(count):
            self.fact(CallPickedUp(), "other")

    @property
    def held(self) -> int:
        return self.journal.held["engine"]


@pytest.fixture
def log() -> Log:
    return Log()


def test_with_nothing_open_everything_may_leave(log: Log) -> None:
    log.pass_by()
    assert log.held == log.seq - STEP + 1, "as of the last move"
    log.holds.move(log.seq)
    assert log.held == log.seq


def test_a_live_call_holds_from_its_arrival(log: Log) -> None:
    log.pass_by()
    first = log.fact(CallArrived("", "", ""), "c1")
    log.fact(CallArrived("", "", ""), "c2")
    log.pass_by(2 * STEP)
    assert log.held == first - 1
    log.fact(CallEnded("answered", "bye"), "c1")
    log.pass_by()
    assert log.held == first, "the second call's"
    log.fact(CallEnded("answered", "bye"), "c2")
    log.pass_by()
    assert log.held > first + STEP


def test_an_agents_last_presence_is_held_until_they_sign_out(log: Log) -> None:
    log.fact(AgentPresence("anna", "available"))
    last = log.fact(AgentPresence("anna", "on-break", "tea"))
    log.pass_by(2 * STEP)
    assert log.held == last - 1
    log.fact(AgentPresence("anna", "signed-out"))
    log.pass_by()
    assert log.held > last


def test_a_recordings_file_holds_until_it_is_closed(log: Log) -> None:
    first = log.fact(RecordingStarted("r", "/r.part"), "c")
    log.pass_by(2 * STEP)
    assert (log.held, log.holds.is_open("/r.part")) == (first - 1, True)
    log.fact(RecordingClosed("r", "/r.part", 0.0, 1.0, 1, 1), "c")
    log.pass_by()
    assert not log.holds.is_open("/r.part")
    assert log.held > first


def test_the_hold_moves_by_steps(log: Log) -> None:
    log.fact(CallPickedUp())
    first = log.held
    log.pass_by(STEP - 1)
    assert log.held == first
    log.pass_by(1)
    assert log.held == first + STEP


def test_a_callback_holds_its_place_until_it_is_over(log: Log) -> None:
    log.pass_by()
    placed = CallbackPlaced("support", "+371", 0, 5, 20.0, 1, 0.0, 9e9)
    at = log.fact(placed, "c1")
    log.pass_by()
    log.holds.move(log.seq)
    assert log.held == at - 1
    log.fact(CallbackEnded("support", "connected", 1, "anna"), "c1")
    log.holds.move(log.seq)
    assert log.held == log.seq
