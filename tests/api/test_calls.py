"""Live calls, calls of the past, and what people do to a call."""

from __future__ import annotations

import pytest

from router import inputs as on
from router.call import Leg
from tests.api.fakes import Node


async def test_live_calls_in_the_order_of_arrival(node: Node) -> None:
    for number in range(5):
        node.live_call(f"c{number}")
    async with node.client() as client:
        first = (await client.get("/calls?limit=2")).json()
        second = (await client.get(f"/calls?limit=2&cursor={first['next']}")).json()
        third = (await client.get(f"/calls?limit=2&cursor={second['next']}")).json()
    pages = [[item["id"] for item in page["items"]] for page in (first, second, third)]
    assert pages == [["c0", "c1"], ["c2", "c3"], ["c4"]]
    assert third["next"] is None
    assert first["items"][0] == {
        "id": "c0",
        "phase": "talking",
        "caller": "+37120000009",
        "caller_name": "",
        "dialled": "100",
        "queue": "support",
        "agent": "anna",
        "since": "2026-11-21T12:00:00Z",
        "position": None,
        "own": False,
    }


async def test_a_waiting_call_has_its_position(node: Node) -> None:
    for call in ("c1", "c2"):
        node.live_call(call, "waiting", agent="")
        node.wait(call)
    async with node.client() as client:
        items = (await client.get("/calls?queue=support")).json()["items"]
        assert [(item["id"], item["position"]) for item in items] == [("c1", 1), ("c2", 2)]
        assert (await client.get("/calls/c2")).json()["live"]["position"] == 2
        assert (await client.get("/calls?queue=sales")).json()["items"] == []


async def test_an_agent_sees_only_the_call_at_their_phone(node: Node) -> None:
    node.live_call("c1", agent="anna")
    node.live_call("c2", "waiting", agent="boris", state="ringing")
    node.live_call("c3", "waiting", agent="boris", state="gone")
    for who, seen in (("anna", ["c1"]), ("boris", ["c2"]), ("sveta", ["c1", "c2", "c3"])):
        async with node.client(who) as client:
            items = (await client.get("/calls")).json()["items"]
            assert [item["id"] for item in items] == seen
            for call in ("c1", "c2", "c3"):
                status = (await client.get(f"/calls/{call}")).status_code
                assert status == (200 if call in seen else 404)


async def test_a_call_of_the_past_with_its_ticket(node: Node) -> None:
    await node.past_call("c1")
    async with node.client("anna") as client:
        shown = (await client.get("/calls/c1")).json()
    assert shown["live"] is None
    assert shown["ticket"] == "T-000001"
    assert shown["record"]["outcome"] == "answered"
    assert shown["record"]["connected_at"] == "2026-11-21T11:59:14Z"


async def test_hanging_up_ends_the_call_once(node: Node) -> None:
    node.live_call("c1")
    async with node.client("anna") as client:
        answer = await client.post("/calls/c1/hang-up")
        assert (answer.status_code, answer.json()) == (202, {"id": "c1", "asked": "hang-up"})
        assert "c1" not in node.engine.turns.calls
    await node.settle()
    ended = [entry.event for entry in node.journaled("CallEnded")]
    assert [event.cause for event in ended] == ["ended by anna"]


async def test_a_call_that_only_rings_cannot_be_hung_up_by_the_agent(node: Node) -> None:
    node.live_call("c1", "waiting", agent="anna", state="ringing")
    async with node.client("anna") as client:
        answer = await client.post("/calls/c1/hang-up")
    assert answer.status_code == 409
    assert "c1" in node.engine.turns.calls


async def test_transfer_reaches_the_call(node: Node) -> None:
    call = node.live_call("c1")
    seen: list[object] = []
    node.engine.turns.feed = lambda name, happened: seen.append((name, happened))  # type: ignore[method-assign]
    async with node.client("anna") as client:
        answer = await client.post("/calls/c1/transfer", json={"target": "sales"})
    assert answer.status_code == 202
    assert seen == [("c1", on.TransferAsked("", on.Destination("queue", "sales"), ()))]
    assert call.phase == "talking"


@pytest.mark.parametrize(
    ("target", "status", "detail"),
    [
        ("nowhere", 422, "target: no such queue"),
        ("102", 409, "no phone registered"),
        ("boris", 409, "no phone registered"),
        ("sip:evil@example", 422, "target"),
        ("a b", 422, "target"),
        ("", 422, "target"),
        ("x" * 65, 422, "target"),
    ],
)
async def test_a_transfer_to_where_nobody_is(
    node: Node, target: str, status: int, detail: str
) -> None:
    node.live_call("c1")
    async with node.client() as client:
        answer = await client.post("/calls/c1/transfer", json={"target": target})
    assert answer.status_code == status
    assert detail in answer.json()["detail"]


async def test_only_a_talk_is_transferred(node: Node) -> None:
    call = node.live_call("c1", "waiting", agent="")
    call.legs["c1.2"] = Leg("c1.2", "agent", "up", "anna")
    async with node.client("anna") as client:
        answer = await client.post("/calls/c1/transfer", json={"target": "sales"})
    assert answer.status_code == 409
    assert "only a talk" in answer.json()["detail"]


@pytest.mark.parametrize("action", ["hang-up", "transfer"])
async def test_a_call_that_is_over_or_never_was(node: Node, action: str) -> None:
    await node.past_call("c1")
    body = {"target": "sales"} if action == "transfer" else None
    async with node.client() as client:
        over = await client.post(f"/calls/c1/{action}", json=body)
        never = await client.post(f"/calls/c7/{action}", json=body)
        odd = await client.post(f"/calls/..%2f/{action}", json=body)
    assert (over.status_code, never.status_code) == (409, 404)
    assert odd.status_code in (404, 422)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("cursor=%27%3B--", "cursor"),
        ("quene=support", "quene"),
    ],
)
async def test_a_query_that_does_not_fit_is_named(node: Node, query: str, field: str) -> None:
    async with node.client() as client:
        answer = await client.get(f"/calls?{query}")
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["errors"]] == [field]
