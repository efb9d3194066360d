"""The figures of webhooks, by the endpoint's name in the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.engine import Engine


def webhook_families(engine: Engine) -> Iterator[Metric]:
    """What was sent, what failed, what waits."""
    labels = ["endpoint"]
    sent = CounterMetricFamily(
        "offhook_webhooks_sent", "Messages taken, since the engine's start.", labels=labels
    )
    failed = CounterMetricFamily(
        "offhook_webhooks_failed", "Attempts that failed, since the engine's start.", labels=labels
    )
    given_up = CounterMetricFamily(
        "offhook_webhooks_given_up", "Messages given up, since the engine's start.", labels=labels
    )
    backlog = GaugeMetricFamily("offhook_webhooks_backlog", "Messages that wait.", labels=labels)
    kept = GaugeMetricFamily(
        "offhook_webhooks_given_up_kept",
        "Messages that were given up and can be sent again.",
        labels=labels,
    )
    up = GaugeMetricFamily("offhook_webhooks_up", "0 while attempts fail.", labels=labels)
    for name, deliverer in sorted(engine.webhooks.deliverers.items()):
        figures, lane = deliverer.figures, deliverer.lane
        sent.add_metric([name], figures.sent)
        failed.add_metric([name], figures.failed)
        given_up.add_metric([name], figures.given_up)
        backlog.add_metric([name], figures.backlog)
        kept.add_metric([name], figures.kept)
        up.add_metric([name], not (lane.problem or lane.gone))
    yield from (sent, failed, given_up, backlog, kept, up)
