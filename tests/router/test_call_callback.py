"""A callback: the promise in the first life, the caller dialled in the second."""

from __future__ import annotations

import pytest

from router import effects as do
from router import events as facts
from router import inputs as on
from tests.router.stories import CARE, OUT, Story


class Callback(Story):
    """The second life of call ``c``: anna is held by fence 7."""

    def __init__(self, targets: tuple[str, ...] = (OUT,), fence: int = 7) -> None:
        self.call_back(fence, targets)

    @property
    def leg(self) -> str:
        return self.call.caller_leg

    def reach(self) -> Callback:
        self.feed(on.LegRinging(self.leg))
        self.feed(on.LegUp(self.leg), 6.0)
        return self


# --- the promise -------------------------------------------------------------------------------


def test_a_callback_from_the_flow_asks_for_a_place() -> None:
    story = Story()
    story.feed(on.LegUp("in"))
    story.feed(on.FlowPromisesCallback("+371999", "billing"))
    story.feed(on.FlowEnds((), True, "done"))
    assert story.of(do.RequestCallback) == [do.RequestCallback("billing", "+371999")]
    assert story.outcome == "callback-requested"


def test_an_overflow_into_a_callback_keeps_the_clock_of_the_place() -> None:
    story = Story()
    story.feed(on.LegUp("in"))
    story.feed(on.FlowQueues("support", 3, 1, {"ru": 2}))
    story.feed(on.Queued(CARE))
    story.feed(on.Overflowed("callback"), 60.0)
    assert story.of(do.RequestCallback) == [
        do.RequestCallback("support", "+371200", 3, 1, {"ru": 2}, 1000.0)
    ]
    assert story.of(do.LeaveQueue) == [], "the floor ended the visit"
    story.feed(on.PlayDone("in", story.call.play))
    assert story.outcome == "callback-requested"


@pytest.mark.parametrize("way", ["key", "overflow"])
def test_who_withholds_the_number_leaves_a_message_instead(way: str) -> None:
    story = Story()
    story.call.caller = "anonymous"
    story.wait()
    story.feed(on.KeyPressed("in", "1") if way == "key" else on.Overflowed("callback"))
    assert story.of(do.RequestCallback) == []
    assert story.call.phase == "voicemail"
    assert story.of(do.LeaveQueue) == ([do.LeaveQueue("overflowed")] if way == "key" else [])


def test_a_key_that_crosses_an_answer_is_too_late() -> None:
    story = Story().wait()
    story.feed(on.LegUp(story.offer()[0]))
    assert story.feed(on.KeyPressed("in", "1")) == []
    story.feed(on.OfferWon("anna", 1))
    assert story.call.phase == "talking"


# --- the second life ---------------------------------------------------------------------------


def test_the_caller_is_dialled_shown_the_number_they_know() -> None:
    story = Callback()
    assert story.of(do.Dial) == [do.Dial("c.b7-1", OUT, "100")]
    assert story.facts(facts.LegDialled) == [facts.LegDialled("c.b7-1", OUT)]
    assert story.of(do.SetTimer) == [do.SetTimer("ring", 5030.0)]
    assert story.call.second_life


def test_a_caller_who_is_reached_hears_what_this_is_and_the_agent_is_rung() -> None:
    story = Callback().reach()
    assert story.of(do.CallbackReached) == [do.CallbackReached("anna", 7)]
    play = story.of(do.Play)[0]
    assert (play.leg, play.then_music) == ("c.b7-1", True)
    assert play.prompts == (do.Phrase("callback-calling", "en"),)
    leg = story.talk()
    assert story.of(do.Dial)[-1].caller == "+371200", "the agent sees the caller"
    assert story.of(do.Join) == [do.Join("c.b7-1", leg)]
    assert story.of(do.Record) == [do.Record("c-b7r1", "/r/c-b7r1.part", "c.b7-1", leg)]
    assert story.facts(facts.CallConnected)[0].agent == "anna"


@pytest.mark.parametrize("leaves", ["caller", "agent"])
def test_the_second_life_ends_without_a_second_end_of_the_call(leaves: str) -> None:
    story = Callback().reach()
    leg = story.talk()
    story.feed(on.LegGone(leg if leaves == "agent" else story.leg, "bye"), 60.0)
    assert story.facts(facts.CallEnded) == []
    assert story.facts(facts.CallArrived) == []
    (ended,) = story.facts(facts.SecondLifeEnded)
    assert (ended.cause, ended.queue, ended.agent) == ("bye", "support", "anna")
    assert (ended.waited_s, ended.talked_s) == (3.0, 60.0)
    assert len(story.of(do.Finished)) == 1
    assert story.of(do.AgentDone) == [do.AgentDone("anna")]
    assert story.of(do.StopRecording) == [do.StopRecording("c-b7r1")]


@pytest.mark.parametrize("cause", ["busy", "no-answer", "unreachable", "refused"])
def test_a_caller_who_is_not_reached_is_the_floors_to_try_again(cause: on.Cause) -> None:
    story = Callback()
    story.feed(on.LegGone(story.leg, cause, "refused 486"), 3.0)
    assert story.of(do.CallbackMissed) == [do.CallbackMissed(7, cause)]
    assert story.facts(facts.LegEnded) == [facts.LegEnded("c.b7-1", "refused 486")]
    assert len(story.of(do.Finished)) == 1
    assert story.facts(facts.CallEnded) == story.facts(facts.SecondLifeEnded) == []


