"""Reports as bytes, JSON or CSV (RFC 4180), a piece at a time: calls go on between two pieces."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.shapes import Shape

PIECE = 100  # lines


def wants_csv(accept: str) -> bool:
    """Whether a request's Accept prefers CSV to JSON (RFC 9110 12.5.1)."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        weights[kind] = weight

    def weight_of(*kinds: str) -> float:
        return next((weights[kind] for kind in kinds if kind in weights), 0.0)

    as_csv = weight_of("text/csv", "text/*")
    return as_csv > weight_of("application/json", "application/*", "*/*")


async def as_json(head: Shape, lines: Sequence[Shape]) -> bytes:
    """The head's fields and the lines as ``items``."""
    parts = [head.model_dump_json(by_alias=True)[:-1].encode(), b',"items":[']
    for start in range(0, len(lines), PIECE):
        piece = ",".join(line.model_dump_json() for line in lines[start : start + PIECE])
        parts.append((("," if start else "") + piece).encode())
        await asyncio.sleep(0)
    parts.append(b"]}")
    return b"".join(parts)


async def as_csv(lines: Sequence[Shape], empty: Iterable[str]) -> bytes:
    """A header and a row for each line; what a line has by name makes a column for each name
    (``service_levels.strict``). ``empty`` are the columns where there is no line."""
    rows: list[dict[str, Any]] = []
    for start in range(0, len(lines), PIECE):
        rows += [_flat(line.model_dump(mode="json")) for line in lines[start : start + PIECE]]
        await asyncio.sleep(0)
    columns = list(dict.fromkeys(name for row in rows for name in row)) or list(empty)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _in_order(columns), restval="")
    writer.writeheader()
    for start in range(0, len(rows), PIECE):
        writer.writerows(rows[start : start + PIECE])
        await asyncio.sleep(0)
    return text.getvalue().encode()


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{name}."))
        else:
            found[prefix + name] = "" if value is None else value
    return found


def _in_order(columns: Sequence[str]) -> list[str]:
    """When and who first; what belongs together stays together, in the order of its coming."""
    first = [name for name in ("start", "end", "queue", "agent") if name in columns]
    groups = list(dict.fromkeys(name.partition(".")[0] for name in columns if name not in first))
    return first + [name for group in groups for name in columns if name.partition(".")[0] == group]
