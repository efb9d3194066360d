"""/metrics as Prometheus reads it."""

from __future__ import annotations

import re
from typing import get_args

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from queues.events import Presence
from queues.tallies import SERVICE_LEVELS, WAIT_BUCKETS_S
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
