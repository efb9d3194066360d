"""A supervisor of tiny children, and what can be seen of it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.handover import (
    Handover,
    Listener,
    SupervisorPlan,
    Worker,
    control_path,
)
from tests.engine import supervised

PATIENCE_S = 20.0


class Running:
    """A supervisor of tiny children and the lines that they write."""

    def __init__(self, folder: Path, engine: str = "", workers: int = 2, **plan: Any) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        fifo = folder / "fifo"
        os.mkfifo(fifo)
        self._lines = os.open(fifo, os.O_RDWR)
        self._rest = b""
        child = (sys.executable, "-S", supervised.__file__, str(fifo))
        self.plan = SupervisorPlan(
            str(self.data_dir),
            plan.pop("sip", (Listener("udp", "127.0.0.1", 0), Listener("tcp", "127.0.0.1", 0))),
            plan.pop("api", Listener("tcp", "127.0.0.1", 0)),
            tuple(
                Worker(f"media-{n}", str(folder / f"{n}.sock"), (*child, f"media-{n}", ""))
                for n in range(workers)
            ),
            (*child, "engine", engine),
            spare=plan.pop("spare", False),
            **plan,
        )
        self.process = supervise(self.plan)

    def line(self) -> dict[str, Any]:
        """The next line that a child writes."""
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._lines], [], [], PATIENCE_S)
            assert ready, f"nothing came; supervisor: {self.process.poll()}"
            self._rest += os.read(self._lines, 65_536)
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def lines(self, count: int) -> list[dict[str, Any]]:
        return [self.line() for _ in range(count)]

    def up(self) -> None:
        """Wait until the engine's beat shows that it works: its end is then no failure."""
        self.until(lambda: self.state()["engine"]["up"])

    def until(self, look: Callable[[], bool]) -> None:
        """Until the state file says so, which is written when something changes."""
        until = time.monotonic() + PATIENCE_S
        while not look():
            assert time.monotonic() < until
            select.select([], [], [], 0.01)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "run/supervisor.json").read_text())
        return found

    @contextlib.contextmanager
    def asked(self, request: dict[str, Any]) -> Iterator[Iterator[dict[str, Any]]]:
        """What the supervisor answers over its socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(PATIENCE_S)
            sock.connect(control_path(str(self.data_dir)))
            sock.send(json.dumps(request).encode())
            yield (json.loads(answer) for answer in iter(lambda: sock.recv(65_536), b""))

    def ended(self) -> tuple[int, str]:
        """Exit status and what it said."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            self.ended()
        for stream in (self.process.stdin, self.process.stderr):
            if stream is not None:
                stream.close()
        os.close(self._lines)


def supervise(plan: SupervisorPlan) -> subprocess.Popen[str]:
    read, write = os.pipe()
    with open(write, "w", encoding="utf-8") as file:
        file.write(plan.to_json())
    command = [sys.executable, "-m", "engine.supervisor", str(read)]
    process = subprocess.Popen(command, pass_fds=(read,), stderr=subprocess.PIPE, text=True)
    os.close(read)
    return process


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def handed_over(started: dict[str, Any]) -> Handover:
    """What an engine was given, with the descriptors that it has."""
    fields = json.loads(started["handover"])
    fds = [item["fd"] for item in (*fields["sip"], fields["api"])]
    return Handover.from_json(started["handover"], fds)


def sockets_of(pid: int) -> set[str]:
    links = (os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd"))
    return {link for link in links if link.startswith("socket:")}


def sockets_of_its_line(pid: int) -> set[str]:
    """The one socket that it was started with."""
    environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    (line,) = (item for item in environment if item.startswith("OFFHOOK_LINE="))
    return {os.readlink(f"/proc/{pid}/fd/{line.partition('=')[2].split()[0]}")}


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children_of(pid: int) -> set[int]:
    """Also those that ended and were not reaped."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def gone(pid: int) -> None:
    """Wait for the end of a process that is not our child."""
    with contextlib.suppress(ProcessLookupError):
        watched = os.pidfd_open(pid)
        ready, _, _ = select.select([watched], [], [], PATIENCE_S)
        os.close(watched)
        assert ready, "it lives"
