"""The floor's share of /metrics: queues and agents. What says "today" is since midnight in the
configured time zone. Labels name queues and what may happen in them, never a person or a call:
the agents' personal queues are one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import ceil
from typing import get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from api.day import start_of_day
from engine.engine import Engine
from queues.events import CallbackEnd, Presence, RaiseReason, VisitEnd
from queues.figures.reports import label_of
from queues.figures.tallies import WAIT_BUCKETS_S, Tally, WorkTally

VISIT_ENDS: dict[VisitEnd, str] = {
    "connected": "answered",
    "abandoned": "abandoned",
    "overflowed": "overflowed",
    "callback-requested": "callback_requested",
    "removed": "removed",
}
CALLBACK_ENDS: dict[CallbackEnd, str] = {
    "connected": "callbacks_connected",
    "abandoned": "callbacks_abandoned",
    "gave-up": "callbacks_gave_up",
    "expired": "callbacks_expired",
    "cancelled": "callbacks_cancelled",
}
QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def _names(engine: Engine) -> list[str]:
    """Queues as metrics name them: configured ones and those that were."""
    known = {label_of(name) for name in engine.statistics.totals}
    return sorted(known | {queue.name for queue in engine.settings.queues})


def queue_families(engine: Engine) -> Iterator[Metric]:
    """All families with the label ``queue``."""
    yield from _now(engine)
    yield from _today(engine)
    yield from _ever(engine)


def _now(engine: Engine) -> Iterator[Metric]:
    now = engine.clock.now()
    labels = ["queue"]
    waiting = GaugeMetricFamily(
        "offhook_waiting_calls", "Calls waiting in the queue.", labels=labels
    )
    longest = GaugeMetricFamily(
        "offhook_longest_wait_seconds", "Wait of the oldest call.", labels=labels
    )
    callbacks = GaugeMetricFamily(
        "offhook_waiting_callbacks", "Places that callbacks keep in the queue.", labels=labels
    )
    expected = GaugeMetricFamily(
        "offhook_expected_wait_seconds",
        "Wait of a caller who came now, in four cases of five between low and high; absent where "
        "nobody knows.",
        labels=["queue", "bound"],
    )
    configured = {queue.name for queue in engine.settings.queues}
    for name in _names(engine):
        live = engine.statistics.live_queue(now, name)
        waiting.add_metric([name], live.waiting)
        longest.add_metric([name], live.longest_wait_s)
        callbacks.add_metric([name], live.callbacks)
        estimate = engine.floor.expected(name) if name in configured else None
        if estimate is not None:
            expected.add_metric([name, "low"], estimate.low_s)
            expected.add_metric([name, "high"], estimate.high_s)
    yield from (waiting, longest, callbacks, expected)


def _today(engine: Engine) -> Iterator[Metric]:
    now = engine.clock.now()
    today = start_of_day(now, engine.settings.timezone)
    labels = ["queue"]
    level = GaugeMetricFamily(
        "offhook_service_level_ratio",
        "Service level of today's visits by definition; absent where there was none.",
        labels=["queue", "definition"],
    )
    asa = GaugeMetricFamily(
        "offhook_answer_speed_seconds",
        "Mean wait of today's answered calls (ASA); absent where there was none.",
        labels=labels,
    )
    abandoned = GaugeMetricFamily(
        "offhook_abandon_ratio",
        "Abandoned of today's visits; absent where there was none.",
        labels=labels,
    )
    handling = GaugeMetricFamily(
        "offhook_handle_seconds",
        "Mean talk, hold and wrap-up of today's calls (AHT); absent where there was none.",
        labels=labels,
    )
    for name in _names(engine):
        figures = engine.statistics.figures(now, queue=name, start=today)
        for definition, ratio in figures.service_levels.items():
            if ratio is not None:
                level.add_metric([name, definition], ratio)
        for family, value in (
            (asa, figures.asa_s),
            (abandoned, figures.abandon_rate),
            (handling, figures.aht_s),
        ):
            if value is not None:
                family.add_metric([name], value)
    yield from (level, asa, abandoned, handling)


def _ever(engine: Engine) -> Iterator[Metric]:
    labels = ["queue"]
    offered = CounterMetricFamily("offhook_offered", "Visits that began.", labels=labels)
    ended = CounterMetricFamily(
        "offhook_visits_ended", "Visits that ended, by how.", labels=["queue", "end"]
    )
    placed = CounterMetricFamily("offhook_callbacks", "Callbacks asked for.", labels=labels)
    called = CounterMetricFamily(
        "offhook_callbacks_ended", "Callbacks that ended, by how.", labels=["queue", "end"]
    )
    missed = CounterMetricFamily(
        "offhook_callback_attempts_missed", "Callers dialled in vain.", labels=labels
    )
    raised = CounterMetricFamily(
        "offhook_wait_raised",
        "Waits that grew after they were told, by reason.",
        labels=["queue", "reason"],
    )
    answer = HistogramMetricFamily(
        "offhook_answer_seconds", "Wait of answered calls.", labels=labels
    )
    for name in _names(engine):
        tally = _total(engine, name)
        offered.add_metric([name], tally.offered)
        placed.add_metric([name], tally.callbacks_placed)
        missed.add_metric([name], tally.callbacks_missed)
        for end, field in VISIT_ENDS.items():
            ended.add_metric([name, end], getattr(tally, field))
        for over, field in CALLBACK_ENDS.items():
            called.add_metric([name, over], getattr(tally, field))
        for reason in get_args(RaiseReason):
            raised.add_metric([name, reason], _raised(engine, name, reason))
        answer.add_metric([name], _buckets(tally), tally.answer_wait_s)
    yield from (offered, ended, placed, called, missed, raised, answer)


def _total(engine: Engine, name: str) -> Tally:
    total = Tally()
    for queue in engine.statistics.names_of(name):
        if queue in engine.statistics.totals:
            total.add(engine.statistics.totals[queue])
    return total


def _raised(engine: Engine, name: str, reason: RaiseReason) -> int:
    return sum(
        engine.statistics.raised[queue, reason] for queue in engine.statistics.names_of(name)
    )


def _buckets(tally: Tally) -> list[tuple[str, float]]:
    bounds = [str(bound) for bound in WAIT_BUCKETS_S] + ["+Inf"]
    return list(zip(bounds, accumulate(tally.waits), strict=True))


def agent_families(engine: Engine) -> Iterator[Metric]:
    """Agents as a whole; each one's figures are for the reports."""
    agents = GaugeMetricFamily("offhook_agents", "Agents by presence.", labels=["presence"])
    views = engine.floor.agents()
    for presence in get_args(Presence):
        agents.add_metric([presence], sum(view.presence == presence for view in views))
    yield agents
    workers = engine.statistics.worktime.workers
    yield GaugeMetricFamily(
        "offhook_agents_over_break_limit",
        "Agents whose break is longer than it may be.",
        sum(worker.over for worker in workers.values()),
    )
    yield CounterMetricFamily(
        "offhook_break_overruns",
        "Breaks that passed their limit.",
        engine.statistics.worktime.overruns,
    )
    yield from _occupancy(engine)


def _occupancy(engine: Engine) -> Iterator[Metric]:
    now = engine.clock.now()
    today = start_of_day(now, engine.settings.timezone)
    total = WorkTally()
    each = []
    for agent in engine.statistics.worktime.workers:
        work = engine.statistics.work(now, agent, start=today)
        total.add(work)
        if work.occupancy is not None:
            each.append(work.occupancy)
    each.sort()
    whole = GaugeMetricFamily(
        "offhook_occupancy_ratio",
        "Handling of handling and idle time, of all agents today; absent where there was none.",
    )
    spread = GaugeMetricFamily(
        "offhook_agent_occupancy_ratio",
        "The same of single agents: the least, quartiles and the greatest; absent where there "
        "was none.",
        labels=["quantile"],
    )
    if total.occupancy is not None:
        whole.add_metric([], total.occupancy)
    for quantile in QUARTILES if each else ():
        spread.add_metric([str(quantile)], each[max(0, ceil(quantile * len(each)) - 1)])
    yield from (whole, spread)
