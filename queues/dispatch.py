"""One decision: what is due, matching, the ends of offers and of visits."""

from __future__ import annotations

from heapq import heappop, heappush

from config.errors import MisuseError
from queues import callbacks, leaving
from queues.agents import READY, Agent, AgentKey
from queues.estimates.learning import Learning
from queues.events import (
    AgentPresence,
    AgentReachable,
    BreakOverrun,
    CallbackDue,
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
    Withdraw,
)
from queues.presence import NEXT, Command, step
from queues.roster import BREAK_REASONS
from queues.rules import FloorRules, QueueRules
from queues.state import FloorState
from queues.timers import Kind
from queues.waiting import CallKey, WaitingCall

GONE = QueueRules(wrap_up_s=0.0)
AWAY = frozenset({"signed-out", "on-break"})


class Dispatch:
    """The state and the effects of the command at hand.

    ``begin`` lets what is due take effect and matches (``adopt`` takes on rules instead);
    ``done`` does so again and hands out the effects. Everything that can be refused is refused
    before ``begin``: the facts of what fell due must not get lost with an exception.
    """

    def __init__(self, rules: FloorRules, *, estimates: bool = True) -> None:
        self.state = FloorState(rules)
        self.learning = Learning(rules, estimates=estimates)
        self.effects: list[Effect] = []
        self._gone_away: list[Agent] = []
        self._adopted = True

    def begin(self, now: float) -> None:
        self._clock(now)
        self._settle()

    def adopt(self, rules: FloorRules, now: float) -> None:
        """Begin with other rules. What is due waits for ``done``: an offer of this instant must
        not go to an agent whom the rules took off the queue."""
        self._clock(now)
        self.state.adopt(rules)
        self.learning.adopt(rules)
        self._adopted = True

    def _clock(self, now: float) -> None:
        if now < self.state.now:
            raise MisuseError(f"time stepped back from {self.state.now} to {now}")
        self.state.now = now
        self.effects = []

    def done(self) -> list[Effect]:
        self._settle()
        effects, self.effects = self.effects, []
        return effects

    def take(self, call: str, event: FloorEvent, now: float) -> None:
        """A fact: it changes the state, and the estimates will learn from it."""
        self.state.apply(call, event, now)
        self.learning.note(call, event, now)

    def emit(self, call: str, event: FloorEvent) -> None:
        """A fact of this instant, for the shell too."""
        state = self.state
        state.change(call, event, state.now)
        self.learning.note(call, event, state.now)
        self.effects.append(Fact(call, event))
        gone = ""
        if type(event) is AgentPresence:
            gone = event.agent if event.presence in AWAY else ""
        elif type(event) is AgentReachable:
            gone = "" if event.reachable else event.agent
        if gone and (agent := state.agents.get(gone)) is not None:
            self._gone_away.append(agent)

    def _settle(self) -> None:
        """Match, then let fall due instant by instant, matching after each: an agent who got
        free before a caller's wait ran out still takes that caller."""
        self._turn()
        while due := self.state.timers.pop(self.state.now):
            for kind, ident in due:
                self._fall_due(kind, ident)
            self._turn()

    def _turn(self) -> None:
        """Match. Who is left without an agent may wait in a queue without staff; and where agents
        went away, whoever waits for one of them alone waits for anybody from now on."""
        state = self.state
        if state.fresh_calls or state.fresh_agents or state.fresh_rings:
            fresh = sorted(state.fresh_calls) if state.staff_counts else ()
            self._match()
            for ident in fresh:
                if ident in state.calls:
                    leaving.stay_or_go(self, state.calls[ident])
        if self._gone_away:
            agents, self._gone_away = self._gone_away, []
            leaving.agents_left(self, agents)
            self._match()

    def _fall_due(self, kind: Kind, ident: str) -> None:
        state = self.state
        if kind is Kind.WRAP_UP:
            self.command(state.agents[ident], "end-wrap-up")
        elif kind is Kind.LEASE:
            self._lapse(state.agents[ident])
        elif kind is Kind.PROMOTE:
            call = state.calls[ident]
            self.emit(ident, CallPromoted(call.queue, state.now - call.origin))
        elif kind is Kind.WIDEN:
            leaving.widen(self, state.calls[ident])
        elif kind is Kind.DUE:
            self.emit(ident, CallbackDue(state.calls[ident].queue))
        elif kind is Kind.OVERFLOW:
            leaving.overflow(self, state.calls[ident], "waited", "waited too long")
        elif kind is Kind.EXPIRE:
            callbacks.expire(self, state.calls[ident])
        else:
            agent = state.agents[ident]
            self.emit("", BreakOverrun(agent.id, agent.reason))

    # Matching.

    def _match(self) -> None:
        """Offer calls in their order, each to the best agent, until no pair is left; then let
        ring-all calls ring the phones that nobody else wants.

        Only a call or an agent that changed can have got a match. The heap holds, for each,
        the first call it could lead to; that only moves back while calls are taken, so the
        least entry is the first call of all, once it is still open.
        """
        state = self.state
        if len(state.fresh_agents) == 1 and not state.fresh_calls:
            self._serve(state.agents[next(iter(state.fresh_agents))])
        elif len(state.fresh_calls) == 1 and not state.fresh_agents:
            self._take(state.calls[next(iter(state.fresh_calls))])
        else:
            self._serve_all()
        if state.ringing_all:
            self._ring_all()
        state.fresh_calls.clear()
        state.fresh_agents.clear()
        state.fresh_rings.clear()

    def _serve(self, agent: Agent) -> None:
        """Nothing changed but this one agent: none of the calls has anybody else."""
        eligibility = self.state.eligibility
        while agent.standing == READY:
            key = eligibility.best_call(agent)
            if key is None:
                return
            call = self.state.calls[key.call]
            self._offer(call, eligibility.key_of(agent, call))

    def _take(self, call: WaitingCall) -> None:
        """Nothing changed but this one call: no other has anybody."""
        best = self.state.eligibility.best_agent(call)
        if best is not None:
            self._offer(call, best)

    def _serve_all(self) -> None:
        state = self.state
        heap: list[tuple[CallKey, str]] = []
        for call in state.fresh_calls:
            fresh = state.calls[call]
            if state.eligibility.best_agent(fresh) is not None:
                heappush(heap, (fresh.key(), ""))
        for agent in state.fresh_agents:
            self._push_best(heap, agent)
        while heap:
            key, agent = heappop(heap)
            found = state.calls[key.call]
            if found.is_open:
                best = state.eligibility.best_agent(found)
                if best is not None:
                    self._offer(found, best)
            if agent:
                self._push_best(heap, agent)

    def _push_best(self, heap: list[tuple[CallKey, str]], agent: str) -> None:
        candidate = self.state.agents[agent]
        if candidate.standing == READY:
            key = self.state.eligibility.best_call(candidate)
            if key is not None:
                heappush(heap, (key, agent))

    def _ring_all(self) -> None:
        state = self.state
        spare = any(state.agents[agent].standing == READY for agent in state.fresh_agents)
        calls = state.ringing_all if spare else state.fresh_rings
        for waiting in sorted((state.calls[call] for call in calls), key=WaitingCall.key):
            room = state.rules_of(waiting).ring_all_max - len(waiting.rung)
            for _ in range(room):
                best = state.eligibility.best_agent(waiting)
                if best is None:
                    break
                self._offer(waiting, best)

    def _offer(self, call: WaitingCall, best: AgentKey) -> None:
        if not call.on_line:
            callbacks.reserve(self, call, best)
            return
        state, agent, queue = self.state, best.agent, call.queue
        rules = state.rules_of(call)
        fence = self.make_offer(call, best, state.now + state.lease_s(rules))
        self.emit(call.call, AgentPresence(agent, "offered", "", queue))
        self.effects.append(Offer(call.call, agent, fence, queue, rules.ring_timeout_s))

    def make_offer(self, call: WaitingCall, best: AgentKey, lease_until: float) -> int:
        """The decision as a fact; its fence."""
        state = self.state
        fence = state.fence + 1
        runners_up = state.eligibility.runners_up(call)
        event = OfferMade(
            agent=best.agent,
            fence=fence,
            queue=call.queue,
            lease_until=lease_until,
            floor_version=state.version,
            runners_up=tuple([(key.agent, key.sort_key()) for key in runners_up]),
            excluded=state.eligibility.excluded(call),
            key=best.sort_key(),
            strategy=state.rules_of(call).strategy,
            kind="call" if call.on_line else "callback",
        )
        self.emit(call.call, event)
        return fence

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

    def withdraw_all(self, call: WaitingCall, reason: str, but: str = "") -> None:
        """All offers of a call, except to one agent."""
        for agent in call.rung:
            if agent != but:
                self.withdraw(self.state.agents[agent], reason)

    def _lapse(self, agent: Agent) -> None:
        """Nobody told how the ringing ended: treat the agent as one who did not answer. An
        agent who was reserved did nothing wrong."""
        call, fence = agent.call, agent.fence
        if agent.presence == "reserved":
            callbacks.miss(self, agent, "lease lapsed")
        else:
            self.end_offer(agent, "rung-out", "lease lapsed")
        self.effects.append(Withdraw(call, agent.id, fence, "lease lapsed"))

    def end_visit(self, call: WaitingCall, end: VisitEnd, reason: str) -> None:
        self.withdraw_all(call, reason)
        waited_s = self.state.now - call.since
        rules = self.state.rules.queue(call.queue)
        short = end == "abandoned" and rules is not None and waited_s < rules.short_abandon_s
        cause = reason if end in ("overflowed", "removed") and reason != end else ""
        ended = QueueVisitEnded(call.queue, end, waited_s, short, call.returned, cause)
        self.emit(call.call, ended)

    def retire(self) -> None:
        """See off what the rules do not know: calls of gone queues, agents who are gone; and
        what the rules would not have let be."""
        state = self.state
        for call, to in sorted(state.strays.items()):
            leaving.stray(self, state.calls[call], to)
        for agent in sorted(state.retired):
            self.command(state.agents[agent], "sign-out")
        if self._adopted:
            self._adopted = False
            leaving.review(self)

    def command(self, agent: Agent, command: Command, reason: str = "", *, call: str = "") -> None:
        """One row of the table of presence. Whatever the agent does instead of answering
        withdraws the offer first."""
        if (agent.presence, command) not in NEXT:
            return
        if agent.fence:
            self.withdraw(agent, f"agent: {command}")
        rules = self.state.rules.queue(agent.queue) or GONE
        event = step(
            agent, command, self.state.now, rules.wrap_up_s, reason, self.state.rules.breaks
        )
        if event is not None:
            self.emit(call if command == "busy" else agent.call, event)
