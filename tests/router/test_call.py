"""The call's state machine: the whole table, the stories of the field, random inputs."""

from __future__ import annotations

import itertools
import typing

import pytest

from router import effects as do
from router import events as facts
from router import inputs as on
from router.call import PHASES
from router.call_table import TABLE, step
from tests.router.stories import CARE, WAYS_OUT, Story, sample

INPUTS = typing.get_args(on.Input)


@pytest.mark.parametrize("life", ["first", "second"])
@pytest.mark.parametrize(
    ("phase", "kind"), list(itertools.product(PHASES, INPUTS)), ids=lambda value: str(value)[-40:]
)
def test_every_input_in_every_phase_is_handled_or_means_nothing(
    phase: str, kind: type, life: str
) -> None:
    story = Story() if life == "first" else Story().call_back()
    story.call.phase = phase  # type: ignore[assignment]
    got = step(story.call, sample(kind), 6001.0)
    if (phase, kind) not in TABLE:
        assert got == []


@pytest.mark.parametrize("to", [*WAYS_OUT, "", "moon:1"])
def test_every_way_out_leads_somewhere(to: str) -> None:
    story = Story().wait()
    story.feed(on.Overflowed(to), 60.0)
    assert story.call.phase in ("flow", "voicemail", "closing", "waiting", "ended")
    assert story.call.offers == {}


def test_an_answered_call_is_recorded_and_leaves_one_end() -> None:
    story = Story().wait()
    leg = story.talk()
    assert story.of(do.Join) == [do.Join("in", leg)]
    assert story.of(do.Record) == [do.Record("c-r1", "/r/c-r1.part", "in", leg)]
    story.feed(on.LegGone("in", "bye"), 60.0)
    assert story.outcome == "answered"
    ended = story.facts(facts.CallEnded)[0]
    assert (ended.agent, ended.queue, ended.talked_s, ended.waited_s) == (
        "anna",
        "support",
        60.0,
        3.0,
    )
    assert story.of(do.StopRecording) == [do.StopRecording("c-r1")]
    assert story.of(do.AgentDone) == [do.AgentDone("anna")]
    assert do.Drop(leg, "bye") in story.effects


@pytest.mark.parametrize(("after", "outcome"), [(4.9, "short-abandoned"), (5.0, "missed")])
def test_a_caller_who_leaves_the_queue_is_missed(after: float, outcome: str) -> None:
    story = Story().wait()
    story.feed(on.LegGone("in", "bye"), after)
    assert story.outcome == outcome
    assert story.of(do.LeaveQueue) == [do.LeaveQueue("abandoned")]


def test_a_caller_who_leaves_the_menu() -> None:
    story = Story()
    story.feed(on.LegUp("in"))
    story.feed(on.LegGone("in", "bye"), 2.0)
    assert story.outcome == "left-in-ivr"


def test_no_such_number_is_refused_with_404() -> None:
    story = Story(on.Destination("nowhere"))
    assert story.outcome == "refused"
    assert story.of(do.Drop)[0].status == 404


def test_a_lost_caller_is_dropped() -> None:
    story = Story().wait()
    story.talk()
    story.feed(on.MediaLost("in"), 20.0)
    assert story.outcome == "dropped"


def test_a_lost_agent_does_not_lose_the_caller() -> None:
    """asterisk: stuck and zombie legs; here the caller hears why and goes to the head."""
    story = Story().wait()
    leg = story.talk()
    story.feed(on.LegGone(leg, "lost"), 10.0)
    assert story.of(do.EnterQueue)[-1] == do.EnterQueue("support", head=True)
    assert story.of(do.AgentDone) == [do.AgentDone("anna", lost=True)]
    story.feed(on.Queued(CARE))
    assert story.of(do.TellPosition)[-1].first == (do.Phrase("agent-lost", "en"),)
    story.talk("boris", 2)
    story.feed(on.LegGone("in", "bye"), 30.0)
    assert story.outcome == "answered"
    assert story.facts(facts.CallEnded)[0].agent == "boris"


