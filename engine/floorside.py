"""The floor's shell: calls and people change it, its effects become facts and inputs."""

from __future__ import annotations

from collections.abc import Callable

from config.settings import QueueSettings, Settings
from engine.timers import Timers
from engine.turns import Turns, register
from queues import offers
from queues.agents import AgentView
from queues.events import AgentPresence
from queues.floor import Floor
from queues.rules import from_settings
from queues.waiting import WaitingView
from router import effects as do
from router import inputs as on
from router.call import Call


def care_of(queue: QueueSettings) -> on.QueueCare:
    return on.QueueCare(
        queue.name,
        queue.target_s,
        queue.short_abandon_s,
        queue.announce_interval_s,
        queue.callback_key,
        queue.language,
    )


class FloorSide:
    """The single writer of the floor: every change happens in a turn, none awaits."""

    def __init__(
        self,
        turns: Turns,
        timers: Timers,
        settings: Settings,
        phones_of: Callable[[str], tuple[str, ...]],
    ) -> None:
        self.floor = Floor(from_settings(settings))
        self._turns = turns
        self._timers = timers
        self._phones_of = phones_of
        self.on_enter: Callable[[str, str], None] = lambda call, queue: None
        self.takes_back: Callable[[str, str], bool] = lambda call, reason: False
        self._care = {queue.name: care_of(queue) for queue in settings.queues}
        self._offered: dict[int, str] = {}
        # agent: the calls outside any queue, and what each is
        self._busy_in: dict[str, dict[str, str]] = {}
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

    def reload(self, settings: Settings) -> None:
        self._care = {queue.name: care_of(queue) for queue in settings.queues}
        self.change(lambda now: self.floor.reload(from_settings(settings), now))

    # --- calls ---------------------------------------------------------------------------------

    def _enter(self, call: Call, effect: do.EnterQueue) -> None:
        care = self._care.get(effect.queue)
        if care is None:
            self._turns.feed(call.id, on.HangUpAsked(f"unknown queue {effect.queue}", cut=True))
            return
        self.on_enter(call.id, effect.queue)
        self._turns.feed(call.id, on.Queued(care))
        now = self._turns.now()
        self._obey(
            self.floor.enqueue(
                call.id,
                effect.queue,
                now,
                priority=effect.priority,
                rank=effect.rank,
                skills=dict(effect.skills) or None,
                head=effect.head,
            )
        )

    def _leave(self, call: Call, effect: do.LeaveQueue) -> None:
        self._obey(self.floor.leave(call.id, self._turns.now(), effect.end))

    def _accept(self, call: Call, effect: do.AcceptOffer) -> None:
        result = self.floor.accept(effect.agent, effect.fence, self._turns.now())
        stale = any(isinstance(item, offers.OfferStale) for item in result)
        self._obey(result)
        if not stale:
            self._offered.pop(effect.fence, None)
            self._turns.feed(call.id, on.OfferWon(effect.agent, effect.fence))

    def _refuse(self, call: Call, effect: do.RefuseOffer) -> None:
        self._offered.pop(effect.fence, None)
        now = self._turns.now()
        self._obey(self.floor.refuse(effect.agent, effect.fence, now, effect.end, effect.cause))

    def _done(self, call: Call, effect: do.AgentDone) -> None:
        agent, now = effect.agent, self._turns.now()
        others = self._busy_in.get(agent, {})
        if others.pop(call.id, None) is not None:
            if not others:
                del self._busy_in[agent]
                self._obey(self.floor.free(agent, now))
            return
        if effect.lost:
            self._obey(self.floor.lost(agent, now, "phone lost"))
        else:
            self._obey(self.floor.finished(agent, now))
        for reason in list(others.values())[:1]:  # a call that was put through goes on
            self._obey(self.floor.busy(agent, now, reason))

    def _busy(self, call: Call, effect: do.AgentBusy) -> None:
        self._busy_in.setdefault(effect.agent, {})[call.id] = effect.reason
        now = self._turns.now()
        self._obey(self.floor.busy(effect.agent, now, effect.reason))

    # --- people, phones and the clock -------------------------------------------------------------

    def change(self, work: Callable[[float], list[offers.Effect]]) -> None:
        """One change of the floor by a person or a phone, as a turn of its own."""
        self._turns.together(lambda: self._obey(work(self._turns.now())))

    def _tick(self) -> None:
        self.change(self.floor.tick)

    def after_recovery(self) -> None:
        """Calls of an earlier engine leave the floor; its agents' talks are over; phones must
        register again before they are rung."""

        def settle(now: float) -> list[offers.Effect]:
            effects: list[offers.Effect] = []
            views = self.floor.agents()
            for view in views:  # first: or the calls that go would be offered on their way
                effects += self.floor.set_reachable(view.agent, False, now)
            for waiting in self.floor.waiting():
                effects += self.floor.leave(waiting.call, now, "removed")
            for view in views:
                effects += self.floor.finished(view.agent, now)
                effects += self.floor.free(view.agent, now)
            return effects + self.floor.tick(now)

        self.change(settle)

    def tell_presence(self, agent: str) -> None:
        """Write the presence of an agent again that has not changed for long; talks and wrap-ups
        pass by themselves."""
        for view in self.floor.agents():
            if view.agent == agent and view.presence in ("available", "on-break"):
                self._turns.fact("", AgentPresence(agent, view.presence, view.reason))

    def set_reachable(self, agent: str) -> None:
        """The agent has a phone again."""
        self.change(lambda now: self.floor.set_reachable(agent, True, now))

    def position(self, call: str) -> int:
        return self.floor.position(call)

    def waiting(self) -> list[WaitingView]:
        return self.floor.waiting()

    def agents(self) -> list[AgentView]:
        return self.floor.agents()

    def _obey(self, effects: list[offers.Effect]) -> None:
        for effect in effects:
            match effect:
                case offers.Fact(call, event):
                    self._turns.fact(call, event)
                case offers.Offer(call, agent, fence, queue, ring_s):
                    self._offered[fence] = call
                    phones = self._phones_of(agent)
                    self._turns.feed(call, on.Offered(agent, fence, queue, ring_s, phones))
                case offers.Withdraw(call, agent, fence, reason):
                    self._offered.pop(fence, None)
                    self._turns.feed(call, on.Withdrawn(agent, fence, reason))
                case offers.OfferStale(agent, fence):
                    stale = self._offered.pop(fence, None)
                    if stale is not None:
                        self._turns.feed(stale, on.OfferStale(agent, fence))
                case offers.Overflow(call, _, to):
                    back = self.takes_back(call, "overflow")
                    self._turns.feed(call, on.Overflowed("flow" if back else to))
        due = self.floor.next_deadline
        if due is not None:
            self._timers.set("floor", due, self._tick)
        else:
            self._timers.clear("floor")
