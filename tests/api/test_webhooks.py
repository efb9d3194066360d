"""Webhooks over the API: how endpoints fare, messages, sending again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from config.webhooks import KINDS, Endpoint, Webhooks
from engine import stores
from engine import webhooks as shell
from engine.journal_reader import Pace
from tests.api.fakes import Node, start_node
from tickets.webhook_lane import Answer, Message

CRM = Endpoint(name="crm", url="https://crm.example/in?key=hidden", secret_env="A", caller="full")
NUMBER = "+37120000001"


class Receiver:
    """Takes every message, or answers as it is told."""

    def __init__(self) -> None:
        self.answer = Answer(200)
        self.came: list[Message] = []

    async def send(self, message: Message) -> Answer:
        self.came.append(message)
        return self.answer

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def hooked(
    tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> AsyncIterator[Node]:
    """A node with an endpoint; one more, of an older configuration, left a message."""
    monkeypatch.setattr(stores, "RECORDS_PACE", Pace())
    monkeypatch.setattr("engine.engine.makes_senders", lambda *given: lambda endpoint: receiver)
    made = await start_node(tmp_path, schema, webhooks=Webhooks(endpoints=(CRM,)))
    yield made
    await made.engine.stop()


async def delivered(node: Node, receiver: Receiver, count: int) -> None:
    """Until so many attempts were made, and nothing waits or something failed."""
    webhooks = node.engine.webhooks
    async with asyncio.timeout(10):
        while len(receiver.came) < count or not webhooks.deliverers["crm"].lane.problem:
            counts = (await webhooks.store.counts()).get("crm", {"waiting": 1})
            if len(receiver.came) >= count and not counts["waiting"]:
                return
            await asyncio.sleep(0)


async def listed(node: Node, query: str = "") -> list[dict[str, Any]]:
    async with node.client("chief") as client:
        answer = await client.get(f"/webhooks/crm/messages{query}")
    found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return found


async def test_an_endpoint_that_works(hooked: Node, receiver: Receiver) -> None:
    await hooked.past_call("c1")
    await delivered(hooked, receiver, 2)
    async with hooked.client("chief") as client:
        answer = await client.get("/webhooks")
        page = await client.get("/webhooks/crm/messages")
        (created, ended) = page.json()["items"]
        whole = await client.get(f"/webhooks/crm/messages/{created['id']}")
    (crm,) = answer.json()["items"]
    assert crm == {
        "name": "crm",
        "host": "crm.example",
        "state": "working",
        "problem": None,
        "tried_again_at": None,
        "events": list(KINDS),
        "caller": "full",
        "messages": {"waiting": 0, "delivered": 2, "given_up": 0},
    }
    assert "hidden" not in answer.text
    assert [created["type"], ended["type"]] == ["ticket.created", "call.ended"]
    assert (created["state"], created["attempts"], created["status"]) == ("delivered", 1, 200)
    assert json.loads(whole.json()["body"])["data"]["call"]["caller"] == NUMBER
    assert "body" not in created


async def test_one_that_fails_and_is_resumed(hooked: Node, receiver: Receiver) -> None:
    receiver.answer = Answer(410)
    await hooked.past_call("c1")
    await delivered(hooked, receiver, 1)
    async with hooked.client("chief") as client:
        (crm,) = (await client.get("/webhooks")).json()["items"]
        assert (crm["state"], crm["problem"]) == ("gone", "status 410")
        (first, _) = reversed(await listed(hooked, "?state=waiting"))
        assert (first["attempts"], first["problem"]) == (1, "status 410")
        waits = await client.post(f"/webhooks/crm/messages/{first['id']}/resend")
        assert waits.status_code == 409
        receiver.answer = Answer(200)
        answer = await client.post("/webhooks/crm/resume")
        assert (answer.status_code, answer.json()["state"]) == (202, "failing")


async def test_given_up_is_sent_again(hooked: Node, receiver: Receiver) -> None:
    receiver.answer = Answer(410)
    await hooked.past_call("c1")
    await delivered(hooked, receiver, 1)
    webhooks = hooked.engine.webhooks
    now = hooked.engine.clock.now() + 1e6
    await webhooks.store.sweep("crm", now, shell.limits_of(Webhooks()))
    assert len(await listed(hooked, "?state=given-up")) == 2
    receiver.answer = Answer(200)
    async with hooked.client("chief") as client:
        (one, _) = await listed(hooked)
        answer = await client.post(f"/webhooks/crm/messages/{one['id']}/resend")
        assert (answer.status_code, answer.json()) == (202, {"messages": 1})
        answer = await client.post("/webhooks/crm/resend")
        assert answer.json() == {"messages": 1}
        await client.post("/webhooks/crm/resume")
    await delivered(hooked, receiver, 3)
    assert [item["state"] for item in await listed(hooked)] == ["delivered"] * 2


async def test_pages(hooked: Node, receiver: Receiver) -> None:
    for call in ("c1", "c2", "c3"):
        await hooked.past_call(call)
    await delivered(hooked, receiver, 6)
    async with hooked.client("chief") as client:
        first = (await client.get("/webhooks/crm/messages?limit=4")).json()
        second = (await client.get(f"/webhooks/crm/messages?cursor={first['next']}")).json()
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert (len(ids), len(set(ids)), second["next"]) == (6, 6, None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/webhooks/none/messages", 404),
        ("GET", "/webhooks/crm/messages/msg_c1_9_call-ended", 404),
        ("GET", "/webhooks/crm/messages/other", 422),
        ("GET", "/webhooks/crm/messages?state=lost", 422),
        ("GET", "/webhooks/crm/messages?cursor=1", 422),
        ("POST", "/webhooks/crm/messages/msg_c1_9_call-ended/resend", 404),
        ("POST", "/webhooks/none/resend", 404),
        ("POST", "/webhooks/none/resume", 404),
    ],
)
async def test_what_is_not_there(hooked: Node, method: str, path: str, status: int) -> None:
    async with hooked.client("chief") as client:
        assert (await client.request(method, path)).status_code == status


async def test_metrics_name_endpoints_only(hooked: Node, receiver: Receiver) -> None:
    await hooked.past_call("c1")
    await delivered(hooked, receiver, 2)
    async with hooked.client("prometheus") as client:
        lines = (await client.get("/metrics")).text.splitlines()
    found = [line for line in lines if line.startswith("offhook_webhooks")]
    assert found == [
        'offhook_webhooks_sent_total{endpoint="crm"} 2.0',
        'offhook_webhooks_failed_total{endpoint="crm"} 0.0',
        'offhook_webhooks_given_up_total{endpoint="crm"} 0.0',
        'offhook_webhooks_backlog{endpoint="crm"} 0.0',
        'offhook_webhooks_given_up_kept{endpoint="crm"} 0.0',
        'offhook_webhooks_up{endpoint="crm"} 1.0',
    ]


async def test_the_log_tells_nothing_of_callers_or_addresses(
    hooked: Node, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = Answer(503)
    await hooked.past_call("c1")
    await delivered(hooked, receiver, 1)
    told = [record.getMessage() for record in caplog.records if "webhook" in record.getMessage()]
    assert told == ["webhook crm: status 503, tried again"]
