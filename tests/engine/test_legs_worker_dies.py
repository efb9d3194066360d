"""A media worker dies before it has opened a leg's session: the next one in its place does."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from engine.leg_io import home_of
from engine.rebuild import Rebuild
from router.events import CallEnded
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import Desk, description


@pytest.fixture
def desk() -> Desk:
    return Desk()


def dies(desk: Desk) -> None:
    """As the client tells it: what was asked is refused, the connection is gone."""
    desk.workers.worker.connected = False
    desk.workers.refuses = "worker w0 is gone"
    desk.workers.release()


def comes_back(desk: Desk) -> None:
    desk.workers.worker.connected = True
    desk.workers.refuses = ""
    desk.workers.held = False
    rebuild = Rebuild(desk.turns, desk.legs, desk.taping, 15.0)
    rebuild.back("w0", desk.workers.worker, set(), set())


def test_a_caller_who_comes_at_that_moment_is_picked_up_a_little_later(desk: Desk) -> None:
    desk.workers.held = True
    desk.invite()
    dies(desk)
    assert desk.phone.said == []
    comes_back(desk)
    assert [said[:2] for said in desk.phone.said] == [("answer", "in1")]
    assert [opened.session for opened in desk.workers.of(media.Open)] == ["in1", "in1"]
    assert desk.journal.facts(CallEnded) == []


def test_a_caller_who_comes_while_every_worker_is_away_is_picked_up_a_little_later(
    desk: Desk,
) -> None:
    desk.workers.there = False
    desk.invite()
    assert desk.phone.said == []
    desk.workers.there = True
    comes_back(desk)
    assert [said[:2] for said in desk.phone.said] == [("answer", "in1")]


def test_a_refusal_of_the_dead_worker_that_comes_after_the_next_one_is_no_refusal(
    desk: Desk,
) -> None:
    desk.workers.held = True
    desk.invite()
    dead, desk.workers.worker = (
        desk.workers.worker,
        SimpleNamespace(name="w0", connected=True, send=desk.workers.commands.append),
    )
    dead.connected = False
    comes_back(desk)
    desk.workers.held, desk.workers.refuses = True, "worker w0 is gone"
    desk.workers.release()
    assert desk.phone.said == []
    desk.workers.refuses = ""
    desk.workers.release()
    assert [said[:2] for said in desk.phone.said] == [("answer", "in1")]


def test_an_agent_who_is_rung_at_that_moment_is_rung_a_little_later(desk: Desk) -> None:
    call = desk.call()
    desk.workers.held = True
    desk.agent_ready()
    dies(desk)
    assert desk.invited_legs() == []
    comes_back(desk)
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Answered(leg, description()))
    assert call.phase == "talking"


def test_who_gives_up_meanwhile_is_forgotten(desk: Desk) -> None:
    desk.workers.held = True
    desk.invite()
    dies(desk)
    desk.phone.event(sip.Ended("in1", "cancel"))
    assert desk.journal.facts(CallEnded)[0].outcome == "left-in-ivr"
    comes_back(desk)
    assert len(desk.workers.of(media.Open)) == 1


def test_a_call_stays_with_its_worker_also_while_that_is_away(desk: Desk) -> None:
    desk.workers.there = False
    home = home_of(desk.workers, "c1")  # type: ignore[arg-type]
    assert home is not None
    assert (home.name, home.connected) == ("w0", False)


def test_one_that_dies_while_sessions_are_made_again_ends_no_call(desk: Desk) -> None:
    call = desk.call()
    (port,) = [io.port for io in desk.legs.by_id.values()]
    desk.workers.held = True
    rebuild = Rebuild(desk.turns, desk.legs, desk.taping, 15.0)
    rebuild.back("w0", desk.workers.worker, set(), set())
    dies(desk)
    assert desk.turns.calls == {call.id: call}
    comes_back(desk)
    assert [opened.port for opened in desk.workers.of(media.Open)] == [0, port, port]
    assert desk.journal.facts(CallEnded) == []


def test_a_port_that_somebody_else_has_by_now_ends_its_leg(desk: Desk) -> None:
    desk.call()
    desk.workers.refuses = "no such port"
    Rebuild(desk.turns, desk.legs, desk.taping, 15.0).back("w0", desk.workers.worker, set(), set())
    (ended,) = desk.journal.facts(CallEnded)
    assert ended.cause == "media worker died"
