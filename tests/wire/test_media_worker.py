"""The media worker as a process: it outlives its engine, keeps time, and stays small."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.media.client import WorkerClient, WorkerLost
from router.media.protocol import (
    Answer,
    Bridge,
    Close,
    Closed,
    Command,
    Digit,
    Done,
    Figure,
    ListSessions,
    Open,
    Opened,
    Play,
    PlayEnded,
    Record,
    RecordingSegment,
    Refused,
    Report,
    Sessions,
    StopRecord,
    Update,
    WorkerFigures,
)
from router.media.recording import Packet, read_recording
from tests.router.media.stage import HOST, Phone, continuous

pytestmark = pytest.mark.wire
ROOT = Path(__file__).parents[2]


class Engine:
    """A client and what it was told."""

    def __init__(self) -> None:
        self.reports: dict[int, Report] = {}
        self.figures: list[Figure] = []
        self.lost: list[str] = []
        self.client: WorkerClient

    async def connect(self, path: str, generation: int) -> Engine:
        for _ in range(250):
            try:
                self.client = await WorkerClient.connect(
                    path,
                    generation,
                    f"e{generation}",
                    lambda _, number, report: self.reports.__setitem__(number, report),
                    self.figures.append,
                    self.lost.append,
                )
                return self
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.02)
        raise AssertionError("the worker does not listen")

    async def done(self, command: Command) -> None:
        assert await self.client.ask(command) == Done()

    async def phone(self, session: str, payload_type: int = 0) -> Phone:
        phone = Phone(1, payload_type)
        answer = await self.client.ask(Open(session))
        assert isinstance(answer, Opened)
        phone.port = answer.port
        await self.done(Update(session, phone.address, (HOST,), payload_type, 101))
        return phone

    def of(self, kind: type) -> list[Report]:
        return [report for report in self.reports.values() if isinstance(report, kind)]


class Worker:
    def __init__(self, path: str, process: subprocess.Popen[bytes]) -> None:
        self.path = path
        self.process = process


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    path = str(tmp_path / "w0.sock")
    low = 30_000 + os.getpid() % 100 * 100
    arguments = ["--name", "w0", "--socket", path, "--ports", f"{low}-{low + 99}", "--rest", "0.2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "router.media.worker", *arguments], cwd=ROOT, stderr=subprocess.PIPE
    )
    try:
        yield Worker(path, process)
    finally:
        process.terminate()
        process.communicate(timeout=5)


async def pace(*phones: Phone, seconds: float) -> None:
    """Each phone sends a packet every 20 ms; returns when the last has had time to arrive."""
    start = time.monotonic()
    for number in range(round(seconds * 50)):
        await asyncio.sleep(max(0.0, start + number * 0.02 - time.monotonic()))
        for phone in phones:
            phone.send()
    await asyncio.sleep(0.05)


async def until(condition: object, seconds: float = 3.0) -> None:
    assert callable(condition)
    for _ in range(round(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen in time")


async def test_it_outlives_its_engine(worker: Worker, tmp_path: Path) -> None:
    """Music, a bridge and a recording go on while no engine is there; the next one finds all."""
    (tmp_path / "p").write_bytes(b"p" * 800)
    (tmp_path / "m").write_bytes(b"m" * 480)
    first = await Engine().connect(worker.path, 1)
    with contextlib.ExitStack() as stack:
        waiting = await first.phone("waiting")
        left, right = await first.phone("left"), await first.phone("right", 8)
        for phone in (waiting, left, right):
            stack.callback(phone.close)
        await first.done(Play("waiting", "p", (str(tmp_path / "p"),), (str(tmp_path / "m"),)))
        await first.done(Bridge("left", "right"))
        await first.done(Record("r", str(tmp_path / "r"), "left", "right"))
        await pace(left, right, seconds=0.2)
        assert first.client._transport is not None
        first.client._transport.abort()  # as a killed engine's would
        left.heard(), waiting.heard()
        await pace(left, right, waiting, seconds=1.0)
        waiting.send(b"\x05\x0a\x00\xa0", payload_type=101)
        await until(lambda: not first.client.connected)
        assert len(first.lost) == 1
        music = waiting.heard()
        assert 45 <= len(music) <= 60
        assert continuous(music)
        assert {
            after.timestamp - before.timestamp for before, after in itertools.pairwise(music)
        } == {160}
        assert len(left.heard()) == 50
        second = await Engine().connect(worker.path, 2)
        assert second.client.welcome is not None
        assert second.client.welcome.sessions == 3
        await until(lambda: len(second.of(Digit)) == 1)
        assert len(second.of(PlayEnded)) == 1
        assert list(second.reports) == [1, 2]
        second.client.acknowledge(2)
        sessions = await second.client.ask(ListSessions())
        assert isinstance(sessions, Sessions)
        states = {state.session: state for state in sessions.sessions}
        assert states["left"].bridged == "right"
        assert states["right"].recording == "r"
        assert states["waiting"].play == "p"
        with pytest.raises(WorkerLost, match="stale generation"):
            await Engine().connect(worker.path, 1)
        for session in ("left", "right", "waiting"):
            assert isinstance(await second.client.ask(Close(session)), Closed)
        await until(lambda: len(second.of(RecordingSegment)) == 1)
        second.client.close()
        with read_recording(tmp_path / "r") as reading:
            packets = [record for record in reading if isinstance(record, Packet)]
        assert [sum(p.side == side for p in packets) for side in (0, 1)] == [60, 60]
        gaps = [b.arrival_us - a.arrival_us for a, b in itertools.pairwise(packets[::2])]
        assert sum(gaps) == pytest.approx(1_200_000, abs=150_000)
        third = await Engine().connect(worker.path, 3)
        assert third.client.welcome is not None
        assert third.client.welcome.first_report == 3
        await until(lambda: list(third.reports) == [3])
        third.client.close()


async def test_a_menu_without_an_engine_sounds_alive(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"m" * 480)
    first = await Engine().connect(worker.path, 1)
    phone = await first.phone("a")

    async def heard(seconds: float) -> list[bytes]:
        phone.heard()
        await asyncio.sleep(seconds)
        return [packet.payload[:1] for packet in phone.heard()]

    await first.done(Play("a", "p", (), alone=(str(tmp_path / "m"),)))
    assert set(await heard(1.8)) == {b"\xff"}
    assert first.client._transport is not None
    first.client._transport.abort()
    kinds = await heard(2.2)
    assert set(kinds) == {b"\xff", b"m"}
    assert 60 <= kinds.index(b"m") <= 90, "a second and a half"
    second = await Engine().connect(worker.path, 2)
    assert set(await heard(0.3)) == {b"\xff"}
    second.client.close()
    phone.close()


async def test_it_keeps_the_pace_of_the_clock(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"m" * 8000)
    engine = await Engine().connect(worker.path, 1)
    phone = await engine.phone("a")
    await engine.done(Play("a", "p", (), (str(tmp_path / "m"),)))
    await asyncio.sleep(0.1)
    phone.heard()
    start = time.monotonic()
    await asyncio.sleep(3)
    heard = len(phone.heard())
    elapsed = time.monotonic() - start
    phone.close()
    engine.client.close()
    assert abs(heard - elapsed * 50) <= 3


async def test_small_and_idle(worker: Worker) -> None:
    engine = await Engine().connect(worker.path, 1)
    await until(lambda: engine.figures, seconds=7)
    figures = engine.figures[0]
    assert isinstance(figures, WorkerFigures)
    assert (figures.worker, figures.sessions, figures.ports_free) == ("w0", 0, 50)
    rollup = Path(f"/proc/{worker.process.pid}/smaps_rollup").read_text()
    pss = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    assert int(pss.split()[1]) <= 16_000
    engine.client.close()


async def test_sigterm_closes_recordings(worker: Worker, tmp_path: Path) -> None:
    engine = await Engine().connect(worker.path, 1)
    phone = await engine.phone("a")
    await engine.done(Record("r", str(tmp_path / "r"), "a"))
    await pace(phone, seconds=0.1)
    worker.process.send_signal(signal.SIGINT)  # the terminal's, not ours to act on
    await engine.done(StopRecord("none"))
    worker.process.terminate()
    await until(lambda: engine.lost)
    assert worker.process.wait(3) == 0
    assert len(engine.of(RecordingSegment)) == 1
    assert not os.path.exists(worker.path)
    with read_recording(tmp_path / "r") as reading:
        assert len(list(reading)) == 6
        assert reading.complete
    phone.close()
    with pytest.raises(WorkerLost):
        await engine.client.ask(ListSessions())
    engine.client.send(ListSessions())  # to nobody, without harm


async def test_an_inherited_socket_and_a_logged_refusal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(4)
        fd = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "router.media.worker", "--socket-fd", str(fd)],
            cwd=ROOT,
            pass_fds=(fd,),
            stderr=subprocess.DEVNULL,
        )
        try:
            engine = await Engine().connect(path, 7)
            engine.client.send(Bridge("no", "body"))
            answer: Answer = await engine.client.ask(Bridge("no", "body"))
            assert isinstance(answer, Refused)
            assert "unknown session" in caplog.text
            engine.client.close()
        finally:
            process.terminate()
            process.wait(5)
