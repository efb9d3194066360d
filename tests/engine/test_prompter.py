"""Prompts: at once where they are there, music until they are rendered, nothing out of place."""

from __future__ import annotations

from typing import Any

import pytest

from engine.prompter import ivr_prompt
from ivr import actions as ivr
from router import effects as do
from router import inputs as on
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import Desk, description
from tests.fakes import turns_of_the_loop

HELLO = ivr.Speech("hello", "en")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def in_flow(desk: Desk) -> Any:
    """A call in the first announcement of its flow."""
    call = desk.call(dialled="37167000000")
    assert call.phase == "flow"
    return call


def plays(desk: Desk) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(play.files, play.then) for play in desk.workers.of(media.Play)]


def say(desk: Desk, call: Any, *prompts: object) -> None:
    desk.turns.feed(call.id, on.FlowSays(prompts))


def test_what_is_there_is_played_at_once(desk: Desk) -> None:
    call = in_flow(desk)
    (play,) = desk.workers.of(media.Play)
    assert (play.session, play.play) == ("in1", call.play)
    assert (play.files, play.then) == (("welcome.ulaw",), ()), "in a flow nothing follows"
    assert play.alone == ("music.ulaw",), "unless no engine is there to go on"
    assert play.stop_on_digit


async def test_a_prompt_that_is_not_ready_comes_when_it_is(desk: Desk) -> None:
    call = in_flow(desk)
    desk.prompts.slow.add(HELLO)
    before = len(plays(desk))
    say(desk, call, HELLO)
    await turns_of_the_loop()
    assert len(plays(desk)) == before
    await desk.prompts.render()
    last = desk.workers.of(media.Play)[-1]
    assert (last.play, last.files) == (call.play, ("hello.ulaw",))


async def test_music_plays_until_a_welcome_is_rendered(desk: Desk) -> None:
    call = in_flow(desk)
    desk.prompts.slow.add(HELLO)
    desk.turns.feed(call.id, on.FlowQueues("support", prompts=(HELLO,)))
    meanwhile = desk.workers.of(media.Play)[-1]
    assert (meanwhile.files, meanwhile.then) == ((), ("music.ulaw",))
    assert meanwhile.play != call.play
    await desk.prompts.render()
    last = desk.workers.of(media.Play)[-1]
    assert last.play == call.play
    assert last.files == ("hello.ulaw", "position-1.ulaw", "press-1-for-callback.ulaw")
    assert last.then == ("music.ulaw",)


def test_who_waits_for_nothing_more_hears_no_music(desk: Desk) -> None:
    call = in_flow(desk)
    desk.turns.feed(call.id, on.FlowEnds((ivr.Phrase("goodbye", "en"),), True, "done"))
    last = desk.workers.of(media.Play)[-1]
    assert (last.files, last.then, last.alone) == (("goodbye.ulaw",), (), ())


async def test_a_prompt_is_dropped_when_the_call_says_something_else(desk: Desk) -> None:
    call = in_flow(desk)
    desk.prompts.slow.add(HELLO)
    say(desk, call, HELLO)
    say(desk, call, ivr.Phrase("goodbye", "en"))
    await desk.prompts.render()
    assert ("hello.ulaw",) not in [files for files, _ in plays(desk)]


async def test_a_prompt_is_dropped_when_the_call_is_over(desk: Desk) -> None:
    call = in_flow(desk)
    desk.prompts.slow.add(HELLO)
    say(desk, call, HELLO)
    desk.phone.event(sip.Ended("in1", "bye"))
    before = len(plays(desk))
    await desk.prompts.render()
    assert len(plays(desk)) == before


async def test_a_welcome_does_not_break_into_the_talk(desk: Desk) -> None:
    """Playing takes the caller's ear away from the bridge."""
    call = in_flow(desk)
    desk.agent_ready()
    desk.prompts.slow.add(HELLO)
    desk.turns.feed(call.id, on.FlowQueues("support", prompts=(HELLO,)))
    await turns_of_the_loop()
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Answered(leg, description()))
    assert call.phase == "talking"
    before = len(plays(desk))
    await desk.prompts.render()
    assert len(plays(desk)) == before


async def test_where_nothing_can_be_made_the_flow_goes_on(desk: Desk) -> None:
    call = in_flow(desk)
    desk.prompts.slow.add(HELLO)
    desk.prompts.missing.add(HELLO)
    say(desk, call, HELLO)
    node = desk.flows.walks[call.id].position.node
    await desk.prompts.render()
    assert (node, desk.flows.walks[call.id].position.node) == ("welcome", "menu")


# --- the position -------------------------------------------------------------------------------


def test_who_waits_hears_the_position_when_it_is_said(desk: Desk) -> None:
    desk.call("in1")
    desk.call("in2")
    assert plays(desk)[-1][0] == ("position-2.ulaw", "press-1-for-callback.ulaw")
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.pass_time(31.0)
    last = desk.workers.of(media.Play)[-1]
    assert (last.session, last.files) == ("in2", ("position-1.ulaw",))
    assert last.then == ("music.ulaw",)


def test_a_queue_without_a_callback_offers_none(desk: Desk) -> None:
    desk.call(dialled="600")
    assert plays(desk)[-1][0] == ("position-1.ulaw",)


def test_who_left_while_the_disk_was_slow_is_told_nothing_and_holds_up_nobody(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    call = in_flow(desk)
    desk.journal.slow = True
    desk.turns.feed(call.id, on.FlowQueues("support"))
    desk.phone.event(sip.Ended("in1", "bye"))
    assert call.phase == "ended"
    before = len(plays(desk))
    other = desk.call("in2")
    desk.journal.sync()
    desk.journal.sync()
    assert other.phase != "ended"
    assert [play.session for play in desk.workers.of(media.Play)[before:]] == ["in2"]
    assert not caplog.records


def test_who_was_connected_while_the_disk_was_slow_is_told_no_position(desk: Desk) -> None:
    call = in_flow(desk)
    desk.agent_ready()
    desk.journal.slow = True
    desk.turns.feed(call.id, on.FlowQueues("support"))
    # The offer is durable, the phone answers before the disk is done with the rest.
    leg = next(leg for leg in call.legs if leg != "in1")
    desk.turns.feed(call.id, on.LegUp(leg))
    assert call.phase == "talking"
    before = len(plays(desk))
    desk.journal.sync()
    assert len(plays(desk)) == before
    assert call.phase == "talking"


def test_the_queues_own_music(desk: Desk) -> None:
    desk.floor.on_enter = lambda call, queue: desk.workers.set_music(call, f"{queue}.ulaw")
    desk.call(dialled="600")
    assert plays(desk)[-1][1] == ("sales.ulaw",)


# --- values ---------------------------------------------------------------------------------------


def test_the_routers_phrases_and_the_ivrs_prompts() -> None:
    assert ivr_prompt(do.Phrase("goodbye", "lv")) == ivr.Phrase("goodbye", "lv")
    assert ivr_prompt(HELLO) is HELLO
    with pytest.raises(TypeError, match="not a prompt: str"):
        ivr_prompt("hello")


async def test_close_ends_what_is_being_rendered(desk: Desk) -> None:
    call = in_flow(desk)
    desk.prompts.slow.add(HELLO)
    say(desk, call, HELLO)
    await desk.prompter.close()
    before = len(plays(desk))
    await desk.prompts.render()
    assert len(plays(desk)) == before
