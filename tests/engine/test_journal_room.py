"""A disk that fills up: the reserve is for the calls in progress, new ones wait for room."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import journal_room, journal_writer
from engine.journal import Journal
from engine.journal_writer import RESERVE, OsFiles
from tests.engine.journal_fakes import Spoken, registry

RESERVED = 65_536


class Disk(OsFiles):
    """A disk of ``room`` bytes in all, the reserve's blocks counted; ``others`` take some too."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.others = 0
        self.blocks: dict[int, int] = {}  # by inode: bytes taken
        self.sizes: dict[int, int] = {}  # by descriptor: its inode

    def free(self, folder: Path) -> int:
        return self.room - self.others - sum(self.blocks.values())

    def create(self, path: Path) -> int:
        return self._known(super().create(path))

    def _known(self, fd: int) -> int:
        self.sizes[fd] = os.fstat(fd).st_ino
        return fd

    def reserve(self, path: Path, size: int) -> None:
        super().reserve(path, size)
        self.blocks[path.stat().st_ino] = size

    def turn_into(self, reserve: Path, path: Path) -> int:
        return self._known(super().turn_into(reserve, path))

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        inode = self.sizes[fd]
        has = self.blocks.get(inode, 0)
        more = max(0, offset + len(data) - has)
        if more > self.free(Path()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.blocks[inode] = has + more
        return super().write(fd, data, offset)

    def cut(self, fd: int, size: int) -> None:
        super().cut(fd, size)
        self.blocks[self.sizes[fd]] = size


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (journal_room, journal_writer):
        monkeypatch.setattr(module, "RESERVE_S", 0.0)


def opened(folder: Path, disk: Disk) -> Journal:
    return Journal.open(folder, registry(), files=disk, reserve_bytes=RESERVED)


async def turns(until: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not until():
            await asyncio.sleep(0)


async def test_a_full_disk_has_room_for_the_calls_in_progress(tmp_path: Path) -> None:
    disk = Disk(4 * RESERVED)
    journal = opened(tmp_path, disk)
    journal.append("c", Spoken("before"), 1.0)
    await journal.flush()
    assert (tmp_path / RESERVE).stat().st_size == RESERVED
    assert not journal.full
    disk.others = disk.free(tmp_path)
    for n in range(20):
        journal.append("c", Spoken("x" * 1_000, n), 2.0)
        await journal.flush()
    assert journal.full
    assert (journal.figures.short, journal.failed) == (True, "")
    assert not (tmp_path / RESERVE).exists()
    disk.others = 0
    await turns(lambda: not journal.full)
    assert (tmp_path / RESERVE).exists()
    journal.append("c", Spoken("after"), 3.0)
    await journal.flush()
    await journal.close()
    again = opened(tmp_path, disk)
    assert again.recovered.cut_bytes == 0
    assert [entry.seq for entry in again.read()] == [*range(1, 23)]
    await again.close()


async def test_a_crash_in_the_reserve_loses_nothing(tmp_path: Path) -> None:
    disk = Disk(4 * RESERVED)
    journal = opened(tmp_path, disk)
    journal.append("c", Spoken("before"), 1.0)
    await journal.flush()
    disk.others = disk.free(tmp_path)
    journal.append("c", Spoken("in the reserve"), 2.0)
    await journal.flush()
    journal.abandon()
    again = opened(tmp_path, disk)
    assert [entry.event.words for entry in again.read()] == ["before", "in the reserve"]  # type: ignore[attr-defined]
    await again.close()


async def test_beyond_the_reserve_it_waits_for_room(tmp_path: Path) -> None:
    disk = Disk(4 * RESERVED)
    journal = opened(tmp_path, disk)
    journal.append("c", Spoken("before"), 1.0)
    await journal.flush()
    disk.others = disk.free(tmp_path)
    for n in range(100):
        journal.append("c", Spoken("x" * 1_000, n), 2.0)
    await turns(lambda: bool(journal.failed))
    assert journal.full
    disk.others = 0
    await turns(lambda: not journal.full)
    assert journal.durable_seq == 101
    assert [entry.seq for entry in journal.read()] == [*range(1, 102)]
    await journal.close()


async def test_a_start_on_a_full_disk_takes_no_calls(tmp_path: Path) -> None:
    disk = Disk(4 * RESERVED)
    disk.others = disk.room - 10_000
    journal = opened(tmp_path, disk)
    journal.append("", Spoken("started"), 1.0)
    await journal.flush()
    assert journal.full
    disk.others = 0
    await turns(lambda: not journal.full)
    await journal.close()
