"""The outbox of webhooks in the records' database: a row for each event and endpoint.

Rows are written by the reader of the journal (``tickets.reader``), in the transaction that moves
its position: an event is in the outbox exactly when its ticket is in the records. Rows of one
endpoint and call are delivered in the order of (seq, place).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from config.upsert import insert_for
from config.webhooks import Endpoint
from tickets.tables import webhook_outbox
from tickets.webhook_lane import DELIVERED, GIVEN_UP, STATES, WAITING, Message, Settled
from tickets.webhooks import Notice, body_of, parse_id

PAGE_MAX = 200
AGAIN_MAX = 10_000  # rows that one request sends again
TOO_OLD = "not delivered in time"
TOO_MANY = "too many wait"

_ROW = webhook_outbox.c
_MESSAGE = tuple(_ROW[name] for name in Message.__dataclass_fields__)


class Outbox:
    """The writing side. ``on_rows`` is told how many rows each endpoint got, once they stay."""

    def __init__(self, endpoints: Sequence[Endpoint], now: Callable[[], float]) -> None:
        self.on_rows: Callable[[Mapping[str, int]], None] = lambda rows: None
        self._endpoints = tuple(endpoints)
        self._now = now
        self._fresh: Counter[str] = Counter()

    @property
    def wanted(self) -> bool:
        """Whether anybody is to be told anything."""
        return bool(self._endpoints)

    async def write(self, connection: AsyncConnection, events: Sequence[Notice]) -> None:
        """Add the rows in the caller's transaction; those that are there stay as they are."""
        self._fresh.clear()
        now = self._now()
        rows = [
            {
                "endpoint": endpoint.name,
                "seq": event.seq,
                "place": event.place,
                "kind": event.kind,
                "call": event.call,
                "at": event.at,
                "since": now,
                "due_at": now,
                "state": WAITING,
                "body": body_of(event, endpoint.caller),
            }
            for event in events
            for endpoint in self._endpoints
            if event.kind in endpoint.events
        ]
        if rows:
            added = insert_for(connection.dialect, webhook_outbox).on_conflict_do_nothing()
            await connection.execute(added, rows)
            self._fresh.update(str(row["endpoint"]) for row in rows)

    def committed(self) -> None:
        """What was written stays."""
        if self._fresh:
            self.on_rows(dict(self._fresh))
            self._fresh.clear()


@dataclass(frozen=True, slots=True)
class Limits:
    """Of ``config.webhooks.Webhooks``."""

    give_up_s: float
    backlog_max: int
    keep_delivered_s: float
    keep_given_up_s: float
    kept_max: int


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows an endpoint has now, by state, and how many were given up just now."""

    counts: Mapping[str, int]
    given_up: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as people look at it."""

    message: Message
    state: str
    status: int
    why: str
    settled_at: float | None


