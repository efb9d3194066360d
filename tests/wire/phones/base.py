"""A softphone of somebody else's, in a process of its own: what every driver can do."""

from __future__ import annotations

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from array import array
from collections.abc import Sequence
from pathlib import Path

PATIENCE_S = 15.0


class PhoneError(Exception):
    """The phone is missing, did not start, or did not do as told: a failure, never a skip."""


class Phone(ABC):
    """One account on one phone.

    ``tone`` is a WAV (8 kHz, mono) that it speaks in every call; ``demanding`` asks for whatever
    else the phone can do. Events come in order:
    ``registered``, ``ringing``, ``early``, ``up``, ``over``.
    """

    def __init__(
        self,
        folder: Path,
        user: str,
        password: str,
        server: tuple[str, int],
        tone: Path,
        *,
        host: str = "127.0.0.1",
        transport: str = "udp",
        codecs: Sequence[str] = ("PCMU", "PCMA"),
        demanding: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.user = user
        self.password = password
        self.server = server
        self.tone = tone
        self.host = host
        self.transport = transport
        self.codecs = tuple(codecs)
        self.demanding = demanding
        self.seen: list[tuple[str, str]] = []
        self._taken = 0
        self._changed = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # --- its process ---------------------------------------------------------------------------

    async def spawn(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        with (self.folder / "output").open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE if self.talks_json else out,
                stderr=out,
                cwd=Path(__file__).parents[3],
                start_new_session=True,
            )
        return self._process

    talks_json = False  # over its standard input and output

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def own(self, task: asyncio.Task[None]) -> None:
        self._tasks.append(task)

    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")[-4000:]

    async def kill(self) -> None:
        """``kill -9``: no BYE, no un-registration, no packet more."""
        await self._end(signal.SIGKILL)

    async def close(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(how)
            try:
                await asyncio.wait_for(process.wait(), 3)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        await self.hang_pipes_up()

    async def hang_pipes_up(self) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()

    # --- its events ----------------------------------------------------------------------------

    def told(self, name: str, detail: str = "") -> None:
        self.seen.append((name, detail))
        self._changed.set()

    async def wait(self, name: str, seconds: float = PATIENCE_S) -> str:
        """The detail of the next such event after the last one waited for."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for number in range(self._taken, len(self.seen)):
                        if self.seen[number][0] == name:
                            self._taken = number + 1
                            return self.seen[number][1]
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise PhoneError(
                f"{type(self).__name__} {self.user}: no {name!r} within {seconds} s; "
                f"after {self._taken} of {self.seen}\n{self.output()}"
            ) from None

    def pending(self, name: str) -> bool:
        return any(seen == name for seen, _ in self.seen[self._taken :])

    # --- what it does --------------------------------------------------------------------------

    @abstractmethod
    async def start(self) -> None:
        """Start the process; registering begins (``registered`` follows)."""

    @abstractmethod
    async def dial(self, uri: str) -> None: ...

    @abstractmethod
    async def answer(self) -> None: ...

    @abstractmethod
    async def reject(self, status: int) -> None: ...

    @abstractmethod
    async def hang_up(self) -> None: ...

    async def hold(self) -> None:
        raise PhoneError(f"{type(self).__name__} cannot hold")

    async def resume(self) -> None:
        raise PhoneError(f"{type(self).__name__} cannot hold")

    async def refer(self, uri: str) -> None:
        raise PhoneError(f"{type(self).__name__} cannot transfer")

    @abstractmethod
    def heard(self) -> array[int]:
        """What came out of its earpiece in the last call, 16 bit at 8 kHz."""
