"""Callbacks that keep the place: the caller hangs up, the waiting call stays as an entry.

When its turn comes an agent is reserved first, then the caller is dialled; whoever answers is on
the line again and waits at the same place, with the reserved agent's phone ringing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from queues.agents import Agent, AgentKey
from queues.events import (
    ASKED_AGAIN,
    CLOSED,
    AgentPresence,
    CallbackEnd,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    VisitEnd,
)
from queues.offers import CallbackOver, Offer, OfferStale, Reserve
from queues.opening import is_open, next_opening
from queues.state import LEASE_MARGIN_S
from queues.waiting import Callback, WaitingCall
from queues.wants import Wants

if TYPE_CHECKING:
    from queues.dispatch import Dispatch


def place(desk: Dispatch, call: str, event: CallbackPlaced, *, full: bool) -> None:
    """The entry begins. Where the floor is full already it ends at once."""
    desk.emit(call, event)
    if full:
        end(desk, desk.state.calls[call], "gave-up", "floor full")


def keeping(call: WaitingCall, to: Callback) -> CallbackPlaced:
    """The entry that has the exact place of a waiting call."""
    return CallbackPlaced(
        queue=call.queue,
        number=to.number,
        priority=call.priority,
        rank=call.rank,
        deadline=call.deadline,
        place=call.place,
        origin=call.origin,
        expires_at=to.expires_at,
        skills=dict(call.wants.needs),
        promoted=call.promoted or call.returned,
        level_max=call.wants.level_max,
        trunk=to.trunk,
        dialled=to.dialled,
        language=to.language,
    )


def move(
    desk: Dispatch,
    call: WaitingCall,
    entry: CallbackPlaced,
    queue: str,
    rank: int,
    deadline: float,
    wants: Wants,
    by: str,
) -> None:
    """The entry goes to another queue; it ends in this one."""
    desk.withdraw_all(call, "moved")
    attempts = call.callback.attempts if call.callback is not None else 0
    cause = f"moved to {queue}" + (f" by {by}" if by else "")
    desk.emit(call.call, CallbackEnded(call.queue, "cancelled", attempts, "", cause))
    event = replace(
        entry,
        queue=queue,
        rank=rank,
        deadline=deadline,
        skills=dict(wants.needs),
        level_max=wants.level_max,
    )
    desk.emit(call.call, event)


def reserve(desk: Dispatch, call: WaitingCall, best: AgentKey) -> None:
    """The entry's turn has come: hold the agent, then dial. Nobody is called by a queue that is
    closed: the entry rests until it opens."""
    state, entry = desk.state, call.callback
    assert entry is not None
    schedule = state.rules_of(call).schedule
    if schedule is not None and not is_open(schedule, state.now):
        _rest(desk, call, entry.attempts, CLOSED, next_opening(schedule, state.now))
        return
    ring_s = state.rules_of(call).callback.ring_s
    fence = desk.make_offer(call, best, state.now + ring_s + LEASE_MARGIN_S)
    desk.emit(call.call, AgentPresence(best.agent, "reserved", queue=call.queue))
    desk.effects.append(
        Reserve(
            call.call,
            best.agent,
            fence,
            call.queue,
            entry.number,
            entry.trunk,
            entry.dialled,
            entry.language,
            ring_s,
        )
    )


def reached(desk: Dispatch, call: str, fence: int) -> None:
    """The caller answered: the reserved agent's phone rings."""
    agent = _reserved(desk, call, fence)
    if agent is None:
        desk.effects.append(OfferStale("", fence))
        return
    waiting = desk.state.calls[call]
    ring_s = desk.state.rules_of(waiting).ring_timeout_s
    desk.emit(call, CallbackReached(waiting.queue, agent.id, fence))
    desk.emit(call, AgentPresence(agent.id, "offered", queue=waiting.queue))
    desk.effects.append(Offer(call, agent.id, fence, waiting.queue, ring_s))


def missed(desk: Dispatch, call: str, fence: int, cause: str) -> None:
    """Nobody answered; nothing where the reservation is over already."""
    agent = _reserved(desk, call, fence)
    if agent is not None:
        miss(desk, agent, cause)


def miss(desk: Dispatch, agent: Agent, cause: str) -> None:
    """The attempt failed: the agent is free again and keeps the turn."""
    call = desk.state.calls.get(agent.call)
    desk.end_offer(agent, "withdrawn", cause)
    if call is not None and call.callback is not None:
        _attempt_failed(desk, call, call.callback.attempts + 1, cause)


def connected(desk: Dispatch, call: WaitingCall, agent: str) -> None:
    """An agent has accepted: the entry came to its end."""
    entry = call.callback
    assert entry is not None
    desk.emit(call.call, CallbackEnded(call.queue, "connected", entry.attempts, agent))


def again(desk: Dispatch, call: WaitingCall) -> None:
    """A called-back caller who waits asks to be called once more: the entry keeps its place."""
    entry = call.callback
    assert entry is not None
    desk.withdraw_all(call, "callback requested")
    _rest(desk, call, entry.attempts, ASKED_AGAIN, desk.state.now)


def leave(desk: Dispatch, call: WaitingCall, how: VisitEnd) -> None:
    """A caller who was on the line again left. Whom we cut off ("removed") is called again: an
    attempt that failed."""
    entry = call.callback
    assert entry is not None
    if how == "removed":
        desk.withdraw_all(call, how)
        _attempt_failed(desk, call, entry.attempts, how)
    elif how == "callback-requested":
        again(desk, call)
    elif how == "abandoned":
        end(desk, call, how, "")
    else:
        end(desk, call, "gave-up", how)


def _attempt_failed(desk: Dispatch, call: WaitingCall, attempt: int, cause: str) -> None:
    rules = desk.state.rules_of(call).callback
    _rest(desk, call, attempt, cause, desk.state.now + rules.retry_s)
    if attempt >= rules.attempts and call.call in desk.state.calls:
        end(desk, call, "gave-up", cause)


def _rest(desk: Dispatch, call: WaitingCall, attempt: int, cause: str, next_at: float) -> None:
    desk.emit(call.call, CallbackMissed(call.queue, attempt, cause, next_at))


def expire(desk: Dispatch, call: WaitingCall) -> None:
    """The request is too old."""
    end(desk, call, "expired", "")


def end(desk: Dispatch, call: WaitingCall, how: CallbackEnd, cause: str, agent: str = "") -> None:
    """The entry is gone. ``CallbackOver`` where no caller holds the line."""
    entry = call.callback
    assert entry is not None
    desk.withdraw_all(call, cause or how)
    desk.emit(call.call, CallbackEnded(call.queue, how, entry.attempts, agent, cause))
    if not call.on_line:
        desk.effects.append(CallbackOver(call.call, how, cause))


def _reserved(desk: Dispatch, call: str, fence: int) -> Agent | None:
    """The agent who is reserved for this entry by this very reservation."""
    waiting = desk.state.calls.get(call)
    for ident in waiting.rung if waiting is not None else ():
        agent = desk.state.agents[ident]
        if agent.fence == fence and agent.presence == "reserved":
            return agent
    return None
