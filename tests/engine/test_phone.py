"""The SIP side: what bytes confirm is on disk before they leave; one alarm; a mistake costs no
other event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest

from config.errors import MisuseError
from engine.kept import LegKept
from engine.phone import Phone
from engine.timers import Timers
from router.events import CallPickedUp
from router.sip import effects as sip
from tests.fakes import START, FakeJournal, FakeLoop, HandClock

FLOW = sip.Flow("udp", "192.0.2.1", 5060)


class PlayedEndpoint:
    """Gives what it is told to give."""

    def __init__(self) -> None:
        self.output: list[Any] = []
        self.next_deadline: float | None = None
        self.touched: list[str] = []
        self.changed: set[str] = set()
        self.ticks: list[float] = []
        self.registrar = self

    def take_touched(self) -> list[str]:
        touched, self.touched = self.touched, []
        return touched

    def take_changed(self) -> set[str]:
        changed, self.changed = self.changed, set()
        return changed

    def keep(self, leg: str) -> object:
        return None if leg == "gone" else (leg, "state")

    def _give(self) -> list[Any]:
        output, self.output = self.output, []
        return output

    def receive(self, data: bytes, flow: sip.Flow, now: float) -> list[Any]:
        return self._give()

    def tick(self, now: float) -> list[Any]:
        self.ticks.append(now - START)
        self.next_deadline = None
        return self._give()

    def reject(self, leg: str, status: int, now: float, **more: Any) -> list[Any]:
        if leg != "up":
            raise MisuseError("that leg is answered")
        self.changed = {leg}
        return [sent(str(status)), *self._give()]

    def hang_up(self, leg: str, now: float, status: int, reason: str) -> list[Any]:
        if leg != "up":
            raise MisuseError("that leg is over")
        return [sent("BYE")]


class Set:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.loop = FakeLoop(self.clock)
        self.endpoint = PlayedEndpoint()
        self.seen: list[str] = []
        timers = Timers(cast(Any, self.clock), cast(Any, self.loop))
        self.journal = FakeJournal()
        self.phone = Phone(
            cast(Any, self.endpoint),
            cast(Any, self),
            cast(Any, self.clock),
            timers,
            cast(Any, self.journal),
        )
        self.phone.on = {
            sip.Ended: self.ended,
            sip.Answered: lambda event: cast(None, 1 / 0),
        }

    def ended(self, event: sip.Ended) -> None:
        self.seen.append(event.cause)
        if event.cause == "bye":
            self.journal.append("c1", CallPickedUp(), START)

    def send(self, effect: Any) -> None:
        self.seen.append(effect.data.decode())

    def receive(self, *output: Any) -> None:
        self.endpoint.output = list(output)
        self.phone.received(b"", FLOW)


@pytest.fixture
def telephone() -> Set:
    return Set()


def sent(text: str) -> sip.Send:
    return sip.Send(FLOW, text.encode())


def test_bytes_leave_when_the_facts_of_their_step_are_on_disk(telephone: Set) -> None:
    telephone.journal.slow = True
    telephone.receive(sip.Ended("a", "bye"), sent("200"), sent("200 again"))
    telephone.receive(sent("to the same peer"))
    assert telephone.seen == ["bye"]
    telephone.journal.sync()
    assert telephone.seen == ["bye", "200", "200 again", "to the same peer"]
    telephone.receive(sent("later"))
    assert telephone.seen[-1] == "later"


def test_bytes_that_confirm_nothing_wait_for_nobody(telephone: Set) -> None:
    telephone.journal.slow = True
    telephone.receive(sip.Ended("a", "cancel"), sent("487"))
    assert telephone.seen == ["cancel", "487"]


def test_who_is_turned_down_does_not_wait_behind_what_waits_for_the_disk(telephone: Set) -> None:
    telephone.journal.slow = True
    telephone.receive(sip.Ended("a", "bye"), sent("200"))
    telephone.endpoint.output = [sip.Ended("b", "cancel")]
    telephone.phone.turn_down("up", 503, ())
    assert telephone.seen == ["bye", "503", "cancel"]
    assert [kept.leg for kept in telephone.journal.facts(LegKept)] == ["up"]
    telephone.phone.turn_down("answered", 503, ())
    telephone.journal.sync()
    assert telephone.seen == ["bye", "503", "cancel", "200"]


def test_legs_that_changed_are_kept_with_the_step(telephone: Set) -> None:
    telephone.endpoint.changed = {"a"}
    telephone.receive(sent("180"))
    telephone.endpoint.changed = {"gone"}
    telephone.receive()
    first, second = telephone.journal.facts(LegKept)
    assert (first.leg, bool(first.data)) == ("a", True)
    assert second == LegKept("gone", b"")


def test_an_event_that_nobody_takes_is_none(telephone: Set) -> None:
    telephone.receive(sip.ChangeRefused("a", 488), sent("200"))
    assert telephone.seen == ["200"]


def test_a_taker_that_fails_costs_no_other_event(
    telephone: Set, caplog: pytest.LogCaptureFixture
) -> None:
    telephone.receive(sip.Answered("a", b""), sip.Ended("b", "bye"), sent("200"))
    assert telephone.seen == ["bye", "200"]
    assert "ZeroDivisionError" in caplog.text


def test_the_endpoints_deadlines_are_kept(telephone: Set) -> None:
    telephone.endpoint.next_deadline = START + 2.0
    telephone.receive()
    telephone.endpoint.next_deadline = START + 0.5
    telephone.receive()
    telephone.loop.pass_time(0.6)
    assert telephone.endpoint.ticks == [0.5]
    telephone.endpoint.next_deadline = START + 3.0
    telephone.receive()
    telephone.loop.pass_time(10.0)
    assert [round(at, 6) for at in telephone.endpoint.ticks] == [0.5, 3.0]


def test_a_leg_that_ended_in_the_instant_before_is_no_error(telephone: Set) -> None:
    telephone.phone.hang_up("a", 480, "too late")
    assert telephone.seen == []


def test_the_answer_to_a_register_waits_until_it_is_written_down(telephone: Set) -> None:
    telephone.journal.slow = True

    def touched(users: Iterable[str], cause: str) -> int:
        assert (list(users), cause) == (["101"], "unregistered")
        return telephone.journal.append("", CallPickedUp(), START).seq

    telephone.phone.on_touched = touched
    telephone.endpoint.touched = ["101"]
    telephone.receive(sent("200 OK"), sip.Ended("a", "cancel"))
    assert telephone.seen == ["cancel"]
    telephone.journal.sync()
    assert telephone.seen == ["cancel", "200 OK"]


def test_what_an_event_s_taker_sends_leaves_after_what_came_with_the_event(
    telephone: Set,
) -> None:
    telephone.phone.on[sip.Answered] = lambda event: telephone.phone.hang_up("up", 488, "no codec")
    telephone.receive(sip.Answered("up", b""), sent("ACK"))
    assert telephone.seen == ["ACK", "BYE"]
