"""Agents: who is there, signed in, on a break; they change their presence here."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from api.access import Principal, Staff, TheEngine
from api.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError, declared
from api.lasting import on_disk
from api.shapes import AgentId, Line, Shape, moment
from engine.engine import Engine
from queues.agents import AgentView
from queues.events import Presence

router = APIRouter(tags=["agents"])


class Agent(Shape):
    """An agent at this moment. ``after`` follows the talk or wrap-up ("": available again).

    ``call`` is null for colleagues of whoever asks with an agent's token.
    """

    id: str
    name: str
    extension: str
    queues: dict[str, int] = Field(description="queue: level, 1 is best")
    presence: Presence
    reason: str
    since: datetime | None
    reachable: bool = Field(description="a phone is registered")
    call: str | None
    queue: str | None
    wrap_up_until: datetime | None
    break_until: datetime | None = Field(description="when a break with a limit should end")
    after: Presence | Literal[""]


class Agents(Shape):
    items: list[Agent]


class PresenceWish(Shape):
    """``reason`` belongs to a break: one of GET /breaks, or any word where that is empty."""

    presence: Literal["available", "on-break", "signed-out"]
    reason: Line = ""


class Break(Shape):
    """A break that agents may take: for how long, and how many of them at once."""

    reason: str
    limit_s: float | None
    agents_max: int | None


class Breaks(Shape):
    items: list[Break]


class MoreTime(Shape):
    """Seconds from now on; the queue's ``wrap_up_max_s`` bounds the whole."""

    seconds: float = Field(gt=0, le=3600)


def _agent(engine: Engine, view: AgentView, who: Principal) -> Agent:
    person = next((one for one in engine.settings.agents if one.id == view.agent), None)
    whole = who.sees_all or who.agent == view.agent
    return Agent(
        id=view.agent,
        name=person.name if person else view.agent,
        extension=person.extension if person else "",
        queues=dict(person.queues) if person else {},
        presence=view.presence,
        reason=view.reason if whole else "",
        since=moment(view.since),
        reachable=view.reachable,
        call=(view.call or None) if whole else None,
        queue=view.queue or None,
        wrap_up_until=moment(view.until) if view.presence == "wrap-up" else None,
        break_until=moment(view.until) if view.presence == "on-break" else None,
        after=view.after,
    )


def _view(engine: Engine, agent: str) -> AgentView:
    for view in engine.floor.agents():
        if view.agent == agent:
            return view
    raise NotFoundError(f"there is no agent {agent!r}")


def _own(who: Principal, agent: str) -> None:
    if not who.sees_all and who.agent != agent:
        raise ForbiddenError("an agent changes only their own presence")


@router.get("/agents", responses=declared())
async def list_agents(engine: TheEngine, who: Staff) -> Agents:
    """All agents."""
    return Agents(items=[_agent(engine, view, who) for view in engine.floor.agents()])


@router.get("/agents/{agent}", responses=declared(NotFoundError))
async def get_agent(agent: AgentId, engine: TheEngine, who: Staff) -> Agent:
    """One agent."""
    return _agent(engine, _view(engine, agent), who)


@router.post(
    "/agents/{agent}/presence",
    responses=declared(NotFoundError, ConflictError, UnavailableError),
)
async def change_presence(
    agent: AgentId, wish: PresenceWish, engine: TheEngine, who: Staff
) -> Agent:
    """Sign in or come back (available), go on a break, sign out.

    During a talk a break or the signing out follows the wrap-up: the answer shows it as
    ``after``.
    """
    _own(who, agent)
    signed_out = _view(engine, agent).presence == "signed-out"
    if wish.presence == "available":
        change = engine.sign_in if signed_out else engine.ready
        change(agent)
    elif wish.presence == "signed-out":
        engine.sign_out(agent)
    elif signed_out:
        raise ConflictError(f"{agent} is signed out; become available first")
    else:
        refused = engine.take_break(agent, wish.reason)
        if refused:
            raise ConflictError(refused)
    await on_disk(engine)
    return _agent(engine, _view(engine, agent), who)


@router.post(
    "/agents/{agent}/wrap-up/end",
    responses=declared(NotFoundError, ConflictError, UnavailableError),
)
async def end_wrap_up(agent: AgentId, engine: TheEngine, who: Staff) -> Agent:
    """Take calls again before the wrap-up time is over."""
    _own(who, agent)
    presence = _view(engine, agent).presence
    if presence != "wrap-up":
        raise ConflictError(f"{agent} is {presence}, not in wrap-up")
    engine.end_wrap_up(agent)
    await on_disk(engine)
    return _agent(engine, _view(engine, agent), who)


@router.post(
    "/agents/{agent}/wrap-up/extend",
    responses=declared(NotFoundError, ConflictError, UnavailableError),
)
async def extend_wrap_up(agent: AgentId, wish: MoreTime, engine: TheEngine, who: Staff) -> Agent:
    """More time for notes before the next call."""
    _own(who, agent)
    presence = _view(engine, agent).presence
    if presence != "wrap-up":
        raise ConflictError(f"{agent} is {presence}, not in wrap-up")
    engine.supervision.extend_wrap_up(agent, wish.seconds)
    await on_disk(engine)
    return _agent(engine, _view(engine, agent), who)


@router.get("/breaks", responses=declared())
async def list_breaks(engine: TheEngine, who: Staff) -> Breaks:
    """The breaks there are; none: any reason is fine."""
    return Breaks(
        items=[
            Break(reason=item.name, limit_s=item.limit_s, agents_max=item.agents_max)
            for item in engine.settings.floor.breaks
        ]
    )
