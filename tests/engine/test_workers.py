"""Homes of calls, reports taken once, workers that die and come back: over a real unix socket,
to a worker that is played."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from engine.timers import Timers
from engine.workers import ACKNOWLEDGE_EVERY_S, Workers, life_of
from router.events import WorkerReport
from router.media import protocol as media
from router.media.client import WorkerClient
from router.media.frames import (
    Splitter,
    decode_command,
    encode_answer,
    encode_figure,
    encode_report,
)
from tests.fakes import FakeJournal, FakeLoop, HandClock


class PlayedWorker:
    """The far end of one unix socket: answers, reports what it is told to, can die."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.path = folder / name
        self.pid = os.getpid()
        self.commands: list[media.Command] = []
        self.unacknowledged: dict[int, media.Report] = {}
        self.sessions: list[media.SessionState] = []
        self.closed: tuple[str, ...] = ()
        self.asked: Callable[[], object] = lambda: None  # for its sessions
        self._transport: asyncio.Transport | None = None
        self._server: asyncio.Server | None = None
        self._heard = asyncio.Event()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Ear(self), str(self.path))

    def connected(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport

    def take(self, number: int, command: media.Command) -> None:
        self.commands.append(command)
        self._heard.set()
        match command:
            case media.Hello():
                self._say(encode_answer(number, media.Welcome(self.name, self.pid, 0, 0)))
                for report in self.unacknowledged.items():
                    self._say(encode_report(*report))
            case media.ListSessions():
                self.asked()
                self._say(encode_answer(number, media.Sessions(tuple(self.sessions), self.closed)))
            case media.Acknowledge(report):
                for done in [n for n in self.unacknowledged if n <= report]:
                    del self.unacknowledged[done]
            case media.Open(session):
                self._say(encode_answer(number, media.Opened(session, 20_000)))
            case _:
                self._say(encode_answer(number, media.Done()))

    def _say(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)

    def report(self, number: int, report: media.Report) -> None:
        self.unacknowledged[number] = report
        self._say(encode_report(number, report))

    def figure(self, sessions: int) -> None:
        self._say(encode_figure(media.WorkerFigures(self.name, sessions, 0, 0, 0, 0, 0.0, 0.0)))

    async def heard(self, kind: type) -> Any:
        """The first command of this type, when it is there."""
        async with asyncio.timeout(5):
            while True:
                for command in self.commands:
                    if isinstance(command, kind):
                        return command
                self._heard.clear()
                await self._heard.wait()

    def hang_up(self) -> None:
        """The connection breaks; the worker lives."""
        if self._transport is not None:
            self._transport.abort()
        self._transport = None

    async def die(self) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()
        if self._server is not None:
            await self._server.wait_closed()
        self.path.unlink(missing_ok=True)
        self.commands.clear()


class Ear(asyncio.Protocol):
    """One connection of the engine's."""

    def __init__(self, worker: PlayedWorker) -> None:
        self._worker = worker
        self._splitter = Splitter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._worker.connected(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        self._splitter.feed(data)
        while (frame := self._splitter.next()) is not None:
            _, number, command = decode_command(frame)
            self._worker.take(number, command)


class Centre:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = HandClock()
        self.loop = FakeLoop(self.clock)
        self.timers = Timers(cast(Any, self.clock), cast(Any, self.loop))
        self.journal = FakeJournal()
        self.played: list[PlayedWorker] = []
        self.reports: list[tuple[str, media.Report]] = []
        self.back: list[tuple[str, set[str]]] = []
        self.closed: set[str] = set()
        self.workers = self.engine()

    def engine(self) -> Workers:
        """The workers' side of an engine; again for the next one."""
        workers = Workers(
            cast(Any, self.journal), cast(Any, self.clock), self.timers, self._report, "music"
        )
        workers.is_ours = lambda session: session == "ours"
        workers.on_back = self._is_back
        return workers

    def _report(self, worker: str, report: media.Report) -> None:
        self.reports.append((worker, report))

    def _is_back(self, name: str, client: WorkerClient, there: set[str], closed: set[str]) -> None:
        self.back.append((name, there))
        self.closed = closed

    async def start(self, count: int = 1) -> PlayedWorker:
        for number in range(count):
            worker = PlayedWorker(f"w{number}", self.folder)
            await worker.start()
            self.played.append(worker)
        await self.connect(self.workers)
        return self.played[0]

    async def connect(self, workers: Workers) -> None:
        await workers.connect({worker.name: worker.path for worker in self.played})

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not is_so():
                await asyncio.sleep(0)

    def acknowledge(self) -> None:
        self.loop.pass_time(ACKNOWLEDGE_EVERY_S)

    async def close(self) -> None:
        await self.workers.close()
        for worker in self.played:
            await worker.die()


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[Centre]:
    made = Centre(tmp_path)
    yield made
    await made.close()


def state(session: str, recording: str = "") -> media.SessionState:
    return media.SessionState(
        session, 20_000, False, None, None, 0, None, "sendrecv", "", "", recording,
        media.LegFigures(),
    )  # fmt: skip


# --- homes -----------------------------------------------------------------------------------


async def test_calls_live_with_the_least_loaded_and_stay_there(centre: Centre) -> None:
    await centre.start(2)
    workers = centre.workers
    names = [workers.home(call).name for call in ("a", "b", "c")]  # type: ignore[union-attr]
    assert names == ["w0", "w1", "w0"]
    assert workers.home("b") is workers.clients["w1"]
    workers.leave("a")
    workers.leave("c")
    workers.leave("c")
    workers.leave("never there")
    assert workers.home("d") is workers.clients["w0"]
    assert workers.home("e").name in ("w0", "w1")  # type: ignore[union-attr]


async def test_a_worker_that_is_back_is_no_home_before_it_has_its_old_sessions(
    centre: Centre,
) -> None:
    """A new call would perhaps get the port of a session that is to be made again."""
    worker = await centre.start()
    centre.workers.home("a")
    seen: list[object] = []
    centre.workers.on_back = lambda *what: seen.append("back")
    worker.asked = lambda: seen.append(centre.workers.home("a"))
    worker.hang_up()
    await centre.until(lambda: "back" in seen)
    assert seen == [None, "back"]
    assert centre.workers.home("a") is not None


async def test_a_worker_that_dies_as_it_comes_back_is_connected_to_again(centre: Centre) -> None:
    worker = await centre.start()
    deaths = [worker.hang_up] * 3
    worker.asked = lambda: deaths.pop()() if deaths else None
    worker.hang_up()
    await centre.until(lambda: len(centre.back) == 2)
    assert centre.workers.home("a") is centre.workers.clients["w0"]
    assert len(centre.workers._tasks) <= 1


async def test_while_every_worker_is_away_a_call_is_at_home_with_one_that_comes_back(
    centre: Centre,
) -> None:
    worker = await centre.start()
    worker.hang_up()
    await centre.until(lambda: not centre.workers.clients)
    assert centre.workers.home("a") is None
    assert centre.workers.home_of("a") == "w0"
    await centre.until(lambda: len(centre.back) == 2)
    assert centre.workers.home("a") is centre.workers.clients["w0"]


async def test_without_workers_no_call_has_a_home(centre: Centre) -> None:
    await centre.workers.connect({})
    assert centre.workers.home("a") is None
    centre.workers.leave("a")


async def test_a_call_whose_worker_is_away_has_no_other_home_meanwhile(centre: Centre) -> None:
    await centre.start(2)
    home = centre.workers.home("a")
    assert home is not None
    centre.played[0].hang_up()
    await centre.until(lambda: "w0" not in centre.workers.clients)
    assert centre.workers.home("a") is None
    other = centre.workers.home("b")
    assert other is not None
    assert other.name == "w1"
    await centre.until(lambda: len(centre.back) == 3)
    assert centre.workers.home("a") is centre.workers.clients["w0"]


def test_a_calls_music_is_its_queues_until_it_leaves(tmp_path: Path) -> None:
    workers = Workers(cast(Any, None), cast(Any, None), cast(Any, None), print, "music")
    assert workers.music("a") == ("music",)
    workers.set_music("a", "jazz")
    assert (workers.music("a"), workers.music("b")) == (("jazz",), ("music",))
    workers.leave("a")
    assert workers.music("a") == ("music",)


# --- reports ---------------------------------------------------------------------------------


async def test_a_report_is_acknowledged_once_what_it_caused_is_durable(centre: Centre) -> None:
    worker = await centre.start()
    worker.report(1, media.Digit("s", "5", 1.0))
    worker.report(2, media.Digit("s", "6", 1.0))
    await centre.until(lambda: len(centre.reports) == 2)
    centre.journal.slow = True
    centre.acknowledge()
    assert centre.journal.facts() == [WorkerReport(life_of("w0", os.getpid()), 2)], (
        "one fact for all of a moment"
    )
    assert list(worker.unacknowledged) == [1, 2]
    centre.journal.sync()
    await worker.heard(media.Acknowledge)
    assert worker.unacknowledged == {}


async def test_a_report_that_comes_again_is_taken_once(centre: Centre) -> None:
    worker = await centre.start()
    worker.report(1, media.Digit("s", "5", 1.0))
    await centre.until(lambda: len(centre.reports) == 1)
    centre.played[0].hang_up()
    await centre.until(lambda: len(centre.back) == 2)
    worker.report(2, media.Digit("s", "6", 1.0))
    await centre.until(lambda: len(centre.reports) == 2)
    assert [report.key for _, report in centre.reports] == ["5", "6"]  # type: ignore[union-attr]


async def test_the_next_engine_takes_what_its_forerunner_did_not_journal(centre: Centre) -> None:
    worker = await centre.start()
    worker.report(1, media.Digit("s", "5", 1.0))
    await centre.until(lambda: len(centre.reports) == 1)
    centre.acknowledge()
    await worker.heard(media.Acknowledge)
    worker.unacknowledged[1] = media.Digit("s", "5", 1.0)  # it died before it read that
    worker.report(2, media.Digit("s", "6", 1.0))
    await centre.until(lambda: len(centre.reports) == 2)
    await centre.workers.close()
    centre.workers = centre.engine()
    for entry in centre.journal.entries:
        centre.workers.note(entry)
    await centre.connect(centre.workers)
    await centre.until(lambda: len(centre.reports) == 3)
    keys = [report.key for _, report in centre.reports]  # type: ignore[union-attr]
    assert keys == ["5", "6", "6"], "the first is in the log, the second was not"


async def test_what_was_taken_stands_in_the_log_beside_what_it_caused(centre: Centre) -> None:
    """Else a key is pressed twice where an engine dies before it acknowledged."""
    worker = await centre.start()
    worker.report(1, media.Digit("s", "5", 1.0))
    await centre.until(lambda: len(centre.reports) == 1)
    assert not centre.journal.entries, "a take-over is under way: nothing was caused yet"
    centre.workers.settled()
    worker.report(2, media.Digit("s", "6", 1.0))
    await centre.until(lambda: len(centre.reports) == 2)
    await centre.workers.close()
    noted = [entry.event.number for entry in centre.journal.entries]  # type: ignore[attr-defined]
    assert noted == [1, 2]
    centre.workers = centre.engine()
    for entry in centre.journal.entries:
        centre.workers.note(entry)
    await centre.connect(centre.workers)
    worker.report(3, media.Digit("s", "7", 1.0))
    await centre.until(lambda: len(centre.reports) == 3)
    assert [report.key for _, report in centre.reports] == ["5", "6", "7"]  # type: ignore[union-attr]


async def test_another_process_of_the_name_counts_from_1_again(centre: Centre) -> None:
    worker = await centre.start()
    worker.report(7, media.Digit("s", "5", 1.0))
    await centre.until(lambda: len(centre.reports) == 1)
    await worker.die()
    worker.unacknowledged.clear()
    worker.pid = os.getppid()
    await worker.start()
    await centre.until(lambda: len(centre.back) == 2)
    worker.report(1, media.Digit("s", "6", 1.0))
    await centre.until(lambda: len(centre.reports) == 2)


async def test_what_a_dead_process_said_is_not_acknowledged_to_the_next(centre: Centre) -> None:
    worker = await centre.start()
    worker.report(7, media.Digit("s", "5", 1.0))
    await centre.until(lambda: len(centre.reports) == 1)
    await worker.die()
    worker.unacknowledged.clear()
    worker.pid = os.getppid()
    await worker.start()
    await centre.until(lambda: len(centre.back) == 2)
    centre.acknowledge()
    assert centre.journal.facts() == []
    worker.report(1, media.Digit("s", "6", 1.0))
    await centre.until(lambda: len(centre.reports) == 2)
    centre.acknowledge()
    assert (await worker.heard(media.Acknowledge)).report == 1


async def test_media_that_fell_silent_wait_for_what_phones_said(centre: Centre) -> None:
    """A BYE in the kernel's buffer explains the silence; both waited for this engine."""
    first, other = PlayedWorker("w0", centre.folder), PlayedWorker("w1", centre.folder)
    first.unacknowledged = {
        1: media.Digit("s", "1", 1.0),
        2: media.MediaTimeout("s", 2.0),
        3: media.Digit("s", "2", 3.0),
    }
    centre.played = [first, other]
    for worker in centre.played:
        await worker.start()
    centre.workers.hold()
    await centre.connect(centre.workers)
    other.report(1, media.Digit("t", "3", 1.0))
    await centre.until(lambda: len(centre.reports) == 2)
    centre.workers.settled()
    noted = [(e.event.worker, e.event.number) for e in centre.journal.entries]  # type: ignore[attr-defined]
    assert noted == [(life_of("w0", os.getpid()), 1), (life_of("w1", os.getpid()), 1)]
    first.hang_up()
    await centre.until(lambda: len(centre.back) == 3)
    assert len(centre.reports) == 2, "the same again waits, too"
    centre.workers.release()
    assert [report for name, report in centre.reports if name == "w0"] == [
        media.Digit("s", "1", 1.0),
        media.MediaTimeout("s", 2.0),
        media.Digit("s", "2", 3.0),
    ]
    assert centre.journal.entries[-1].event == WorkerReport(life_of("w0", os.getpid()), 3)
    first.report(4, media.MediaTimeout("u", 4.0))
    await centre.until(lambda: len(centre.reports) == 5)


async def test_a_worker_that_dies_while_its_silence_waits_is_followed_by_one_that_is_heard(
    centre: Centre,
) -> None:
    """What it said beside the silence counts; its sessions are made again, their time begins
    anew, and the next one's reports have low numbers."""
    worker = PlayedWorker("w0", centre.folder)
    worker.unacknowledged = {
        5: media.MediaTimeout("s", 2.0),
        6: media.Digit("s", "2", 3.0),
    }
    centre.played = [worker]
    await worker.start()
    centre.workers.hold()
    await centre.connect(centre.workers)
    centre.workers.settled()
    await worker.die()
    worker.unacknowledged = {1: media.Digit("s", "7", 4.0)}
    worker.pid = os.getppid()
    await worker.start()
    await centre.until(lambda: len(centre.back) == 2)
    await centre.until(lambda: len(centre.reports) == 2)
    centre.workers.release()
    assert [report for _, report in centre.reports] == [
        media.Digit("s", "2", 3.0),
        media.Digit("s", "7", 4.0),
    ]
    worker.report(2, media.Digit("s", "8", 5.0))
    await centre.until(lambda: len(centre.reports) == 3)
    noted = [e.event.number for e in centre.journal.entries]  # type: ignore[attr-defined]
    assert noted == [6, 1, 2]


async def test_figures_are_kept_by_worker(centre: Centre) -> None:
    worker = await centre.start()
    worker.figure(3)
    worker.report(1, media.Digit("s", "5", 1.0))
    await centre.until(lambda: len(centre.reports) == 1)
    assert centre.workers.figures["w0"].sessions == 3


# --- death and return ------------------------------------------------------------------------


async def test_what_a_dead_engine_closed_is_not_made_again(centre: Centre) -> None:
    """It died between that and the record of it: the leg's end comes once more."""
    worker = PlayedWorker("w0", centre.folder)
    worker.sessions, worker.closed = [state("ours")], ("gone",)
    centre.played = [worker]
    await worker.start()
    await centre.connect(centre.workers)
    assert centre.back == [("w0", {"ours"})]
    assert centre.closed == {"gone"}


async def test_sessions_of_nobody_are_closed_and_their_recordings_stopped(centre: Centre) -> None:
    worker = PlayedWorker("w0", centre.folder)
    worker.sessions = [state("stray", "c-r1"), state("ours", "c-r2")]
    centre.played.append(worker)
    await worker.start()
    await centre.connect(centre.workers)
    assert (await worker.heard(media.StopRecord)).recording == "c-r1"
    assert (await worker.heard(media.Close)).session == "stray"
    assert centre.workers.recording == {"c-r1", "c-r2"}
    assert centre.back == [("w0", {"stray", "ours"})]
    assert not [c for c in worker.commands if isinstance(c, media.Close) and c.session == "ours"]


async def test_a_worker_may_come_a_moment_later(centre: Centre) -> None:
    worker = PlayedWorker("w0", centre.folder)
    centre.played.append(worker)
    async with asyncio.TaskGroup() as group:
        connecting = group.create_task(centre.connect(centre.workers))
        await asyncio.sleep(0)
        assert not connecting.done()
        await worker.start()
    assert centre.workers.names == ["w0"]
    assert set(centre.workers.clients) == {"w0"}


async def test_what_was_asked_of_a_worker_that_dies_is_refused(centre: Centre) -> None:
    worker = await centre.start()
    client = centre.workers.home("a")
    assert client is not None
    answers: list[media.Answer] = []

    def take(answer: media.Answer) -> None:
        answers.append(answer)

    centre.workers.ask(client, media.Open("s"), take)
    await centre.until(lambda: len(answers) == 1)
    assert answers == [media.Opened("s", 20_000)]
    centre.workers.ask(client, media.SendDigits("s", "1", "1"), take)
    await worker.die()
    await centre.until(lambda: len(answers) == 2)
    centre.workers.ask(client, media.Open("t"), take)
    await centre.until(lambda: len(answers) == 3)
    assert isinstance(answers[2], media.Refused)


async def test_after_close_nobody_reconnects(centre: Centre) -> None:
    worker = await centre.start()
    await centre.workers.close()
    await worker.die()
    assert len(centre.workers._tasks) == 0


def test_a_life_is_told_by_name_pid_and_start() -> None:
    assert life_of("w0", os.getpid()) == life_of("w0", os.getpid())
    assert life_of("w0", os.getpid()) != life_of("w0", os.getppid())
    assert life_of("w0", 0) != life_of("w0", 0), "unknown: never the same"
