"""Decisions in the database: written from the log, read as they were, on both databases."""

from __future__ import annotations

import json
from typing import NamedTuple, get_args

from sqlalchemy.ext.asyncio import AsyncEngine

from engine.why import rebuilt
from queues.events import (
    AgentPresence,
    CallbackPlaced,
    CallPromoted,
    CallQueued,
    OfferMade,
    QueueVisitEnded,
)
from queues.offers import FloorEvent
from queues.why.decisions import FACTS_MAX, STORED, DecisionRows, DecisionStore
from router.events import CallConnected, CallSentOn, CallTransferred


class Entry(NamedTuple):
    """As engine.journal_file.Entry."""

    seq: int
    at: float
    call: str
    event: object


OFFER = OfferMade(
    "anna", 7, "support", 1060.5, 41, (("boris", (2, 100.0, 0)),), {"talking": 3},
    (1, 99.0, 0), "fewest-calls", "callback",
)  # fmt: skip
FACTS: list[object] = [
    CallQueued("support", 1, 5, 1020.0, {"german": 2}, 3, caller="+37120000001"),
    CallPromoted("support", 300.0),
    AgentPresence("anna", "offered"),
    OFFER,
    QueueVisitEnded("support", "callback-requested", 12.25),
    CallbackPlaced("support", "+37120000001", 1, 5, 1020.0, 3, 1000.0, 5000.0, trunk="telia"),
]


def entries() -> list[Entry]:
    return [Entry(seq, 1000.0 + seq, "c1", event) for seq, event in enumerate(FACTS, 1)]


async def write(database: AsyncEngine, facts: list[Entry]) -> None:
    async with database.begin() as connection:
        await DecisionRows().write(connection, facts)


async def test_facts_come_back_in_order_without_the_caller(database: AsyncEngine) -> None:
    await write(database, entries())
    await write(database, [Entry(9, 2000.0, "c2", OFFER)])
    rows = await DecisionStore(database).of_call("c1")
    assert [(row.seq, row.at, row.kind) for row in rows] == [
        (1, 1001.0, "CallQueued"), (2, 1002.0, "CallPromoted"), (4, 1004.0, "OfferMade"),
        (5, 1005.0, "QueueVisitEnded"), (6, 1006.0, "CallbackPlaced"),
    ]  # fmt: skip
    facts = [rebuilt(row) for row in rows]
    assert facts[2] == OFFER
    assert facts[0] == CallQueued("support", 1, 5, 1020.0, {"german": 2}, 3)
    assert facts[4] == CallbackPlaced("support", "", 1, 5, 1020.0, 3, 1000.0, 5000.0, trunk="telia")
    assert not any("37120000001" in row.fact for row in rows)


async def test_whom_a_call_was_put_through_to_outside_is_not_kept(database: AsyncEngine) -> None:
    facts = [
        CallTransferred("anna", "external +37120000001"),
        CallTransferred("anna", "agent boris"),
        CallSentOn("support", "number"),
        CallConnected("c1.3", "boris"),
        CallConnected("c1.2", "anna", "support"),  # an offer tells that
    ]
    await write(database, [Entry(n, 1.0, "c1", fact) for n, fact in enumerate(facts, 1)])
    rows = await DecisionStore(database).of_call("c1")
    assert [rebuilt(row) for row in rows] == [CallTransferred("anna", "external"), *facts[1:4]]


async def test_the_same_facts_again_change_nothing(database: AsyncEngine) -> None:
    await write(database, entries())
    await write(database, entries())
    assert len(await DecisionStore(database).of_call("c1")) == 5


async def test_what_is_at_its_default_takes_no_room(database: AsyncEngine) -> None:
    await write(database, [Entry(1, 1.0, "c1", CallQueued("support", 0, 5, 20.0))])
    (row,) = await DecisionStore(database).of_call("c1")
    assert json.loads(row.fact) == {"queue": "support", "priority": 0, "rank": 5, "deadline": 20.0}


async def test_one_call_s_facts_are_bounded(database: AsyncEngine) -> None:
    await write(
        database, [Entry(n, 1.0, "c1", CallPromoted("a", 1.0)) for n in range(1, FACTS_MAX + 3)]
    )
    rows = await DecisionStore(database).of_call("c1")
    assert [row.seq for row in rows] == list(range(1, FACTS_MAX + 1))


async def test_a_call_that_nobody_knows_has_none(database: AsyncEngine) -> None:
    assert await DecisionStore(database).of_call("c1") == []


def test_every_fact_of_a_call_is_stored() -> None:
    of_agents = {"AgentPresence", "AgentReachable", "BreakOverrun"}
    told_again = {"PlaceKept"}
    beside = {"CallSentOn", "CallTransferred", "CallConnected", "AgentLost"}
    kinds = {kind.__name__ for kind in get_args(FloorEvent)}
    assert kinds | beside == STORED.keys() | of_agents | told_again
