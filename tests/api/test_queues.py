"""Queues: who waits, and the day's figures."""

from __future__ import annotations

from queues.figures.tallies import SERVICE_LEVELS
from tests.api.fakes import NOON, Node


async def test_who_waits_and_for_how_long(node: Node) -> None:
    node.live_call("c1", "waiting", agent="")
    node.wait("c1")
    node.time.at += 12.5
    node.live_call("c2", "waiting", agent="")
    node.wait("c2")
    await node.settle()
    async with node.client() as client:
        support = (await client.get("/queues/support")).json()
        both = (await client.get("/queues")).json()["items"]
    assert both[0] == support
    assert [queue["name"] for queue in both] == ["support", "sales"]
    assert (support["waiting"], support["longest_wait_s"]) == (2, 12.5)
    assert [(call["call"], call["position"]) for call in support["calls"]] == [("c1", 1), ("c2", 2)]
    assert support["calls"][0]["waited_s"] == 12.5
    assert support["agents"] == {"signed-out": 1}


async def test_the_day_by_every_definition(node: Node) -> None:
    await node.past_call("c1")
    await node.past_call("c2", outcome="missed", waited_s=30.0)
    async with node.client() as client:
        today = (await client.get("/queues/support")).json()["today"]
    assert today["since"] == "2026-11-21T00:00:00Z"
    assert (today["offered"], today["answered"], today["abandoned"]) == (2, 1, 1)
    assert list(today["service_levels"]) == list(SERVICE_LEVELS)
    assert today["service_level"] == today["service_levels"]["strict"] == 0.5
    assert today["asa_s"] == 4.0


async def test_yesterday_is_not_today(node: Node) -> None:
    node.time.at = NOON - 86_400
    await node.past_call("c1")
    node.time.at = NOON
    async with node.client() as client:
        today = (await client.get("/queues/support")).json()["today"]
    assert (today["offered"], today["service_level"]) == (0, None)


async def test_an_agent_sees_their_queues_and_an_operator_no_calls(node: Node) -> None:
    node.live_call("c1", "waiting", agent="")
    node.wait("c1")
    await node.settle()
    async with node.client("boris") as client:
        assert [item["name"] for item in (await client.get("/queues")).json()["items"]] == ["sales"]
    async with node.client("prometheus") as client:
        support = (await client.get("/queues/support")).json()
    assert (support["waiting"], support["calls"]) == (1, None)


async def test_a_queue_that_is_not_there(node: Node) -> None:
    async with node.client() as client:
        assert (await client.get("/queues/nowhere")).status_code == 404
        assert (await client.get("/queues/No%20Where")).status_code == 422