@pytest.mark.parametrize(
    ("cause", "end"),
    [
        ("busy", "refused"),
        ("refused", "refused"),
        ("no-answer", "rung-out"),
        ("unreachable", "unreachable"),
    ],
)
def test_an_agent_who_does_not_come_leaves_the_caller_waiting(cause: on.Cause, end: str) -> None:
    story = Story().wait()
    leg = story.offer()[0]
    story.feed(on.LegGone(leg, cause))
    assert [effect.end for effect in story.of(do.RefuseOffer)] == [end]
    assert story.call.phase == "waiting"
    story.talk("boris", 2)
    assert story.call.phase == "talking"


def test_a_phone_that_rings_out_is_hung_up() -> None:
    story = Story().wait()
    leg = story.offer()[0]
    story.feed(on.TimerFired("ring-1"), 15.0)
    assert do.Drop(leg, "no answer") in story.effects
    assert story.of(do.RefuseOffer)[0].end == "rung-out"


def test_the_first_of_two_phones_wins() -> None:
    story = Story().wait()
    desk, mobile = story.offer(phones=2)
    story.feed(on.LegUp(mobile))
    story.feed(on.OfferWon("anna", 1))
    assert do.Drop(desk, "answered elsewhere") in story.effects
    assert story.call.other_leg == mobile


def test_an_answer_that_crosses_the_withdrawal_bridges_nobody() -> None:
    story = Story().wait()
    leg = story.offer()[0]
    story.feed(on.Withdrawn("anna", 1, "phone gone"))
    assert do.Drop(leg, "phone gone") in story.effects
    story.feed(on.LegUp(leg))
    assert story.of(do.Join) == []


def test_the_callback_key_ends_the_wait_with_a_promise() -> None:
    story = Story().wait()
    story.feed(on.KeyPressed("in", "1"), 8.0)
    assert story.of(do.LeaveQueue) == []
    assert story.of(do.RequestCallback) == [do.RequestCallback("support", "+371200")]
    story.feed(on.PlayDone("in", story.call.play))
    assert story.outcome == "callback-requested"
    assert story.facts(facts.CallEnded)[0].callback_number == "+371200"


def test_hold_plays_music_to_the_other_side_only() -> None:
    story = Story().wait()
    leg = story.talk()
    story.feed(on.LegHeld(leg))
    assert story.of(do.Play)[-1].leg == "in"
    assert story.of(do.Play)[-1].then_music
    story.feed(on.LegResumed(leg))
    assert story.of(do.Join)[-1] == do.Join("in", leg)


def test_a_key_by_signalling_reaches_the_other_side_as_sound() -> None:
    story = Story().wait()
    leg = story.talk()
    assert story.feed(on.KeyPressed("in", "5", signalled=True)) == [do.SendKey(leg, "5", 1)]
    assert story.feed(on.KeyPressed("in", "5", signalled=True)) == [do.SendKey(leg, "5", 2)]
    assert story.feed(on.KeyPressed("in", "5")) == []
    assert story.facts(facts.DigitPressed) == []


def test_transfer_to_a_queue_is_at_once() -> None:
    story = Story().wait()
    leg = story.talk()
    story.feed(on.TransferAsked(leg, on.Destination("queue", "billing")), 10.0)
    assert story.of(do.TransferFate) == [do.TransferFate(leg, 200)]
    assert story.of(do.EnterQueue)[-1] == do.EnterQueue("billing")
    assert story.facts(facts.CallTransferred)[0].by == "anna"


def test_transfer_to_a_phone_that_refuses_comes_back() -> None:
    story = Story().wait()
    leg = story.talk()
    story.feed(on.TransferAsked(leg, on.Destination("agent", "boris"), ("sip:boris",)))
    target = story.of(do.Dial)[-1].leg
    story.feed(on.LegGone(target, "busy"))
    assert story.of(do.TransferFate) == [do.TransferFate(leg, 486)]
    assert story.of(do.Join)[-1] == do.Join("in", leg)


def test_transfer_goes_on_when_the_referrer_hangs_up() -> None:
    story = Story().wait()
    leg = story.talk()
    story.feed(on.TransferAsked(leg, on.Destination("agent", "boris"), ("sip:boris",)))
    target = story.of(do.Dial)[-1].leg
    story.feed(on.LegGone(leg, "bye"))
    story.feed(on.LegUp(target), 4.0)
    assert story.of(do.Join)[-1] == do.Join("in", target)
    story.feed(on.LegGone(target, "bye"), 20.0)
    assert story.outcome == "answered"
    assert story.facts(facts.CallEnded)[0].agent == "boris"
    assert [done.agent for done in story.of(do.AgentDone)] == ["anna", "boris"]


