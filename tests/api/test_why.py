"""Why, asked over HTTP: from the log while it is there, from the records afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from engine import why
from tests.api.fakes import Node


async def decided(node: Node, call: str = "c1") -> None:
    """Anna is idle and gets the call; Boris serves another queue."""
    node.talking("anna", call)
    await node.settle()


async def get(node: Node, call: str, who: str = "sveta") -> Any:
    async with node.client(who) as client:
        return await client.get(f"/calls/{call}/why")


async def test_a_decision_is_told_completely(node: Node) -> None:
    await decided(node)
    shown = (await get(node, "c1")).json()
    assert shown["complete"] is True
    assert shown["waits"] is None
    texts = [step["text"] for step in shown["steps"]]
    assert texts[0] == "Joined support (class 5)."
    assert texts[1].startswith("Anna was rung: nobody else in support could take the call.")
    assert texts[2:] == ["Anna answered.", "Left support after 0 s: connected."]
    decision = shown["steps"][1]["decision"]
    assert decision["agents"] == [
        {
            "agent": "anna",
            "level": 1,
            "figure": decision["agents"][0]["figure"],
            "other_queues": 0,
            "reason": None,
            "words": "level 1, idle for about 0 s, 0 other queues",
        }
    ]
    assert (decision["agent"], decision["kind"], decision["complete"]) == ("anna", "call", True)
    assert "0.0 s  Joined support" in shown["text"]


async def test_a_call_that_waits_says_what_for(node: Node) -> None:
    node.wait("c1")
    node.wait("c2")
    await node.settle()
    node.time.at += 12.0
    shown = (await get(node, "c2")).json()
    assert shown["complete"] is False
    assert shown["waits"]["ahead"] == 1
    assert shown["waits"]["agents"][0]["reason"] == "signed-out"
    assert shown["waits"]["text"].startswith(
        "Nobody works in support: 1 signed out. 1 call of support goes before it; "
        "it waits for 12 s."
    )
    assert shown["text"].splitlines()[-1].startswith("     now    Nobody works in support")


async def test_when_the_log_has_left_the_records_tell(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decided(node)
    whole = (await get(node, "c1")).json()
    monkeypatch.setattr(why, "_slowly", lambda *_: iter(()))
    shown = (await get(node, "c1")).json()
    assert shown["complete"] is False
    assert [step["text"] for step in shown["steps"]][2:] == [
        step["text"] for step in whole["steps"]
    ][2:]
    decision = shown["steps"][1]["decision"]
    assert decision["complete"] is False
    assert decision["excluded"] == whole["steps"][1]["decision"]["excluded"]
    assert [one["agent"] for one in decision["agents"]] == ["anna"]


async def test_records_that_are_away_are_done_without(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decided(node)

    async def away(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(why.DecisionStore, "of_call", away)
    assert (await get(node, "c1")).json()["complete"] is True


async def test_an_unknown_call_is_not_found(node: Node) -> None:
    await decided(node)
    assert (await get(node, "nobody")).status_code == 404


async def test_only_supervisors_may_ask(node: Node) -> None:
    await decided(node)
    for who, status in (("anna", 403), ("prometheus", 403), ("sveta", 200), ("own admin", 200)):
        assert (await get(node, "c1", who)).status_code == status


async def test_too_many_questions_at_once_are_refused(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decided(node)
    monkeypatch.setattr(why, "WAITING_MAX", 0)
    answer = await get(node, "c1")
    assert answer.status_code == 503
    assert "try again" in answer.json()["detail"]


async def test_who_calls_is_not_told(node: Node) -> None:
    floor = node.engine.floor
    floor.change(lambda now: floor.floor.enqueue("c1", "support", now, caller="+37120000001"))
    await node.settle()
    assert "37120000001" not in (await get(node, "c1")).text
    rows = await why.DecisionStore(node.engine.database).of_call("c1")
    assert rows
    assert all("37120000001" not in row.fact for row in rows)
