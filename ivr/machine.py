"""The IVR as a pure machine: ``start`` and ``step``.

A position waits for something or has ended; there is nothing else. Inputs that a position does
not wait for leave it as it is. Whatever a flow says, a call passes at most ENTERED_MAX nodes,
CHAIN_MAX of them without waiting, and gives up input after the node's retries.

``now`` is unix seconds (opening hours go by it) and never steps back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from config.values import changed
from ivr import inputs, nodes
from ivr.actions import (
    Action,
    DialEnded,
    Digit,
    Input,
    LookupDone,
    LookupFailed,
    PlayEnded,
    QueueLeft,
    Tick,
    VoicemailEnded,
)
from ivr.flow import Flow
from ivr.inputs import Next
from ivr.position import CallerFacts, Position, WaitingFor
from ivr.walk import Walk

AHEAD_MAX = 32
KEYS = frozenset("0123456789*#ABCD")


def start(flow: Flow, caller: CallerFacts, now: float) -> tuple[Position, list[Action]]:
    """Enter the flow's first node."""
    language = flow.language or caller.language
    variables = {
        **flow.variables,
        **caller.variables,
        "caller": caller.caller,
        "dialled": caller.dialled,
        "trunk": caller.trunk,
        "language": language,
        "earlier_calls": str(caller.earlier_calls),
        "last_outcome": caller.last_outcome,
        "result": "",
    }
    position = Position(flow.name, flow.start, "play", language, variables=variables)
    walk = Walk(flow, position, now)
    nodes.enter(walk, flow.start)
    return walk.position, walk.actions


def step(flow: Flow, position: Position, event: Input, now: float) -> tuple[Position, list[Action]]:
    """Take one input. Returns the next position and what to do."""
    handler = TABLE.get((position.waiting_for, type(event)))
    if handler is None:
        return position, []
    walk = Walk(flow, position, now)
    following = handler(walk, event)
    if following is not None:
        nodes.enter(walk, following)
    return walk.position, walk.actions


Handler = Callable[[Walk, Any], Next]


def _tick(then: Handler) -> Handler:
    """A tick counts from the deadline on; an early or stray one is ignored."""

    def on_tick(walk: Walk, event: Input) -> Next:
        deadline = walk.position.deadline
        return then(walk, event) if deadline is not None and walk.now >= deadline else None

    return on_tick


def _key_ahead(walk: Walk, event: Digit) -> Next:
    """A key during an announcement or a lookup waits for the next node that asks for keys."""
    position = walk.position
    announcing = position.waiting_for == "play"
    if event.key not in KEYS or (announcing and not inputs.may_interrupt(walk)):
        return None
    if len(position.ahead) < AHEAD_MAX:
        walk.position = changed(position, ahead=position.ahead + event.key)
    return nodes.said(walk) if announcing else None


def _key(walk: Walk, event: Digit) -> Next:
    listening = walk.position.waiting_for == "keys" or inputs.may_interrupt(walk)
    return inputs.key(walk, event.key) if event.key in KEYS and listening else None


def _confirm_key(walk: Walk, event: Digit) -> Next:
    return inputs.confirm_key(walk, event.key) if event.key in KEYS else None


def _said(walk: Walk, event: Input) -> Next:
    return nodes.said(walk)


def _prompted(walk: Walk, event: Input) -> Next:
    return inputs.prompted(walk)


def _no_key(walk: Walk, event: Input) -> Next:
    return inputs.no_key(walk)


def _no_confirm(walk: Walk, event: Input) -> Next:
    return inputs.unconfirmed(walk, "no-input")


def _looked_up(walk: Walk, event: LookupDone) -> Next:
    return nodes.looked_up(walk, event.fields)


def _lookup_failed(walk: Walk, event: Input) -> Next:
    return nodes.lookup_failed(walk)


def _dialled(walk: Walk, event: DialEnded) -> Next:
    return nodes.left(walk, event.result)


def _left_queue(walk: Walk, event: QueueLeft) -> Next:
    return nodes.left(walk, event.reason)


def _left_voicemail(walk: Walk, event: Input) -> Next:
    return nodes.left(walk, "voicemail")


TABLE: dict[tuple[WaitingFor, type[Input]], Handler] = {
    ("play", Digit): _key_ahead,
    ("play", PlayEnded): _said,
    ("play", Tick): _tick(_said),  # the report of the end was lost
    ("prompt", Digit): _key,
    ("prompt", PlayEnded): _prompted,
    ("prompt", Tick): _tick(_prompted),
    ("keys", Digit): _key,
    ("keys", Tick): _tick(_no_key),
    ("confirm-prompt", Digit): _confirm_key,
    ("confirm-prompt", PlayEnded): _prompted,
    ("confirm-prompt", Tick): _tick(_prompted),
    ("confirm-keys", Digit): _confirm_key,
    ("confirm-keys", Tick): _tick(_no_confirm),
    ("lookup", Digit): _key_ahead,
    ("lookup", LookupDone): _looked_up,
    ("lookup", LookupFailed): _lookup_failed,
    ("lookup", Tick): _tick(_lookup_failed),
    ("dial", DialEnded): _dialled,
    ("queue", QueueLeft): _left_queue,
    ("voicemail", VoicemailEnded): _left_voicemail,
    ("voicemail", Tick): _tick(_left_voicemail),
}
"""state x input -> what happens. A pair that is missing is ignored: late reports are normal."""
