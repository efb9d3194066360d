"""/metrics: figures folded from the log and gauges of the parts, in Prometheus' words.

Nothing is counted here. Labels name queues, outcomes, workers and readers: no person, no call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import get_args

from fastapi import APIRouter, Depends, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from api.access import TheEngine, figures_reader
from api.errors import declared
from api.floor_metrics import agent_families, queue_families
from api.store_metrics import (
    journal_families,
    reader_families,
    recording_families,
    refusal_families,
)
from api.webhook_metrics import webhook_families
from engine.engine import Engine
from router.call import PHASES
from router.events import Outcome

router = APIRouter(tags=["metrics"])

TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}


class Figures(Collector):
    """All metric families of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> list[Metric]:
        """Nothing beforehand: registering must not ask the engine."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._calls()
        yield from self._queues()
        yield from self._people()
        yield from self._media()
        yield from self._journal()
        yield from self._node()

    def _calls(self) -> Iterator[Metric]:
        ended = CounterMetricFamily("offhook_calls", "Calls that ended.", labels=["outcome"])
        for outcome in get_args(Outcome):
            ended.add_metric([outcome], self._engine.statistics.outcomes[outcome])
        yield ended
        live = GaugeMetricFamily("offhook_live_calls", "Calls in progress.", labels=["phase"])
        calls = [call for call in self._engine.turns.calls.values() if not call.internal]
        for phase in PHASES:
            live.add_metric([phase], sum(call.phase == phase for call in calls))
        yield live

    def _queues(self) -> Iterator[Metric]:
        yield from queue_families(self._engine)

    def _people(self) -> Iterator[Metric]:
        yield from agent_families(self._engine)
        sip = self._engine.phone.figures()
        yield GaugeMetricFamily("offhook_registrations", "Registered phones.", sip["registrations"])
        yield GaugeMetricFamily("offhook_sip_dialogs", "SIP dialogs.", sip["dialogs"])
        yield GaugeMetricFamily(
            "offhook_sip_transactions", "SIP transactions.", sip["transactions"]
        )

    def _media(self) -> Iterator[Metric]:
        labels = ["worker"]
        received = CounterMetricFamily(
            "offhook_rtp_packets_received", "RTP packets received.", labels=labels
        )
        sent = CounterMetricFamily("offhook_rtp_packets_sent", "RTP packets sent.", labels=labels)
        lost = CounterMetricFamily(
            "offhook_rtp_packets_lost", "RTP packets that did not arrive.", labels=labels
        )
        cpu = CounterMetricFamily(
            "offhook_media_cpu_seconds", "CPU time of the media worker.", labels=labels
        )
        sessions = GaugeMetricFamily("offhook_media_sessions", "Media sessions.", labels=labels)
        free = GaugeMetricFamily("offhook_media_ports_free", "RTP ports left.", labels=labels)
        lag = GaugeMetricFamily(
            "offhook_media_loop_lag_seconds", "Latest worst lag of the worker.", labels=labels
        )
        up = GaugeMetricFamily("offhook_media_worker_up", "1 while connected.", labels=labels)
        workers = self._engine.workers
        for name in sorted({*workers.names, *workers.clients}):
            up.add_metric([name], name in workers.clients)
            figures = workers.figures.get(name)
            if figures is None or name not in workers.clients:
                continue
            received.add_metric([name], figures.received)
            sent.add_metric([name], figures.sent)
            lost.add_metric([name], figures.lost)
            cpu.add_metric([name], figures.cpu_s)
            sessions.add_metric([name], figures.sessions)
            free.add_metric([name], figures.ports_free)
            lag.add_metric([name], figures.loop_lag_ms_max / 1000)
        yield from (up, received, sent, lost, cpu, sessions, free, lag)

    def _journal(self) -> Iterator[Metric]:
        yield from journal_families(self._engine)
        yield from reader_families(self._engine)
        yield from recording_families(self._engine)
        yield from refusal_families(self._engine)
        yield from webhook_families(self._engine)

    def _node(self) -> Iterator[Metric]:
        engine = self._engine
        yield GaugeMetricFamily(
            "offhook_event_loop_lag_seconds",
            "Worst lag of the engine's loop since the last scrape.",
            engine.liveness.take_max(),
        )
        yield GaugeMetricFamily(
            "offhook_engine_start_time_seconds", "Start of the engine, unix.", engine.started_at
        )
        yield GaugeMetricFamily(
            "offhook_engine_generation", "Starts of this node's engine.", engine.journal.generation
        )
        yield GaugeMetricFamily(
            "offhook_tasks", "asyncio tasks of the engine.", len(asyncio.all_tasks())
        )
        build = GaugeMetricFamily("offhook_build_info", "The version.", labels=["version"])
        build.add_metric([engine.version], 1)
        yield build


def registry_of(engine: Engine) -> CollectorRegistry:
    """A registry of our own: the default one would add what this process is, not Offhook."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(engine))
    return registry


@router.get(
    "/metrics",
    dependencies=[Depends(figures_reader)],
    response_class=Response,
    response_model=None,
    responses={**declared(), 200: {"description": "Prometheus text format", **TEXT}},
)
async def get_metrics(engine: TheEngine) -> Response:
    """All figures, for Prometheus."""
    return Response(generate_latest(registry_of(engine)), media_type=CONTENT_TYPE_PLAIN_0_0_4)
