"""Tickets: lists, one ticket, and what people add to it through the journal."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from sqlalchemy.exc import OperationalError

from router.events import Outcome
from tests.api.fakes import Node


async def test_pages_hold_each_ticket_once_newest_first(node: Node) -> None:
    for number in range(7):
        await node.past_call(f"c{number}")
    seen = []
    cursor = ""
    async with node.client() as client:
        while True:
            page = (await client.get(f"/tickets?limit=3{cursor}")).json()
            seen += [item["number"] for item in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
    assert seen == [f"T-{number:06d}" for number in range(7, 0, -1)]


async def test_every_outcome_is_shown(node: Node) -> None:
    for number, outcome in enumerate(get_args(Outcome)):
        await node.past_call(f"c{number}", outcome=outcome)
    async with node.client() as client:
        items = (await client.get("/tickets")).json()["items"]
        assert [item["outcome"] for item in reversed(items)] == list(get_args(Outcome))
        for item in items:
            assert (await client.get(f"/tickets/{item['number']}")).status_code == 200


@pytest.mark.parametrize(
    ("query", "calls"),
    [
        ("", ["c3", "c2", "c1"]),
        ("outcome=missed", ["c2"]),
        ("status=open", ["c2"]),
        ("status=awaiting-disposition", ["c3", "c1"]),
        ("queue=sales", ["c3"]),
        ("agent=boris", ["c3"]),
        ("caller=%2B37120000002", ["c2"]),
        ("since=2026-11-21T12:00:10Z", ["c3"]),
        ("until=2026-11-21T14:00:10%2B02:00", ["c2", "c1"]),
        ("overdue=true", []),
        ("outcome=failed", []),
    ],
)
async def test_filters(node: Node, query: str, calls: list[str]) -> None:
    await node.past_call("c1")
    await node.past_call("c2", outcome="missed", caller="+37120000002")
    node.time.at += 10
    await node.past_call("c3", agent="boris", queue="sales", caller="+37120000003")
    async with node.client() as client:
        items = (await client.get(f"/tickets?{query}")).json()["items"]
    assert [item["call"] for item in items] == calls


async def test_a_ticket_becomes_overdue(node: Node) -> None:
    await node.past_call("c1", outcome="missed")
    node.time.at += 3601
    async with node.client() as client:
        items = (await client.get("/tickets?overdue=true")).json()["items"]
    assert [item["due_at"] for item in items] == ["2026-11-21T13:00:00Z"]


async def test_an_agents_list_holds_their_own(node: Node) -> None:
    await node.past_call("c1")
    await node.past_call("c2", agent="boris")
    await node.past_call("c3", outcome="missed")
    async with node.client("anna") as client:
        for query, calls in (("", ["c1"]), ("?agent=anna", ["c1"]), ("?agent=boris", [])):
            items = (await client.get(f"/tickets{query}")).json()["items"]
            assert [item["call"] for item in items] == calls
        assert (await client.get("/tickets/2")).status_code == 404
        assert (await client.get("/tickets/3")).status_code == 404


async def test_the_callers_history(node: Node) -> None:
    await node.past_call("c1", agent="boris")
    await node.past_call("c2", caller="+37120000777")
    await node.past_call("c3")
    await node.past_call("c4")
    for who, history in (("sveta", ["T-000003", "T-000001"]), ("anna", ["T-000003"])):
        async with node.client(who) as client:
            whole = (await client.get("/tickets/4")).json()
        assert [item["number"] for item in whole["earlier"]] == history
    assert (whole["repeat_of"], whole["repeat_count"]) == ("T-000003", 2)


async def test_people_add_comments_and_a_disposition(node: Node) -> None:
    await node.past_call("c1")
    async with node.client("anna") as client:
        said = await client.post("/tickets/1/comments", json={"text": " rang back\nno answer "})
        given = await client.post(
            "/tickets/T-000001/disposition", json={"disposition": "sold", "note": "two"}
        )
        assert said.json() == {"number": "T-000001", "by": "anna", "status": "awaiting-disposition"}
        assert given.json() == {"number": "T-000001", "by": "anna", "status": "closed"}
        await node.settle()
        whole = (await client.get("/tickets/1")).json()
    assert whole["comments"] == [
        {"at": "2026-11-21T12:00:00Z", "by": "anna", "text": "rang back\nno answer"}
    ]
    assert (whole["disposition"], whole["disposition_note"]) == ("sold", "two")
    assert (whole["status"], whole["closed_by"]) == ("closed", "anna")


async def test_what_was_accepted_is_on_disk(node: Node) -> None:
    await node.past_call("c1")
    async with node.client("anna") as client:
        await client.post("/tickets/1/comments", json={"text": "kept"})
        assert [entry.event.text for entry in node.journaled("TicketCommented")] == ["kept"]


async def test_a_supervisor_closes_once(node: Node) -> None:
    await node.past_call("c1", outcome="missed")
    async with node.client("sveta") as client:
        closed = await client.post("/tickets/1/close")
        assert (closed.status_code, closed.json()["by"]) == (202, "sveta")
        await node.settle()
        assert (await client.post("/tickets/1/close")).status_code == 409
        assert (await client.get("/tickets/1")).json()["closed_by"] == "sveta"


async def test_a_call_that_goes_on_is_not_closed(node: Node) -> None:
    node.live_call("c1")
    async with node.client("sveta") as client:
        assert (await client.post("/tickets/1/close")).status_code == 404
        await node.past_call("c1")
        answer = await client.post("/tickets/1/close")
    assert (answer.status_code, answer.json()["detail"]) == (409, "the call is not over yet")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("comments", {"text": ""}, "text"),
        ("comments", {"text": "   "}, "text"),
        ("comments", {"text": "x" * 10_001}, "text"),
        ("comments", {"text": "a\x00b"}, "text"),
        ("comments", {"text": 5}, "text"),
        ("disposition", {"disposition": ""}, "disposition"),
        ("disposition", {"disposition": "x" * 65}, "disposition"),
        ("disposition", {"disposition": "a\nb"}, "disposition"),
        ("disposition", {"disposition": "a", "note": "\x1b[2J"}, "note"),
        ("disposition", {"disposition": "a", "by": "boris"}, "by"),
    ],
)
async def test_what_does_not_fit_is_named(
    node: Node, path: str, body: dict[str, Any], field: str
) -> None:
    await node.past_call("c1")
    async with node.client("anna") as client:
        answer = await client.post(f"/tickets/1/{path}", json=body)
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=-1", "cursor"),
        ("cursor=1%20or%201", "cursor"),
        ("outcome=lost", "outcome"),
        ("status=new", "status"),
        ("since=yesterday", "since"),
        ("since=2026-11-21T12:00:10", "since"),
        ("queue=a%27--", "queue"),
        ("caller=", "caller"),
        ("sort=caller", "sort"),
    ],
)
async def test_a_query_that_does_not_fit_is_named(node: Node, query: str, field: str) -> None:
    async with node.client() as client:
        answer = await client.get(f"/tickets?{query}")
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("number", ["T-", "0x1", "-1", "1e3", "9999999999999", "T-T-1"])
async def test_numbers_that_are_none(node: Node, number: str) -> None:
    async with node.client() as client:
        assert (await client.get(f"/tickets/{number}")).status_code == 422


async def test_records_that_do_not_answer(node: Node) -> None:
    await node.past_call("c1")

    async def away(*_: object, **__: object) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    async def refused(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("nobody listens")

    for failure in (away, refused):
        node.engine.records.list_tickets = failure  # type: ignore[assignment]
        async with node.client() as client:
            answer = await client.get("/tickets")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert "select" not in answer.text
