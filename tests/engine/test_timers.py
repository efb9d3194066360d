"""Timers: named deadlines on one alarm of the loop."""

from __future__ import annotations

from typing import Any, cast

import pytest

from engine.timers import Timers
from tests.fakes import START, FakeLoop, HandClock


class Bench:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.loop = FakeLoop(self.clock)
        self.timers = Timers(cast(Any, self.clock), cast(Any, self.loop))
        self.fired: list[tuple[str, float]] = []

    def set(self, name: str, after: float) -> None:
        self.timers.set(
            name, START + after, lambda: self.fired.append((name, self.clock.at - START))
        )

    @property
    def alarms(self) -> int:
        return sum(not alarm.cancelled for _, _, alarm in self.loop.alarms)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_each_fires_once_at_its_time(bench: Bench) -> None:
    for name, after in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        bench.set(name, after)
    bench.loop.pass_time(10.0)
    assert bench.fired == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    assert len(bench.timers) == 0
    assert bench.alarms == 0


def test_a_name_set_again_replaces(bench: Bench) -> None:
    bench.set("ring", 5.0)
    bench.set("ring", 2.0)
    bench.set("other", 1.0)
    bench.set("other", 8.0)
    bench.loop.pass_time(20.0)
    assert bench.fired == [("ring", 2.0), ("other", 8.0)]


def test_a_cleared_one_does_not_fire_and_clearing_is_idempotent(bench: Bench) -> None:
    bench.set("ring", 1.0)
    bench.timers.clear("ring")
    bench.timers.clear("ring")
    bench.loop.pass_time(5.0)
    assert bench.fired == []


def test_one_alarm_of_the_loop_however_many_names(bench: Bench) -> None:
    for number in range(100):
        bench.set(f"t{number}", 100.0 - number)
    assert bench.alarms == 1


def test_what_is_overdue_fires_at_once_and_in_order(bench: Bench) -> None:
    bench.set("late", -5.0)
    bench.set("later", -1.0)
    bench.loop.pass_time(0.0)
    assert [name for name, _ in bench.fired] == ["late", "later"]


def test_one_may_set_and_clear_others_while_firing(bench: Bench) -> None:
    def first() -> None:
        bench.timers.clear("second")
        bench.set("third", 1.0)

    bench.timers.set("first", START + 1.0, first)
    bench.set("second", 1.0)
    bench.loop.pass_time(1.0)
    assert bench.fired == [("third", 1.0)]


def test_one_that_fails_does_not_stop_the_rest(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.timers.set("bad", START + 1.0, lambda: cast(None, 1 / 0))
    bench.set("good", 1.0)
    bench.set("next", 2.0)
    bench.loop.pass_time(5.0)
    assert [name for name, _ in bench.fired] == ["good", "next"]
    assert "ZeroDivisionError" in caplog.text


def test_a_name_that_is_set_again_and_again_takes_no_room(bench: Bench) -> None:
    for number in range(100_000):
        bench.set("floor", 1800.0 + number / 1000)
    assert len(bench.timers) == 1
    assert bench.timers.room < 200


def test_after_close_nothing_fires(bench: Bench) -> None:
    bench.set("ring", 1.0)
    bench.timers.close()
    bench.loop.pass_time(5.0)
    assert bench.fired == []
    assert len(bench.timers) == 0


def test_held_nothing_fires_and_what_is_overdue_keeps_its_order(bench: Bench) -> None:
    """A phone answered while no engine was there: its datagram is read before it rang out."""
    bench.set("before", 1.0)
    bench.timers.hold()
    for name, after in (("late", 3.0), ("early", 2.0), ("future", 6.0)):
        bench.set(name, after)
    bench.set("cleared", 1.5)
    bench.loop.pass_time(4.0)
    assert bench.fired == []
    bench.timers.release(START + 4.5)
    bench.timers.clear("cleared")
    bench.loop.pass_time(5.0)
    assert bench.fired == [("before", 4.5), ("early", 4.5), ("late", 4.5), ("future", 6.0)]
