"""An Offhook of its own for ``bench.calls``, measured from outside by ``/proc``."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from secrets import token_hex

from router.sip.digest import answer_challenge
from router.sip.message import Response
from router.sip.parser import parse_message

# Addresses of our own on loopback: what another program sends to its 127.0.0.1 cannot reach us.
CALLERS = "127.9.0.2"  # the trunk
AGENTS = "127.9.0.3"
EXTENSION = 1000

CONFIG = """\
data_dir: .
sip:
  domain: offhook.bench
  listen: [{transport: udp, host: 127.9.0.1, port: 0}]
media: {host: 127.9.0.1, workers: 2}
trunks: [{name: bench, addresses: [127.9.0.2], codecs: [PCMU]}]
numbers: [{number: '*', flow: bench}]
flows_dir: flows
queues: [{name: support, wrap_up_s: 0, ring_timeout_s: 10}]
api: {host: 127.0.0.1, port: 0}
agents:
"""

TICKETS = """\
SELECT r.caller, r.outcome, t.number,
    r.recording_sha256 != '' OR r.no_recording != '' AS kept
FROM call_records r LEFT JOIN tickets t ON t.call = r.call
"""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Centre:
    """``offhook serve`` on loopback with ``agents`` agents, in ``folder``."""

    def __init__(self, folder: Path, agents: int, config: str = CONFIG) -> None:
        self.folder = folder
        self._config = config
        self.agents = [str(EXTENSION + n) for n in range(agents)]
        self.sip = ("", 0)
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    # --- life ----------------------------------------------------------------------------------

    def start(self, patience_s: float = 30.0) -> float:
        """Seconds from the command to ready. RuntimeError with the log's end if it is not."""
        config = self.folder / "offhook.yaml"
        lines = [
            f"  - {{id: a{extension}, name: A, extension: '{extension}', queues: {{support: 1}}}}"
            for extension in self.agents
        ]
        config.write_text(self._config + "\n".join(lines) + "\n")
        begun = time.monotonic()
        with (self.folder / "offhook.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "main", "serve", "-c", str(config)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        while ": ready: " not in self.log():
            if self._process.poll() is not None or time.monotonic() - begun > patience_s:
                raise RuntimeError(f"offhook did not start:\n{self.log()[-3000:]}")
            time.sleep(0.02)
        took_s = time.monotonic() - begun
        state = json.loads((self.folder / "run" / "supervisor.json").read_text())
        self.sip = (state["sip"][0]["host"], state["sip"][0]["port"])
        self.url = state["api"]["url"]
        return took_s

    def log(self) -> str:
        return (self.folder / "offhook.log").read_text()

    def stop(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)

    def password(self, extension: str) -> str:
        phones: dict[str, str] = self._secrets()["phones"]
        return phones[extension]

    @property
    def token(self) -> str:
        return self._secrets()["own"]["admin_token"]

    def _secrets(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads((self.folder / "secrets.json").read_text())
        return found

    # --- agents --------------------------------------------------------------------------------

    def register_agents(self) -> int:
        """Register every agent's phone; returns the port at which all of them are rung.

        The registrar rings a phone over the path that its REGISTER came by: SIPp takes over the
        port that this socket leaves.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((AGENTS, 0))
            sock.settimeout(2.0)
            for extension in self.agents:
                challenges: list[str] = []
                for _ in range(2):
                    sock.sendto(self._register(extension, sock.getsockname(), challenges), self.sip)
                    answer = parse_message(sock.recv(65_535))
                    challenges = answer.headers.get_all("WWW-Authenticate")
                if not isinstance(answer, Response) or answer.status != 200:
                    raise RuntimeError(f"agent {extension} cannot register")
            port: int = sock.getsockname()[1]
            return port

    def _register(self, user: str, at: tuple[str, int], challenges: list[str]) -> bytes:
        uri = f"sip:{self.sip[0]}:{self.sip[1]}"
        lines = [
            f"REGISTER {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {at[0]}:{at[1]};branch=z9hG4bK{token_hex(6)};rport",
            "Max-Forwards: 70",
            f"From: <sip:{user}@{self.sip[0]}>;tag={token_hex(4)}",
            f"To: <sip:{user}@{self.sip[0]}>",
            f"Call-ID: {user}-{at[1]}",
            f"CSeq: {2 if challenges else 1} REGISTER",
            f"Contact: <sip:{user}@{at[0]}:{at[1]}>",
            "Expires: 3600",
        ]
        if challenges:
            credentials = answer_challenge(
                challenges,
                method="REGISTER",
                uri=uri,
                user=user,
                password=self.password(user),
                nc=1,
                cnonce=token_hex(8),
            )
            lines.append(f"Authorization: {credentials}")
        return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()

    # --- from outside --------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """The supervisor and all below it: name by process id."""
        assert self._process is not None
        found: dict[int, str] = {}
        todo = [self._process.pid]
        while todo:
            pid = todo.pop()
            found[pid] = _name(pid)
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        return found

    def cpu_s(self) -> dict[str, float]:
        """User and system seconds so far, by process."""
        return {f"{name} {pid}": _cpu_s(pid) for pid, name in self.processes().items()}

    def pss_kb(self, kind: str = "Pss") -> dict[str, int]:
        """Proportional set size in kB, by process: shared pages are counted once in the sum.

        ``Pss_Anon`` is the part that is no file's: it does not change with what other programs
        on the machine share of the same libraries.
        """
        return {f"{name} {pid}": _pss_kb(pid, kind) for pid, name in self.processes().items()}

    def tickets(self, prefix: str) -> list[tuple[str, str, bool]]:
        """(caller, outcome, recording done) of the tickets of callers with this prefix."""
        path = self.folder / "offhook.sqlite3"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            rows = database.execute(TICKETS).fetchall()
        return [
            (caller, outcome, bool(kept))
            for caller, outcome, number, kept in rows
            if caller.startswith(prefix) and number is not None
        ]


def _name(pid: int) -> str:
    """What a process of ours is, from its command line."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    module = words[words.index("-m") + 1] if "-m" in words else words[0]
    return {
        "engine.supervisor": "supervisor",
        "main.engine_start": "engine",
        "router.media.worker": "media",
        "recordings.finisher": "finisher",
    }.get(module, module)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _pss_kb(pid: int, kind: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1])
    raise RuntimeError(f"no {kind} of process {pid}")
