"""CANCEL crossing 200, a hundred times: either end is legal, nothing hangs, one ticket each."""

from __future__ import annotations

from tests.wire import sipp
from tests.wire.system import System

RACES = 100


def test_a_hundred_races(system: System) -> None:
    done = sipp.run(
        system,
        "cancel",
        calls=RACES,
        rate=25,
        keys={"prefix": "+3712100"},
        timeout_s=40,
        more=("-pause_msg_ign", "-timer_resol", "1"),
    )
    cancelled = done.messages.count("SIP/2.0 487 ")
    assert 0 < cancelled < RACES, f"{cancelled} of {RACES} cancelled: no race"
    tickets = system.wait_for_tickets("+3712100%", RACES)
    assert {ticket["outcome"] for ticket in tickets} <= {"left-in-ivr", "short-abandoned"}
    system.nothing_is_left()
