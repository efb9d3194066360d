"""At start: calls that an earlier engine left open are closed with the right outcome.

Their facts up to the crash are in the journal; nobody carries them on, so each gets its one
CallEnded (talking: dropped; waiting: missed; before that: failed; cause "restart") and thereby
its ticket. Agents keep their presence: the floor's facts are applied, never decided again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.journal import Entry
from queues import events as floor_facts
from queues.offers import FloorEvent
from router import events as facts
from router.outcome import Milestones, outcome_of

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)

FLOOR_FACTS = floor_facts.EVENTS


@dataclass(slots=True)
class Open:
    """A call that arrived and has not ended, as far as the log tells."""

    marks: Milestones = field(default_factory=Milestones)
    queue: str = ""
    agent: str = ""
    waiting: bool = False
    talking_since: float = 0.0
    recordings: int = 0


def fold(open_calls: dict[str, Open], entry: Entry) -> None:
    """Take one entry of the log."""
    event = entry.event
    if isinstance(event, facts.CallArrived):
        open_calls[entry.call] = Open()
        return
    call = open_calls.get(entry.call)
    if call is None:
        return
    match event:
        case floor_facts.CallQueued(queue):
            call.queue, call.waiting, call.marks.queued = queue, True, entry.at
        case floor_facts.QueueVisitEnded(_, how):
            call.waiting = False
            if how == "callback-requested":
                call.marks.callback = entry.at
        case facts.AgentLost():
            call.marks.talk_cut, call.talking_since = entry.at, 0.0
        case facts.CallConnected(_, agent):
            call.agent, call.talking_since, call.marks.talk_cut = agent, entry.at, 0.0
            if agent:
                call.marks.connected = entry.at
            else:
                call.marks.dialled = entry.at
        case facts.RecordingStarted():
            call.recordings += 1
        case facts.CallEnded():
            del open_calls[entry.call]


def settle(engine: Engine) -> None:
    """Fold the log, close what is open, put the agents back where they were."""
    open_calls: dict[str, Open] = {}
    floor = engine.floor.floor
    for entry in engine.journal.read(engine.journal.recovered.held):
        engine.holds.note(entry)
        fold(open_calls, entry)
        engine.statistics.apply(entry)
        event = entry.event
        if isinstance(event, FLOOR_FACTS):
            floor.apply(entry.call, _floor_event(event), entry.at)
        elif isinstance(event, facts.CallArrived):
            engine.callers.arrived(entry.call, event.caller)
        elif isinstance(event, facts.CallEnded):
            engine.callers.ended(entry.call, event.outcome)
    for call_id, call in open_calls.items():
        _close(engine, call_id, call)
    engine.floor.after_recovery()


def _floor_event(event: object) -> FloorEvent:
    assert isinstance(event, FLOOR_FACTS)
    return event


def _close(engine: Engine, call_id: str, call: Open) -> None:
    now = engine.clock.now()
    marks = call.marks
    if call.waiting:
        marks.waited_s = now - marks.queued
    elif call.talking_since:
        marks.talk_cut = now
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
            talked_s=round(now - call.talking_since, 3) if call.talking_since else 0.0,
            no_recording="" if call.recordings else "nobody talked",
        ),
    )
