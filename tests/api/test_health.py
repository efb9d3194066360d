"""Probes: open to all, exact about which part, silent about the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.journal_reader import ReaderFigures
from tests.api.fakes import FakeWorker, Node

AWAY = ReaderFigures(3, 1.0, "ConnectionRefusedError: 192.0.2.7")


async def reasons(node: Node) -> tuple[int, list[str]]:
    async with node.client(None) as client:
        answer = await client.get("/health/ready")
        assert (await client.get("/health/live")).json() == {"status": "alive"}
    shown = answer.json()
    assert shown["status"] == ("ready" if answer.status_code == 200 else "not-ready")
    return answer.status_code, shown["reasons"]


async def test_ready(node: Node) -> None:
    assert await reasons(node) == (200, [])


async def test_each_part(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = node.engine
    engine.workers.clients.clear()
    assert await reasons(node) == (503, ["workers"])
    engine.workers.clients["media-0"] = FakeWorker()  # type: ignore[assignment]
    engine.arrivals.accepting = False
    assert await reasons(node) == (503, ["stopping"])
    engine.arrivals.accepting = True
    engine.arrivals.drains_to = ""
    assert await reasons(node) == (503, ["draining"])
    engine.arrivals.drains_to = None
    engine.ready_since = 0.0
    assert await reasons(node) == (503, ["starting"])
    engine.ready_since = 1.0
    monkeypatch.setattr(type(engine.journal), "full", True)
    assert await reasons(node) == (503, ["journal"])
    async with node.client("anna") as client:
        answer = await client.post("/agents/anna/presence", json={"presence": "available"})
        assert answer.status_code == 200  # presence goes on: calls are there to be ended


async def test_the_database_is_away(node: Node) -> None:
    """Calls are taken: whoever spreads them must not take this node out."""
    assert node.engine.records_reader is not None
    node.engine.records_reader.failing = "ConnectionRefusedError: postgres at 192.0.2.7"
    assert await reasons(node) == (200, [])
    async with node.client(None) as client:
        shown = (await client.get("/health/ready")).json()
    assert (shown["status"], shown["degraded"]) == ("ready", ["database"])


async def test_each_store_that_takes_nothing_is_named(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = dict.fromkeys(("figures", "records", "recordings", "state", "else"), AWAY)
    figures = replace(node.engine.journal.figures, readers=readers)
    monkeypatch.setattr(type(node.engine.journal), "figures", figures)
    async with node.client(None) as client:
        answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["degraded"] == ["figures", "recordings", "database", "state-store"]
    assert len(answer.json()["behind"]) == 5


async def test_a_full_journal_takes_no_comment(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    await node.past_call("c1")
    monkeypatch.setattr(type(node.engine.journal), "full", True)
    async with node.client("anna") as client:
        answer = await client.post("/tickets/1/comments", json={"text": "x"})
    assert answer.status_code == 503


async def test_a_reader_behind_is_named_with_how_much_and_why(node: Node) -> None:
    assert node.engine.records_reader is not None
    node.engine.records_reader.failing = "ConnectionRefusedError: postgres at 192.0.2.7"
    async with node.client(None) as client:
        (behind,) = (await client.get("/health/ready")).json()["behind"]
    assert (behind["reader"], behind["why"]) == ("records", "away")
    async with node.client("prometheus") as client:
        text = (await client.get("/metrics")).text
    assert 'offhook_journal_reader_up{reader="records"} 0.0' in text
    assert 'offhook_journal_reader_trouble{reader="records",why="away"} 1.0' in text


async def test_above_capacity(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node.engine.arrivals.capacity, "why", lambda: "calls")
    assert await reasons(node) == (503, ["overload"])
    assert node.engine.arrivals.capacity.refuses()
    async with node.client("prometheus") as client:
        text = (await client.get("/metrics")).text
    assert 'offhook_calls_turned_away_total{why="calls"} 1.0' in text
