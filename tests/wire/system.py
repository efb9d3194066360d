"""The whole Offhook for a test on the wire: started as a user would, seen from outside only.

SIP, HTTP, its log and its files; nothing of its inside. It runs on loopback and free ports in a
folder of its own and is ended by its process id.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

ROOT = Path(__file__).parents[2]
TRUNK = "127.0.0.2"  # calls from here come in
STRANGER = "127.0.0.9"  # calls from here do not
DOMAIN = "offhook.test"

CONFIG = """\
data_dir: .
sip:
  domain: offhook.test
  listen:
    - {transport: udp, host: 127.0.0.1, port: 0}
    - {transport: tcp, host: 127.0.0.1, port: 0}
media:
  host: 127.0.0.1
  timeout_s: 5
trunks:
  - {name: trunk, addresses: [127.0.0.2]}
  - {name: mobile, username: mobile}
numbers:
  - {number: "700", queue: support}
  - {number: '*', flow: main}
queues:
  - {name: support, ring_timeout_s: 8, wrap_up_s: 0.5, announce_interval_s: 15}
agents:
  - {id: anna, name: Anna, extension: "101", queues: {support: 1}}
  - {id: boris, name: Boris, extension: "102", queues: {support: 1}}
  - {id: clara, name: Clara, extension: "103", queues: {support: 1}}
api:
  host: 127.0.0.1
  port: 0
