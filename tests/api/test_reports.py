"""Reports: the figures of the live view and of the metrics, by step and as far back as kept."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.report_text import wants_csv
from queues.events import (
    AgentPresence,
    BreakOverrun,
    CallbackMissed,
    CallbackPlaced,
    CallQueued,
    OfferEnded,
    Presence,
    QueueVisitEnded,
)
from queues.figures.tallies import SERVICE_LEVELS, Tally, WorkTally
from router.events import CallConnected, CallTransferred
from tests.api.fakes import NOON, Node, start_node

DAY = 86_400.0


def presence(
    node: Node, at: float, agent: str, what: Presence, call: str = "", **more: Any
) -> None:
    node.fact(call, AgentPresence(agent, what, **more), at)


async def a_morning(node: Node, *, somebody_waits: bool = True) -> None:
    """Some calls with odd fractions of a second, a transfer, a break, a callback."""
    at = NOON - 7_200
    presence(node, at, "anna", "available")
    for number, waited_s in enumerate((3.0625, 19.9375, 20.0625, 44.5)):
        call, began = f"c{number}", at + 600 * number
        node.fact(call, CallQueued("support", 0, 5, began + 20), began)
        if number == 3:
            node.fact(call, QueueVisitEnded("support", "abandoned", waited_s), began + waited_s)
            continue
        node.fact(call, OfferEnded("anna", number, "support", "accepted"), began + waited_s)
        node.fact(call, QueueVisitEnded("support", "connected", waited_s), began + waited_s)
        presence(node, began + waited_s, "anna", "talking", call, queue="support")
        presence(node, began + 130.25, "anna", "wrap-up", call, queue="support")
        presence(node, began + 145.75, "anna", "available")
    presence(node, NOON - 4_000, "anna", "on-break", reason="lunch")
    node.fact("", BreakOverrun("anna", "lunch"), NOON - 3_700)
    presence(node, NOON - 3_500, "anna", "signed-out")
    node.fact("k", CallQueued("support", 0, 5, NOON), NOON - 3_000)
    node.fact("k", QueueVisitEnded("support", "callback-requested", 30.0), NOON - 2_970)
    node.fact(
        "k",
        CallbackPlaced("support", "+37120000001", 0, 5, NOON, 1, NOON - 3_000, NOON + 9_000),
        NOON - 2_970,
    )
    node.fact("k", CallbackMissed("support", 1, "busy", NOON), NOON - 2_000)
    if somebody_waits:
        node.fact("w", CallQueued("support", 0, 5, NOON - 80), NOON - 100)
    await node.settle()


async def test_live_view_report_and_metrics_are_one_computation(node: Node) -> None:
    await a_morning(node)
    async with node.client() as client:
        today = (await client.get("/queues/support")).json()["today"]
        whole_day = (await client.get("/reports/queues", params={"step": "day"})).json()
        quarters = (await client.get("/reports/queues")).json()["items"]
        text = (await client.get("/metrics")).text
    (line,) = (item for item in whole_day["items"] if item["queue"] == "support")
    assert {key: value for key, value in line.items() if key in today} == {
        key: value for key, value in today.items() if key != "since"
    }
    for name in ("offered", "answered", "answered_within", "abandoned", "waiting", "talk_s"):
        assert sum(item[name] for item in quarters) == today[name], name
    metrics: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("queue") == "support":
                labels = [v for k, v in sample.labels.items() if k != "queue"]
                metrics[sample.name, "".join(labels)] = sample.value
    for definition in SERVICE_LEVELS:
        told = metrics["offhook_service_level_ratio", definition]
        assert told == line["service_levels"][definition]
    assert metrics["offhook_answer_speed_seconds", ""] == line["asa_s"]
    assert metrics["offhook_abandon_ratio", ""] == line["abandon_rate"]
    assert metrics["offhook_handle_seconds", ""] == line["aht_s"]
    assert metrics["offhook_offered_total", ""] == line["offered"]
    assert metrics["offhook_visits_ended_total", "connected"] == line["answered"]
    assert metrics["offhook_waiting_callbacks", ""] == line["callbacks"]["waiting"] == 1
    assert line["callbacks"]["attempts_missed"] == 1


async def test_offered_is_all_that_became_of_it(node: Node) -> None:
    await a_morning(node)
    async with node.client() as client:
        items = (await client.get("/reports/queues", params={"step": "hour"})).json()["items"]
    for line in items:
        ends = ("answered", "abandoned", "overflowed", "callback_requested", "removed", "waiting")
        assert line["offered"] == sum(line[end] for end in ends)


async def test_an_agent_s_day(node: Node) -> None:
    await a_morning(node)
    async with node.client() as client:
        report = (await client.get("/reports/agents", params={"step": "day"})).json()
    (line,) = report["items"]
    assert (report["step"], report["timezone"]) == ("day", "UTC")
    assert line["agent"] == "anna"
    assert line["handled"] == 3
    talk_s = 3 * 130.25 - 3.0625 - 19.9375 - 20.0625
    assert (line["talk_s"], line["wrap_up_s"]) == (talk_s, 3 * 15.5)
    assert line["aht_s"] == (talk_s + 46.5) / 3
    assert line["seconds"]["on-break"] == 500.0
    assert (line["breaks"], line["break_overruns"]) == ({"lunch": 500.0}, 1)
    assert line["offers"] == {"accepted": 3}
    idle_s = 3_200.0 - talk_s - 46.5
    assert line["seconds"]["available"] == idle_s
    assert line["occupancy"] == (talk_s + 46.5) / 3_200.0


async def test_a_transfer_s_talk_is_whoever_s_who_talked(node: Node) -> None:
    at = NOON - 1_000
    for agent in ("anna", "boris"):
        presence(node, at, agent, "available")
    node.fact("c", CallQueued("support", 0, 5, at), at)
    node.fact("c", QueueVisitEnded("support", "connected", 10.0), at + 10)
    presence(node, at + 10, "anna", "talking", "c", queue="support")
    node.fact("c", CallConnected("c.2", "anna", "support", 10.0), at + 10)
    presence(node, at + 40, "boris", "talking")
    node.fact("c", CallTransferred("anna", "agent boris"), at + 50)
    node.fact("c", CallConnected("c.3", "boris"), at + 50)
    presence(node, at + 50, "anna", "available", "c")
    presence(node, at + 650, "boris", "available")
    await node.settle()
    async with node.client() as client:
        items = (await client.get("/reports/agents", params={"step": "day"})).json()["items"]
        (queue,) = (await client.get("/reports/queues", params={"step": "day"})).json()["items"]
    assert {item["agent"]: item["talk_s"] for item in items} == {"anna": 40.0, "boris": 600.0}
    assert (queue["answered"], queue["handled"], queue["talk_s"]) == (1, 1, 40.0)


async def test_what_memory_has_let_go_comes_from_the_database(node: Node) -> None:
    """Days are added up there; a day that memory holds in part is one day all the same."""
    await a_morning(node)
    store = node.engine.figures.store
    old = NOON - 7 * DAY
    tally = Tally(offered=4, answered=3, answered_within=2, answer_wait_s=30.5)
    work = WorkTally({"available": 500.0}, {"refused": 2}, {}, 0, 1, 60.0, 0.0, 5.0)
    rest = WorkTally({"on-break": 300.0}, {}, {"lunch": 300.0})
    await store.write(
        1,
        [("support", old, tally), ("support", old + 900, tally), ("gone", old, tally)],
        [("anna", old, work), ("anna", old + 900, rest)],
    )
    node.engine.statistics.visits.ledger.first = NOON - 2 * DAY
    span = {"from": "2026-11-14T00:00:00Z", "step": "day"}
    async with node.client() as client:
        days = (await client.get("/reports/queues", params=span)).json()["items"]
        span["step"] = "15min"
        span["to"] = "2026-11-15T00:00:00Z"
        quarters = (await client.get("/reports/queues", params=span)).json()["items"]
        one = (await client.get("/reports/queues", params={**span, "queue": "gone"})).json()
        span["step"] = "hour"
        (agents,) = (await client.get("/reports/agents", params=span)).json()["items"]
    assert [(day["start"][:10], day["queue"], day["offered"]) for day in days] == [
        ("2026-11-14", "gone", 4),
        ("2026-11-14", "support", 8),
        ("2026-11-21", "support", 6),
    ]
    assert days[1]["service_levels"]["strict"] == 0.5
    assert days[1]["asa_s"] == 61.0 / 6
    assert [(line["start"][11:16], line["queue"]) for line in quarters] == [
        ("12:00", "gone"),
        ("12:00", "support"),
        ("12:15", "support"),
    ]
    assert [line["queue"] for line in one["items"]] == ["gone"]
    assert agents["seconds"] == {"available": 500.0, "on-break": 300.0}
    assert (agents["breaks"], agents["offers"]) == ({"lunch": 300.0}, {"refused": 2})


async def test_a_restart_changes_no_figure(node: Node, tmp_path: Path, schema: Path) -> None:
    """roramirez/qpanel#113: nothing is reset."""
    await a_morning(node, somebody_waits=False)
    routes = ("/reports/queues", "/reports/queues?step=day", "/reports/agents")
    async with node.client() as client:
        before = [(await client.get(route)).json() for route in routes]
        counted = counters((await client.get("/metrics")).text)
    await node.engine.stop()
    again = await start_node(tmp_path, schema)
    try:
        async with again.client() as client:
            assert [(await client.get(route)).json() for route in routes] == before
            assert counters((await client.get("/metrics")).text) == counted
    finally:
        await again.engine.stop()


