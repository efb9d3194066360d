"""The lag of the event loop."""

from __future__ import annotations

from typing import Any, cast

from engine.liveness import EVERY_S, Liveness
from engine.timers import Timers
from tests.fakes import FakeLoop, HandClock


def test_the_lag_is_how_late_a_timer_fires() -> None:
    clock = HandClock()
    loop = FakeLoop(clock)
    timers = Timers(cast(Any, clock), cast(Any, loop))
    liveness = Liveness(timers, cast(Any, clock))
    liveness.start()
    loop.pass_time(2.0)
    assert liveness.lag_s == 0.0
    clock.at += EVERY_S + 0.3  # the loop was held up
    loop.pass_time(0.0)
    assert round(liveness.lag_s, 6) == 0.3
    loop.pass_time(3.0)
    assert liveness.lag_s == 0.0
    assert round(liveness.take_max(), 6) == 0.3, "a scrape between sees the worst"
    assert liveness.take_max() == 0.0
    liveness.close()
    assert len(timers) == 0
