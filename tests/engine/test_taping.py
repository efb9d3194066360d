"""Recordings while they run, and when a worker dies: every start in the log gets its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.rebuild import Rebuild
from router import effects as do
from router import inputs as on
from router.events import CallEnded, RecordingClosed, RecordingStarted
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import Desk, description


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(recordings_dir=tmp_path)
    made.agent_ready()
    return made


def talking(desk: Desk) -> Any:
    call = desk.call()
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    assert call.phase == "talking"
    return call


def segment(command: media.Record, error: str = "") -> media.RecordingSegment:
    return media.RecordingSegment(command.recording, command.path, 1.0, 2.0, 5, 5, error)


def rebuild(desk: Desk, there: set[str], closed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """The worker is back with these sessions only."""
    Rebuild(desk.turns, desk.legs, desk.taping, 15.0).back("w0", desk.workers.worker, there, closed)


def test_a_talk_is_recorded_and_its_start_is_durable_first(desk: Desk) -> None:
    call = desk.call()
    desk.journal.slow = True
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    assert desk.workers.of(media.Record) == []
    desk.journal.sync()
    (record,) = desk.workers.of(media.Record)
    (started,) = desk.journal.facts(RecordingStarted)
    assert (record.recording, record.path) == (started.recording, started.path)
    assert (record.left, record.right) == ("in1", call.other_leg)
    assert not desk.taping.none_runs.is_set()


def test_what_a_dead_engine_closed_is_asked_nothing_more(desk: Desk) -> None:
    """The agent's BYE was taken, and the engine died before it wrote that down: the BYE comes
    again. Until then nothing is made again, and no recording is thought to be cut."""
    call = talking(desk)
    desk.workers.commands.clear()
    facts = len(desk.journal.facts())
    rebuild(desk, {"in1"}, {call.other_leg})
    effects = (
        do.Join("in1", call.other_leg),
        do.Play(call.other_leg, "p9", ()),
        do.SendKey(call.other_leg, "5", 1),
        do.Record("r9", "/r9.part", call.other_leg),
    )
    desk.turns.owe(call, effects)
    assert desk.workers.commands == []
    assert [type(fact) for fact in desk.journal.facts()[facts:]].count(RecordingStarted) == 0
    leg = call.other_leg
    desk.phone.event(sip.Ended(leg, "bye"))
    assert next(close.session for close in desk.workers.of(media.Close)) == leg


def test_the_workers_report_ends_it(desk: Desk) -> None:
    call = talking(desk)
    (record,) = desk.workers.of(media.Record)
    desk.phone.event(sip.Ended("in1", "bye"))
    assert [stop.recording for stop in desk.workers.of(media.StopRecord)] == [record.recording]
    assert not desk.taping.none_runs.is_set()
    desk.wiring.reported("w0", segment(record))
    assert desk.taping.none_runs.is_set()
    assert desk.journal.entries[-1].call == call.id
    assert desk.journal.facts(RecordingClosed)[0].left_packets == 5


def test_what_the_worker_refuses_is_over_with_the_reason(desk: Desk) -> None:
    call = desk.call()
    desk.workers.refuses = "cannot record: No space left on device"
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    (closed,) = desk.journal.facts(RecordingClosed)
    assert closed.error == "cannot record: No space left on device"
    assert desk.taping.none_runs.is_set()
    assert call.phase == "talking", "the talk goes on"


def test_a_caller_who_left_while_the_disk_was_slow_leaves_nothing_open(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.call()
    desk.journal.slow = True
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.journal.sync()
    desk.journal.sync()
    assert desk.workers.of(media.Record) == []
    assert len(desk.journal.facts(RecordingStarted)) == 1
    (closed,) = desk.journal.facts(RecordingClosed)
    assert closed.error == "the call was over"
    assert not [entry for entry in caplog.records if entry.levelname == "ERROR"], "no fault"
    assert desk.taping.none_runs.is_set()


def test_a_second_agent_joins_the_same_file(desk: Desk) -> None:
    call = talking(desk)
    desk.agent_ready("boris")
    desk.wiring.reported("w0", media.MediaTimeout(call.other_leg, 0.0))
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    records = desk.workers.of(media.Record)
    assert [record.right for record in records][-1] == call.other_leg
    assert len({(record.recording, record.path) for record in records}) == 1
    assert len(desk.journal.facts(RecordingStarted)) == 1


# --- a worker that died --------------------------------------------------------------------------


def test_the_recording_goes_on_in_another_file(desk: Desk) -> None:
    call = talking(desk)
    (first,) = desk.workers.of(media.Record)
    rebuild(desk, set())
    second = desk.workers.of(media.Record)[-1]
    assert second.path == first.path.replace(".part", ".part2")
    assert desk.journal.facts(RecordingClosed)[0].error == "the media worker died"
    assert [fact.path for fact in desk.journal.facts(RecordingStarted)] == [first.path, second.path]
    rebuild(desk, set())
    assert desk.workers.of(media.Record)[-1].path == first.path.replace(".part", ".part3")
    desk.turns.feed(call.id, on.HangUpAsked("test"))
    desk.wiring.reported("w0", segment(desk.workers.of(media.Record)[-1]))
    assert desk.taping.none_runs.is_set()


def test_sessions_are_made_again_on_the_same_ports_with_the_same_far_ends(desk: Desk) -> None:
    call = talking(desk)
    ports = {io.id: io.port for io in desk.legs.by_id.values()}
    far_ends = {io.id: io.far_end for io in desk.legs.by_id.values()}
    before = len(desk.workers.commands)
    rebuild(desk, set())
    again = desk.workers.commands[before:]
    assert {open_.session: open_.port for open_ in again if isinstance(open_, media.Open)} == ports
    updates = {update.session: update for update in again if isinstance(update, media.Update)}
    assert updates == far_ends
    bridges = [command for command in again if isinstance(command, media.Bridge)]
    assert [(bridge.left, bridge.right) for bridge in bridges] == [("in1", call.other_leg)]


def test_who_heard_music_instead_of_the_bridge_hears_it_again(desk: Desk) -> None:
    call = talking(desk)
    hold = description(direction="sendonly")
    desk.phone.event(sip.ChangeAsked(call.other_leg, "INVITE", hold))
    before = len(desk.workers.commands)
    rebuild(desk, set())
    ears = [c for c in desk.workers.commands[before:] if isinstance(c, media.Play | media.Bridge)]
    assert [type(ear).__name__ for ear in ears] == ["Bridge", "Play"]
    assert ears[-1].session == "in1"  # type: ignore[union-attr]


def test_a_connection_that_broke_only_changes_nothing(desk: Desk) -> None:
    talking(desk)
    before = len(desk.workers.commands)
    rebuild(desk, set(desk.legs.by_id))
    assert len(desk.workers.commands) == before
    assert desk.journal.facts(RecordingClosed) == []


def test_a_port_that_somebody_took_meanwhile_costs_that_call(desk: Desk) -> None:
    talking(desk)
    desk.workers.refuses = "port in use"
    rebuild(desk, set())
    desk.workers.refuses = ""
    ended = desk.journal.facts(CallEnded)
    assert [(end.outcome, end.cause) for end in ended] == [("dropped", "media worker died")]


def test_a_worker_that_is_away_ends_the_recording_at_the_hang_up(desk: Desk) -> None:
    call = talking(desk)
    desk.workers.there = False
    desk.turns.feed(call.id, on.HangUpAsked("test"))
    assert desk.journal.facts(RecordingClosed)[0].error == "the media worker died"
    assert desk.taping.none_runs.is_set()


def test_a_worker_that_dies_between_two_agents_goes_on_with_the_caller_alone(desk: Desk) -> None:
    """The first agent is gone, the second one rings: nobody is on the right side just now."""
    call = talking(desk)
    desk.agent_ready("boris")
    desk.wiring.reported("w0", media.MediaTimeout(call.other_leg, 0.0))
    rebuild(desk, set())
    again = desk.workers.of(media.Record)[-1]
    assert (again.path[-6:], again.left, again.right) == (".part2", "in1", "")
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    joined = desk.workers.of(media.Record)[-1]
    assert (joined.path, joined.right) == (again.path, call.other_leg)