class OutboxStore:
    """The sending side. Raises what the database raises."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def heads(self, endpoint: str, limit: int) -> list[Message]:
        """The first waiting row of each call, the earliest due first."""
        earlier = webhook_outbox.alias("earlier")
        in_front = (
            select(earlier.c.seq)
            .where(
                earlier.c.endpoint == _ROW.endpoint,
                earlier.c.call == _ROW.call,
                earlier.c.state == WAITING,
                or_(
                    earlier.c.seq < _ROW.seq,
                    and_(earlier.c.seq == _ROW.seq, earlier.c.place < _ROW.place),
                ),
            )
            .exists()
        )
        wanted = (
            select(*_MESSAGE)
            .where(_ROW.endpoint == endpoint, _ROW.state == WAITING, ~in_front)
            .order_by(_ROW.due_at, _ROW.seq, _ROW.place)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            return [Message(*row) for row in await connection.execute(wanted)]

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Write down what became of attempts."""
        if not settled:
            return
        moved = (
            update(webhook_outbox)
            .where(
                _ROW.endpoint == bindparam("of_endpoint"),
                _ROW.seq == bindparam("of_seq"),
                _ROW.place == bindparam("of_place"),
                _ROW.state == WAITING,
            )
            .values(
                state=bindparam("new_state"),
                due_at=bindparam("new_due_at"),
                status=bindparam("new_status"),
                why=bindparam("new_why"),
                attempts=bindparam("new_attempts"),
                settled_at=bindparam("new_settled_at"),
            )
        )
        async with self._engine.begin() as connection:
            await connection.execute(moved, [_parameters(item) for item in settled])

    async def sweep(self, endpoint: str, now: float, limits: Limits) -> Swept:
        """Give up what is too old or too much, forget what was kept long enough."""
        mine = _ROW.endpoint == endpoint
        async with self._engine.begin() as connection:
            counts = await _counts(connection, endpoint)
            waits = and_(mine, _ROW.state == WAITING)
            lost = await _give_up(
                connection, and_(waits, _ROW.since < now - limits.give_up_s), TOO_OLD, now
            )
            surplus = counts[WAITING] - lost - limits.backlog_max
            if surplus > 0:
                last = await _nth(connection, endpoint, WAITING, surplus - 1, newest_first=False)
                which = and_(waits, _ROW.seq <= last)
                lost += await _give_up(connection, which, TOO_MANY, now)
            for state, keep_s in (
                (DELIVERED, limits.keep_delivered_s),
                (GIVEN_UP, limits.keep_given_up_s),
            ):
                kept = and_(mine, _ROW.state == state)
                old = _ROW.settled_at < now - keep_s
                await connection.execute(delete(webhook_outbox).where(kept, old))
                if counts[state] + (lost if state == GIVEN_UP else 0) > limits.kept_max:
                    first = await _nth(connection, endpoint, state, limits.kept_max)
                    await connection.execute(delete(webhook_outbox).where(kept, _ROW.seq <= first))
            return Swept(await _counts(connection, endpoint), lost)

    async def counts(self) -> dict[str, dict[str, int]]:
        """Rows by endpoint and state, also of endpoints that are configured no more."""
        wanted = select(_ROW.endpoint, _ROW.state, func.count()).group_by(_ROW.endpoint, _ROW.state)
        found: dict[str, dict[str, int]] = {}
        async with self._engine.connect() as connection:
            for endpoint, state, count in await connection.execute(wanted):
                found.setdefault(endpoint, dict.fromkeys(STATES, 0))[state] = count
        return found

    async def page(
        self,
        endpoint: str,
        state: str | None,
        limit: int,
        before: tuple[int, int] | None = None,
    ) -> tuple[list[Stored], tuple[int, int] | None]:
        """Rows, newest first, those before (seq, place); where the following page begins."""
        limit = max(1, min(limit, PAGE_MAX))
        wanted = select(webhook_outbox).where(_ROW.endpoint == endpoint)
        if state is not None:
            wanted = wanted.where(_ROW.state == state)
        if before is not None:
            seq, place = before
            wanted = wanted.where(or_(_ROW.seq < seq, and_(_ROW.seq == seq, _ROW.place < place)))
        wanted = wanted.order_by(_ROW.seq.desc(), _ROW.place.desc()).limit(limit + 1)
        async with self._engine.connect() as connection:
            found = [_stored(row) for row in await connection.execute(wanted)]
        if len(found) <= limit:
            return found, None
        last = found[limit - 1].message
        return found[:limit], (last.seq, last.place)

    async def get(self, endpoint: str, message: str) -> Stored | None:
        """The row of a message id."""
        which = _which(endpoint, message)
        if which is None:
            return None
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(webhook_outbox).where(which))
            return next((_stored(row) for row in rows), None)

    async def again(self, endpoint: str, message: str | None, now: float) -> int:
        """Let one message, or all that were given up, wait once more; how many."""
        which: ColumnElement[bool] | None
        if message is None:
            which = and_(_ROW.endpoint == endpoint, _ROW.state == GIVEN_UP)
        else:
            which = _which(endpoint, message)
        if which is None:
            return 0
        which = and_(which, _ROW.state != WAITING)
        async with self._engine.begin() as connection:
            oldest = (
                select(_ROW.seq, _ROW.place)
                .where(which)
                .order_by(_ROW.seq, _ROW.place)
                .limit(1)
                .offset(AGAIN_MAX)
            )
            end = (await connection.execute(oldest)).one_or_none()
            if end is not None:
                which = and_(which, _ROW.seq < end.seq)
            done = await connection.execute(
                update(webhook_outbox)
                .where(which)
                .values(state=WAITING, since=now, due_at=now, attempts=0, settled_at=None)
            )
            return done.rowcount


def _parameters(item: Settled) -> dict[str, object]:
    message = item.message
    return {
        "of_endpoint": message.endpoint,
        "of_seq": message.seq,
        "of_place": message.place,
        "new_state": item.state,
        "new_due_at": item.due_at,
        "new_status": item.status,
        "new_why": item.why,
        "new_attempts": message.attempts + 1,
        "new_settled_at": None if item.state == WAITING else item.due_at,
    }


async def _counts(connection: AsyncConnection, endpoint: str) -> dict[str, int]:
    found = dict.fromkeys(STATES, 0)
    wanted = select(_ROW.state, func.count()).where(_ROW.endpoint == endpoint).group_by(_ROW.state)
    for state, count in await connection.execute(wanted):
        found[state] = count
    return found


async def _give_up(
    connection: AsyncConnection, which: ColumnElement[bool], why: str, now: float
) -> int:
    done = await connection.execute(
        update(webhook_outbox).where(which).values(state=GIVEN_UP, settled_at=now, why=why)
    )
    return done.rowcount


async def _nth(
    connection: AsyncConnection, endpoint: str, state: str, n: int, *, newest_first: bool = True
) -> int:
    """The seq of the row that follows ``n`` others; -1 where there are no more."""
    order = _ROW.seq.desc() if newest_first else _ROW.seq
    wanted = (
        select(_ROW.seq)
        .where(_ROW.endpoint == endpoint, _ROW.state == state)
        .order_by(order)
        .offset(n)
        .limit(1)
    )
    found = (await connection.execute(wanted)).scalar()
    return -1 if found is None else int(found)


def _which(endpoint: str, message: str) -> ColumnElement[bool] | None:
    parsed = parse_id(message)
    if parsed is None:
        return None
    call, seq, kind = parsed
    return and_(_ROW.endpoint == endpoint, _ROW.seq == seq, _ROW.kind == kind, _ROW.call == call)


def _stored(row: Row[tuple[object, ...]]) -> Stored:
    values = row._mapping
    message = Message(*(values[name] for name in Message.__dataclass_fields__))
    return Stored(message, values["state"], values["status"], values["why"], values["settled_at"])
