"""The table of a leg: the whole product of states and events, row by row."""

from __future__ import annotations

from typing import get_args

import pytest

from router.sip.leg_table import TABLE, Action, LegEvent, State
from router.sip.useragent import ACTIONS

STATES = get_args(State)
EVENTS = get_args(LegEvent)
LOCAL = ("answer", "reject", "acknowledge", "hang-up")
# what each state can hear of; every other pair must have no row
EXPECTED = {
    "invited": {"answer", "reject", "hang-up", "cancelled", "bye", "unproved", "lost"},
    "answered": {"acked", "unacked", "bye", "hang-up"},
    "closing": {"acked", "unacked", "bye", "hang-up"},
    "calling": {"accepted", "accepted-late", "refused", "hang-up"},
    "cancelling": {"accepted", "accepted-late", "refused", "hang-up"},
    "owing": {"acknowledge", "hang-up", "bye"},
    "confirmed": {"hang-up", "bye", "unacked", "lost", "expired"},
    "ended": {"bye", "hang-up"},
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_pair_is_decided(state: State, event: LegEvent) -> None:
    assert ((state, event) in TABLE) == (event in EXPECTED[state])


def test_every_action_is_made_and_used() -> None:
    used = {action for _, action in TABLE.values()} - {""}
    assert used == set(ACTIONS) == set(get_args(Action)) - {""}


@pytest.mark.parametrize("state", STATES)
def test_hanging_up_is_always_possible_and_idempotent(state: State) -> None:
    first, _ = TABLE[state, "hang-up"]
    second, action = TABLE[first, "hang-up"]
    assert (second, action) == (first, "")


def test_the_end_is_final() -> None:
    assert {row for (state, _), row in TABLE.items() if state == "ended"} == {("ended", "")}


@pytest.mark.parametrize("state", STATES)
def test_a_silent_network_ends_every_leg(state: State) -> None:
    """From every state, timers and the call layer alone reach the end."""
    own = {"reject", "hang-up", "unacked", "refused", "acknowledge", "lost", "expired"}
    seen, todo = {state}, [state]
    while todo:
        here = todo.pop()
        for (at, event), (to, _) in TABLE.items():
            if at == here and event in own and to not in seen:
                seen.add(to)
                todo.append(to)
    assert "ended" in seen


def test_an_end_that_the_call_layer_did_not_ask_for_is_told() -> None:
    quiet = {
        ("invited", "reject"),
        ("invited", "hang-up"),
        ("closing", "acked"),
        ("closing", "unacked"),
        ("closing", "bye"),
    }
    for (state, event), (to, action) in TABLE.items():
        if to == "ended" and state != "ended":
            assert ("tell" in action) == ((state, event) not in quiet)
