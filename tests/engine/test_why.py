"""Rules and pictures beside the log; the log of a real engine, replayed and explained."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.loading import load_settings
from config.queueing import QueueSettings
from config.settings import AgentSettings, Settings
from engine import pictures, rules_kept
from engine.floor_history import FloorHistory
from engine.pictures import Pictures
from engine.registry import product_registry
from engine.replaying import replay_log
from engine.rules_kept import RulesKept, decode, digest_of, encode
from engine.why import Place, Question, answer, rebuilt, told
from queues.rules import from_settings
from queues.state import FloorState
from queues.why.decisions import STORED, DecisionStore, StoredFact
from queues.why.picture import Picture, take
from tests.api import fakes
from tests.api.conftest import schema
from tests.api.fakes import Node, start_node
from tests.queues.floors import rules
from tests.queues.test_replay import a_day

__all__ = ["schema"]  # a fixture
VERSION = "1.2.3"
LAST = 2**62


# Rules.


def test_the_shipped_rules_come_back_as_they_were() -> None:
    made = from_settings(load_settings(None))
    assert decode(encode(made)) == made


def test_rules_with_hours_come_back_as_they_were() -> None:
    settings = Settings.model_validate(
        {
            "queues": [
                {
                    "name": "a",
                    "hours": "day",
                    "skills": {"x": 2},
                    "widening": [{"after_s": 5, "drop": ["x"]}],
                }
            ],
            "hours": {
                "day": {
                    "timezone": "Europe/Riga",
                    "week": {"mon-fri": "09:00-18:00", "sat": "22:00-02:00"},
                    "holidays": ["12-25"],
                    "special": {"2026-12-24": "10:00-14:00"},
                }
            },
        }
    )
    made = from_settings(settings)
    assert made.queues["a"].schedule is not None
    assert decode(encode(made)) == made


def test_equal_rules_have_one_digest_however_they_are_written() -> None:
    one = rules()
    other = replace(one, agents=dict(reversed(one.agents.items())))
    assert digest_of(encode(one)) == digest_of(encode(other))
    assert digest_of(encode(one)) != digest_of(encode(replace(one, lease_s=61.0)))


def test_kept_rules_are_read_again_and_damaged_ones_are_not(tmp_path: Path) -> None:
    kept = RulesKept(tmp_path / "floor")
    digest = kept.save(rules())
    assert RulesKept(tmp_path / "floor").load(digest) == rules()
    assert kept.load("0" * 32) is None
    path = tmp_path / "floor" / f"rules-{digest}.json"
    path.write_bytes(path.read_bytes().replace(b"300", b"301"))
    assert RulesKept(tmp_path / "floor").load(digest) is None


def test_old_rules_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = RulesKept(tmp_path)
    digests = [kept.save(replace(rules(), lease_s=float(n + 1))) for n in range(6)]
    for age, digest in enumerate(digests):
        os.utime(tmp_path / f"rules-{digest}.json", (age, age))
    kept.trim(frozenset({digests[1]}), 3.0)
    assert {p.stem[6:] for p in tmp_path.glob("*.json")} == {digests[n] for n in (1, 3, 4, 5)}
    monkeypatch.setattr(rules_kept, "RULES_MAX", 2)
    kept.trim(frozenset(digests), 0.0)
    assert {p.stem[6:] for p in tmp_path.glob("*.json")} == {digests[n] for n in (4, 5)}


# Pictures.


def busy_floor(calls: int = 120) -> tuple[Any, Picture]:
    made, watched = a_day(3, calls=calls)
    return made, take(watched.floor._desk.state)


def test_a_picture_comes_back_from_its_file(tmp_path: Path) -> None:
    made, picture = busy_floor()
    kept = Pictures(tmp_path, VERSION)
    kept.adopt(made)
    kept.save(77, picture)
    assert Pictures(tmp_path, VERSION).load(77) == (picture, made)
    assert Pictures(tmp_path, "1.2.4").load(77) is None
    assert kept.load(78) is None
    (path,) = (tmp_path / "floor").glob("*.picture")
    path.write_bytes(path.read_bytes()[:-1])
    assert kept.load(77) is None


def test_an_empty_floor_has_a_picture_too(tmp_path: Path) -> None:
    kept = Pictures(tmp_path, VERSION)
    kept.adopt(rules())
    kept.save(1, take(FloorState(rules())))
    found = kept.load(1)
    assert found is not None
    assert found[0].now == float("-inf")


def test_pictures_are_bounded_and_those_of_no_life_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "PICTURES_MAX", 3)
    made, picture = busy_floor(20)
    kept = Pictures(tmp_path, VERSION)
    kept.adopt(made)
    for seq in (10, 20, 30, 40, 50):
        kept.save(seq, picture)
    assert kept.seqs() == [30, 40, 50]
    kept.cut(40)
    assert kept.seqs() == [30, 40]
    (tmp_path / f"{35:020d}.log").touch()  # the log begins here
    kept.save(60, picture)
    assert kept.seqs() == [40, 60]


def test_a_disk_that_takes_nothing_costs_explanations_only(tmp_path: Path) -> None:
    (tmp_path / "floor").write_text("in the way")
    kept = Pictures(tmp_path, VERSION)
    assert kept.adopt(rules()) == ""
    kept.save(1, take(FloorState(rules())))
    assert kept.seqs() == []


# The whole.


async def some_calls(node: Node, names: str) -> None:
    """Each call is taken by anna, half a minute after the one before."""
    floor = node.engine.floor
    for agent in ("anna", "boris"):
        floor.change(lambda now, agent=agent: floor.floor.set_reachable(agent, True, now))
        floor.change(lambda now, agent=agent: floor.floor.sign_in(agent, now))
    for call in names:
        node.time.at += 30.0
        node.wait(call)
        fence = next(view.fence for view in floor.agents() if view.agent == "anna")
        node.time.at += 2.0
        floor.change(lambda now, fence=fence: floor.floor.accept("anna", fence, now))
        node.time.at += 40.0
        floor.change(lambda now: floor.floor.finished("anna", now))
        floor.change(lambda now: floor.floor.ready("anna", now))
        floor.change(lambda now: floor.floor.end_wrap_up("anna", now))
        await node.settle()


def changed(settings: Settings) -> Settings:
    """Clara is new, Boris serves both queues."""
    return settings.model_copy(
        update={
            "agents": (
                settings.agents[0],
                AgentSettings(
                    id="boris", name="Boris", extension="102", queues={"support": 2, "sales": 1}
                ),
                AgentSettings(id="clara", name="Clara", extension="103", queues={"support": 1}),
            ),
            "queues": (QueueSettings(name="support", strategy="fewest-calls"), settings.queues[1]),
        }
    )


async def test_a_log_with_a_restart_and_a_reload_replays_alike(
    tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "EVERY", 20)
    folder = tmp_path / "journal"
    node = await start_node(tmp_path, schema)
    await some_calls(node, "abc")
    engine = node.engine
    new = changed(engine.settings)
    engine.history.reload(new)
    engine.floor.reload(new, engine._parts.sounds)
    engine.settings = new
    await some_calls(node, "def")
    beside = replay_log(folder, product_registry(), VERSION)  # the node runs
    assert beside.result.differences == []
    assert beside.result.decisions == 6
    at = node.time.at
    await engine.stop()

    monkeypatch.setattr(fakes, "NOON", at)
    node = await start_node(tmp_path, schema)
    await some_calls(node, "ghi")
    await node.engine.stop()
    found = replay_log(folder, product_registry(), VERSION)
    assert found.result.differences == []
    assert (found.result.decisions, found.result.unchecked) == (9, 0)
    assert found.result.pictures >= 3
    again = replay_log(folder, product_registry(), VERSION)
    assert again == found
    later = replay_log(folder, product_registry(), "another version")
    assert (later.result.decisions, later.result.unchecked) == (9, 9)
    assert later.result.digest == found.result.digest

    place = Place(folder, product_registry(), VERSION, LAST)
    story = answer(Question("e", {"anna": "Anna"}), place)
    assert story is not None
    assert story.complete
    assert "Anna was rung because: level 1 in support (boris: 2)" in told(story)
    assert answer(Question("nobody", {}), place) is None


async def test_a_log_with_a_gap_is_judged_from_the_next_picture_on(
    tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "EVERY", 25)
    node = await start_node(tmp_path, schema)
    await some_calls(node, "abcdef")
    await node.engine.stop()
    folder = tmp_path / "journal"
    first, *rest = Pictures(folder, VERSION).seqs()
    (one,) = (folder / "floor").glob(f"{first:020d}*")
    one.unlink()
    found = replay_log(folder, product_registry(), VERSION)
    assert found.checked_from == rest[0] + 1
    assert found.result.differences == []
    assert 0 < found.result.unchecked < found.result.decisions == 6


async def test_rules_that_could_not_be_kept_are_not_judged_by(
    tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await start_node(tmp_path, schema)
    await some_calls(node, "ab")

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(RulesKept, "save", full)
    history: FloorHistory = node.engine.history
    new = changed(node.engine.settings)
    history.reload(new)
    node.engine.floor.reload(new, node.engine._parts.sounds)
    await some_calls(node, "cd")
    await node.engine.stop()
    found = replay_log(tmp_path / "journal", product_registry(), VERSION)
    assert found.result.differences == []
    assert (found.result.decisions, found.result.unchecked) == (4, 2)


@given(st.sampled_from(sorted(STORED)), st.text(max_size=20))
def test_rows_of_another_version_are_passed_over(kind: str, text: str) -> None:
    odd = StoredFact(1, "c", 0.0, kind, msgspec.json.encode({"queue": 7, "x": text}).decode())
    assert rebuilt(odd) is None
    assert rebuilt(StoredFact(1, "c", 0.0, "Unheard", "{}")) is None


async def test_facts_that_the_records_lack_are_told_from_the_log(
    tmp_path: Path, schema: Path
) -> None:
    node = await start_node(tmp_path, schema)
    await some_calls(node, "ab")
    rows = await DecisionStore(node.engine.database).of_call("a")
    await node.engine.stop()
    place = Place(tmp_path / "journal", product_registry(), VERSION, LAST)

    def told_of(question: Question) -> list[int]:
        found = answer(question, place)
        assert found is not None
        return [step.seq for step in found.steps]

    whole = told_of(Question("a", {}))
    assert whole == [row.seq for row in rows]
    for known in range(1, 5):
        seen = rows[:known]
        late = Question("a", {}, seen, stored_up_to=seen[-1].seq, over=True)
        assert told_of(late) == whole
    lost = replace(place, folder=tmp_path / "nowhere")
    found = answer(Question("a", {}, rows, rows[-1].seq, over=True), lost)
    assert found is not None
    assert not found.complete
    assert [step.seq for step in found.steps] == whole
