"""The SIP side: bytes before events, one alarm, and a mistake that costs no other event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from config.errors import MisuseError
from engine.phone import Phone
from engine.timers import Timers
from router.sip import effects as sip
from tests.fakes import START, FakeLoop, HandClock

FLOW = sip.Flow("udp", "192.0.2.1", 5060)


class PlayedEndpoint:
    """Gives what it is told to give."""

    def __init__(self) -> None:
        self.output: list[Any] = []
        self.next_deadline: float | None = None
        self.touched: list[str] = []
        self.ticks: list[float] = []
        self.registrar = self

    def take_touched(self) -> list[str]:
        touched, self.touched = self.touched, []
        return touched

    def _give(self) -> list[Any]:
        output, self.output = self.output, []
        return output

    def receive(self, data: bytes, flow: sip.Flow, now: float) -> list[Any]:
        return self._give()

    def tick(self, now: float) -> list[Any]:
        self.ticks.append(now - START)
        self.next_deadline = None
        return self._give()

    def hang_up(self, leg: str, now: float, status: int, reason: str) -> list[Any]:
        raise MisuseError("that leg is over")


class Set:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.loop = FakeLoop(self.clock)
        self.endpoint = PlayedEndpoint()
        self.seen: list[str] = []
        timers = Timers(cast(Any, self.clock), cast(Any, self.loop))
        self.phone = Phone(cast(Any, self.endpoint), cast(Any, self), cast(Any, self.clock), timers)
        self.phone.on = {
            sip.Ended: lambda event: self.seen.append(event.cause),
            sip.Answered: lambda event: cast(None, 1 / 0),
        }

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


def test_bytes_leave_before_anybody_takes_an_event(telephone: Set) -> None:
    telephone.receive(sip.Ended("a", "bye"), sent("200"), sip.Ended("b", "cancel"), sent("ACK"))
    assert telephone.seen == ["200", "ACK", "bye", "cancel"]


def test_an_event_that_nobody_takes_is_none(telephone: Set) -> None:
    telephone.receive(sip.ChangeRefused("a", 488), sent("200"))
    assert telephone.seen == ["200"]


def test_a_taker_that_fails_costs_no_other_event(
    telephone: Set, caplog: pytest.LogCaptureFixture
) -> None:
    telephone.receive(sip.Answered("a", b""), sip.Ended("b", "bye"), sent("200"))
    assert telephone.seen == ["200", "bye"]
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
    later: list[Callable[[], None]] = []

    def touched(users: Iterable[str], cause: str, then: Callable[[], None]) -> None:
        assert (list(users), cause) == (["101"], "unregistered")
        later.append(then)

    telephone.phone.on_touched = touched
    telephone.endpoint.touched = ["101"]
    telephone.receive(sent("200 OK"), sip.Ended("a", "bye"))
    assert telephone.seen == ["bye"]
    later[0]()
    assert telephone.seen == ["bye", "200 OK"]
