"""The engine's side of the finishing process: jobs one after the other, the process kept alive."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from config.errors import MisuseError
from recordings.events import RecordingFinished
from recordings.finisher_protocol import Answer, Job

log = logging.getLogger(__name__)

WAITING_MAX = 1_000  # jobs that wait; ``finish`` itself waits when there are more
JOB_S_MAX = 600.0
TRIES = 2  # a job during which the process died is tried again
RESTART_S = 1.0  # between two starts that failed
LINE_BYTES_MAX = 1_048_576
CLOSE_S = 2.0

_ROOT = str(Path(__file__).resolve().parent.parent)


class FinisherDiedError(Exception):
    """The process ended or did not answer; the text says how."""


class Finisher:
    """``await start()``, any number of ``await finish(...)``, ``await close()``."""

    def __init__(self, command: Sequence[str] = ()) -> None:
        """``command``: for tests, another program that talks the same protocol."""
        self._command = tuple(command) or (sys.executable, "-m", "recordings.finisher")
        self._jobs: asyncio.Queue[tuple[Job, asyncio.Future[RecordingFinished]]] = asyncio.Queue(
            WAITING_MAX
        )
        self._task: asyncio.Task[None] | None = None
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process, while one runs."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self) -> None:
        """Start the process and the task that feeds it."""
        if self._task is not None:
            raise MisuseError("the finisher is started once")
        with suppress(OSError):  # the first job tells why it cannot be started
            await self._running()
        self._task = asyncio.create_task(self._feed(), name="finisher")

    async def finish(self, recording: str, paths: Sequence[str], target: str) -> RecordingFinished:
        """Make the WAV. Never raises for the recording's sake: ``error`` says what went wrong.

        Safe to repeat: the same files give the same target again. Cancelled by ``close``.
        """
        if self._task is None:
            raise MisuseError("the finisher is not running")
        done: asyncio.Future[RecordingFinished] = asyncio.get_running_loop().create_future()
        await self._jobs.put((Job(recording, [str(path) for path in paths], str(target)), done))
        return await done

    async def close(self) -> None:
        """End the process; jobs that wait are cancelled (the journal has them still)."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        while not self._jobs.empty():
            self._jobs.get_nowait()[1].cancel()
        await self._end_process()

    async def _feed(self) -> None:
        while True:
            job, done = await self._jobs.get()
            if done.cancelled():
                continue
            try:
                finished = await self._do(job)
            except asyncio.CancelledError:
                done.cancel()
                raise
            if not done.done():
                done.set_result(finished)

    async def _do(self, job: Job) -> RecordingFinished:
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(RESTART_S)
            try:
                answer = await asyncio.wait_for(self._ask(job), JOB_S_MAX)
            except (FinisherDiedError, OSError, TimeoutError, msgspec.MsgspecError) as error:
                problem = f"finishing process failed: {error or type(error).__name__}"
                log.warning("recording %s: %s", job.recording, problem)
                await self._end_process()
                continue
            if answer.warning:
                log.warning("recording %s: %s", job.recording, answer.warning)
            return RecordingFinished(
                answer.recording,
                answer.path,
                answer.sha256,
                answer.duration_s,
                answer.size_bytes,
                answer.error,
                answer.warning,
            )
        return RecordingFinished(job.recording, "", "", 0.0, 0, problem)

    async def _ask(self, job: Job) -> Answer:
        process = await self._running()
        if process.stdin is None or process.stdout is None:
            raise FinisherDiedError("has no pipes")
        process.stdin.write(msgspec.json.encode(job) + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise FinisherDiedError(f"ended with {await process.wait()}")
        answer = msgspec.json.decode(line, type=Answer)
        if answer.recording != job.recording:
            raise FinisherDiedError("answered another job")
        return answer

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH", ""))))
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                limit=LINE_BYTES_MAX,
                env={**os.environ, "PYTHONPATH": path},
            )
        return self._process

    async def _end_process(self) -> None:
        """Close its input and wait; after CLOSE_S it is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            try:
                await asyncio.wait_for(process.wait(), CLOSE_S)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
