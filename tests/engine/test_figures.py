"""Figures outlast the engine: after a crash anywhere they are as if nobody had stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from config.settings import Settings
from config.store import open_database
from engine import figures as figures_module
from engine import figures_file
from engine.clock import Clock
from engine.figures import FiguresReader
from engine.figures_file import NAME
from engine.journal import Entry, Journal
from engine.registry import product_registry
from queues.figures.figures_store import FiguresStore, NewerFiguresError, Span
from queues.figures.statistics import Statistics, fold
from tests.fakes import HandClock
from tests.queues.made_up import Line, made_up_log, whole

EVER = Span(0.0, 1e11)


class Node:
    """What an engine does with its figures, without an engine."""

    def __init__(self, folder: Path, database: AsyncEngine, **journal: Any) -> None:
        self.time = HandClock(0.0)
        clock = Clock(0.0, wall=self.time.now, monotonic=self.time.now)
        self.journal = Journal.open(
            folder / "journal", product_registry(), sync=False, wall=self.time.now, **journal
        )
        self.reader = FiguresReader(self.journal, clock, database, Settings(data_dir=folder))
        self.reader.start()
        self.journal.live(self.statistics.apply)
        for entry in self.journal.read(self.journal.recovered.held):
            self.statistics.apply(entry)

    @property
    def statistics(self) -> Statistics:
        return self.reader.statistics

    async def write(self, lines: list[Line]) -> None:
        for line in lines:
            assert self.journal.append(line.call, line.event, line.at).seq == line.seq
            self.time.at = max(self.time.at, line.at)
        await self.journal.flush()

    async def caught_up(self) -> None:
        reader = self.reader._reader
        assert reader is not None
        async with asyncio.timeout(10):
            await reader.caught_up(self.journal.last_seq)


@pytest.fixture
def away(tmp_path: Path) -> AsyncEngine:
    """A database that is never reached: nothing listens there."""
    return open_database("postgresql://nobody@127.0.0.1:1/none", tmp_path)


@pytest.fixture(autouse=True)
def _when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is written when a test says so: a thread of a former life would go on."""
    monkeypatch.setattr(figures_module, "PACE", figures_module.Pace(batch=50))
    monkeypatch.setattr(figures_module, "KEEP_S", float("inf"))
    monkeypatch.setattr(figures_module, "KEEP_ENTRIES", 1 << 40)


async def test_the_state_is_written_from_time_to_time(
    tmp_path: Path, away: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures_module, "KEEP_S", 30.0)
    monkeypatch.setattr(figures_module, "KEEP_ENTRIES", 100)
    file = tmp_path / "journal" / NAME
    log = made_up_log(4, 300)
    node = Node(tmp_path, away)
    node.time.at = log[-1].at
    node.reader._kept_at = node.time.at
    await node.write(log[:99])
    await node.caught_up()
    assert not file.exists()
    await node.write(log[99:100])
    await node.caught_up()
    first = file.stat().st_ino
    node.time.at += 29.0
    await node.write(log[100:101])
    await node.caught_up()
    assert file.stat().st_ino == first
    node.time.at += 1.0
    await node.write(log[101:102])
    await node.caught_up()
    assert file.stat().st_ino != first
    node.journal.abandon()
    await away.dispose()


async def test_a_full_journal_does_not_wait_for_the_figures(
    tmp_path: Path, away: AsyncEngine
) -> None:
    """A store is back: all that it was the last to want leaves at once, no half minute later."""
    node = Node(tmp_path, away, segment_bytes=2_000, keep_s=1.0, total_bytes_max=20_000)
    is_back = asyncio.Event()

    async def locked(entries: Sequence[Entry]) -> None:
        await is_back.wait()

    records = node.journal.subscribe("records", 0, locked)
    log = made_up_log(6, 600)
    while not node.journal.full:
        await node.write(log[:20])
        del log[:20]
    await node.caught_up()
    is_back.set()
    async with asyncio.timeout(10):
        await records.caught_up(node.journal.last_seq)
    assert not node.journal.full
    node.journal.abandon()
    await away.dispose()


