"""A real Redis for tests: a throw-away server on a free port of loopback, nothing on disk."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 15
TRIES = 5


class RedisMissingError(Exception):
    """The server's program is not installed: a failure, never a skip."""


@contextmanager
def running_redis(password: str = "") -> Iterator[str]:
    """Start a server; yields ``redis://127.0.0.1:port``. It is ended by its process id."""
    program = shutil.which("redis-server")
    if program is None:
        raise RedisMissingError(
            "redis-server not found; install it with: apt-get install redis-server"
        )
    home = Path(tempfile.mkdtemp(prefix="offhook-redis-"))
    try:
        for attempt in range(TRIES):
            port = _free_port()
            server = _start(program, home, port, password)
            try:
                if _ready(server, port):
                    yield f"redis://127.0.0.1:{port}"
                    return
            finally:
                _stop(server)
            told = (home / "log").read_text()[-2000:]
            # Between looking for a free port and binding it, another program may take it.
            if "Address already in use" not in told or attempt == TRIES - 1:
                raise RuntimeError(f"Redis did not start: {told}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(program: str, home: Path, port: int, password: str) -> subprocess.Popen[bytes]:
    options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
    options["dir"] = str(home)
    if password:
        options["requirepass"] = password
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [program, *(part for key, value in options.items() for part in (f"--{key}", value))],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=home,
        )


def _ready(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it answers PING; False where it ended or START_S passed."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            server.wait(0.02)
        except subprocess.TimeoutExpired:
            if _answers(port):
                return True
        else:
            return False
    return False


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
