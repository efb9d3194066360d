"""What becomes of a caller whom the floor sends on."""

from __future__ import annotations

import pytest

from router import effects as do
from router import events as facts
from router import inputs as on
from tests.router.stories import CARE, Story

SALES = on.QueueCare("sales", announce_s=20.0)
NUMBER = on.Overflowed("number:+371777", targets=("trunk:out:+371777",))


def test_another_queue_takes_the_call_with_its_wishes_and_its_clock() -> None:
    story = Story()
    story.feed(on.LegUp("in"))
    story.feed(on.FlowQueues("support", 3, 1, {"ru": 2}))
    story.feed(on.Queued(CARE))
    story.feed(on.Overflowed("queue:sales"), 60.0)
    assert story.of(do.EnterQueue)[-1] == do.EnterQueue("sales", 3, 1, {"ru": 2}, origin=1000.0)
    story.feed(on.Queued(SALES))
    assert story.call.queue == "sales"
    assert story.of(do.TellPosition)[-1].greeting
    assert story.of(do.SetTimer)[-1] == do.SetTimer("announce", story.now + 20.0)
    story.feed(on.LegGone("in", "bye"), 1.0)
    assert story.outcome == "short-abandoned"


def test_queues_that_overflow_into_each_other_end_at_a_message() -> None:
    story = Story().wait()
    story.feed(on.Overflowed("queue:sales"), 60.0)
    story.feed(on.Queued(SALES))
    before = len(story.of(do.EnterQueue))
    story.feed(on.Overflowed("queue:support"), 60.0)
    assert len(story.of(do.EnterQueue)) == before
    assert story.call.phase == "voicemail"


def test_a_queue_that_overflows_into_itself_takes_a_message() -> None:
    story = Story().wait()
    story.feed(on.Overflowed("queue:support"), 60.0)
    assert story.call.phase == "voicemail"


def test_after_a_talk_the_queue_may_be_entered_again() -> None:
    story = Story().wait()
    story.feed(on.Overflowed("queue:sales"), 60.0)
    story.feed(on.Queued(SALES))
    leg = story.talk()
    story.feed(on.TransferAsked(leg, on.Destination("queue", "billing")))
    story.feed(on.Queued(on.QueueCare("billing")))
    story.feed(on.Overflowed("queue:support"), 60.0)
    assert story.of(do.EnterQueue)[-1].queue == "support"


def test_an_announcement_is_said_and_the_call_ends_as_missed() -> None:
    story = Story().wait()
    story.feed(on.Overflowed("announcement:full.wav", "queue full", prompts=("full.wav",)), 1.0)
    assert story.of(do.Play)[-1].prompts == ("full.wav",)
    assert not story.of(do.Play)[-1].then_music
    story.feed(on.PlayDone("in", story.call.play), 5.0)
    assert story.outcome == "missed"


@pytest.mark.parametrize("to", ["announcement:full.wav", "voicemail", "number:+371777"])
def test_who_hangs_up_after_policy_ended_the_wait_is_no_short_abandon(to: str) -> None:
    story = Story().wait()
    story.feed(on.Overflowed(to, prompts=("full.wav",), targets=("trunk:out:1",)), 1.0)
    story.feed(on.LegGone("in", "bye"), 1.0)
    assert story.outcome == "missed"


def test_an_announcement_without_its_audio_ends_the_call_all_the_same() -> None:
    story = Story().wait()
    story.feed(on.Overflowed("announcement:gone.wav"), 9.0)
    assert story.outcome == "missed"


@pytest.mark.parametrize(("waited_s", "outcome"), [(0.0, "refused"), (5.0, "missed")])
def test_a_closed_queue_refuses_but_who_waited_is_missed(waited_s: float, outcome: str) -> None:
    story = Story().wait()
    story.feed(on.Overflowed("announcement:closed.wav", "queue closed", ("c.wav",)), waited_s)
    story.feed(on.PlayDone("in", story.call.play), 4.0)
    assert story.outcome == outcome


