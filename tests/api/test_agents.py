"""Presence over REST, and what the floor makes of it."""

from __future__ import annotations

import pytest

from tests.api.fakes import Node


async def test_anna_signs_in_goes_on_a_break_and_leaves(node: Node) -> None:
    async with node.client("anna") as client:
        for wish, presence, reason in (
            ({"presence": "available"}, "available", ""),
            ({"presence": "on-break", "reason": "lunch"}, "on-break", "lunch"),
            ({"presence": "available"}, "available", ""),
            ({"presence": "on-break"}, "on-break", "break"),
            ({"presence": "signed-out"}, "signed-out", ""),
        ):
            answer = await client.post("/agents/anna/presence", json=wish)
            assert answer.status_code == 200
            shown = answer.json()
            assert (shown["presence"], shown["reason"]) == (presence, reason)
            assert (await client.get("/agents/anna")).json() == shown


async def test_the_same_again_changes_nothing(node: Node) -> None:
    async with node.client("anna") as client:
        first = await client.post("/agents/anna/presence", json={"presence": "available"})
        version = node.engine.floor.floor.version
        again = await client.post("/agents/anna/presence", json={"presence": "available"})
    assert first.json() == again.json()
    assert node.engine.floor.floor.version == version


async def test_presence_survives_in_the_log(node: Node) -> None:
    async with node.client("anna") as client:
        await client.post("/agents/anna/presence", json={"presence": "available"})
    await node.settle()
    kinds = [type(entry.event).__name__ for entry in node.engine.journal.read()]
    assert "AgentPresence" in kinds


async def test_a_break_needs_somebody_who_is_there(node: Node) -> None:
    async with node.client("anna") as client:
        answer = await client.post("/agents/anna/presence", json={"presence": "on-break"})
    assert answer.status_code == 409
    assert "become available first" in answer.json()["detail"]


async def test_a_break_asked_for_in_a_talk_comes_after_it(node: Node) -> None:
    node.talking("anna", "c9")
    async with node.client("anna") as client:
        shown = (await client.post("/agents/anna/presence", json={"presence": "on-break"})).json()
    assert (shown["presence"], shown["after"], shown["call"]) == ("talking", "on-break", "c9")


async def test_wrap_up_ends_when_asked(node: Node) -> None:
    node.talking("anna", "c9")
    node.engine.floor.change(lambda now: node.engine.floor.floor.finished("anna", now))
    async with node.client("anna") as client:
        shown = (await client.get("/agents/anna")).json()
        assert shown["presence"] == "wrap-up"
        assert shown["wrap_up_until"] == "2026-11-21T12:00:30Z"
        assert (await client.post("/agents/anna/wrap-up/end")).json()["presence"] == "available"


async def test_colleagues_are_seen_without_their_calls(node: Node) -> None:
    node.talking("anna", "c9")
    for who, call in (("boris", None), ("anna", "c9"), ("sveta", "c9")):
        async with node.client(who) as client:
            assert (await client.get("/agents/anna")).json()["call"] == call
            listed = (await client.get("/agents")).json()["items"]
        assert [item["id"] for item in listed] == ["anna", "boris"]
        assert listed[0]["call"] == call


async def test_a_reload_is_seen_at_once(node: Node) -> None:
    changed = node.engine.settings.agents[0].model_copy(update={"name": "Anna K."})
    settings = node.engine.settings.model_copy(
        update={"agents": (changed, *node.engine.settings.agents[1:])}
    )
    node.engine.settings = settings
    async with node.client() as client:
        assert (await client.get("/agents/anna")).json()["name"] == "Anna K."


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"presence": "asleep"}, "presence"),
        ({"presence": "reserved"}, "presence"),
        ({}, "presence"),
        ({"presence": "on-break", "reason": "x" * 65}, "reason"),
        ({"presence": "on-break", "reason": "two\nlines"}, "reason"),
        ({"presence": "available", "more": 1}, "more"),
        ([], "body"),
        (None, "body"),
    ],
)
async def test_what_does_not_fit_is_named(node: Node, body: object, field: str) -> None:
    async with node.client("anna") as client:
        answer = await client.post("/agents/anna/presence", json=body)
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["errors"]] == [field]
    assert field in answer.json()["detail"]


@pytest.mark.parametrize("agent", ["nobody", "UPPER", "%2e%2e", "a%00b", "x" * 65])
async def test_an_agent_who_is_not_there(node: Node, agent: str) -> None:
    async with node.client() as client:
        answer = await client.get(f"/agents/{agent}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_long_body_is_refused(node: Node) -> None:
    async with node.client("anna") as client:
        declared = await client.post(
            "/agents/anna/presence", content=b"x" * 70_000, headers={"content-type": "text/json"}
        )

        async def drops() -> object:
            for _ in range(70):
                yield b"x" * 1_000

        streamed = await client.post("/agents/anna/presence", content=drops())
    assert (declared.status_code, streamed.status_code) == (413, 413)


async def test_broken_json_is_told(node: Node) -> None:
    async with node.client("anna") as client:
        answer = await client.post(
            "/agents/anna/presence", content=b"{", headers={"content-type": "application/json"}
        )
    assert answer.status_code == 422
    assert answer.json()["errors"]