def counters(text: str) -> dict[str, float]:
    return {
        f"{sample.name}{sample.labels}": sample.value
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram") and "media" not in family.name
        for sample in family.samples
    }


async def test_personal_queues_of_the_past(node: Node) -> None:
    store = node.engine.figures.store
    old = NOON - 7 * DAY
    rows = [("@anna", old, Tally(offered=1)), ("@boris", old, Tally(offered=2))]
    await store.write(1, rows, [])
    node.engine.statistics.visits.ledger.first = NOON - 2 * DAY
    told: dict[str, list[tuple[str, int]]] = {}
    for who in ("sveta", "anna"):
        for step in ("day", "hour"):
            async with node.client(who) as client:
                asked = {"from": "2026-11-14T00:00:00Z", "step": step}
                items = (await client.get("/reports/queues", params=asked)).json()["items"]
            told[who] = [(line["queue"], line["offered"]) for line in items]
            assert told[who] == ([("(personal)", 3)] if who == "sveta" else [("@anna", 1)])


async def test_csv_by_accept_and_by_parameter(node: Node) -> None:
    await a_morning(node)
    async with node.client() as client:
        by_parameter = await client.get("/reports/queues", params={"format": "csv", "step": "day"})
        by_accept = await client.get(
            "/reports/queues", params={"step": "day"}, headers={"Accept": "text/csv"}
        )
        (line,) = (await client.get("/reports/queues", params={"step": "day"})).json()["items"]
        agents = await client.get("/reports/agents", params={"format": "csv", "step": "day"})
        empty = await client.get("/reports/queues", params={"format": "csv", "queue": "sales"})
    assert by_parameter.headers["content-type"].startswith("text/csv")
    assert by_parameter.text == by_accept.text
    (row,) = csv.DictReader(io.StringIO(by_parameter.text))
    assert list(row)[:4] == ["start", "end", "queue", "offered"]
    assert row["service_levels.genesys+overflow"] == str(line["service_levels"]["genesys+overflow"])
    assert float(row["asa_s"]) == line["asa_s"]
    assert row["callbacks.placed"] == "1"
    (work,) = csv.DictReader(io.StringIO(agents.text))
    assert work["breaks.lunch"] == "500.0"
    assert empty.text.splitlines()[0].startswith("start,end,queue,offered")
    assert len(empty.text.splitlines()) == 1


