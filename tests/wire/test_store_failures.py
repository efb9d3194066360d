"""Stores that fail under twenty calls: the calls go on, new ones are answered, nothing is lost.

PostgreSQL is a real server of the test: stopped, frozen (SIGSTOP), killed. SQLite is locked by
another program. What Offhook says of it meanwhile is read as an operator would: readiness and
metrics.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.wire import sipp
from tests.wire.database import Database, running_database
from tests.wire.heard import Talk
from tests.wire.system import System
from tests.wire.talks import AGENT_HZ, Room, configuration

WAITING = 19
STAY_S = 16
SILENT = ("timeout_s: 3", "timeout_s: 60")  # SIPp sends no media, and is not asked why
LAG_S_MAX = 0.4  # of the engine's loop, on a machine that runs all of this


def metrics(system: System) -> dict[str, float]:
    """Every sample of /metrics by its name with labels, as written."""
    with system.client() as client:
        lines = client.get("/metrics").text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def readiness(system: System) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{system.url}/health/ready", timeout=5).json()
    return found


async def soon(look: Callable[[], Any], what: str, within_s: float) -> Any:
    """``look`` in a thread, until it gives something: the phones of this loop go on."""
    until = time.monotonic() + within_s
    while not (found := await asyncio.to_thread(look)):
        assert time.monotonic() < until, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(0.1)
    return found


def _live(system: System) -> int:
    with system.client() as client:
        return len(client.get("/calls", params={"limit": 500}).json()["items"])


async def _through(
    system: System,
    folder: Path,
    break_it: Callable[[], object],
    heal_it: Callable[[], object],
    why: set[str],
) -> None:
    """Twenty calls, the store fails, another call comes, all end, the store is back."""
    async with Room(system, folder, 10) as room, Room(system, folder, 11) as other:
        agent = await room.softphone("101", AGENT_HZ)
        second = await other.softphone("111", AGENT_HZ)
        await room.sign_in("101")
        await other.sign_in("111")
        talk = await Talk.begin(room, agent, "+371556000")
        waiting = sipp.start(
            system, "uac_stays", calls=WAITING, rate=WAITING, number="710",
            keys={"prefix": "+371555"}, more=("-d", str(STAY_S * 1000)), timeout_s=60,
        )  # fmt: skip
        await soon(lambda: _live(system) == WAITING + 1, "twenty calls", 8)
        metrics(system)  # the worst lag is told since the last look
        await asyncio.to_thread(break_it)
        try:
            await talk.flows()
            new = await Talk.begin(other, second, "+371556001")
            await new.flows()
            told = await soon(lambda: readiness(system)["behind"], "a reader behind", 12)
            (behind,) = (late for late in told if late["reader"] == "records")
            assert behind["why"] in why
            assert behind["entries"] > 0
            assert readiness(system)["status"] == "ready", "calls are taken"
            seen = metrics(system)
            assert seen['offhook_journal_reader_up{reader="records"}'] == 0
            assert seen['offhook_journal_reader_lag_entries{reader="records"}'] > 0
            assert seen["offhook_journal_full"] == 0
            await talk.flows()
            await new.end()
            (await asyncio.to_thread(waiting.finish)).check(WAITING)
            await talk.end()
            assert metrics(system)["offhook_event_loop_lag_seconds"] < LAG_S_MAX
        finally:
            await asyncio.to_thread(heal_it)
        await soon(lambda: not readiness(system)["degraded"], "the store is back", 30)


async def _everybody_once(tickets: Callable[[], Awaitable[list[str]]]) -> None:
    until = time.monotonic() + 15
    while len(found := await tickets()) < WAITING + 2 and time.monotonic() < until:
        await asyncio.sleep(0.2)
    assert len(found) == WAITING + 2, found
    assert len(set(found)) == WAITING + 2, f"a ticket is there twice: {found}"


@pytest.mark.parametrize("how", ["stopped", "frozen", "killed"])
async def test_a_database_that_is(how: str, tmp_path: Path) -> None:
    with running_database() as database:
        await database.create()
        system = System(
            tmp_path / "system",
            configuration(f"store:\n  database: {database.address}\n").replace(*SILENT),
        )
        try:
            await asyncio.to_thread(system.start)
            await _through(system, tmp_path, *_failure(database, how))
            await _everybody_once(lambda: database.tickets("+37155%"))
        finally:
            await asyncio.to_thread(system.stop)
    known = (": ERROR: reader ", "Traceback (most recent call last)")
    told = [line for line in system.complaints() if not any(part in line for part in known)]
    assert not told, told


def _failure(
    database: Database, how: str
) -> tuple[Callable[[], object], Callable[[], object], set[str]]:
    if how == "frozen":
        return database.freeze, database.thaw, {"no answer"}
    ends = {"stopped": database.stop, "killed": database.kill}
    return ends[how], database.start, {"away"}


async def test_a_locked_file(tmp_path: Path) -> None:
    system = System(tmp_path / "system", configuration().replace(*SILENT))
    try:
        await asyncio.to_thread(system.start)
        holder = sqlite3.connect(
            tmp_path / "system" / "offhook.sqlite3", isolation_level=None, check_same_thread=False
        )

        async def tickets() -> list[str]:
            return [row["caller"] for row in system.tickets("+37155%")]

        await _through(
            system,
            tmp_path,
            lambda: holder.execute("BEGIN EXCLUSIVE"),
            lambda: holder.execute("ROLLBACK"),
            {"locked", "no answer"},
        )
        holder.close()
        await _everybody_once(tickets)
    finally:
        await asyncio.to_thread(system.stop)
