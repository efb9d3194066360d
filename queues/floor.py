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
from queues import breaks, callbacks, joining
from queues.agents import Agent
from queues.dispatch import Dispatch
from queues.events import (
    AgentPresence,
    AgentReachable,
    OfferEnded,
    QueueVisitEnded,
    VisitEnd,
)
from queues.offers import BreakRefused, Effect, FloorEvent, OfferStale
from queues.presence import NEXT, Command, extended
from queues.reading import Reading
from queues.rules import FloorRules, QueueRules
from queues.waiting import Callback


class Floor(Reading):
    """``now`` is unix seconds and never steps back (MisuseError). Unknown agents and queues are
    MisuseError too. A command that the agent's presence does not know changes nothing.
    """

    def __init__(self, rules: FloorRules, *, estimates: bool = True) -> None:
        """Without ``estimates`` the waits are learned only where a queue's rules ask for them."""
        self._desk = Dispatch(rules, estimates=estimates)

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
        caller: str = "",
        sticky: str = "",
        origin: float = 0.0,
    ) -> list[Effect]:
        """A queue visit begins; with ``head`` it goes on, before all but emergencies, after the
        agent was lost. ``queue`` may be an agent's personal one.

        ``skills`` add to the queue's own, the stricter level counts; ``rank`` replaces the
        queue's class. ``caller`` ("" where withheld) has the place again of a visit to this
        queue abandoned within ``resume_s``. ``sticky`` is the agent who knows the caller.
        ``origin`` is when the caller began to wait, in another queue (0.0: now).

        The visit ends at once by an ``Overflow`` where the queue is closed or without staff;
        and, unless an agent is ready, where the queue or the floor is full or the wait would
        probably be too long. A call that returns is let in regardless, as there are no more of
        those than agents. MisuseError for a call that waits or talks already (``finished`` or
        ``lost`` come first), or has a callback pending.
        """
        rules = self._queue(queue)
        self._new(call)
        self._desk.begin(now)
        joining.join(
            self._desk,
            call,
            queue,
            rules,
            joining.Terms(priority, rank, skills, origin),
            head=head,
            caller=caller,
            sticky=sticky,
        )
        return self._desk.done()

    def leave(self, call: str, now: float, end: VisitEnd) -> list[Effect]:
        """The call stops waiting. [] where it does not wait (any more): a hang-up may cross an
        answer; nor does it where a callback holds its place. A called-back caller who is
        "removed" will be called again. A visit ends "connected" only by ``accept``
        (MisuseError)."""
        if end == "connected":
            raise MisuseError("a visit ends connected only when an agent accepts")
        self._desk.begin(now)
        waiting = self._desk.state.calls.get(call)
        if waiting is not None and waiting.callback is None:
            self._desk.end_visit(waiting, end, end)
        elif waiting is not None and waiting.on_line:
            callbacks.leave(self._desk, waiting, end)
        return self._desk.done()

    def change(
        self,
        call: str,
        now: float,
        *,
        priority: int | None = None,
        rank: int | None = None,
        skills: Mapping[str, int] | None = None,
        by: str = "",
    ) -> list[Effect]:
        """Other values for a waiting call (None: as they are), at once. ``priority`` moves the
        deadline by its credit; ``skills`` are the call's own, beside the queue's. An agent whose
        phone rings and who lacks one of them is rung no more. [] where the call does not wait."""
        self._desk.begin(now)
        waiting = self._desk.state.calls.get(call)
        if waiting is not None:
            joining.change(self._desk, waiting, priority, rank, skills, by)
        return self._desk.done()

    def move(self, call: str, queue: str, now: float, *, by: str = "") -> list[Effect]:
        """A supervisor moves a waiting call, or a callback's entry, to another queue, where the
        clock of its place runs on. The bounds at entry do not hold. [] where it does not wait, is
        in that queue already or is a callback whose caller is on the line again."""
        rules = self._queue(queue)
        self._desk.begin(now)
        waiting = self._desk.state.calls.get(call)
        live = waiting is not None and waiting.callback is not None and waiting.on_line
        if waiting is not None and waiting.queue != queue and not live:
            joining.move(self._desk, waiting, queue, rules, by)
        return self._desk.done()

    # Callbacks.

    def request_callback(
        self,
        call: str,
        queue: str,
        now: float,
        *,
        number: str,
        trunk: str = "",
        dialled: str = "",
        language: str = "en",
        priority: int = 0,
        rank: int | None = None,
        skills: Mapping[str, int] | None = None,
        origin: float = 0.0,
    ) -> list[Effect]:
        """The caller hangs up and is called back when the call's turn comes. A visit under way
        ends "callback-requested" and the entry has its exact place; a call that does not wait
        takes a place in ``queue`` as ``enqueue`` would give it (the last four count then). A
        called-back caller who asks again keeps the entry. On a full floor the entry ends at
        once ("gave-up"). MisuseError for a call that talks or has a callback pending."""
        rules = self._queue(queue)
        state = self._desk.state
        waiting = state.calls.get(call)
        if waiting is None or not waiting.on_line:
            self._new(call)
        self._desk.begin(now)
        joining.request_callback(
            self._desk,
            call,
            queue,
            rules,
            Callback(number, trunk, dialled, language),
            joining.Terms(priority, rank, skills, origin),
        )
        return self._desk.done()

    def callback_reached(self, call: str, fence: int, now: float) -> list[Effect]:
        """The caller answered: the reserved agent's phone rings (``Offer`` with the same fence).
        ``OfferStale`` where the reservation is over."""
        self._desk.begin(now)
        callbacks.reached(self._desk, call, fence)
        return self._desk.done()

    def callback_missed(self, call: str, fence: int, now: float, cause: str) -> list[Effect]:
        """The caller was not reached: the agent is free again and keeps the turn; the entry
        rests and is tried again at its old place, or is given up after the last attempt.
        Nothing where the reservation is over."""
        self._desk.begin(now)
        callbacks.missed(self._desk, call, fence, cause)
        return self._desk.done()

    def cancel_callback(self, call: str, now: float, cause: str) -> list[Effect]:
        """Nobody wants it any more. [] where there is none, or its caller is on the line."""
        self._desk.begin(now)
        waiting = self._desk.state.calls.get(call)
        if waiting is not None and not waiting.on_line:
            callbacks.end(self._desk, waiting, "cancelled", cause)
        return self._desk.done()

    # Agents.

    def sign_in(self, agent: str, now: float, *, busy: str = "") -> list[Effect]:
        """Signed out -> available; or talking, where the agent is in a call in person (``busy``
        says which kind): no call is offered in between."""
        return self._command(self._known(agent), "sign-in", now, busy=busy)

    def sign_out(self, agent: str, now: float) -> list[Effect]:
        """While talking: signs out after the wrap-up."""
        return self._command(self._known(agent), "sign-out", now)

    def ready(self, agent: str, now: float) -> list[Effect]:
        """Ends a break or the wrap-up; while talking it cancels what was to follow."""
        return self._command(self._known(agent), "ready", now)

    def take_break(self, agent: str, now: float, reason: str) -> list[Effect]:
        """While talking: the break follows the wrap-up. ``BreakRefused`` where the rules name
        breaks and this is none of them, or as many agents as may have it already."""
        desk = self._desk
        found = desk.state.agents[self._known(agent)]
        desk.begin(now)
        if (found.presence, "break") in NEXT:
            state = desk.state
            why = breaks.refusal(found, reason, state.rules.breaks, state.agents.values())
            if why is not None:
                desk.effects.append(BreakRefused(agent, reason, why))
                return desk.done()
        desk.command(found, "break", reason)
        return desk.done()

    def end_wrap_up(self, agent: str, now: float) -> list[Effect]:
        """Wrap-up is over before its time, as the agent says."""
        return self._command(self._known(agent), "end-wrap-up", now)

    def extend_wrap_up(self, agent: str, seconds: float, now: float) -> list[Effect]:
        """So much longer, up to the queue's ``wrap_up_max_s`` in total. [] where the agent is not
        in wrap-up or it is that long already. MisuseError unless ``seconds`` is positive."""
        if not seconds > 0:
            raise MisuseError(f"wrap-up cannot be extended by {seconds} seconds")
        desk = self._desk
        found = desk.state.agents[self._known(agent)]
        desk.begin(now)
        rules = desk.state.rules.queue(found.queue) or QueueRules()
        event = extended(found, seconds, rules.wrap_up_max_s)
        if event is not None:
            desk.emit(found.call, event)
        return desk.done()

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

    def finished(self, agent: str, now: float, *, busy: str = "") -> list[Effect]:
        """The talk ended: wrap-up of the queue's length, then available or what was asked for;
        all of it after another call in person, if there is one (``busy``)."""
        return self._command(agent, "finish", now, busy=busy)

    def lost(self, agent: str, now: float, cause: str, *, busy: str = "") -> list[Effect]:
        """The agent's leg died while talking: on break "phone unreachable", no wrap-up. The
        shell then enqueues the caller with ``head=True``."""
        return self._command(agent, "lost", now, cause, busy=busy)

    def accept(self, agent: str, fence: int, now: float) -> list[Effect]:
        """The agent's phone answered: the visit ends connected, other phones stop ringing.
        ``OfferStale`` where the offer was withdrawn or lapsed: the shell hangs that leg up."""
        desk = self._desk
        desk.begin(now)
        rung = self._rung(agent, fence)
        waiting = desk.state.calls.get(rung.call) if rung is not None else None
        if rung is None or waiting is None or rung.presence == "reserved":
            desk.effects.append(OfferStale(agent, fence))
            return desk.done()
        call, queue = rung.call, rung.queue
        if len(waiting.rung) > 1:
            desk.withdraw_all(waiting, "answered elsewhere", but=agent)
        desk.emit(call, OfferEnded(agent, fence, queue, "accepted"))
        if waiting.callback is not None:
            callbacks.connected(desk, waiting, agent)
        else:
            waited_s = now - waiting.since
            ended = QueueVisitEnded(queue, "connected", waited_s, returned=waiting.returned)
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
        if rung is not None and rung.presence == "offered":
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
        self._desk.take(call, event, now)

    def _command(
        self,
        agent: str,
        command: Command,
        now: float,
        reason: str = "",
        *,
        call: str = "",
        busy: str = "",
    ) -> list[Effect]:
        self._desk.begin(now)
        found = self._desk.state.agents.get(agent)
        if found is not None:
            self._desk.command(found, command, reason, call=call)
            if busy:
                self._desk.command(found, "busy", busy)
        return self._desk.done()

    def _new(self, call: str) -> None:
        state = self._desk.state
        if call in state.calls or call in state.talks:
            raise MisuseError(f"call {call!r} is on the floor already")

    def _known(self, agent: str) -> str:
        if agent not in self._desk.state.agents:
            raise MisuseError(f"no agent {agent!r}")
        return agent

    def _rung(self, agent: str, fence: int) -> Agent | None:
        """The agent, if this very offer is still pending."""
        found = self._desk.state.agents.get(agent)
        return found if found is not None and found.fence == fence != 0 else None
