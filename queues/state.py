"""The floor's state, changed only by facts: deciding and recovering share this one path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from config.errors import MisuseError
from queues.agents import Agent
from queues.events import (
    AgentPresence,
    AgentReachable,
    BreakOverrun,
    CallbackDue,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    CallChanged,
    CallPromoted,
    CallQueued,
    CallWidened,
    OfferEnded,
    OfferMade,
    PlaceKept,
    QueueVisitEnded,
    WaitRaised,
)
from queues.offers import FloorEvent
from queues.order import Line
from queues.ranking.eligibility import Eligibility
from queues.resume import Kept, KeptPlaces
from queues.roster import Roster
from queues.rules import EMERGENCY_RANK, FloorRules, QueueRules
from queues.timers import Kind, Timers
from queues.waiting import Callback, CallKey, WaitingCall
from queues.wants import Wants, WantsKnown
from queues.widening import is_personal, next_widening

LEASE_MARGIN_S = 5.0
UNKNOWN = QueueRules()


class FloorState:
    """Calls, callbacks' entries, agents, and the indexes over them.

    ``fresh_calls`` and ``fresh_agents`` may have got a match since the last dispatch, and
    ``fresh_rings`` are ring-all calls that may ring further phones; all others have none, which
    is what makes a decision cheap. ``version`` counts facts.
    """

    def __init__(self, rules: FloorRules) -> None:
        self.rules = rules
        self.version = 0
        self.now = float("-inf")
        self.fence = 0
        self.place = 0
        self.calls: dict[str, WaitingCall] = {}
        self.roster = Roster()
        self.agents = self.roster.agents
        self.talks = self.roster.talks
        self.retired = self.roster.retired
        self.fresh_agents = self.roster.fresh
        self.strays: dict[str, str] = {}  # calls of queues that are gone -> where they go
        self.places = KeptPlaces()
        self._wants = WantsKnown()
        self._handlers: dict[type[Any], Callable[[str, Any, float], None]] = {
            CallQueued: self._call_queued,
            CallWidened: self._call_widened,
            CallChanged: self._call_changed,
            CallPromoted: self._call_promoted,
            OfferMade: self._offer_made,
            OfferEnded: self._offer_ended,
            QueueVisitEnded: self._visit_ended,
            CallbackPlaced: self._callback_placed,
            CallbackMissed: self._callback_missed,
            CallbackDue: self._callback_due,
            CallbackReached: self._callback_reached,
            CallbackEnded: self._callback_ended,
            AgentPresence: self._agent_presence,
            AgentReachable: self.roster.reachable,
            BreakOverrun: self._break_overrun,
            PlaceKept: self._place_kept,
            WaitRaised: self._wait_raised,
        }
        self.adopt(rules)

    def adopt(self, rules: FloorRules) -> None:
        """Take on other rules. Places and offers stay; indexes and timers are made anew
        (for agents see ``Roster.adopt``). Calls of queues that are gone become strays.
        """
        former = self.rules
        self.rules = rules
        self.timers = Timers()
        self.lines: dict[str, Line[CallKey]] = {}
        self.on_hold: dict[str, int] = {}  # queue -> entries whose caller is not on the line
        self.sticky: dict[str, set[str]] = {}  # agent -> calls that wait for that agent
        self.fresh_calls: set[str] = set()
        self.ringing_all: set[str] = set()  # ring-all calls that could ring further phones
        self.fresh_rings: set[str] = set()
        self.staff_counts = any(queue.stay_while != "always" for queue in rules.queues.values())
        self.resume_s_max = max((queue.resume_s for queue in rules.queues.values()), default=0.0)
        self.eligibility = Eligibility(rules)
        self.roster.adopt(rules, self.eligibility, self.timers)
        for agent in self.agents.values():
            if agent.presence == "on-break" and agent.until:
                self.timers.set(Kind.BREAK, agent.id, agent.until)
        for call in self.calls.values():
            self._index(call)
            self._count_rings(call)
            if rules.queue(call.queue) is None and call.call not in self.strays:
                self.strays[call.call] = (former.queue(call.queue) or UNKNOWN).overflow

    def rules_of(self, call: WaitingCall) -> QueueRules:
        """The rules of the call's queue; the defaults where it is gone."""
        return self.rules.queue(call.queue) or UNKNOWN

    def lease_s(self, rules: QueueRules) -> float:
        """How long an offer of this queue holds without news of the phone."""
        return max(self.rules.lease_s, rules.ring_timeout_s + LEASE_MARGIN_S)

    def apply(self, call: str, event: FloorEvent, now: float) -> None:
        """Change the state as the fact says. Facts of what is unknown by now change nothing
        but the version: a configuration may have lost an agent between two runs."""
        if now < self.now:
            raise MisuseError(f"time stepped back from {self.now} to {now}")
        self.now = now
        self.change(call, event, now)

    def change(self, call: str, event: FloorEvent, now: float) -> None:
        """``apply`` at the present instant."""
        self.version += 1
        self._handlers[type(event)](call, event, now)

    # Calls.

    def _call_queued(self, call: str, event: CallQueued, now: float) -> None:
        waiting = WaitingCall(
            call=call,
            queue=event.queue,
            priority=event.priority,
            rank=event.rank,
            wants=self._wants.alike(event.skills, event.level_max, event.only),
            since=now,
            deadline=event.deadline,
            place=event.place,
            origin=event.origin or now,
            returned=event.returned,
            resumed=event.resumed,
            promoted=event.promoted,
            caller=event.caller,
        )
        self.place = max(self.place, event.place)
        self.talks.pop(call, None)
        if event.resumed:
            self.places.take(event.queue, event.caller)
        self._add(waiting)

    def _place_kept(self, call: str, event: PlaceKept, now: float) -> None:
        if call not in self.calls and call not in self.talks:  # the log before it may be gone
            self.place = max(self.place, event.place)
            self._add(WaitingCall.of(call, event))

    def _add(self, waiting: WaitingCall) -> None:
        self.calls[waiting.call] = waiting
        self._index(waiting)
        if self.rules.queue(waiting.queue) is None:
            self.strays[waiting.call] = UNKNOWN.overflow

    def _index(self, call: WaitingCall) -> None:
        key = call.key()
        line = self.lines.get(call.queue)
        if line is None:
            line = self.lines[call.queue] = Line()
        line.add(key)
        if not (call.promoted or call.returned or call.rank == EMERGENCY_RANK):
            self.timers.set(Kind.PROMOTE, call.call, call.origin + self.rules.starvation_s)
        rules = self.rules_of(call)
        if rules.widening or call.wants.only:
            widens_at = next_widening(call, rules)
            if widens_at is not None:
                self.timers.set(Kind.WIDEN, call.call, widens_at)
            if call.wants.only and not is_personal(call.queue):
                self.sticky.setdefault(call.wants.only, set()).add(call.call)
        if not call.on_line:
            self.on_hold[call.queue] = self.on_hold.get(call.queue, 0) + 1
        if not call.rung:
            self._open(call, key)

    def _unindex(self, call: WaitingCall) -> None:
        key = call.key()
        line = self.lines[call.queue]
        line.remove(key)
        if not line:
            del self.lines[call.queue]
        self.timers.drop(Kind.PROMOTE, call.call)
        self.timers.drop(Kind.WIDEN, call.call)
        if call.wants.only and not is_personal(call.queue):
            self.sticky[call.wants.only].discard(call.call)
            if not self.sticky[call.wants.only]:
                del self.sticky[call.wants.only]
        if not call.on_line:
            self.on_hold[call.queue] -= 1
        if not call.rung:
            self._close(call, key)

    def _open(self, call: WaitingCall, key: CallKey) -> None:
        """From now on the call may be offered, and its wait may run out; an entry that rests
        may not be offered yet."""
        entry = call.callback
        if entry is None or entry.stage == "live":
            self.timers.set(Kind.OVERFLOW, call.call, call.since + self.rules_of(call).wait_max_s)
        else:
            self.timers.set(Kind.EXPIRE, call.call, entry.expires_at)
            if entry.stage == "resting":
                self.timers.set(Kind.DUE, call.call, entry.next_at)
                return
        self.eligibility.call_in(call, key)
        self.fresh_calls.add(call.call)

    def _close(self, call: WaitingCall, key: CallKey) -> None:
        entry = call.callback
        if entry is None or entry.stage == "live":
            self.timers.drop(Kind.OVERFLOW, call.call)
        else:
            self.timers.drop(Kind.EXPIRE, call.call)
            if entry.stage == "resting":
                self.timers.drop(Kind.DUE, call.call)
                return
        self.eligibility.call_out(call, key)
        self.fresh_calls.discard(call.call)

    def _remove(self, call: WaitingCall) -> None:
        self._unindex(call)
        del self.calls[call.call]
        self.strays.pop(call.call, None)
        self.ringing_all.discard(call.call)
        self.fresh_rings.discard(call.call)

    def _call_widened(self, call: str, event: CallWidened, now: float) -> None:
        waiting = self.calls.get(call)
        if waiting is not None:
            self._unindex(waiting)
            needs = tuple(sorted(event.skills.items()))
            waiting.wants = Wants(needs, event.level_max, event.only)
            self._index(waiting)
            self._count_rings(waiting)

    def _call_changed(self, call: str, event: CallChanged, now: float) -> None:
        waiting = self.calls.get(call)
        if waiting is not None:
            self._unindex(waiting)
            waiting.priority, waiting.rank = event.priority, event.rank
            waiting.deadline = event.deadline
            waiting.wants = waiting.wants._replace(needs=tuple(sorted(event.skills.items())))
            self._index(waiting)
            self._count_rings(waiting)

    def _call_promoted(self, call: str, event: CallPromoted, now: float) -> None:
        waiting = self.calls.get(call)
        if waiting is not None and not waiting.promoted:
            self._unindex(waiting)
            waiting.promoted = True
            self._index(waiting)

    def _offer_made(self, call: str, event: OfferMade, now: float) -> None:
        self.fence = max(self.fence, event.fence)
        waiting, agent = self.calls.get(call), self.agents.get(event.agent)
        if waiting is None or agent is None:
            return
        if not waiting.rung:
            self._close(waiting, waiting.key())
        waiting.rung += (agent.id,)
        self._count_rings(waiting)
        self.roster.hold(agent, call, event, now)

    def _offer_ended(self, call: str, event: OfferEnded, now: float) -> None:
        waiting, agent = self.calls.get(call), self.agents.get(event.agent)
        if agent is None or agent.fence != event.fence:
            return
        self.roster.release(agent, call, event, now)
        if waiting is None:
            return
        if event.end == "accepted":
            self._remove(waiting)
            return
        waiting.rung = tuple(rung for rung in waiting.rung if rung != agent.id)
        self._count_rings(waiting)
        if not waiting.rung:
            self._open(waiting, waiting.key())

    def _count_rings(self, call: WaitingCall) -> None:
        rules = self.rules_of(call)
        rings_all = rules.strategy == "ring-all" and call.on_line
        if rings_all and 0 < len(call.rung) < rules.ring_all_max:
            self.ringing_all.add(call.call)
            self.fresh_rings.add(call.call)
        else:
            self.ringing_all.discard(call.call)
            self.fresh_rings.discard(call.call)

    def _visit_ended(self, call: str, event: QueueVisitEnded, now: float) -> None:
        waiting = self.calls.get(call)
        if waiting is None:
            return
        self._remove(waiting)
        if event.end == "abandoned" and waiting.caller and self.rules_of(waiting).resume_s:
            kept = Kept(
                waiting.origin,
                waiting.deadline,
                waiting.place,
                waiting.priority,
                waiting.promoted or waiting.returned,
                now,
            )
            self.places.keep(waiting.queue, waiting.caller, kept, self.resume_s_max)

    # Callbacks.

    def _callback_placed(self, call: str, event: CallbackPlaced, now: float) -> None:
        former = self.calls.get(call)
        if former is not None:
            self._remove(former)
        only = event.queue[1:] if is_personal(event.queue) else ""
        self.place = max(self.place, event.place)
        waiting = WaitingCall(
            call=call,
            queue=event.queue,
            priority=event.priority,
            rank=event.rank,
            wants=Wants(tuple(sorted(event.skills.items())), event.level_max, only),
            since=now,
            deadline=event.deadline,
            place=event.place,
            origin=event.origin,
            promoted=event.promoted,
            callback=Callback(
                event.number, event.trunk, event.dialled, event.language, event.expires_at
            ),
        )
        self._add(waiting)

    def _callback_missed(self, call: str, event: CallbackMissed, now: float) -> None:
        self._stage(call, "resting", now, attempts=event.attempt, next_at=event.next_at)

    def _callback_due(self, call: str, event: CallbackDue, now: float) -> None:
        self._stage(call, "due", now)

    def _callback_reached(self, call: str, event: CallbackReached, now: float) -> None:
        waiting, agent = self.calls.get(call), self.agents.get(event.agent)
        if waiting is not None and waiting.callback is not None:
            self._stage(call, "live", now, attempts=waiting.callback.attempts + 1)
            if agent is not None and agent.fence == event.fence:
                agent.until = now + self.lease_s(self.rules_of(waiting))
                self.roster.set_presence(agent, "offered", now)

    def _stage(self, call: str, stage: str, now: float, **changes: Any) -> None:
        waiting = self.calls.get(call)
        if waiting is None or waiting.callback is None:
            return
        self._unindex(waiting)
        waiting.callback = replace(waiting.callback, **{"stage": stage, "next_at": 0.0, **changes})
        if stage == "live":
            waiting.since = now
        self._index(waiting)

    def _callback_ended(self, call: str, event: CallbackEnded, now: float) -> None:
        waiting = self.calls.get(call)
        if waiting is not None:
            self._remove(waiting)

    # Agents.

    def _agent_presence(self, call: str, event: AgentPresence, now: float) -> None:
        agent = self.agents.get(event.agent)
        if agent is not None and agent.fence and _says_nothing_new(agent, call, event):
            return
        self.roster.presence(call, event, now)
        if event.presence == "on-break" and event.until and event.agent in self.agents:
            self.timers.set(Kind.BREAK, event.agent, event.until)
        else:
            self.timers.drop(Kind.BREAK, event.agent)

    def _break_overrun(self, call: str, event: BreakOverrun, now: float) -> None:
        self.timers.drop(Kind.BREAK, event.agent)
        agent = self.agents.get(event.agent)
        if agent is not None and agent.presence == "on-break":
            agent.until = 0.0

    def _wait_raised(self, call: str, event: WaitRaised, now: float) -> None:
        """What a caller was told; ``queues.estimates.estimate`` keeps it."""


def _says_nothing_new(agent: Agent, call: str, event: AgentPresence) -> bool:
    """An offer told already that the agent's phone rings; the fact is for those who read only
    presences."""
    known = (agent.presence, agent.call, agent.queue, agent.reason, agent.after)
    return known == (event.presence, call, event.queue, event.reason, event.after)
