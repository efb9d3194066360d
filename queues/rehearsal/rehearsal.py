"""A day on the floor on a virtual clock: the production floor, made-up or past callers.

The floor decides; this plays everybody else. Callers arrive and hang up when their patience
ends; phones ring, are answered, refused or left to ring; talks end; agents come and go. Every
fact goes to the readers (the statistics, a digest, whoever wants) as the journal would
bring it, with the call's end behind. Nothing happens between two events, so a day takes as long
as its decisions take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

from config.errors import MisuseError
from config.values import value
from queues.floor import Floor
from queues.offers import (
    BreakRefused,
    CallbackOver,
    Effect,
    Fact,
    Moved,
    Offer,
    OfferStale,
    Overflow,
    Reserve,
    Withdraw,
)
from queues.rehearsal.rehearsal_calls import INFINITE, Caller, Chance, exponential
from queues.rehearsal.rehearsal_log import Entry, Reader
from queues.rules import FloorRules
from router.events import CallEnded, Outcome

OUTCOME_OF: dict[str, Outcome] = {
    "voicemail": "voicemail",
    "hang-up": "missed",
    "announcement": "missed",
    "number": "overflowed",
}
MOVES_MAX = 10  # from queue to queue by overflow; then the call is missed


@value(frozen=True, slots=True)
class Shift:
    """An agent at work from ``start`` until ``end`` (unix seconds), then the talk's rest."""

    agent: str
    start: float
    end: float


@value(frozen=True, slots=True)
class Manners:
    """How people behave. Shares 0..1, times in seconds.

    A phone is answered after an exponential time around ``answer_s`` (0: at once; not answered
    where that is longer than the queue rings). ``refused`` and ``rung_out`` are the shares of
    offers that end so; the agent is ready again after ``back_s``. ``callback_share`` of those
    who still wait after ``callback_after_s`` ask to be called back; when their turn comes they
    pick up after ``callback_dial_s`` but for the share ``callback_missed`` of attempts.
    """

    answer_s: float = 0.0
    refused: float = 0.0
    rung_out: float = 0.0
    back_s: float = 60.0
    callback_share: float = 0.0
    callback_after_s: float = 60.0
    callback_dial_s: float = 8.0
    callback_missed: float = 0.0


Action = Callable[[Any, Any], None]


