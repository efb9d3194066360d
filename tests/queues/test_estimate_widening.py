"""Estimates of calls that nobody may take yet, and somebody by a later step of widening."""

from __future__ import annotations

import pytest

from queues.rules import AgentRules, QueueRules, Widening
from tests.queues.floors import rules
from tests.queues.test_estimate import Desk

STEPS = (Widening(0.0, 1), Widening(60.0, 2), Widening(90.0, 0, frozenset({"german"})))


def desk(skills: dict[str, int] | None = None, agents: int = 1, **changes: object) -> Desk:
    """Agents of level 2 who speak no German; nobody of level 1."""
    queue = QueueRules(widening=STEPS, skills=skills or {}, **changes)  # type: ignore[arg-type]
    names = ("ann", "bob", "cid")[:agents]
    return Desk(rules({"main": queue}, {name: AgentRules({"main": 2}) for name in names}))


def test_it_takes_at_least_until_the_step_that_brings_staff() -> None:
    made = desk()
    made.calls("c1")
    told = made.of("c1")
    assert 60.0 <= told.low_s <= told.expected_s <= told.high_s < 90.0
    joining = made.joining()
    assert joining is not None
    assert joining.low_s >= 60.0
    made.wait(40.0)
    later = made.of("c1")
    assert 20.0 <= later.low_s <= later.high_s < 40.0


def test_the_first_step_that_brings_somebody_counts() -> None:
    """At a minute level 2 may answer, but without the skill only at a minute and a half."""
    made = desk({"german": 1})
    made.calls("c1")
    assert 90.0 <= made.of("c1").low_s <= made.of("c1").high_s < 130.0


def test_who_came_earlier_goes_first() -> None:
    made = desk()
    made.calls(*(f"c{number}" for number in range(8)))
    waits = [made.of(f"c{number}").expected_s for number in range(8)]
    assert waits == sorted(waits)
    assert waits[-1] > waits[0] + 600.0, "seven talks of three minutes, one agent"


def test_what_was_told_holds_when_the_step_comes() -> None:
    made = desk(agents=3).busy()
    made.calls("c1", "c2", "c3", "c4")
    told = {call: made.now + made.tell(call).high_s for call in ("c1", "c2", "c3", "c4")}
    for _ in range(70):
        made.wait(1.0)
        for call, high_at in told.items():
            estimate = made.estimates.of(call, made.now)
            if estimate is not None and estimate.raised is None:
                assert made.now + estimate.high_s <= high_at + 1.0
                told[call] = made.now + estimate.high_s


@pytest.mark.parametrize("agents", [0, 1])
def test_unknown_where_no_step_brings_anybody(agents: int) -> None:
    made = desk({"french": 1}, agents=agents)
    made.calls("c1")
    assert made.estimates.of("c1", made.now) is None
    assert made.joining() is None


def test_for_the_agent_who_knows_the_caller_and_then_by_a_later_step() -> None:
    """Ann alone may answer for half a minute and is in a long talk; the others from a minute on."""
    queue = QueueRules(sticky_s=30.0, widening=STEPS)
    agents = {"ann": AgentRules({"main": 1}), "bob": AgentRules({"main": 2})}
    made = Desk(rules({"main": queue}, agents))
    made.calls("c0")
    made.wait(4.0)
    made.answer()
    made.calls("c1", sticky="ann")
    made.do("take_break", "ann", end="lunch")
    told = made.of("c1")
    assert 55.0 <= told.low_s <= told.high_s < 100.0
