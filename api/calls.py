"""Calls: those in progress, one of them or of the past, and what people do to a live one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from api.access import Principal, Staff, TheEngine
from api.errors import ConflictError, InvalidError, NotFoundError, UnavailableError, declared
from api.lasting import ask
from api.shapes import CALL, CallId, Shape, instant, moment
from api.ticket_shapes import RecordingOfCall, recording_of
from config.section import DialString
from engine.engine import Engine
from router.call import Call as Live
from router.call import Phase
from router.events import Outcome
from tickets.policy import number_text
from tickets.records import CallRecord

router = APIRouter(tags=["calls"])


class LiveCall(Shape):
    """A call at this moment. ``agent`` is who talks or is being rung; ``position`` while waiting.

    ``own`` is a call that an agent dialled: it leaves no record.
    """

    id: str
    phase: Phase
    caller: str
    caller_name: str
    dialled: str
    queue: str | None
    agent: str | None
    since: datetime
    position: int | None
    own: bool


class LiveCalls(Shape):
    """By arrival, oldest first. ``next`` is the cursor of the following page, null at the end."""

    items: list[LiveCall]
    next: str | None


class LiveCallQuery(Shape):
    queue: str | None = Field(None, max_length=64)
    limit: int = Field(100, ge=1, le=500)
    cursor: str | None = Field(None, pattern=CALL, description="next of the page before")


class Record(Shape):
    """What the records hold of a call; they follow the call by a moment."""

    outcome: Outcome | None
    cause: str
    caller: str
    caller_name: str
    dialled: str
    trunk: str
    queue: str | None
    agent: str | None
    arrived_at: datetime
    picked_up_at: datetime | None
    queued_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    waited_s: float
    talked_s: float
    offers: int
    transfers: int
    packets_lost: int
    jitter_ms: float
    recording: RecordingOfCall | None
    no_recording: str | None


class CallWhole(Shape):
    """``live`` is null when it is over, ``record`` while the records do not have it yet."""

    id: str
    live: LiveCall | None
    record: Record | None
    ticket: str | None


class TransferWish(Shape):
    target: DialString = Field(description="a queue's name, an extension, an agent or a number")


class Asked(Shape):
    """What was begun; GET /calls/{id} shows what came of it."""

    id: str
    asked: Literal["hang-up", "transfer"]


def rung_or_talking(call: Live) -> str:
    """The agent who talks, else whom the floor offers the call to, else ""."""
    other = call.legs.get(call.other_leg)
    if other is not None:
        return other.agent
    return next((offer.agent for offer in call.offers.values()), "")


def _is_theirs(call: Live, who: Principal) -> bool:
    """An agent sees the call that they are in or that rings at their phone."""
    return who.sees_all or any(
        leg.agent == who.agent and leg.state != "gone" for leg in call.legs.values()
    )


def _shown(call: Live, position: int | None) -> LiveCall:
    return LiveCall(
        id=call.id,
        phase=call.phase,
        caller=call.caller,
        caller_name=call.caller_name,
        dialled=call.dialled,
        queue=call.queue or None,
        agent=rung_or_talking(call) or None,
        since=instant(call.marks.arrived),
        position=position,
        own=call.internal,
    )


def _positions(engine: Engine) -> dict[str, int]:
    return {view.call: view.position for view in engine.floor.waiting()}


@router.get("/calls", responses=declared())
async def list_calls(
    engine: TheEngine, who: Staff, query: Annotated[LiveCallQuery, Query()]
) -> LiveCalls:
    """Calls in progress; with an agent's token this agent's own."""
    found = sorted(
        (
            call
            for call in engine.turns.calls.values()
            if _is_theirs(call, who)
            and query.queue in (None, call.queue)
            and (query.cursor is None or call.id > query.cursor)
        ),
        key=lambda call: call.id,
    )
    page = found[: query.limit]
    positions = _positions(engine) if page else {}
    return LiveCalls(
        items=[_shown(call, positions.get(call.id)) for call in page],
        next=page[-1].id if len(found) > len(page) else None,
    )


def _not_found(call: str) -> NotFoundError:
    return NotFoundError(f"there is no call {call}, or it is not yours")


@router.get("/calls/{call}", responses=declared(NotFoundError, UnavailableError))
async def get_call(call: CallId, engine: TheEngine, who: Staff) -> CallWhole:
    """A call in progress or of the past, with its ticket's number once it is over."""
    live = engine.turns.calls.get(call)
    detail = await ask(engine.records.ticket_of_call(call))
    record = detail.record if detail else await ask(engine.records.get_call(call))
    theirs = (live is not None and _is_theirs(live, who)) or (
        record is not None and (who.sees_all or record.agent == who.agent)
    )
    if not theirs:
        raise _not_found(call)
    return CallWhole(
        id=call,
        live=_shown(live, _positions(engine).get(call)) if live else None,
        record=_record(record) if record else None,
        ticket=number_text(detail.ticket.number) if detail else None,
    )


def _record(record: CallRecord) -> Record:
    return Record.model_validate(
        {
            "outcome": record.outcome or None,
            "cause": record.cause,
            "caller": record.caller,
            "caller_name": record.caller_name,
            "dialled": record.dialled,
            "trunk": record.trunk,
            "queue": record.queue or None,
            "agent": record.agent or None,
            "arrived_at": instant(record.arrived_at),
            "picked_up_at": moment(record.picked_up_at),
            "queued_at": moment(record.queued_at),
            "connected_at": moment(record.connected_at),
            "ended_at": moment(record.ended_at),
            "waited_s": record.waited_s,
            "talked_s": record.talked_s,
            "offers": record.offers,
            "transfers": record.transfers,
            "packets_lost": record.packets_lost,
            "jitter_ms": record.jitter_ms,
            "recording": recording_of(record),
            "no_recording": record.no_recording or None,
        }
    )


def _is_in(call: Live, who: Principal) -> bool:
    return who.sees_all or any(
        leg.agent == who.agent and leg.state in ("up", "held") for leg in call.legs.values()
    )


async def _can_act(engine: Engine, who: Principal, call: str) -> None:
    """ConflictError where the call is over or still rings at the agent who asks, NotFoundError
    where it never was."""
    live = engine.turns.calls.get(call)
    if live is not None and _is_theirs(live, who):
        if not _is_in(live, who):
            raise ConflictError("you have not answered this call")
        return
    record = None if live is not None else await ask(engine.records.get_call(call))
    if record is None or not (who.sees_all or record.agent == who.agent):
        raise _not_found(call)
    raise ConflictError("the call is over")


ACTED = declared(NotFoundError, ConflictError, UnavailableError)


@router.post("/calls/{call}/hang-up", status_code=202, responses=ACTED)
async def hang_up(call: CallId, engine: TheEngine, who: Staff) -> Asked:
    """End a call for all who are in it."""
    await _can_act(engine, who, call)
    if not engine.hang_up(call, who.signs_as):
        raise ConflictError("the call is over")
    return Asked(id=call, asked="hang-up")


@router.post("/calls/{call}/transfer", status_code=202, responses=ACTED)
async def transfer(call: CallId, wish: TransferWish, engine: TheEngine, who: Staff) -> Asked:
    """Put the caller through to another queue, agent or number (blind). Only a talk can be."""
    await _can_act(engine, who, call)
    if engine.directions.resolve(wish.target)[0].kind == "nowhere":
        raise InvalidError("target", "no such queue, extension, agent or number")
    problem = engine.transfer(call, wish.target)
    if problem:
        raise ConflictError(problem)
    return Asked(id=call, asked="transfer")
