"""Waiting widens who may answer: levels, skills, the one agent who knows the caller."""

from __future__ import annotations

from queues.events import CallQueued, CallWidened, OfferMade
from queues.rules import AgentRules, QueueRules, Widening, personal_queue
from tests.queues.floors import Watched, events, offers, overflows, rules

STEPS = (
    Widening(0.0, 1),
    Widening(30.0, 2),
    Widening(60.0, 3, frozenset({"ru"})),
)
LEVELS = {
    "first": AgentRules({"main": 1}, {"ru": 1}),
    "second": AgentRules({"main": 2}, {"ru": 1}),
    "third": AgentRules({"main": 3}),
}


def stepped(*agents: str) -> Watched:
    watched = Watched(rules({"main": QueueRules(widening=STEPS, skills={"ru": 2})}, LEVELS))
    for agent in agents:
        watched.staff(agent, 1.0)
    return watched


def test_the_pool_widens_by_level_and_drops_skills_as_time_passes() -> None:
    watched = stepped("second", "third")
    watched.enqueue("c1", "main", 100.0)
    assert watched.ringing() == {}
    assert watched.next_deadline == 130.0
    effects = watched.tick(130.0)
    assert events(effects, CallWidened) == [CallWidened("main", {"ru": 2}, 2, "", 30.0)]
    assert offers(effects) == [("c1", "second")]
    watched = stepped("third")
    watched.enqueue("c1", "main", 100.0)
    watched.tick(130.0)
    effects = watched.tick(160.0)
    assert events(effects, CallWidened) == [CallWidened("main", {}, 3, "", 60.0)]
    assert offers(effects) == [("c1", "third")]


def test_a_late_tick_takes_all_steps_at_once() -> None:
    watched = stepped("third")
    watched.enqueue("c1", "main", 100.0)
    (widened,) = events(watched.tick(500.0), CallWidened)[:1]
    assert widened.level_max == 3


def test_who_waited_elsewhere_begins_where_the_wait_stands() -> None:
    watched = stepped()
    effects = watched.enqueue("c1", "main", 100.0, origin=65.0)
    assert events(effects, CallQueued)[0].level_max == 2
    assert watched.next_deadline == 125.0


def test_without_a_level_at_the_start_every_level_may_answer() -> None:
    steps = (Widening(30.0, 2), Widening(40.0, 0, frozenset({"ru"})))
    agents = {"third": AgentRules({"main": 3}, {"ru": 1})}
    watched = Watched(rules({"main": QueueRules(widening=steps, skills={"ru": 2})}, agents))
    watched.enqueue("c1", "main", 100.0)
    assert watched.waiting()[0].level_max == 0
    assert watched.next_deadline == 140.0  # a step that takes agents away is none


def test_a_reload_widens_and_never_narrows() -> None:
    watched = stepped()
    watched.enqueue("c1", "main", 100.0)
    watched.tick(130.0)
    narrow = QueueRules(widening=(Widening(0.0, 1),), skills={"ru": 1})
    watched.reload(rules({"main": narrow}, LEVELS), 131.0)
    assert watched.waiting()[0].level_max == 2
    assert watched.waiting()[0].skills == {"ru": 2}
    wide = QueueRules(widening=(Widening(0.0, 1), Widening(10.0, 3, frozenset({"ru"}))))
    effects = watched.reload(rules({"main": wide}, LEVELS), 132.0)
    assert events(effects, CallWidened) == [CallWidened("main", {}, 3, "", 32.0)]


STICKY = {"main": QueueRules(sticky_s=20.0)}


def test_the_agent_who_knows_the_caller_is_waited_for() -> None:
    watched = Watched(rules(STICKY), staffed=True)
    watched.enqueue("c0", "main", 1.0)
    assert watched.ringing() == {"c0": "ann"}
    watched.accept("ann", 1, 2.0)
    watched.enqueue("c1", "main", 3.0, sticky="ann")
    assert watched.ringing() == {}  # bob is ready, and does not know the caller
    assert watched.waiting()[0].only == "ann"
    watched.finished("ann", 5.0)
    assert offers(watched.end_wrap_up("ann", 6.0)) == [("c1", "ann")]


