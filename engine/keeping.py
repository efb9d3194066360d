"""Writes down what each call is after its turns, so that it can outlive this engine."""

from __future__ import annotations

from dataclasses import fields
from functools import partial

from engine.call_timers import CallTimers
from engine.clock import Clock
from engine.flows import Flows
from engine.journal import Journal
from engine.kept import CODEC, CallKept, KeptCall, KeptIo, KeptTape
from engine.leg_io import LegIo
from engine.legs import Legs
from engine.taping import Taping
from engine.turns import Turns
from engine.workers import Workers
from ivr.position import journaled
from router.call import Call

_IO_FIELDS = tuple(field.name for field in fields(KeptIo))


class Keeping:
    """One record for each call that turns touched, with the group of the journal that holds their
    facts; the last one says that it is over."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        turns: Turns,
        legs: Legs,
        flows: Flows,
        taping: Taping,
        workers: Workers,
        timers: CallTimers,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._turns = turns
        self._legs = legs
        self._flows = flows
        self._taping = taping
        self._workers = workers
        self._timers = timers
        turns.keep = self._keep

    def _keep(self, call: Call) -> None:
        self._journal.keep(call.id, partial(self._write, call))

    def _write(self, call: Call) -> None:
        walk = self._flows.walks.get(call.id)
        ios = [io for leg in call.legs if (io := self._legs.by_id.get(leg)) is not None]
        owed = self._turns.owed(call.id)
        begun = [io.doing for io in ios if io.doing is not None and io.doing not in owed]
        kept = KeptCall(
            call,
            self._timers.of(call.id),
            walk.position.flow if walk is not None else "",
            journaled(walk.flow, walk.position) if walk is not None else None,
            tuple([kept_io(io) for io in ios]),
            tuple(
                KeptTape(tape.command, tape.begun, tape.segments, tape.runs)
                for tape in self._taping.of(call.id)
            ),
            self._workers.home_of(call.id),
            self._workers.music(call.id)[0],
            (*owed, *begun),
        )
        self._journal.append(call.id, CallKept(CODEC.encode(kept)), self._clock.now())

    def gone(self, call: str) -> None:
        """Nothing of the call is left to be done."""
        self._journal.keep(call, partial(self._write_over, call))

    def _write_over(self, call: str) -> None:
        self._journal.append(call, CallKept(b""), self._clock.now())


def kept_io(io: LegIo) -> KeptIo:
    return KeptIo(**{name: getattr(io, name) for name in _IO_FIELDS})