def test_transfer_that_nobody_takes_after_the_referrer_left_returns_to_the_head() -> None:
    story = Story().wait()
    leg = story.talk()
    story.feed(on.TransferAsked(leg, on.Destination("agent", "boris"), ("sip:boris",)))
    story.feed(on.LegGone(leg, "bye"))
    story.feed(on.TimerFired("ring"), 30.0)
    assert story.of(do.EnterQueue)[-1] == do.EnterQueue("support", head=True)


def test_voicemail_records_the_caller_alone() -> None:
    story = Story()
    story.feed(on.LegUp("in"))
    story.feed(on.FlowTakesMessage((), 60.0))
    story.feed(on.PlayDone("in", story.call.play))
    assert story.of(do.Record) == [do.Record("c-r1", "/r/c-r1.part", "in", "")]
    story.feed(on.LegGone("in", "bye"), 12.0)
    assert story.outcome == "voicemail"


@pytest.mark.parametrize(("asked_s", "length_s"), [(60.0, 60.0), (900.0, 180.0)])
def test_a_message_is_as_long_as_its_node_says_up_to_the_limit(
    asked_s: float, length_s: float
) -> None:
    story = Story()
    story.feed(on.LegUp("in"))
    story.feed(on.FlowTakesMessage((), asked_s))
    story.feed(on.PlayDone("in", story.call.play), 8.0)
    assert story.of(do.SetTimer)[-1] == do.SetTimer("voicemail", story.now + length_s)


def test_hidden_keys_never_reach_the_journal() -> None:
    story = Story()
    story.feed(on.LegUp("in"))
    story.feed(on.FlowSays((), True, hidden=True))
    story.feed(on.KeyPressed("in", "7"))
    assert [press.key for press in story.facts(facts.DigitPressed)] == ["*"]
    assert story.of(do.StepFlow)[-1] == do.StepFlow("digit", "7")


def test_an_agents_own_call_leaves_no_fact() -> None:
    story = Story(
        on.Destination("agent", "boris"), internal=True, agent="anna", targets=("sip:boris",)
    )
    story.feed(on.LegUp("in"))
    target = story.of(do.Dial)[-1].leg
    story.feed(on.LegUp(target))
    story.feed(on.LegGone("in", "bye"), 10.0)
    assert story.of(do.Fact) == []
    assert {busy.agent for busy in story.of(do.AgentBusy)} == {"anna", "boris"}
    assert {done.agent for done in story.of(do.AgentDone)} == {"anna", "boris"}


def test_what_is_dialled_for_a_caller_has_the_callers_hops() -> None:
    """RFC 7332: a number that leads back here must come to an end."""
    story = Story(hops=3)
    story.feed(on.LegUp("in"))
    story.feed(on.FlowDials(on.Destination("external", "1"), 30.0, ("trunk:out:1",)))
    assert [dial.hops for dial in story.of(do.Dial)] == [3]
    story = Story(hops=0).wait()
    leg = story.talk()
    assert [dial.hops for dial in story.of(do.Dial)] == [2], "the queue's phone is the goal"
    story.feed(on.TransferAsked(leg, on.Destination("external", "1"), ("trunk:out:1",)))
    assert story.of(do.Dial)[-1].hops == 0


@pytest.mark.parametrize(("cut", "by"), [(True, "shutdown"), (False, "supervisor")])
def test_a_wait_that_we_end_is_missed_however_short_it_was(cut: bool, by: str) -> None:
    story = Story().wait()
    story.feed(on.HangUpAsked(by, cut=cut), 1.0)
    assert story.outcome == "missed"


def test_a_menu_that_we_cut_is_our_failure_as_after_a_crash() -> None:
    story = Story()
    story.feed(on.LegUp("in"))
    story.feed(on.HangUpAsked("shutdown", cut=True), 1.0)
    assert story.outcome == "failed"
