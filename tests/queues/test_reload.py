"""Other rules on a floor at work: calls keep their places, what is void decides nothing."""

from __future__ import annotations

from queues.floor import Floor
from queues.rules import AgentRules, QueueRules
from tests.queues.floors import (
    Watched,
    offers,
    order_of,
    overflows,
    picture,
    rules,
    withdrawn,
)

ONE = {"ann": AgentRules({"main": 1, "vip": 1})}
TWO_QUEUES = {"main": QueueRules(), "vip": QueueRules(rank=3, target_s=10.0)}


def test_a_reload_keeps_places_and_takes_effect_at_once() -> None:
    watched = Watched(rules(agents={}))
    for number in range(3):
        watched.enqueue(f"c{number}", "main", 1.0 + number)
    effects = watched.reload(rules({"main": QueueRules(target_s=60.0)}, ONE), 10.0)
    assert effects == []
    assert [watched.position(f"c{n}") for n in range(3)] == [1, 2, 3]
    assert order_of(watched, now=11.0) == ["c0", "c1", "c2"]


def test_a_reload_moves_on_the_calls_of_a_queue_that_is_gone() -> None:
    queues = {"main": QueueRules(), "vip": QueueRules(overflow="voicemail")}
    watched = Watched(rules(queues, ONE), staffed=True)
    watched.enqueue("c1", "vip", 1.0)
    watched.enqueue("c2", "vip", 2.0)
    watched.enqueue("c3", "main", 3.0)
    effects = watched.reload(rules(agents={"ann": AgentRules({"main": 1})}), 4.0)
    assert withdrawn(effects) == [("c1", "ann")]
    assert overflows(effects) == [
        ("c1", "voicemail", "queue removed"),
        ("c2", "voicemail", "queue removed"),
    ]
    assert offers(effects) == [("c3", "ann")]


def test_an_agent_who_is_gone_finishes_the_talk_first() -> None:
    watched = Watched(rules(agents=ONE), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    watched.accept("ann", 1, 2.0)
    watched.reload(rules(agents={}), 3.0)
    assert watched.presence("ann") == "talking"
    watched.finished("ann", 60.0)
    watched.tick(100.0)
    assert watched.agents() == []


def test_nothing_is_decided_by_rules_that_are_void() -> None:
    """A wrap-up and a reload at one instant: the agent does not serve the queue any more."""
    watched = Watched(rules(agents=ONE), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    watched.accept("ann", 1, 2.0)
    watched.finished("ann", 10.0)
    watched.enqueue("c2", "main", 11.0)
    due = watched.floor.next_deadline
    assert due == 20.0
    effects = watched.reload(rules(agents={"ann": AgentRules({"vip": 1})}), due)
    assert offers(effects) == []
    assert watched.presence("ann") == "available"
    assert watched.ringing() == {}


def test_a_reload_that_takes_the_agent_away_in_mid_offer_is_told_by_its_facts() -> None:
    """The call needs a skill; who is rung for it goes, and the other one loses the skill. The
    facts alone lead to the same floor, whether the rules came with them or were there before."""
    english = {
        name: AgentRules({"main": level}, {"en": 1}) for level, name in ((1, "ann"), (2, "bob"))
    }
    old, new = rules(agents=english), rules(agents={"bob": AgentRules({"main": 2})})
    watched, followed, restarted = Watched(old), Floor(old), Floor(new)
    for name in english:
        watched.staff(name, 0.0)
    watched.enqueue("c1", "main", 1.0, skills={"en": 1})
    assert watched.ringing() == {"c1": "ann"}
    before = len(watched.facts)
    effects = watched.reload(new, 2.0)
    assert withdrawn(effects) == [("c1", "ann")]
    assert offers(effects) == []
    for at, call, event in watched.facts[:before]:
        followed.apply(call, event, at)
    followed._desk.state.adopt(new)
    for at, call, event in watched.facts[before:]:
        followed.apply(call, event, at)
    for at, call, event in watched.facts:
        restarted.apply(call, event, at)
    assert picture(followed) == picture(restarted) == picture(watched.floor)
    assert followed.tick(2.0) == restarted.tick(2.0) == []


def test_a_floor_fed_facts_decides_its_first_match_by_the_rules_of_a_reload() -> None:
    """A restart and a reload before the first tick: the facts left a call that the old rules
    would offer, the new ones do not."""
    english = {"ann": AgentRules({"main": 1}, {"en": 1})}
    old, new = rules(agents=english), rules(agents={"ann": AgentRules({"main": 1})})
    alone, staffed = Watched(old), Watched(old, staffed=True)
    alone.enqueue("c1", "main", 1.0, skills={"en": 1})
    floor = Floor(old)
    for at, call, event in staffed.facts + alone.facts:
        floor.apply(call, event, at)
    assert floor.reload(new, 2.0) == []


def test_a_call_of_an_unknown_queue_in_the_log_is_moved_on_by_the_first_tick() -> None:
    old = Watched(rules(TWO_QUEUES, ONE))
    old.enqueue("c1", "vip", 1.0)
    new = Floor(rules(agents=ONE))
    for at, call, event in old.facts:
        new.apply(call, event, at)
    assert overflows(new.tick(5000.0))[0][0] == "c1"
    assert new.waiting() == []
