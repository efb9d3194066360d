"""``offhook staff``: one load, a day from a file and from the call history, pictures."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from main import staff as staff_command
from main import staff_trial
from main.cli import main
from main.staff_plan import plan
from main.staff_trial import days, fewest, steady
from queues.rehearsal.erlang import Aim, Load, expected
from queues.rehearsal.rehearsal_calls import Expectation
from tests.main.test_simulate import CONFIG, fill, past

DAY = """\
interval,calls,aht_s,patience_s
08:00,10,200,120
08:30,25,200,120
09:00,30,200,120
12:00,0,200,120
12:30,8,200,120
"""


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.csv"
    path.write_text(DAY)
    return path


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short trials: what they say is tested elsewhere."""
    monkeypatch.setattr(staff_trial, "BATCH_CALLS", 100)


def staff(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["staff", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def wrong(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["staff", *arguments]) == 2
    return capsys.readouterr().err


def test_the_question_of_every_supervisor(capsys: pytest.CaptureFixture[str]) -> None:
    found = staff(capsys, "--calls", "200", "--patience", "120", "--no-simulation")
    assert found["erlangs"] == 10.0
    assert found["aim"] == {"share": 0.8, "within_s": 20.0, "abandon_max": None}
    assert (found["erlang_c"]["agents"], found["erlang_a"]["agents"]) == (14, 12)
    assert (found["agents"], found["simulated"]) == (12, None)
    few = staff(
        capsys, "--calls", "200", "--patience", "120", "--abandon-max", "0.03",
        "--shrinkage", "0.3", "--no-simulation",
    )  # fmt: skip
    assert (few["agents"], few["rostered"]) == (14, 20)
    other = staff(capsys, "--calls", "200", "--within", "10", "--share", "0.9", "--no-simulation")
    assert other["erlang_a"] is None
    assert other["agents"] == 15


@pytest.mark.usefixtures("short")
def test_the_simulation_says_how_sure_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    found = staff(capsys, "--calls", "60", "--aht", "180", "--patience", "90")
    answer, *_ = [trial for trial in found["simulated"] if trial["agents"] == found["agents"]]
    assert answer["service_level"]["mean"] >= 0.8
    assert 0 < answer["service_level"]["half_width"] < 0.1
    assert answer["confidence"] == 0.95
    fewer = [trial for trial in found["simulated"] if trial["agents"] == found["agents"] - 1]
    assert fewer[0]["service_level"]["mean"] < 0.8
    assert abs(found["agents"] - found["erlang_a"]["agents"]) <= 1


@pytest.mark.usefixtures("short")
def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["staff", "--calls", "60", "--patience", "90", "--shrinkage", "0.25"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("60 calls an hour of 180 s (3.00 erlangs), patience 90 s: 80.0 % within")
    for word in ("Erlang C", "Erlang A", "simulated", "one less", "on the roster", "95 %"):
        assert word in text


@pytest.mark.parametrize(("calls", "agents", "patience_s"), [(120, 9, 1e9), (120, 7, 60.0)])
def test_trials_agree_with_the_formula(
    calls: float, agents: int, patience_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staff_trial, "BATCH_CALLS", 400)
    load = Load(calls, 180, patience_s)
    truth = expected(load, agents, 20.0)
    found = steady(load, agents, 20.0, seed=3)
    assert found.service_level.mean == pytest.approx(
        truth.service_level, abs=1.5 * found.service_level.half_width
    )
    assert found.abandon_rate.mean == pytest.approx(truth.abandon_rate, abs=0.03)


@pytest.mark.usefixtures("short")
def test_the_fewest_are_found_from_either_side() -> None:
    load, aim = Load(120, 180, 90), Aim()
    down, up = fewest(load, aim, 10, seed=1), fewest(load, aim, 4, seed=1)
    best = up[-1]
    assert best.reaches(aim)
    assert [trial.agents for trial in up] == list(range(4, best.agents + 1))
    assert [trial.agents for trial in down] == list(range(best.agents - 1, 11))
    assert down[1] == best, "the same callers"
    patient = fewest(Load(120, 180), Aim(0.05), 1, seed=1)
    assert patient[0].agents == 7, "six agents and six erlangs never catch up"
    assert [trial.agents for trial in fewest(load, Aim(0.0), 2, seed=1)] == [1, 2]


def test_a_day_by_every_way(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = staff(capsys, "--forecast", str(day))["queues"]["calls"]
    slots = {slot["interval"]: slot for slot in found["intervals"]}
    assert list(slots) == [
        "08:00-08:30", "08:30-09:00", "09:00-09:30", "12:00-12:30", "12:30-13:00"
    ]  # fmt: skip
    busy = slots["09:00-09:30"]
    assert busy["erlangs"] == pytest.approx(60 * 200 / 3600)
    assert busy["agents_c"] == expected_agents(60, None)
    assert busy["agents_a"] == expected_agents(60, 120)
    assert abs(busy["agents_simulated"] - busy["agents_a"]) <= 1
    assert busy["agents"] == busy["agents_simulated"]
    assert busy["service_level"]["mean"] >= 0.8
    assert 0.4 < busy["occupancy"] < 0.9
    quiet = slots["12:00-12:30"]
    assert (quiet["agents"], quiet["agents_c"], quiet["service_level"]) == (0, None, None)
    assert found["simulated_days"] == 40
    assert found["service_level"]["mean"] >= 0.8
    assert found["agent_hours"] == sum(slot["agents"] for slot in slots.values()) / 2


def expected_agents(calls: float, patience_s: float | None) -> int:
    from queues.rehearsal.erlang import INFINITE, agents_needed

    return agents_needed(Load(calls, 200, patience_s or INFINITE), Aim()).agents


def test_a_days_table(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["staff", "--forecast", str(day), "--no-simulation", "--shrinkage", "0.3"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "calls: 80.0 % within 20 s"
    assert lines[1].split() == [
        "interval", "calls", "AHT", "s", "erlangs", "by", "C", "by", "A", "service", "level",
        "occupancy", "roster",
    ]  # fmt: skip
    assert lines[2].split()[:4] == ["08:00-08:30", "10.0", "200", "1.11"]
    assert lines[-1].startswith("73 calls, ")


def test_queues_have_their_own_aims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "centre.yaml"
    config.write_text(CONFIG.replace("target_s: 10", "target_s: 10, target_share: 0.95"))
    path = tmp_path / "two.csv"
    path.write_text("interval,queue,calls,aht_s\n08:00,sales,20,100\n08:00,support,20,100\n")
    arguments = ("--forecast", str(path), "-c", str(config), "--no-simulation")
    queues = staff(capsys, *arguments)["queues"]
    assert queues["sales"]["aim"]["share"] == 0.95
    assert queues["support"]["aim"]["share"] == 0.8
    assert list(staff(capsys, *arguments, "--queue", "sales")["queues"]) == ["sales"]
    assert "no calls of queue 'help'; there are: sales, support" in wrong(
        capsys, *arguments, "--queue", "help"
    )


def test_a_day_from_the_call_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "centre.yaml"
    config.write_text(CONFIG)
    zone = ZoneInfo("Europe/Riga")
    rows = []
    for week, count in ((13, 20), (20, 40)):
        start = datetime(2026, 11, week, 9, tzinfo=zone).timestamp()
        rows += [
            past(100 * week + n, start + 30 * n, connected_at=start + 30 * n + 10, waited_s=10.0,
                 talked_s=90.0, outcome="answered")
            for n in range(count)
        ]  # fmt: skip
        rows.append(past(100 * week + 99, start, waited_s=30.0))
    fill(config, rows)
    arguments = ("-c", str(config), "--no-simulation", "--history", "2026-11-20")
    (slot,) = staff(capsys, *arguments)["queues"]["support"]["intervals"]
    assert slot["interval"] == "09:00-09:30"
    assert (slot["calls"], slot["aht_s"]) == (41.0, 100.0)
    assert slot["patience_s"] == pytest.approx(430.0)
    (mean,) = staff(capsys, *arguments, "--weeks", "2")["queues"]["support"]["intervals"]
    assert mean["calls"] == 31.0


def test_pictures_are_pictures(
    day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    png, svg, one = tmp_path / "day.png", tmp_path / "day.svg", tmp_path / "one.svg"
    for file in (png, svg):
        arguments = ["staff", "--forecast", str(day), "--no-simulation", "--picture", str(file)]
        assert main(arguments) == 0
        assert f"picture: {file}" in capsys.readouterr().out
    assert main(["staff", "--calls", "50", "--no-simulation", "--picture", str(one)]) == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    for file in (svg, one):
        assert "</svg>" in file.read_text()
    again = tmp_path / "again.svg"
    assert main(["staff", "--forecast", str(day), "--no-simulation", "--picture", str(again)]) == 0
    assert again.read_bytes() == svg.read_bytes(), "the same plan, the same file"


def test_pictures_that_cannot_be(
    day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ("--forecast", str(day), "--no-simulation", "--picture")
    assert "write a name that ends in .png or .svg" in wrong(capsys, *plain, "day.pdf")
    folder = tmp_path / "folder.png"
    folder.mkdir()
    assert "that is a folder; write the name of a file" in wrong(capsys, *plain, str(folder))
    full = tmp_path / "full.png"
    full.symlink_to("/dev/full")
    assert "full.png cannot be written" in wrong(capsys, *plain, str(full))
    many = tmp_path / "many.csv"
    rows = "".join(f"08:00,q{n},5,100\n" for n in range(7))
    many.write_text("interval,queue,calls,aht_s\n" + rows)
    assert "a picture holds 6 queues, not 7; choose one with --queue" in wrong(
        capsys, "--forecast", str(many), "--no-simulation", "--picture", str(tmp_path / "m.png")
    )
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "a picture needs matplotlib; make setup installs it" in wrong(
        capsys, *plain, str(tmp_path / "day.png")
    )


@pytest.mark.parametrize("load", [("--calls", "50"), ("--forecast", "day.csv")])
def test_a_picture_s_folder_is_looked_at_before_the_work(
    load: tuple[str, str],
    day: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def worked(*asked: object, **more: object) -> None:
        raise AssertionError("the work began")

    monkeypatch.chdir(day.parent)
    monkeypatch.setattr(staff_command, "answer", worked)
    monkeypatch.setattr(staff_command, "plan", worked)
    told = wrong(capsys, *load, "--picture", "nowhere/day.png")
    assert "--picture nowhere/day.png: there is no folder nowhere; make it first" in told


def test_the_call_history_simulated_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way from the records to table and picture."""
    config, picture = tmp_path / "centre.yaml", tmp_path / "day.svg"
    config.write_text(CONFIG)
    start = datetime(2026, 11, 20, 9, tzinfo=ZoneInfo("Europe/Riga")).timestamp()
    answered = {"waited_s": 10.0, "talked_s": 90.0, "outcome": "answered"}
    rows = [
        past(n, start + 60 * n, connected_at=start + 60 * n + 10, **answered) for n in range(60)
    ]
    fill(config, [*rows, past(99, start, waited_s=30.0)])
    arguments = ["staff", "--history", "2026-11-20", "-c", str(config), "--picture", str(picture)]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines()[2:4]] == ["09:00-09:30", "09:30-10:00"]
    assert "61 calls, " in told
    assert f"picture: {picture}" in told
    assert "Agents needed: calls of 2026-11-20" in picture.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say one of --calls N, --forecast FILE and --history DAY"),
        (["--calls", "5", "--history", "yesterday"], "say one of"),
        (["--calls", "5", "--share", "1"], "a share of 1: no number of agents guarantees it"),
        (["--calls", "5", "--shrinkage", "1"], "nobody would be at work"),
        (["--calls", "1000000", "--aht", "3600"], "1,000,000 erlangs: more than 20,000"),
        (["--calls", "100000"], "5,000 erlangs are too many to simulate here"),
        (["--history", "yesterday"], "no call history at"),
        (["--forecast", "missing.csv"], "missing.csv: cannot be read"),
    ],
)
def test_questions_without_an_answer(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    error = wrong(capsys, *arguments)
    assert said in error
    assert error.count("\n") == 1


def test_days_know_who_still_waits_when_an_interval_begins() -> None:
    """Too few in the first half hour leave work to the second; the formulas do not see it."""
    half_hours = [Expectation("main", 1800.0 * n, 1800.0, 40, 180.0) for n in range(2)]
    enough = days(half_hours, [7, 7], 20.0, 10, seed=1)
    short = days(half_hours, [3, 7], 20.0, 10, seed=1)

    def level(played: list[list[staff_trial.Sums]], index: int) -> float:
        calls = sum(sums[index].calls for sums in played)
        return sum(sums[index].within for sums in played) / calls

    assert level(enough, 0) > 0.7
    assert level(short, 0) < 0.4
    assert level(short, 1) < level(enough, 1) - 0.2
    assert all(sums.calls == sums.answered for day in enough for sums in day)


def test_nobody_is_needed_where_nobody_calls() -> None:
    quiet = [Expectation("main", 0.0, 1800.0, 0, 180.0)]
    found = plan("main", quiet, Aim(), 1, simulate=True)
    assert found.agent_hours == 0
    assert found.slots[0].service_level is None