@pytest.mark.parametrize("seed", range(10))
async def test_a_crash_anywhere_changes_no_figure(
    tmp_path: Path, away: AsyncEngine, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was written down when, and although the log lets go of what all readers have."""
    dice = Random(seed)
    monkeypatch.setattr(figures_file, "SPARE_BYTES", dice.choice((0, 3_000, 1 << 20)))
    monkeypatch.setattr(figures_file, "UNWRITTEN_MAX", dice.choice((0, 1 << 20)))
    log = made_up_log(seed, 500)
    small = {"segment_bytes": 2_000, "keep_s": 1.0, "total_bytes_max": 4_000}
    node = Node(tmp_path, away, **small)
    done = 0
    while done < len(log):
        part = log[done : done + dice.randrange(1, 80)]
        done += len(part)
        await node.write(part)
        if dice.random() < 0.5:
            await node.reader.keep()
        if dice.random() < 0.5:
            await node.caught_up()
        if dice.random() < 0.5:
            node.journal.abandon()
            node = Node(tmp_path, away, **small)
            assert node.statistics.seq == done
    await node.caught_up()
    assert whole(node.statistics) == whole(fold(log))
    first = next(iter(node.journal.read()))
    assert first.seq > 1, "the log still had everything"
    node.journal.abandon()
    await away.dispose()


async def test_a_proper_end_leaves_nothing_to_fold(tmp_path: Path, away: AsyncEngine) -> None:
    log = made_up_log(5, 300)
    node = Node(tmp_path, away)
    await node.write(log)
    await node.reader.close()
    await node.journal.close()
    clock = Clock(0.0, wall=lambda: 0.0, monotonic=lambda: 0.0)
    again = FiguresReader(node.journal, clock, away, Settings(data_dir=tmp_path))
    assert whole(again.statistics) == whole(fold(log))
    await away.dispose()


async def test_without_a_state_figures_begin_with_the_log(
    tmp_path: Path, away: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    log = made_up_log(5, 300)
    node = Node(tmp_path, away)
    await node.write(log[:200])
    await node.reader.keep()
    await node.write(log[200:])
    node.journal.abandon()
    file = tmp_path / "journal" / NAME
    torn = file.read_bytes()[:-100]
    file.write_bytes(torn)
    node = Node(tmp_path, away)
    assert "put aside" in caplog.text
    assert file.with_suffix(".unread").read_bytes() == torn
    assert node.statistics.seq == 300
    node.journal.abandon()
    await away.dispose()


async def test_another_version_s_state_is_put_aside(tmp_path: Path, away: AsyncEngine) -> None:
    node = Node(tmp_path, away)
    await node.write(made_up_log(5, 50))
    await node.reader.close()
    node.journal.abandon()
    file = tmp_path / "journal" / NAME
    file.write_bytes(file.read_bytes().replace(b'"version":1', b'"version":99'))
    node = Node(tmp_path, away)
    assert node.statistics.seq == 50
    assert file.with_suffix(".unread").exists()
    node.journal.abandon()
    await away.dispose()


async def test_the_large_file_is_written_when_it_pays(
    tmp_path: Path, away: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its going wrong is found at the start; those of former times are removed."""
    monkeypatch.setattr(figures_file, "SPARE_BYTES", 0)
    folder = tmp_path / "journal"
    log = made_up_log(8, 300)
    node = Node(tmp_path, away)
    seen = set()
    for start in range(0, 300, 20):
        await node.write(log[start : start + 20])
        await node.reader.keep()
        bases = [path.name for path in folder.glob(figures_file.BASES)]
        assert len(bases) <= 1
        seen |= set(bases)
    assert 2 <= len(seen) < 10
    node.journal.abandon()
    node = Node(tmp_path, away)
    assert whole(node.statistics) == whole(fold(log))
    node.journal.abandon()
    (base,) = folder.glob(figures_file.BASES)
    base.unlink()
    node = Node(tmp_path, away)
    assert (folder / NAME).with_suffix(".unread").exists()
    assert node.statistics.seq == 300
    node.journal.abandon()
    await away.dispose()


async def test_a_lost_journal_does_not_lose_the_figures(tmp_path: Path, away: AsyncEngine) -> None:
    log = made_up_log(5, 300)
    node = Node(tmp_path, away)
    await node.write(log)
    await node.reader.close()
    node.journal.abandon()
    segments = list((tmp_path / "journal").glob("*.log"))
    assert segments
    for segment in segments:
        segment.unlink()
    node = Node(tmp_path, away)
    assert node.journal.recovered.last_seq == 0
    straight, now = fold(log), log[-1].at + 5.0
    for queue in straight.totals:
        before, after = (
            figures.figures(now, queue=queue) for figures in (straight, node.statistics)
        )
        assert after.tally.offered == before.tally.offered == after.tally.decided
        assert after.tally.removed == before.tally.removed + before.waiting
        assert after.tally.callbacks_waiting == 0
        assert node.statistics.live_queue(now, queue).waiting == 0
    assert node.statistics.live(now).agents.keys() <= {"signed-out"}
    (further,) = made_up_log(6, 1)
    entry = node.journal.append(further.call, further.event, log[-1].at)
    await node.journal.flush()
    assert entry.seq == node.statistics.seq == 301
    node.journal.abandon()
    await away.dispose()


async def test_intervals_that_are_over_stand_in_the_database(
    tmp_path: Path, database: AsyncEngine
) -> None:
    log = made_up_log(7, 400)
    node = Node(tmp_path, database)
    for start in range(0, len(log), 40):
        await node.write(log[start : start + 40])
        await node.caught_up()
    node.time.at += 100.0
    await node.reader.write_rows()
    everything = fold(log, kept_s=1e9)
    newest = everything.newest
    late = node.statistics.visits.ledger.first  # what comes for earlier ones comes too late
    store = FiguresStore(database)
    told = {row[:2]: row[2] for row in await store.queue_rows(EVER) if row[1] >= late}
    assert told == {
        (name, at): tally
        for name, at, tally in everything.visits.ledger.items()
        if late <= at < newest
    }
    told_work = {row[:2]: row[2] for row in await store.agent_rows(EVER) if row[1] >= late}
    assert told_work == {
        (name, at): work
        for name, at, work in everything.worktime.ledger.items()
        if late <= at < newest
    }
    assert told
    assert told_work
    assert await store.position() == len(log)
    node.journal.abandon()


async def test_rows_wait_for_a_database_that_is_away_also_over_a_crash(
    tmp_path: Path, away: AsyncEngine, database: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    log = made_up_log(3, 120)
    node = Node(tmp_path, away)
    await node.write(log)
    await node.caught_up()
    await node.reader.write_rows()
    await node.reader.write_rows()
    assert caplog.text.count("wait for the database") == 1
    await node.reader.keep()
    node.journal.abandon()
    node = Node(tmp_path, database)
    await node.reader.write_rows()
    rows = await FiguresStore(database).queue_rows(EVER)
    visits = fold(log).visits.ledger
    assert {row[:2] for row in rows} == {
        (name, at) for name, at, _ in visits.items() if at < fold(log).newest
    }
    node.journal.abandon()
    await away.dispose()


async def test_newer_figures_in_the_database_are_left_alone(
    tmp_path: Path, database: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    store = FiguresStore(database)
    await store.write(10_000, [], [])
    node = Node(tmp_path, database)
    await node.write(made_up_log(3, 120))
    await node.caught_up()
    await node.reader.write_rows()
    assert "beyond fact" in caplog.text
    assert await store.queue_rows(EVER) == []
    with pytest.raises(NewerFiguresError):
        await store.write(120, [], [])
    node.journal.abandon()


async def test_a_full_disk_holds_up_nothing(
    tmp_path: Path, away: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(tmp_path, away)
    await node.write(made_up_log(3, 20))

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(figures_file, "_replace", full)
        await node.reader.keep()
        assert not (tmp_path / "journal" / NAME).exists()
    await node.reader.keep()
    assert (tmp_path / "journal" / NAME).exists()
    node.journal.abandon()
    await away.dispose()
