"""Readers catch up and retry; segments leave when all of them have passed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from config.errors import MisuseError
from engine import journal_recent
from engine.journal import Entry, Journal, Pace
from engine.journal_file import path_of, recover, segments
from tests.engine.journal_fakes import Spoken, WeakDisk, registry

NO_PAUSE = Pace(batch=10, retry_s=0.0, retry_s_max=0.0)


class Store:
    """A reader's store: keeps what it is given, fails when told to."""

    def __init__(self) -> None:
        self.has: list[int] = []
        self.largest = 0
        self.failures = 0

    async def deliver(self, batch: Sequence[Entry]) -> None:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the store is away")
        self.largest = max(self.largest, len(batch))
        self.has += [entry.seq for entry in batch]


def opened(folder: Path, **options: object) -> Journal:
    options = {"sync": False, "files": WeakDisk(), "wall": lambda: 1e9, **options}
    return Journal.open(folder, registry(), **options)  # type: ignore[arg-type]


async def filled(journal: Journal, count: int) -> None:
    for n in range(count):
        journal.append("c", Spoken("x" * 50, n), float(n))
        if n % 5 == 0:
            await journal.flush()
    await journal.flush()


@pytest.mark.parametrize("sync", [True, False])
async def test_a_reader_gets_what_is_there_and_what_comes(tmp_path: Path, sync: bool) -> None:
    journal = opened(tmp_path, sync=sync, segment_bytes=500)
    await filled(journal, 55)
    await journal.close()
    journal = opened(tmp_path, sync=sync, segment_bytes=500)
    store = Store()
    reader = journal.subscribe("tickets", 7, store.deliver, NO_PAUSE)
    await filled(journal, 20)
    await reader.caught_up(75)
    await filled(journal, 3)
    await reader.caught_up(78)
    assert store.has == list(range(8, 79))
    assert store.largest == 10
    assert reader.position == 78
    await journal.close()


async def test_a_store_that_is_away_gets_the_same_again_and_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal_recent, "RECENT_ENTRIES", 16)
    journal = opened(tmp_path, segment_bytes=500)
    store, other = Store(), Store()
    store.failures = 40
    reader = journal.subscribe("tickets", 0, store.deliver, NO_PAUSE)
    fine = journal.subscribe("statistics", 0, other.deliver, NO_PAUSE)
    await filled(journal, 60)
    await fine.caught_up(60)
    assert reader.position < 60
    assert "ConnectionError" in reader.failing
    await reader.caught_up(60)
    assert store.has == other.has == list(range(1, 61))
    assert {name: found.lag for name, found in journal.figures.readers.items()} == {
        "tickets": 0,
        "statistics": 0,
    }
    await filled(journal, 1)
    await reader.caught_up(61)
    assert not reader.failing
    shown = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(shown) == 1, "one failure is one error in the log, however often it repeats"
    assert "ConnectionError: " in shown[0].getMessage()
    assert shown[0].exc_info is None, "what a store says is one line"
    await journal.close()


