"""The figures of what the engine writes to: the journal, its readers' stores, recordings."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.engine import Engine
from engine.stores import trouble


def journal_families(engine: Engine) -> Iterator[Metric]:
    """The log itself: its room on disk, and what waits for that."""
    figures = engine.journal.figures
    for name, text, value in (
        ("bytes", "Bytes on disk.", figures.bytes_on_disk),
        ("bytes_max", "Bytes at which no new calls are taken.", figures.bytes_max),
        ("segments", "Files on disk.", figures.segments),
        ("last_fsync_seconds", "Duration of the latest fsync.", figures.last_sync_s),
        ("pending_entries", "Entries not on disk yet.", figures.pending),
        ("full", "1 while no new calls are taken for want of room.", figures.full),
        ("disk_full", "1 while the disk has room for calls in progress only.", figures.short),
        ("failing", "1 while the disk takes nothing.", bool(figures.failed)),
    ):
        yield GaugeMetricFamily(f"offhook_journal_{name}", text, value)
    yield GaugeMetricFamily(
        "offhook_effects_waiting_for_disk",
        "Effects that are held back until their facts are on disk.",
        engine.turns.waiting_for_disk,
    )


def reader_families(engine: Engine) -> Iterator[Metric]:
    """Who is behind, by how much, and why."""
    lag = GaugeMetricFamily(
        "offhook_journal_reader_lag_entries",
        "Entries that a reader does not have yet.",
        labels=["reader"],
    )
    stuck = GaugeMetricFamily(
        "offhook_journal_reader_stuck_seconds",
        "Time since a reader with something to take took anything.",
        labels=["reader"],
    )
    up = GaugeMetricFamily(
        "offhook_journal_reader_up", "0 while a reader's store takes nothing.", labels=["reader"]
    )
    why = GaugeMetricFamily(
        "offhook_journal_reader_trouble",
        "1 for a reader whose store takes nothing, and why.",
        labels=["reader", "why"],
    )
    for name, reader in sorted(engine.journal.figures.readers.items()):
        cause = trouble(reader)
        lag.add_metric([name], reader.lag)
        stuck.add_metric([name], reader.stuck_s)
        up.add_metric([name], not cause)
        if cause:
            why.add_metric([name, cause], 1)
    yield from (lag, stuck, up, why)


def recording_families(engine: Engine) -> Iterator[Metric]:
    """Recordings that are not there, or not whole."""
    failed = CounterMetricFamily(
        "offhook_recordings_failed",
        "Recordings that are missing or not whole, since the engine's start.",
        labels=["why"],
    )
    for cause, count in engine.recordings_failed.items():
        failed.add_metric([cause], count)
    yield failed


def refusal_families(engine: Engine) -> Iterator[Metric]:
    """New calls that were turned away at once."""
    refused = CounterMetricFamily(
        "offhook_calls_turned_away",
        "INVITEs answered 503 with Retry-After, since the engine's start.",
        labels=["why"],
    )
    for cause, count in engine.arrivals.capacity.refused.items():
        refused.add_metric([cause], count)
    yield refused
