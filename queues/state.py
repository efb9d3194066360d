"""The floor's state, changed only by facts: deciding and recovering share this one path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from config.errors import MisuseError
from queues.agents import READY, Agent
from queues.eligibility import Eligibility
from queues.events import (
    AgentPresence,
    AgentReachable,
    CallPromoted,
    CallQueued,
    OfferEnd,
    OfferEnded,
    OfferMade,
    Presence,
    QueueVisitEnded,
)
from queues.offers import FloorEvent
from queues.order import Line
from queues.rules import EMERGENCY_RANK, AgentRules, FloorRules, QueueRules
from queues.timers import Kind, Timers
from queues.waiting import CallKey, WaitingCall

BREAK_REASONS: dict[OfferEnd, str] = {
    "refused": "refused",
    "rung-out": "did not answer",
    "unreachable": "phone unreachable",
}


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
        self.agents: dict[str, Agent] = {}
        self.talks: dict[str, str] = {}  # call -> the agent who talks to it
        self.strays: dict[str, str] = {}  # calls of queues that are gone -> where they go
        self.retired: set[str] = set()  # agents who are gone, until they are signed out
        self._handlers: dict[type[Any], Callable[[str, Any, float], None]] = {
            CallQueued: self._call_queued,
            CallPromoted: self._call_promoted,
            OfferMade: self._offer_made,
            OfferEnded: self._offer_ended,
            QueueVisitEnded: self._visit_ended,
            AgentPresence: self._agent_presence,
            AgentReachable: self._agent_reachable,
        }
        self.adopt(rules)

    def adopt(self, rules: FloorRules) -> None:
        """Take on other rules. Places and offers stay; indexes and timers are made anew.

        Agents who are not configured any more keep their record until they are signed out,
        serving no queue; calls of queues that are gone become strays.
        """
        former = self.rules
        self.rules = rules
        self.timers = Timers()
        self.lines: dict[str, Line[CallKey]] = {}
        self.fresh_calls: set[str] = set()
        self.fresh_agents: set[str] = set()
        self.eligibility = Eligibility(rules.idle_step_s)
        for ident in sorted(rules.agents.keys() - self.agents.keys()):
            self.agents[ident] = Agent(ident, rules.agents[ident])
        for agent in list(self.agents.values()):
            agent.rules = rules.agents.get(agent.id, AgentRules())
            if agent.presence == "signed-out" and agent.id not in rules.agents:
                del self.agents[agent.id]
                continue
            self.eligibility.count_in(agent)
            if agent.standing == READY:
                self.fresh_agents.add(agent.id)
            self._time_agent(agent)
        self.retired = self.agents.keys() - rules.agents.keys()
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
        agent.fence = event.fence
        agent.until = event.lease_until
        agent.call, agent.queue = call, event.queue
        self._set_presence(agent, "offered", now)

    def _offer_ended(self, call: str, event: OfferEnded, now: float) -> None:
        waiting, agent = self.calls.get(call), self.agents.get(event.agent)
        if agent is None or agent.fence != event.fence:
            return
        agent.fence = 0
        agent.until = 0.0
        if event.end == "accepted":
            if waiting is not None:
                self._remove(waiting)
            self.talks[call] = agent.id
            self._set_presence(agent, "talking", now)
            return
        if waiting is not None:
            waiting.offered_to = ""
            self._open(waiting)
        agent.call = agent.queue = ""
        agent.reason = BREAK_REASONS.get(event.end, "")
        self._set_presence(agent, "on-break" if agent.reason else "available", now)

    def _visit_ended(self, call: str, event: QueueVisitEnded, now: float) -> None:
        waiting = self.calls.get(call)
        if waiting is not None:
            self._remove(waiting)

    def _agent_presence(self, call: str, event: AgentPresence, now: float) -> None:
        agent = self.agents.get(event.agent)
        if agent is None:
            return
        if self.talks.get(agent.call) == agent.id and event.presence != "talking":
            del self.talks[agent.call]
        agent.reason = event.reason
        agent.call = call if event.presence in ("offered", "talking", "wrap-up") else ""
        agent.queue = event.queue
        if agent.fence == 0:
            agent.until = event.until
        agent.after, agent.after_reason = event.after, event.after_reason
        if event.presence == "talking" and call:
            self.talks[call] = agent.id
        self._set_presence(agent, event.presence, now)

    def _set_presence(self, agent: Agent, presence: Presence, now: float) -> None:
        if presence != agent.presence:
            # A withdrawn offer costs nobody the turn: idle time runs on.
            if presence == "available" and agent.presence != "offered":
                agent.idle_since = now
            agent.presence = presence
            agent.since = now
        self._restand(agent)
        self._time_agent(agent)
        if presence == "signed-out" and agent.id not in self.rules.agents:
            del self.agents[agent.id]
            self.retired.discard(agent.id)

    def _agent_reachable(self, call: str, event: AgentReachable, now: float) -> None:
        agent = self.agents.get(event.agent)
        if agent is not None:
            agent.reachable = event.reachable
            self._restand(agent)

    def _restand(self, agent: Agent) -> None:
        standing = agent.judge()
        if standing == agent.standing:
            return
        self.eligibility.restand(agent, standing)
        if standing == READY:
            self.fresh_agents.add(agent.id)
        else:
            self.fresh_agents.discard(agent.id)

    def _time_agent(self, agent: Agent) -> None:
        if agent.presence == "wrap-up":
            self.timers.set(Kind.WRAP_UP, agent.id, agent.until)
        else:
            self.timers.drop(Kind.WRAP_UP, agent.id)
        if agent.fence:
            self.timers.set(Kind.LEASE, agent.id, agent.until)
        else:
            self.timers.drop(Kind.LEASE, agent.id)
