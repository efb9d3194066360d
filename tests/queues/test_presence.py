"""The table of presence, walked whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import get_args

import pytest

from queues.events import Presence
from queues.presence import NEXT, Command
from tests.queues.floors import Watched, rules

PRESENCES: tuple[Presence, ...] = get_args(Presence)
COMMANDS: tuple[Command, ...] = get_args(Command)
SAID = {
    "sign-in": "sign_in",
    "sign-out": "sign_out",
    "ready": "ready",
    "end-wrap-up": "end_wrap_up",
    "finish": "finished",
    "free": "free",
}


def agent_in(presence: Presence) -> Watched:
    """A floor where ann got into the presence the way agents do."""
    watched = Watched(rules())
    watched.set_reachable("ann", True, 0.0)
    if presence == "signed-out":
        return watched
    watched.sign_in("ann", 1.0)
    if presence == "on-break":
        watched.take_break("ann", 2.0, "lunch")
    elif presence == "reserved":
        watched.request_callback("c1", "main", 3.0, number="100")
    elif presence != "available":
        watched.enqueue("c1", "main", 3.0)
        if presence != "offered":
            watched.accept("ann", 1, 4.0)
        if presence == "wrap-up":
            watched.finished("ann", 5.0)
    assert watched.presence("ann") == presence
    return watched


def give(watched: Watched, command: Command) -> None:
    if command == "break":
        watched.take_break("ann", 6.0, "coffee")
    elif command == "busy":
        watched.busy("ann", 6.0, "own call")
    elif command == "lost":
        watched.lost("ann", 6.0, "media timeout")
    elif command == "accept":
        watched.accept("ann", 1, 6.0)
    elif command == "refuse":
        watched.refuse("ann", 1, 6.0, "refused", "486")
    elif command == "withdraw" and watched.presence("ann") == "reserved":
        watched.callback_missed("c1", 1, 6.0, "no answer")
    elif command == "withdraw":
        watched.leave("c1", 6.0, "abandoned")
    elif command == "offer":
        watched.enqueue("c2", "main", 6.0)
    elif command == "reserve":
        watched.request_callback("c2", "main", 6.0, number="200")
    elif command == "reach":
        watched.callback_reached("c1", 1, 6.0)
    else:
        getattr(watched, SAID[command])("ann", 6.0)


@pytest.mark.parametrize("presence", PRESENCES)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_presence_meets_every_command(presence: Presence, command: Command) -> None:
    watched = agent_in(presence)
    give(watched, command)
    expected = NEXT.get((presence, command), presence)
    if (presence, command) == ("talking", "free"):
        expected = "talking"  # a queue's talk ends by ``finished``
    assert watched.presence("ann") == expected


@pytest.mark.parametrize("presence", PRESENCES)
def test_each_presence_has_an_exit_and_an_entry(presence: Presence) -> None:
    assert [to for (at, _), to in NEXT.items() if at == presence and to != presence]
    assert [at for (at, _), to in NEXT.items() if to == presence and at != presence]


@pytest.mark.parametrize(
    ("command", "reason", "after"),
    [("break", "coffee", "on-break"), ("sign-out", "", "signed-out")],
)
def test_what_is_asked_for_while_talking_follows_the_wrap_up(
    command: Command, reason: str, after: str
) -> None:
    watched = agent_in("talking")
    give(watched, command)
    assert watched.agents()[0].after == after
    watched.finished("ann", 20.0)
    assert watched.presence("ann") == "wrap-up"
    watched.tick(30.0)
    assert watched.presence("ann") == after
    assert watched.agents()[0].reason == reason


def test_ready_takes_back_what_was_to_follow() -> None:
    watched = agent_in("talking")
    watched.take_break("ann", 6.0, "coffee")
    watched.ready("ann", 7.0)
    watched.finished("ann", 20.0)
    watched.tick(30.0)
    assert watched.presence("ann") == "available"


def test_a_lost_agent_who_asked_to_sign_out_is_signed_out() -> None:
    watched = agent_in("talking")
    watched.sign_out("ann", 6.0)
    watched.lost("ann", 7.0, "media timeout")
    assert watched.presence("ann") == "signed-out"


def test_a_lost_agent_is_on_break_with_the_reason() -> None:
    watched = agent_in("talking")
    watched.lost("ann", 7.0, "media timeout")
    view = watched.agents()[0]
    assert (view.presence, view.reason) == ("on-break", "phone unreachable: media timeout")


@pytest.mark.parametrize("ended_by", ["free", "finished"])
def test_an_own_call_leaves_a_break_as_it_was(ended_by: str) -> None:
    watched = agent_in("on-break")
    watched.busy("ann", 6.0, "own call")
    getattr(watched, ended_by)("ann", 60.0)
    view = watched.agents()[0]
    assert (view.presence, view.reason) == ("on-break", "lunch")


def test_an_own_call_does_not_cost_the_rest_of_the_wrap_up() -> None:
    watched = agent_in("wrap-up")  # from 5 to 15
    watched.busy("ann", 8.0, "own call")
    watched.free("ann", 60.0)
    view = watched.agents()[0]
    assert (view.presence, view.until) == ("wrap-up", 67.0)
    watched.tick(67.0)
    assert watched.presence("ann") == "available"


def test_an_own_call_in_wrap_up_keeps_the_sign_out_asked_for() -> None:
    watched = agent_in("talking")
    watched.sign_out("ann", 6.0)
    watched.finished("ann", 7.0)
    watched.busy("ann", 8.0, "own call")
    watched.free("ann", 9.0)
    assert watched.presence("ann") == "signed-out"


def test_the_same_break_twice_is_one_fact_and_another_reason_another() -> None:
    watched = agent_in("on-break")
    assert watched.take_break("ann", 6.0, "lunch") == []
    assert len(watched.take_break("ann", 7.0, "coffee")) == 1


def test_a_snapshot_stays_as_it_was() -> None:
    watched = agent_in("available")
    view = watched.agents()[0]
    before = asdict(view)
    watched.take_break("ann", 9.0, "lunch")
    assert asdict(view) == before
