"""The engine's turn: inputs into the call cores, facts into the journal, effects into the world.

A turn takes inputs until none is left. Inner effects take place at once and may feed further
inputs of the same turn (the floor offers a call, the call dials a phone). Outer effects (legs,
media) wait until every fact of the turn that binds us is durable, in one order for all calls,
so that nothing shows outside that a crash could forget (design: one log, many readers).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.clock import Clock
from engine.journal import Journal
from queues import events as floor_facts
from router import effects as do
from router import events as facts
from router.call import Call, end
from router.call_table import step
from router.inputs import Input

log = logging.getLogger(__name__)

# Losing one of these would lose a call, a place in the queue, a decision or a ticket.
BINDING: frozenset[type] = frozenset(
    {
        facts.CallArrived,
        facts.CallConnected,
        facts.CallTransferred,
        facts.RecordingStarted,
        facts.CallEnded,
        floor_facts.CallQueued,
        floor_facts.OfferMade,
        floor_facts.OfferEnded,
        floor_facts.QueueVisitEnded,
        floor_facts.CallbackPlaced,
        floor_facts.CallbackReached,
        floor_facts.CallbackEnded,
    }
)

Perform = Callable[[Call, Any], None]


class Turns:
    """Owns the calls. ``inner`` and ``outer`` map an effect's type to what performs it."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self.clock = clock
        self.calls: dict[str, Call] = {}
        self.inner: dict[type, Perform] = {}
        self.outer: dict[type, Perform] = {}
        # What of an outer effect may begin while its facts are being written: nothing that shows.
        self.early: dict[type, Perform] = {}
        self.on_finished: Callable[[Call], None] = lambda call: None
        self._journal = journal
        self._inputs: deque[tuple[str, Input]] = deque()
        self._outbound: list[tuple[Call, do.Effect]] = []
        self._held: deque[tuple[int, Call, do.Effect]] = deque()
        self._forget: list[tuple[str, Callable[[str], None]]] = []
        self._bound_to = 0
        self._owed: dict[str, list[do.Effect]] = {}  # outer effects not performed, by call
        # The state goes into the log with the turn's facts: one group, there whole or not at all.
        self.keep: Callable[[Call], None] = lambda call: None
        self._running = False
        self._paused = False
        self._now = 0.0

    def now(self) -> float:
        """The time of the turn: one value from its first input to its last fact."""
        return self._now if self._running else self.clock.now()

    def feed(self, call: str, happened: Input) -> None:
        """Give a call an input; outside a turn this is the turn, inside it is queued."""
        self._inputs.append((call, happened))
        if not self._running and not self._paused:
            self._run()

    def pause(self) -> None:
        """Inputs wait until ``resume``: a take-over is under way."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self.together(lambda: None)

    def fact(self, call: str, event: object) -> None:
        """Journal a fact at the turn's time."""
        entry = self._journal.append(call, event, self.now())
        if type(event) in BINDING:
            self._bound_to = entry.seq

    def together(self, work: Callable[[], None]) -> None:
        """Run ``work`` (floor changes, several inputs) as one turn."""
        if self._running:
            work()
            return
        self._begin()
        try:
            work()
            self._until_quiet()
        finally:
            self._running = False

    def on_behalf(self, call: str, work: Callable[[], None]) -> None:
        """Run a shell's work for a call as one turn; a mistake in it ends that call as failed."""

        def tried() -> None:
            self.touch(call)
            try:
                work()
            except Exception:
                log.exception("call %s", call)
                found = self.calls.get(call)
                if found is not None:
                    self._fail(found)

        self.together(tried)

    def touch(self, call: str) -> None:
        """Something of this call changed beside its core: keep it with this turn."""
        found = self.calls.get(call)
        if found is not None:
            self.keep(found)

    def owed(self, call: str) -> tuple[do.Effect, ...]:
        """Outer effects of the call that wait for the disk."""
        return tuple(self._owed.get(call, ()))

    def _begin(self) -> None:
        self._now = self.clock.now()
        self._running = True

    def _run(self) -> None:
        self._begin()
        try:
            self._until_quiet()
        finally:
            self._running = False

    def _until_quiet(self) -> None:
        """Inputs, then their outer effects, until neither brings more."""
        while not self._paused:
            while self._inputs:
                call_id, happened = self._inputs.popleft()
                call = self.calls.get(call_id)
                if call is None:
                    log.debug("input for a call that is gone: %s", type(happened).__name__)
                    continue
                self.keep(call)
                self._step(call, happened)
            if not self._outbound:
                break
            self._release()
        if not self._held and not self._paused:
            forgotten, self._forget = self._forget, []
            for call_id, forget in forgotten:
                if call_id not in self.calls:  # else its second life began meanwhile
                    forget(call_id)

    def _step(self, call: Call, happened: Input) -> None:
        try:
            for effect in step(call, happened, self.now()):
                self._take(call, effect)
        except Exception:
            log.exception("call %s: %s in %s", call.id, type(happened).__name__, call.phase)
            self._fail(call)

    def _perform(self, call: Call, effect: do.Effect) -> None:
        owed = self._owed[call.id]
        owed.remove(effect)
        if not owed:
            del self._owed[call.id]
        self._attempt(self.outer, call, effect)

    def _attempt(self, performers: Mapping[type, Perform], call: Call, effect: do.Effect) -> None:
        try:
            performers[type(effect)](call, effect)
        except Exception:
            log.exception("call %s: %s in %s", call.id, type(effect).__name__, call.phase)
            self._fail(call)

    def _fail(self, call: Call) -> None:
        """A mistake of ours ends the call that it was made in (outcome failed), never others."""
        if call.phase == "ended":
            return
        ending = end(call, self.now(), "failed", "internal error", 500, leaves="removed")
        for effect in ending:
            try:
                self._take(call, effect)
            except Exception:
                log.exception("call %s: %s at its end", call.id, type(effect).__name__)

    def _take(self, call: Call, effect: do.Effect) -> None:
        kind = type(effect)
        if kind is do.Fact:
            self.fact(call.id, effect.event)  # type: ignore[union-attr]
        elif kind is do.Finished:
            self.on_finished(call)
        elif kind in self.inner:
            self.inner[kind](call, effect)
        else:
            self._owe(call, effect)

    def _owe(self, call: Call, effect: do.Effect) -> None:
        self._owed.setdefault(call.id, []).append(effect)
        self._outbound.append((call, effect))

    def owe(self, call: Call, effects: Iterable[do.Effect]) -> None:
        """Perform what a dead engine may not have performed, in a turn of its own."""

        def again() -> None:
            for effect in effects:
                self._owe(call, effect)

        self.together(again)

    def _release(self) -> None:
        """Send the turn's outer effects on, behind the facts that bind them.

        One line for all calls: an agent's phone that one call hangs up must be hung up before
        another call rings it.
        """
        outbound, self._outbound = self._outbound, []
        seq = self._bound_to
        if seq <= self._journal.durable_seq and not self._held:
            for call, effect in outbound:
                self._perform(call, effect)
            return
        self._held.extend((seq, call, effect) for call, effect in outbound)
        for call, effect in outbound:
            if type(effect) in self.early:
                self._attempt(self.early, call, effect)
        self._journal.when_durable(seq, lambda: self.together(self._drain))

    def _drain(self) -> None:
        while self._held and self._held[0][0] <= self._journal.durable_seq:
            _, call, effect = self._held.popleft()
            self._perform(call, effect)

    def forget_later(self, call: str, forget: Callable[[str], None]) -> None:
        """Run ``forget(call)`` once the call's last outer effects are performed, unless it lives
        again by then."""
        self._forget.append((call, forget))

    @property
    def waiting_for_disk(self) -> int:
        """Outer effects held back until their facts are durable."""
        return len(self._held)


def register(target: dict[type, Perform], handlers: Mapping[type, Perform]) -> None:
    """Add handlers; an effect has one performer."""
    for kind, perform in handlers.items():
        if kind in target:
            raise ValueError(f"two performers for {kind.__name__}")
        target[kind] = perform
