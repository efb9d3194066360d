"""Whether this node lives and may be sent calls. For probes: open, and names only."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response

from api.access import TheEngine
from api.shapes import Shape
from engine.engine import Engine
from engine.stores import trouble

router = APIRouter(tags=["health"])

RECORDS = "records"
Part = Literal["starting", "stopping", "draining", "journal", "overload", "workers", "database"]


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
    """``reasons`` are the parts that are not as they must be; empty when ready."""

    status: Literal["ready", "not-ready"]
    reasons: list[Part]
    behind: list[Behind]


def reasons(engine: Engine) -> list[Part]:
    """What keeps this node from taking calls, and from keeping their records."""
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
    if any(late.reader == RECORDS for late in behind(engine)):
        found.append("database")
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
    503: {"model": Readiness, "description": "Not ready; reasons tells the parts"}
}


@router.get("/health/ready", responses=NOT_READY)
async def is_ready(engine: TheEngine, response: Response) -> Readiness:
    """Journal, media workers and database are as they must be."""
    found = reasons(engine)
    if found:
        response.status_code = 503
    return Readiness(status="not-ready" if found else "ready", reasons=found, behind=behind(engine))