@pytest.mark.parametrize(
    ("accept", "csv_wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/csv", True),
        ("text/*", True),
        ("application/json, text/csv", False),
        ("application/json;q=0.5, text/csv", True),
        ("text/csv;q=0.5, */*", False),
        ("text/csv;q=oops", False),
    ],
)
def test_what_accept_asks_for(accept: str, csv_wanted: bool) -> None:
    assert wants_csv(accept) == csv_wanted


async def test_personal_queues_are_one(node: Node) -> None:
    for agent in ("anna", "boris"):
        node.fact(agent, CallQueued(f"@{agent}", 0, 5, NOON), NOON - 50)
    await node.settle()
    async with node.client() as client:
        (line,) = (await client.get("/reports/queues")).json()["items"]
        both = (await client.get("/reports/queues", params={"queue": "(personal)"})).json()
        (one,) = (await client.get("/reports/queues", params={"queue": "@anna"})).json()["items"]
        listed = [queue["name"] for queue in (await client.get("/queues")).json()["items"]]
        text = (await client.get("/metrics")).text
    assert (line["queue"], line["offered"], line["waiting"]) == ("(personal)", 2, 2)
    assert both["items"] == [line]
    assert (one["queue"], one["offered"]) == ("@anna", 1)
    assert listed == ["support", "sales", "@anna", "@boris"]
    assert 'offhook_waiting_calls{queue="(personal)"} 2.0' in text
    assert "anna" not in text
    async with node.client("anna") as client:
        assert [q["name"] for q in (await client.get("/queues")).json()["items"]] == [
            "support",
            "@anna",
        ]
    async with node.client("prometheus") as client:
        assert [q["name"] for q in (await client.get("/queues")).json()["items"]] == [
            "support",
            "sales",
        ]