class Rehearsal:
    """One run. Bit-identical for the same rules, callers, shifts, manners and chance."""

    def __init__(
        self,
        rules: FloorRules,
        readers: Sequence[Reader],
        chance: Chance,
        manners: Manners | None = None,
    ) -> None:
        """``chance`` is for the phones; no number is drawn where ``manners`` ask for none."""
        self.floor = Floor(rules)
        self.now = 0.0
        self.calls = 0
        self._readers = readers
        self._manners = manners or Manners()
        self._chance = chance
        self._heap: list[tuple[float, int, Action, Any, Any]] = []
        self._order = 0
        self._seq = 0
        self._waiting: dict[str, Caller] = {}
        self._called_back: dict[str, Caller] = {}  # those who hung up and keep their place
        self._moves: dict[str, int] = {}
        self._ringing: dict[str, int] = {}  # agent -> fence
        self._does: dict[type, Callable[[Any], None]] = {
            Offer: self._offered,
            Withdraw: self._withdrawn,
            OfferStale: self._nothing,
            Overflow: self._overflowed,
            Reserve: self._reserved,
            CallbackOver: self._callback_over,
            Moved: self._nothing,  # only supervisors move calls, and there are none here
            BreakRefused: self._nothing,  # nobody asks for a break here
        }

    def run(self, callers: Iterable[Caller], shifts: Sequence[Shift] | None, opens: float) -> None:
        """All callers, in the order of ``at``, until the last call is over. Without ``shifts``
        every agent of the rules works from ``opens`` on, until then."""
        self.now = opens
        if shifts is None:
            for view in self.floor.agents():
                self._sign_in(view.agent, None)
        for shift in shifts or ():
            self._at(shift.start, self._sign_in, shift.agent, None)
            self._at(shift.end, self._sign_out, shift.agent, None)
        self._play(iter(callers))
        for view in self.floor.agents():
            self._sign_out(view.agent, None)

    def _play(self, callers: Iterator[Caller]) -> None:
        heap, floor = self._heap, self.floor
        caller = next(callers, None)
        while True:
            at = heap[0][0] if heap else INFINITE
            coming = caller is not None and caller.at < at
            if coming and caller is not None:
                at = caller.at
            due = floor.next_deadline
            if due is not None and due < at:
                self.now = due
                self._do(floor.tick(due))
            elif coming and caller is not None:
                self.now = at
                self._arrive(caller)
                caller = next(callers, None)
            elif heap:
                self.now, _, action, first, second = heappop(heap)
                action(first, second)
            else:
                return

    def _at(self, at: float, action: Action, first: Any, second: Any) -> None:
        self._order += 1
        heappush(self._heap, (at, self._order, action, first, second))

    def _do(self, effects: list[Effect]) -> None:
        """Tell the facts in order, then act: what follows (an overflow into another queue) comes
        after all of them in the log, as it did on the floor."""
        acts = []
        for effect in effects:
            if type(effect) is Fact:
                self._tell(effect.call, effect.event)
            else:
                acts.append(effect)
        for effect in acts:
            act = self._does.get(type(effect))
            if act is None:
                raise MisuseError(f"a rehearsal does not know the effect {effect!r}")
            act(effect)

    def _tell(self, call: str, event: object) -> None:
        self._seq += 1
        entry = Entry(self._seq, self.now, call, event)
        for read in self._readers:
            read(entry)

    def _nothing(self, effect: object) -> None:
        """Nobody here has anything to do."""

    # Agents.

    def _sign_in(self, agent: str, _: None) -> None:
        self._do(self.floor.set_reachable(agent, True, self.now))
        self._do(self.floor.sign_in(agent, self.now))

    def _sign_out(self, agent: str, _: None) -> None:
        self._do(self.floor.sign_out(agent, self.now))

    def _ready(self, agent: str, _: None) -> None:
        self._do(self.floor.ready(agent, self.now))

    def _offered(self, offer: Offer) -> None:
        """The phone rings; how it ends is settled now."""
        manners, draw = self._manners, self._chance.random
        self._ringing[offer.agent] = offer.fence
        after, end = 0.0, "accepted"
        if manners.refused or manners.rung_out:
            drawn = draw()
            if drawn < manners.refused:
                end = "refused"
            elif drawn < manners.refused + manners.rung_out:
                after, end = offer.ring_timeout_s, "rung-out"
        if manners.answer_s and end != "rung-out":
            after = exponential(self._chance, manners.answer_s)
            if after >= offer.ring_timeout_s:
                after, end = offer.ring_timeout_s, "rung-out"
        self._at(self.now + after, self._rung, offer, end)

    def _rung(self, offer: Offer, end: str) -> None:
        agent, fence = offer.agent, offer.fence
        if self._ringing.get(agent) != fence:
            return  # withdrawn
        del self._ringing[agent]
        if end == "accepted":
            effects = self.floor.accept(agent, fence, self.now)
            self._do(effects)
            if not any(type(effect) is OfferStale for effect in effects):
                caller = self._waiting.pop(offer.call, None) or self._called_back[offer.call]
                self._at(self.now + caller.talk_s, self._hang_up, agent, offer.call)
        else:
            self._do(self.floor.refuse(agent, fence, self.now, end, end))  # type: ignore[arg-type]
            self._at(self.now + self._manners.back_s, self._ready, agent, None)

    def _withdrawn(self, withdraw: Withdraw) -> None:
        if self._ringing.get(withdraw.agent) == withdraw.fence:
            del self._ringing[withdraw.agent]

    # Callers.

    def _arrive(self, caller: Caller) -> None:
        self.calls += 1
        call = f"c{self.calls}"
        self._waiting[call] = caller
        if caller.patience_s < INFINITE:
            self._at(self.now + caller.patience_s, self._lose_patience, call, None)
        if caller.fate < self._manners.callback_share:
            self._at(self.now + self._manners.callback_after_s, self._ask_callback, call, None)
        self._do(self.floor.enqueue(call, caller.queue, self.now))

    def _lose_patience(self, call: str, _: None) -> None:
        if call in self._waiting:
            del self._waiting[call]
            self._do(self.floor.leave(call, self.now, "abandoned"))
            self._end(call, "missed")

    def _ask_callback(self, call: str, _: None) -> None:
        caller = self._waiting.get(call)
        if caller is not None:
            self._call_back(call, caller.queue, 0.0)

    def _call_back(self, call: str, queue: str, origin: float) -> None:
        """The caller hangs up: for the log the call is over, for the floor it keeps its place."""
        self._called_back[call] = self._waiting.pop(call)
        self._do(self.floor.request_callback(call, queue, self.now, number=call, origin=origin))
        self._end(call, "callback-requested")

    def _hang_up(self, agent: str, call: str) -> None:
        self._do(self.floor.finished(agent, self.now))
        if self._called_back.pop(call, None) is None:
            self._end(call, "answered")

    def _overflowed(self, overflow: Overflow) -> None:
        call = overflow.call
        if call not in self._waiting:
            return  # hung up in the same instant
        way, _, where = overflow.to.partition(":")
        moves = self._moves.get(call, 0)
        if way == "queue" and moves < MOVES_MAX:
            self._moves[call] = moves + 1
            self._do(self.floor.enqueue(call, where, self.now, origin=overflow.origin))
        elif way == "callback":
            self._call_back(call, overflow.queue, overflow.origin)
        else:
            del self._waiting[call]
            self._end(call, OUTCOME_OF.get(way, "missed"))

    def _reserved(self, reserve: Reserve) -> None:
        """An agent is held: the caller's phone rings, and is answered or not."""
        self._ringing[reserve.agent] = reserve.fence
        manners = self._manners
        missed = bool(manners.callback_missed) and self._chance.random() < manners.callback_missed
        after = reserve.ring_s if missed else min(manners.callback_dial_s, reserve.ring_s)
        self._at(self.now + after, self._dialled, reserve, missed)

    def _dialled(self, reserve: Reserve, missed: bool) -> None:
        if self._ringing.get(reserve.agent) != reserve.fence:
            return  # withdrawn
        del self._ringing[reserve.agent]
        call, fence = reserve.call, reserve.fence
        if missed:
            self._do(self.floor.callback_missed(call, fence, self.now, "no answer"))
        else:
            self._do(self.floor.callback_reached(call, fence, self.now))

    def _callback_over(self, over: CallbackOver) -> None:
        """Given up or expired. One that the floor could not take was never kept."""
        self._called_back.pop(over.call, None)

    def _end(self, call: str, outcome: Outcome) -> None:
        self._moves.pop(call, None)
        self._tell(call, CallEnded(outcome, "rehearsed"))
