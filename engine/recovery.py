"""At start: calls that an earlier engine left open go on here, or end with the right outcome.

Where sockets and workers outlived the engine its calls are taken over (engine.takeover). After
a reboot nobody carries them on, so each gets its one CallEnded (talking: dropped; waiting:
missed; before that: failed; cause "restart") and thereby its ticket. Agents keep their presence:
the floor's facts are applied, never decided again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from engine.journal import Entry
from engine.takeover import Kept, TakeOver
from engine.taping import WORKER_DIED
from queues import events as floor_facts
from queues.offers import FLOOR_FACTS, FloorEvent
from router import events as facts
from router.call import Call
from router.outcome import Milestones, outcome_of

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.state import Snapshot

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Settled:
    """``open_files``: recordings that no worker reported closed, to the fact of their start."""

    open_files: dict[str, Entry]
    takeover: TakeOver


@dataclass(slots=True)
class Open:
    """A call that arrived and has not ended, as far as the log tells."""

    caller: str
    marks: Milestones = field(default_factory=Milestones)
    queue: str = ""
    agent: str = ""
    waiting: bool = False
    talking_since: float = 0.0
    talked_s: float = 0.0
    recordings: int = 0
    second_life: bool = False  # a called-back caller: the call itself ended before

    @classmethod
    def of(cls, call: Call) -> Open:
        """Of a call whose first facts have left the log."""
        return cls(
            call.caller,
            call.marks,
            call.queue,
            call.agent,
            call.phase == "waiting",
            call.talk_since,
            call.talked_s,
            call.recordings_made,
            call.second_life,
        )


def fold(open_calls: dict[str, Open], entry: Entry) -> None:
    """Take one entry of the log."""
    event = entry.event
    if isinstance(event, facts.CallArrived):
        open_calls[entry.call] = Open(event.caller)
        return
    if isinstance(event, floor_facts.CallbackReached):
        open_calls[entry.call] = Open("", queue=event.queue, second_life=True)
        return
    call = open_calls.get(entry.call)
    if call is None:
        return
    match event:
        case floor_facts.CallQueued(queue):
            call.queue, call.waiting, call.marks.queued = queue, True, entry.at
        case floor_facts.QueueVisitEnded(_, how, waited_s):
            call.waiting, call.marks.waited_s = False, waited_s
            if how == "callback-requested":
                call.marks.callback = entry.at
        case facts.AgentLost():
            call.marks.talk_cut = entry.at
            _talk_ended(call, entry.at)
        case facts.CallTransferred():
            _talk_ended(call, entry.at)
        case facts.CallConnected(_, agent):
            call.agent = agent or call.agent
            call.talking_since, call.marks.talk_cut = entry.at, 0.0
            if agent:
                call.marks.connected = entry.at
            else:
                call.marks.dialled = entry.at
        case facts.RecordingStarted(_, _, kind):
            call.recordings += 1
            if kind == "voicemail":
                call.marks.message = entry.at
        case facts.CallEnded() | facts.SecondLifeEnded():
            del open_calls[entry.call]


def _talk_ended(call: Open, at: float) -> None:
    if call.talking_since:
        call.talked_s += max(0.0, at - call.talking_since)
        call.talking_since = 0.0


def settle(
    engine: Engine,
    *folds: Callable[[Entry], None],
    elsewhere: Snapshot | None = None,
    supervisor: str = "",
    phones: Callable[[], Iterable[str]] = tuple,
    folded: Callable[[], None] = lambda: None,
) -> Settled:
    """Fold the log, take over the calls that can go on, close the others, put the agents back
    where they were.

    ``folds`` are others who want to see the log pass. ``elsewhere``: without a log of our own,
    the state that another machine kept; from here on it stands in our log. ``supervisor``: ours;
    where it is that of the log's last engine, sockets and workers are still there and calls go
    on. ``phones`` gives the agents whose phones are known again. ``folded`` is called when the
    log has passed, before anything is decided.
    """
    open_calls: dict[str, Open] = {}
    open_files: dict[str, Entry] = {}
    kept, last_supervisor = Kept(), ""
    floor = engine.floor.floor
    for entry in engine.journal.read(engine.journal.recovered.held):
        event = entry.event
        if isinstance(event, facts.EngineStarted):
            last_supervisor = event.supervisor
        kept.note(entry)
        engine.holds.note(entry)
        for other in folds:
            other(entry)
        fold(open_calls, entry)
        fold_files(open_files, entry)
        engine.statistics.apply(entry)
        if isinstance(event, FLOOR_FACTS):
            floor.apply(entry.call, _floor_event(event), entry.at)
        engine.callers.take(entry)
    for at, told in elsewhere.in_order() if elsewhere else ():
        entry = engine.journal.append("", told, engine.clock.now())
        for other in folds:
            other(entry)
        if isinstance(told, FLOOR_FACTS):
            floor.apply("", _floor_event(told), min(at, entry.at))
    folded()
    continues = bool(supervisor) and supervisor == last_supervisor
    takeover = TakeOver(engine, kept, continues=continues)
    alive = takeover.alive
    takeover.adopt()
    for left in takeover.left:
        if left.id not in open_calls and not left.internal:
            open_calls[left.id] = Open.of(left)
    for call_id, call in open_calls.items():
        if call_id not in alive:
            _close(engine, call_id, call)
    takeover.forget()
    engine.floor.after_recovery(alive, frozenset(phones()))
    return Settled(open_files, takeover)


def fold_files(open_files: dict[str, Entry], entry: Entry) -> None:
    if isinstance(entry.event, facts.RecordingStarted):
        open_files[entry.event.path] = entry
    elif isinstance(entry.event, facts.RecordingClosed):
        open_files.pop(entry.event.path, None)


def close_files(engine: Engine, open_files: dict[str, Entry]) -> None:
    """Recordings whose worker is gone, too: what is on disk is all there will be."""
    for path, entry in open_files.items():
        event = entry.event
        if not isinstance(event, facts.RecordingStarted):
            continue
        if not engine.holds.is_open(path):
            continue  # the report of its end had waited for us
        if event.recording in engine.workers.recording or engine.taping.has(event.recording):
            continue  # its worker goes on until it is told to stop; its report follows
        now = engine.clock.now()
        engine.turns.fact(
            entry.call,
            facts.RecordingClosed(event.recording, path, entry.at, now, 0, 0, WORKER_DIED),
        )


def _floor_event(event: object) -> FloorEvent:
    assert isinstance(event, FLOOR_FACTS)
    return cast(FloorEvent, event)


def _close(engine: Engine, call_id: str, call: Open) -> None:
    now = engine.clock.now()
    marks = call.marks
    if call.waiting:
        marks.waited_s = now - marks.queued
    elif call.talking_since:
        marks.talk_cut = now
        _talk_ended(call, now)
    if call.second_life:
        talked_s = round(call.talked_s, 3)
        over = facts.SecondLifeEnded("restart", call.queue, call.agent, talked_s=talked_s)
        engine.turns.fact(call_id, over)
        return
    outcome = outcome_of(marks, "failed")
    log.warning("call %s was open when the last engine ended: %s", call_id, outcome)
    engine.turns.fact(
        call_id,
        facts.CallEnded(
            outcome=outcome,
            cause="restart",
            queue=call.queue,
            agent=call.agent,
            waited_s=round(marks.waited_s, 3),
            talked_s=round(call.talked_s, 3),
            callback_number=call.caller if marks.callback else "",
            no_recording="" if call.recordings else "nobody talked",
        ),
    )
