"""VIP and block lists by the caller's number."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from config.queueing import Blocked, CallerLists, Vip
from config.settings import QueueSettings, Settings
from queues.callers import BLOCKED, COMMON, Lists, Treatment, is_number

QUEUES = (QueueSettings(name="support"), QueueSettings(name="sales"))


def lists(*, vip: tuple[Vip, ...] = (), blocked: tuple[Blocked, ...] = ()) -> Lists:
    return Lists(Settings(queues=QUEUES, callers=CallerLists(vip=vip, blocked=blocked)))


def test_a_number_is_known_with_and_without_its_plus() -> None:
    known = lists(vip=(Vip(numbers=("+493012345",), priority=10),))
    assert known.treat("+493012345", "support") == Treatment(priority=10)
    assert known.treat("493012345", "sales") == Treatment(priority=10)
    assert known.treat("+4930123456", "support") is COMMON


def test_a_star_takes_every_number_that_begins_so() -> None:
    known = lists(blocked=(Blocked(numbers=("+4930*", "+371*")),))
    assert known.treat("+4930999", "support") is BLOCKED
    assert known.treat("37120000000", "support") is BLOCKED
    assert known.treat("+49", "support") is COMMON


def test_a_list_may_count_in_some_queues_only() -> None:
    known = lists(vip=(Vip(numbers=("100",), rank=1, queues=("sales",)),))
    assert known.treat("100", "sales") == Treatment(rank=1)
    assert known.treat("100", "support") is COMMON


def test_the_blocked_go_before_the_vips_and_the_first_list_that_fits_counts() -> None:
    known = lists(
        vip=(Vip(numbers=("1*",), priority=1), Vip(numbers=("100",), priority=2)),
        blocked=(Blocked(numbers=("107",)),),
    )
    assert known.treat("107", "support") is BLOCKED
    assert known.treat("100", "support").priority == 1


@pytest.mark.parametrize("caller", ["anonymous", "", "unknown", "restricted"])
def test_callers_without_a_number_are_anonymous(caller: str) -> None:
    assert not is_number(caller)
    known = lists(blocked=(Blocked(numbers=("anonymous",)),))
    assert known.treat(caller, "support") is BLOCKED
    assert known.treat("12345", "support") is COMMON


def test_what_is_no_number_and_what_queue_is_unknown_is_told() -> None:
    with pytest.raises(ValidationError, match="is no caller; write a number"):
        Vip(numbers=("*30*",))
    with pytest.raises(ValidationError, match="queue 'nowhere' is used but not under queues"):
        lists(vip=(Vip(numbers=("1",), queues=("nowhere",)),))
