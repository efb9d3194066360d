"""Whatever a call was doing when the engine died, it ends once and with the right outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine import recovery
from router import inputs as on
from router.events import CallEnded, RecordingClosed
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import Desk, description
from tests.fakes import CALLER


def after_crash(desk: Desk, gap_s: float = 0.0) -> Desk:
    """kill -9: the next engine finds what was durable."""
    after = Desk(kept=desk.journal.entries[: desk.journal.durable_seq])
    after.clock.at += gap_s
    recovery.settle(after)  # type: ignore[arg-type]
    return after


def play_ended(desk: Desk, call: Any) -> None:
    desk.wiring.reported("w0", media.PlayEnded("in1", call.play, False, 0.0))


def answer(desk: Desk) -> None:
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))


def arriving(desk: Desk) -> None:
    desk.workers.held = True
    desk.call()


def in_flow(desk: Desk) -> None:
    desk.call(dialled="37167000000")


def waiting(desk: Desk) -> None:
    desk.call()


def ringing(desk: Desk) -> None:
    desk.agent_ready()
    desk.call()
    assert desk.invited_legs()


def talking(desk: Desk) -> None:
    ringing(desk)
    answer(desk)


def held(desk: Desk) -> None:
    talking(desk)
    leg = desk.invited_legs()[-1]
    desk.phone.event(sip.ChangeAsked(leg, "INVITE", description(direction="sendonly")))


def in_transfer(desk: Desk) -> None:
    talking(desk)
    desk.phone.event(sip.TransferAsked(desk.invited_legs()[-1], "+3725550000", "sip:x"))
    assert len(desk.invited_legs()) == 2


def transferred_out(desk: Desk) -> None:
    in_transfer(desk)
    answer(desk)


def back_in_queue_by_transfer(desk: Desk) -> None:
    talking(desk)
    desk.pass_time(7.0)
    desk.phone.event(sip.TransferAsked(desk.invited_legs()[-1], "sales", "sip:x"))


def back_in_queue_after_loss(desk: Desk) -> None:
    talking(desk)
    desk.wiring.reported("w0", media.MediaTimeout(desk.invited_legs()[-1], 0.0))


def dialling(desk: Desk) -> None:
    call = desk.call(dialled="37167000000")
    target = on.Destination("external", "555")
    desk.turns.feed(call.id, on.FlowDials(target, 20.0, ("trunk:out:555",)))


def dialled_out(desk: Desk) -> None:
    dialling(desk)
    answer(desk)


def greeting_of_voicemail(desk: Desk) -> None:
    desk.call(dialled="600")
    desk.pass_time(61.0)


def leaving_a_message(desk: Desk) -> None:
    greeting_of_voicemail(desk)
    play_ended(desk, next(iter(desk.turns.calls.values())))


def being_promised_a_callback(desk: Desk) -> None:
    desk.call()
    desk.wiring.reported("w0", media.Digit("in1", "1", 0.0))


CASES: tuple[tuple[Callable[[Desk], None], str], ...] = (
    (arriving, "failed"),
    (in_flow, "failed"),
    (waiting, "missed"),
    (ringing, "missed"),
    (talking, "dropped"),
    (held, "dropped"),
    (in_transfer, "dropped"),
    (transferred_out, "dropped"),
    (back_in_queue_by_transfer, "answered"),
    (back_in_queue_after_loss, "dropped"),
    (dialling, "failed"),
    (dialled_out, "dropped"),
    (greeting_of_voicemail, "missed"),
    (leaving_a_message, "voicemail"),
    (being_promised_a_callback, "callback-requested"),
)


@pytest.mark.parametrize(
    ("scene", "outcome"), CASES, ids=lambda value: getattr(value, "__name__", value)
)
def test_every_open_call_ends_once(scene: Callable[[Desk], None], outcome: str) -> None:
    desk = Desk()
    scene(desk)
    (call,) = desk.turns.calls
    after = after_crash(desk)
    (ended,) = after.journal.facts(CallEnded)
    assert (ended.outcome, ended.cause) == (outcome, "restart")
    assert after.journal.names(call).count("CallEnded") == 1
    assert [view.call for view in after.floor.waiting() if view.on_line] == []
    again = after_crash(after)
    assert len(again.journal.facts(CallEnded)) == 1, "the next restart finds it closed"


def test_what_was_not_durable_did_not_happen() -> None:
    desk = Desk()
    desk.journal.slow = True
    desk.invite()
    after = after_crash(desk)
    assert after.journal.entries == []


def test_a_call_that_ended_is_left_alone() -> None:
    desk = Desk()
    desk.call()
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.pass_time(1.0)
    after = after_crash(desk)
    assert [ended.cause for ended in after.journal.facts(CallEnded)] == ["bye"]
    assert after.callers.earlier(CALLER) == (1, "short-abandoned")


def test_the_times_of_a_talk() -> None:
    desk = Desk()
    desk.call()
    desk.pass_time(6.0)
    desk.agent_ready()
    answer(desk)
    desk.pass_time(30.0)
    after = after_crash(desk, gap_s=29.0)  # the last fact is the connection
    (ended,) = after.journal.facts(CallEnded)
    assert (ended.waited_s, ended.talked_s) == (6.0, 30.0)
    assert (ended.queue, ended.agent, ended.no_recording) == ("support", "anna", "")


def test_the_times_of_a_wait() -> None:
    desk = Desk()
    desk.call()
    after = after_crash(desk, gap_s=11.0)
    (ended,) = after.journal.facts(CallEnded)
    assert (ended.waited_s, ended.talked_s, ended.no_recording) == (12.0, 0.0, "nobody talked")


def test_a_talk_before_a_transfer_counts_and_the_wait_after_it_does_not() -> None:
    desk = Desk()
    back_in_queue_by_transfer(desk)
    after = after_crash(desk, gap_s=100.0)
    (ended,) = after.journal.facts(CallEnded)
    assert ended.talked_s == 7.0
    assert ended.queue == "sales"


def test_a_promised_callback_keeps_its_number() -> None:
    desk = Desk()
    being_promised_a_callback(desk)
    (ended,) = after_crash(desk).journal.facts(CallEnded)
    assert ended.callback_number == CALLER


def test_a_file_whose_worker_is_gone_is_closed_and_one_that_goes_on_is_not() -> None:
    desk = Desk()
    talking(desk)
    kept = desk.journal.entries[: desk.journal.durable_seq]
    for still_recording in (set(), {f"{next(iter(desk.turns.calls))}-r1"}):
        after = Desk(kept=kept)
        after.workers.recording = still_recording
        open_files = recovery.settle(after).open_files  # type: ignore[arg-type]
        recovery.close_files(after, open_files)  # type: ignore[arg-type]
        closed = after.journal.facts(RecordingClosed)
        assert [fact.error for fact in closed] == (
            [] if still_recording else ["the media worker died"]
        )


def test_others_see_the_log_pass() -> None:
    desk = Desk()
    waiting(desk)
    after = Desk(kept=desk.journal.entries)
    seen: list[int] = []
    recovery.settle(after, lambda entry: seen.append(entry.seq))  # type: ignore[arg-type]
    assert seen == [entry.seq for entry in desk.journal.entries]
