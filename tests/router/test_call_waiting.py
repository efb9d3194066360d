"""What a waiting caller hears, and when."""

from __future__ import annotations

import dataclasses

import pytest

from router import effects as do
from router import inputs as on
from tests.router.stories import CARE, Story

MESSAGES = dataclasses.replace(CARE, messages=("a.wav", "b.wav"), message_s=45.0)


def waiting(care: on.QueueCare) -> Story:
    story = Story()
    story.feed(on.LegUp("in"))
    story.feed(on.FlowQueues("support"))
    story.feed(on.Queued(care))
    story.feed(on.PlayDone("in", story.call.play), 4.0)
    return story


def messages(story: Story) -> list[object]:
    return [play.prompts[0] for play in story.of(do.Play)]


@pytest.mark.parametrize(("position", "wait"), [(True, False), (False, True)])
def test_the_queue_says_what_is_told(position: bool, wait: bool) -> None:
    care = dataclasses.replace(CARE, tells_position=position, tells_wait=wait)
    story = waiting(care)
    told = story.of(do.TellPosition)[0]
    assert (told.position, told.wait, told.greeting) == (position, wait, True)
    story.feed(on.TimerFired("announce"), 30.0)
    assert len(story.of(do.TellPosition)) == 2


def test_nothing_is_announced_where_nothing_is_told() -> None:
    """The welcome and the offer of a callback are still said, once."""
    story = waiting(dataclasses.replace(CARE, tells_position=False, tells_wait=False))
    assert len(story.of(do.TellPosition)) == 1
    assert story.of(do.SetTimer) == []


def test_messages_come_in_turn_with_music_between() -> None:
    story = waiting(MESSAGES)
    for _ in range(3):
        story.feed(on.TimerFired("message"), 45.0)
        assert story.of(do.SetTimer)[-1] == do.SetTimer("message", story.now + 45.0)
        story.feed(on.PlayDone("in", story.call.play), 3.0)
    assert messages(story) == ["a.wav", "b.wav", "a.wav"]
    assert all(play.then_music for play in story.of(do.Play))


def test_a_message_waits_for_the_end_of_an_announcement() -> None:
    story = waiting(MESSAGES)
    story.feed(on.TimerFired("announce"), 30.0)
    story.feed(on.TimerFired("message"), 2.0)
    assert messages(story) == []
    story.feed(on.PlayDone("in", story.call.play), 1.0)
    assert messages(story) == ["a.wav"]


def test_an_announcement_waits_for_the_end_of_a_message() -> None:
    story = waiting(MESSAGES)
    story.feed(on.TimerFired("message"), 20.0)
    told = len(story.of(do.TellPosition))
    story.feed(on.TimerFired("announce"), 2.0)
    assert len(story.of(do.TellPosition)) == told
    story.feed(on.PlayDone("in", story.call.play), 1.0)
    assert len(story.of(do.TellPosition)) == told + 1


@pytest.mark.parametrize("order", [("announce", "message"), ("message", "announce")])
def test_an_announcement_due_at_the_same_time_comes_first(order: tuple[str, str]) -> None:
    story = waiting(dataclasses.replace(MESSAGES, message_s=30.0))
    told = len(story.of(do.TellPosition))
    story.now = story.call.announce_at
    for name in order:
        story.feed(on.TimerFired(name))
    assert len(story.of(do.TellPosition)) == told + 1
    assert messages(story) == []
    story.feed(on.PlayDone("in", story.call.play), 3.0)
    assert messages(story) == ["a.wav"]


def test_nothing_begins_while_a_phone_rings() -> None:
    story = waiting(MESSAGES)
    story.offer()
    for name in ("announce", "message"):
        assert all(isinstance(effect, do.SetTimer) for effect in story.feed(on.TimerFired(name)))
    assert messages(story) == []


def test_what_became_due_is_dropped_when_a_phone_rings_by_then() -> None:
    story = waiting(MESSAGES)
    story.feed(on.TimerFired("announce"), 30.0)
    story.feed(on.TimerFired("message"))
    story.offer()
    story.feed(on.PlayDone("in", story.call.play), 3.0)
    assert messages(story) == []
    story.feed(on.TimerFired("ring-1"), 12.0)
    story.feed(on.PlayDone("in", story.call.play), 3.0)
    assert messages(story) == []


def test_a_report_that_never_comes_does_not_end_the_announcements() -> None:
    story = waiting(CARE)
    for _ in range(3):
        told = len(story.of(do.TellPosition))
        story.feed(on.TimerFired("announce"), 30.0)
        assert len(story.of(do.TellPosition)) == told + 1


def test_a_move_to_another_queue_is_told_with_its_care() -> None:
    story = waiting(MESSAGES)
    story.feed(on.Queued(on.QueueCare("sales", announce_s=10.0, language="ru")), 20.0)
    assert story.of(do.TellPosition)[-1].language == "ru"
    assert story.of(do.SetTimer)[-1] == do.SetTimer("announce", story.now + 10.0)
    assert story.feed(on.TimerFired("message")) == [], "the new queue has none"
