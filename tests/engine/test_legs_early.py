"""A leg out, while the offer that it is for is being written: media are there when it is."""

from __future__ import annotations

from typing import Any

import pytest

from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import Desk, description


@pytest.fixture
def desk() -> Desk:
    return Desk()


def being_offered(desk: Desk) -> Any:
    """A waiting call that an agent is to be rung for as soon as that is on disk."""
    call = desk.call()
    desk.journal.slow = True
    desk.agent_ready()
    assert desk.invited_legs() == []
    return call


def test_the_agent_s_media_are_opened_while_the_offer_is_being_written(desk: Desk) -> None:
    call = being_offered(desk)
    (leg,) = [leg.id for leg in call.legs.values() if leg.agent]
    assert [opened.session for opened in desk.workers.of(media.Open)] == ["in1", leg]
    desk.journal.sync()
    assert desk.invited_legs() == [leg]
    assert len(desk.workers.of(media.Open)) == 2
    desk.phone.event(sip.Answered(leg, description("203.0.113.50", 40_000)))
    desk.journal.sync()
    assert call.phase == "talking"


def test_a_worker_may_take_longer_than_the_disk(desk: Desk) -> None:
    desk.workers.held = True
    desk.invite()
    desk.workers.release()
    (call,) = desk.turns.calls.values()
    desk.journal.slow = True
    desk.agent_ready()
    desk.journal.sync()
    assert desk.invited_legs() == []
    desk.workers.release()
    assert desk.invited_legs() == [leg.id for leg in call.legs.values() if leg.agent]


def test_without_media_nothing_is_dialled_when_the_offer_is_written(desk: Desk) -> None:
    call = desk.call()
    desk.journal.slow = True
    desk.workers.refuses = "no port left"
    desk.agent_ready()
    desk.journal.sync()
    assert desk.invited_legs() == []
    assert desk.presence("anna") == "on-break"
    assert call.phase == "waiting"


def test_a_caller_who_goes_meanwhile_leaves_no_session_and_no_ring(desk: Desk) -> None:
    call = being_offered(desk)
    (leg,) = [leg.id for leg in call.legs.values() if leg.agent]
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.journal.sync()
    assert desk.invited_legs() == []
    assert leg in [closed.session for closed in desk.workers.of(media.Close)]
    assert leg not in desk.legs.by_id
    assert desk.presence("anna") == "available"


def test_a_phone_that_goes_meanwhile_leaves_no_session(desk: Desk) -> None:
    call = being_offered(desk)
    (leg,) = [leg.id for leg in call.legs.values() if leg.agent]
    desk.phone.phones.clear()
    desk.journal.sync()
    assert desk.invited_legs() == []
    assert leg in [closed.session for closed in desk.workers.of(media.Close)]
    assert leg not in desk.legs.by_id
    assert desk.presence("anna") == "on-break"
