"""What must hold at the end of a wired day, whatever died in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from engine.journal import Entry
from engine.kept import CallKept, LegKept
from engine.takeover import Kept
from queues.events import (
    CallbackEnded,
    CallbackPlaced,
    CallQueued,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
)
from router import events as facts
from tests.simulation.wired import Wired


def log_is_sound(entries: Iterable[Entry]) -> Iterator[str]:
    """One end for each call, visit, offer, callback and recording; no agent offered two."""
    entries = list(entries)
    offered: dict[str, int] = {}
    ends: Counter[str] = Counter()
    arrived: set[str] = set()
    for entry in entries:
        event = entry.event
        if isinstance(event, facts.CallArrived):
            if entry.call in arrived:
                yield f"call {entry.call} arrived twice"
            arrived.add(entry.call)
        elif isinstance(event, facts.CallEnded):
            ends[entry.call] += 1
            if event.cause == "restart" or event.outcome in ("failed", "dropped"):
                yield f"call {entry.call} ended {event.outcome}, {event.cause}"
        elif isinstance(event, facts.AgentLost):
            yield f"call {entry.call} lost its agent: {event.cause}"
        elif isinstance(event, facts.SecondLifeEnded) and event.cause == "restart":
            yield f"call {entry.call} ended its second life by a restart"
        elif isinstance(event, OfferMade):
            if event.agent in offered:
                yield f"{event.agent} is offered two calls"
            offered[event.agent] = event.fence
        elif isinstance(event, OfferEnded) and offered.pop(event.agent, 0) != event.fence:
            yield f"{event.agent}: the offer {event.fence} ended that was not there"
    for call in arrived | ends.keys():
        if call not in arrived or ends[call] != 1:
            yield f"call {call} has {ends[call]} ends"
    yield from _pairs(entries)


def _once(entries: list[Entry]) -> list[Entry]:
    """Without what a worker reported twice: a report that a take-over took, and died of before it
    noted that, comes again, and readers pass the same end of a file over."""
    seen: set[object] = set()
    found = []
    for entry in entries:
        if isinstance(entry.event, facts.RecordingClosed) and entry.event.left_packets:
            if entry.event in seen:
                continue
            seen.add(entry.event)
        found.append(entry)
    return found


def _pairs(entries: list[Entry]) -> Iterator[str]:
    entries = _once(entries)

    def count(kind: type) -> Counter[str]:
        return Counter(
            getattr(e.event, "path", "") or e.call
            for e in entries
            if isinstance(e.event, kind) and not getattr(e.event, "returned", False)
        )

    fences = Counter(e.event.fence for e in entries if isinstance(e.event, OfferMade))
    over = Counter(e.event.fence for e in entries if isinstance(e.event, OfferEnded))
    if fences != over or any(times > 1 for times in fences.values()):
        yield f"offers made and ended differ: {fences - over} {over - fences}"
    for begins, ends in (
        (CallQueued, QueueVisitEnded),
        (CallbackPlaced, CallbackEnded),
        (facts.RecordingStarted, facts.RecordingClosed),
    ):
        made, closed = count(begins), count(ends)
        if made != closed:
            yield f"{begins.__name__} and {ends.__name__}: {made - closed} {closed - made}"


def nothing_is_left(world: Wired) -> Iterator[str]:
    """No dialog, session, recording or state of a call that is over, on either side."""
    node = world.node
    if node is None:
        yield "no engine"
        return
    if node.turns.calls:
        yield f"calls are left: {[(c.id, c.phase) for c in node.turns.calls.values()]}"
    if node.endpoint.legs():
        yield f"SIP legs are left: {node.endpoint.legs()}"
    if node.legs.by_id or node.legs.owed:
        yield f"legs are left: {[*node.legs.by_id, *node.legs.owed]}"
    if node.turns.waiting_for_disk:
        yield f"{node.turns.waiting_for_disk} effects wait"
    if world.worker.sessions:
        yield f"media sessions are left: {list(world.worker.sessions)}"
    if world.worker.recordings:
        yield f"recordings run: {list(world.worker.recordings)}"
    if world.worker.recorded_twice:
        yield f"written over: {world.worker.recorded_twice}"
    for far in (world.carrier, *world.phones.values()):
        if far.endpoint.legs():
            yield f"{far.host} has dialogs of nobody: {far.endpoint.legs()}"
    kept = Kept()
    for entry in node.disk.entries:
        if isinstance(entry.event, CallKept | LegKept):
            kept.note(entry)
    if kept.calls:
        yield f"states of calls are left: {list(kept.calls)}"


def callers_are_served(world: Wired) -> Iterator[str]:
    """Each INVITE that was heard became one call; who was cut off was so for a reason."""
    calls = Counter(e.event.caller for e in world.entries if isinstance(e.event, facts.CallArrived))
    for caller in world.callers.values():
        if caller.state != "over":
            yield f"the caller {caller.number} is still {caller.state}"
        if calls[caller.number] > 1:
            yield f"the caller {caller.number} became {calls[caller.number]} calls"
        if caller.port and not calls[caller.number]:
            yield f"the caller {caller.number} heard us and left no trace"
        may = {"bye", "cancel", "refused 487", ""}
        if world.worker.lives > 1:  # nobody was there for the media of a new call
            may.add("refused 503")
        if caller.how not in may and not caller.hung_up:
            yield f"the caller {caller.number} was cut off: {caller.how}"


def problems(world: Wired) -> list[str]:
    return [
        *world.problems,
        *log_is_sound(world.entries),
        *nothing_is_left(world),
        *callers_are_served(world),
    ]
