"""Simulated queues are M/M/n and M/M/n+M: every stable row of the table, and Erlang A.

What ``python -m bench.mmn`` found in its long runs is kept in tests/data/mmn.json and is in
docs/staffing.md. Here: the production floor gives every caller the wait that theory gives, call
by call; and the kept results are those of this code, all intervals together 99 %.
"""

from __future__ import annotations

import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bench import mmn

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "mmn.json").read_text())
ROWS = mmn.patient_rows() + mmn.impatient_rows()
FAMILY = 3 * len(ROWS)
CALLS_MAX = 1_000_000  # of a kept run that is repeated here
FLOOR_CALLS = 700


def name_of(row: mmn.Row) -> str:
    return f"{row.load.calls_per_hour:g}/h-{row.agents}"


PAIRS = list(zip(KEPT["rows"], ROWS, strict=True))
IDS = [name_of(row) for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_on_the_floor_everybody_waits_as_theory_says(row: mmn.Row) -> None:
    shared = list(islice(mmn.numbers(row, random.Random(row.seed)), FLOOR_CALLS))
    floor, ideal = mmn.floor_waits(row, shared), mmn.ideal_waits(row, shared)
    assert floor == pytest.approx(ideal, abs=1e-6)
    assert any(ideal) or row.truth.p_wait < 0.05, "somebody waited"


@pytest.mark.parametrize(("kept", "row"), PAIRS, ids=IDS)
def test_every_row_agrees_again(kept: dict[str, Any], row: mmn.Row) -> None:
    """The kept run itself where it is short enough, which gives the same figures to the last
    digit; else a tenth of it in batches of the same length."""
    if kept["calls"] < CALLS_MAX:
        done = mmn.compare(row, kept["calls"], kept["floor_calls"] // 10, FAMILY)
        assert done.service_level.half_width < 0.02
        assert done.service_level.mean == pytest.approx(kept["service_level"]["simulated"])
        assert done.asa_s.mean == pytest.approx(kept["asa_s"]["simulated"])
    else:
        done = mmn.compare(row, kept["calls"] // 10, 200, FAMILY, mmn.BATCHES // 10)
    assert done.agrees


def test_the_kept_runs_agree_and_are_close_enough() -> None:
    rows = KEPT["rows"]
    assert [(r["calls_per_hour"], r["agents"]) for r in rows] == [
        (row.load.calls_per_hour, row.agents) for row in ROWS
    ]
    for kept, row in zip(rows, ROWS, strict=True):
        assert kept["agrees"], name_of(row)
        assert kept["service_level"]["half_width"] < 0.02, name_of(row)
        assert kept["floor_difference_s"] < 1e-6, name_of(row)
        for figure in ("p_wait", "service_level", "asa_s"):
            truth = getattr(row.truth, figure)
            assert kept[figure]["formula"] == pytest.approx(truth, rel=1e-9), name_of(row)
            assert abs(kept[figure]["simulated"] - truth) <= kept[figure]["half_width"]


def test_the_table_of_the_docs_is_that_of_the_kept_runs() -> None:
    page = (ROOT / "docs" / "staffing.md").read_text()
    for kept in KEPT["rows"]:
        level = kept["service_level"]
        assert f"{level['simulated']:.4f} ± {level['half_width']:.4f}" in page


def test_a_floor_that_is_late_would_be_found_out() -> None:
    """The comparison sees an error: one agent fewer on the floor than theory has."""
    row = next(row for row in ROWS if row.agents == 14 and row.load.calls_per_hour == 200)
    shared = list(islice(mmn.numbers(row, random.Random(row.seed)), FLOOR_CALLS))
    fewer = mmn.Row(row.load, row.agents - 1, row.truth)
    assert mmn.floor_waits(fewer, shared) != pytest.approx(mmn.ideal_waits(row, shared), abs=1e-6)
