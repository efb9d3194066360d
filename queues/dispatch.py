"""One decision: what is due, matching, the ends of offers and of visits."""

from __future__ import annotations

from heapq import heappop, heappush

from config.errors import MisuseError
from queues.agents import READY, Agent, AgentKey
from queues.events import (
    AgentPresence,
    CallPromoted,
    OfferEnd,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
    VisitEnd,
)
from queues.offers import (
    Effect,
    Fact,
    FloorEvent,
    Offer,
    Overflow,
    OverflowReason,
    Withdraw,
)
from queues.presence import NEXT, Command, step
from queues.roster import BREAK_REASONS
from queues.rules import FloorRules, QueueRules
from queues.state import FloorState
from queues.timers import Kind
from queues.waiting import CallKey, WaitingCall

LEASE_MARGIN_S = 5.0
GONE = QueueRules(wrap_up_s=0.0)


class Dispatch:
    """The state and the effects of the command at hand.

    ``begin`` lets what is due take effect and matches (``adopt`` takes on rules instead);
    ``done`` does so again and hands out the effects. Everything that can be refused is refused
    before ``begin``: the facts of what fell due must not get lost with an exception.
    """

    def __init__(self, rules: FloorRules) -> None:
        self.state = FloorState(rules)
        self.effects: list[Effect] = []

    def begin(self, now: float) -> None:
        self._clock(now)
        self._settle()

    def adopt(self, rules: FloorRules, now: float) -> None:
        """Begin with other rules. What is due waits for ``done``: an offer of this instant must
        not go to an agent whom the rules took off the queue."""
        self._clock(now)
        self.state.adopt(rules)

    def _clock(self, now: float) -> None:
        if now < self.state.now:
            raise MisuseError(f"time stepped back from {self.state.now} to {now}")
        self.state.now = now
        self.effects = []

    def done(self) -> list[Effect]:
        self._settle()
        effects, self.effects = self.effects, []
        return effects

    def emit(self, call: str, event: FloorEvent) -> None:
        self.state.apply(call, event, self.state.now)
        self.effects.append(Fact(call, event))

    def _settle(self) -> None:
        """Match, then let fall due instant by instant, matching after each: an agent who got
        free before a caller's wait ran out still takes that caller."""
        self._match()
        while due := self.state.timers.pop(self.state.now):
            for kind, ident in due:
                self._fall_due(kind, ident)
            self._match()

    def _fall_due(self, kind: Kind, ident: str) -> None:
        state = self.state
        if kind is Kind.WRAP_UP:
            self.command(state.agents[ident], "end-wrap-up")
        elif kind is Kind.LEASE:
            self._lapse(state.agents[ident])
        elif kind is Kind.PROMOTE:
            call = state.calls[ident]
            self.emit(ident, CallPromoted(call.queue, state.now - call.since))
        else:
            call = state.calls[ident]
            rules = state.rules.queues.get(call.queue, QueueRules())
            self.overflow(call, rules.overflow, "waited too long")

    # Matching.

    def _match(self) -> None:
        """Offer calls in their order, each to the best agent, until no pair is left.

        Only a call or an agent that changed can have got a match. The heap holds, for each,
        the first call it could lead to; that only moves back while calls are taken, so the
        least entry is the first call of all, once it is still open.
        """
        state = self.state
        if not state.fresh_calls and not state.fresh_agents:
            return
        heap: list[tuple[CallKey, str]] = []
        for call in state.fresh_calls:
            waiting = state.calls[call]
            if state.eligibility.best_agent(waiting) is not None:
                heappush(heap, (waiting.key(), ""))
        for agent in state.fresh_agents:
            self._push_best(heap, agent)
        while heap:
            key, agent = heappop(heap)
            waiting = state.calls[key.call]
            if not waiting.offered_to:
                best = state.eligibility.best_agent(waiting)
                if best is not None:
                    self._offer(waiting, best)
            if agent:
                self._push_best(heap, agent)
        state.fresh_calls.clear()
        state.fresh_agents.clear()

    def _push_best(self, heap: list[tuple[CallKey, str]], agent: str) -> None:
        candidate = self.state.agents[agent]
        if candidate.standing == READY:
            key = self.state.eligibility.best_call(candidate)
            if key is not None:
                heappush(heap, (key, agent))

    def _offer(self, call: WaitingCall, best: AgentKey) -> None:
        state = self.state
        rules = state.rules.queues[call.queue]
        fence = state.fence + 1
        runners_up = state.eligibility.runners_up(call)
        event = OfferMade(
            agent=best.agent,
            fence=fence,
            queue=call.queue,
            lease_until=state.now + max(state.rules.lease_s, rules.ring_timeout_s + LEASE_MARGIN_S),
            floor_version=state.version,
            runners_up=tuple((key.agent, key.sort_key()) for key in runners_up),
            excluded=state.eligibility.excluded(call),
            key=best.sort_key(),
        )
        self.emit(call.call, event)
        self.emit(call.call, AgentPresence(best.agent, "offered", queue=call.queue))
        self.effects.append(Offer(call.call, best.agent, fence, call.queue, rules.ring_timeout_s))

    # Ends of offers and of visits.

    def end_offer(self, agent: Agent, end: OfferEnd, cause: str) -> None:
        """The offer ends unaccepted; the agent goes on break, or is available if withdrawn."""
        call = agent.call
        self.emit(call, OfferEnded(agent.id, agent.fence, agent.queue, end, cause))
        self.emit(call, AgentPresence(agent.id, agent.presence, BREAK_REASONS.get(end, "")))

    def withdraw(self, agent: Agent, reason: str) -> None:
        call, fence = agent.call, agent.fence
        self.end_offer(agent, "withdrawn", reason)
        self.effects.append(Withdraw(call, agent.id, fence, reason))

    def _lapse(self, agent: Agent) -> None:
        """Nobody told how the ringing ended: treat the agent as one who did not answer."""
        call, fence = agent.call, agent.fence
        self.end_offer(agent, "rung-out", "lease lapsed")
        self.effects.append(Withdraw(call, agent.id, fence, "lease lapsed"))

    def end_visit(self, call: WaitingCall, end: VisitEnd, reason: str) -> None:
        if call.offered_to:
            self.withdraw(self.state.agents[call.offered_to], reason)
        waited_s = self.state.now - call.since
        rules = self.state.rules.queues.get(call.queue)
        short = end == "abandoned" and rules is not None and waited_s < rules.short_abandon_s
        self.emit(
            call.call, QueueVisitEnded(call.queue, end, waited_s, short, returned=call.returned)
        )

    def overflow(
        self,
        call: WaitingCall,
        to: str,
        reason: OverflowReason,
    ) -> None:
        self.end_visit(call, "overflowed", reason)
        self.effects.append(Overflow(call.call, call.queue, to, reason))

    def retire(self) -> None:
        """See off what the rules do not know: calls of gone queues, agents who are gone."""
        state = self.state
        for call, to in sorted(state.strays.items()):
            self.overflow(state.calls[call], to, "queue removed")
        for agent in sorted(state.retired):
            self.command(state.agents[agent], "sign-out")

    def command(self, agent: Agent, command: Command, reason: str = "", *, call: str = "") -> None:
        """One row of the table of presence. Whatever the agent does instead of answering
        withdraws the offer first."""
        if (agent.presence, command) not in NEXT:
            return
        if agent.fence:
            self.withdraw(agent, f"agent: {command}")
        rules = self.state.rules.queues.get(agent.queue, GONE)
        event = step(agent, command, self.state.now, rules.wrap_up_s, reason)
        if event is not None:
            self.emit(call if command == "busy" else agent.call, event)
