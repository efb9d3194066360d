"""What a waiting caller was told, and the place of one who hung up, in the next engine."""

from __future__ import annotations

import pytest

from engine.journal import Entry
from queues.events import CallQueued, PlaceKept
from router import inputs as on
from router.sip import effects as sip
from tests.engine.desk import Desk, description
from tests.engine.test_takeover import begun, next_engine


def busy(callers: int = 3) -> Desk:
    """Anna talks, these wait; Boris is on duty, too."""
    desk = begun()
    desk.agent_ready()
    desk.call("talks")
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Answered(leg, description()))
    for number in range(callers):
        desk.pass_time(1.0)
        desk.call(f"in{number}")
    return desk


def test_a_wait_that_was_told_is_not_raised_by_a_take_over() -> None:
    """The next engine knows fewer facts, so it may expect more; the caller was told less."""
    desk = busy()
    waiting = desk.turns.calls[desk.floor.waiting()[-1].call]
    assert waiting.promised_at > desk.clock.now()
    waiting.promised_at = promised_at = desk.clock.now() + 60.0  # as things stood then
    desk.turns.touch(waiting.id)
    after = next_engine(desk)
    estimate = after.floor.estimate(waiting.id)
    assert estimate is not None
    assert estimate.raised is None
    assert after.clock.now() + estimate.high_s <= promised_at + 0.5
    again = next_engine(after)
    estimate = again.floor.estimate(waiting.id)
    assert estimate is not None
    assert again.clock.now() + estimate.high_s <= promised_at + 0.5


def test_what_was_told_counts_for_that_wait_only() -> None:
    desk = busy(1)
    (view,) = desk.floor.waiting()
    call = desk.turns.calls[view.call]
    call.promised_at = told = desk.clock.now() + 6000.0
    desk.turns.feed(call.id, on.Queued(on.QueueCare("sales")))
    assert call.promised_at != told


def test_the_wait_is_known_where_the_call_came_before_what_is_left_of_the_log() -> None:
    desk = busy()
    calls = [view.call for view in desk.floor.waiting()]
    for call in calls:
        desk.turns.together(lambda call=call: desk.floor.tell_place(call))  # type: ignore[misc]
    first = next(e.seq for e in desk.journal.entries if isinstance(e.event, PlaceKept))
    after = next_engine(desk)
    short = begun()
    short.journal.entries = [
        entry
        for entry in desk.journal.entries
        if entry.seq >= first or not isinstance(entry.event, CallQueued)
    ]
    short.journal.entries = [
        Entry(number, entry.at, entry.call, entry.event)
        for number, entry in enumerate(short.journal.entries, 1)
    ]
    short.journal.durable_seq = len(short.journal.entries)
    short.phone.phones, short.phone.known = desk.phone.phones, desk.phone.known
    short.clock.at = desk.clock.at
    later = next_engine(short)
    for call in calls:
        assert later.floor.position(call) == after.floor.position(call)
        estimate, known = later.floor.estimate(call), after.floor.estimate(call)
        assert estimate is not None
        assert known is not None
        assert estimate.high_s == pytest.approx(known.high_s, abs=1.0)
