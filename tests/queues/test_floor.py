"""The floor's rules one by one: order of calls, order of agents, bounds, live changes."""

from __future__ import annotations

from typing import Any

import pytest

from config.errors import MisuseError
from config.settings import AgentSettings, QueueSettings, Settings
from queues.events import CallPromoted, OfferEnded, OfferMade, QueueVisitEnded
from queues.rules import AgentRules, FloorRules, QueueRules, from_settings
from tests.queues.floors import (
    Watched,
    events,
    offers,
    order_of,
    overflows,
    picture,
    rules,
    withdrawn,
)

ONE = {"ann": AgentRules({"main": 1, "vip": 1})}
TWO_QUEUES = {"main": QueueRules(), "vip": QueueRules(rank=3, target_s=10.0)}


def test_the_earlier_deadline_goes_first_and_ties_go_by_arrival() -> None:
    watched = Watched(rules(TWO_QUEUES | {"vip": QueueRules(target_s=10.0)}, ONE))
    watched.enqueue("main-0", "main", 0.0)
    watched.enqueue("vip-5", "vip", 5.0)
    watched.enqueue("main-5", "main", 5.0)
    watched.enqueue("main-5-too", "main", 5.0)
    assert order_of(watched, now=50.0) == ["vip-5", "main-0", "main-5", "main-5-too"]


def test_a_point_of_priority_buys_seconds_not_the_head() -> None:
    watched = Watched(rules({"main": QueueRules(credit_s=5.0)}, ONE))
    watched.enqueue("patient", "main", 0.0)
    watched.enqueue("important", "main", 9.0, priority=2)
    watched.enqueue("late", "main", 11.0, priority=2)
    assert order_of(watched, now=20.0) == ["important", "patient", "late"]


def test_classes_are_strict_until_the_starvation_bound() -> None:
    watched = Watched(rules(TWO_QUEUES, ONE, starvation_s=300.0))
    watched.enqueue("old", "main", 0.0)
    watched.enqueue("vip", "vip", 290.0)
    assert order_of(watched, now=299.0) == ["vip", "old"]

    watched = Watched(rules(TWO_QUEUES, ONE, starvation_s=300.0))
    watched.enqueue("old", "main", 0.0)
    watched.enqueue("vip", "vip", 290.0)
    (promoted,) = events(watched.tick(300.0), CallPromoted)
    assert promoted == CallPromoted("main", 300.0)
    assert order_of(watched, now=301.0) == ["old", "vip"]


def test_nobody_overtakes_an_emergency() -> None:
    watched = Watched(rules(TWO_QUEUES, ONE, starvation_s=30.0))
    watched.enqueue("starved", "main", 0.0)
    watched.enqueue("returned", "main", 1.0, head=True)
    watched.enqueue("emergency", "main", 100.0, rank=0)
    assert order_of(watched, now=101.0) == ["emergency", "returned", "starved"]


def test_nobody_starves_beside_an_endless_better_class() -> None:
    """Better calls come faster than one agent works; the old call still gets its turn."""
    watched = Watched(rules(TWO_QUEUES, ONE, starvation_s=60.0), staffed=True)
    watched.enqueue("vip-0", "vip", 0.0)
    watched.enqueue("old", "main", 0.0)
    for second in range(1, 100):
        now = float(second)
        watched.enqueue(f"vip-{second}", "vip", now)
        if second % 2 == 0:
            watched.accept("ann", watched.fence("ann"), now)
            watched.finished("ann", now)
            watched.end_wrap_up("ann", now)
        if "old" in watched.ringing():
            break
    assert watched.ringing() == {"old": "ann"}
    assert 60 <= second <= 64


def test_the_best_level_is_rung_then_the_longest_idle_then_the_least_needed() -> None:
    agents = {
        "expert": AgentRules({"main": 1}),
        "idle-long": AgentRules({"main": 2}),
        "idle-short": AgentRules({"main": 2}),
        "needed": AgentRules({"main": 3, "vip": 1}),
        "z-spare": AgentRules({"main": 3}),
    }
    watched = Watched(rules(TWO_QUEUES, agents))
    watched.staff("idle-long", 0.0)
    watched.staff("idle-short", 30.0)
    for agent in ("needed", "z-spare", "expert"):
        watched.staff(agent, 50.0)
    for number in range(5):
        watched.enqueue(f"c{number}", "main", 60.0 + number)
    assert [agent for _, agent in offers(watched.effects)] == [
        "expert",
        "idle-long",
        "idle-short",
        "z-spare",
        "needed",
    ]


