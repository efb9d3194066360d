"""Reports of a media worker that lived on: a next engine takes each of them once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from engine.clock import Clock
from engine.timers import Timers
from engine.workers import Workers, life_of
from router.events import WorkerReport
from router.media import protocol as media
from router.media.frames import Splitter, decode_command, encode_answer, encode_report
from tests.fakes import FakeJournal


class LivingWorker:
    """The worker's end: with its welcome comes what was never acknowledged."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.reports = [media.Digit("leg", key, 1.0) for key in "123"]
        self.acknowledged = 0
        self.heard = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        while data := await reader.read(65_536):
            splitter.feed(data)
            while (frame := splitter.next()) is not None:
                _, number, command = decode_command(frame)
                if isinstance(command, media.Hello):
                    welcome = media.Welcome("media-0", self.pid, 0, self.acknowledged + 1)
                    out = encode_answer(number, welcome)
                    for at, report in enumerate(self.reports, 1):
                        if at > self.acknowledged:
                            out += encode_report(at, report)
                    writer.write(out)
                elif isinstance(command, media.Acknowledge):
                    self.acknowledged = command.report
                    self.heard.set()
                elif isinstance(command, media.ListSessions):
                    writer.write(encode_answer(number, media.Sessions(())))
        writer.close()


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[LivingWorker]:
    made = LivingWorker(os.getpid())
    server = await asyncio.start_unix_server(made.serve, tmp_path / "media-0.sock")
    yield made
    server.close()
    await server.wait_closed()


class Life:
    """One engine's side of it."""

    def __init__(self, folder: Path, journal: FakeJournal) -> None:
        self.folder = folder
        self.journal = journal
        self.keys: list[str] = []
        clock = Clock()
        self.timers = Timers(clock, asyncio.get_running_loop())
        self.workers = Workers(cast(Any, journal), clock, self.timers, self.report, "music")
        for entry in journal.read():
            self.workers.note(entry)

    def report(self, worker: str, report: Any) -> None:
        self.keys.append(report.key)

    async def connect(self) -> None:
        await self.workers.connect({"media-0": self.folder / "media-0.sock"})

    async def end(self) -> None:
        await self.workers.close()
        self.timers.close()


async def test_what_a_forerunner_took_is_acknowledged_and_not_taken_again(
    tmp_path: Path, worker: LivingWorker
) -> None:
    journal = FakeJournal()
    first = Life(tmp_path, journal)
    await first.connect()
    assert first.keys == ["1", "2", "3"]
    journal.append("", WorkerReport(life_of("media-0", worker.pid), 2), 1.0)
    await first.end()  # killed before it acknowledged anything
    assert worker.acknowledged == 0
    second = Life(tmp_path, journal)
    await second.connect()
    assert second.keys == ["3"]
    async with asyncio.timeout(5):
        await worker.heard.wait()
    assert worker.acknowledged == 2
    await second.end()


async def test_the_same_number_of_another_process_is_another_report(
    tmp_path: Path, worker: LivingWorker
) -> None:
    """Also where the pid is the same: in a container it comes again at each start."""
    journal = FakeJournal()
    journal.append("", WorkerReport(f"media-0/{worker.pid}/1", 3), 1.0)
    life = Life(tmp_path, journal)
    await life.connect()
    assert life.keys == ["1", "2", "3"]
    await life.end()


def test_a_life_is_told_from_any_other() -> None:
    name, pid, started = life_of("media-0", os.getpid()).split("/")
    assert (name, pid) == ("media-0", str(os.getpid()))
    assert int(started) > 0
    assert life_of("media-0", os.getpid()) == life_of("media-0", os.getpid())
    gone = 2**22 + 1  # above any pid_max
    assert life_of("media-0", gone) != life_of("media-0", gone)
