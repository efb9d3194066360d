"""A call's recording: one file, whoever joins and leaves, for a ticket holds one."""

from __future__ import annotations

import pytest

from router import effects as do
from router import events as facts
from router import inputs as on
from tests.router.stories import Story


@pytest.mark.parametrize("kind", ["queue", "flow"])
def test_a_transfer_leaves_the_recording_open(kind: str) -> None:
    story = Story().wait()
    first = story.talk()
    story.feed(on.TransferAsked(first, on.Destination(kind, "billing")), 10.0)  # type: ignore[arg-type]
    if kind == "flow":
        story.feed(on.FlowQueues("billing"))
    story.feed(on.Queued(on.QueueCare("billing")))
    second = story.talk("boris", 2)
    story.feed(on.LegGone("in", "bye"), 5.0)
    assert len(story.facts(facts.RecordingStarted)) == 1
    records = story.of(do.Record)
    assert {record.recording for record in records} == {"c-r1"}
    assert [record.right for record in records] == [first, "", second]
    assert story.of(do.StopRecording) == [do.StopRecording("c-r1")]


def test_after_a_transfer_an_abandoned_wait_keeps_the_talk() -> None:
    story = Story().wait()
    first = story.talk()
    story.feed(on.TransferAsked(first, on.Destination("queue", "billing")), 10.0)
    story.feed(on.Queued(on.QueueCare("billing")))
    story.feed(on.LegGone("in", "bye"), 5.0)
    assert story.of(do.StopRecording) == [do.StopRecording("c-r1")]
    assert story.facts(facts.CallEnded)[0].no_recording == ""
