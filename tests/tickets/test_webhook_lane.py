"""When a message is sent again, and when an endpoint is left alone. Pure, on invented time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.webhook_lane import (
    DELIVERED,
    GIVEN_UP,
    REFUSED_MAX,
    RETRY_AFTER_S_MAX,
    WAITING,
    Answer,
    Lane,
    Message,
    Pace,
    backoff,
)

PACE = Pace(retry_first_s=5.0, retry_max_s=600.0, give_up_s=10_000.0, in_flight_max=8)
NOW = 1_000_000.0
OK = Answer(200)


def message(seq: int = 1, *, since: float = NOW, attempts: int = 0) -> Message:
    return Message("crm", seq, 0, "call.ended", f"c{seq}", NOW, since, since, attempts, "{}")


def sure() -> Lane:
    """A lane on which a message was taken."""
    lane = Lane(PACE)
    lane.settle([(message(), OK)], NOW, 1.0)
    return lane


def test_one_goes_first_then_as_many_as_may() -> None:
    lane = Lane(PACE)
    assert lane.room(NOW) == 1
    (settled,) = lane.settle([(message(), OK)], NOW, 1.0)
    assert (settled.state, settled.status, settled.why) == (DELIVERED, 200, "")
    assert lane.room(NOW) == 8


@pytest.mark.parametrize("status", [0, 401, 403, 404, 408, 429, 500, 502, 503, 599])
def test_an_endpoint_that_is_away_is_left_alone(status: int) -> None:
    lane = sure()
    why = "cannot connect" if status == 0 else ""
    (settled,) = lane.settle([(message(), Answer(status, why))], NOW, 1.0)
    assert (settled.state, settled.due_at) == (WAITING, NOW + 5.0)
    assert lane.problem == (why or f"status {status}")
    assert lane.room(NOW + 4.9) == 0
    assert lane.room(NOW + 5.0) == 1, "one goes to see"
    lane.settle([(message(2), OK)], NOW + 5, 1.0)
    assert (lane.room(NOW + 5), lane.problem) == (8, "")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 409, 413, 422])
def test_a_refused_message_holds_up_no_other(status: int) -> None:
    lane = sure()
    (settled,) = lane.settle([(message(), Answer(status))], NOW, 1.0)
    assert (settled.state, settled.due_at, settled.status) == (WAITING, NOW + 5.0, status)
    assert lane.room(NOW) == 8


def test_refusals_without_end_look_like_one_away() -> None:
    lane = sure()
    for seq in range(REFUSED_MAX):
        assert lane.room(NOW) == 8
        lane.settle([(message(seq), Answer(400))], NOW, 1.0)
    assert lane.room(NOW) == 0
    assert lane.room(NOW + 5) == 1


def test_pauses_double_up_to_the_longest() -> None:
    lane, now, pauses = sure(), NOW, list[float]()
    for _ in range(9):
        lane.settle([(message(), Answer(503))], now, 1.0)
        pauses.append(lane.quiet_until - now)
        now = lane.quiet_until
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600]


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_pause_is_between_half_and_the_whole_and_bounded(failures: int, draw: float) -> None:
    pause_s = backoff(failures, PACE, draw)
    assert 2.5 <= pause_s <= 600.0
    assert backoff(failures, PACE, 0.0) * 2 == backoff(failures, PACE, 1.0)
    assert pause_s <= backoff(failures + 1, PACE, draw)


def test_retry_after_is_honoured_but_not_for_ever() -> None:
    for asked, waits in ((30.0, 30.0), (1.0, 5.0), (1e9, RETRY_AFTER_S_MAX)):
        lane = sure()
        lane.settle([(message(), Answer(503, retry_after_s=asked))], NOW, 1.0)
        assert lane.quiet_until == NOW + waits
    (settled,) = sure().settle([(message(), Answer(400, retry_after_s=90))], NOW, 1.0)
    assert settled.due_at == NOW + 90


def test_the_last_attempt_is_at_the_end_of_its_time() -> None:
    old = message(since=NOW - 9_999.0, attempts=20)
    (settled,) = sure().settle([(old, Answer(500))], NOW, 1.0)
    assert (settled.state, settled.due_at) == (WAITING, NOW + 1.0)
    (settled,) = sure().settle([(old, Answer(500))], NOW + 1.0, 1.0)
    assert (settled.state, settled.status, settled.why) == (GIVEN_UP, 500, "status 500")
    (settled,) = sure().settle([(old, OK)], NOW + 5.0, 1.0)
    assert settled.state == DELIVERED


def test_gone_is_gone_until_somebody_resumes_it() -> None:
    lane = sure()
    (settled,) = lane.settle([(message(), Answer(410))], NOW, 1.0)
    assert settled.state == WAITING
    assert lane.room(NOW + 1e9) == 0
    lane.settle([(message(2), OK)], NOW, 1.0)  # an answer that was on its way
    assert lane.gone
    lane.resume()
    assert lane.room(NOW) == 1


def test_one_that_is_taken_among_failures() -> None:
    lane = sure()
    settled = lane.settle([(message(1), OK), (message(2), Answer(503))], NOW, 1.0)
    assert [item.state for item in settled] == [DELIVERED, WAITING]
    assert lane.quiet_until == NOW + 5, "too much at once: a pause, but the shortest"
    assert lane.room(NOW + 5) == 1
