"""Recordings that a dead engine had begun, or was about to: one start, one end, one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import recovery
from engine.kept import CODEC, CallKept
from engine.rebuild import Rebuild
from engine.taping import WORKER_DIED
from router import effects as do
from router.events import EngineStarted, RecordingClosed, RecordingStarted
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import Desk, description
from tests.engine.test_takeover import SUPERVISOR, next_engine


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(recordings_dir=tmp_path)
    made.journal.append("", EngineStarted(1, "1", SUPERVISOR), made.clock.now())
    made.agent_ready()
    made.call()
    return made


def owes_a_recording(desk: Desk) -> Desk:
    """The talk's facts are on disk, nothing of what they allow was done; and the next engine."""
    desk.journal.slow = True
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    desk.journal.end_group()
    kept = CODEC.decode(desk.journal.facts(CallKept)[-1].data)
    assert any(isinstance(effect, do.Record) for effect in kept.outer)
    return next_engine(desk)


def close_files(desk: Desk) -> None:
    open_files: dict[str, recovery.Entry] = {}
    for entry in desk.journal.entries:
        recovery.fold_files(open_files, entry)
        desk.holds.note(entry)
    recovery.close_files(desk, open_files)  # type: ignore[arg-type]


def test_what_was_owed_begins_and_is_not_told_to_be_cut(desk: Desk) -> None:
    after = owes_a_recording(desk)
    assert len(after.workers.of(media.Record)) == 1
    close_files(after)
    assert after.journal.facts(RecordingClosed) == []


def test_what_was_owed_and_died_with_its_worker_goes_on_in_another_file(desk: Desk) -> None:
    after = owes_a_recording(desk)
    Rebuild(after.turns, after.legs, after.taping, 15.0).back(
        "w0", after.workers.worker, set(), set()
    )
    started = [fact.path for fact in after.journal.facts(RecordingStarted)]
    closed = [fact.path for fact in after.journal.facts(RecordingClosed)]
    assert started == [*closed, started[0].replace(".part", ".part2")]
    close_files(after)
    assert len(after.journal.facts(RecordingClosed)) == 1


def test_once_it_runs_the_state_of_the_call_says_so(desk: Desk) -> None:
    """Nothing happens in a long talk that would have the state written again."""
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    desk.journal.end_group()
    kept = CODEC.decode(desk.journal.facts(CallKept)[-1].data)
    assert [tape.command.left for tape in kept.tapes] == ["in1"]
    assert not any(isinstance(effect, do.Record) for effect in kept.outer)


def test_what_its_worker_ended_meanwhile_is_closed_once(desk: Desk) -> None:
    """The dead engine began it, the caller hung up, the worker's report waited for us."""
    after = owes_a_recording(desk)
    (record,) = after.workers.of(media.Record)
    after.wiring.reported(
        "w0", media.RecordingSegment(record.recording, record.path, 1.0, 2.0, 5, 5)
    )
    for io in after.legs.by_id.values():
        io.media_over = True
    (call,) = after.turns.calls.values()
    after.turns.owe(call, [do.Record(record.recording, record.path, "in1", record.right)])
    assert len(after.journal.facts(RecordingClosed)) == 1


def test_a_worker_that_has_the_session_and_does_not_record_it_begins_anew(desk: Desk) -> None:
    """It died, the engine that was making its sessions again died in the middle of that."""
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    after = next_engine(desk)
    (record,) = after.workers.of(media.Record)
    assert record.path.endswith(".part2")
    assert len(after.journal.facts(RecordingClosed)) == 1


def test_a_call_that_is_over_begins_no_further_segment(desk: Desk) -> None:
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    (call,) = desk.turns.calls
    desk.turns.calls.clear()
    desk.taping.go_on({"in1"})
    assert len(desk.journal.facts(RecordingStarted)) == 1
    assert [fact.error for fact in desk.journal.facts(RecordingClosed)] == [WORKER_DIED]
    assert desk.taping.of(call) == []


def test_what_an_ended_call_had_recorded_by_a_worker_that_died_is_closed(desk: Desk) -> None:
    desk.phone.event(sip.Answered(desk.invited_legs()[-1], description()))
    desk.journal.slow = True
    desk.phone.event(sip.Ended("in1", "bye"))
    after = next_engine(desk)
    close_files(after)
    assert [fact.error for fact in after.journal.facts(RecordingClosed)] == [WORKER_DIED]
    assert len(after.journal.facts(RecordingStarted)) == 1
