"""Figures of whole calls, from the INVITE on: what others count wrong, through our own shells."""

from __future__ import annotations

import pytest

from queues.events import CallQueued, OfferMade
from queues.figures.statistics import Statistics, fold
from queues.figures.tallies import Tally, WorkTally
from router import inputs as on
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import Desk, description


@pytest.fixture
def desk() -> Desk:
    return Desk()


def answer(desk: Desk, leg: str) -> None:
    desk.phone.event(sip.Answered(leg, description("203.0.113.50", 40_000)))


def figures(desk: Desk) -> Statistics:
    return fold(desk.journal.entries)


def tally(desk: Desk, queue: str = "support") -> Tally:
    return figures(desk).figures(desk.clock.now(), queue=queue).tally


def work(desk: Desk, agent: str) -> WorkTally:
    return figures(desk).work(desk.clock.now(), agent)


def rung(desk: Desk) -> str:
    return desk.invited_legs()[-1]


def test_counted_when_it_happens_not_when_the_call_ends(desk: Desk) -> None:
    desk.agent_ready("anna")
    desk.call("in1")
    assert (tally(desk).offered, tally(desk).answered) == (1, 0)
    desk.pass_time(3.375)
    answer(desk, rung(desk))
    assert (tally(desk).answered, tally(desk).answer_wait_s) == (1, 3.375)
    desk.call("in2")
    desk.pass_time(6.5)
    desk.phone.event(sip.Ended("in2", "bye"))
    assert (tally(desk).abandoned, tally(desk).longest_wait_s) == (1, 6.5)


@pytest.mark.parametrize(
    ("waited_s", "within"), [(11.75, 1), (19.96875, 1), (20.0, 1), (20.03125, 0)]
)
def test_fractions_of_a_second_count(desk: Desk, waited_s: float, within: int) -> None:
    desk.call("in1")
    desk.pass_time(waited_s)
    desk.agent_ready("anna")
    answer(desk, rung(desk))
    assert tally(desk).answer_wait_s == waited_s
    assert tally(desk).answered_within == within


def test_an_answered_call_is_never_shown_as_abandoned(desk: Desk) -> None:
    """IssabelFoundation/callcenter#41: whoever hangs up, and in the instant of the answer."""
    desk.agent_ready("anna")
    desk.call("in1")
    answer(desk, rung(desk))
    desk.phone.event(sip.Ended("in1", "bye"))
    assert (tally(desk).answered, tally(desk).abandoned) == (1, 0)
    desk.pass_time(10.0)
    desk.call("in2")
    answer(desk, rung(desk))
    desk.pass_time(5.0)
    desk.phone.event(sip.Ended(rung(desk), "bye"))
    assert (tally(desk).answered, tally(desk).abandoned) == (2, 0)
    assert figures(desk).outcomes == {"answered": 2}


def test_a_call_counts_once_however_often_it_rings(desk: Desk) -> None:
    """asterisk/asterisk#1736: refused, not answered, an agent lost in mid-call; one visit."""
    desk.agent_ready("anna")
    desk.agent_ready("boris")
    desk.call("in1")
    desk.phone.event(sip.Refused(rung(desk), 486, "Busy Here"))
    assert len(desk.journal.facts(OfferMade)) == 2
    desk.pass_time(4.0)
    answer(desk, rung(desk))
    desk.pass_time(30.0)
    desk.wiring.reported("w0", media.MediaTimeout(rung(desk), 0.0))
    assert [queued.returned for queued in desk.journal.facts(CallQueued)] == [False, True]
    assert figures(desk).live_queue(desk.clock.now(), "support").waiting == 1
    desk.ready("anna")
    answer(desk, rung(desk))
    desk.phone.event(sip.Ended("in1", "bye"))
    assert (tally(desk).offered, tally(desk).answered, tally(desk).answer_wait_s) == (1, 1, 4.0)
    offers = work(desk, "anna").offers, work(desk, "boris").offers
    assert sum(counts.get("refused", 0) for counts in offers) == 1


def test_the_talk_after_a_transfer_is_billed_to_whoever_talked(desk: Desk) -> None:
    """FreePBX/issue-tracker#124."""
    desk.agent_ready("anna")
    call = desk.call("in1")
    desk.pass_time(2.0)
    answer(desk, rung(desk))
    uri = desk.agent_ready("boris")
    desk.pass_time(40.0)
    target = on.Destination("agent", "boris")
    desk.turns.feed(call.id, on.TransferAsked("", target, (uri,)))
    desk.pass_time(8.0)  # boris' phone rings
    answer(desk, rung(desk))
    desk.pass_time(600.0)
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.pass_time(30.0)
    anna, boris = work(desk, "anna"), work(desk, "boris")
    assert 40.0 <= anna.talk_s <= 48.0
    assert (anna.handled, boris.handled) == (1, 1)
    assert boris.talk_s == 600.0
    assert tally(desk).answered == 1
    assert tally(desk).talk_s == anna.talk_s


def test_a_transfer_to_a_queue_is_another_visit_there(desk: Desk) -> None:
    desk.agent_ready("anna")
    call = desk.call("in1")
    answer(desk, rung(desk))
    desk.pass_time(50.0)
    desk.turns.feed(call.id, on.TransferAsked("", on.Destination("queue", "sales"), ()))
    desk.pass_time(5.0)  # anna's wrap-up is the only agent's of sales
    desk.pass_time(2.0)
    answer(desk, rung(desk))
    desk.pass_time(100.0)
    desk.phone.event(sip.Ended("in1", "bye"))
    desk.pass_time(30.0)
    first, second = tally(desk, "support"), tally(desk, "sales")
    assert (first.offered, first.answered, first.handled, first.talk_s) == (1, 1, 1, 50.0)
    assert (second.offered, second.answered, second.handled, second.talk_s) == (1, 1, 1, 100.0)
    assert work(desk, "anna").talk_s == 150.0
    assert figures(desk).outcomes == {"answered": 1}


def test_a_caller_who_waits_for_a_person_waits_in_a_queue_of_that_person(desk: Desk) -> None:
    desk.agent_ready("anna")
    desk.agent_ready("boris")
    call = desk.call("in1")
    answer(desk, rung(desk))
    (talks,) = {agent for agent in ("anna", "boris") if desk.presence(agent) == "talking"}
    (other,) = {"anna", "boris"} - {talks}
    desk.take_break(other)
    desk.turns.feed(call.id, on.TransferAsked("", on.Destination("queue", f"@{other}"), ()))
    live = figures(desk).live(desk.clock.now()).queues
    assert live[f"@{other}"].waiting == 1
    assert tally(desk, f"@{other}").offered == 1
    assert tally(desk, "(personal)").offered == 1


def test_figures_go_on_after_a_crash(desk: Desk) -> None:
    """roramirez/qpanel#113: nothing is reset, and who waited is in no queue any more."""
    from engine import recovery

    desk.agent_ready("anna")
    desk.call("in1")
    answer(desk, rung(desk))
    desk.call("in2")
    before = tally(desk)
    assert (before.offered, before.answered) == (2, 1)
    after = Desk(kept=desk.journal.entries[: desk.journal.durable_seq])
    recovery.settle(after)  # type: ignore[arg-type]
    again = figures(after).figures(after.clock.now(), queue="support")
    assert (again.tally.offered, again.tally.answered, again.waiting) == (2, 1, 0)
    assert again.tally.offered == again.tally.decided
