"""Callbacks: a place that was kept is due, the caller is dialled, the call lives again."""

from __future__ import annotations

from collections.abc import Callable

from engine.floorside import FloorSide
from engine.timers import Timers
from engine.turns import Turns, register
from queues.callers import is_number
from queues.offers import OfferStale, Reserve
from router import effects as do
from router import inputs as on
from router.call import Call, CallRules

Outside = Callable[[str, str], tuple[str, ...]]


class Callbacks:
    """The second lives of calls. A place that is due before its caller has hung up (the goodbye
    is still being said) waits for that: ``ended``."""

    def __init__(
        self,
        turns: Turns,
        timers: Timers,
        floor: FloorSide,
        outside: Outside,
        rules: Callable[[], CallRules],
    ) -> None:
        self._turns = turns
        self._timers = timers
        self._floor = floor
        self._outside = outside
        self._rules = rules
        self._due: dict[str, Reserve] = {}
        floor.on_reserve = self._reserve
        floor.on_withdraw = self._withdraw
        register(
            turns.inner,
            {
                do.RequestCallback: self._request,
                do.CallbackReached: self._reached,
                do.CallbackMissed: self._missed,
            },
        )

    def _request(self, call: Call, effect: do.RequestCallback) -> None:
        """The caller keeps the place (or takes one) and hangs up."""
        care = self._floor.cares.of(effect.queue)
        if care is None or not is_number(effect.number):
            return
        self._floor.obey(
            self._floor.floor.request_callback(
                call.id,
                effect.queue,
                self._turns.now(),
                number=effect.number,
                trunk=call.trunk,
                dialled=call.dialled,
                language=care.language,
                priority=effect.priority,
                rank=effect.rank,
                skills=dict(effect.skills) or None,
                origin=effect.origin,
            )
        )

    def _reserve(self, reserve: Reserve) -> None:
        self._due[reserve.call] = reserve
        if reserve.call not in self._turns.calls:
            self._later(reserve.call)

    def _withdraw(self, call: str, fence: int) -> None:
        """The agent left before the caller was dialled; afterwards the call core is told."""
        due = self._due.get(call)
        if due is not None and due.fence == fence:
            del self._due[call]

    def ended(self, call: str) -> None:
        """A call is over: if its place is due already, now it is dialled."""
        if call in self._due:
            self._later(call)

    def _later(self, call: str) -> None:
        """In a turn of its own: the first life's last effects come first."""
        self._timers.set(("callback", call), self._turns.now(), lambda: self._begin(call))

    def _begin(self, call_id: str) -> None:
        reserve = self._due.pop(call_id, None)
        if reserve is None or call_id in self._turns.calls:
            return
        care = self._floor.cares.of(reserve.queue)
        targets = self._outside(reserve.number, reserve.trunk)
        if care is None or not targets:
            self._floor.change(
                lambda now: self._floor.floor.callback_missed(
                    call_id, reserve.fence, now, "no trunk leads out"
                )
            )
            return
        call = Call(call_id, self._rules())
        self._turns.calls[call_id] = call
        self._turns.feed(
            call_id,
            on.CallBack(
                reserve.number,
                targets,
                care,
                reserve.agent,
                reserve.fence,
                reserve.ring_s,
                reserve.trunk,
                reserve.dialled,
            ),
        )

    def _reached(self, call: Call, effect: do.CallbackReached) -> None:
        floor = self._floor
        effects = floor.floor.callback_reached(call.id, effect.fence, self._turns.now())
        floor.obey(effects)
        if any(isinstance(item, OfferStale) for item in effects):
            self._turns.feed(call.id, on.OfferStale(effect.agent, effect.fence))

    def _missed(self, call: Call, effect: do.CallbackMissed) -> None:
        floor = self._floor
        floor.obey(
            floor.floor.callback_missed(call.id, effect.fence, self._turns.now(), effect.cause)
        )