def test_skills_are_required_at_the_stricter_of_two_levels() -> None:
    agents = {
        "weak": AgentRules({"main": 1}, {"ru": 3}),
        "fair": AgentRules({"main": 2}, {"ru": 2}),
        "none": AgentRules({"main": 1}),
    }
    watched = Watched(rules({"main": QueueRules(skills={"ru": 2})}, agents), staffed=True)
    effects = watched.enqueue("c1", "main", 1.0, skills={"ru": 3})
    assert offers(effects) == [("c1", "fair")]
    assert offers(watched.enqueue("c2", "main", 2.0)) == []


def test_an_offer_tells_why() -> None:
    agents = {f"a{n}": AgentRules({"main": n}) for n in range(1, 9)} | {
        "away": AgentRules({"main": 1}),
        "lunch": AgentRules({"main": 1}),
        "no-phone": AgentRules({"main": 1}),
        "other": AgentRules({"vip": 1}),
        "picky": AgentRules({"main": 1}, {"lv": 1}),
    }
    watched = Watched(rules(TWO_QUEUES, agents))
    for agent in [f"a{n}" for n in range(1, 9)] + ["lunch", "picky", "other"]:
        watched.staff(agent, 0.0)
    watched.take_break("lunch", 1.0, "lunch")
    watched.sign_in("no-phone", 1.0)
    watched.enqueue("c0", "main", 2.0, skills={"lv": 1})
    version = watched.version + 1  # the arrival itself
    (made,) = events(watched.enqueue("c1", "main", 12.0), OfferMade)
    assert made.agent == "a1"
    assert made.key == (1, 0.0, 0)
    assert [agent for agent, _ in made.runners_up] == ["a2", "a3", "a4", "a5", "a6"]
    assert made.runners_up[0][1] == (2, 0.0, 0)
    assert made.excluded == {"no phone": 1, "offered": 1, "on-break": 1, "signed-out": 1}
    assert made.floor_version == version
    (made,) = [made for made in events(watched.effects, OfferMade) if made.agent == "picky"]
    assert made.excluded["skills"] == 8


