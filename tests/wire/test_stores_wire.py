"""Real stores behind the whole system: the database freezes and stops under a call, Redis dies.

PostgreSQL and Redis are started by the test on free ports. The server is found by its port and
signalled by its process id.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from main.demo.softphone import Softphone
from tests.postgres import running_postgres
from tests.redis_server import running_redis
from tests.wire.phones import sound
from tests.wire.system import System
from tests.wire.talks import AGENT_HZ, CALLER_HZ, Room, configuration


def _listener(port: int | None) -> psutil.Process:
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
        self._process = process = _listener(urlsplit(address).port)
        self._command = process.cmdline()
        self._home = process.cwd()
        self._who = {"user": process.uids().real, "group": process.gids().real, "extra_groups": []}
        self._again: subprocess.Popen[bytes] | None = None

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
        if self._again is not None:
            self._again.wait(10)
            return
        until = time.monotonic() + 10
        while self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until, "PostgreSQL does not stop"
            time.sleep(0.02)

    def start(self) -> None:
        who: dict[str, Any] = self._who if os.geteuid() == 0 else {}
        with (Path(self._home) / "log").open("ab") as log:
            self._again = subprocess.Popen(
                self._command, cwd=self._home, stdout=log, stderr=log, **who
            )
        self._process = psutil.Process(self._again.pid)

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


@pytest.fixture
def database() -> Iterator[Database]:
    with running_postgres() as address:
        made = Database(address)
        yield made
        if made._again is not None:
            made.stop()


class _Talk:
    """A call with an agent of ours, both speaking."""

    def __init__(self, caller: Softphone, agent: Softphone) -> None:
        self.caller = caller
        self.agent = agent

    @classmethod
    async def begin(cls, room: Room, agent: Softphone, number: str) -> _Talk:
        agent.up.clear()
        caller = await room.caller(number)
        await asyncio.wait_for(agent.up.wait(), 5)
        return cls(caller, agent)

    async def flows(self, seconds: float = 1.2) -> None:
        """Both hear each other, without a gap, from now on for so long."""
        await asyncio.sleep(0.2)
        before = len(self.caller.line.heard), len(self.agent.line.heard)
        await asyncio.sleep(seconds)
        for phone, start, hz in zip(
            (self.caller, self.agent), before, (AGENT_HZ, CALLER_HZ), strict=True
        ):
            await sound.hold_tone(phone.line.samples()[start:], hz, where=phone.user)

    async def end(self) -> None:
        self.caller.hang_up()
        await asyncio.wait_for(self.agent.over.wait(), 3)


async def test_calls_go_on_without_their_stores(database: Database, tmp_path: Path) -> None:
    await database.create()
    with running_redis() as state:
        store = f"store:\n  database: {database.address}\n  state: {state}/0\n"
        system = System(tmp_path / "system", configuration(store))
        try:
            await asyncio.to_thread(system.start)
            async with Room(system, tmp_path, 10) as room:
                agent = await room.softphone("101", AGENT_HZ)
                await room.sign_in("101")
                await _frozen(room, agent, database)
                async with Redis.from_url(f"{state}/0", decode_responses=True) as client:
                    assert "a101" in await client.hgetall("offhook:{offhook.test}:presence")
                _listener(urlsplit(state).port).kill()
                await _stopped(room, agent, database)
        finally:
            await asyncio.to_thread(system.stop)
    assert not (tmp_path / "system" / "offhook.sqlite3").exists()
    known = (": ERROR: reader ", "Traceback (most recent call last)")
    others = [line for line in system.complaints() if not any(part in line for part in known)]
    assert not others, others
    for reader in ("records", "state"):
        assert f"reader {reader} stays at" in system.log_text()


async def _frozen(room: Room, agent: Softphone, database: Database) -> None:
    """A call as it should be; then one during which nothing answers, and the next."""
    talk = await _Talk.begin(room, agent, "+371270001")
    await talk.flows()
    await talk.end()
    found = await database.ticket("+371270001", 8)
    assert (found["outcome"], found["agent"]) == ("answered", "a101")

    talk = await _Talk.begin(room, agent, "+371270002")
    database.freeze()
    try:
        await talk.flows()
        await talk.end()
        await asyncio.sleep(0.5)  # the wrap-up
        talk = await _Talk.begin(room, agent, "+371270003")
        await talk.flows()
    finally:
        database.thaw()
    await talk.end()
    for number in ("+371270002", "+371270003"):
        found = await database.ticket(number, 15)
        assert found["outcome"] == "answered"


async def _stopped(room: Room, agent: Softphone, database: Database) -> None:
    """Connections are cut and refused; Redis is gone for good."""
    await asyncio.sleep(0.5)
    talk = await _Talk.begin(room, agent, "+371270004")
    await asyncio.to_thread(database.stop)
    await talk.flows()
    await talk.end()
    await asyncio.sleep(0.5)
    talk = await _Talk.begin(room, agent, "+371270005")
    await talk.flows()
    await talk.end()
    database.start()
    for number in ("+371270004", "+371270005"):
        found = await database.ticket(number, 30)
        assert (found["outcome"], found["agent"]) == ("answered", "a101")
        assert found["talked_s"] > 1.0
