"""A disk that is full: the journal's, the recordings'; and a journal at its own limit.

Calls in progress go on and end as they should, with their one ticket; a new call gets 503 with
Retry-After rather than anything forgotten, and is taken again when there is room. The full disk is
a small tmpfs; where the machine lets nobody mount one, a limit on the size of files remains.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.wire import sipp
from tests.wire.heard import Talk
from tests.wire.raw_sip import Peer
from tests.wire.small_disk import can_mount, may_grow, may_not_grow, small_disk
from tests.wire.system import TRUNK, System
from tests.wire.talks import AGENT_HZ, Room, configuration
from tests.wire.test_store_failures import metrics, readiness, soon

Story = Callable[[Path], Awaitable[None]]

MIB = 1_048_576
SMALL = f"journal:\n  reserve_bytes: {MIB}\n"
BATCH = 40  # of calls
LIMITED = f"journal:\n  segment_bytes: 65536\n  total_bytes_max: {2 * MIB}\n"


def refused(system: System, number: str) -> bool:
    """Whether a new call is answered 503 with Retry-After; one that is taken is ended."""
    with Peer(system.sip, TRUNK) as peer:
        answer = peer.ask(peer.invite("712", number, f"{number}-{time.monotonic_ns()}"), 10)
        peer.acknowledge(answer)
        if answer.status == 200:
            peer.bye(answer)
            return False
        assert (answer.status, answer["Retry-After"]) == (503, "5")
        return True


def stories(limited: Story, mounted: Story) -> dict[str, Story]:
    """A limit on files everywhere; a disk that is really full where one can be mounted."""
    found = {"files may not grow": limited}
    if can_mount():
        found["a full tmpfs"] = mounted
    return found


async def _a_full_journal(tmp_path: Path) -> None:
    folder = tmp_path / "system"
    with small_disk(folder / "journal", 8 * MIB) as disk:
        system = System(folder, configuration(SMALL))
        system.within = disk.within
        try:
            await asyncio.to_thread(system.start)
            async with Room(system, tmp_path, 10) as room, Room(system, tmp_path, 11) as other:
                agent = await room.softphone("101", AGENT_HZ)
                second = await other.softphone("111", AGENT_HZ)
                await room.sign_in("101")
                await other.sign_in("111")
                talk = await Talk.begin(room, agent, "+371556000")
                goes_on = await Talk.begin(other, second, "+371556001")
                await asyncio.to_thread(disk.fill)
                await talk.end()  # the reserve takes it: the agent's phone is told at once
                await soon(lambda: refused(system, "+371556002"), "503 for a new call", 5)
                assert readiness(system)["reasons"] == ["journal"]
                seen = metrics(system)
                assert seen["offhook_journal_disk_full"] == 1
                assert seen["offhook_journal_failing"] == 0
                assert seen['offhook_calls_turned_away_total{why="journal"}'] >= 1
                await goes_on.flows()
                await asyncio.to_thread(disk.free)
                await soon(lambda: readiness(system)["status"] == "ready", "ready again", 10)
                await goes_on.flows()
                await goes_on.end()
                assert not await asyncio.to_thread(refused, system, "+371556003")
            found = await asyncio.to_thread(system.wait_for_tickets, "+37155600%", 3)
            assert {row["caller"] for row in found} == {f"+37155600{n}" for n in (0, 1, 3)}
            assert [row["outcome"] for row in found[:2]] == ["answered", "answered"]
        finally:
            await asyncio.to_thread(system.stop)
    told = [
        line
        for line in system.complaints()
        if "the disk is full" not in line and "No space left" not in line
    ]
    assert not told, told


async def _a_journal_that_may_not_grow(tmp_path: Path) -> None:
    """Not even the reserve helps: a talk goes on, its end is shown when it can be written."""
    system = System(tmp_path / "system", configuration())
    try:
        await asyncio.to_thread(system.start)
        async with Room(system, tmp_path, 10) as room, Room(system, tmp_path, 11) as other:
            agent = await room.softphone("101", AGENT_HZ)
            second = await other.softphone("111", AGENT_HZ)
            await room.sign_in("101")
            await other.sign_in("111")
            talk = await Talk.begin(room, agent, "+371556000")
            goes_on = await Talk.begin(other, second, "+371556001")
            await goes_on.flows()  # what makes it a talk is on disk
            engine = [system.pids()["engine"]]
            may_not_grow(engine, 1)
            # Nothing was written since, so nobody knows yet: that call is taken in, and given up.
            assert await asyncio.to_thread(refused, system, "+371556004")
            talk.caller.hang_up()
            await soon(lambda: metrics(system)["offhook_journal_failing"] == 1, "it is said", 5)
            assert await asyncio.to_thread(refused, system, "+371556002")
            assert readiness(system)["reasons"] == ["journal"]
            await goes_on.flows()
            assert not agent.over.is_set(), "told before it was written"
            may_grow(engine)
            await asyncio.wait_for(agent.over.wait(), 10)
            await soon(lambda: readiness(system)["status"] == "ready", "ready again", 10)
            await goes_on.flows()
            await goes_on.end()
            assert not await asyncio.to_thread(refused, system, "+371556003")
        found = await asyncio.to_thread(system.wait_for_tickets, "+37155600%", 4)
        assert {row["caller"] for row in found} == {f"+37155600{n}" for n in (0, 1, 3, 4)}
        outcomes = {row["caller"][-1]: row["outcome"] for row in found}
        assert (outcomes["0"], outcomes["1"], outcomes["4"]) == ("answered", "answered", "failed")
    finally:
        await asyncio.to_thread(system.stop)


JOURNALS = stories(_a_journal_that_may_not_grow, _a_full_journal)


@pytest.mark.parametrize("how", JOURNALS)
async def test_the_journals_disk_is_full(how: str, tmp_path: Path) -> None:
    await JOURNALS[how](tmp_path)


async def test_a_journal_at_its_limit(tmp_path: Path) -> None:
    """The records' store takes nothing for long, and so the log must keep everything."""
    system = System(tmp_path / "system", configuration(LIMITED))
    try:
        await asyncio.to_thread(system.start)
        holder = sqlite3.connect(
            tmp_path / "system" / "offhook.sqlite3", isolation_level=None, check_same_thread=False
        )
        async with Room(system, tmp_path, 10) as room:
            agent = await room.softphone("101", AGENT_HZ)
            await room.sign_in("101")
            talk = await Talk.begin(room, agent, "+371556000")
            await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")
            calls = 0
            while not metrics(system)["offhook_journal_full"]:
                load = sipp.start(
                    system, "uac_stays", calls=BATCH, rate=BATCH, number="712",
                    keys={"prefix": f"+371557{calls:03}"}, more=("-d", "100"),
                )  # fmt: skip
                await asyncio.to_thread(load.finish)
                calls += BATCH
                assert calls < 400
            assert await asyncio.to_thread(refused, system, "+371556001")
            before = metrics(system)["offhook_journal_bytes"]
            for _ in range(20):
                assert await asyncio.to_thread(refused, system, "+371556001")
            assert metrics(system)["offhook_journal_bytes"] - before < 20_000, "refusals are free"
            await talk.flows()
            await asyncio.to_thread(holder.execute, "ROLLBACK")
            await soon(lambda: readiness(system)["status"] == "ready", "ready again", 20)
            await talk.flows()
            await talk.end()
        holder.close()
        assert not await asyncio.to_thread(refused, system, "+371556002")
        found = await asyncio.to_thread(system.wait_for_tickets, "+37155600%", 2)
        assert {row["caller"] for row in found} == {"+371556000", "+371556002"}
        others = [row["call"] for row in await asyncio.to_thread(system.tickets, "+371557%")]
        assert calls - BATCH < len(others) <= calls
        assert len(set(others)) == len(others)
    finally:
        await asyncio.to_thread(system.stop)


