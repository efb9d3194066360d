"""A real PostgreSQL behind a system, to be frozen, stopped, killed and started again on its port.

It is found by its port and signalled by its process id.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil

from tests.postgres import running_postgres


def listener(port: int | None) -> psutil.Process:
    """The process that listens on a port of loopback."""
    (pid,) = {
        found.pid
        for found in psutil.net_connections("tcp4")
        if found.status == psutil.CONN_LISTEN and found.laddr.port == port
    }
    return psutil.Process(pid)


class Database:
    """A PostgreSQL server that can be frozen, stopped and started again on its port."""

    def __init__(self, address: str) -> None:
        self.address = f"{address}/offhook"
        self._server = address
        self._process = process = listener(urlsplit(address).port)
        self._command = process.cmdline()
        self._home = process.cwd()
        self._who = {"user": process.uids().real, "group": process.gids().real, "extra_groups": []}
        self.again: subprocess.Popen[bytes] | None = None

    async def create(self) -> None:
        connection = await asyncpg.connect(f"{self._server}/postgres")
        await connection.execute("CREATE DATABASE offhook")
        await connection.close()

    def freeze(self) -> None:
        for process in (self._process, *self._process.children(recursive=True)):
            process.suspend()

    def thaw(self) -> None:
        for process in (*self._process.children(recursive=True), self._process):
            process.resume()

    def stop(self) -> None:
        """The fast shutdown: connections are cut, new ones refused."""
        self._process.send_signal(signal.SIGINT)
        self._ended()

    def kill(self) -> None:
        """SIGKILL to all of it: what is open is reset, nothing is written any more."""
        for process in (self._process, *self._process.children(recursive=True)):
            process.kill()
        self._ended()

    def _ended(self) -> None:
        if self.again is not None:
            self.again.wait(10)
            return
        until = time.monotonic() + 10
        while self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until, "PostgreSQL does not stop"
            time.sleep(0.02)

    def start(self) -> None:
        data = Path(self._command[self._command.index("-D") + 1])
        # One that was killed is not reaped yet, so that it would be taken for alive.
        for lock in (data / "postmaster.pid", *data.parent.glob(".s.PGSQL.*")):
            lock.unlink(missing_ok=True)
        who: dict[str, Any] = self._who if os.geteuid() == 0 else {}
        with (Path(self._home) / "log").open("ab") as log:
            self.again = subprocess.Popen(
                self._command, cwd=self._home, stdout=log, stderr=log, **who
            )
        self._process = psutil.Process(self.again.pid)

    async def ticket(self, caller: str, within_s: float) -> dict[str, Any]:
        """The one ticket of this caller with its record, recording included."""
        until = time.monotonic() + within_s
        while True:
            try:
                found = await self._rows(caller)
            except (OSError, asyncpg.PostgresError):
                found = []
            if found and found[0]["recording_sha256"]:
                assert len(found) == 1, f"{len(found)} tickets of {caller}"
                return found[0]
            assert time.monotonic() < until, f"no ticket of {caller} within {within_s} s: {found}"
            await asyncio.sleep(0.1)

    async def tickets(self, callers: str) -> list[str]:
        """The caller of each ticket whose caller is like this (SQL LIKE)."""
        connection = await asyncpg.connect(self.address, timeout=2)
        try:
            found = await connection.fetch(
                "SELECT caller FROM tickets WHERE caller LIKE $1 ORDER BY caller", callers
            )
        finally:
            await connection.close()
        return [row["caller"] for row in found]

    async def _rows(self, caller: str) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.address, timeout=2)
        try:
            rows = await connection.fetch(
                "SELECT t.*, r.recording_sha256, r.talked_s FROM tickets t"
                " JOIN call_records r ON r.call = t.call WHERE t.caller = $1",
                caller,
            )
        finally:
            await connection.close()
        return [dict(row) for row in rows]


@contextmanager
def running_database() -> Iterator[Database]:
    """A server of its own, ended whatever the test did with it."""
    with running_postgres() as address:
        made = Database(address)
        yield made
        if made.again is not None:
            made.stop()
