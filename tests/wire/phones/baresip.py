"""baresip (Debian package baresip-core) as a phone: a process of its own, driven over ctrl_tcp.

It speaks a WAV (aufile) and writes what it hears (sndfile, ``dump-*-dec.wav``); the player is
aubridge, which keeps time without a sound card. The control port is one that the kernel chose,
read from the process's own sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from array import array
from pathlib import Path
from typing import Any

import psutil

from tests.wire.phones.base import Phone, PhoneError
from tests.wire.phones.sound import read_wav

MODULES = Path("/usr/lib/baresip/modules")
EVENTS = {
    "REGISTER_OK": "registered",
    "REGISTER_FAIL": "register-failed",
    "CALL_INCOMING": "ringing",
    "CALL_PROGRESS": "early",
    "CALL_ESTABLISHED": "up",
    "CALL_CLOSED": "over",
    "TRANSFER_FAILED": "transfer-failed",
}

CONFIG = """\
poll_method epoll
sip_listen {host}:0
call_local_timeout 120
call_max_calls 4
audio_player aubridge,{user}-{number}
audio_source aufile,{tone}
audio_alert aubridge,{user}-{number}-alert
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_level no
audio_buffer 40-160
rtp_tos 184
rtcp_mux no
jitter_buffer_delay 2-10
rtp_stats no
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:0
snd_path {sounds}
"""


class Baresip(Phone):
    """See ``Phone`` for what it can do."""

    async def start(self) -> None:
        program = shutil.which("baresip")
        if program is None or not (MODULES / "ctrl_tcp.so").exists():
            raise PhoneError("baresip is missing: apt-get install baresip-core")
        sounds = self.folder / "heard"
        sounds.mkdir(parents=True, exist_ok=True)
        self._sounds = sounds
        (self.folder / "config").write_text(
            CONFIG.format(
                host=self.host,
                user=self.user,
                number=id(self),
                tone=self.tone,
                modules=MODULES,
                sounds=sounds,
            )
        )
        for name in ("accounts", "contacts"):
            (self.folder / name).write_text("")
        await self.spawn([program, "-f", str(self.folder), "-p", str(self.folder)])
        self._reader, self._writer = await self._connect()
        self.own(asyncio.create_task(self._listen()))
        await self.command("uanew", self._account())

    def _account(self) -> str:
        """Made after the control connection, so that no event is missed."""
        transport = ";transport=tcp" if self.transport == "tcp" else ""
        codecs = ",".join(f"{codec}/8000/1" for codec in self.codecs)
        return (
            f"<sip:{self.user}@{self.server[0]}:{self.server[1]}{transport}>"
            f";auth_pass={self.password};regint=600;answermode=manual;audio_codecs={codecs}"
        )

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """It listens for SIP on TCP and TLS first, and for us on the last socket it opens."""
        process = psutil.Process(self.pid)
        until = asyncio.get_running_loop().time() + 10
        while asyncio.get_running_loop().time() < until and self.alive:
            listening = [
                (found.fd, found.laddr.port)
                for found in process.net_connections("tcp")
                if found.status == psutil.CONN_LISTEN
            ]
            if len(listening) == 3:
                return await asyncio.open_connection("127.0.0.1", max(listening)[1])
            await asyncio.sleep(0.02)
        raise PhoneError(f"baresip did not start:\n{self.output()}")

    async def hang_pipes_up(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        await super().hang_pipes_up()

    async def _listen(self) -> None:
        """Netstrings of JSON (https://cr.yp.to/proto/netstrings.txt): events and answers."""
        reader = self._reader
        try:
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(size + 1))[:-1])
                if message.get("event"):
                    self._event(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def _event(self, message: dict[str, Any]) -> None:
        name = EVENTS.get(message["type"])
        if name is not None:
            self.told(name, str(message.get("param", "")))

    async def command(self, name: str, params: str = "") -> None:
        text = json.dumps({"command": name, "params": params, "token": "t"})
        self._writer.write(f"{len(text.encode())}:{text},".encode())
        await self._writer.drain()

    async def dial(self, uri: str) -> None:
        await self.command("dial", uri)

    async def answer(self) -> None:
        await self.command("accept")

    async def reject(self, status: int) -> None:
        await self.command("hangup", f"scode={status} reason=Rejected")

    async def hang_up(self) -> None:
        await self.command("hangup")

    async def hold(self) -> None:
        await self.command("hold")

    async def resume(self) -> None:
        await self.command("resume")

    async def refer(self, uri: str) -> None:
        await self.command("transfer", uri)

    def heard(self) -> array[int]:
        files = sorted(self._sounds.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime)
        if not files:
            raise PhoneError(f"baresip heard nothing:\n{self.output()}")
        return read_wav(files[-1])
