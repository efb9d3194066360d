"""A rehearsed day: the production floor, everybody else played."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, get_args

import pytest

from config.errors import MisuseError
from queues.events import (
    AgentPresence,
    CallbackEnded,
    CallbackMissed,
    CallQueued,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
)
from queues.figures.statistics import Statistics
from queues.offers import Effect, Fact
from queues.rehearsal.rehearsal import MOVES_MAX, Manners, Rehearsal, Shift
from queues.rehearsal.rehearsal_calls import Caller, Expectation, callers
from queues.rehearsal.rehearsal_log import Entry
from queues.rules import AgentRules, CallbackRules, FloorRules, QueueRules
from tests.queues.floors import rules


class Log:
    """All entries of a run."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def of(self, kind: type) -> list[tuple[float, str, Any]]:
        return [(e.at, e.call, e.event) for e in self.entries if isinstance(e.event, kind)]

    def ends(self) -> dict[str, str]:
        """How each visit ended, by call."""
        return {e.call: e.event.end for e in self.entries if isinstance(e.event, QueueVisitEnded)}

    def outcomes(self) -> dict[str, str]:
        return {
            e.call: e.event.outcome for e in self.entries if type(e.event).__name__ == "CallEnded"
        }


def play(
    floor: FloorRules,
    coming: Sequence[Caller],
    *,
    shifts: Sequence[Shift] | None = None,
    manners: Manners | None = None,
    opens: float = 0.0,
) -> Log:
    log = Log()
    run = Rehearsal(floor, [log.entries.append], random.Random(1), manners)
    run.run(coming, shifts, opens)
    return log


ONE = {"ann": AgentRules({"main": 1})}


def test_a_call_from_arrival_to_the_end_of_wrap_up() -> None:
    log = play(rules(agents=ONE), [Caller(5.0, "main", 60.0)], manners=Manners())
    told = [(at, event.presence) for at, _, event in log.of(AgentPresence)]
    assert told == [
        (0.0, "available"),
        (5.0, "offered"),
        (5.0, "talking"),
        (65.0, "wrap-up"),
        (75.0, "available"),
        (75.0, "signed-out"),
    ]
    assert log.outcomes() == {"c1": "answered"}
    assert [entry.seq for entry in log.entries] == list(range(1, len(log.entries) + 1))


def test_who_waits_longer_than_the_patience_hangs_up() -> None:
    coming = [
        Caller(0.0, "main", 100.0),
        Caller(1.0, "main", 10.0, 30.0),
        Caller(2.0, "main", 10.0),
    ]
    log = play(rules(agents=ONE), coming)
    assert log.ends() == {"c1": "connected", "c2": "abandoned", "c3": "connected"}
    assert log.outcomes() == {"c1": "answered", "c2": "missed", "c3": "answered"}
    (gone,) = [at for at, call, _ in log.of(QueueVisitEnded) if call == "c2"]
    assert gone == 31.0


def test_a_caller_who_hangs_up_while_the_phone_rings_is_talked_to_by_nobody() -> None:
    coming = [Caller(0.0, "main", 100.0, patience_s=0.5)]
    log = play(rules(agents=ONE), coming, manners=Manners(answer_s=1e6))
    assert log.ends() == {"c1": "abandoned"}
    assert [event.end for _, _, event in log.of(OfferEnded)] == ["withdrawn"]


def test_phones_are_refused_and_left_to_ring() -> None:
    coming = [Caller(60.0 * n, "main", 5.0) for n in range(400)]
    floor = rules(agents={f"a{n}": AgentRules({"main": 1}) for n in range(5)})
    log = play(floor, coming, manners=Manners(answer_s=2.0, refused=0.2, rung_out=0.1))
    ends = Counter(event.end for _, _, event in log.of(OfferEnded))
    offers = sum(ends.values())
    assert ends["accepted"] == 400, "everybody was answered in the end"
    assert ends["refused"] / offers == pytest.approx(0.2, abs=0.06)
    assert ends["rung-out"] / offers == pytest.approx(0.1, abs=0.05)
    assert set(log.ends().values()) == {"connected"}


def test_agents_come_and_go_by_their_shifts() -> None:
    shifts = [Shift("ann", 100.0, 200.0), Shift("bob", 150.0, 400.0)]
    coming = [Caller(50.0, "main", 120.0), Caller(210.0, "main", 10.0)]
    log = play(rules(), coming, shifts=shifts)
    taken = [(at, event.agent) for at, _, event in log.of(OfferMade)]
    assert taken == [(100.0, "ann"), (210.0, "bob")]
    ended = {
        event.agent: at for at, _, event in log.of(AgentPresence) if event.presence == "signed-out"
    }
    assert ended == {"ann": 230.0, "bob": 400.0}, "the talk and its wrap-up first"


def test_overflow_goes_where_the_rules_say() -> None:
    floor = FloorRules(
        {
            "first": QueueRules(wait_max_s=20.0, overflow="queue:second"),
            "second": QueueRules(wait_max_s=60.0, overflow="voicemail"),
            "loop": QueueRules(wait_max_s=1.0, overflow="queue:loop"),
            "out": QueueRules(wait_max_s=1.0, overflow="number:+4930123"),
        },
        {"ann": AgentRules({"second": 1})},
    )
    coming = [
        Caller(0.0, "first", 500.0),
        Caller(1.0, "first", 5.0),
        Caller(2.0, "loop", 5.0),
        Caller(3.0, "out", 5.0),
    ]
    log = play(floor, coming)
    visits = Counter(call for _, call, _ in log.of(CallQueued))
    assert visits == {"c1": 2, "c2": 2, "c3": MOVES_MAX + 1, "c4": 1}
    assert log.outcomes() == {
        "c1": "answered",
        "c2": "voicemail",
        "c3": "missed",
        "c4": "overflowed",
    }


