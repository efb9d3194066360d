"""A disk that takes nothing: a caller who came before that was known hears so within seconds."""

from __future__ import annotations

import pytest

from engine.patience import PATIENCE_S
from router.events import CallArrived, CallEnded
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import Desk, description

TURNED_AWAY = ("turn_down", "in1", 503, (("Retry-After", "5"),))


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.journal.slow = True
    return desk


def test_a_caller_is_not_left_waiting_for_the_disk(desk: Desk) -> None:
    desk.invite()
    desk.pass_time(PATIENCE_S - 0.1)
    assert desk.phone.said == []
    desk.pass_time(0.2)
    assert desk.phone.said == [TURNED_AWAY]


def test_the_ticket_is_there_when_the_disk_is_back(desk: Desk) -> None:
    desk.invite()
    desk.pass_time(PATIENCE_S + 1)
    desk.journal.sync()
    (ended,) = desk.journal.facts(CallEnded)
    assert (ended.outcome, ended.cause) == ("failed", "the disk takes nothing")
    assert len(desk.journal.facts(CallArrived)) == 1
    assert desk.phone.said == [TURNED_AWAY], "it is not picked up any more"
    assert desk.turns.calls == {}
    assert not [item for item in desk.workers.commands if isinstance(item, media.Open)]


def test_who_was_picked_up_in_time_is_not_turned_away(desk: Desk) -> None:
    desk.invite()
    desk.pass_time(PATIENCE_S - 0.5)
    desk.journal.sync()
    desk.pass_time(PATIENCE_S)
    assert desk.phone.verbs() == ["answer"]


def test_who_hung_up_meanwhile_is_not_turned_away(desk: Desk) -> None:
    desk.invite()
    desk.phone.event(sip.Ended("in1", "cancel"))
    desk.pass_time(PATIENCE_S + 1)
    desk.journal.sync()
    assert "turn_down" not in desk.phone.verbs()
    (ended,) = desk.journal.facts(CallEnded)
    assert ended.outcome != "failed"


def test_a_call_that_an_engine_answered_before_it_died_stays(desk: Desk) -> None:
    """Its answer is owed once more; the caller has it."""
    desk.invite()
    desk.legs.by_id["in1"].local_body = description()
    desk.pass_time(PATIENCE_S + 1)
    assert desk.phone.said == []


def test_each_caller_has_their_own_patience(desk: Desk) -> None:
    desk.invite("in1")
    desk.pass_time(PATIENCE_S / 2)
    desk.invite("in2")
    desk.pass_time(PATIENCE_S / 2 + 0.1)
    assert [said[1] for said in desk.phone.said] == ["in1"]
    desk.pass_time(PATIENCE_S / 2)
    assert [said[1] for said in desk.phone.said] == ["in1", "in2"]