async def test_who_may_see_what(node: Node) -> None:
    await a_morning(node)
    node.fact("s", CallQueued("sales", 0, 3, NOON), NOON - 50)
    presence(node, NOON - 50, "boris", "available")
    await node.settle()
    async with node.client("boris") as client:
        queues = (await client.get("/reports/queues")).json()["items"]
        assert {line["queue"] for line in queues} == {"sales"}
        assert (await client.get("/reports/queues?queue=support")).status_code == 404
        assert (await client.get("/reports/queues?queue=@anna")).status_code == 404
        agents = (await client.get("/reports/agents")).json()["items"]
        assert {line["agent"] for line in agents} == {"boris"}
        assert (await client.get("/reports/agents?agent=anna")).status_code == 404
    async with node.client("prometheus") as client:
        assert (await client.get("/reports/queues")).status_code == 200
        assert (await client.get("/reports/queues?queue=@anna")).status_code == 403
        assert (await client.get("/reports/queues?queue=(personal)")).status_code == 200
        assert (await client.get("/reports/agents")).status_code == 403
    async with node.client(None) as client:
        assert (await client.get("/reports/queues")).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": "week"},
        {"from": "yesterday"},
        {"from": "2026-11-21T10:00:00"},
        {"from": "2026-11-22T00:00:00Z"},
        {"from": "1999-01-01T00:00:00Z"},
        {"from": "2026-11-01T00:00:00Z", "to": "9999-12-31T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z"},
        {"queue": "No Where"},
        {"queue": "@"},
        {"since": "2026-11-21T10:00:00Z"},
        {"format": "xml"},
    ],
)
async def test_what_does_not_fit(node: Node, wrong: dict[str, str]) -> None:
    async with node.client() as client:
        assert (await client.get("/reports/queues", params=wrong)).status_code == 422


async def test_a_name_that_nobody_knows_is_told_with_those_there_are(node: Node) -> None:
    await a_morning(node)
    old = NOON - 7 * DAY
    tally, work = Tally(offered=4), WorkTally({"available": 5.0})
    await node.engine.figures.store.write(1, [("gone", old, tally)], [("zoe", old, work)])
    wrong = {
        "queues?queue=suport": ("queue", "there is no queue 'suport'; did you mean 'support'?"),
        "queues?queue=@nobody": ("queue", "there is no queue '@nobody'; known: @anna, @boris"),
        "agents?agent=ana": ("agent", "there is no agent 'ana'; did you mean 'anna'? known: anna"),
    }
    async with node.client() as client:
        for route, (field, problem) in wrong.items():
            found = await client.get(f"/reports/{route}")
            assert found.status_code == 422
            (told,) = found.json()["errors"]
            assert told["field"] == field
            assert told["problem"].startswith(problem)
        for route in ("queues?queue=gone", "queues?queue=(personal)", "agents?agent=zoe"):
            found = await client.get(f"/reports/{route}")
            assert (found.status_code, found.json()["items"]) == (200, []), route
    async with node.client("prometheus") as client:
        assert (
            "known: (personal), sales, support"
            in (await client.get("/reports/queues?queue=x")).text
        )


async def test_a_report_that_needs_a_database_that_is_away(node: Node) -> None:
    await a_morning(node)
    node.engine.statistics.visits.ledger.first = NOON - DAY
    await node.engine.database.dispose()
    node.engine.figures.store._engine = _Broken()  # type: ignore[assignment]
    async with node.client() as client:
        past = {"from": "2026-11-01T00:00:00Z", "step": "day"}
        assert (await client.get("/reports/queues", params=past)).status_code == 503
        assert (await client.get("/reports/queues")).status_code == 200


class _Broken:
    """A database that nobody reaches."""

    def connect(self) -> Any:
        raise ConnectionRefusedError