"""

Found = TypeVar("Found")

_BAD_LINE = re.compile(r": (ERROR|CRITICAL): |^Traceback |\bdied after\b|never (awaited|retrieved)")


def eventually(
    look: Callable[[], Found | None], what: str, within_s: float = 10.0, every_s: float = 0.05
) -> Found:
    """The first truthy value of ``look``; AssertionError naming ``what`` after ``within_s``."""
    until = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"not within {within_s:g} s: {what} (last seen: {found!r})")
        time.sleep(every_s)


class System:
    """``offhook serve`` with this configuration; ``flows`` are files of its own flows_dir."""

    def __init__(
        self, folder: Path, config: str = CONFIG, flows: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.log = folder / "offhook.log"
        self.sip: tuple[str, int] = ("", 0)  # UDP
        self.sip_tcp: tuple[str, int] = ("", 0)
        self.sip6: tuple[str, int] = ("", 0)  # UDP on IPv6
        self.sip6_tcp: tuple[str, int] = ("", 0)
        self.url = ""
        self.within: tuple[str, ...] = ()  # a prefix of its command: where it is to live
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if flows:
            config += "flows_dir: flows\n"
            (folder / "flows").mkdir(exist_ok=True)
            for name, text in flows.items():
                (folder / "flows" / f"{name}.yaml").write_text(text)
        self.config = folder / "offhook.yaml"
        self.config.write_text(config)

    # --- starting and ending -------------------------------------------------------------------

    def start(self, log_level: str = "info") -> None:
        """Returns when it says that it is ready; AssertionError with its log if it does not."""
        command = [*self.within, sys.executable, "-m", "main", "serve", "--log-level", log_level]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-c", str(self.config)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                start_new_session=True,
            )
        until = time.monotonic() + 30
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise AssertionError(f"offhook did not start:\n{self.log_text()[-4000:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            state = self.state()
        except (OSError, ValueError):
            return False
        for listener in state["sip"]:
            at = (str(listener["host"]), int(listener["port"]))
            name = "sip6" if ":" in at[0] else "sip"
            setattr(self, name if listener["transport"] == "udp" else f"{name}_tcp", at)
        self.url = state["api"]["url"]
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to what is still there after 20 s."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            pids = self.pids()
            self._process.kill()
            for pid in pids.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(5)

    # --- what can be seen ----------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "run" / "supervisor.json").read_text())
        return found

    def pids(self) -> dict[str, int]:
        """Every process of it by name: supervisor, engine, media-0, media-1, ..."""
        state = self.state()
        pids = {worker["name"]: worker["pid"] for worker in state["workers"]}
        return {"supervisor": state["pid"], "engine": state["engine"]["pid"], **pids}

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def complaints(self) -> list[str]:
        """Lines of the log that no test may cause: errors, tracebacks, processes that died."""
        return [line for line in self.log_text().splitlines() if _BAD_LINE.search(line)]

    @property
    def secrets(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "secrets.json").read_text())
        return found

    def password(self, extension: str) -> str:
        """The SIP password of an agent's phone."""
        return str(self.secrets["phones"][extension])

    @property
    def token(self) -> str:
        return str(self.secrets["own"]["admin_token"])

    def client(self) -> httpx.Client:
        """The API, as admin."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=10)

    def async_client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=10)

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """A question to its SQLite file, read-only."""
        path = f"file:{self.folder / 'offhook.sqlite3'}?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True, timeout=5)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(statement, values)]

    def tickets(self, caller: str = "%") -> list[dict[str, Any]]:
        """Tickets of this caller (SQL LIKE), oldest first."""
        return self.rows("SELECT * FROM tickets WHERE caller LIKE ? ORDER BY number", caller)

    def calls(self, caller: str = "%") -> list[dict[str, Any]]:
        """Call records of this caller (SQL LIKE)."""
        return self.rows("SELECT * FROM call_records WHERE caller LIKE ?", caller)

    def wait_for_tickets(
        self, caller: str, count: int, within_s: float = 15.0
    ) -> list[dict[str, Any]]:
        """Exactly ``count`` tickets of this caller; more is an error at once."""

        def look() -> list[dict[str, Any]] | None:
            found = self.tickets(caller)
            return found if len(found) >= count else None

        found = eventually(look, f"{count} ticket(s) of {caller}", within_s)
        assert len(found) == count, f"{len(found)} tickets of {caller}, not {count}"
        calls = [ticket["call"] for ticket in found]
        assert len(set(calls)) == count, f"two tickets of one call among {calls}"
        return found

    def live(self) -> list[str]:
        """Calls in progress, as the API and the records (half a second late) tell."""
        with self.client() as client:
            found = client.get("/calls", params={"limit": 500})
        assert found.status_code == 200, found.text
        open_records = self.rows("SELECT call FROM call_records WHERE ended_at IS NULL")
        return [*(call["id"] for call in found.json()["items"]), *(r["call"] for r in open_records)]

    def nothing_is_left(self, within_s: float = 10.0, *, media: bool = False) -> None:
        """No call, no dialog (and no media session: workers tell it every few seconds) any more;
        AssertionError naming what there is."""

        def look() -> bool:
            with self.client() as client:
                lines = client.get("/metrics").text.splitlines()
            figures = [x for x in lines if x.startswith("offhook_sip_dialogs ")]
            figures += [x for x in lines if x.startswith("offhook_media_sessions{") and media]
            left = [x for x in figures if not x.endswith(" 0.0")]
            seen[:] = [*self.live(), *left]
            return not seen

        seen: list[str] = []
        try:
            eventually(look, "nothing is left", within_s)
        except AssertionError:
            raise AssertionError(f"left after {within_s:g} s: {seen}") from None

    def still_runs(self) -> None:
        """AssertionError where one of its processes ended or was started again."""
        state = self.state()
        starts = {item["name"]: item["starts"] for item in state["workers"]}
        starts["engine"] = state["engine"]["starts"]
        assert set(starts.values()) == {1}, f"started again: {starts}"
        for name, pid in self.pids().items():
            assert Path(f"/proc/{pid}").exists(), f"{name} is gone"

    def ask(self, *command: str) -> tuple[int, str]:
        """``offhook upgrade``, ``drain`` or ``reload``: its exit code and what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "main", *command, "-c", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            timeout=120,
        )
        return done.returncode, done.stdout

    # --- signals -------------------------------------------------------------------------------

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one of its processes (``pids``)."""
        os.kill(self.pids()[name], number)


@contextlib.contextmanager
def running(
    folder: Path, config: str = CONFIG, flows: Mapping[str, str] | None = None
) -> Iterator[System]:
    """A started System; afterwards it is ended, and its log must be free of complaints."""
    system = System(folder, config, flows)
    system.start()
    try:
        yield system
        complaints = system.complaints()
        assert not complaints, "the log complains:\n" + "\n".join(complaints[:20])
    finally:
        system.stop()
