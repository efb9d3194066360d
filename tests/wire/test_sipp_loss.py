"""200 calls by SIPp over UDP with every tenth message lost, both ways: none fails, none hangs."""

from __future__ import annotations

from tests.wire import sipp
from tests.wire.system import CONFIG as BASE
from tests.wire.system import System

CALLS = 200
WAITING = 60  # of them wait for the flow to hang up; the others leave the queue
HOLDING = 20  # more hold and resume, by re-INVITE and UPDATE
# nobody sends audio here, and a silent caller would be asked by re-INVITE whether it is there
CONFIG = BASE.replace("timeout_s: 5\n", "timeout_s: 60\n")
FLOWS = {
    "main": """\
start: words
nodes:
  words: {type: say, prompt: {phrase: welcome}, next: more}
  more: {type: say, prompt: {phrase: please-hold}, next: end}
  end: {type: hangup}
"""
}


def test_every_call_ends_well_and_leaves_one_ticket(system: System) -> None:
    leaving = sipp.start(
        system,
        "uac",
        calls=CALLS - WAITING,
        rate=40,
        number="700",
        lost_percent=10,
        keys={"prefix": "+3712001"},
        timeout_s=60,
        more=("-max_invite_retrans", "8", "-max_non_invite_retrans", "10"),
    )
    waiting = sipp.start(
        system,
        "uac_waits",
        calls=WAITING,
        rate=20,
        lost_percent=10,
        keys={"prefix": "+3712002"},
        timeout_s=60,
        more=("-max_invite_retrans", "8"),
    )
    holding = sipp.start(
        system,
        "hold",
        calls=HOLDING,
        rate=10,
        number="700",
        lost_percent=10,
        keys={"prefix": "+3712003", "rtp_port": "9"},
        timeout_s=60,
        more=("-max_invite_retrans", "8", "-max_non_invite_retrans", "10"),
    )
    try:
        left = leaving.finish().check(CALLS - WAITING)
        waited = waiting.finish().check(WAITING)
        holding.finish().check(HOLDING)
    finally:
        leaving.end()
        waiting.end()
        holding.end()
    assert left.retransmissions + waited.retransmissions > 20, "nothing was lost?"
    tickets = system.wait_for_tickets("+3712001%", CALLS - WAITING)
    assert {ticket["outcome"] for ticket in tickets} <= {"short-abandoned", "missed"}
    tickets = system.wait_for_tickets("+3712002%", WAITING)
    assert {ticket["outcome"] for ticket in tickets} == {"completed-in-ivr"}
    system.nothing_is_left(media=True)
    system.wait_for_tickets("+3712003%", HOLDING)
    assert len(system.tickets()) == CALLS + HOLDING
