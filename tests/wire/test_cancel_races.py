"""CANCEL crossing 200, a hundred times: either end is legal, nothing hangs, one ticket each.

An INVITE that is answered within 200 ms gets no 100 that a CANCEL could wait for (RFC 3261 9.1,
17.2.1), so this caller does not wait.
"""

from __future__ import annotations

import random
import time

from tests.wire.raw_sip import Message, Peer
from tests.wire.system import TRUNK, System

RACES = 100
LATEST_S = 0.012  # the CANCEL comes so long after its INVITE, or sooner


def test_a_hundred_races(system: System) -> None:
    dice = random.Random(4)
    with Peer(system.sip, TRUNK) as caller:
        cancelled = sum(race(caller, number, dice.random() * LATEST_S) for number in range(RACES))
    assert 0 < cancelled < RACES, f"{cancelled} of {RACES} cancelled: no race"
    tickets = system.wait_for_tickets("+3712100%", RACES)
    assert {ticket["outcome"] for ticket in tickets} <= {"left-in-ivr", "short-abandoned"}
    system.nothing_is_left()


def race(caller: Peer, number: int, after_s: float) -> bool:
    """A call and its CANCEL; whether the CANCEL won."""
    call_id, via = f"race-{number}", caller.via(f"race-{number}")
    who = f"+3712100{number:03}"
    caller.send(caller.invite("100", who, call_id, via=via))
    time.sleep(after_s)
    caller.send(caller.request("CANCEL", "100", caller=who, call_id=call_id, via=via))
    finals = answers(caller, call_id)
    assert finals["CANCEL"].status == 200, finals["CANCEL"].start
    invite = finals["INVITE"]
    caller.acknowledge(invite)
    if invite.status == 487:
        return True
    assert invite.status == 200, invite.start
    assert caller.bye(invite).status == 200
    return False


def answers(caller: Peer, call_id: str) -> dict[str, Message]:
    """The final responses to INVITE and CANCEL, in whatever order."""
    found: dict[str, Message] = {}
    while found.keys() != {"INVITE", "CANCEL"}:
        message = caller.receive()
        assert message is not None, f"{call_id}: only {list(found)} were answered"
        if message["Call-ID"] == call_id and message.status >= 200:
            found[message.method] = message
    return found
