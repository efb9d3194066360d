"""A call on hold: who is silent is asked, who is dead does not keep the other."""

from __future__ import annotations

from router import effects as do
from router import events as facts
from router import inputs as on
from tests.router.stories import Story


def test_a_silent_holder_is_asked() -> None:
    story = Story().wait()
    leg = story.talk()
    story.feed(on.LegHeld(leg), 5.0)
    assert story.feed(on.MediaLost(leg), 15.0) == [do.Probe(leg)]
    assert story.call.phase == "talking"


def test_a_dead_holder_gives_the_caller_back_to_the_queue() -> None:
    story = Story().wait()
    leg = story.talk()
    story.feed(on.LegHeld(leg), 5.0)
    story.feed(on.MediaLost(leg), 15.0)
    story.feed(on.LegGone(leg, "lost", "no answer to a re-INVITE"), 32.0)
    assert story.facts(facts.AgentLost)[0].agent == "anna"
    assert story.of(do.EnterQueue)[-1] == do.EnterQueue("support", head=True)


def test_a_dead_caller_who_held_ends_the_call() -> None:
    story = Story().wait()
    story.talk()
    story.feed(on.LegHeld("in"), 5.0)
    assert story.feed(on.MediaLost("in"), 15.0) == [do.Probe("in")]
    story.feed(on.LegGone("in", "lost", "no answer to a re-INVITE"), 32.0)
    assert story.outcome == "dropped"
