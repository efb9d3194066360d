"""Queues: who waits now, and today's figures by every definition of the service level."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from api.access import Principal, TheEngine, allow
from api.day import start_of_day
from api.errors import NotFoundError, declared
from api.shapes import QueueName, Shape, instant
from config.settings import QueueSettings
from engine.engine import Engine
from queues.tallies import Figures
from queues.waiting import WaitingView

router = APIRouter(tags=["queues"])

WAITING_MAX = 100

Watcher = Annotated[Principal, Depends(allow("agent", "supervisor", "operator", "admin"))]


class Waiting(Shape):
    """A call that waits. ``offered_to`` are the agents being rung for it."""

    call: str
    position: int
    since: datetime
    waited_s: float
    priority: int
    rank: int
    promoted: bool
    offered_to: str | None


class QueueFigures(Shape):
    """Visits since midnight in the configured time zone; shares 0..1, null for nothing of
    nothing. ``service_level`` is the headline one of ``service_levels``; who still waits within
    the target (``undecided``) is in none of them."""

    since: datetime
    offered: int
    answered: int
    abandoned: int
    short_abandoned: int
    callback_requested: int
    overflowed: int
    undecided: int
    longest_wait_s: float
    asa_s: float | None
    aht_s: float | None
    abandon_rate: float | None
    service_level: float | None
    service_levels: dict[str, float | None]


class Queue(Shape):
    """``calls`` are the first 100 of ``waiting``; null for operators."""

    name: str
    rank: int
    target_s: float
    target_share: float
    waiting: int
    longest_wait_s: float
    agents: dict[str, int] = Field(description="agents of the queue by presence")
    today: QueueFigures
    calls: list[Waiting] | None


class Queues(Shape):
    items: list[Queue]


def _figures(figures: Figures, since: float) -> QueueFigures:
    tally = figures.tally
    return QueueFigures(
        since=instant(since),
        offered=tally.offered,
        answered=tally.answered,
        abandoned=tally.abandoned,
        short_abandoned=tally.short,
        callback_requested=tally.callback_requested,
        overflowed=tally.overflowed,
        undecided=figures.undecided,
        longest_wait_s=tally.longest_wait_s,
        asa_s=figures.asa_s,
        aht_s=figures.aht_s,
        abandon_rate=figures.abandon_rate,
        service_level=figures.service_level,
        service_levels=figures.service_levels,
    )


def _waiting(view: WaitingView, now: float) -> Waiting:
    return Waiting(
        call=view.call,
        position=view.position,
        since=instant(view.since),
        waited_s=round(max(0.0, now - view.since), 3),
        priority=view.priority,
        rank=view.rank,
        promoted=view.promoted,
        offered_to=", ".join(view.offered_to) or None,
    )


def _shown(engine: Engine, who: Principal, queues: Iterable[QueueSettings]) -> list[Queue]:
    now = engine.clock.now()
    today = start_of_day(now, engine.settings.timezone)
    waiting: dict[str, list[WaitingView]] = {}
    for view in engine.floor.waiting():
        waiting.setdefault(view.queue, []).append(view)
    presences = {view.agent: view.presence for view in engine.floor.agents()}
    shown = []
    for queue in queues:
        views = waiting.get(queue.name, [])
        agents: dict[str, int] = {}
        for agent in engine.settings.agents:
            if queue.name in agent.queues and agent.id in presences:
                presence = presences[agent.id]
                agents[presence] = agents.get(presence, 0) + 1
        shown.append(
            Queue(
                name=queue.name,
                rank=queue.rank,
                target_s=queue.target_s,
                target_share=queue.target_share,
                waiting=len(views),
                longest_wait_s=round(max((now - view.since for view in views), default=0.0), 3),
                agents=agents,
                today=_figures(
                    engine.statistics.figures(now, queue=queue.name, start=today), today
                ),
                calls=None
                if who.role == "operator"
                else [_waiting(view, now) for view in views[:WAITING_MAX]],
            )
        )
    return shown


def _theirs(engine: Engine, who: Principal) -> list[QueueSettings]:
    """All queues; for an agent those that this agent serves."""
    if who.role != "agent":
        return list(engine.settings.queues)
    own = next((one.queues for one in engine.settings.agents if one.id == who.agent), {})
    return [queue for queue in engine.settings.queues if queue.name in own]


@router.get("/queues", responses=declared())
async def list_queues(engine: TheEngine, who: Watcher) -> Queues:
    """All queues now and today; with an agent's token this agent's queues."""
    return Queues(items=_shown(engine, who, _theirs(engine, who)))


@router.get("/queues/{queue}", responses=declared(NotFoundError))
async def get_queue(queue: QueueName, engine: TheEngine, who: Watcher) -> Queue:
    """One queue."""
    found = [one for one in _theirs(engine, who) if one.name == queue]
    if not found:
        raise NotFoundError(f"there is no queue {queue!r}, or it is not yours")
    return _shown(engine, who, found)[0]
