"""The finishing process and its client."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from config.errors import MisuseError
from recordings import client
from recordings.client import Finisher
from recordings.finisher import work
from recordings.finisher_protocol import Answer, Job
from recordings.measure import read_wav
from tests.recordings.speakers import Beeps, speak, write_log

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def finisher(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Finisher]:
    monkeypatch.setattr(client, "RESTART_S", 0.0)
    running = Finisher()
    await running.start()
    yield running
    await running.close()


def test_job_by_hand(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a", speak(Beeps(), 0, 1), end=1.0)
    good = Job("r", [path], str(tmp_path / "r.wav"))
    jobs = [good, Job("s", [str(tmp_path / "none")], str(tmp_path / "s.wav"))]
    answers = [
        msgspec.json.decode(line, type=Answer)
        for line in subprocess.run(
            [sys.executable, "-m", "recordings.finisher"],
            input=b"".join(msgspec.json.encode(job) + b"\n" for job in jobs),
            capture_output=True,
            cwd=ROOT,
            check=True,
        ).stdout.splitlines()
    ]
    assert answers[0] == work(good)
    assert (answers[0].error, answers[0].duration_s) == ("", 1.05)
    assert answers[1] == Answer("s", error="a part is missing")


def test_place_that_cannot_be_written_is_an_answer() -> None:
    assert "writing failed" in work(Job("r", [], "/dev/full/x.wav")).error


async def test_many_jobs(finisher: Finisher, tmp_path: Path) -> None:
    path = write_log(tmp_path / "a", speak(Beeps(), 0, 2), end=2.0)
    done = await asyncio.gather(
        *(finisher.finish(f"r{i}", [path], str(tmp_path / f"{i}.wav")) for i in range(20))
    )
    assert [event.recording for event in done] == [f"r{i}" for i in range(20)]
    assert len({event.sha256 for event in done}) == 1
    assert read_wav(done[7].path).duration_s == 2.05


async def test_dead_process_is_started_again(finisher: Finisher, tmp_path: Path) -> None:
    path = write_log(tmp_path / "a", speak(Beeps(), 0, 2), end=2.0)
    first = finisher.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    event = await finisher.finish("r", [path], str(tmp_path / "r.wav"))
    assert (event.error, event.duration_s) == ("", 2.05)
    assert finisher.pid not in (None, first)


async def test_job_that_kills_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(client, "RESTART_S", 0.0)
    finisher = Finisher([sys.executable, "-c", "input(); raise SystemExit(3)"])
    await finisher.start()
    event = await finisher.finish("r", ["x"], str(tmp_path / "r.wav"))
    assert event.error == "finishing process failed: ended with 3"
    await finisher.close()


async def test_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RESTART_S", 0.0)
    finisher = Finisher(["/nonexistent"])
    await finisher.start()
    assert "No such file" in (await finisher.finish("r", [], "t")).error
    await finisher.close()


async def test_close_cancels_what_waits() -> None:
    finisher = Finisher([sys.executable, "-c", "import sys; sys.stdin.read()"])
    await finisher.start()
    jobs = [asyncio.ensure_future(finisher.finish(f"r{i}", [], "t")) for i in range(3)]
    await asyncio.sleep(0)
    await finisher.close()
    done = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in done)
    assert finisher.pid is None
    with pytest.raises(MisuseError):
        await finisher.finish("r", [], "t")


async def test_process_is_lean(finisher: Finisher, tmp_path: Path) -> None:
    path = write_log(tmp_path / "a", speak(Beeps(), 0, 60), end=60.0)
    await finisher.finish("r", [path], str(tmp_path / "r.wav"))
    rollup = Path(f"/proc/{finisher.pid}/smaps_rollup").read_text()
    pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert pss < 14_000, pss
