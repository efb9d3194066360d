"""What of the log the next engine needs is kept, and no more."""

from __future__ import annotations

from typing import Any, cast

import pytest

from config.queueing import QueueSettings
from engine.holds import RENEW, STEP, Holds, Renewal
from engine.journal import Entry
from engine.kept import CallKept, LegKept
from queues.events import AgentPresence, CallbackEnded, CallbackPlaced, PlaceKept, QueueVisitEnded
from router.events import (
    CallArrived,
    CallEnded,
    CallPickedUp,
    EngineStarted,
    RecordingClosed,
    RecordingStarted,
)
from tests.fakes import FakeJournal


class Log:
    def __init__(self) -> None:
        self.journal = FakeJournal()
        self.holds = Holds(cast(Any, self.journal))
        self.seq = 0
        self.at = 1.0

    def fact(self, event: object, call: str = "") -> int:
        self.seq += 1
        self.holds.note(Entry(self.seq, self.at, call, event))
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


def test_a_callback_outlasts_its_call(log: Log) -> None:
    log.fact(CallArrived("", "", ""), "c1")
    at = log.fact(CallbackPlaced("support", "+371", 0, 5, 20.0, 1, 0.0, 9e9), "c1")
    log.fact(CallEnded("callback-requested", "bye"), "c1")
    log.holds.move(log.seq)
    assert log.held == at - 1


@pytest.mark.parametrize(
    ("entries", "at", "held"), [(600, 100.0, True), (600, 122.0, False), (RENEW + 600, 2.0, False)]
)
def test_the_place_of_who_hung_up_is_held_for_a_while(
    log: Log, entries: int, at: float, held: bool
) -> None:
    """Who redials in time has it again, also from the next engine."""
    log.holds.adopt([QueueSettings(name="support", resume_s=120.0)])
    first = log.fact(CallArrived("", "", ""), "c1")
    log.fact(QueueVisitEnded("support", "abandoned", 9.0), "c1")
    log.fact(CallEnded("missed", "bye"), "c1")
    log.fact(CallArrived("", "", ""), "c2")
    log.fact(QueueVisitEnded("support", "connected", 9.0), "c2")
    log.fact(CallEnded("answered", "bye"), "c2")
    log.at = at
    log.pass_by(entries)
    assert (log.held == first - 1) == held


class Renewing(Log):
    """Writes again what it is asked to, as the engine does."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[object] = []
        self.rings = False
        self.holds.renewal = Renewal(self.call, self.leg, self.agent, self.told)

    def call(self, call: str) -> bool:
        self.asked.append(call)
        if self.rings:
            return False
        self.soon.append((PlaceKept("support", 0, 5, 20.0, 1, 0.0, 0.0), call))
        self.soon.append((CallKept(b"state"), call))
        return True

    def leg(self, leg: str) -> None:
        self.asked.append(leg)
        self.soon.append((LegKept(leg, b"state"), ""))

    def agent(self, agent: str) -> None:
        self.asked.append(agent)
        self.soon.append((AgentPresence(agent, "available"), ""))

    def told(self, call: str, event: object) -> None:
        self.asked.append(event)
        self.soon.append((event, call))

    @property
    def soon(self) -> list[tuple[object, str]]:
        return self.__dict__.setdefault("later", [])

    def pass_by(self, count: int = STEP) -> None:
        for _ in range(count):
            super().pass_by(1)
            later, self.__dict__["later"] = self.soon, []
            for event, call in later:
                self.fact(event, call)


def test_what_lasts_is_written_again_and_holds_little_of_the_log() -> None:
    log = Renewing()
    log.fact(EngineStarted(1, "1", "s"))
    log.fact(CallArrived("", "", ""), "c1")
    log.fact(CallKept(b"state"), "c1")
    log.fact(LegKept("l1", b"state"))
    log.fact(AgentPresence("anna", "available"))
    log.fact(RecordingStarted("r", "/r.part"), "c1")
    log.pass_by(3 * RENEW)
    assert log.seq - log.held < RENEW + 2 * STEP
    assert {"c1", "l1", "anna"} <= {name for name in log.asked if isinstance(name, str)}
    assert any(isinstance(event, RecordingStarted) for event in log.asked)
    assert any(isinstance(event, EngineStarted) for event in log.asked)


def test_a_call_that_rings_is_written_again_a_little_later() -> None:
    log = Renewing()
    first = log.fact(CallArrived("", "", ""), "c1")
    log.rings = True
    log.pass_by(RENEW + 3 * STEP)
    log.fact(CallKept(b"state"), "c1")  # of a turn: the place is still where it was
    log.pass_by(STEP)
    assert log.held == first - 1
    log.rings = False
    log.pass_by(2 * STEP)
    assert log.held > first