async def _full_recordings(tmp_path: Path) -> None:
    with small_disk(tmp_path / "recordings", MIB) as disk:
        more = f"recordings:\n  dir: {disk.folder}\n"
        system = System(tmp_path / "system", configuration(more))
        system.within = disk.within
        try:
            await asyncio.to_thread(system.start)
            async with Room(system, tmp_path, 10) as room:
                agent = await room.softphone("101", AGENT_HZ)
                await room.sign_in("101")
                talk = await Talk.begin(room, agent, "+371556000")
                await talk.flows()
                await asyncio.to_thread(disk.fill)
                await talk.flows()
                await soon(lambda: _failed(system) == 1, "the alarm of a talk that goes on", 10)
                await talk.flows()
                await talk.end()
                await asyncio.sleep(0.5)  # the wrap-up
                talk = await Talk.begin(room, agent, "+371556001")
                await talk.flows()
                await talk.end()
                assert readiness(system)["status"] == "ready"
                await soon(lambda: _failed(system) >= 2, "the alarm", 10)
                tickets = await asyncio.to_thread(system.wait_for_tickets, "+37155600%", 2)
                assert {row["outcome"] for row in tickets} == {"answered"}
                await soon(lambda: all(_reasons(system)), "why there is none", 10)
                assert all("disk full" in why or "No space" in why for why in _reasons(system))
                await asyncio.to_thread(disk.free)
            # What was written before the disk was full is kept, and made a file of when it can be.
            await soon(lambda: _finished_late(system), "a recording cut short", 60)
        finally:
            await asyncio.to_thread(system.stop)


async def _recordings_that_may_not_grow(tmp_path: Path) -> None:
    """The talk is heard as ever; of its recording there is what was written before."""
    system = System(tmp_path / "system", configuration())
    try:
        await asyncio.to_thread(system.start)
        async with Room(system, tmp_path, 10) as room:
            agent = await room.softphone("101", AGENT_HZ)
            await room.sign_in("101")
            talk = await Talk.begin(room, agent, "+371556000")
            await talk.flows()
            workers = [pid for name, pid in system.pids().items() if name.startswith("media")]
            may_not_grow(workers, 1)
            await talk.flows()
            may_grow(workers)
            await talk.end()
            assert readiness(system)["status"] == "ready"
        (ticket,) = await asyncio.to_thread(system.wait_for_tickets, "+371556000", 1)
        assert ticket["outcome"] == "answered"
        await soon(lambda: all(_reasons(system)), "why it is not whole", 10)
        assert "too large" in _reasons(system)[0]
        await soon(lambda: _finished_late(system), "a recording cut short", 60)
        alarms = metrics(system).items()
        assert sum(n for name, n in alarms if name.startswith("offhook_recordings_failed")) >= 1
    finally:
        await asyncio.to_thread(system.stop)


RECORDINGS = stories(_recordings_that_may_not_grow, _full_recordings)


@pytest.mark.parametrize("how", RECORDINGS)
async def test_the_recordings_disk_is_full(how: str, tmp_path: Path) -> None:
    await RECORDINGS[how](tmp_path)


def _failed(system: System) -> float:
    return metrics(system)['offhook_recordings_failed_total{why="disk full"}']


def _reasons(system: System) -> list[str]:
    return [row["no_recording"] for row in system.calls("+37155600%")]


def _finished_late(system: System) -> bool:
    """Facts go on (a stranger's calls), so the recordings' reader looks again."""
    refused(system, "+371559000")
    (row,) = system.calls("+371556000")
    return bool(row["recording_sha256"]) and 1.0 < row["recording_s"] < 5.0
