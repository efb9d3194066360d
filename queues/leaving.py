"""Why calls leave a queue without an agent, at entry and while they wait; and how waiting
widens who may answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from queues import callbacks
from queues.agents import Agent
from queues.events import CallWidened
from queues.offers import Overflow, OverflowReason
from queues.opening import is_open
from queues.rules import QueueRules, Staffed, personal_queue
from queues.waiting import WaitingCall
from queues.wants import Wants
from queues.widening import is_personal, widened

if TYPE_CHECKING:
    from queues.dispatch import Dispatch

Cause = Literal["waited", "expected", "full", "closed", "unstaffed"]


def overflow(desk: Dispatch, call: WaitingCall, cause: Cause, reason: OverflowReason) -> None:
    """The call leaves by the queue's way out for this cause."""
    _go(desk, call, desk.state.rules_of(call).way_out(cause), reason)


def stray(desk: Dispatch, call: WaitingCall, to: str) -> None:
    """The call's queue is gone."""
    _go(desk, call, to, "queue removed")


def _go(desk: Dispatch, call: WaitingCall, to: str, reason: OverflowReason) -> None:
    if call.callback is not None:
        callbacks.end(desk, call, "gave-up", reason)
        if not call.on_line:
            return
    else:
        desk.end_visit(call, "overflowed", reason)
    desk.effects.append(Overflow(call.call, call.queue, to, reason, call.origin))


# At entry.


def barred(
    desk: Dispatch, call: WaitingCall, rules: QueueRules, floor_full: bool
) -> tuple[Cause, OverflowReason] | None:
    """Why a call that just joined may not stay. A queue that is closed or without staff lets
    nobody in; a bound holds only where no agent is ready for the call."""
    state = desk.state
    if not is_open(rules.schedule, state.now):
        return "closed", "queue closed"
    why = unstaffed(desk, call.queue, rules.join_when)
    if why is not None:
        return "unstaffed", why
    limited = rules.waiting_max is not None or rules.expected_max_s is not None
    if not (floor_full or limited) or state.eligibility.best_agent(call) is not None:
        return None
    if floor_full:
        return "full", "floor full"
    waiting = len(state.lines[call.queue]) - state.on_hold.get(call.queue, 0)
    if rules.waiting_max is not None and waiting > rules.waiting_max:
        return "full", "queue full"
    if _too_long(desk, call, rules):
        return "expected", "expected wait too long"
    return None


def unstaffed(desk: Dispatch, queue: str, staffed: Staffed) -> OverflowReason | None:
    """What is missing of the staff that is asked for."""
    if staffed == "always":
        return None
    eligibility = desk.state.eligibility
    if not eligibility.signed_in(queue):
        return "nobody signed in"
    if staffed == "working" and not eligibility.working(queue):
        return "nobody working"
    return None


def _too_long(desk: Dispatch, call: WaitingCall, rules: QueueRules) -> bool:
    if rules.expected_max_s is None:
        return False
    expected_s = desk.learning.catch_up().expected_s(call.call, desk.state.now)
    return expected_s is not None and expected_s > rules.expected_max_s


# While waiting.


def agents_left(desk: Dispatch, agents: Iterable[Agent]) -> None:
    """Agents signed out, went on a break or lost their phone: who waits for one alone who is
    away waits for anybody from now on; their queues may be without staff, or their callers'
    waits too long."""
    state = desk.state
    queues: dict[str, None] = {}
    for agent in agents:
        if agent.presence in ("signed-out", "on-break"):
            calls = [state.calls[call] for call in state.sticky.get(agent.id, ())]
            for call in sorted(calls, key=WaitingCall.key):
                _widen_to(desk, call, call.wants._replace(only=""))
        queues |= dict.fromkeys((*agent.rules.queues, personal_queue(agent.id)))
    for queue in sorted(queues):
        _review_queue(desk, queue)


def review(desk: Dispatch) -> None:
    """After a start or a reload: what holds for those who wait, all of it."""
    state = desk.state
    for agent in sorted(state.sticky):
        known = state.agents.get(agent)
        for call in sorted((state.calls[c] for c in state.sticky[agent]), key=WaitingCall.key):
            if known is None or not may_wait_for(known, call.queue, call.wants):
                _widen_to(desk, call, call.wants._replace(only=""))
    for queue in sorted(state.lines):
        _review_queue(desk, queue)


def may_wait_for(agent: Agent, queue: str, wants: Wants) -> bool:
    """Whether this agent will answer before long: signed in, not on a break, able to."""
    away = agent.presence in ("signed-out", "on-break") or agent.after in ("signed-out", "on-break")
    alone = wants._replace(only=agent.id)
    return not away and agent.serves(queue) and not agent.lacks(queue, alone)


def _review_queue(desk: Dispatch, queue: str) -> None:
    """Calls whose phones ring stay; so do those whom a ready agent may take."""
    state = desk.state
    rules = state.rules.queue(queue)
    line = state.lines.get(queue)
    if rules is None or line is None:
        return
    why = unstaffed(desk, queue, rules.stay_while)
    if why is None and rules.expected_max_s is None:
        return
    calls = [state.calls[key.call] for key in line]
    calls = [call for call in calls if call.on_line and not call.rung]
    if why is not None:
        for call in calls:
            overflow(desk, call, "unstaffed", why)
        return
    # From the tail of each kind: once one may stay, so may those before it.
    kinds: dict[Wants, list[WaitingCall]] = {}
    for call in calls:
        kinds.setdefault(call.wants, []).append(call)
    for alike in kinds.values():
        while alike and _too_long(desk, alike[-1], rules):
            overflow(desk, alike.pop(), "expected", "expected wait too long")


def stay_or_go(desk: Dispatch, call: WaitingCall) -> None:
    """A call that came, or whose phones stopped ringing, and found no agent ready."""
    if not call.on_line or call.rung:
        return
    why = unstaffed(desk, call.queue, desk.state.rules_of(call).stay_while)
    if why is not None:
        overflow(desk, call, "unstaffed", why)


# Widening.


def widen(desk: Dispatch, call: WaitingCall) -> None:
    """The call has waited long enough for more agents."""
    _widen_to(desk, call, widened(call, desk.state.rules_of(call), desk.state.now))


def _widen_to(desk: Dispatch, call: WaitingCall, wants: Wants) -> None:
    event = CallWidened(
        queue=call.queue,
        skills=dict(wants.needs),
        level_max=wants.level_max,
        only=wants.only,
        waited_s=desk.state.now - call.origin,
    )
    desk.emit(call.call, event)


def sticky_wants(desk: Dispatch, queue: str, wants: Wants, agent: str, sticky_s: float) -> Wants:
    """Only the agent who knows the caller, where that agent will answer before long."""
    known = desk.state.agents.get(agent)
    if known is None or not sticky_s or is_personal(queue):
        return wants
    return wants._replace(only=agent) if may_wait_for(known, queue, wants) else wants
