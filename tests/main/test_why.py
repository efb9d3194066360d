"""``offhook why`` and ``offhook replay`` over the log and the records of a node that is down."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from config.store import migrate, open_database
from engine import journal_file
from engine.pictures import Pictures
from engine.registry import product_registry
from engine.rules_kept import digest_of, encode
from main.cli import main, version
from queues.events import FloorRulesAdopted, OfferMade
from queues.state import FloorState
from queues.why.decisions import DecisionRows
from queues.why.picture import take
from router.events import EngineStarted
from tests.queues.floors import Watched, rules

CONFIG = "data_dir: .\nagents:\n  - {id: ann, name: Ann, extension: '101'}\n"
AT = 1_795_262_400.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "offhook.yaml"
    path.write_text(CONFIG)
    return path


def entries() -> list[journal_file.Entry]:
    """A floor whose agent ann gets the call c1, after bob got c0."""
    watched = Watched(rules())
    for agent, at in (("bob", 10.0), ("ann", 20.0)):
        watched.staff(agent, AT + at)
    for call, at in (("c0", 30.0), ("c1", 41.0), ("c2", 42.0)):
        watched.enqueue(call, "main", AT + at)
    facts: list[tuple[float, str, object]] = [
        (AT, "", EngineStarted(1, version())),
        (AT, "", FloorRulesAdopted(digest_of(encode(rules())))),
        *watched.facts,
    ]
    return [journal_file.Entry(seq, *fact) for seq, fact in enumerate(facts, 1)]


def write_log(folder: Path, facts: list[journal_file.Entry]) -> None:
    """As an engine would have written it, with a torn tail."""
    journal = folder / "journal"
    journal.mkdir()
    kept = Pictures(journal, version())
    kept.adopt(rules())
    registry = product_registry()
    with journal_file.path_of(journal, 1).open("wb") as file:
        file.write(journal_file.Header(1, 1, 0, 0.0).pack())
        for entry in facts:
            file.write(
                journal_file.record(registry.encode(entry.seq, entry.at, entry.call, entry.event))
            )
        file.write(b"\0\0\0\x40torn")
    kept.save(2, take(FloorState(rules())))


def write_records(folder: Path, facts: list[journal_file.Entry]) -> None:
    async def write() -> None:
        database = open_database("sqlite", folder)
        await migrate(database)
        async with database.begin() as connection:
            await DecisionRows().write(connection, facts)
        await database.dispose()

    asyncio.run(write())


def test_why_from_the_log(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path, entries())
    before = {path: path.read_bytes() for path in (tmp_path / "journal").rglob("*.log")}
    assert main(["why", "c1", "-c", str(config)]) == 0
    out, told = capsys.readouterr()
    assert "the node does not answer" in told
    lines = out.splitlines()
    assert lines[0] == "     0.0 s  Joined main (class 5)."
    assert lines[1].startswith("     0.0 s  Ann was rung: nobody else in main could take the call.")
    assert "1 being rung" in lines[1]
    assert {path: path.read_bytes() for path in before} == before, "nothing is cut off"
    assert not (tmp_path / "offhook.sqlite3").exists(), "nothing is made"


def test_why_from_the_records_when_the_log_has_left(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(tmp_path, entries())
    assert main(["why", "c0", "-c", str(config)]) == 0
    out = capsys.readouterr().out
    assert "bob was rung because: idle about 10 s longer than Ann" in out
    assert "Class 5" in out


def test_why_of_a_call_that_nobody_knows(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_log(tmp_path, entries())
    assert main(["why", "c9", "-c", str(config)]) == 1
    assert "knows nothing of a call c9" in capsys.readouterr().err


def test_replay_finds_nothing_in_a_sound_log(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_log(tmp_path, entries())
    assert main(["replay", "-c", str(config), "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    found = json.loads(last)
    assert (found["decisions"], found["unchecked"], found["different"]) == (2, 0, 0)
    assert f"digest: {found['digest']}" in lines


def test_replay_tells_a_difference(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = entries()
    at = next(i for i, entry in enumerate(facts) if isinstance(entry.event, OfferMade))
    event = facts[at].event
    assert isinstance(event, OfferMade)
    wrong = replace(event, agent="ann")
    facts[at] = journal_file.Entry(facts[at].seq, facts[at].at, facts[at].call, wrong)
    write_log(tmp_path, facts)
    assert main(["replay", "-c", str(config)]) == 1
    out = capsys.readouterr().out
    assert "the log:    c0: OfferMade(agent='ann'" in out
    assert "the replay: c0: OfferMade(agent='bob'" in out


def test_replay_without_a_log(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "-c", str(config)]) == 2
    assert "no journal there" in capsys.readouterr().err
