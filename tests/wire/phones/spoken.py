"""Phones that are Python: their process takes JSON lines on its input and tells JSON lines."""

from __future__ import annotations

import asyncio
import json
import sys
from array import array
from pathlib import Path

from tests.wire.phones.base import Phone, PhoneError
from tests.wire.phones.sound import read_wav


class SpokenPhone(Phone):
    """``module`` is run as ``python -m``, its one argument the account as JSON."""

    talks_json = True
    module = ""

    async def start(self) -> None:
        self.heard_file = self.folder / "heard.wav"
        account = {
            "user": self.user,
            "password": self.password,
            "server": list(self.server),
            "host": self.host,
            "transport": self.transport,
            "codecs": list(self.codecs),
            "demanding": self.demanding,
            "tone": str(self.tone),
            "heard": str(self.heard_file),
        }
        process = await self.spawn([sys.executable, "-m", self.module, json.dumps(account)])
        assert process.stdout is not None
        self.own(asyncio.create_task(self._listen(process.stdout)))
        await self.wait("started")

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        """Lines that are no JSON are the library's own chatter: kept with the output."""
        with (self.folder / "output").open("ab") as kept:
            async for line in stream:
                try:
                    told = json.loads(line)
                    self.told(told["event"], str(told.get("detail", "")))
                except (ValueError, TypeError, KeyError):
                    kept.write(line)
                    kept.flush()

    async def command(self, name: str, detail: str = "") -> None:
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            raise PhoneError(f"{type(self).__name__} is not running:\n{self.output()}")
        process.stdin.write(json.dumps([name, detail]).encode() + b"\n")
        await process.stdin.drain()

    async def dial(self, uri: str) -> None:
        await self.command("dial", uri)

    async def answer(self) -> None:
        await self.command("answer")

    async def reject(self, status: int) -> None:
        await self.command("reject", str(status))

    async def hang_up(self) -> None:
        await self.command("hang_up")

    def heard(self) -> array[int]:
        found = sorted(
            Path(self.folder).glob("heard*.wav"), key=lambda path: path.stat().st_mtime_ns
        )
        if not found:
            raise PhoneError(f"{type(self).__name__} heard nothing:\n{self.output()}")
        return read_wav(found[-1])
