"""Figures in the database: what is written comes back, again and again the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from queues.events import OfferEnd, Presence
from queues.figures.figures_store import (
    OFFER_COLUMNS,
    PRESENCE_COLUMNS,
    FiguresStore,
    NewerFiguresError,
    Span,
)
from queues.figures.statistics import fold
from queues.figures.tallies import Tally, WorkTally
from tests.queues.made_up import START, made_up_log

EVER = Span(0.0, 1e11)


def test_every_presence_and_every_end_of_an_offer_has_a_column() -> None:
    assert PRESENCE_COLUMNS.keys() == {*get_args(Presence), "own-call"} - {"signed-out"}
    assert OFFER_COLUMNS.keys() == set(get_args(OfferEnd))


def rows_of(seed: int) -> tuple[list[tuple[str, float, Tally]], list[tuple[str, float, WorkTally]]]:
    figures = fold(made_up_log(seed, 600), kept_s=1e9)
    return list(figures.visits.ledger.items()), list(figures.worktime.ledger.items())


def in_order(rows: list[tuple[str, float, Any]]) -> list[tuple[str, float, Any]]:
    return sorted(rows, key=lambda row: row[:2])


async def test_what_is_written_comes_back(database: AsyncEngine) -> None:
    store = FiguresStore(database)
    queues, agents = rows_of(1)
    await store.write(600, queues, agents)
    await store.write(600, queues, agents)
    assert in_order(await store.queue_rows(EVER)) == in_order(queues)
    assert in_order(await store.agent_rows(EVER)) == in_order(agents)
    assert await store.position() == 600


async def test_a_row_is_replaced_by_a_later_one(database: AsyncEngine) -> None:
    store = FiguresStore(database)
    tally = Tally(offered=1)
    work = WorkTally({"on-break": 5.0}, {"refused": 1}, {"lunch": 5.0})
    await store.write(1, [("main", START, tally)], [("ann", START, work)])
    later = replace(tally, answered=1, answer_wait_s=0.25)
    longer = WorkTally({"on-break": 9.0}, {"refused": 1}, {"lunch": 7.0, "": 2.0}, 1)
    await store.write(2, [("main", START, later)], [("ann", START, longer)])
    assert await store.queue_rows(EVER) == [("main", START, later)]
    assert await store.agent_rows(EVER) == [("ann", START, longer)]


async def test_sums_are_those_of_the_rows(database: AsyncEngine) -> None:
    store = FiguresStore(database)
    queues, agents = rows_of(2)
    await store.write(600, queues, agents)
    span = Span(START + 3_600, START + 40_000)
    sums: dict[str, Tally] = {}
    for name, start, tally in queues:
        if span.start <= start < span.end:
            sums.setdefault(name, Tally()).add(tally)
    work: dict[str, WorkTally] = {}
    for name, start, tally in agents:
        if span.start <= start < span.end:
            work.setdefault(name, WorkTally()).add(tally)
    for total in sums.values():
        total.waits = Tally().waits
    assert {name: tally for name, _, tally in await store.queue_sums(span)} == sums
    assert {name: tally for name, _, tally in await store.agent_sums(span)} == work
    assert len(sums) == 3
    one = Span(span.start, span.end, "sales")
    assert await store.queue_sums(one) == [("sales", span.start, sums["sales"])]
    assert {name for name, _, _ in await store.agent_rows(Span(0, 1e11, "bob"))} == {"bob"}


async def test_a_position_behind_what_is_written_changes_nothing(database: AsyncEngine) -> None:
    store = FiguresStore(database)
    await store.write(7, [("main", START, Tally(offered=7))], [])
    with pytest.raises(NewerFiguresError):
        await store.write(6, [("main", START, Tally(offered=6))], [])
    assert [tally.offered for _, _, tally in await store.queue_rows(EVER)] == [7]
    assert await store.position() == 7


async def test_all_of_it_or_nothing(database: AsyncEngine) -> None:
    store = FiguresStore(database)
    await store.write(1, [("main", START, Tally(offered=1))], [])
    async with database.begin() as connection:
        await connection.execute(text("DROP TABLE agent_breaks"))
    work = WorkTally(breaks={"lunch": 1.0})
    with pytest.raises(Exception, match="agent_breaks"):
        await store.write(2, [("main", START, Tally(offered=2))], [("ann", START, work)])
    assert [tally.offered for _, _, tally in await store.queue_rows(EVER)] == [1]
    assert await store.position() == 1
