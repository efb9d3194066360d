"""Webhooks: how the endpoints fare, what was told to them, and telling it again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from api.access import Principal, TheEngine, allow
from api.errors import ConflictError, NotFoundError, UnavailableError, declared
from api.lasting import ask
from api.shapes import NAME, Shape, instant, moment
from config.webhooks import KINDS, Kind
from engine.engine import Engine
from tickets.webhook_lane import STATES, WAITING
from tickets.webhook_outbox import PAGE_MAX, Stored

router = APIRouter(tags=["webhooks"])

Admin = Annotated[Principal, Depends(allow("admin"))]
EndpointName = Annotated[str, Path(pattern=NAME)]
MessageId = Annotated[str, Path(pattern=r"^msg_[0-9A-Za-z_-]{1,120}$")]
State = Literal["waiting", "delivered", "given-up"]


class Counts(Shape):
    """Messages of an endpoint by their state."""

    waiting: int
    delivered: int
    given_up: int


class EndpointView(Shape):
    """``state``: ``gone`` after a 410, until it is resumed; ``unknown``: it is configured no more
    and only has messages left."""

    name: str
    host: str | None
    state: Literal["working", "failing", "gone", "unknown"]
    problem: str | None
    tried_again_at: datetime | None
    events: list[Kind]
    caller: Literal["masked", "full"] | None
    messages: Counts


class EndpointList(Shape):
    items: list[EndpointView]


class MessageView(Shape):
    """``problem`` is that of the last attempt; ``status`` its HTTP status, null without one."""

    id: str
    type: Kind
    call: str
    state: State
    at: datetime
    attempts: int
    status: int | None
    problem: str | None
    due_at: datetime | None
    settled_at: datetime | None


class MessageWhole(MessageView):
    """``body`` is what is sent, as it is signed: JSON."""

    body: str


class MessagePage(Shape):
    """Newest first. ``next`` is the cursor of the following page, null at the end."""

    items: list[MessageView]
    next: str | None


class MessageQuery(Shape):
    state: State | None = None
    limit: int = Field(50, ge=1, le=PAGE_MAX)
    cursor: str | None = Field(
        None, pattern=r"^[0-9]{1,15}\.[0-9]$", description="next of the page before"
    )


class Again(Shape):
    """How many messages wait to be sent once more."""

    messages: int


@router.get("/webhooks", responses=declared(UnavailableError))
async def list_webhooks(engine: TheEngine, who: Admin) -> EndpointList:
    """All endpoints, those that left messages behind included."""
    counts = await ask(engine.webhooks.store.counts())
    names = sorted({*engine.webhooks.endpoints, *counts})
    return EndpointList(items=[_endpoint(engine, name, counts.get(name, {})) for name in names])


@router.get("/webhooks/{endpoint}/messages", responses=declared(NotFoundError, UnavailableError))
async def list_messages(
    endpoint: EndpointName, engine: TheEngine, who: Admin, query: Annotated[MessageQuery, Query()]
) -> MessagePage:
    """Messages of an endpoint; those delivered are kept for a day, those given up for 30."""
    before: tuple[int, int] | None = None
    if query.cursor:
        seq, _, place = query.cursor.partition(".")
        before = (int(seq), int(place))
    store = engine.webhooks.store
    found, following = await ask(store.page(endpoint, query.state, query.limit, before))
    if not found and endpoint not in engine.webhooks.endpoints:
        raise NotFoundError(f"there is no endpoint {endpoint}, and no message to it")
    return MessagePage(
        items=[MessageView.model_validate(_message(item)) for item in found],
        next=None if following is None else f"{following[0]}.{following[1]}",
    )


@router.get(
    "/webhooks/{endpoint}/messages/{message}", responses=declared(NotFoundError, UnavailableError)
)
async def get_message(
    endpoint: EndpointName, message: MessageId, engine: TheEngine, who: Admin
) -> MessageWhole:
    """One message with its body."""
    found = await _stored(engine, endpoint, message)
    return MessageWhole.model_validate({**_message(found), "body": found.message.body})


@router.post(
    "/webhooks/{endpoint}/messages/{message}/resend",
    status_code=202,
    responses=declared(NotFoundError, ConflictError, UnavailableError),
)
async def resend_message(
    endpoint: EndpointName, message: MessageId, engine: TheEngine, who: Admin
) -> Again:
    """Send a message once more, under the same id."""
    _configured(engine, endpoint)
    found = await _stored(engine, endpoint, message)
    if found.state == WAITING:
        raise ConflictError("the message waits to be sent already")
    return Again(messages=await ask(engine.webhooks.again(endpoint, message)))


@router.post(
    "/webhooks/{endpoint}/resend",
    status_code=202,
    responses=declared(NotFoundError, UnavailableError),
)
async def resend_given_up(endpoint: EndpointName, engine: TheEngine, who: Admin) -> Again:
    """Send everything that was given up once more, the oldest 10,000 messages at most."""
    _configured(engine, endpoint)
    return Again(messages=await ask(engine.webhooks.again(endpoint, None)))


@router.post(
    "/webhooks/{endpoint}/resume",
    status_code=202,
    responses=declared(NotFoundError, UnavailableError),
)
async def resume_webhook(endpoint: EndpointName, engine: TheEngine, who: Admin) -> EndpointView:
    """Try an endpoint now that had answered 410, or that is given a pause."""
    _configured(engine, endpoint)
    counts = await ask(engine.webhooks.store.counts())
    engine.webhooks.resume(endpoint)
    return _endpoint(engine, endpoint, counts.get(endpoint, {}))


def _configured(engine: Engine, endpoint: str) -> None:
    if endpoint not in engine.webhooks.endpoints:
        raise NotFoundError(f"there is no endpoint {endpoint} in the configuration")


async def _stored(engine: Engine, endpoint: str, message: str) -> Stored:
    found = await ask(engine.webhooks.store.get(endpoint, message))
    if found is None:
        raise NotFoundError(f"there is no message {message} to {endpoint}, or it is not kept")
    return found


def _endpoint(engine: Engine, name: str, counts: dict[str, int]) -> EndpointView:
    endpoint = engine.webhooks.endpoints.get(name)
    numbers = {state.replace("-", "_"): counts.get(state, 0) for state in STATES}
    values: dict[str, object] = {"name": name, "messages": numbers}
    if endpoint is None:
        values |= {"host": None, "state": "unknown", "problem": None, "tried_again_at": None}
        return EndpointView.model_validate({**values, "events": [], "caller": None})
    deliverer = engine.webhooks.deliverers[name]
    lane = deliverer.lane
    failing = "failing" if lane.problem else "working"
    pause = lane.quiet_until if lane.quiet_until > engine.clock.now() and not lane.gone else None
    values |= {
        "host": endpoint.host,
        "state": "gone" if lane.gone else failing,
        "problem": lane.problem or None,
        "tried_again_at": moment(pause),
        "events": [kind for kind in KINDS if kind in endpoint.events],
        "caller": endpoint.caller,
    }
    return EndpointView.model_validate(values)


def _message(stored: Stored) -> dict[str, object]:
    message = stored.message
    return {
        "id": message.id,
        "type": message.kind,
        "call": message.call,
        "state": stored.state,
        "at": instant(message.at),
        "attempts": message.attempts,
        "status": stored.status or None,
        "problem": stored.why or None,
        "due_at": moment(message.due_at) if stored.state == WAITING else None,
        "settled_at": moment(stored.settled_at),
    }
