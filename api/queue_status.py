"""Queues: who waits now, and today's figures by every definition of the service level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Depends
from pydantic import Field

from api.access import Principal, TheEngine, allow
from api.day import start_of_day
from api.errors import NotFoundError, declared
from api.figure_shapes import QueueSums, sums_of
from api.shapes import QueueName, Shape, instant
from engine.engine import Engine
from queues.rules import QueueRules, personal_queue
from queues.waiting import WaitingView

router = APIRouter(tags=["queues"])

WAITING_MAX = 100  # shown of one queue
SHOWN_MAX = 1_000  # in one answer

Watcher = Annotated[Principal, Depends(allow("agent", "supervisor", "operator", "admin"))]


class Waiting(Shape):
    """A call that waits, or a callback that keeps its place. ``offered_to`` are the agents being
    rung for it (or held for it, until a callback's caller is reached)."""

    call: str
    kind: Literal["call", "callback"]
    position: int
    since: datetime
    waited_s: float
    priority: int
    rank: int
    promoted: bool
    offered_to: list[str]


class Expected(Shape):
    """How long a caller who came now would wait: in four cases of five between these."""

    low_s: float
    high_s: float


class QueueFigures(QueueSums):
    """Visits since midnight in the configured time zone."""

    since: datetime


class Queue(Shape):
    """``calls`` are the first of those who wait and of the places that callbacks keep, 100 at
    most, fewer where many queues are listed (1000 in all); null for operators.
    ``expected_wait`` is null where nobody knows: nobody is on duty."""

    name: str
    rank: int
    target_s: float
    target_share: float
    waiting: int
    longest_wait_s: float
    callbacks_waiting: int
    expected_wait: Expected | None
    agents: dict[str, int] = Field(description="agents of the queue by presence")
    today: QueueFigures
    calls: list[Waiting] | None


class Queues(Shape):
    items: list[Queue]


class Aim(Protocol):
    """What is shown of a queue's settings."""

    @property
    def rank(self) -> int: ...
    @property
    def target_s(self) -> float: ...
    @property
    def target_share(self) -> float: ...


PERSONAL_AIM = QueueRules()


def _waiting(view: WaitingView, now: float) -> Waiting:
    return Waiting(
        call=view.call,
        kind=view.kind,
        position=view.position,
        since=instant(view.since),
        waited_s=round(max(0.0, now - view.since), 3),
        priority=view.priority,
        rank=view.rank,
        promoted=view.promoted,
        offered_to=list(view.offered_to),
    )


def _shown(engine: Engine, who: Principal, queues: Mapping[str, Aim]) -> list[Queue]:
    now = engine.clock.now()
    today = start_of_day(now, engine.settings.timezone)
    presences = {view.agent: view.presence for view in engine.floor.agents()}
    most = min(WAITING_MAX, max(1, SHOWN_MAX // max(1, len(queues))))
    shown = []
    for name, aim in queues.items():
        live = engine.statistics.live_queue(now, name)
        figures = engine.statistics.figures(now, queue=name, start=today)
        expected = engine.floor.expected(name)
        shown.append(
            Queue(
                name=name,
                rank=aim.rank,
                target_s=aim.target_s,
                target_share=aim.target_share,
                waiting=live.waiting,
                longest_wait_s=round(live.longest_wait_s, 3),
                callbacks_waiting=live.callbacks,
                expected_wait=Expected(low_s=expected.low_s, high_s=expected.high_s)
                if expected is not None
                else None,
                agents=_presences(engine, name, presences),
                today=QueueFigures(since=instant(today), **sums_of(figures)),
                calls=None
                if who.role == "operator"
                else [_waiting(view, now) for view in engine.floor.floor.waiting(name, most=most)],
            )
        )
    return shown


def _presences(engine: Engine, queue: str, presences: Mapping[str, str]) -> dict[str, int]:
    """The queue's agents by presence."""
    found: Counter[str] = Counter()
    for agent in engine.settings.agents:
        if (queue in agent.queues or queue == personal_queue(agent.id)) and agent.id in presences:
            found[presences[agent.id]] += 1
    return dict(found)


def _personal(engine: Engine, who: Principal) -> dict[str, Aim]:
    """Agents' own queues in which somebody waits: all for supervisors, an agent's own one."""
    if who.role == "operator":
        return {}
    return {
        name: PERSONAL_AIM
        for agent in engine.settings.agents
        if (name := personal_queue(agent.id)) in engine.statistics.visits.waiting
        and engine.statistics.visits.waiting[name]
        and (who.sees_all or who.agent == agent.id)
    }


def _theirs(engine: Engine, who: Principal) -> dict[str, Aim]:
    """All queues; for an agent those that this agent serves."""
    queues: dict[str, Aim] = {queue.name: queue for queue in engine.settings.queues}
    if who.role != "agent":
        return queues
    own = next((one.queues for one in engine.settings.agents if one.id == who.agent), {})
    return {name: aim for name, aim in queues.items() if name in own}


@router.get("/queues", responses=declared())
async def list_queues(engine: TheEngine, who: Watcher) -> Queues:
    """All queues now and today; with an agent's token this agent's queues. Agents' personal
    queues (``@anna``) stand there while somebody waits in them."""
    return Queues(items=_shown(engine, who, {**_theirs(engine, who), **_personal(engine, who)}))


@router.get("/queues/{queue}", responses=declared(NotFoundError))
async def get_queue(queue: QueueName, engine: TheEngine, who: Watcher) -> Queue:
    """One queue."""
    found = _theirs(engine, who).get(queue)
    if found is None:
        raise NotFoundError(f"there is no queue {queue!r}, or it is not yours")
    return _shown(engine, who, {queue: found})[0]
