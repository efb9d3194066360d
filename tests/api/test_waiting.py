"""What a supervisor changes about those who wait, and the places of callbacks."""

from __future__ import annotations

import pytest

from config.queueing import BreakReason, Floor, QueueSettings
from config.settings import Settings
from engine.sounds import Sounds
from queues.events import CallChanged, CallQueued
from tests.api.fakes import Node


@pytest.fixture
def two(node: Node) -> Node:
    """Two wait in support, nobody is there."""
    node.wait("c1")
    node.time.at += 1.0
    node.wait("c2")
    return node


async def test_a_supervisor_lifts_a_waiting_call(two: Node) -> None:
    async with two.client() as client:
        before = (await client.get("/calls/c2/place")).json()
        after = (await client.patch("/calls/c2/place", json={"priority": 10})).json()
    assert (before["position"], after["position"]) == (2, 1)
    assert after["origin"] == before["origin"], "the time waited stays"
    (changed,) = two.journaled("CallChanged")
    assert isinstance(changed.event, CallChanged)
    assert (changed.event.priority, changed.event.by) == (10, "sveta")


async def test_other_skills_change_who_may_answer(two: Node) -> None:
    two.engine.floor.set_reachable("anna")
    async with two.client() as client:
        shown = (await client.patch("/calls/c1/place", json={"skills": {"lv": 1}})).json()
        assert shown["skills"] == {"lv": 1}
        await client.post("/agents/anna/presence", json={"presence": "available"})
        places = [(await client.get(f"/calls/{call}/place")).json() for call in ("c1", "c2")]
    assert [place["offered_to"] for place in places] == [[], ["anna"]]


async def test_a_call_is_moved_with_the_time_it_waited(two: Node) -> None:
    two.time.at += 30.0
    async with two.client() as client:
        before = (await client.get("/calls/c1/place")).json()
        after = (await client.post("/calls/c1/move", json={"queue": "sales"})).json()
    assert (after["queue"], after["position"]) == ("sales", 1)
    assert after["origin"] == before["origin"]
    queued = [entry.event for entry in two.journaled("CallQueued") if entry.call == "c1"]
    assert isinstance(queued[-1], CallQueued)
    assert queued[-1].queue == "sales"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "/calls/c9/place", {"priority": 1}, 404),
        ("PATCH", "/calls/c1/place", {"priority": 1000}, 422),
        ("PATCH", "/calls/c1/place", {"rank": 0}, 422),
        ("PATCH", "/calls/c1/place", {"skills": {"lv": 0}}, 422),
        ("POST", "/calls/c1/move", {"queue": "nowhere"}, 422),
        ("POST", "/calls/c9/move", {"queue": "sales"}, 404),
        ("DELETE", "/callbacks/c1", None, 404),
    ],
)
async def test_what_cannot_be_done_is_told(
    two: Node, method: str, path: str, body: object, status: int
) -> None:
    async with two.client() as client:
        answer = await client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_callbacks_are_listed_and_given_up(two: Node) -> None:
    floor = two.engine.floor
    floor.change(
        lambda now: floor.floor.request_callback("c1", "support", now, number="+37120000001")
    )
    async with two.client() as client:
        (place,) = (await client.get("/callbacks")).json()["items"]
        assert (place["call"], place["kind"], place["position"]) == ("c1", "callback", 1)
        gone = (await client.delete("/callbacks/c1")).json()
        assert gone["call"] == "c1"
        assert (await client.get("/callbacks")).json()["items"] == []
    (ended,) = two.journaled("CallbackEnded")
    assert ended.event.end == "cancelled"  # type: ignore[attr-defined]


async def test_breaks_are_those_of_the_configuration(node: Node) -> None:
    settings: Settings = node.engine.settings
    breaks = (BreakReason(name="lunch", limit_s=1800, agents_max=1), BreakReason(name="training"))
    changed = settings.model_copy(update={"floor": Floor(breaks=breaks)})
    node.engine.settings = changed
    node.engine.floor.reload(changed, Sounds())
    async with node.client() as client:
        listed = (await client.get("/breaks")).json()["items"]
        assert [item["reason"] for item in listed] == ["lunch", "training"]
        for agent in ("anna", "boris"):
            await client.post(f"/agents/{agent}/presence", json={"presence": "available"})
        wish = {"presence": "on-break", "reason": "lunch"}
        shown = (await client.post("/agents/anna/presence", json=wish)).json()
        assert shown["break_until"] is not None
        full = await client.post("/agents/boris/presence", json=wish)
        unknown = await client.post(
            "/agents/boris/presence", json={"presence": "on-break", "reason": "fishing"}
        )
    assert (full.status_code, unknown.status_code) == (409, 409)
    assert "lunch" in full.json()["detail"]
    assert "training" in unknown.json()["detail"], "the breaks there are"


async def test_wrap_up_is_extended_up_to_the_queue_s_limit(node: Node) -> None:
    settings: Settings = node.engine.settings
    queues = tuple(
        QueueSettings(**{**queue.model_dump(), "wrap_up_s": 10.0, "wrap_up_max_s": 60.0})
        for queue in settings.queues
    )
    node.engine.floor.reload(settings.model_copy(update={"queues": queues}), Sounds())
    node.talking("anna", "c9")
    node.engine.floor.change(lambda now: node.engine.floor.floor.finished("anna", now))
    async with node.client("anna") as client:
        first = (await client.get("/agents/anna")).json()["wrap_up_until"]
        longer = (await client.post("/agents/anna/wrap-up/extend", json={"seconds": 20})).json()
        most = (await client.post("/agents/anna/wrap-up/extend", json={"seconds": 3600})).json()
    assert first < longer["wrap_up_until"] < most["wrap_up_until"]
    (view,) = [view for view in node.engine.floor.agents() if view.agent == "anna"]
    assert view.until == pytest.approx(view.since + 60.0)
