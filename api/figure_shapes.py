"""Figures as the API shows them: the live view and the reports in the same words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from api.shapes import Shape, instant
from queues.figures.reports import AgentLine, QueueLine
from queues.figures.tallies import Figures


class Callbacks(Shape):
    """The places that callbacks keep, counted apart from visits: how many were placed, wait
    still, and ended how; ``attempts_missed`` counts how often a caller was dialled in vain."""

    placed: int
    waiting: int
    attempts_missed: int
    connected: int
    abandoned: int
    gave_up: int
    expired: int
    cancelled: int


class QueueSums(Shape):
    """Visits by their end: offered = answered + abandoned (short ones included) + overflowed +
    callback_requested + removed + waiting. Shares 0..1, null for nothing of nothing.
    ``service_level`` is the headline one of ``service_levels``; who still waits within the
    target (``undecided``) is in none of them. ``longest_wait_s`` is the
    longest of visits that are over, and of those who still wait until now."""

    offered: int
    answered: int
    answered_within: int
    abandoned: int
    abandoned_within: int
    short_abandoned: int
    callback_requested: int
    overflowed: int
    removed: int
    waiting: int
    undecided: int
    longest_wait_s: float
    asa_s: float | None
    abandon_rate: float | None
    service_level: float | None
    service_levels: dict[str, float | None]
    handled: int
    talk_s: float
    hold_s: float
    wrap_up_s: float
    aht_s: float | None
    callbacks: Callbacks


class QueueReportLine(QueueSums):
    """A queue's visits that began from ``start``, before ``end``."""

    start: datetime
    end: datetime
    queue: str


class AgentReportLine(Shape):
    """What an agent did from ``start``, before ``end``. ``seconds`` by presence, "own-call" is
    talking outside any queue; ``breaks`` are those of "on-break" by reason. ``offers`` by how
    they ended: a withdrawn one (the caller left, or a colleague answered first) is no refusal.
    ``occupancy`` is (talking + wrap-up + reserved) / (the same + available + offered)."""

    start: datetime
    end: datetime
    agent: str
    handled: int
    talk_s: float
    hold_s: float
    wrap_up_s: float
    aht_s: float | None
    occupancy: float | None
    seconds: dict[str, float]
    breaks: dict[str, float]
    break_overruns: int = Field(description="breaks that passed their limit")
    offers: dict[str, int]


def sums_of(figures: Figures) -> dict[str, Any]:
    """The fields of QueueSums."""
    tally = figures.tally
    return {
        "offered": tally.offered,
        "answered": tally.answered,
        "answered_within": tally.answered_within,
        "abandoned": tally.abandoned,
        "abandoned_within": tally.abandoned_within,
        "short_abandoned": tally.short,
        "callback_requested": tally.callback_requested,
        "overflowed": tally.overflowed,
        "removed": tally.removed,
        "waiting": figures.waiting,
        "undecided": figures.undecided,
        "longest_wait_s": figures.longest_wait_s,
        "asa_s": figures.asa_s,
        "abandon_rate": figures.abandon_rate,
        "service_level": figures.service_level,
        "service_levels": figures.service_levels,
        "handled": tally.handled,
        "talk_s": tally.talk_s,
        "hold_s": tally.hold_s,
        "wrap_up_s": tally.wrap_up_s,
        "aht_s": figures.aht_s,
        "callbacks": Callbacks(
            placed=tally.callbacks_placed,
            waiting=tally.callbacks_waiting,
            attempts_missed=tally.callbacks_missed,
            connected=tally.callbacks_connected,
            abandoned=tally.callbacks_abandoned,
            gave_up=tally.callbacks_gave_up,
            expired=tally.callbacks_expired,
            cancelled=tally.callbacks_cancelled,
        ),
    }


def queue_line(line: QueueLine) -> QueueReportLine:
    return QueueReportLine(
        start=instant(line.start),
        end=instant(line.end),
        queue=line.queue,
        **sums_of(line.figures),
    )


def agent_line(line: AgentLine) -> AgentReportLine:
    work = line.work
    return AgentReportLine(
        start=instant(line.start),
        end=instant(line.end),
        agent=line.agent,
        handled=work.handled,
        talk_s=work.talk_s,
        hold_s=work.hold_s,
        wrap_up_s=work.wrap_up_s,
        aht_s=work.aht_s,
        occupancy=work.occupancy,
        seconds=dict(sorted(work.seconds.items())),
        breaks=dict(sorted(work.breaks.items())),
        break_overruns=work.overruns,
        offers=dict(sorted(work.offers.items())),
    )
