"""The ACD floor: who gets which call, when. One writer; every method decides at once.

Each method returns its effects in order (see ``queues.offers``). Whatever becomes due by
``now`` (wrap-up over, lease lapsed, wait too long) takes effect first, then the command, then
matching, so that no call waits beside a ready agent who may take it when a method returns.
Only ``reload`` comes before what is due: nothing is decided by rules that are void.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from config.errors import MisuseError
from queues.agents import Agent, AgentView
from queues.dispatch import Dispatch
from queues.events import (
    AgentPresence,
    AgentReachable,
    CallQueued,
    OfferEnded,
    QueueVisitEnded,
    VisitEnd,
)
from queues.offers import Effect, FloorEvent, OfferStale
from queues.presence import Command
from queues.rules import FloorRules
from queues.waiting import WaitingView


class Floor:
    """``now`` is unix seconds and never steps back (MisuseError). Unknown agents and queues are
    MisuseError too. A command that the agent's presence does not know changes nothing.
    """

    def __init__(self, rules: FloorRules) -> None:
        self._desk = Dispatch(rules)

    @property
    def version(self) -> int:
        """Counts the facts so far."""
        return self._desk.state.version

    @property
    def next_deadline(self) -> float | None:
        """When ``tick`` has something to do next, if ever."""
        return self._desk.state.timers.next

    def tick(self, now: float) -> list[Effect]:
        """Let what is due take effect. After recovery: also match what the crash left open."""
        self._desk.begin(now)
        self._desk.retire()
        return self._desk.done()

    def enqueue(
        self,
        call: str,
        queue: str,
        now: float,
        *,
        priority: int = 0,
        skills: Mapping[str, int] | None = None,
        rank: int | None = None,
        head: bool = False,
    ) -> list[Effect]:
        """A queue visit begins; with ``head`` it goes on, before all but emergencies, after the
        agent was lost.

        ``skills`` add to the queue's own, the stricter level counts; ``rank`` replaces the
        queue's class. A floor with ``waiting_max`` calls ends the visit at once by an
        ``Overflow`` ("floor full"), unless an agent is ready for it; a call that returns is
        let in regardless, as there are no more of those than agents. MisuseError for a call
        that waits or talks already (``finished`` or ``lost`` come first).
        """
        state = self._desk.state
        rules = state.rules.queues.get(queue)
        if rules is None:
            raise MisuseError(f"no queue {queue!r}")
        if call in state.calls or call in state.talks:
            raise MisuseError(f"call {call!r} is on the floor already")
        self._desk.begin(now)
        needs = dict(rules.skills)
        for skill, weakest in (skills or {}).items():
            needs[skill] = min(weakest, needs.get(skill, weakest))
        full = len(state.calls) >= state.rules.waiting_max and not head
        event = CallQueued(
            queue=queue,
            priority=priority,
            rank=rules.rank if rank is None else rank,
            deadline=now + rules.target_s - rules.credit_s * priority,
            skills=needs,
            place=state.place + 1,
            returned=head,
            target_s=rules.target_s,
        )
        self._desk.emit(call, event)
        if full and state.eligibility.best_agent(state.calls[call]) is None:
            self._desk.overflow(state.calls[call], rules.overflow, "floor full")
        return self._desk.done()

    def leave(self, call: str, now: float, end: VisitEnd) -> list[Effect]:
        """The call stops waiting. [] where it does not wait (any more): a hang-up may cross an
        answer. A visit ends "connected" only by ``accept`` (MisuseError)."""
        if end == "connected":
            raise MisuseError("a visit ends connected only when an agent accepts")
        self._desk.begin(now)
        waiting = self._desk.state.calls.get(call)
        if waiting is not None:
            self._desk.end_visit(waiting, end, end)
        return self._desk.done()

    def sign_in(self, agent: str, now: float) -> list[Effect]:
        """Signed out -> available."""
        return self._command(self._known(agent), "sign-in", now)

    def sign_out(self, agent: str, now: float) -> list[Effect]:
        """While talking: signs out after the wrap-up."""
        return self._command(self._known(agent), "sign-out", now)

    def ready(self, agent: str, now: float) -> list[Effect]:
        """Ends a break or the wrap-up; while talking it cancels what was to follow."""
        return self._command(self._known(agent), "ready", now)

    def take_break(self, agent: str, now: float, reason: str) -> list[Effect]:
        """While talking: the break follows the wrap-up."""
        return self._command(self._known(agent), "break", now, reason)

    def end_wrap_up(self, agent: str, now: float) -> list[Effect]:
        """Wrap-up is over before its time, as the agent says."""
        return self._command(self._known(agent), "end-wrap-up", now)

    def busy(self, agent: str, now: float, reason: str, *, call: str = "") -> list[Effect]:
        """The agent's own outgoing call, or a call (``call``) put through in person. What the
        agent did before (a break, the rest of the wrap-up) goes on at ``free``. MisuseError
        for a call that still waits."""
        if call in self._desk.state.calls:
            raise MisuseError(f"call {call!r} still waits")
        return self._command(self._known(agent), "busy", now, reason, call=call)

    # What phones report may cross a reload that took the agent away: unknown is no error.

    def free(self, agent: str, now: float) -> list[Effect]:
        """The call that made the agent ``busy`` ended."""
        return self._command(agent, "free", now)

    def finished(self, agent: str, now: float) -> list[Effect]:
        """The talk ended: wrap-up of the queue's length, then available or what was asked for."""
        return self._command(agent, "finish", now)

    def lost(self, agent: str, now: float, cause: str) -> list[Effect]:
        """The agent's leg died while talking: on break "phone unreachable", no wrap-up. The
        shell then enqueues the caller with ``head=True``."""
        return self._command(agent, "lost", now, cause)

    def accept(self, agent: str, fence: int, now: float) -> list[Effect]:
        """The agent's phone answered: the visit ends connected. ``OfferStale`` where the offer
        was withdrawn or lapsed: the shell hangs that leg up."""
        desk = self._desk
        desk.begin(now)
        rung = self._rung(agent, fence)
        if rung is None:
            desk.effects.append(OfferStale(agent, fence))
            return desk.done()
        call, queue = rung.call, rung.queue
        waiting = desk.state.calls[call]
        desk.emit(call, OfferEnded(agent, fence, queue, "accepted"))
        ended = QueueVisitEnded(queue, "connected", now - waiting.since, returned=waiting.returned)
        desk.emit(call, ended)
        desk.emit(call, AgentPresence(agent, "talking", queue=queue))
        return desk.done()

    def refuse(
        self,
        agent: str,
        fence: int,
        now: float,
        end: Literal["refused", "rung-out", "unreachable"],
        cause: str,
    ) -> list[Effect]:
        """The phone did not take the offer: the call keeps its exact place, the agent goes on
        break with the reason. Nothing more where the offer is over already."""
        self._desk.begin(now)
        rung = self._rung(agent, fence)
        if rung is not None:
            self._desk.end_offer(rung, end, cause)
        return self._desk.done()

    def set_reachable(self, agent: str, reachable: bool, now: float) -> list[Effect]:
        """The agent's phone registered, or is gone; an offer to a phone that is gone is
        withdrawn, the agent stays available and is offered calls when the phone is back."""
        desk = self._desk
        desk.begin(now)
        owner = desk.state.agents.get(agent)
        if owner is not None and owner.reachable != reachable:
            desk.emit("", AgentReachable(agent, reachable))
            if owner.fence:
                desk.withdraw(owner, "phone gone")
        return desk.done()

    def reload(self, rules: FloorRules, now: float) -> list[Effect]:
        """Other rules, at once: what is due by ``now`` falls due under them already. Calls keep
        their places and what they were promised; calls of a queue that is gone overflow; agents
        who are gone sign out (after their talk)."""
        self._desk.adopt(rules, now)
        self._desk.retire()
        return self._desk.done()

    def apply(self, call: str, event: FloorEvent, now: float) -> None:
        """Recovery: take over a journaled fact, at its time, without deciding. ``tick`` after
        the last one, then the floor goes on as if nothing had happened."""
        self._desk.state.apply(call, event, now)

    def position(self, call: str) -> int:
        """1-based position among all who wait in the call's queue, being offered included.
        MisuseError for a call that does not wait."""
        waiting = self._desk.state.calls.get(call)
        if waiting is None:
            raise MisuseError(f"call {call!r} does not wait")
        return self._desk.state.lines[waiting.queue].index(waiting.key()) + 1

    def waiting(self, queue: str | None = None) -> list[WaitingView]:
        """Those who wait, by queue name, then in order."""
        state = self._desk.state
        names = sorted(state.lines) if queue is None else [queue]
        return [
            state.calls[key.call].view(position)
            for name in names
            for position, key in enumerate(state.lines.get(name, ()), 1)
        ]

    def agents(self) -> list[AgentView]:
        """All agents by id."""
        return [agent.view() for _, agent in sorted(self._desk.state.agents.items())]

    def _command(
        self, agent: str, command: Command, now: float, reason: str = "", *, call: str = ""
    ) -> list[Effect]:
        self._desk.begin(now)
        found = self._desk.state.agents.get(agent)
        if found is not None:
            self._desk.command(found, command, reason, call=call)
        return self._desk.done()

    def _known(self, agent: str) -> str:
        if agent not in self._desk.state.agents:
            raise MisuseError(f"no agent {agent!r}")
        return agent

    def _rung(self, agent: str, fence: int) -> Agent | None:
        """The agent, if this very offer is still pending."""
        found = self._desk.state.agents.get(agent)
        return found if found is not None and found.fence == fence != 0 else None
