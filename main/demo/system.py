"""The demo's own Offhook: a configuration on loopback and free ports, started as a user would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

CALLERS = "127.0.0.2"  # where the demo's trunk calls from

CONFIG = """\
data_dir: .
sip:
  domain: offhook.demo
  listen:
    - {transport: udp, host: 127.0.0.1, port: 0}
    - {transport: tcp, host: 127.0.0.1, port: 0}
media:
  host: 127.0.0.1
  timeout_s: 2
trunks:
  - name: demo-trunk
    addresses: [127.0.0.2]
  - name: your-phone
    username: caller
numbers:
  - {number: '*', flow: main}
queues:
  - name: support
    ring_timeout_s: 10
    wrap_up_s: 1
    announce_interval_s: 15
    callback_key: "1"
agents:
  - {id: anna, name: Anna, extension: "101", queues: {support: 1}}
  - {id: boris, name: Boris, extension: "102", queues: {support: 1}}
api:
  host: 127.0.0.1
  port: 0
"""


class System:
    """``offhook serve`` in a folder of its own, seen from outside: SIP, HTTP and files only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "offhook.yaml"
        self.log = folder / "offhook.log"
        self.sip: tuple[str, int] = ("", 0)
        self.url = ""
        self.started_in_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def secrets(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads((self.folder / "secrets.json").read_text())
        return found

    def password(self, extension: str) -> str:
        return self.secrets["phones"][extension]

    @property
    def token(self) -> str:
        return self.secrets["own"]["admin_token"]

    async def start(self) -> None:
        """Returns when the system says that it is ready; RuntimeError with its log if it is not."""
        begun = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(CONFIG)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "main",
                    "serve",
                    "--log-level",
                    "debug",
                    "-c",
                    str(self.config),
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        while not await self._is_ready():
            if self._process.poll() is not None or time.monotonic() - begun > 30:
                raise RuntimeError(f"offhook did not start:\n{self.log.read_text()[-3000:]}")
            await asyncio.sleep(0.05)
        self.started_in_s = time.monotonic() - begun

    async def _is_ready(self) -> bool:
        try:
            state = json.loads((self.folder / "run" / "supervisor.json").read_text())
        except (OSError, ValueError):
            return False
        first = state["sip"][0]
        self.sip = (first["host"], first["port"])
        self.url = state["api"]["url"]
        try:
            async with httpx.AsyncClient(base_url=self.url, timeout=2) as client:
                return (await client.get("/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=10
        )

    async def wait(self) -> None:
        """Until the system ends (or is ended)."""
        while self._process is not None and self._process.poll() is None:
            await asyncio.sleep(0.5)

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)
