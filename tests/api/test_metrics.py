"""/metrics as Prometheus reads it."""

from __future__ import annotations

import re
from typing import get_args

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from queues.events import (
    AgentPresence,
    BreakOverrun,
    CallbackEnd,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    Presence,
    RaiseReason,
    VisitEnd,
    WaitRaised,
)
from queues.figures.tallies import SERVICE_LEVELS, WAIT_BUCKETS_S
from router.events import Outcome
from tests.api.fakes import Node

UNITS = ("seconds", "bytes", "ratio", "entries", "packets", "calls")


async def families(node: Node) -> dict[str, Metric]:
    async with node.client("prometheus") as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def values(family: Metric, label: str) -> dict[str, float]:
    return {sample.labels[label]: sample.value for sample in family.samples}


async def test_every_outcome_is_there_from_the_start(node: Node) -> None:
    found = await families(node)
    assert values(found["offhook_calls"], "outcome") == dict.fromkeys(get_args(Outcome), 0.0)
    assert values(found["offhook_agents"], "presence") == {
        presence: 2.0 if presence == "signed-out" else 0.0 for presence in get_args(Presence)
    }
    assert values(found["offhook_waiting_calls"], "queue") == {"sales": 0.0, "support": 0.0}


async def test_calls_are_folded_from_the_log(node: Node) -> None:
    await node.past_call("c1")
    await node.past_call("c2", outcome="missed", waited_s=30.0)
    found = await families(node)
    counted = values(found["offhook_calls"], "outcome")
    assert (counted["answered"], counted["missed"], sum(counted.values())) == (1.0, 1.0, 2.0)
    levels = {
        sample.labels["definition"]: sample.value
        for sample in found["offhook_service_level_ratio"].samples
        if sample.labels["queue"] == "support"
    }
    assert list(levels) == list(SERVICE_LEVELS)
    assert levels["strict"] == 0.5


async def test_the_answer_time_is_a_histogram(node: Node) -> None:
    for number, waited_s in enumerate((0.5, 4.0, 700.0)):
        await node.past_call(f"c{number}", waited_s=waited_s)
    family = (await families(node))["offhook_answer_seconds"]
    mine = [sample for sample in family.samples if sample.labels["queue"] == "support"]
    buckets = [sample for sample in mine if sample.name.endswith("_bucket")]
    counts = [sample.value for sample in buckets]
    assert [sample.labels["le"] for sample in buckets] == [*map(str, WAIT_BUCKETS_S), "+Inf"]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[2] == 2
    assert counts[-2:] == [2, 3]
    assert {s.name[23:]: s.value for s in mine if "bucket" not in s.name} == {
        "count": 3,
        "sum": 704.5,
    }


async def test_who_waits_now(node: Node) -> None:
    node.live_call("c1", "waiting", agent="")
    node.wait("c1")
    await node.settle()
    node.time.at += 42
    found = await families(node)
    assert values(found["offhook_waiting_calls"], "queue")["support"] == 1.0
    assert values(found["offhook_longest_wait_seconds"], "queue")["support"] == 42.0
    assert values(found["offhook_live_calls"], "phase")["waiting"] == 1.0


async def test_the_parts(node: Node) -> None:
    found = await families(node)
    for name, value in (
        ("offhook_rtp_packets_received", 1000.0),
        ("offhook_rtp_packets_lost", 7.0),
        ("offhook_media_sessions", 3.0),
        ("offhook_media_ports_free", 40.0),
        ("offhook_media_loop_lag_seconds", 0.002),
        ("offhook_media_worker_up", 1.0),
    ):
        assert values(found[name], "worker") == {"media-0": value}
    assert values(found["offhook_journal_reader_lag_entries"], "reader").keys() == {
        "figures",
        "records",
        "recordings",
        "state",
    }
    assert found["offhook_build_info"].samples[0].labels == {"version": "1.2.3"}
    for name in (
        "registrations",
        "sip_dialogs",
        "sip_transactions",
        "event_loop_lag_seconds",
        "journal_bytes",
        "journal_last_fsync_seconds",
    ):
        assert len(found[f"offhook_{name}"].samples) == 1


async def test_a_worker_that_is_away_is_down_and_has_no_gauges(node: Node) -> None:
    del node.engine.workers.clients["media-0"]
    found = await families(node)
    assert found["offhook_media_sessions"].samples == []