async def test_a_mistake_of_a_reader_is_told_with_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = opened(tmp_path)
    tries = 0

    async def deliver(entries: Sequence[Entry]) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError("ours")

    reader = journal.subscribe("tickets", 0, deliver, NO_PAUSE)
    await filled(journal, 1)
    await reader.caught_up(1)
    (shown,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert shown.exc_info is not None
    await journal.close()


async def test_segments_leave_only_when_every_reader_has_them(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=300, keep_s=0.0, readers=("a", "b"))
    await filled(journal, 50)
    many = len(segments(tmp_path))
    assert many > 5
    a, b = Store(), Store()
    first = journal.subscribe("a", 0, a.deliver, NO_PAUSE)
    await first.caught_up(50)
    await filled(journal, 1)
    assert len(segments(tmp_path)) >= many, "b is expected and has not come"
    b.failures = 1_000_000
    second = journal.subscribe("b", 0, b.deliver, NO_PAUSE)
    await filled(journal, 20)
    await first.caught_up(71)
    assert segments(tmp_path)[0] == 1, "b has nothing yet"
    b.failures = 0
    await second.caught_up(71)
    await filled(journal, 1)
    assert len(segments(tmp_path)) <= 2
    assert b.has[:71] == list(range(1, 72))
    assert journal.figures.bytes_on_disk == sum(
        path_of(tmp_path, first).stat().st_size for first in segments(tmp_path)
    )
    await journal.close()


async def test_a_hold_keeps_what_the_engine_needs_to_come_back(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=300, keep_s=0.0)
    journal.hold("engine", 20)
    store = Store()
    reader = journal.subscribe("a", 0, store.deliver, NO_PAUSE)
    await filled(journal, 50)
    await reader.caught_up(50)
    await filled(journal, 5)
    assert 1 < segments(tmp_path)[0] <= 21
    assert [entry.seq for entry in journal.read(20)] == list(range(21, 56))
    assert recover(tmp_path, registry()).held == 20, "the next start reads only from there"
    journal.hold("engine", 55)
    journal.passed()
    assert len(segments(tmp_path)) <= 2
    await journal.close()


async def test_a_hold_counts_for_the_next_start_until_it_has_its_own(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=300, keep_s=0.0)
    journal.hold("engine", 20)
    await filled(journal, 50)
    await journal.close()
    journal = opened(tmp_path, segment_bytes=300, keep_s=0.0)
    assert journal.recovered.held == 20
    reader = journal.subscribe("a", 0, Store().deliver, NO_PAUSE)
    await filled(journal, 10)
    await reader.caught_up(60)
    assert recover(tmp_path, registry()).held == 20
    assert [entry.seq for entry in journal.read(20)] == list(range(21, 61))
    journal.hold("engine", 60)
    journal.passed()
    assert len(segments(tmp_path)) <= 2
    await journal.close()


async def test_what_all_have_stays_for_its_time_unless_space_is_short(tmp_path: Path) -> None:
    now = [100.0]
    journal = opened(tmp_path, segment_bytes=300, keep_s=800.0, wall=lambda: now[0])
    reader = journal.subscribe("a", 0, Store().deliver, NO_PAUSE)
    await filled(journal, 30)  # at 0..29 s
    await reader.caught_up(30)
    now[0] = 500.0
    journal.passed()
    assert segments(tmp_path)[0] == 1
    now[0] = 830.0
    journal._look_after()
    assert segments(tmp_path)[0] > 1
    await journal.close()
    small = opened(tmp_path, segment_bytes=300, total_bytes_max=1_500, wall=lambda: 0.0)
    reader = small.subscribe("a", 0, Store().deliver, NO_PAUSE)
    await filled(small, 60)
    await reader.caught_up(90)
    await filled(small, 5)
    assert small.figures.bytes_on_disk < 1_500
    await small.close()


async def test_a_quiet_journal_lets_go_of_yesterday(tmp_path: Path) -> None:
    now = [1.0]
    journal = opened(tmp_path, keep_s=240.0, wall=lambda: now[0])
    reader = journal.subscribe("a", 0, Store().deliver, NO_PAUSE)
    await filled(journal, 3)
    await reader.caught_up(3)
    assert segments(tmp_path) == [1]
    now[0] = 20.0
    journal._look_after()
    while journal.figures.segments < 2:
        await asyncio.sleep(0)
    now[0] = 260.0
    journal._look_after()
    assert segments(tmp_path) == [4]
    await journal.close()
    again = opened(tmp_path)
    assert again.last_at == 2.0
    again.abandon()


async def test_at_its_largest_it_is_full_and_forgets_nothing(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=300, total_bytes_max=2_000)
    store = Store()
    store.failures = 1_000_000
    reader = journal.subscribe("a", 0, store.deliver, NO_PAUSE)
    await filled(journal, 60)
    assert journal.full
    assert not journal.failed
    assert journal.append("c", Spoken("calls in progress go on"), 1.0).seq == 61
    await journal.flush()
    assert segments(tmp_path)[0] == 1
    store.failures = 0
    await reader.caught_up(61)
    assert not journal.full
    assert store.has == list(range(1, 62))
    await journal.close()


async def test_a_store_ahead_of_a_lost_journal_keeps_its_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = opened(tmp_path)
    ahead, behind = Store(), Store()
    first = journal.subscribe("ahead", 500, ahead.deliver, NO_PAUSE)
    second = journal.subscribe("behind", 0, behind.deliver, NO_PAUSE)
    await journal.flush()
    await filled(journal, 3)
    await first.caught_up(503)
    await second.caught_up(503)
    assert ahead.has == behind.has == [501, 502, 503]
    assert "some of it is lost" in caplog.text
    await journal.close()
    again = opened(tmp_path)
    assert again.last_seq == 503
    assert [entry.seq for entry in again.read()] == [501, 502, 503]
    again.abandon()


async def test_a_stopped_reader_keeps_its_place(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=300, keep_s=0.0)
    reader = journal.subscribe("a", 0, Store().deliver, NO_PAUSE)
    await filled(journal, 5)
    await reader.caught_up(5)
    await reader.stop()
    await filled(journal, 50)
    assert segments(tmp_path)[0] <= 6
    with pytest.raises(MisuseError, match="is stopped"):
        await reader.caught_up(50)
    with pytest.raises(MisuseError, match="twice"):
        journal.subscribe("a", 0, Store().deliver)
    await journal.close()