@pytest.mark.parametrize(("reason", "outcome"), [("closed", "left-in-ivr"), ("full", "missed")])
def test_a_flow_takes_back_whom_a_closed_queue_did_not_let_in(reason: str, outcome: str) -> None:
    story = Story().wait()
    story.feed(on.Overflowed("flow", reason))
    story.feed(on.LegGone("in", "bye"), 20.0)
    assert story.outcome == outcome


def test_who_waited_elsewhere_is_missed_by_a_closed_queue() -> None:
    story = Story().wait()
    story.feed(on.Overflowed("queue:sales"), 60.0)
    story.feed(on.Queued(SALES))
    story.feed(on.Overflowed("hang-up", "queue closed"))
    assert story.outcome == "missed"


def test_a_call_that_is_answered_outside_has_overflowed() -> None:
    story = Story().wait()
    story.feed(NUMBER, 60.0)
    assert story.of(do.Play)[-1].then_music, "never silence"
    dial = story.of(do.Dial)[-1]
    assert dial.target == "trunk:out:+371777"
    story.feed(on.LegRinging(dial.leg, early=True))
    assert story.of(do.Join)[-1] == do.Join("in", dial.leg)
    story.feed(on.LegUp(dial.leg), 5.0)
    story.feed(on.LegGone("in", "bye"), 60.0)
    assert story.outcome == "overflowed"


@pytest.mark.parametrize("how", ["busy", "no answer", "no way out", "redirected"])
def test_a_message_is_taken_where_the_number_does_not_answer(how: str) -> None:
    story = Story().wait()
    if how == "no way out":
        story.feed(on.Overflowed("number:+371777"), 60.0)
    else:
        story.feed(NUMBER, 60.0)
        leg = story.of(do.Dial)[-1].leg
        story.feed(
            {
                "busy": on.LegGone(leg, "busy"),
                "no answer": on.TimerFired("ring"),
                "redirected": on.LegRedirected(leg, "sip:elsewhere"),
            }[how],  # type: ignore[arg-type]
            10.0,
        )
    assert story.call.phase == "voicemail"
    story.feed(on.PlayDone("in", story.call.play))
    story.feed(on.KeyPressed("in", "#"), 9.0)
    story.feed(on.PlayDone("in", story.call.play))
    assert story.outcome == "voicemail"


def test_the_flow_goes_on_where_it_says_how() -> None:
    story = Story().wait()
    story.feed(on.Overflowed("flow"))
    assert story.of(do.StepFlow)[-1] == do.StepFlow("queue-left", "overflow")
    assert story.call.phase == "flow"


def test_a_way_out_that_is_unknown_takes_a_message() -> None:
    story = Story().wait()
    story.feed(on.Overflowed("moon"))
    assert story.call.phase == "voicemail"


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("queue:sales", "queue:sales"),
        ("queue:support", "voicemail"),  # where it comes from
        ("voicemail", "voicemail"),
        ("callback", "callback"),
        ("number:+371777", "number"),
        ("announcement:/srv/late.wav", "announcement"),
        ("hang-up", "hang-up"),
        ("flow", "flow"),
        ("moon", "voicemail"),
    ],
)
def test_where_the_call_went_is_written(to: str, told: str) -> None:
    story = Story().wait()
    story.feed(on.Overflowed(to), 60.0)
    assert story.facts(facts.CallSentOn) == [facts.CallSentOn("support", told)]


def test_a_transfer_to_a_person_waits_in_the_persons_queue() -> None:
    """And overflows from there like from any other; the message joins the recording."""
    story = Story().wait()
    leg = story.talk("boris")
    story.feed(on.TransferAsked(leg, on.Destination("queue", "@anna")), 10.0)
    assert story.of(do.EnterQueue)[-1] == do.EnterQueue("@anna")
    story.feed(on.Queued(on.QueueCare("@anna")))
    story.feed(on.Overflowed("voicemail", "waited too long"), 120.0)
    story.feed(on.PlayDone("in", story.call.play))
    story.feed(on.LegGone("in", "bye"), 20.0)
    assert story.outcome == "voicemail"
    assert story.facts(facts.CallEnded)[0].queue == "@anna"
    assert len(story.facts(facts.RecordingStarted)) == 1
    assert {record.recording for record in story.of(do.Record)} == {"c-r1"}