async def test_names_by_convention_and_no_person_in_them(node: Node) -> None:
    await node.past_call("c1", caller="+37120000001")
    node.live_call("c2")
    async with node.client("prometheus") as client:
        text = (await client.get("/metrics")).text
    assert not re.search(r"3712000|anna|boris|\bc[12]\b", text)
    for family in text_string_to_metric_families(text):
        assert re.fullmatch(r"offhook_[a-z_]+", family.name)
        assert family.documentation.endswith(".") or "absent" in family.documentation
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        else:
            assert not family.name.endswith("_total")


async def test_reading_twice_counts_nothing(node: Node) -> None:
    await node.past_call("c1")
    first = await families(node)
    second = await families(node)
    assert {n: f.samples for n, f in first.items()} == {n: f.samples for n, f in second.items()}


async def test_open_where_the_configuration_says_so(node: Node) -> None:
    engine = node.engine
    async with node.client(None) as client:
        assert (await client.get("/metrics")).status_code == 401
        api = engine.settings.api.model_copy(update={"metrics_public": True})
        engine.settings = engine.settings.model_copy(update={"api": api})
        assert (await client.get("/metrics")).status_code == 200


def test_two_engines_do_not_share_a_registry(node: Node) -> None:
    create_app(node.engine)
    create_app(node.engine)


async def test_the_floor_by_queue(node: Node) -> None:
    at = node.time.at
    node.fact("k", CallbackPlaced("support", "+37120000001", 0, 5, at, 1, at, at + 900), at - 80)
    node.fact("k", CallbackMissed("support", 1, "busy", at), at - 70)
    node.fact("l", CallbackPlaced("support", "+37120000001", 0, 5, at, 2, at, at + 900), at - 60)
    node.fact("l", CallbackEnded("support", "gave-up", 3), at - 50)
    node.fact("w", WaitRaised("support", "agent-left", 5.0, 10.0), at - 40)
    await node.past_call("c1", waited_s=6.5)
    await node.past_call("c2", outcome="missed", waited_s=30.0)
    found = await families(node)

    def told(name: str) -> dict[tuple[str, ...], float]:
        return {
            tuple(value for label, value in sample.labels.items() if label != "queue"): sample.value
            for sample in found[f"offhook_{name}"].samples
            if sample.labels["queue"] == "support"
        }

    assert told("answer_speed_seconds") == {(): 6.5}
    assert told("abandon_ratio") == {(): 0.5}
    assert told("offered") == {(): 2.0}
    ended = told("visits_ended")
    assert ended.keys() == {(end,) for end in get_args(VisitEnd)}
    assert (ended[("connected",)], ended[("abandoned",)], sum(ended.values())) == (1.0, 1.0, 2.0)
    assert told("waiting_callbacks") == {(): 1.0}
    assert told("callbacks") == {(): 2.0}
    assert told("callback_attempts_missed") == {(): 1.0}
    over = told("callbacks_ended")
    assert over.keys() == {(end,) for end in get_args(CallbackEnd)}
    assert (over[("gave-up",)], sum(over.values())) == (1.0, 1.0)
    raised = told("wait_raised")
    assert raised == {
        (reason,): 1.0 if reason == "agent-left" else 0.0 for reason in get_args(RaiseReason)
    }
    assert told("expected_wait_seconds") == {}, "nobody is on duty"


async def test_the_expected_wait_is_told_while_somebody_works(node: Node) -> None:
    node.talking("anna", "c1")
    await node.settle()
    family = (await families(node))["offhook_expected_wait_seconds"]
    told = {s.labels["bound"]: s.value for s in family.samples if s.labels["queue"] == "support"}
    assert 0.0 <= told["low"] <= told["high"]


async def test_agents_as_a_whole(node: Node) -> None:
    at = node.time.at
    for agent, talked_s in (("anna", 300.0), ("boris", 100.0)):
        node.fact("", AgentPresence(agent, "available"), at - 1_000)
        node.fact(agent, AgentPresence(agent, "talking", queue="support"), at - 800)
        node.fact(agent, AgentPresence(agent, "available"), at - 800 + talked_s)
        node.fact("", AgentPresence(agent, "on-break", "lunch"), at - 400)
    node.fact("", BreakOverrun("anna", "lunch"), at - 100)
    await node.settle()
    found = await families(node)
    assert found["offhook_occupancy_ratio"].samples[0].value == 400 / 1_200
    spread = values(found["offhook_agent_occupancy_ratio"], "quantile")
    assert spread == {
        "0.0": 100 / 600,
        "0.25": 100 / 600,
        "0.5": 100 / 600,
        "0.75": 300 / 600,
        "1.0": 300 / 600,
    }
    assert found["offhook_break_overruns"].samples[0].value == 1.0
    assert found["offhook_agents_over_break_limit"].samples[0].value == 1.0
