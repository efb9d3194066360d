"""Who calls in a rehearsal."""

from __future__ import annotations

import math
import random
from functools import partial

import pytest

from queues.rehearsal.rehearsal_calls import (
    TALK_UNKNOWN_S,
    Caller,
    Expectation,
    PastCall,
    as_they_were,
    callers,
    mean_patience,
)


def stream(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed}/{name}")


def made(*forecast: Expectation, seed: int = 1) -> list[Caller]:
    return list(callers(forecast, partial(stream, seed)))


def test_as_many_as_expected_as_long_as_expected() -> None:
    found = made(Expectation("main", 1000.0, 3600.0, 20_000, 180.0, 60.0))
    assert len(found) == pytest.approx(20_000, abs=500)
    assert all(1000.0 <= caller.at < 4600.0 for caller in found)
    assert [caller.at for caller in found] == sorted(caller.at for caller in found)
    assert math.fsum(c.talk_s for c in found) / len(found) == pytest.approx(180, rel=0.03)
    assert math.fsum(c.patience_s for c in found) / len(found) == pytest.approx(60, rel=0.03)
    assert math.fsum(c.at for c in found) / len(found) == pytest.approx(2800, rel=0.01)


def test_each_interval_has_its_own_rate() -> None:
    found = made(
        Expectation("main", 0.0, 900.0, 4_000, 100.0),
        Expectation("main", 900.0, 900.0, 0, 100.0),
        Expectation("main", 1800.0, 900.0, 1_000, 100.0),
    )
    counts = [sum(start <= c.at < start + 900 for c in found) for start in (0, 900, 1800)]
    assert counts[0] == pytest.approx(4_000, abs=250)
    assert counts[1] == 0
    assert counts[2] == pytest.approx(1_000, abs=130)
    assert all(caller.patience_s == math.inf for caller in found)


def test_the_seed_and_the_queue_make_the_callers_and_nothing_else() -> None:
    support = Expectation("support", 0.0, 3600.0, 50, 180.0, 60.0)
    sales = Expectation("sales", 0.0, 3600.0, 50, 180.0, 60.0)
    alone = made(support)
    together = [caller for caller in made(sales, support) if caller.queue == "support"]
    assert alone == together
    assert made(support) == alone
    assert made(support, seed=2) != alone
    longer = made(Expectation("support", 0.0, 3600.0, 50, 360.0, 60.0))
    assert [c.at for c in longer] == [c.at for c in alone], "the same people with longer matters"
    assert [c.patience_s for c in longer] == [c.patience_s for c in alone]


def test_past_calls_come_again_as_they_were() -> None:
    past = [
        PastCall(10.0, "main", 5.0, 100.0, gave_up=False),
        PastCall(20.0, "main", 40.0, None, gave_up=True),
        PastCall(30.0, "main", 15.0, 300.0, gave_up=False),
    ]
    first, gone, last = as_they_were(past, partial(stream, 1))
    assert (first.at, first.queue, first.talk_s) == (10.0, "main", 100.0)
    assert first.patience_s > 5.0
    assert gone.patience_s == 40.0
    assert gone.talk_s in (100.0, 300.0), "a talk of the queue's"
    assert last.patience_s > 15.0
    assert mean_patience(past) == {"main": 60.0}, "60 s of waiting for one who gave up"


def test_where_nobody_gave_up_or_talked_nothing_is_known() -> None:
    answered = [PastCall(0.0, "main", 5.0, 100.0, gave_up=False)]
    assert mean_patience(answered) == {}
    assert as_they_were(answered, partial(stream, 1))[0].patience_s == math.inf
    silent = [PastCall(0.0, "main", 5.0, None, gave_up=True)]
    assert as_they_were(silent, partial(stream, 1))[0].talk_s == TALK_UNKNOWN_S
