"""Why a call was answered by whom, and why one waits: for supervisors, as it names all agents."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from api.access import Leader, TheEngine
from api.errors import NotFoundError, UnavailableError, declared
from api.shapes import CallId, Shape, instant
from engine import why
from engine.engine import Engine
from queues.events import OfferKind
from queues.why.explain import Candidate, Decision
from queues.why.explain_wait import Wait
from queues.why.story import Step

router = APIRouter(tags=["calls"])


class Considered(Shape):
    """An agent of the queue at a decision. The sort key is (level, figure, other queues), the
    smallest is rung; ``reason`` says why one may not take the call, null for who may."""

    agent: str
    level: int
    figure: float
    other_queues: int
    reason: str | None
    words: str


class CallBehind(Shape):
    """A call that the same agent could have taken, and why it came later."""

    call: str
    queue: str
    words: str


class DecisionShown(Shape):
    """One offer. ``complete``: ``agents`` are all of the queue, and ``next_calls`` the first of
    ``calls_behind``; else the log has left, and they are the winner and the runners-up."""

    agent: str
    queue: str
    kind: OfferKind
    strategy: str
    fence: int
    floor_version: int
    lease_until: datetime
    excluded: dict[str, int] = Field(description="the queue's other agents, counted by reason")
    complete: bool
    agents: list[Considered]
    calls_behind: int
    next_calls: list[CallBehind]


class StepShown(Shape):
    """One fact of the call on the floor. ``decision`` is null for what was no offer."""

    at: datetime
    text: str
    decision: DecisionShown | None


class WaitShown(Shape):
    """Why the call waits at this moment; ``ahead`` are the calls before it in its queue."""

    queue: str
    ahead: int
    agents: list[Considered]
    text: str


class WhyShown(Shape):
    """The call's story on the floor. ``complete``: every decision in it was recomputed from the
    log and came out alike."""

    call: str
    complete: bool
    text: str
    waits: WaitShown | None
    steps: list[StepShown]


@router.get("/calls/{call}/why", responses=declared(NotFoundError, UnavailableError))
async def get_why(call: CallId, engine: TheEngine, who: Leader) -> WhyShown:
    """Which agent was rung for the call and why, who else could have been and why not; of a
    call that waits, what it waits for."""
    found = await _ask(engine, call)
    if found is None:
        raise NotFoundError(f"the floor knows nothing of a call {call}")
    return WhyShown(
        call=call,
        complete=found.complete,
        text=why.told(found),
        waits=_wait(found.waits) if found.waits else None,
        steps=[_step(step) for step in found.steps],
    )


async def _ask(engine: Engine, call: str) -> why.Why | None:
    try:
        return await why.of_call(engine, call)
    except why.BusyError as error:
        raise UnavailableError(str(error)) from error


def _step(step: Step) -> StepShown:
    decision = _decision(step.decision) if step.decision else None
    return StepShown(at=instant(step.at), text=step.text, decision=decision)


def _decision(decision: Decision) -> DecisionShown:
    event = decision.event
    return DecisionShown(
        agent=event.agent,
        queue=event.queue,
        kind=event.kind,
        strategy=event.strategy,
        fence=event.fence,
        floor_version=event.floor_version,
        lease_until=instant(event.lease_until),
        excluded=event.excluded,
        complete=decision.complete,
        agents=[_considered(one) for one in decision.agents],
        calls_behind=decision.calls_behind,
        next_calls=[
            CallBehind(call=one.call, queue=one.queue, words=one.words)
            for one in decision.next_calls
        ],
    )


def _considered(one: Candidate) -> Considered:
    level, figure, others = one.key
    return Considered(
        agent=one.agent,
        level=level,
        figure=figure,
        other_queues=others,
        reason=one.reason or None,
        words=one.words,
    )


def _wait(waits: Wait) -> WaitShown:
    return WaitShown(
        queue=waits.queue,
        ahead=waits.ahead,
        agents=[_considered(one) for one in waits.agents],
        text=waits.text,
    )
