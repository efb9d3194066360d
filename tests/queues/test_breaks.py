"""Named breaks with their limits, and wrap-up that is extended."""

from __future__ import annotations

import pytest

from config.errors import MisuseError
from queues.events import AgentPresence, BreakOverrun
from queues.offers import BreakRefused, Effect
from queues.rules import AgentRules, BreakRules, QueueRules
from tests.queues.floors import Watched, events, offers, rules

BREAKS = {"lunch": BreakRules(limit_s=1800.0, agents_max=1), "tea": BreakRules()}
TEAM = {name: AgentRules({"main": 1}) for name in ("ann", "bob", "cid")}


def team() -> Watched:
    return Watched(rules(None, TEAM, breaks=BREAKS), staffed=True)


def refused(effects: list[Effect]) -> list[BreakRefused]:
    return [effect for effect in effects if isinstance(effect, BreakRefused)]


def test_a_break_that_is_not_named_is_refused_with_those_there_are() -> None:
    watched = team()
    (refusal,) = refused(watched.take_break("ann", 10.0, "football"))
    assert refusal.why == "there is no break 'football'; there is lunch, tea"
    assert watched.presence("ann") == "available"


def test_without_names_any_word_is_a_break() -> None:
    watched = Watched(rules(), staffed=True)
    assert refused(watched.take_break("ann", 10.0, "football")) == []
    assert watched.presence("ann") == "on-break"


def test_as_many_as_may_have_it_at_once() -> None:
    watched = team()
    watched.take_break("ann", 10.0, "lunch")
    (refusal,) = refused(watched.take_break("bob", 11.0, "lunch"))
    assert refusal.why == "1 of at most 1 are on the break 'lunch' already"
    assert refused(watched.take_break("bob", 12.0, "tea")) == []
    watched.ready("ann", 13.0)
    assert refused(watched.take_break("bob", 14.0, "lunch")) == []


def test_who_asked_while_talking_counts_too() -> None:
    watched = team()
    watched.enqueue("c1", "main", 10.0)
    watched.accept("ann", 1, 11.0)
    watched.take_break("ann", 12.0, "lunch")
    assert len(refused(watched.take_break("bob", 13.0, "lunch"))) == 1


def test_a_refused_break_does_not_stop_the_phone() -> None:
    watched = team()
    watched.enqueue("c1", "main", 10.0)
    assert len(refused(watched.take_break("ann", 11.0, "football"))) == 1
    assert watched.ringing() == {"c1": "ann"}


def test_what_phones_do_needs_no_name() -> None:
    watched = team()
    watched.enqueue("c1", "main", 10.0)
    watched.refuse("ann", 1, 11.0, "rung-out", "no answer")
    assert watched.agents()[0].reason == "did not answer"


def test_a_break_beyond_its_limit_is_told_once_and_goes_on() -> None:
    watched = team()
    (fact,) = events(watched.take_break("ann", 10.0, "lunch"), AgentPresence)
    assert fact.until == 1810.0
    assert watched.next_deadline == 1810.0
    assert events(watched.tick(1810.0), BreakOverrun) == [BreakOverrun("ann", "lunch")]
    assert watched.presence("ann") == "on-break"
    assert watched.next_deadline is None
    assert events(watched.reload(rules(None, TEAM, breaks=BREAKS), 1900.0), BreakOverrun) == []


def test_a_break_that_follows_the_wrap_up_has_its_limit_from_there() -> None:
    watched = team()
    watched.enqueue("c1", "main", 10.0)
    watched.accept("ann", 1, 11.0)
    watched.take_break("ann", 12.0, "lunch")
    watched.finished("ann", 20.0)
    watched.tick(30.0)
    assert (watched.agents()[0].presence, watched.agents()[0].until) == ("on-break", 1830.0)


def test_an_own_call_in_the_break_does_not_eat_it_up() -> None:
    watched = team()
    watched.take_break("ann", 10.0, "lunch")
    watched.busy("ann", 100.0, "own call")
    watched.free("ann", 400.0)
    view = watched.agents()[0]
    assert (view.presence, view.reason, view.until) == ("on-break", "lunch", 2110.0)


def in_wrap_up(**settings: float) -> Watched:
    queue = QueueRules(wrap_up_s=10.0, **settings)
    watched = Watched(rules({"main": queue}, {"ann": AgentRules({"main": 1})}), staffed=True)
    watched.enqueue("c1", "main", 1.0)
    watched.accept("ann", 1, 2.0)
    watched.finished("ann", 100.0)
    watched.enqueue("c2", "main", 101.0)
    return watched


def test_wrap_up_is_extended_up_to_the_queue_s_limit() -> None:
    watched = in_wrap_up(wrap_up_max_s=60.0)
    (fact,) = events(watched.extend_wrap_up("ann", 30.0, 105.0), AgentPresence)
    assert (fact.presence, fact.until) == ("wrap-up", 140.0)
    assert offers(watched.tick(139.0)) == []
    watched.extend_wrap_up("ann", 300.0, 139.0)
    assert watched.agents()[0].until == 160.0
    assert watched.extend_wrap_up("ann", 1.0, 150.0) == []
    assert offers(watched.tick(160.0)) == [("c2", "ann")]


def test_wrap_up_ends_when_the_agent_says_so() -> None:
    watched = in_wrap_up()
    watched.extend_wrap_up("ann", 100.0, 105.0)
    assert offers(watched.end_wrap_up("ann", 106.0)) == [("c2", "ann")]
    assert watched.extend_wrap_up("ann", 100.0, 107.0) == []


def test_wrap_up_is_not_shortened_this_way() -> None:
    watched = in_wrap_up()
    with pytest.raises(MisuseError):
        watched.extend_wrap_up("ann", -5.0, 105.0)
    with pytest.raises(MisuseError):
        watched.extend_wrap_up("nobody", 5.0, 105.0)