def callback_rules() -> FloorRules:
    queue = QueueRules(
        wait_max_s=600.0, callback=CallbackRules(attempts=2, retry_s=50.0, ring_s=20.0)
    )
    return FloorRules({"main": queue}, ONE)


def test_a_callback_keeps_the_place_and_is_dialled_when_its_turn_comes() -> None:
    coming = [
        Caller(0.0, "main", 200.0),
        Caller(1.0, "main", 30.0, fate=0.1),
        Caller(2.0, "main", 30.0),
    ]
    manners = Manners(callback_share=0.5, callback_after_s=60.0, callback_dial_s=8.0)
    log = play(callback_rules(), coming, manners=manners)
    assert log.ends()["c2"] == "callback-requested"
    ((at, call, ended),) = log.of(CallbackEnded)
    assert (at, call, ended.end) == (218.0, "c2", "connected")
    talks = [(at, call) for at, call, event in log.of(AgentPresence) if event.presence == "talking"]
    assert talks == [(0.0, "c1"), (218.0, "c2"), (258.0, "c3")]
    assert log.outcomes() == {"c1": "answered", "c2": "callback-requested", "c3": "answered"}


def test_a_callback_that_nobody_answers_ends() -> None:
    coming = [Caller(0.0, "main", 200.0), Caller(1.0, "main", 30.0, fate=0.1)]
    log = play(callback_rules(), coming, manners=Manners(callback_share=0.5, callback_missed=1.0))
    assert [at for at, _, _ in log.of(CallbackMissed)] == [230.0, 300.0]
    ((_, _, ended),) = log.of(CallbackEnded)
    assert ended.end == "gave-up"


def test_overflow_may_be_a_callback() -> None:
    floor = FloorRules({"main": QueueRules(wait_max_s=30.0, overflow="callback")}, ONE)
    coming = [Caller(0.0, "main", 100.0), Caller(1.0, "main", 30.0)]
    log = play(floor, coming)
    assert log.outcomes() == {"c1": "answered", "c2": "callback-requested"}
    ((_, call, ended),) = log.of(CallbackEnded)
    assert (call, ended.end) == ("c2", "connected")


def test_all_phones_of_a_ring_all_queue_ring_and_one_talks() -> None:
    floor = FloorRules(
        {"main": QueueRules(strategy="ring-all")},
        {f"a{n}": AgentRules({"main": 1}) for n in range(3)},
    )
    coming = [Caller(40.0 * n, "main", 5.0) for n in range(50)]
    log = play(floor, coming, manners=Manners(answer_s=4.0))
    ends = Counter(event.end for _, _, event in log.of(OfferEnded))
    assert ends["accepted"] == 50
    assert ends["withdrawn"] > 50
    assert len({event.agent for _, _, event in log.of(OfferMade)}) == 3


def test_every_effect_is_known_and_another_is_an_error() -> None:
    run = Rehearsal(rules(), [], random.Random(1))
    assert run._does.keys() | {Fact} == set(get_args(Effect))
    with pytest.raises(MisuseError, match="does not know the effect"):
        run._do([object()])  # type: ignore[list-item]


def busy_day(seed: int = 1, hours: float = 1.0) -> tuple[Statistics, Log, int]:
    floor = FloorRules(
        {
            "a": QueueRules(overflow="queue:b", wait_max_s=60.0),
            "b": QueueRules(strategy="ring-all", wait_max_s=200.0, overflow="callback"),
            "c": QueueRules(strategy="weighted-random", waiting_max=5, overflow="voicemail"),
        },
        {
            "u": AgentRules({"a": 1, "b": 2}),
            "v": AgentRules({"b": 1, "c": 1}),
            "w": AgentRules({"a": 1, "b": 1, "c": 2}),
        },
    )
    day = [Expectation(name, 0.0, hours * 3600, 30 * hours, 150.0, 200.0) for name in floor.queues]
    statistics, log = Statistics(), Log()
    manners = Manners(3.0, 0.05, 0.05, callback_share=0.3, callback_missed=0.3)
    run = Rehearsal(floor, [statistics.apply, log.entries.append], random.Random(seed), manners)
    run.run(callers(day, partial(stream, seed)), None, 0.0)
    return statistics, log, run.calls


def stream(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed}/{name}")


def test_the_same_seed_is_the_same_day_bit_by_bit() -> None:
    (_, first, _), (_, again, _), (_, other, _) = busy_day(), busy_day(), busy_day(2)
    assert first.entries == again.entries
    assert first.entries != other.entries


def test_every_visit_is_counted_once_and_ends() -> None:
    statistics, _, calls = busy_day(hours=4.0)
    total = statistics.figures(1e9)
    tally = total.tally
    assert tally.offered >= calls
    assert tally.offered == (
        tally.answered
        + tally.abandoned
        + tally.overflowed
        + tally.callback_requested
        + tally.removed
    )
    assert sum(statistics.outcomes.values()) == calls
    assert total.undecided == 0


def test_without_manners_no_chance_is_drawn() -> None:
    class Never:
        def random(self) -> float:
            raise AssertionError("nothing here is up to chance")

    run = Rehearsal(rules(), [], Never())
    run.run([Caller(0.0, "main", 5.0), Caller(1.0, "main", 5.0, math.inf, 0.0)], None, 0.0)
    assert run.calls == 2
