"""The agents of the floor, changed only by facts: presence, standing, offers, their timers."""

from __future__ import annotations

from queues.agents import READY, Agent
from queues.events import (
    AgentPresence,
    AgentReachable,
    OfferEnd,
    OfferEnded,
    OfferMade,
    Presence,
)
from queues.ranking.eligibility import Eligibility
from queues.ranking.lottery import Lottery
from queues.ranking.strategies import faded
from queues.rules import PERSONAL, AgentRules, FloorRules
from queues.timers import Kind, Timers

BREAK_REASONS: dict[OfferEnd, str] = {
    "refused": "refused",
    "rung-out": "did not answer",
    "unreachable": "phone unreachable",
}

OFFERED: tuple[Presence, ...] = ("offered", "reserved")
BUSY: tuple[Presence, ...] = ("offered", "reserved", "talking", "wrap-up")
HANDLING: tuple[Presence, ...] = ("talking", "wrap-up")


class Roster:
    """Agents by id, and who of them talks to which call.

    ``fresh`` agents may have got a match since the last dispatch. ``retired`` are gone from
    the rules and stay until they are signed out. All four stay the same objects for good.
    """

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.talks: dict[str, str] = {}  # call -> the agent who talks to it
        self.fresh: set[str] = set()
        self.retired: set[str] = set()

    def adopt(self, rules: FloorRules, eligibility: Eligibility, timers: Timers) -> None:
        """Take on other rules, with new indexes and timers: presences and offers stay.

        Agents who are not configured any more keep their record until they are signed out,
        serving no queue.
        """
        self._rules = rules
        self._eligibility = eligibility
        self._timers = timers
        self.fresh.clear()
        for ident in sorted(rules.agents.keys() - self.agents.keys()):
            self.agents[ident] = Agent(ident, rules.agents[ident])
        former: dict[str, AgentRules] = {}
        for agent in list(self.agents.values()):
            former[agent.id] = agent.rules
            agent.rules = rules.agents.get(agent.id, AgentRules())
            if agent.presence == "signed-out" and agent.id not in rules.agents:
                del self.agents[agent.id]
        self.lottery = Lottery(rules, self.agents.values())
        for agent in self.agents.values():
            agent.idle_step = int(agent.idle_since // rules.idle_step_s)
            agent.offered = {q: n for q, n in agent.offered.items() if q in rules.queues}
            self.lottery.count_in(agent, former[agent.id])
            eligibility.count_in(agent)
            if agent.standing == READY:
                self.fresh.add(agent.id)
            self._time(agent)
        self.retired.clear()
        self.retired.update(self.agents.keys() - rules.agents.keys())

    def hold(self, agent: Agent, call: str, event: OfferMade, now: float) -> None:
        """The agent's part of ``OfferMade``."""
        if self.lottery and agent.standing == READY:
            for ident in self.lottery.take(agent, event.queue):
                self.lottery.redraw(self.agents[ident], event.queue)
                self._eligibility.rekey(self.agents[ident])
        agent.fence = event.fence
        agent.until = event.lease_until
        agent.call, agent.queue = call, event.queue
        self.set_presence(agent, "reserved" if event.kind == "callback" else "offered", now)

    def release(self, agent: Agent, call: str, event: OfferEnded, now: float) -> None:
        """The agent's part of ``OfferEnded``, for the agent's pending offer."""
        agent.fence = 0
        agent.until = 0.0
        self._timers.drop(Kind.LEASE, agent.id)
        if event.end != "withdrawn" and not event.queue.startswith(PERSONAL):
            agent.offered = agent.offered | {event.queue: event.fence}
        if event.end == "accepted":
            agent.taken += 1
            self.talks[call] = agent.id
            self.set_presence(agent, "talking", now)
            return
        agent.call = ""
        agent.reason = BREAK_REASONS.get(event.end, "")
        self.set_presence(agent, "on-break" if agent.reason else "available", now)
        agent.queue = ""

    def presence(self, call: str, event: AgentPresence, now: float) -> None:
        """``AgentPresence``; of an unknown agent it changes nothing."""
        agent = self.agents.get(event.agent)
        if agent is None:
            return
        presence = event.presence
        if agent.presence == "talking" != presence and self.talks.get(agent.call) == agent.id:
            del self.talks[agent.call]
        agent.reason = event.reason
        agent.call = call if presence in BUSY else ""
        agent.queue = event.queue
        agent.after, agent.after_reason = event.after, event.after_reason
        if agent.fence == 0:
            agent.until = event.until
        elif presence == agent.presence:
            return  # the fact that began the offer told the rest
        if presence == "talking" and call:
            self.talks[call] = agent.id
        self.set_presence(agent, presence, now)

    def set_presence(self, agent: Agent, presence: Presence, now: float) -> None:
        """The presence alone, with what hangs on it: figures, standing, timers.

        A withdrawn offer costs nobody the turn: idle time and the queue's lot stay.
        """
        former, keep = agent.presence, ""
        if presence != former:
            agent.presence = presence
            agent.since = now
            if (former in HANDLING) != (presence in HANDLING):
                self._account(agent, now, handling=former in HANDLING)
            if former == "signed-out":
                agent.taken = 0
            elif former == "wrap-up":
                self._timers.drop(Kind.WRAP_UP, agent.id)
            if presence == "available":
                if former in OFFERED:
                    keep = agent.queue
                else:
                    agent.idle_since = now
                    agent.idle_step = int(now // self._rules.idle_step_s)
        standing = agent.judge()
        if standing != agent.standing:
            self._restand(agent, standing, keep)
        self._time(agent)
        if presence == "signed-out" and agent.id not in self._rules.agents:
            del self.agents[agent.id]
            self.retired.discard(agent.id)

    def _account(self, agent: Agent, now: float, *, handling: bool) -> None:
        agent.occupied = faded(agent.occupied, now - agent.occupied_at, handling=handling)
        agent.occupied_at = now

    def reachable(self, call: str, event: AgentReachable, now: float) -> None:
        """``AgentReachable``; of an unknown agent it changes nothing."""
        agent = self.agents.get(event.agent)
        if agent is not None:
            agent.reachable = event.reachable
            standing = agent.judge()
            if standing != agent.standing:
                self._restand(agent, standing)

    def _restand(self, agent: Agent, standing: str, keep: str = "") -> None:
        if standing == READY:
            if self.lottery:
                self.lottery.enter(agent, keep)
            self.fresh.add(agent.id)
        elif agent.standing == READY:
            if self.lottery:
                self.lottery.leave(agent)
            self.fresh.discard(agent.id)
        self._eligibility.restand(agent, standing)

    def _time(self, agent: Agent) -> None:
        """Set the timers that the agent has now."""
        if agent.presence == "wrap-up":
            self._timers.set(Kind.WRAP_UP, agent.id, agent.until)
        if agent.fence:
            self._timers.set(Kind.LEASE, agent.id, agent.until)
