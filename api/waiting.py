"""Those who wait, changed by a supervisor: priority, needs, queue; and the places of callbacks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from api.access import Leader, TheEngine
from api.errors import ConflictError, InvalidError, NotFoundError, UnavailableError, declared
from api.lasting import on_disk
from api.shapes import NAME, CallId, Shape, instant, moment
from engine.engine import Engine
from queues.waiting import WaitingView

router = APIRouter(tags=["waiting"])

CALLBACKS_MAX = 1000

Skill = Annotated[str, Field(pattern=NAME)]
Level = Annotated[int, Field(ge=1, le=99)]


class Place(Shape):
    """A waiting call's place, or the place that a callback keeps. ``origin`` is since when its
    clock runs; ``deadline`` orders it within its class (``rank``)."""

    call: str
    kind: Literal["call", "callback"]
    queue: str
    position: int
    priority: int
    rank: int
    skills: dict[str, int]
    origin: datetime
    deadline: datetime
    promoted: bool
    offered_to: list[str]
    next_attempt: datetime | None


class Places(Shape):
    """In the order of their queues; at most 1000."""

    items: list[Place]


class ChangeWish(Shape):
    """What is left out stays. ``skills`` replace those that the call asked for: skill to the
    weakest level allowed, 1 is best."""

    priority: int | None = Field(None, ge=-100, le=100)
    rank: int | None = Field(None, ge=1, le=9, description="class; 0, emergency, is not given")
    skills: dict[Skill, Level] | None = Field(None, max_length=20)


class MoveWish(Shape):
    queue: str = Field(pattern=NAME)


def _place(view: WaitingView) -> Place:
    return Place(
        call=view.call,
        kind=view.kind,
        queue=view.queue,
        position=view.position,
        priority=view.priority,
        rank=view.rank,
        skills=dict(view.skills),
        origin=instant(view.origin),
        deadline=instant(view.deadline),
        promoted=view.promoted,
        offered_to=list(view.offered_to),
        next_attempt=moment(view.next_at),
    )


def _found(engine: Engine, call: str) -> WaitingView:
    view = engine.supervision.waiting(call)
    if view is None:
        raise NotFoundError(f"the call {call} does not wait (any more)")
    return view


CHANGED = declared(NotFoundError, ConflictError, InvalidError, UnavailableError)


@router.get("/calls/{call}/place", responses=declared(NotFoundError))
async def get_place(call: CallId, engine: TheEngine, who: Leader) -> Place:
    """Where a call stands in its queue, and why there."""
    return _place(_found(engine, call))


@router.patch("/calls/{call}/place", responses=CHANGED)
async def change_place(call: CallId, wish: ChangeWish, engine: TheEngine, who: Leader) -> Place:
    """Another priority, class or other skills for a call that waits; takes effect at once."""
    _found(engine, call)
    engine.supervision.change(
        call, priority=wish.priority, rank=wish.rank, skills=wish.skills, by=who.signs_as
    )
    return await _after(engine, call)


@router.post("/calls/{call}/move", responses=CHANGED)
async def move_call(call: CallId, wish: MoveWish, engine: TheEngine, who: Leader) -> Place:
    """Into another queue; the time waited counts there."""
    if all(queue.name != wish.queue for queue in engine.settings.queues):
        raise InvalidError("queue", f"there is no queue {wish.queue!r}")
    _found(engine, call)
    engine.supervision.move(call, wish.queue, by=who.signs_as)
    return await _after(engine, call)


async def _after(engine: Engine, call: str) -> Place:
    """The place as it is now, on disk. What was changed may have found its agent at once."""
    view = engine.supervision.waiting(call)
    await on_disk(engine)
    if view is None:
        raise ConflictError("the change took effect, and the call waits no more")
    return _place(view)


@router.get("/callbacks", responses=declared())
async def list_callbacks(engine: TheEngine, who: Leader) -> Places:
    """Every place that a callback keeps."""
    views = [view for view in engine.floor.waiting() if view.kind == "callback"]
    return Places(items=[_place(view) for view in views[:CALLBACKS_MAX]])


@router.delete("/callbacks/{call}", responses=CHANGED)
async def cancel_callback(call: CallId, engine: TheEngine, who: Leader) -> Place:
    """Give up a callback, the answer is the place it had; the caller's ticket stays open."""
    view = engine.supervision.waiting(call)
    if view is None or view.kind != "callback":
        raise NotFoundError(f"no callback of the call {call} is waiting")
    if view.on_line:
        raise ConflictError("the caller is on the line again")
    engine.supervision.cancel_callback(call, by=who.signs_as)
    await on_disk(engine)
    return _place(view)
