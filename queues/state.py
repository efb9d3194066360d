"""The floor's state, changed only by facts: deciding and recovering share this one path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from config.errors import MisuseError
from queues.eligibility import Eligibility
from queues.events import (
    AgentPresence,
    AgentReachable,
    CallPromoted,
    CallQueued,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
)
from queues.offers import FloorEvent
from queues.order import Line
from queues.roster import Roster
from queues.rules import EMERGENCY_RANK, FloorRules, QueueRules
from queues.timers import Kind, Timers
from queues.waiting import CallKey, WaitingCall


class FloorState:
    """Calls, agents and the indexes over them.

    ``fresh_calls`` and ``fresh_agents`` may have got a match since the last dispatch; all
    others have none, which is what makes a decision cheap. ``version`` counts facts.
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
        self._handlers: dict[type[Any], Callable[[str, Any, float], None]] = {
            CallQueued: self._call_queued,
            CallPromoted: self._call_promoted,
            OfferMade: self._offer_made,
            OfferEnded: self._offer_ended,
            QueueVisitEnded: self._visit_ended,
            AgentPresence: self.roster.presence,
            AgentReachable: self.roster.reachable,
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
        self.fresh_calls: set[str] = set()
        self.eligibility = Eligibility(rules)
        self.roster.adopt(rules, self.eligibility, self.timers)
        for call in self.calls.values():
            self._index(call)
            if call.queue not in rules.queues and call.call not in self.strays:
                self.strays[call.call] = former.queues.get(call.queue, QueueRules()).overflow

    def apply(self, call: str, event: FloorEvent, now: float) -> None:
        """Change the state as the fact says. Facts of what is unknown by now change nothing
        but the version: a configuration may have lost an agent between two runs."""
        if now < self.now:
            raise MisuseError(f"time stepped back from {self.now} to {now}")
        self.now = now
        self.version += 1
        self._handlers[type(event)](call, event, now)

    def _call_queued(self, call: str, event: CallQueued, now: float) -> None:
        waiting = WaitingCall(
            call=call,
            queue=event.queue,
            priority=event.priority,
            rank=event.rank,
            needs=tuple(sorted(event.skills.items())),
            since=now,
            deadline=event.deadline,
            place=event.place,
            returned=event.returned,
        )
        self.place = max(self.place, event.place)
        self.talks.pop(call, None)
        self.calls[call] = waiting
        self._index(waiting)
        if event.queue not in self.rules.queues:
            self.strays[call] = QueueRules().overflow

    def _index(self, call: WaitingCall) -> None:
        self.lines.setdefault(call.queue, Line()).add(call.key())
        if not (call.promoted or call.returned or call.rank == EMERGENCY_RANK):
            self.timers.set(Kind.PROMOTE, call.call, call.since + self.rules.starvation_s)
        if not call.offered_to:
            self._open(call)

    def _unindex(self, call: WaitingCall) -> None:
        key = call.key()
        line = self.lines[call.queue]
        line.remove(key)
        if not line:
            del self.lines[call.queue]
        self.timers.drop(Kind.PROMOTE, call.call)
        if not call.offered_to:
            self._close(call, key)

    def _open(self, call: WaitingCall) -> None:
        """From now on the call may be offered, and its wait may run out."""
        rules = self.rules.queues.get(call.queue, QueueRules())
        self.eligibility.call_in(call, call.key())
        self.timers.set(Kind.OVERFLOW, call.call, call.since + rules.wait_max_s)
        self.fresh_calls.add(call.call)

    def _close(self, call: WaitingCall, key: CallKey) -> None:
        self.eligibility.call_out(call, key)
        self.timers.drop(Kind.OVERFLOW, call.call)
        self.fresh_calls.discard(call.call)

    def _remove(self, call: WaitingCall) -> None:
        self._unindex(call)
        del self.calls[call.call]
        self.strays.pop(call.call, None)

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
        self._close(waiting, waiting.key())
        waiting.offered_to = agent.id
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
        else:
            waiting.offered_to = ""
            self._open(waiting)

    def _visit_ended(self, call: str, event: QueueVisitEnded, now: float) -> None:
        waiting = self.calls.get(call)
        if waiting is not None:
            self._remove(waiting)