def test_not_longer_than_the_queue_says() -> None:
    watched = Watched(rules(STICKY), staffed=True)
    watched.busy("ann", 1.0, "own call")
    watched.enqueue("c1", "main", 3.0, sticky="ann")
    effects = watched.tick(23.0)
    assert events(effects, CallWidened) == [CallWidened("main", {}, 0, "", 20.0)]
    assert offers(effects) == [("c1", "bob")]


def test_nor_when_that_agent_goes() -> None:
    for leave in ("sign_out", "take_break"):
        watched = Watched(rules(STICKY), staffed=True)
        watched.enqueue("c0", "main", 1.0)
        watched.accept("ann", 1, 2.0)
        watched.enqueue("c1", "main", 3.0, sticky="ann")
        watched.finished("ann", 4.0)
        args = ("ann", 5.0) if leave == "sign_out" else ("ann", 5.0, "lunch")
        assert offers(getattr(watched, leave)(*args)) == [("c1", "bob")]


def test_who_refuses_the_caller_is_not_waited_for() -> None:
    watched = Watched(rules(STICKY), staffed=True)
    watched.enqueue("c1", "main", 3.0, sticky="bob")
    assert watched.ringing() == {"c1": "bob"}
    assert offers(watched.refuse("bob", 1, 5.0, "refused", "486")) == [("c1", "ann")]


def test_an_agent_who_is_away_or_cannot_is_not_waited_for_at_all() -> None:
    agents = {
        "ann": AgentRules({"main": 1}, {"ru": 1}),
        "bob": AgentRules({"main": 1}),
        "cid": AgentRules({"other": 1}, {"ru": 1}),
    }
    queues = STICKY | {"other": QueueRules()}
    watched = Watched(rules(queues, agents), staffed=True)
    watched.busy("ann", 1.0, "own call")
    for number, sticky in enumerate(["bob", "cid", "nobody"]):
        watched.enqueue(f"c{number}", "main", 2.0, sticky=sticky, skills={"ru": 1})
    watched.sign_out("ann", 3.0)
    watched.enqueue("c3", "main", 4.0, sticky="ann", skills={"ru": 1})
    assert {view.only for view in watched.waiting()} == {""}


def test_a_reload_that_takes_the_agent_off_the_queue_lets_anybody_answer() -> None:
    watched = Watched(rules(STICKY), staffed=True)
    watched.enqueue("c0", "main", 1.0)
    watched.accept("ann", 1, 2.0)
    watched.enqueue("c1", "main", 3.0, sticky="ann")
    new = {"ann": AgentRules({"other": 1}), "bob": AgentRules({"main": 1})}
    effects = watched.reload(rules(STICKY | {"other": QueueRules()}, new), 4.0)
    assert offers(effects) == [("c1", "bob")]


def test_a_personal_queue_is_answered_by_its_agent_alone() -> None:
    agents = {"ann": AgentRules({"main": 1}), "bob": AgentRules({"main": 1})}
    watched = Watched(rules(None, agents), staffed=True)
    watched.busy("ann", 1.0, "own call")
    watched.enqueue("c1", personal_queue("ann"), 2.0)
    assert watched.ringing() == {}
    effects = watched.free("ann", 5.0)
    assert offers(effects) == [("c1", "ann")]
    (made,) = events(effects, OfferMade)
    assert made.key[2] == 1  # main alone needs ann: personal queues do not count


def test_a_personal_queue_has_ways_out_of_its_own() -> None:
    watched = Watched(rules())
    watched.enqueue("c1", personal_queue("ann"), 2.0)
    assert [view.queue for view in watched.waiting()] == ["@ann"]
    assert overflows(watched.tick(122.0)) == [("c1", "voicemail", "waited too long")]
    assert watched.waiting() == []
