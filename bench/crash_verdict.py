"""What became of the calls of ``bench.crash``: the load's word beside tickets and recordings."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench.crash_lines import FRAME_S, FRAMES
from bench.crash_load import Caller, Load
from bench.crash_recordings import Hole, read

RECORDS = """\
SELECT r.caller, coalesce(r.outcome, ''), r.talked_s, count(t.number), r.no_recording,
    CASE WHEN r.recording_sha256 != '' THEN r.recording ELSE '' END
FROM call_records r LEFT JOIN tickets t ON t.call = r.call GROUP BY r.call
"""
BEFORE_S = 1.0  # a frame sent so long before a kill may not be on disk by then
AFTER_S = 1.0
RECORDED_S_MIN = 0.5  # a talk that is over before its recorder has begun leaves none


class Record(NamedTuple):
    """A call as the database has it; ``recording`` is "" until it is finished."""

    caller: str
    outcome: str
    talked_s: float
    tickets: int
    no_recording: str
    recording: str


class Span(NamedTuple):
    """A kill and the recovery from it, Unix time in seconds."""

    killed: float
    recovered: float


@dataclass(slots=True)
class Verdict:
    """Callers' numbers, and frames missing in recordings, by kill and elsewhere."""

    lost: dict[str, str] = field(default_factory=dict)  # and why
    ticketless: list[str] = field(default_factory=list)
    ticketed_twice: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    recordings: int = 0
    holes_s: list[float] = field(default_factory=list)  # one side of a recording at one kill
    elsewhere: list[tuple[str, Hole]] = field(default_factory=list)


def settled(folder: Path, load: Load, patience_s: float) -> dict[str, Record]:
    """The records of the load's callers, when all calls are over and all recordings finished."""
    callers = {call.number: call for call in load.all}
    until = time.monotonic() + patience_s
    while True:
        with closing(sqlite3.connect(f"file:{folder / 'offhook.sqlite3'}?mode=ro", uri=True)) as db:
            rows = [Record(*row) for row in db.execute(RECORDS)]
        found = {row.caller: row for row in rows if row.caller in callers}
        done = all(
            row.outcome and row.tickets and (row.recording or not _is_recorded(callers, row))
            for row in found.values()
        )
        if (done and len(found) == len(callers)) or time.monotonic() > until:
            return found
        time.sleep(0.3)


def _is_recorded(callers: dict[str, Caller], row: Record) -> bool:
    return callers[row.caller].talked and not row.no_recording


def judge(folder: Path, load: Load, kills: list[Span], patience_s: float = 40.0) -> Verdict:
    """After ``load.empty``. Waits for tickets and recordings."""
    records = settled(folder, load, patience_s)
    verdict = Verdict({loss.number: loss.what for loss in load.lost})
    for call in load.all:
        row = records.get(call.number)
        if row is None or not row.tickets:
            verdict.ticketless.append(call.number)
        elif row.tickets > 1:
            verdict.ticketed_twice.append(call.number)
        outcome = row.outcome if row is not None else "none"
        abandoned: tuple[str, ...] = (
            () if call.talked and call.number not in load.moving else _ABANDONED
        )
        if not call.up:  # it gave up before it was picked up
            abandoned = (*_ABANDONED, "left-in-ivr")
        if not call.over:
            verdict.lost.setdefault(call.number, "never ended")
        elif outcome not in ("answered", *abandoned):
            verdict.lost.setdefault(call.number, f"its outcome: {outcome}")
        if call.talked:
            verdict.recordings += 1
            if row is None or not (row.recording or row.talked_s < RECORDED_S_MIN):
                verdict.unrecorded.append(call.number)
            elif row.recording and call.number not in load.moving:
                _look_for_holes(verdict, call, folder / "recordings" / row.recording, kills)
    return verdict


_ABANDONED = ("missed", "short-abandoned")


def _look_for_holes(verdict: Verdict, call: Caller, name: Path, kills: list[Span]) -> None:
    lacks = Counter[tuple[int, int]]()
    for hole in read(name.with_name(f"{name.name}.wav")).holes:
        line = call.line if hole.side == 0 else call.agent_line
        kill = _kill_at(kills, line.begun, hole.first) if line is not None else None
        if kill is None:
            verdict.elsewhere.append((call.number, hole))
        else:
            lacks[(hole.side, kill)] += hole.frames
    verdict.holes_s += [frames * FRAME_S for frames in lacks.values()]


def _kill_at(kills: list[Span], begun: float, frame: int) -> int | None:
    """The kill during which the frame was sent."""
    for number, kill in enumerate(kills):
        first = int((kill.killed - BEFORE_S - begun) / FRAME_S)
        last = int((kill.recovered + AFTER_S - begun) / FRAME_S)
        if (frame - first) % FRAMES <= last - first:
            return number
    return None
