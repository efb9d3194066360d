"""``offhook simulate``: patterns, figures, the same day for the same seed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from config.errors import ConfigError
from config.loading import load_settings
from config.store import migrate, open_database
from main.cli import main
from main.simulate_digest import Digest
from main.simulate_forecast import read_forecast
from queues.events import OfferEnded, OfferMade
from queues.figures.tallies import SERVICE_LEVELS
from queues.rehearsal.rehearsal_log import Entry
from tickets.tables import call_records

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = """\
data_dir: data
timezone: Europe/Riga
queues:
  - {name: support, wrap_up_s: 10}
  - {name: sales, wrap_up_s: 0, target_s: 10, overflow: voicemail}
agents:
  - {id: ann, name: Ann, extension: "101", queues: {support: 1, sales: 2}}
  - {id: bob, name: Bob, extension: "102", queues: {support: 2}}
  - {id: eve, name: Eve, extension: "103", queues: {sales: 1}}
"""
DAY = """\
interval,queue,calls,aht_s,patience_s,agents
08:00-08:30,support,12,120,90,2
08:00-08:30,sales,6,100,,1
08:30-09:00,support,20,120,90,1
08:30-09:00,sales,8,100,,2
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "centre.yaml"
    path.write_text(CONFIG)
    return path


def simulate(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["simulate", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def wrong(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["simulate", *arguments]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    return out.err


def test_a_forecast_gives_the_figures_of_the_live_system(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = tmp_path / "day.csv"
    day.write_text(DAY)
    found = simulate(capsys, str(config), "--calls", str(day))
    assert 25 < found["calls"] < 70
    assert list(found["service_level"]) == list(SERVICE_LEVELS)
    assert set(found["queues"]) == {"support", "sales"}
    for figures in (found, *found["queues"].values()):
        assert figures["offered"] == (
            figures["answered"]
            + figures["abandoned"]
            + figures["overflowed"]
            + figures["callback_requested"]
        )
        assert 0 <= figures["service_level"]["strict"] <= 1
    assert len(found["digest"]) == 32
    assert found["seconds"] > 0
    assert found["agents"] == 3
    assert sum(found["outcomes"].values()) == found["calls"]


def test_a_table_for_people(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = tmp_path / "day.csv"
    day.write_text(DAY)
    assert main(["simulate", str(config), "--calls", str(day)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"forecast {day}, 46 calls expected"
    assert lines[1].split()[:4] == ["queue", "offered", "answered", "abandoned"]
    assert [line.split()[0] for line in lines[2:5]] == ["sales", "support", "all"]
    for name in SERVICE_LEVELS:
        assert any(line.strip().startswith(name) for line in lines)


def run_of(seed: str, hash_seed: str) -> dict[str, Any]:
    """A process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "main", "simulate", "--centre", "6", "--seed", seed, "--json",
         "--refused", "0.03", "--rung-out", "0.03", "--callbacks", "0.2"],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"seconds": None, "cpu_s": None}


def test_the_same_seed_is_the_same_day_in_every_process() -> None:
    first, second, other = run_of("7", "1"), run_of("7", "2"), run_of("8", "1")
    assert first == second
    assert first["digest"] != other["digest"]
    assert first["calls"] == pytest.approx(1_200, abs=150)


def test_the_digest_sees_every_field() -> None:
    def digest(*entries: Entry) -> str:
        found = Digest()
        for entry in entries:
            found.apply(entry)
        return found.hexdigest()

    one = Entry(1, 5.0, "c1", OfferMade("ann", 1, "main", 65.0, 7))
    assert digest(one) == digest(one)
    for other in (
        Entry(1, 5.0 + 1e-12, "c1", one.event),
        Entry(1, 5.0, "c2", one.event),
        Entry(1, 5.0, "c1", OfferMade("ann", 1, "main", 65.0, 8)),
        Entry(1, 5.0, "c1", OfferEnded("ann", 1, "main", "accepted")),
    ):
        assert digest(other) != digest(one)
    many = [Entry(n, float(n), "c1", one.event) for n in range(2_000)]
    assert digest(*many) != digest(*many[:-1])


def test_the_same_callers_meet_other_settings(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = ("--calls-per-hour", "40", "--aht", "180", "--hours", "2")
    few = simulate(capsys, str(config), *load)
    more = simulate(capsys, str(config), *load, "--agents", "8")
    assert few["calls"] == more["calls"]
    assert few["agents"] == 3
    assert more["agents"] == 8
    assert more["service_level"]["strict"] > few["service_level"]["strict"]
    assert simulate(capsys, str(config), *load, "--seed", "2")["digest"] != few["digest"]


def test_without_a_pattern_there_is_one_that_fits(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = simulate(capsys, str(config))
    assert found["calls"] == pytest.approx(3 * 0.8 * 20 * 8, rel=0.2)


def fill(config: Path, rows: list[dict[str, Any]]) -> None:
    """Call records of a past day."""

    async def write() -> None:
        settings = load_settings(config)
        engine = open_database(settings.store.database, settings.data_dir)
        await migrate(engine)
        async with engine.begin() as connection:
            await connection.execute(insert(call_records), rows)
        await engine.dispose()

    asyncio.run(write())


def past(number: int, at: float, **more: Any) -> dict[str, Any]:
    """A record; answered where ``connected_at`` is there."""
    return {
        "call": f"call-{number}",
        "arrived_at": at - 5,
        "queued_at": at,
        "ended_at": at + 300,
        "connected_at": None,
        "queue": "support",
        "waited_s": 0.0,
        "talked_s": 0.0,
        "outcome": "missed",
    } | more


def test_yesterdays_calls_come_again(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = datetime(2026, 11, 20, tzinfo=ZoneInfo("Europe/Riga")).timestamp()
    morning = day + 9 * 3600
    rows = [
        past(n, morning + 60 * n, connected_at=morning + 60 * n + 4, waited_s=4.0,
             talked_s=30.0, outcome="answered")
        for n in range(30)
    ]  # fmt: skip
    rows.append(past(30, morning + 1, waited_s=2.5))
    rows.append(past(31, day - 1))  # the day before
    rows.append(past(32, day + 86_400))  # the day after
    rows.append(past(33, morning, queue=""))  # never queued
    rows.append(past(34, morning, ended_at=None))  # still under way
    fill(config, rows)
    found = simulate(capsys, str(config), "--calls", "2026-11-20")
    assert found["calls"] == 31
    assert found["queues"]["support"]["offered"] == 31
    assert found["queues"]["support"]["aht_s"] == pytest.approx(40.0)
    tomorrow = config.with_name("tomorrow.yaml")
    tomorrow.write_text(CONFIG.replace("data_dir: data", "data_dir: elsewhere"))
    again = simulate(capsys, str(tomorrow), "--calls", "2026-11-20", "--records", str(config))
    assert again["digest"] == found["digest"], "the same settings, the same calls"
    assert "no call history at" in wrong(capsys, str(tomorrow), "--calls", "yesterday")


def test_a_history_that_does_not_fit(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no call history at sqlite" in wrong(capsys, str(config), "--calls", "yesterday")
    day = datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("Europe/Riga")).timestamp()
    fill(config, [past(1, day, queue="gone")])
    assert "has no queued call on 2026-11-18" in wrong(capsys, str(config), "--calls", "2026-11-18")
    assert "calls of queue 'gone', the configuration has not; known: sales, support" in wrong(
        capsys, str(config), "--calls", "2026-11-20"
    )
    assert "'2026-13-20' is no day" in wrong(capsys, str(config), "--calls", "2026-13-20")


HEAD = "interval,queue,calls,aht_s,agents\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: holds no rows; begin with interval,queue,calls,aht_s,agents"),
        (HEAD, ":1: holds no rows"),
        ("interval,calls\n", ":1: aht_s: is missing; the first line reads"),
        ("interval,calls,aht_s,colour\n", ":1: colour: unknown column; known: interval"),
        ("interval,calls,aht_s,calls\n", ":1: calls: stands twice"),
        ("interval,calls,aht_s\n08:00,1,100\n", ":1: queue: is missing, and there is more"),
        (HEAD + "8 o'clock,support,1,100,1\n", ':2: interval: "8 o\'clock" is no interval; write'),
        (HEAD + "09:00-08:00,support,1,100,1\n", ":2: interval: '09:00-08:00' ends before"),
        (HEAD + "24:00,support,1,100,1\n", ":2: interval: '24:00' is no interval"),
        (HEAD + "\n08:00,help,1,100,1\n", ":3: queue: no queue 'help'; known: sales, support"),
        (HEAD + "08:00,,1,100,1\n", ":2: queue: is empty; name the queue"),
        (HEAD + "08:00,support,many,100,1\n", ":2: calls: 'many' is not right; write 0 to"),
        (HEAD + "08:00,support,-1,100,1\n", ":2: calls: '-1' is not right"),
        (HEAD + "08:00,support,nan,100,1\n", ":2: calls: 'nan' is not right"),
        (HEAD + "08:00,support,1,0,1\n", ":2: aht_s: '0' is not right; write seconds above 0"),
        (HEAD + "08:00,support,1,100,1.5\n", ":2: agents: '1.5' is not right; write a whole"),
        (HEAD + "08:00,support,1,100\n", ":2: 4 cells; the first line has 5"),
        (
            HEAD + "08:00-09:00,support,1,100,1\n08:30-09:00,support,1,100,1\n",
            ":3: interval: overlaps that of line 2 of queue 'support'",
        ),
        (HEAD + "08:00,support,1,9,1\n", ":2: aht_s: 9 includes the wrap-up of 10 s"),
        (HEAD + "08:00,support,1,100,9\n", ":2: agents: 9, but 2 agents serve queue 'support'"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(
    text: str, said: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = tmp_path / "day.csv"
    day.write_text(text)
    error = wrong(capsys, str(config), "--calls", str(day))
    assert error.startswith(str(day) + said), error
    assert error.count("\n") == 1


def test_files_that_are_no_csv(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "missing.csv: cannot be read: No such file" in wrong(
        capsys, str(config), "--calls", str(tmp_path / "missing.csv")
    )
    latin = tmp_path / "latin.csv"
    latin.write_bytes("interval,queue\xe9".encode("latin-1"))
    assert "is not UTF-8" in wrong(capsys, str(config), "--calls", str(latin))
    quote = tmp_path / "quote.csv"
    quote.write_text(HEAD + '08:00,"support,1,100,1\n')
    assert "no CSV" in wrong(capsys, str(config), "--calls", str(quote))


def test_a_spreadsheets_file_is_read_too(tmp_path: Path) -> None:
    day = tmp_path / "day.csv"
    day.write_bytes("\ufeffInterval;Calls;AHT_s\r\n00:00;1;100\r\n00:15;2;100\r\n;;\r\n".encode())
    first, second = read_forecast(day, None, "calls").parts
    assert (first.start_s, first.length_s, first.calls) == (0.0, 900.0, 1.0)
    assert (second.queue, second.patience_s, second.agents, second.line) == ("calls", None, None, 3)
    day.write_text("interval,calls,aht_s\n10:00,1,100\n")
    assert read_forecast(day, None, "calls").parts[0].length_s == 1800.0


def test_a_file_has_an_end(tmp_path: Path) -> None:
    day = tmp_path / "day.csv"
    day.write_bytes(b"interval,calls,aht_s\n" + b"08:00,1,100\n" * 900_000)
    with pytest.raises(ConfigError, match="is longer than 10000000 bytes"):
        read_forecast(day, None, "calls")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--aht", "-1"], "'-1' is not right; say a number above 0"),
        (["--refused", "2"], "'2' is not right; say a share from 0 to 1"),
        (["--agents", "0"], "'0' is not right; say a whole number"),
        (["--answer-s", "x"], "'x' is not right; say 0 or a number above it"),
        (["--date", "monday"], "'monday' is no day"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_configuration_that_nobody_can_call(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("data_dir: data\n")
    assert "has no queues: nobody can call" in wrong(capsys, str(empty))
    assert "leave out the others" in wrong(capsys, str(config), "--centre", "5")
    assert "say either --calls" in wrong(
        capsys, str(config), "--calls", "yesterday", "--calls-per-hour", "5"
    )
    assert "--aht 10: it includes the wrap-up of 10 s" in wrong(capsys, str(config), "--aht", "10")


def test_who_rehearses_nothing_loads_nothing_for_it() -> None:
    """The supervisor's process builds the parser too."""
    script = "import sys; from main.cli import parser; parser(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"sqlalchemy", "pydantic", "matplotlib", "queues.floor"} & set(done.stdout.split())
