"""Erlang's formulas against a table, against each other, and against published figures."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from config.errors import MisuseError
from queues.rehearsal.erlang import Aim, Expected, Load, agents_needed, erlang_b, expected

TABLE = Path(__file__).resolve().parent.parent / "data" / "erlang_c.csv"


def rows() -> list[dict[str, float]]:
    with TABLE.open(newline="") as file:
        return [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['erlangs']}-{row['agents']:.0f}")
def test_erlang_c_is_the_table(row: dict[str, float]) -> None:
    load = Load(2 * row["calls_per_30min"], row["aht_s"])
    found = expected(load, int(row["agents"]), 20.0)
    assert load.erlangs == pytest.approx(row["erlangs"], abs=5e-5)
    assert found.occupancy == pytest.approx(row["occupancy"], abs=5.1e-5)
    assert found.p_wait == pytest.approx(row["p_wait"], abs=5.1e-6)
    assert found.service_level == pytest.approx(row["sl_20s"], abs=5.1e-6)
    assert found.asa_s == pytest.approx(row["asa_s"], abs=5.1e-3)
    assert found.abandon_rate == 0.0


def test_erlang_b_of_the_textbook() -> None:
    # Erlang's own: one line and one erlang lose half; ten and ten 21.46 %.
    assert erlang_b(1.0, 1) == pytest.approx(0.5)
    assert erlang_b(10.0, 10) == pytest.approx(0.21458, abs=1e-5)
    assert erlang_b(5.0, 0) == 1.0


def test_erlang_b_holds_for_thousands() -> None:
    # Jagerman 1974: for as many lines as erlangs B is near sqrt(2 / (pi n)).
    for n in (1_000, 5_000, 20_000):
        near = 1.0 / (math.sqrt(math.pi * n / 2.0) + 2.0 / 3.0)
        assert erlang_b(float(n), n) == pytest.approx(near, rel=1e-3)
    assert erlang_b(10.0, 5_000) < 1e-300


def test_erlang_a_as_published() -> None:
    # Mandelbaum and Zeltyn, "The Palm/Erlang-A queue": 48 calls a minute of one minute, patience
    # of two, 50 agents: 3.1 % hang up; with endless patience the ASA is 20.8 s at 96 % occupancy.
    impatient = expected(Load(2880, 60, 120), 50, 20.0)
    assert impatient.abandon_rate == pytest.approx(0.031, abs=5e-4)
    assert impatient.occupancy == pytest.approx(0.93, abs=5e-3)
    patient = expected(Load(2880, 60), 50, 20.0)
    assert patient.asa_s == pytest.approx(20.8, abs=0.05)
    assert patient.occupancy == pytest.approx(0.96)


def by_states(load: Load, agents: int) -> tuple[float, float]:
    """P(wait) and the share who hang up of M/M/n+M, from the balance of its states (Palm)."""
    arrivals, ends, leaves = load.calls_per_hour / 3600, 1 / load.aht_s, 1 / load.patience_s
    shares = [1.0]
    for state in range(1, agents + 5_000):
        out = min(state, agents) * ends + max(0, state - agents) * leaves
        shares.append(shares[-1] * arrivals / out)
        if shares[-1] > 1e250:
            shares = [share * 1e-250 for share in shares]
    whole = math.fsum(shares)
    waiting = math.fsum((k - agents) * share for k, share in enumerate(shares) if k > agents)
    return math.fsum(shares[agents:]) / whole, waiting / whole * leaves / arrivals


@pytest.mark.parametrize(
    ("calls", "aht_s", "patience_s", "agents"),
    [
        (1, 10, 5, 1),
        (200, 180, 60, 8),
        (200, 180, 60, 11),
        (2000, 180, 60, 50),  # overloaded: half of them hang up
        (2000, 180, 300, 110),
        (400, 240, 3600, 27),
        (100, 180, 1, 6),
    ],
)
def test_erlang_a_by_density_is_erlang_a_by_states(
    calls: float, aht_s: float, patience_s: float, agents: int
) -> None:
    load = Load(calls, aht_s, patience_s)
    found = expected(load, agents, 20.0)
    p_wait, abandon_rate = by_states(load, agents)
    assert found.p_wait == pytest.approx(p_wait, rel=1e-9)
    assert found.abandon_rate == pytest.approx(abandon_rate, rel=1e-9)
    # Whoever comes is answered or hangs up; Little's law for those who wait.
    answered_wait = found.asa_s * (1 - found.abandon_rate)
    assert answered_wait <= found.abandon_rate * patience_s


@pytest.mark.parametrize("agents", [11, 14, 17])
def test_erlang_a_without_end_is_erlang_c(agents: int) -> None:
    without = expected(Load(200, 180), agents, 20.0)
    nearly = expected(Load(200, 180, 1e9), agents, 20.0)
    assert nearly.p_wait == pytest.approx(without.p_wait, rel=1e-5)
    assert nearly.service_level == pytest.approx(without.service_level, rel=1e-5)
    assert nearly.asa_s == pytest.approx(without.asa_s, rel=1e-5)
    assert nearly.abandon_rate == pytest.approx(0, abs=1e-6)
    assert nearly.occupancy == pytest.approx(without.occupancy, rel=1e-6)


def test_thousands_of_agents() -> None:
    overloaded = expected(Load(200_000, 180, 60), 3_000, 20.0)
    assert overloaded.abandon_rate == pytest.approx(0.7)  # 10,000 erlangs for 3,000 agents
    assert overloaded.occupancy == pytest.approx(1.0)
    assert overloaded.asa_s == pytest.approx(60 * math.log(10 / 3), rel=1e-3)  # the fluid limit
    spare = expected(Load(20_000, 180, 60), 5_000, 20.0)
    assert (spare.service_level, spare.p_wait) == (1.0, 0.0)
    assert agents_needed(Load(100_000, 180), Aim()).agents == 5_013


def test_an_unstable_queue_waits_for_ever() -> None:
    assert expected(Load(200, 180), 10, 20.0) == Expected(10, 1.0, 0.0, math.inf, 0.0, 1.0)


LOADS = some.builds(
    Load,
    some.floats(1, 3_000),
    some.floats(10, 900),
    some.one_of(some.just(math.inf), some.floats(5, 3_600)),
)


@given(LOADS, some.floats(0, 60), some.integers(1, 200))
def test_shares_are_shares_and_an_agent_more_is_better(
    load: Load, within_s: float, agents: int
) -> None:
    few, more = expected(load, agents, within_s), expected(load, agents + 1, within_s)
    for found in (few, more):
        for part in (found.p_wait, found.service_level, found.abandon_rate, found.occupancy):
            assert -1e-9 <= part <= 1 + 1e-9
    assert more.service_level >= few.service_level - 1e-9
    assert more.p_wait <= few.p_wait + 1e-9
    assert more.abandon_rate <= few.abandon_rate + 1e-9
    assert few.service_level <= expected(load, agents, within_s + 5).service_level + 1e-9


@given(LOADS, some.floats(0.1, 0.99), some.one_of(some.none(), some.floats(0.005, 0.2)))
def test_needed_are_the_fewest(load: Load, share: float, abandon_max: float | None) -> None:
    aim = Aim(share, 20.0, abandon_max)
    found = agents_needed(load, aim)
    assert found.reaches(aim)
    assert found.agents == 1 or not expected(load, found.agents - 1, 20.0).reaches(aim)


def test_the_question_of_every_supervisor() -> None:
    assert agents_needed(Load(200, 180), Aim(0.8, 20.0)).agents == 14
    assert agents_needed(Load(200, 180), Aim(0.79, 20.0)).agents == 13
    assert agents_needed(Load(200, 180, 120), Aim(0.8, 20.0)).agents == 12
    assert agents_needed(Load(200, 180, 120), Aim(0.8, 20.0, 0.03)).agents == 14


def test_what_has_no_answer() -> None:
    for load, agents in ((Load(0, 180), 3), (Load(10, 0), 3), (Load(10, 180), 0)):
        with pytest.raises(MisuseError, match="no formula"):
            expected(load, agents, 20.0)
    with pytest.raises(MisuseError, match="no aim"):
        agents_needed(Load(10, 180), Aim(1.0))
    with pytest.raises(MisuseError, match="needs more than 100000 agents"):
        agents_needed(Load(1e7, 3_600), Aim())
