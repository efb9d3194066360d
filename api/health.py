"""Whether this node lives and may be sent calls. For probes: open, and names only."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response

from api.access import TheEngine
from api.shapes import Shape
from engine.engine import Engine
from engine.state import READER as STATE
from engine.stores import RECORDINGS, trouble
from queues.figures.figures_store import READER as FIGURES
from tickets.reader import READER as RECORDS

router = APIRouter(tags=["health"])

Part = Literal["starting", "stopping", "draining", "journal", "overload", "workers"]
Lacking = Literal["database", "state-store", "recordings", "figures"]

# What each reader of the journal writes to.
_STORES: dict[str, Lacking] = {
    RECORDS: "database",
    STATE: "state-store",
    RECORDINGS: "recordings",
    FIGURES: "figures",
}


class Alive(Shape):
    status: Literal["alive"] = "alive"


class Behind(Shape):
    """A reader of the journal whose store does not take what is there: entries that it does not
    have yet, seconds since it took one, why. The journal keeps them."""

    reader: str
    entries: int
    seconds: float
    why: str


class Readiness(Shape):
    """``reasons``: why new calls are turned away; empty when ready. ``degraded``: what takes
    nothing at present although calls are taken; ``behind`` has the details."""

    status: Literal["ready", "not-ready"]
    reasons: list[Part]
    degraded: list[Lacking]
    behind: list[Behind]


def reasons(engine: Engine) -> list[Part]:
    """What keeps this node from taking calls. A store that is away does not: the journal keeps
    what is for it, and another node would have the same database."""
    found: list[Part] = []
    if not engine.ready_since:
        found.append("starting")
    if not engine.arrivals.accepting:
        found.append("stopping")
    if engine.arrivals.drains_to is not None:
        found.append("draining")
    refusal = engine.arrivals.capacity.why()
    if refusal == "journal":
        found.append("journal")
    elif refusal is not None:
        found.append("overload")
    if not engine.workers.clients:
        found.append("workers")
    return found


def behind(engine: Engine) -> list[Behind]:
    """The readers in trouble, by name."""
    return [
        Behind(reader=name, entries=figures.lag, seconds=round(figures.stuck_s, 1), why=why)
        for name, figures in sorted(engine.journal.figures.readers.items())
        if (why := trouble(figures))
    ]


@router.get("/health/live")
async def is_alive() -> Alive:
    """The process answers."""
    return Alive()


NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": Readiness, "description": "New calls are turned away; reasons tells why"}
}


@router.get("/health/ready", responses=NOT_READY)
async def is_ready(engine: TheEngine, response: Response) -> Readiness:
    """New calls are taken. What is degraded meanwhile is told, and no reason to send them
    elsewhere."""
    found, late = reasons(engine), behind(engine)
    if found:
        response.status_code = 503
    return Readiness(
        status="not-ready" if found else "ready",
        reasons=found,
        degraded=[_STORES[reader.reader] for reader in late if reader.reader in _STORES],
        behind=late,
    )
