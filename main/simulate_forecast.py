"""A forecast of calls from a CSV file: for each interval and queue how many, how long.

Columns: ``interval`` (08:00 or 08:00-08:30), ``calls``, ``aht_s`` (talk, hold and wrap-up), and as
wanted ``queue``, ``patience_s`` (mean time until a waiting caller hangs up) and ``agents`` (of the
queue, at work). Commas, semicolons or tabs. Every error names file, line, column and remedy.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from config.errors import ConfigError

NEEDED = ("interval", "calls", "aht_s")
KNOWN = (*NEEDED, "queue", "patience_s", "agents")
BYTES_MAX = 10_000_000
CALLS_MAX = 1_000_000.0
AGENTS_MAX = 100_000
DAY_S = 86_400
LENGTH_S = 1800.0  # of the only interval where it does not say
EXAMPLE = "interval,queue,calls,aht_s,agents"

_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Part:
    """One row: calls of a queue from ``start_s`` (seconds after midnight) for ``length_s``.

    ``patience_s`` None: not said; ``agents`` None: no such column. ``line`` is the row's.
    """

    queue: str
    start_s: float
    length_s: float
    calls: float
    aht_s: float
    patience_s: float | None
    agents: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Rows in the order of (start, queue), and where they come from."""

    file: str
    parts: tuple[Part, ...]

    def wrong(self, part: Part, column: str, problem: str) -> ConfigError:
        return ConfigError(self.file, part.line, column, problem)


def read_forecast(path: Path, queues: Collection[str] | None, alone: str = "") -> Forecast:
    """Read and check the file. ``queues`` are those that may be named (None: any); ``alone`` is
    the queue where the file names none. Raises ConfigError."""
    file = str(path)
    try:
        with path.open("rb") as opened:
            raw = opened.read(BYTES_MAX + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(file, 0, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(file, 0, "", "is not UTF-8; save it as CSV (UTF-8)") from error
    if len(raw) > BYTES_MAX:
        raise ConfigError(file, 0, "", f"is longer than {BYTES_MAX} bytes; give one day")
    return _Reader(file, queues, alone).read(text)


class _Reader:
    def __init__(self, file: str, queues: Collection[str] | None, alone: str) -> None:
        self._file = file
        self._queues = queues
        self._alone = alone
        self._line = 1
        self._row: dict[str, str] = {}

    def read(self, text: str) -> Forecast:
        lines = text.splitlines()
        head = next((line for line in lines if line.strip()), "")
        delimiter = max(",;\t", key=head.count)
        table = csv.reader(lines, delimiter=delimiter, strict=True)
        names: list[str] = []
        rows: list[tuple[int, dict[str, str]]] = []
        try:
            for cells in table:
                if not any(cell.strip() for cell in cells):
                    continue
                self._line = table.line_num
                if not names:
                    names = self._header([cell.strip().lower() for cell in cells])
                    continue
                rows.append((self._line, self._cells(names, cells)))
        except csv.Error as error:
            raise self._wrong("", f"no CSV: {error}") from error
        if not rows:
            raise ConfigError(
                self._file, self._line, "", f"holds no rows; begin with {EXAMPLE} and one row each"
            )
        shortest = self._shortest([row["interval"] for _, row in rows])
        parts = [self._part(line, row, shortest) for line, row in rows]
        self._apart(parts)
        return Forecast(
            self._file, tuple(sorted(parts, key=lambda part: (part.start_s, part.queue)))
        )

    def _wrong(self, column: str, problem: str) -> ConfigError:
        return ConfigError(self._file, self._line, column, problem)

    def _header(self, names: list[str]) -> list[str]:
        for name in names:
            if name not in KNOWN:
                raise self._wrong(name or "header", f"unknown column; known: {', '.join(KNOWN)}")
            if names.count(name) > 1:
                raise self._wrong(name, "stands twice; each column once")
        for name in NEEDED:
            if name not in names:
                raise self._wrong(name, f"is missing; the first line reads for example {EXAMPLE}")
        if "queue" not in names and not self._alone:
            raise self._wrong("queue", "is missing, and there is more than one queue; add it")
        return names

    def _cells(self, names: list[str], cells: list[str]) -> dict[str, str]:
        if len(cells) != len(names):
            raise self._wrong("", f"{len(cells)} cells; the first line has {len(names)}")
        return {name: cell.strip() for name, cell in zip(names, cells, strict=True)}

    def _part(self, line: int, row: dict[str, str], shortest: float) -> Part:
        self._line, self._row = line, row
        start, end = self._interval()
        queue = row.get("queue", self._alone)
        if not queue:
            raise self._wrong("queue", "is empty; name the queue")
        if self._queues is not None and queue not in self._queues:
            known = ", ".join(sorted(self._queues)) or "none"
            raise self._wrong("queue", f"no queue {queue!r}; known: {known}")
        return Part(
            queue=queue,
            start_s=start,
            length_s=shortest if end is None else end - start,
            calls=self._number("calls", lambda x: 0 <= x <= CALLS_MAX, f"0 to {CALLS_MAX:,.0f}"),
            aht_s=self._number("aht_s", lambda x: 0 < x <= DAY_S, "seconds above 0"),
            patience_s=self._number("patience_s", lambda x: x > 0, "seconds above 0, or nothing")
            if row.get("patience_s")
            else None,
            agents=int(self._number("agents", _counts_agents, "a whole number of agents"))
            if "agents" in row
            else None,
            line=line,
        )

    def _number(self, column: str, fits: Callable[[float], bool], right: str) -> float:
        text = self._row[column]
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and fits(number)):
            raise self._wrong(column, f"{text!r} is not right; write {right}")
        return number

    def _interval(self) -> tuple[float, float | None]:
        text = self._row["interval"]
        first, dash, last = text.partition("-")
        start = _seconds(first)
        end = _seconds(last) if dash else None
        if start is None or start >= DAY_S or (dash and end is None):
            raise self._wrong("interval", f"{text!r} is no interval; write 08:00 or 08:00-08:30")
        if end is not None and end <= start:
            raise self._wrong("interval", f"{text!r} ends before it begins; a day ends at 24:00")
        return start, end

    def _shortest(self, texts: Sequence[str]) -> float:
        found = {_seconds(text.partition("-")[0]) for text in texts}
        starts = sorted(start for start in found if start is not None)
        gaps = [after - before for before, after in pairwise(starts)]
        return min(gaps, default=LENGTH_S)

    def _apart(self, parts: Sequence[Part]) -> None:
        """No two intervals of a queue overlap."""
        last: dict[str, Part] = {}
        for part in sorted(parts, key=lambda part: (part.start_s, part.line)):
            before = last.get(part.queue)
            if before is not None and before.start_s + before.length_s > part.start_s:
                self._line = max(part.line, before.line)
                raise self._wrong(
                    "interval",
                    f"overlaps that of line {min(part.line, before.line)} of queue "
                    f"{part.queue!r}; intervals follow one another",
                )
            last[part.queue] = part


def _counts_agents(number: float) -> bool:
    return number == int(number) and 0 <= number <= AGENTS_MAX


def _seconds(text: str) -> float | None:
    """Seconds after midnight of ``8:00`` to ``24:00``."""
    found = _TIME.fullmatch(text.strip())
    if found is None or int(found[2]) > 59:
        return None
    seconds = int(found[1]) * 3600 + int(found[2]) * 60
    return float(seconds) if seconds <= DAY_S else None
