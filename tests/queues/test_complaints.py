"""What users of other call centres report about distribution, each shown not to happen here."""

from __future__ import annotations

from queues.events import QueueVisitEnded
from queues.figures.statistics import fold
from queues.floor import Floor
from queues.rules import AgentRules, QueueRules
from tests.queues.floors import Watched, events, offers, picture, rules, stale, unmatched
from tests.queues.test_statistics import Line


def test_two_agents_never_get_one_call() -> None:
    """asterisk/asterisk#176, #1557, #313: the first rings out, both answer at once."""
    watched = Watched(rules(), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    watched.refuse("ann", 1, 16.0, "rung-out", "no answer")
    assert stale(watched.accept("ann", 1, 16.0)) == [("ann", 1)]
    assert stale(watched.accept("bob", 2, 16.0)) == []
    assert [view.agent for view in watched.agents() if view.presence == "talking"] == ["bob"]


def test_the_longest_waiting_call_never_stalls_the_rest() -> None:
    """asterisk/asterisk#1691: the head that nobody signed in can take holds up no one."""
    agents = {"ann": AgentRules({"main": 1}), "bob": AgentRules({"main": 1}, {"lv": 1})}
    watched = Watched(rules(agents=agents))
    watched.enqueue("needs-lv", "main", 0.0, skills={"lv": 1})
    watched.enqueue("c1", "main", 50.0)
    watched.enqueue("c2", "main", 51.0)
    assert offers(watched.staff("ann", 60.0)) == [("c1", "ann")]
    assert watched.position("needs-lv") == 1
    assert offers(watched.staff("bob", 61.0)) == [("needs-lv", "bob")]


def test_a_heavier_queue_does_not_block_agents_it_cannot_use() -> None:
    """asterisk/asterisk#1561."""
    queues = {"main": QueueRules(rank=5), "vip": QueueRules(rank=1, skills={"gold": 1})}
    agents = {"ann": AgentRules({"main": 1, "vip": 1}), "bob": AgentRules({"main": 1})}
    watched = Watched(rules(queues, agents))
    for number in range(10):
        watched.enqueue(f"vip-{number}", "vip", float(number))
    watched.enqueue("c1", "main", 20.0)
    watched.enqueue("c2", "main", 21.0)
    assert offers(watched.staff("ann", 30.0)) == [("c1", "ann")]
    assert offers(watched.staff("bob", 31.0)) == [("c2", "bob")]
    assert unmatched(watched.floor) == []


def test_priority_counts_across_queues() -> None:
    """asterisk/asterisk#1637; signalwire/freeswitch PR 1221."""
    queues = {"main": QueueRules(credit_s=10.0), "side": QueueRules(credit_s=10.0)}
    agents = {"ann": AgentRules({"main": 1, "side": 1})}
    watched = Watched(rules(queues, agents))
    watched.enqueue("plain", "main", 0.0)
    watched.enqueue("important", "side", 5.0, priority=1)
    assert offers(watched.staff("ann", 10.0)) == [("important", "ann")]


def test_no_agent_is_stuck_when_the_phone_says_nothing() -> None:
    """signalwire/freeswitch#1973, #2540, #2529, #1062; OpenSIPS/opensips#2530, #3123."""
    watched = Watched(rules(), staffed=True)
    watched.enqueue("c1", "main", 0.0)
    watched.tick(60.0)
    assert watched.presence("ann") == "on-break"
    watched.accept("bob", 2, 61.0)
    watched.finished("bob", 70.0)
    watched.tick(80.0)
    assert watched.presence("bob") == "available"
    watched.ready("ann", 81.0)
    assert watched.presence("ann") == "available"
    assert watched.next_deadline is None


def test_each_call_is_counted_once_and_answered_is_answered() -> None:
    """asterisk/asterisk#1736; IssabelFoundation/callcenter#41: refused offers, a lost agent and
    a hang-up after the talk leave one visit, answered."""
    watched = Watched(rules(), staffed=True)
    watched.enqueue("c1", "main", 0.0)
    watched.refuse("ann", 1, 5.0, "refused", "486")
    watched.accept("bob", 2, 8.0)
    watched.lost("bob", 60.0, "media timeout")
    watched.enqueue("c1", "main", 60.0, head=True)
    watched.ready("ann", 62.0)
    watched.accept("ann", 3, 65.0)
    watched.finished("ann", 90.0)
    assert watched.leave("c1", 90.0, "abandoned") == []
    log = [Line(seq, at, call, event) for seq, (at, call, event) in enumerate(watched.facts, 1)]
    tally = fold(log).figures(100.0).tally
    assert (tally.offered, tally.answered, tally.abandoned) == (1, 1, 0)
    assert tally.answer_wait_s == 8.0
    assert [e.returned for e in events(watched.effects, QueueVisitEnded)] == [False, True]


def test_wrap_up_is_not_cut_short() -> None:
    """asterisk/asterisk#1006: not by a waiting call, a tick, a reload or another queue's rules."""
    queues = {"main": QueueRules(wrap_up_s=30.0), "side": QueueRules(wrap_up_s=0.0)}
    agents = {"ann": AgentRules({"main": 1, "side": 1})}
    watched = Watched(rules(queues, agents), staffed=True)
    watched.enqueue("c1", "main", 0.0)
    watched.accept("ann", 1, 1.0)
    watched.finished("ann", 10.0)
    watched.enqueue("c2", "side", 11.0, priority=9)
    watched.tick(39.9)
    watched.reload(rules(queues, agents), 39.9)
    watched.set_reachable("ann", False, 39.9)
    watched.set_reachable("ann", True, 39.9)
    assert watched.presence("ann") == "wrap-up"
    assert offers(watched.tick(40.0)) == [("c2", "ann")]


def test_waiting_calls_survive_a_restart_in_their_places() -> None:
    """signalwire/freeswitch#1674: the facts alone give back the same floor."""
    watched = Watched(rules(), staffed=True)
    for number in range(6):
        watched.enqueue(f"c{number}", "main", float(number), priority=number % 2)
    watched.refuse("ann", 1, 10.0, "refused", "486")
    restored = Floor(rules())
    for at, call, event in watched.facts:
        restored.apply(call, event, at)
    assert picture(restored) == picture(watched.floor)
    assert restored.tick(11.0) == watched.tick(11.0)
    assert restored.ready("ann", 12.0) == watched.ready("ann", 12.0)


def test_callbacks_do_not_overtake_people_who_wait() -> None:
    """FreePBX/issue-tracker#621; fusionpbx/fusionpbx#1322: the place that a callback keeps is
    not before those who came earlier, and a missed attempt holds up nobody who came later."""
    watched = Watched(rules(agents={"ann": AgentRules({"main": 1})}))
    watched.enqueue("earlier", "main", 10.0)
    watched.enqueue("callback", "main", 20.0)
    watched.request_callback("callback", "main", 25.0, number="100")
    watched.enqueue("later", "main", 30.0)
    watched.enqueue("latest", "main", 40.0)
    assert offers(watched.staff("ann", 50.0)) == [("earlier", "ann")]
    watched.accept("ann", 1, 51.0)
    watched.finished("ann", 60.0)
    watched.end_wrap_up("ann", 61.0)
    assert watched.presence("ann") == "reserved"
    effects = watched.callback_missed("callback", 2, 80.0, "no answer")
    assert offers(effects) == [("later", "ann")]
    watched.accept("ann", 3, 81.0)
    watched.tick(380.0)  # the callback is due again, at its old place
    assert [view.call for view in watched.waiting()] == ["callback", "latest"]


def test_callbacks_and_kept_places_survive_a_restart() -> None:
    """signalwire/freeswitch#1674: so do those who do not hold the line."""
    watched = Watched(rules(agents={"ann": AgentRules({"main": 1})}))
    watched.enqueue("c1", "main", 10.0)
    watched.enqueue("c2", "main", 20.0, caller="100")
    watched.request_callback("c1", "main", 25.0, number="200")
    watched.staff("ann", 30.0)
    watched.callback_missed("c1", 1, 40.0, "busy")
    watched.leave("c2", 45.0, "abandoned")
    floor = Floor(rules(agents={"ann": AgentRules({"main": 1})}))
    for at, call, event in watched.facts:
        floor.apply(call, event, at)
    assert picture(floor) == picture(watched.floor)
    for now in (310.0, 340.0):  # promoted by the starvation bound, then due again
        assert floor.next_deadline == now
        assert floor.tick(now) == watched.tick(now) != []
    assert watched.presence("ann") == "reserved"


def test_every_way_out_of_the_queue_leaves_an_event() -> None:
    """jambonz/jambonz-feature-server#1363."""
    queues = {"main": QueueRules(wait_max_s=100.0)}
    watched = Watched(rules(queues))
    for call in ("abandons", "wants-callback", "removed", "overflows", "answered"):
        watched.enqueue(call, "main", 0.0)
    watched.leave("abandons", 1.0, "abandoned")
    watched.leave("wants-callback", 2.0, "callback-requested")
    watched.leave("removed", 3.0, "removed")
    watched.leave("overflows", 4.0, "overflowed")
    watched.staff("ann", 5.0)
    watched.accept("ann", 1, 6.0)
    ends = [
        (e.call, e.event.end)
        for e in watched.effects
        if hasattr(e, "event") and isinstance(e.event, QueueVisitEnded)
    ]
    assert ends == [
        ("abandons", "abandoned"),
        ("wants-callback", "callback-requested"),
        ("removed", "removed"),
        ("overflows", "overflowed"),
        ("answered", "connected"),
    ]


def test_an_agent_dropping_out_does_not_drop_the_caller() -> None:
    """The caller returns to the head, before all who wait, and the visit goes on."""
    watched = Watched(rules(), staffed=True)
    watched.take_break("bob", 0.0, "lunch")
    watched.enqueue("c1", "main", 0.0)
    watched.accept("ann", 1, 1.0)
    for number in range(5):
        watched.enqueue(f"w{number}", "main", 10.0 + number, priority=9)
    watched.lost("ann", 30.0, "media timeout")
    watched.enqueue("c1", "main", 30.0, head=True)
    assert watched.position("c1") == 1
    assert offers(watched.ready("bob", 31.0)) == [("c1", "bob")]
