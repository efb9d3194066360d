"""The floor's shell: calls and people change it, its effects become facts and inputs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from config.queueing import AgentSettings
from config.settings import Settings
from engine.care import Cares, Resolve
from engine.sounds import Sounds
from engine.timers import Timers
from engine.turns import Turns, register
from queues import offers
from queues.agents import AgentView
from queues.callers import Lists
from queues.estimates.estimate_promise import Estimate
from queues.events import AgentPresence
from queues.floor import Floor
from queues.rules import from_settings, personal_queue
from queues.waiting import WaitingView
from router import effects as do
from router import inputs as on
from router.call import Call, keeps_busy

# What a flow's queue node calls the reasons (docs/ivr.md).
FLOW_WORDS: dict[offers.OverflowReason, str] = {
    "waited too long": "overflow",
    "expected wait too long": "expected",
    "queue full": "full",
    "floor full": "full",
    "queue closed": "closed",
    "nobody signed in": "unstaffed",
    "nobody working": "unstaffed",
    "queue removed": "overflow",
}
TAKEN = ("offered", "talking")
BUSY = (*TAKEN, "reserved", "wrap-up")


class FloorSide:
    """The single writer of the floor: every change happens in a turn, none awaits."""

    def __init__(
        self,
        turns: Turns,
        timers: Timers,
        settings: Settings,
        phones_of: Callable[[str], tuple[str, ...]],
        sounds: Sounds = Sounds(),  # noqa: B008 - frozen
    ) -> None:
        self.floor = Floor(from_settings(settings))
        self._turns = turns
        self._timers = timers
        self._phones_of = phones_of
        self.resolve: Resolve = lambda text: (on.Destination("nowhere"), ())
        self.agent_who_knows: Callable[[str], str] = lambda caller: ""
        self.on_enter: Callable[[str, str], None] = lambda call, queue: None
        self.takes_back: Callable[[str, str], bool] = lambda call, reason: False
        self.on_reserve: Callable[[offers.Reserve], None] = lambda reserve: None
        self.on_withdraw: Callable[[str, int], None] = lambda call, fence: None
        self._offered: dict[int, str] = {}
        self._due: float | None = None
        self._learns = False
        # agent: the calls outside any queue, and what each is
        self._busy_in: dict[str, dict[str, str]] = {}
        self._adopt(settings, sounds)
        register(
            turns.inner,
            {
                do.EnterQueue: self._enter,
                do.LeaveQueue: self._leave,
                do.AcceptOffer: self._accept,
                do.RefuseOffer: self._refuse,
                do.AgentDone: self._done,
                do.AgentBusy: self._busy,
            },
        )

    def _adopt(self, settings: Settings, sounds: Sounds) -> None:
        self.cares = Cares(settings, sounds)
        self._lists = Lists(settings)
        self._agents: dict[str, AgentSettings] = {agent.id: agent for agent in settings.agents}

    def reload(self, settings: Settings, sounds: Sounds) -> None:
        self._adopt(settings, sounds)
        self.change(lambda now: self.floor.reload(from_settings(settings), now))

    # --- calls ---------------------------------------------------------------------------------

    def is_blocked(self, caller: str, queue: str = "") -> bool:
        """Whether a caller is not let in, anywhere or in this queue."""
        return self._lists.treat(caller, queue).blocked

    def _enter(self, call: Call, effect: do.EnterQueue) -> None:
        care = self.cares.of(effect.queue)
        if care is None:
            self._turns.feed(call.id, on.HangUpAsked(f"unknown queue {effect.queue}", cut=True))
            return
        treatment = self._lists.treat(call.caller, effect.queue)
        if treatment.blocked and call.phase == "flow":  # whom an agent passes on is let in
            self._turns.feed(call.id, on.FlowEnds((), False, "blocked", refused=True))
            return
        self.on_enter(call.id, effect.queue)
        self._turns.feed(call.id, on.Queued(care))
        now = self._turns.now()
        self.obey(
            self.floor.enqueue(
                call.id,
                effect.queue,
                now,
                priority=effect.priority + treatment.priority,
                rank=treatment.rank if effect.rank is None else effect.rank,
                skills=dict(effect.skills) or None,
                head=effect.head,
                caller=call.caller,
                sticky=self.agent_who_knows(call.caller),
                origin=effect.origin,
            )
        )

    def _leave(self, call: Call, effect: do.LeaveQueue) -> None:
        self.obey(self.floor.leave(call.id, self._turns.now(), effect.end))

    def _accept(self, call: Call, effect: do.AcceptOffer) -> None:
        result = self.floor.accept(effect.agent, effect.fence, self._turns.now())
        stale = any(isinstance(item, offers.OfferStale) for item in result)
        self.obey(result)
        if not stale:
            self._offered.pop(effect.fence, None)
            self._turns.feed(call.id, on.OfferWon(effect.agent, effect.fence))

    def _refuse(self, call: Call, effect: do.RefuseOffer) -> None:
        self._offered.pop(effect.fence, None)
        now = self._turns.now()
        self.obey(self.floor.refuse(effect.agent, effect.fence, now, effect.end, effect.cause))

    def _done(self, call: Call, effect: do.AgentDone) -> None:
        agent, now = effect.agent, self._turns.now()
        others = self._busy_in.get(agent, {})
        if others.pop(call.id, None) is not None:
            if not others:
                del self._busy_in[agent]
                self.obey(self.floor.free(agent, now))
            return
        busy = self._busy_with(agent)  # a call that was put through goes on
        if effect.lost:
            self.obey(self.floor.lost(agent, now, "phone lost", busy=busy))
        else:
            self.obey(self.floor.finished(agent, now, busy=busy))

    def _busy(self, call: Call, effect: do.AgentBusy) -> None:
        self._busy_in.setdefault(effect.agent, {})[call.id] = effect.reason
        now = self._turns.now()
        self.obey(self.floor.busy(effect.agent, now, effect.reason))

    def _busy_with(self, agent: str) -> str:
        """What kind of call in person the agent is in or rung for; "" for none."""
        return next(iter(self._busy_in.get(agent, {}).values()), "")

    # --- people, phones and the clock -------------------------------------------------------------

    def change(self, work: Callable[[float], list[offers.Effect]]) -> list[offers.Effect]:
        """One change of the floor by a person or a phone, as a turn of its own."""
        effects: list[offers.Effect] = []

        def changed() -> None:
            effects.extend(work(self._turns.now()))
            self.obey(effects)

        self._turns.together(changed)
        return effects

    def _tick(self) -> None:
        self._due = None
        self.change(self.floor.tick)

    def adopt(self, call: Call) -> None:
        """A call of a dead engine goes on: its offers, and whom it keeps busy."""
        for fence in call.offers:
            self._offered[fence] = call.id
        if call.promised_at:
            self.floor.promised(call.id, call.promised_at, self._turns.now())
        attempt = call.attempt
        if attempt is not None and attempt.destination.kind == "agent":
            self._busy_in.setdefault(attempt.destination.name, {})[call.id] = "transfer"
        dialler = call.legs.get(call.caller_leg)
        if dialler is not None and keeps_busy(call):
            self._busy_in.setdefault(dialler.agent, {})[call.id] = "own call"

    def after_recovery(
        self, alive: AbstractSet[str] = frozenset(), phones: AbstractSet[str] = frozenset()
    ) -> None:
        """Calls of an earlier engine that are not ``alive`` leave the floor, places of callbacks
        stay; the talks of its agents are over unless their call goes on. Agents without one of
        the ``phones`` that are known again are not rung before theirs registers."""

        def settle(now: float) -> list[offers.Effect]:
            effects: list[offers.Effect] = []
            views = self.floor.agents()
            for view in views:  # first: or the calls that go would be offered on their way
                effects += self.floor.set_reachable(view.agent, view.agent in phones, now)
            for waiting in self.floor.waiting():
                dialled = self._turns.calls.get(waiting.call)
                if waiting.on_line and waiting.call in alive:
                    continue
                if waiting.on_line:  # a caller who was called back is called again
                    effects += self.floor.leave(waiting.call, now, "removed")
                elif waiting.offered_to and (dialled is None or dialled.second is None):
                    # nobody dials for this reservation any more
                    for fence in self._fences(waiting):
                        effects += self.floor.callback_missed(waiting.call, fence, now, "restart")
            for view in views:
                if view.call in alive or view.agent in self._busy_in:
                    continue
                effects += self.floor.finished(view.agent, now)
                effects += self.floor.free(view.agent, now)
            return effects + self.floor.tick(now)

        self.change(settle)

    def _fences(self, waiting: WaitingView) -> list[int]:
        return [view.fence for view in self.floor.agents() if view.agent in waiting.offered_to]

    def tell_presence(self, agent: str) -> None:
        """Write the presence of an agent again that has not changed for long; what passes by
        itself in a moment is left."""
        for view in self.floor.agents():
            if view.agent == agent and view.presence in ("available", "on-break", "talking"):
                self._tell_again(
                    view.call,
                    AgentPresence(
                        agent,
                        view.presence,
                        view.reason,
                        view.queue,
                        view.until,
                        view.after,
                        view.after_reason,
                    ),
                )

    def tell_place(self, call: str) -> bool:
        """Write the place of a waiting call or of a callback again; False where a phone rings
        for it just now."""
        if not self.floor.waits(call):
            return True
        place = self.floor.place_of(call)
        if place is None:
            return False
        self._tell_again(call, place)
        return True

    def _tell_again(self, call: str, event: offers.FloorEvent) -> None:
        """A fact that changes nothing; the floor counts it as the log does."""
        now = self._turns.now()
        self.floor.apply(call, event, now)
        self._turns.fact(call, event)

    def set_reachable(self, agent: str) -> None:
        """The agent has a phone again."""
        self.change(lambda now: self.floor.set_reachable(agent, True, now))

    def sign_in(self, agent: str) -> None:
        """Who is in a call in person, or rung for one, is offered nothing before it is over."""
        self.change(lambda now: self.floor.sign_in(agent, now, busy=self._busy_with(agent)))

    def is_busy(self, agent: str) -> bool:
        """Whether a call for this person would have to wait in the personal queue."""
        return agent in self._busy_in or self._is(agent, BUSY)

    def is_taken(self, agent: str) -> bool:
        """Whether this person talks or is rung: a phone is rung for one call at a time."""
        return agent in self._busy_in or self._is(agent, TAKEN)

    def _is(self, agent: str, presences: tuple[str, ...]) -> bool:
        return any(
            view.agent == agent and view.presence in presences for view in self.floor.agents()
        )

    def position(self, call: str) -> int:
        return self.floor.position(call)

    def estimate(self, call: str) -> Estimate | None:
        """How long the call will still wait, to be told to its caller: that it is longer than
        what was told before is journaled, with the reason."""
        now = self._turns.now()
        estimate = self.floor.estimate(call, now)
        if estimate is not None and estimate.raised is not None:
            self.floor.apply(call, estimate.raised, now)
            self._turns.fact(call, estimate.raised)
        return estimate

    def expected(self, queue: str) -> Estimate | None:
        """How long a caller would wait who came now."""
        return self.floor.expected(queue, self._turns.now())

    def waiting(self) -> list[WaitingView]:
        return self.floor.waiting()

    def agents(self) -> list[AgentView]:
        return self.floor.agents()

    def obey(self, effects: list[offers.Effect]) -> None:
        """Carry out what the floor decided, in its order."""
        for effect in effects:
            match effect:
                case offers.Fact(call, event):
                    self._turns.fact(call, event)
                case offers.Offer():
                    self._offer(effect)
                case offers.Withdraw(call, agent, fence, reason):
                    self._offered.pop(fence, None)
                    self.on_withdraw(call, fence)
                    self._turns.feed(call, on.Withdrawn(agent, fence, reason))
                case offers.OfferStale(agent, fence):
                    stale = self._offered.pop(fence, None)
                    if stale is not None:
                        self._turns.feed(stale, on.OfferStale(agent, fence))
                case offers.Overflow(call, _, to, reason):
                    self._overflow(call, to, reason)
                case offers.Reserve():
                    self.on_reserve(effect)
                case offers.Moved(call, queue):
                    self._moved(call, queue)
                case offers.BreakRefused() | offers.CallbackOver():
                    pass  # an answer to whoever asked; the fact of the end goes to the ticket
        self._arm()

    def _offer(self, offer: offers.Offer) -> None:
        self._offered[offer.fence] = offer.call
        phones = self._phones_of(offer.agent)
        settings = self._agents.get(offer.agent)
        one_by_one = settings is not None and settings.devices == "in-order" and len(phones) > 1
        each_s = settings.device_ring_s if settings is not None and one_by_one else 0.0
        self._turns.feed(
            offer.call,
            on.Offered(offer.agent, offer.fence, offer.queue, offer.ring_timeout_s, phones, each_s),
        )

    def through(self, target: str) -> tuple[on.Destination, tuple[str, ...]]:
        """Where a transfer leads. A person who is busy is waited for in the personal queue."""
        destination, phones = self.resolve(target)
        if destination.kind == "agent" and self.is_busy(destination.name):
            return on.Destination("queue", personal_queue(destination.name)), ()
        return destination, phones

    def _overflow(self, call: str, to: str, reason: offers.OverflowReason) -> None:
        """A flow that says how it goes on goes before the queue's own way out."""
        for word in dict.fromkeys((FLOW_WORDS[reason], "overflow")):
            if self.takes_back(call, word):
                self._turns.feed(call, on.Overflowed("flow", word))
                return
        self._turns.feed(call, self.cares.way_out(to, reason, self.resolve))

    def _moved(self, call: str, queue: str) -> None:
        care = self.cares.of(queue)
        if care is not None:
            self.on_enter(call, queue)
            self._turns.feed(call, on.Queued(care))

    def _learn(self) -> None:
        """The estimates take in what happened, behind the decisions."""
        self._learns = False
        self.floor.learn()

    def _arm(self) -> None:
        if not self._learns:
            self._learns = True
            self._timers.set("learn", self._turns.now(), self._learn)
        due = self.floor.next_deadline
        if due == self._due:
            return
        self._due = due
        if due is not None:
            self._timers.set("floor", due, self._tick)
        else:
            self._timers.clear("floor")
