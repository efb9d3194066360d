"""How calls join a queue: their place, what they want, and what changes it while they wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from queues import callbacks, leaving
from queues.events import CallbackPlaced, CallChanged, CallQueued
from queues.offers import Moved
from queues.rules import QueueRules
from queues.waiting import Callback, WaitingCall
from queues.wants import Wants
from queues.widening import is_personal, merged, wants_at

if TYPE_CHECKING:
    from queues.dispatch import Dispatch


class Terms(NamedTuple):
    """What a call brings along (see ``Floor.enqueue``)."""

    priority: int = 0
    rank: int | None = None
    skills: Mapping[str, int] | None = None
    origin: float = 0.0

    def began(self, now: float) -> float:
        """When the clock of the place began; never later than now."""
        return min(self.origin or now, now)

    def deadline(self, rules: QueueRules, now: float) -> float:
        """When the call should be answered."""
        return self.began(now) + rules.target_s - rules.credit_s * self.priority


def join(
    desk: Dispatch,
    call: str,
    queue: str,
    rules: QueueRules,
    terms: Terms,
    *,
    head: bool,
    caller: str,
    sticky: str,
) -> None:
    """A visit begins, and ends at once where the call may not stay."""
    state = desk.state
    now = state.now
    full = len(state.calls) >= state.rules.waiting_max and not head
    kept = None if head or not caller else state.places.find(queue, caller, now, rules.resume_s)
    began = terms.began(now) if kept is None else kept.origin
    deadline = (
        terms.deadline(rules, now)
        if kept is None
        else kept.deadline - rules.credit_s * (terms.priority - kept.priority)
    )
    wants = first_wants(queue, rules, terms.skills, now - began)
    if sticky:
        wants = leaving.sticky_wants(desk, queue, wants, sticky, rules.sticky_s)
    event = CallQueued(
        queue=queue,
        priority=terms.priority,
        rank=rules.rank if terms.rank is None else terms.rank,
        deadline=deadline,
        skills=dict(wants.needs),
        place=state.place + 1 if kept is None else kept.place,
        returned=head,
        target_s=rules.target_s,
        origin=0.0 if began == now else began,
        resumed=kept is not None,
        promoted=kept is not None and kept.promoted,
        level_max=wants.level_max,
        only=wants.only,
        caller=caller,
    )
    desk.emit(call, event)
    if not head:
        waiting = state.calls[call]
        barred = leaving.barred(desk, waiting, rules, full)
        if barred is not None:
            leaving.overflow(desk, waiting, *barred)


def request_callback(
    desk: Dispatch, call: str, queue: str, rules: QueueRules, to: Callback, terms: Terms
) -> None:
    """See ``Floor.request_callback``."""
    state = desk.state
    now = state.now
    waiting = state.calls.get(call)  # its wait may just have run out
    if waiting is None:
        wants = first_wants(queue, rules, terms.skills, now - terms.began(now))
        event = CallbackPlaced(
            queue=queue,
            number=to.number,
            priority=terms.priority,
            rank=rules.rank if terms.rank is None else terms.rank,
            deadline=terms.deadline(rules, now),
            place=state.place + 1,
            origin=terms.began(now),
            expires_at=now + rules.callback.expires_s,
            skills=dict(wants.needs),
            level_max=wants.level_max,
            trunk=to.trunk,
            dialled=to.dialled,
            language=to.language,
        )
        callbacks.place(desk, call, event, full=len(state.calls) >= state.rules.waiting_max)
    elif waiting.callback is None:
        expires_at = now + state.rules_of(waiting).callback.expires_s
        event = callbacks.keeping(waiting, replace(to, expires_at=expires_at))
        desk.end_visit(waiting, "callback-requested", "callback requested")
        callbacks.place(desk, call, event, full=False)
    elif waiting.on_line:
        callbacks.again(desk, waiting)


def first_wants(
    queue: str, rules: QueueRules, skills: Mapping[str, int] | None, waited_s: float
) -> Wants:
    """Who may answer a call that joins: by the queue, by the call's own ``skills`` and by how
    long it has waited. A personal queue is answered by its agent alone."""
    only = queue[1:] if is_personal(queue) else ""
    return wants_at(rules, merged(rules.skills, skills), only, waited_s)


def change(
    desk: Dispatch,
    call: WaitingCall,
    priority: int | None,
    rank: int | None,
    skills: Mapping[str, int] | None,
    by: str,
) -> None:
    """Another priority moves the deadline by its credit; other skills count at once, also for
    an agent whose phone rings."""
    rules = desk.state.rules_of(call)
    new_priority = call.priority if priority is None else priority
    new_rank = call.rank if rank is None else rank
    needs = call.wants.needs
    if skills is not None:
        waited_s = desk.state.now - call.origin
        needs = wants_at(rules, merged(rules.skills, skills), "", waited_s).needs
    if (new_priority, new_rank, needs) == (call.priority, call.rank, call.wants.needs):
        return
    event = CallChanged(
        queue=call.queue,
        priority=new_priority,
        rank=new_rank,
        deadline=call.deadline - rules.credit_s * (new_priority - call.priority),
        skills=dict(needs),
        by=by,
    )
    desk.emit(call.call, event)
    for ident in call.rung:
        agent = desk.state.agents[ident]
        if not agent.can(needs):
            desk.withdraw(agent, "other skills")


def move(desk: Dispatch, call: WaitingCall, queue: str, rules: QueueRules, by: str) -> None:
    """To another queue with the place: the clock of it runs on. Rank and skills that were the
    call's own go along, those of the former queue do not."""
    state = desk.state
    former = state.rules_of(call)
    own = {skill: n for skill, n in call.wants.needs if former.skills.get(skill) != n}
    rank = rules.rank if call.rank == former.rank else call.rank
    wants = first_wants(queue, rules, own, state.now - call.origin)
    deadline = call.origin + rules.target_s - rules.credit_s * call.priority
    if call.callback is not None:
        moved = callbacks.keeping(call, call.callback)
        callbacks.move(desk, call, moved, queue, rank, deadline, wants, by)
        return
    reason = f"moved by {by}" if by else "moved"
    desk.end_visit(call, "removed", reason)
    event = CallQueued(
        queue=queue,
        priority=call.priority,
        rank=rank,
        deadline=deadline,
        skills=dict(wants.needs),
        place=call.place,
        returned=call.returned,
        target_s=rules.target_s,
        origin=call.origin,
        resumed=call.resumed,
        promoted=call.promoted,
        level_max=wants.level_max,
        only=wants.only,
        caller=call.caller,
    )
    desk.emit(call.call, event)
    desk.effects.append(Moved(call.call, queue))