def test_a_refused_call_keeps_its_place_and_the_agent_goes_on_break() -> None:
    watched = Watched(rules(agents=ONE), staffed=True)
    for number in range(3):
        watched.enqueue(f"c{number}", "main", 1.0 + number)
    assert [watched.position(f"c{n}") for n in range(3)] == [1, 2, 3]
    effects = watched.refuse("ann", 1, 20.0, "rung-out", "no answer")
    assert offers(effects) == []
    assert [watched.position(f"c{n}") for n in range(3)] == [1, 2, 3]
    assert watched.agents()[0].reason == "did not answer"
    assert offers(watched.ready("ann", 30.0)) == [("c0", "ann")]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("refused", "refused"),
        ("rung-out", "did not answer"),
        ("unreachable", "phone unreachable"),
    ],
)
def test_the_reason_of_the_break_tells_what_the_phone_did(end: Any, reason: str) -> None:
    watched = Watched(rules(), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    effects = watched.refuse("ann", 1, 2.0, end, "486")
    assert watched.agents()[0].reason == reason
    assert events(effects, OfferEnded)[0].cause == "486"
    assert offers(effects) == [("c1", "bob")]


def test_a_phone_that_is_gone_is_not_rung_and_comes_back_by_itself() -> None:
    watched = Watched(rules(agents=ONE), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    assert withdrawn(watched.set_reachable("ann", False, 2.0)) == [("c1", "ann")]
    assert watched.presence("ann") == "available"
    assert offers(watched.enqueue("c2", "main", 3.0)) == []
    assert offers(watched.set_reachable("ann", True, 4.0)) == [("c1", "ann")]


def test_a_withdrawn_offer_does_not_cost_the_agent_the_turn() -> None:
    watched = Watched(rules())
    watched.staff("ann", 0.0)
    watched.staff("bob", 30.0)
    watched.enqueue("c1", "main", 100.0)
    watched.leave("c1", 110.0, "abandoned")
    assert offers(watched.enqueue("c2", "main", 120.0)) == [("c2", "ann")]


def test_waiting_too_long_overflows_by_the_queue_s_policy() -> None:
    watched = Watched(rules({"main": QueueRules(wait_max_s=60.0, overflow="voicemail")}))
    watched.enqueue("c1", "main", 0.0)
    assert watched.next_deadline == 60.0
    assert watched.tick(59.9) == []
    effects = watched.tick(60.0)
    assert overflows(effects) == [("c1", "voicemail", "waited too long")]
    (ended,) = events(effects, QueueVisitEnded)
    assert (ended.end, ended.waited_s) == ("overflowed", 60.0)
    assert watched.next_deadline is None


def test_a_call_that_rings_is_not_overflowed_but_goes_when_the_ringing_failed() -> None:
    watched = Watched(rules({"main": QueueRules(wait_max_s=60.0)}, ONE))
    watched.enqueue("c1", "main", 0.0)
    watched.staff("ann", 58.0)
    assert overflows(watched.tick(65.0)) == []
    effects = watched.refuse("ann", 1, 70.0, "rung-out", "no answer")
    assert overflows(effects) == [("c1", "callback", "waited too long")]


def test_an_agent_free_before_the_wait_ran_out_takes_the_call_though_the_tick_is_late() -> None:
    watched = Watched(rules({"main": QueueRules(wait_max_s=60.0, wrap_up_s=10.0)}, ONE))
    watched.staff("ann", 0.0)
    watched.enqueue("c1", "main", 1.0)
    watched.accept("ann", 1, 2.0)
    watched.enqueue("c2", "main", 5.0)
    watched.finished("ann", 54.0)
    effects = watched.tick(66.0)
    assert offers(effects) == [("c2", "ann")]
    assert overflows(effects) == []


def test_a_full_floor_says_so_and_counts_the_visit() -> None:
    watched = Watched(rules(waiting_max=2))
    watched.enqueue("c1", "main", 0.0)
    watched.enqueue("c2", "main", 0.0)
    effects = watched.enqueue("c3", "main", 1.0)
    assert overflows(effects) == [("c3", "callback", "floor full")]
    assert [e.end for e in events(effects, QueueVisitEnded)] == ["overflowed"]
    assert len(watched.waiting()) == 2
    assert overflows(watched.enqueue("lost", "main", 2.0, head=True)) == []


def test_a_full_floor_still_serves_whom_an_agent_is_ready_for() -> None:
    agents = {"ann": AgentRules({"vip": 1})}
    watched = Watched(rules(TWO_QUEUES, agents, waiting_max=1), staffed=True)
    watched.enqueue("c1", "main", 0.0)
    effects = watched.enqueue("c2", "vip", 1.0)
    assert offers(effects) == [("c2", "ann")]
    assert overflows(effects) == []


def test_short_abandons_are_told_by_the_queue_s_threshold() -> None:
    watched = Watched(rules({"main": QueueRules(short_abandon_s=5.0)}))
    watched.enqueue("c1", "main", 0.0)
    watched.enqueue("c2", "main", 0.0)
    ends = [
        events(watched.leave(call, left, "abandoned"), QueueVisitEnded)[0]
        for call, left in (("c1", 4.9), ("c2", 5.0))
    ]
    assert [(end.short, end.waited_s) for end in ends] == [(True, 4.9), (False, 5.0)]


def test_misuse_is_told_and_changes_nothing() -> None:
    watched = Watched(rules(), staffed=True)
    watched.enqueue("c1", "main", 10.0)
    watched.accept("ann", 1, 11.0)
    watched.enqueue("c2", "main", 12.0)
    watched.take_break("bob", 13.0, "lunch")
    before = picture(watched.floor)
    wrong: list[tuple[str, tuple[object, ...]]] = [
        ("enqueue", ("c9", "nowhere", 14.0)),
        ("enqueue", ("c1", "main", 14.0)),  # talks
        ("enqueue", ("c2", "main", 14.0)),  # waits
        ("sign_in", ("nobody", 14.0)),
        ("leave", ("c2", 14.0, "connected")),
        ("tick", (1.0,)),
        ("position", ("c1",)),
    ]
    for name, args in wrong:
        with pytest.raises(MisuseError):
            getattr(watched.floor, name)(*args)
    with pytest.raises(MisuseError):
        watched.busy("ann", 14.0, "transfer", call="c2")
    assert picture(watched.floor) == before


def test_what_fell_due_is_not_lost_by_a_command_that_finds_nothing() -> None:
    watched = Watched(rules({"main": QueueRules(wait_max_s=60.0)}))
    watched.enqueue("c1", "main", 0.0)
    assert overflows(watched.leave("c1", 61.0, "abandoned")) == [
        ("c1", "callback", "waited too long")
    ]


def test_the_rules_are_the_configuration_s() -> None:
    settings = Settings(
        queues=(QueueSettings(name="main", target_s=30, rank=2, skills={"en": 2}),),
        agents=(AgentSettings(id="ann", name="Ann", extension="101", queues={"main": 2}),),
    )
    taken = from_settings(settings)
    assert taken.queues["main"] == QueueRules(target_s=30, rank=2, skills={"en": 2})
    assert taken.agents == {"ann": AgentRules({"main": 2})}
    assert taken == FloorRules(taken.queues, taken.agents)
