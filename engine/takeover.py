"""Calls of an engine that died go on in this one: their states as the log keeps them.

First everything is put back in its place (``adopt``), while inputs wait; then workers connect
and find their sessions owned; then what the dead engine may not have performed is performed
(``go_on``). Every outer effect may be performed twice: a peer hears the same bytes again, a
worker gets a command that it knows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from config.errors import MisuseError, PeerError
from engine.journal import Entry
from engine.kept import CODEC, CallKept, KeptCall, KeptIo, LegKept
from engine.leg_io import LegIo, absent
from engine.taping import Tape
from router import effects as do
from router import inputs as on
from router.call import Call
from router.media import protocol as media
from router.sip.target import Credentials

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Kept:
    """The last state of each call and leg in the log, in the order in which they were written."""

    calls: dict[str, bytes] = field(default_factory=dict)
    legs: dict[str, bytes] = field(default_factory=dict)

    def note(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, CallKept):
            _set(self.calls, entry.call, event.data)
        elif isinstance(event, LegKept):
            _set(self.legs, event.leg, event.data)


def _set(states: dict[str, bytes], name: str, data: bytes) -> None:
    states.pop(name, None)
    if data:
        states[name] = data


class TakeOver:
    """One take-over, at the start of an engine. After a reboot nothing goes on: ``left`` are the
    calls that are to be closed."""

    def __init__(self, engine: Engine, kept: Kept, *, continues: bool) -> None:
        self._engine = engine
        self._kept = kept if continues else Kept()
        self._forgotten = Kept() if continues else kept
        self._calls: list[KeptCall] = []
        self.left: list[Call] = []
        for call in self._decode(kept):
            if continues:
                self._calls.append(call)
            elif call.call.phase != "ended":
                self.left.append(call.call)

    @staticmethod
    def _decode(kept: Kept) -> Iterator[KeptCall]:
        """One that cannot be read is closed like any other that nobody carries on."""
        for call, data in kept.calls.items():
            try:
                yield CODEC.decode(data)
            except (MisuseError, msgspec.MsgspecError, TypeError, ValueError):
                log.exception("call %s: its state cannot be read", call)

    def forget(self) -> None:
        """After a reboot: what was closed is nothing that a next engine could carry on."""
        journal, now = self._engine.journal, self._engine.clock.now()
        for call in self._forgotten.calls:
            journal.append(call, CallKept(b""), now)
        for leg in self._forgotten.legs:
            journal.append("", LegKept(leg, b""), now)

    @property
    def alive(self) -> set[str]:
        """The calls that go on."""
        return {kept.call.id for kept in self._calls if kept.call.phase != "ended"}

    def adopt(self) -> None:
        """Put legs, flows, timers, recordings and the calls themselves back in their places."""
        engine = self._engine
        credentials = self._credentials()
        for leg, data in self._kept.legs.items():
            try:
                engine.phone.adopt(data, credentials.get(leg))
            except (MisuseError, msgspec.MsgspecError, PeerError):
                log.exception("leg %s: its state cannot be read", leg)
        for kept in self._calls:
            call = kept.call
            engine.workers.adopt(call.id, kept.worker, kept.music)
            for io in kept.legs:
                engine.legs.by_id[io.id] = _io(io, call.id, kept.worker)
            engine.legs.owed |= {item.leg for item in kept.outer if isinstance(item, do.Dial)}
            for tape in kept.tapes:
                engine.taping.adopt(
                    Tape(call.id, tape.command, tape.begun, tape.segments, runs=True)
                )
            for item in kept.outer:
                if isinstance(item, do.Record):
                    engine.taping.adopt_owed(call.id, item)
            if call.phase == "ended":
                continue
            engine.turns.calls[call.id] = call
            if not call.internal:
                engine.callers.arrived(call.id, call.caller)
            engine.floor.adopt(call)
            for name, at in kept.timers.items():
                engine.call_timers.set(call.id, name, at)

    def _credentials(self) -> dict[str, Credentials]:
        """What answers a challenge to a leg of ours; passwords are never in the log."""
        found: dict[str, Credentials] = {}
        for kept in self._calls:
            for leg in kept.call.legs.values():
                with suppress(PeerError):
                    known = self._engine.directions.target(leg.agent, leg.target)[1]
                    if leg.target and known is not None:
                        found[leg.id] = known
        return found

    def go_on(self) -> None:
        """In one turn: what may not have been performed, then what is not there any more."""
        self._engine.turns.together(self._go_on)

    def _go_on(self) -> None:
        engine = self._engine
        engine.taping.look_after(engine.workers.recording)
        for kept in self._calls:
            engine.turns.owe(kept.call, kept.outer)  # type: ignore[arg-type]
            if kept.call.phase == "ended":
                engine.turns.forget_later(kept.call.id, engine.forget)
        for kept in self._calls:
            call = kept.call
            if call.phase == "ended":
                continue
            if kept.position is not None and not engine.flows.adopt(call.id, kept.position):
                log.warning("call %s: its flow is gone", call.id)
                if call.phase == "flow":
                    engine.turns.feed(call.id, on.HangUpAsked("a reload", cut=True))
            engine.flows.lookup_lost(call)
            self._pass_over_unsaid(call, kept)
            self._compare(call, kept)
            engine.turns.touch(call.id)
        strangers = engine.phone.legs() - {leg for kept in self._calls for leg in kept.call.legs}
        for leg in sorted(strangers):
            engine.phone.hang_up(leg, 480, "the call is over")

    def _pass_over_unsaid(self, call: Call, kept: KeptCall) -> None:
        """A prompt that the dead engine was still rendering: no worker has it, so none will
        report its end."""
        io = self._engine.legs.by_id.get(call.caller_leg)
        if not call.play or call.phase not in ("flow", "voicemail", "closing") or io is None:
            return
        told = isinstance(io.ear, media.Play) and io.ear.play == call.play
        if not told and not any(isinstance(effect, do.Play) for effect in kept.outer):
            self._engine.turns.feed(call.id, on.PlayDone(call.caller_leg, call.play))

    def _compare(self, call: Call, kept: KeptCall) -> None:
        """A leg that the call counts on and that SIP does not know (any more) is gone. One that
        is still to be dialled or picked up is in the effects that are owed."""
        engine = self._engine
        owed = {getattr(effect, "leg", "") for effect in kept.outer}
        known = engine.phone.legs()
        for leg in list(call.legs.values()):
            if leg.state != "gone" and leg.id not in known and leg.id not in owed:
                engine.turns.feed(call.id, on.LegGone(leg.id, "lost", "restart"))


def _io(kept: KeptIo, call: str, worker: str) -> LegIo:
    return LegIo(
        kept.id,
        call,
        absent(worker),
        kept.incoming,
        kept.peer_host,
        kept.remote_body,
        kept.target,
        kept.local,
        kept.local_body,
        kept.agreed,
        kept.port,
        kept.internal,
        kept.ipv6,
        kept.held,
        kept.leaving,
        kept.media_closed,
        kept.far_end,
        kept.ear,
    )
