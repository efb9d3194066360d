"""A real PostgreSQL for tests: a throw-away cluster on a free port, never run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCOUNTS = ("postgres", "nobody")
START_S = 30
TRIES = 5


class PostgresMissingError(Exception):
    """The server's programs are not installed: a failure, never a skip."""


def binary(name: str) -> str:
    """Path of a PostgreSQL program, newest version first."""

    def version(path: Path) -> int:
        digits = path.parent.parent.name.split(".")[0]
        return int(digits) if digits.isdigit() else 0

    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=version)
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise PostgresMissingError(f"{name} not found; install it with: apt-get install postgresql")
    return path


def _account() -> pwd.struct_passwd | None:
    """Whom to run as: None is ourselves, who must not be root."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresMissingError(f"running as root needs one of the accounts {', '.join(ACCOUNTS)}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server; yields ``postgresql://postgres@127.0.0.1:port``, without a database.

    The cluster lives in a temporary directory, on 127.0.0.1 and a unix socket in it, with
    nothing synced to disk; it is ended by its process id and removed.
    """
    account = _account()
    home = Path(tempfile.mkdtemp(prefix="offhook-postgres-"))
    if account is not None:
        os.chown(home, account.pw_uid, account.pw_gid)
    who = (
        {}
        if account is None
        else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    )
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(home)}
    try:
        subprocess.run(
            [
                *(binary("initdb"), "-D", str(home / "data"), "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--no-sync", "--no-locale"),
            ],
            check=True,
            capture_output=True,
            cwd=home,
            env=environment,
            **who,  # type: ignore[call-overload]
        )
        with _server(home, environment, who) as port:
            yield f"postgresql://postgres@127.0.0.1:{port}"
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _server(home: Path, environment: dict[str, str], who: dict[str, object]) -> Iterator[int]:
    for attempt in range(TRIES):
        port = _free_port()
        server = _start(home, port, environment, who)
        try:
            if _ready(server, port):
                yield port
                return
        finally:
            _stop(server)
        told = (home / "log").read_text()[-2000:]
        # Between looking for a free port and binding it, another program may take it.
        if "Address already in use" not in told or attempt == TRIES - 1:
            raise RuntimeError(f"PostgreSQL did not start: {told}")


def _start(
    home: Path, port: int, environment: dict[str, str], who: dict[str, object]
) -> subprocess.Popen[bytes]:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": home,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "16MB",
        "max_connections": "40",
        "autovacuum": "off",
    }
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [binary("postgres"), "-D", str(home / "data")]
            + [part for key, value in options.items() for part in ("-c", f"{key}={value}")],
            stdout=log,
            stderr=log,
            cwd=home,
            env=environment,
            **who,  # type: ignore[call-overload]
        )


def _ready(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it takes connections; False where it ended or START_S passed."""
    ask = [binary("pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            server.wait(0.05)
        except subprocess.TimeoutExpired:
            if subprocess.run(ask, capture_output=True, check=False).returncode == 0:
                return True
        else:
            return False
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGINT)  # fast shutdown
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