def test_a_caller_who_does_not_answer_in_time() -> None:
    story = Callback()
    story.feed(on.TimerFired("ring"), 30.0)
    assert story.of(do.CallbackMissed) == [do.CallbackMissed(7, "no-answer")]
    assert do.Drop("c.b7-1", "no answer") in story.effects
    assert len(story.of(do.Finished)) == 1


def test_another_way_out_is_tried_where_one_is_down() -> None:
    story = Callback(("trunk:a:1", "trunk:b:1"))
    story.feed(on.LegGone(story.leg, "unreachable"))
    assert [dial.target for dial in story.of(do.Dial)] == ["trunk:a:1", "trunk:b:1"]
    story.feed(on.LegGone(story.leg, "busy"))
    assert story.of(do.CallbackMissed) == [do.CallbackMissed(7, "busy")]


def test_without_a_way_out_the_attempt_is_over_at_once() -> None:
    story = Callback(())
    assert story.of(do.CallbackMissed) == [do.CallbackMissed(7, "unreachable")]
    assert story.call.phase == "ended"


def test_an_agent_who_goes_before_the_caller_answers_stops_the_dialling() -> None:
    story = Callback()
    story.feed(on.Withdrawn("anna", 7, "signed out"), 2.0)
    assert do.Drop("c.b7-1", "signed out") in story.effects
    assert story.of(do.CallbackMissed) == [], "nobody was missed"
    assert len(story.of(do.Finished)) == 1


@pytest.mark.parametrize(
    "word",
    [on.OfferStale("", 7), on.Withdrawn("anna", 7, "signed out")],
    ids=["stale", "withdrawn"],
)
def test_an_agent_who_goes_in_the_instant_of_the_answer_leaves_the_callback_to_the_floor(
    word: on.Input,
) -> None:
    """The entry stands as it was: the visit that never began is not left."""
    story = Callback().reach()
    story.feed(word)
    assert len(story.of(do.Finished)) == 1
    assert story.of(do.LeaveQueue) == []
    assert story.of(do.CallbackMissed) == []


def test_a_withdrawal_after_the_agents_phone_rang_leaves_the_caller_waiting() -> None:
    story = Callback().reach()
    story.offer("anna", 7)
    story.feed(on.Withdrawn("anna", 7, "phone gone"))
    story.feed(on.OfferStale("anna", 7))
    assert story.call.phase == "waiting"


def test_a_redirecting_phone_of_the_caller_is_not_followed() -> None:
    story = Callback()
    story.feed(on.LegRedirected(story.leg, "sip:elsewhere"))
    assert len(story.of(do.Dial)) == 1
    assert story.of(do.CallbackMissed) == [do.CallbackMissed(7, "refused")]


def test_who_is_reached_waits_like_any_other() -> None:
    story = Callback().reach()
    story.offer()
    story.feed(on.TimerFired("ring-1"), 15.0)
    assert story.of(do.RefuseOffer)[0].end == "rung-out"
    story.feed(on.PlayDone(story.leg, story.call.play))
    story.feed(on.TimerFired("announce"), 15.0)
    told = story.of(do.TellPosition)[-1]
    assert (told.leg, told.callback_key) == ("c.b7-1", ""), "another callback is not offered"
    assert story.feed(on.KeyPressed(story.leg, "1")) == []
    story.feed(on.LegGone(story.leg, "bye"), 10.0)
    assert story.of(do.LeaveQueue) == [do.LeaveQueue("abandoned")]
    assert story.facts(facts.CallEnded) == []


@pytest.mark.parametrize(
    ("cause", "how"), [("bye", "abandoned"), ("lost", "removed"), ("failed", "removed")]
)
def test_who_was_called_back_and_lost_will_be_called_again(cause: on.Cause, how: str) -> None:
    story = Callback().reach()
    story.feed(on.LegGone(story.leg, cause), 5.0)
    assert [effect.end for effect in story.of(do.LeaveQueue)] == [how]


def test_a_lost_agent_of_a_callback_sends_the_caller_to_the_head() -> None:
    story = Callback().reach()
    leg = story.talk()
    story.feed(on.LegGone(leg, "lost"))
    assert story.of(do.EnterQueue) == [do.EnterQueue("support", head=True)]


def test_a_shutdown_while_dialling_is_a_missed_attempt() -> None:
    story = Callback()
    story.feed(on.HangUpAsked("shutdown", cut=True))
    assert story.of(do.CallbackMissed) == [do.CallbackMissed(7, "ended by shutdown")]
    assert story.facts(facts.CallEnded) == []


def test_ids_of_two_attempts_and_of_the_first_life_differ() -> None:
    first = Story().wait()
    first.talk()
    second, third = Callback().reach(), Callback(fence=8).reach()
    second.talk()
    third.talk()
    lives = [first, second, third]
    for ids in (
        [{dial.leg for dial in life.of(do.Dial)} for life in lives],
        [{play.play for play in life.of(do.Play) + life.of(do.TellPosition)} for life in lives],
        [{record.recording for record in life.of(do.Record)} for life in lives],
    ):
        assert all(ids)
        assert len(set.union(*ids)) == sum(len(of_life) for of_life in ids)
