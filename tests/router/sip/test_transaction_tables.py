"""The four state machines, every state with every event."""

from __future__ import annotations

from typing import get_args

import pytest

from router.sip.effects import Send
from router.sip.transaction_events import Acked, CancelAsked, Failed, Responded, TimedOut
from router.sip.transaction_machine import Machine
from router.sip.transaction_state import NEVER, Transaction
from router.sip.transaction_tables import (
    INITIAL_STATES,
    INITIAL_TIMERS,
    RETRANSMISSION,
    TABLES,
    Event,
    Kind,
    Row,
    State,
    TimerEvent,
)
from tests.router.sip.transaction_cases import PEER, answer, incoming, outgoing

KINDS: tuple[Kind, ...] = get_args(Kind)
TIMERS: tuple[TimerEvent, ...] = get_args(TimerEvent)
EVENTS: tuple[Event, ...] = (
    "1xx",
    "2xx",
    "3xx-6xx",
    "request",
    "ACK",
    "CANCEL",
    "cancel",
    "transport error",
    *TIMERS,
)

# The figures once more, as one reads them off the RFCs: state, then event>next state. What is
# not named stays where it is.
FIGURES: dict[Kind, str] = {
    "invite-client": """
        calling     1xx>proceeding 2xx>accepted 3xx-6xx>completed cancel>doomed
                    timer_B>terminated transport_error>terminated
        doomed      1xx>cancelling 2xx>accepted 3xx-6xx>completed
                    timer_B>terminated transport_error>terminated
        proceeding  2xx>accepted 3xx-6xx>completed cancel>cancelling transport_error>terminated
        cancelling  2xx>accepted 3xx-6xx>completed timer_cancel>terminated
                    transport_error>terminated
        accepted    timer_M>terminated
        completed   timer_D>terminated transport_error>terminated
        terminated
    """,
    "client": """
        trying      1xx>proceeding 2xx>completed 3xx-6xx>completed timer_F>terminated
                    transport_error>terminated
        proceeding  2xx>completed 3xx-6xx>completed timer_F>terminated transport_error>terminated
        completed   timer_K>terminated
        terminated
    """,
    "invite-server": """
        trying      timer_100>proceeding request>proceeding 1xx>proceeding 2xx>accepted
                    3xx-6xx>completed transport_error>terminated
        proceeding  2xx>accepted 3xx-6xx>completed transport_error>terminated
        accepted    timer_L>terminated transport_error>terminated
        completed   ACK>confirmed timer_H>terminated transport_error>terminated
        confirmed   timer_I>terminated
        terminated
    """,
    "server": """
        trying      1xx>proceeding 2xx>completed 3xx-6xx>completed transport_error>terminated
        proceeding  2xx>completed 3xx-6xx>completed transport_error>terminated
        completed   timer_J>terminated transport_error>terminated
        terminated
    """,
}


def figure(kind: Kind) -> dict[str, dict[str, str]]:
    states: dict[str, dict[str, str]] = {}
    state = ""
    for word in FIGURES[kind].split():
        if ">" in word:
            event, _, to = word.partition(">")
            states[state][event.replace("_", " ")] = to
        else:
            state = word
            states[state] = {}
    return states


def states_of(kind: Kind) -> list[State]:
    return [state for state in get_args(State) if state in figure(kind)]


PRODUCT = [(kind, state, event) for kind in KINDS for state in states_of(kind) for event in EVENTS]


@pytest.mark.parametrize(("kind", "state", "event"), PRODUCT)
def test_the_table_is_the_figure(kind: Kind, state: State, event: Event) -> None:
    row = TABLES[kind].get((state, event))
    expected = figure(kind)[state].get(event, state)
    assert (row.to if row else state) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_names_only_states_of_its_figure(kind: Kind) -> None:
    known = states_of(kind)
    assert {state for state, _ in TABLES[kind]} <= set(known)
    assert INITIAL_STATES[kind] in known


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_is_reached_and_left(kind: Kind) -> None:
    reached = {INITIAL_STATES[kind]} | {row.to for row in TABLES[kind].values()}
    left = {state for (state, _), row in TABLES[kind].items() if row.to != state}
    assert reached == set(states_of(kind))
    assert left == reached - {"terminated"}


def running(kind: Kind) -> dict[State, set[tuple[TimerEvent, ...]]]:
    """The timers that may run in each state, by walking the table from its start."""
    found: dict[State, set[tuple[TimerEvent, ...]]] = {}
    todo = [(INITIAL_STATES[kind], INITIAL_TIMERS[kind])]
    while todo:
        state, timers = todo.pop()
        if timers in found.setdefault(state, set()):
            continue
        found[state].add(timers)
        for (source, _), row in TABLES[kind].items():
            if source == state:
                todo.append((row.to, timers if row.timers is None else row.timers))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_timers_that_run_are_the_ones_a_state_handles(kind: Kind) -> None:
    for state, choices in running(kind).items():
        handled = {event for source, event in TABLES[kind] if source == state}
        (timers,) = choices
        assert set(timers) == handled & set(TIMERS)


def build(kind: Kind, state: State) -> tuple[Machine, Transaction]:
    machine = Machine(0.5, 4.0, 5.0)
    tx = Transaction("c|z9hG4bKx|M", kind, state, "M", PEER, b"kept", ack=b"")
    if kind == "invite-client":
        tx.request = outgoing()
        tx.request.headers.prepend("Via", "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKx")
        if state == "completed":
            tx.ack, tx.request = b"the ACK", None
    machine.enter(tx)
    return machine, tx


def expected_effects(kind: Kind, row: Row) -> list[type]:
    tells: type = Acked if kind == "invite-server" else Responded
    effects: dict[str, list[type]] = {
        "tell": [tells],
        "send": [Send],
        "resend": [Send],
        "back off": [],
        "ack": [Send],
        "cancel": [Send],
        "cancelled": [CancelAsked],
        "timed out": [TimedOut],
        "failed": [Failed],
    }
    return [effect for action in row.do for effect in effects[action]]


@pytest.mark.parametrize(
    ("kind", "state", "event"), [item for item in PRODUCT if item[1] != "terminated"]
)
def test_the_machine_does_what_the_table_says(kind: Kind, state: State, event: Event) -> None:
    machine, tx = build(kind, state)
    if event in RETRANSMISSION:
        tx.resend_event, tx.resend_interval = event, 0.5
    statuses = {"1xx": 180, "2xx": 200, "3xx-6xx": 486}
    if event in statuses:
        message = answer(incoming(), statuses[event])
        machine.step(tx, event, 10.0, out := [], message, PEER)
    else:
        machine.step(tx, event, 10.0, out := [], incoming("ACK"), PEER)
    row = TABLES[kind].get((state, event))
    if row is None:
        assert out == []
        assert tx.state == state
        assert machine.timers.next_deadline() is None
        return
    assert tx.state == row.to
    assert [type(effect) for effect in out] == expected_effects(kind, row)
    assert (tx.id in machine.open) == (row.to != "terminated")
    if row.to == "terminated":
        assert (tx.resend_at, tx.ends_at) == (NEVER, NEVER)
        assert machine.paths == {}
    elif row.timers is not None:
        assert (tx.resend_at != NEVER) == bool(RETRANSMISSION & set(row.timers))
        assert (tx.ends_at != NEVER) == bool(row.timers)
    elif "back off" in row.do:
        assert tx.resend_at == (14.0 if state == "proceeding" else 11.0)
