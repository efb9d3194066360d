"""Appending, durability, trouble with the disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import MisuseError
from engine import journal as journal_module
from engine import journal_backlog
from engine.journal import Entry, Journal
from engine.journal_writer import OsFiles
from tests.engine.journal_fakes import Silent, Spoken, WeakDisk, registry


def opened(folder: Path, files: OsFiles | None = None, **options: object) -> Journal:
    return Journal.open(folder, registry(), files=files or WeakDisk(), **options)  # type: ignore[arg-type]


async def turns(until: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(5):
        while not until():
            await asyncio.sleep(0)


@pytest.mark.parametrize("sync", [True, False])
async def test_an_append_is_told_when_it_is_on_disk_and_not_before(
    tmp_path: Path, sync: bool
) -> None:
    disk = WeakDisk()
    journal = opened(tmp_path, disk, sync=sync)
    told: list[int] = []
    entry = journal.append("c1", Spoken("hello"), 10.0)
    journal.when_durable(entry.seq, lambda: told.append(entry.seq))
    assert (journal.last_seq, journal.durable_seq, told) == (1, 0, [])
    assert list(journal.read()) == []
    await journal.flush()
    assert (journal.durable_seq, told) == (1, [1])
    assert list(journal.read()) == [entry]
    assert disk.syncs == (1 if sync else 0)
    journal.when_durable(1, lambda: told.append(0))
    assert told == [1, 0], "what is durable is told at once"
    await journal.close()


async def test_what_is_appended_by_who_was_told_waits_for_a_write_of_its_own(
    tmp_path: Path,
) -> None:
    journal = opened(tmp_path)
    told: list[tuple[int, int]] = []

    def more() -> None:
        entry = journal.append("c1", Spoken("again"), 11.0)
        journal.when_durable(entry.seq, lambda: told.append((entry.seq, journal.durable_seq)))
        journal.keep("c1", lambda: journal.append("c1", Spoken("state"), 11.0))
        after = journal.group_seq
        journal.when_durable(after, lambda: told.append((after, journal.durable_seq)))

    journal.append("c1", Spoken("hello"), 10.0)
    journal.when_durable(1, more)
    await journal.flush()
    assert told == []
    await journal.flush()
    assert told == [(2, 3), (3, 3)]
    await journal.close()


async def test_callbacks_run_in_order_of_seq_not_of_asking(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    told: list[str] = []
    for n in range(5):
        journal.append("c", Spoken(str(n)), 1.0)
    for seq in (4, 1, 5, 1, 3):
        journal.when_durable(seq, lambda seq=seq: told.append(f"w{seq}"))  # type: ignore[misc]
    await journal.flush()
    assert told == ["w1", "w1", "w3", "w4", "w5"]
    await journal.close()


async def test_all_that_comes_during_one_write_shares_the_next(tmp_path: Path) -> None:
    disk = WeakDisk()
    journal = opened(tmp_path, disk)
    for n in range(1_000):
        journal.append("c", Spoken("x", n), 1.0)
    await journal.flush()
    assert disk.syncs <= 2
    await journal.close()


async def test_a_callback_that_raises_is_logged_and_the_next_one_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = opened(tmp_path, sync=False)
    told: list[Entry] = []
    journal.live(told.append)
    journal.append("c", Silent(), 1.0)
    journal.when_durable(1, lambda: [][1])  # type: ignore[func-returns-value]
    await journal.flush()
    assert [entry.seq for entry in told] == [1]
    assert "a callback failed" in caplog.text
    await journal.close()


async def test_live_sees_every_entry_in_order(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    seen: list[int] = []
    journal.live(lambda entry: seen.append(entry.seq))
    for n in range(300):
        journal.append("c", Spoken("x", n), 1.0)
        if n % 7 == 0:
            await asyncio.sleep(0)
    await journal.flush()
    assert seen == list(range(1, 301))
    await journal.close()


async def test_a_full_disk_is_said_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = WeakDisk(room=60)
    journal = opened(tmp_path, disk)
    entries = [journal.append("c", Spoken("words " * 10, n), 1.0) for n in range(3)]
    journal.when_durable(1, lambda: None)
    await turns(lambda: journal.failed != "")
    assert journal.full
    assert "No space left" in journal.failed
    assert journal.durable_seq == 0
    entries += [journal.append("c", Spoken("later", n), 1.0) for n in range(3)]
    disk.room = 1 << 30
    await journal.flush()
    assert not journal.full
    assert not journal.failed
    assert list(journal.read()) == entries
    await journal.close()
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


@pytest.mark.parametrize("sync", [True, False])
async def test_a_failed_sync_writes_the_same_bytes_again(tmp_path: Path, sync: bool) -> None:
    disk = WeakDisk(room=10 if not sync else 1 << 30)
    disk.broken = True
    journal = opened(tmp_path, disk, sync=sync, segment_bytes=100)
    entries = [journal.append("c", Spoken("a"), 1.0)]
    journal.when_durable(1, lambda: None)
    await turns(lambda: journal.failed != "")
    disk.broken, disk.room = False, 1 << 30
    await journal.flush()
    entries.append(journal.append("c", Spoken("b"), 1.0))
    await journal.flush()
    assert list(journal.read()) == entries
    await journal.close()
    again = opened(tmp_path, sync=False)
    assert again.recovered.last_seq == 2
    assert again.recovered.cut_bytes == 0
    again.abandon()


async def test_what_waits_for_a_dead_disk_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "PENDING_BYTES_FULL", 1_000)
    monkeypatch.setattr(journal_module, "PENDING_BYTES_MAX", 2_000)
    journal = opened(tmp_path, WeakDisk(room=0), sync=False)
    while not journal.full:
        journal.append("c", Spoken("x" * 100), 1.0)
    while journal._backlog.bytes <= 2_000:
        journal.append("c", Spoken("x" * 100), 1.0)
    with pytest.raises(MisuseError, match="wait for the disk"):
        journal.append("c", Spoken("x" * 100), 1.0)
    journal.abandon()


async def test_close_gives_up_on_a_dead_disk_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal_module, "CLOSE_S_MAX", 0.0)
    journal = opened(tmp_path, WeakDisk(room=0))
    journal.append("c", Silent(), 1.0)
    await journal.close()
    assert "1 entries could not be written" in caplog.text


async def test_what_is_ahead_is_told_before_what_shows(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    told: list[str] = []
    for n in (1, 2):
        journal.append("c", Spoken(str(n)), 1.0)
        journal.when_durable(n, lambda n=n: told.append(f"shows {n}"))  # type: ignore[misc]
        journal.when_durable(n, lambda n=n: told.append(f"done {n}"), ahead=True)  # type: ignore[misc]
    await journal.flush()
    assert told == ["done 1", "done 2", "shows 1", "shows 2"]
    await journal.close()


async def test_a_state_is_written_once_with_its_group_as_it_is_then(tmp_path: Path) -> None:
    """However often it changes before the disk takes the facts beside it."""
    journal = opened(tmp_path)
    count = 0

    def write() -> None:
        journal.append("c", Spoken("state", count), 2.0)

    told: list[int] = []
    for count in (1, 2, 3):
        journal.append("c", Spoken("fact", count), 1.0)
        journal.keep("c", write)
    journal.when_durable(journal.group_seq, lambda: told.append(journal.durable_seq))
    assert journal.group_seq == 4
    await journal.flush()
    assert told == [4]
    spoken = [(entry.event.words, entry.event.count) for entry in journal.read()]  # type: ignore[attr-defined]
    assert spoken == [("fact", 1), ("fact", 2), ("fact", 3), ("state", 3)]
    count = 4
    journal.keep("c", write)
    await journal.flush()
    assert (journal.durable_seq, journal.group_seq) == (5, 5)
    await journal.close()


async def test_a_state_that_cannot_be_written_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = opened(tmp_path)
    told: list[str] = []
    journal.keep("bad", lambda: 1 / 0)
    journal.when_durable(journal.group_seq, lambda: told.append("first"))
    await turns(lambda: told == ["first"])
    assert "bad cannot be kept" in caplog.text
    journal.keep("good", lambda: journal.append("c", Silent(), 1.0))
    journal.when_durable(journal.group_seq, lambda: told.append("second"))
    await journal.flush()
    assert told == ["first", "second"]
    await journal.close()
    journal.keep("late", lambda: journal.append("c", Silent(), 1.0))


async def test_half_a_group_is_not_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group larger than one write: a crash between its two writes cuts off both."""
    monkeypatch.setattr(journal_backlog, "BATCH_BYTES", 200)

    class Stalls(WeakDisk):
        def sync(self, fd: int) -> None:
            super().sync(fd)
            self.broken = True  # what was written is there; the next write is not

    disk = Stalls()
    journal = opened(tmp_path, disk)
    told: list[int] = []
    for n in range(10):
        entry = journal.append("c", Spoken("x" * 50, n), 1.0)
        journal.when_durable(entry.seq, lambda seq=entry.seq: told.append(seq))  # type: ignore[misc]
    await turns(lambda: bool(journal.failed))
    assert (journal.durable_seq, told, list(journal.read())) == (0, [], [])
    disk.sync = lambda fd: None  # type: ignore[method-assign]
    await journal.flush()
    assert told == list(range(1, 11))
    await journal.close()


async def test_misuse_is_refused(tmp_path: Path) -> None:
    journal = opened(tmp_path, sync=False)
    with pytest.raises(MisuseError, match="nothing is 1 yet"):
        journal.when_durable(1, lambda: None)
    with pytest.raises(MisuseError, match="takes 1"):
        journal.append("c", Spoken("x" * 1_100_000), 1.0)
    assert journal.append("c", Silent(), 1.0).seq == 1, "a refused append takes no number"
    await journal.close()
    with pytest.raises(MisuseError, match="closed"):
        journal.append("c", Silent(), 1.0)


async def test_the_clocks_floor_and_the_generation_survive(tmp_path: Path) -> None:
    for generation in (1, 2, 3):
        journal = opened(tmp_path, sync=False)
        assert journal.generation == generation
        journal.append("", Silent(), 50.0 - generation)
        assert journal.last_at == 49.0
        await journal.close()
