"""``kill -9`` of the engine: calls go on, phones stay registered, every call leaves its ticket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import redis

from main.demo.rtp_line import tone
from main.demo.softphone import Softphone
from recordings import measure
from tests.redis_server import running_redis
from tests.wire.system import CONFIG, DOMAIN, TRUNK, System, eventually

TALKER, WAITER, LATER = "+37120000101", "+37120000102", "+37120000103"
CALLER_HZ, AGENT_HZ = 440.0, 660.0


@contextlib.asynccontextmanager
async def people(
    system: System, agents: tuple[str, ...], callers: tuple[str, ...]
) -> AsyncIterator[list[Softphone]]:
    """Softphones of agents and of callers, started; they vanish at the end."""
    phones = [
        Softphone(extension, system.password(extension), "127.0.0.1", system.sip)
        for extension in agents
    ]
    phones += [Softphone(number, "", TRUNK, system.sip) for number in callers]
    try:
        for phone in phones:
            await phone.start()
        yield phones
    finally:
        for phone in phones:
            phone.vanish()


async def sign_in(agent: Softphone) -> None:
    await agent.register()
    agent.call("*11")
    await asyncio.wait_for(agent.over.wait(), 10)
    agent.up.clear()


async def to_the_queue(caller: Softphone) -> None:
    caller.call("100")
    await asyncio.wait_for(caller.up.wait(), 5)
    await asyncio.sleep(0.5)
    await caller.line.press("1")


def kill_the_engine(system: System) -> None:
    """kill -9, then wait for the next engine to be ready."""
    pid = system.pids()["engine"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: system.pids()["engine"] not in (None, pid), "another engine")

    def ready() -> bool:
        try:
            return httpx.get(f"{system.url}/health/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    eventually(ready, "the next engine is ready", 15)


async def test_calls_outlive_the_engine(tmp_path: Path) -> None:
    """One talks, one waits, the engine is killed twice; nobody notices."""
    system = System(tmp_path)
    system.start()
    try:
        async with people(system, ("101",), (TALKER, WAITER)) as (agent, talker, waiter):
            await sign_in(agent)
            agent.line.speak(tone(AGENT_HZ))
            talker.line.speak(tone(CALLER_HZ))
            await to_the_queue(talker)
            await asyncio.wait_for(agent.up.wait(), 10)
            await to_the_queue(waiter)
            await asyncio.to_thread(_until_one_waits, system)
            await asyncio.sleep(1)
            for _ in range(2):
                await asyncio.to_thread(kill_the_engine, system)
                await asyncio.sleep(1)
                assert not any(phone.over.is_set() for phone in (talker, waiter, agent))
            agent.up.clear()
            talker.hang_up()
            await asyncio.wait_for(agent.up.wait(), 10)
            await asyncio.sleep(1)
            agent.hang_up()
            await asyncio.wait_for(waiter.over.wait(), 5)
            await asyncio.to_thread(_check_the_tickets, system)
    finally:
        system.stop()
    complaints = [line for line in system.complaints() if "died after" not in line]
    assert not complaints, complaints


async def test_killed_again_and_again(tmp_path: Path) -> None:
    """Whatever a call was at when its engine died, it leaves one ticket; the phone stays."""
    system = System(tmp_path)
    system.start()
    numbers = tuple(f"+371200003{n:02}" for n in range(6))
    try:
        async with people(system, ("103",), numbers) as (agent, *callers):
            await sign_in(agent)
            for n, caller in enumerate(callers):
                caller.call("100")
                await asyncio.wait_for(caller.up.wait(), 10)
                if n % 3:
                    await asyncio.sleep(0.3)
                    await caller.line.press("1")
                await asyncio.sleep(0.4 * n % 1.1)
                if n % 2:
                    await asyncio.to_thread(kill_the_engine, system)
            for caller in callers:
                assert not caller.over.is_set()
                caller.hang_up()
            for number in numbers:
                await asyncio.to_thread(system.wait_for_tickets, number, 1)
            agent.up.clear()
            last = Softphone(LATER, "", TRUNK, system.sip)
            await last.start()
            await to_the_queue(last)
            await asyncio.wait_for(agent.up.wait(), 10)
            last.hang_up()
            last.vanish()
            for number in (*numbers, LATER):
                await asyncio.to_thread(system.wait_for_tickets, number, 1)
    finally:
        system.stop()
    complaints = [line for line in system.complaints() if "died after" not in line]
    assert not complaints, complaints


async def test_who_hung_up_while_no_engine_was_there_hung_up(tmp_path: Path) -> None:
    """For longer than the media timeout: the BYEs that waited explain the silence."""
    system = System(tmp_path, CONFIG.replace("timeout_s: 5", "timeout_s: 2"))
    system.start()
    try:
        async with people(system, ("101",), (TALKER, WAITER)) as (agent, talker, waiter):
            await sign_in(agent)
            agent.line.speak(tone(AGENT_HZ))
            for caller in (talker, waiter):
                caller.line.speak(tone(CALLER_HZ))
            await to_the_queue(talker)
            await asyncio.wait_for(agent.up.wait(), 10)
            await to_the_queue(waiter)
            await asyncio.to_thread(_until_one_waits, system)
            await asyncio.sleep(1)
            pid = system.pids()["engine"]
            system.signal("engine", signal.SIGSTOP)  # it is killed in five seconds
            for caller in (talker, waiter):
                caller.hang_up()
                caller.line.vanish()
            await asyncio.to_thread(
                eventually, lambda: system.pids()["engine"] not in (None, pid), "another", 15
            )
            await asyncio.wait_for(agent.over.wait(), 10)
            outcomes = {
                number: (await asyncio.to_thread(system.wait_for_tickets, number, 1))[0]["outcome"]
                for number in (TALKER, WAITER)
            }
            assert outcomes == {TALKER: "answered", WAITER: "missed"}
            with system.client() as client:
                presence = client.get("/agents/anna").raise_for_status().json()["presence"]
            assert presence in ("wrap-up", "available")
    finally:
        system.stop()


def _until_one_waits(system: System) -> None:
    def waiting() -> bool:
        with system.client() as client:
            return "waiting" in client.get("/calls").raise_for_status().text

    eventually(waiting, "a call waits in the queue")


def _check_the_tickets(system: System) -> None:
    for number in (TALKER, WAITER):
        (ticket,) = system.wait_for_tickets(number, 1)
        assert (ticket["outcome"], ticket["agent"]) == ("answered", "anna")

    def finished() -> dict[str, Any] | None:
        record = system.calls(TALKER)[0]
        return record if record["recording_sha256"] else None

    record = eventually(finished, "the recording of the talk")
    wav = measure.read_wav(system.folder / "recordings" / f"{record['recording']}.wav")
    assert record["recording_s"] > 3.0
    for channel, hz in zip(wav.channels, (CALLER_HZ, AGENT_HZ), strict=True):
        for second in range(1, int(record["recording_s"]) - 1):
            heard = channel[second * wav.rate : (second + 1) * wav.rate]
            assert measure.dominant_tone(heard, wav.rate, (CALLER_HZ, AGENT_HZ)) == hz
    assert not list((system.folder / "recordings").glob("*.part*"))


async def test_another_machine_takes_phones_and_presence_from_redis(tmp_path: Path) -> None:
    """The first one is gone, its journal too; the next has its address and the same Redis."""
    with running_redis() as address:
        config = f"{CONFIG}store: {{state: '{address}/0'}}\n"
        first = System(tmp_path / "first", config)
        first.start()
        sip, next_one = first.sip, None
        try:
            async with people(first, ("102",), (TALKER,)) as phones:
                agent, caller = phones
                await sign_in(agent)
                await asyncio.to_thread(_until_kept, address)
                _power_cut(first)
                next_one = System(
                    tmp_path / "next", config.replace("port: 0", f"port: {sip[1]}", 2)
                )
                await asyncio.to_thread(next_one.start)
                await to_the_queue(caller)
                await asyncio.wait_for(agent.up.wait(), 10)
                caller.hang_up()
                (ticket,) = await asyncio.to_thread(next_one.wait_for_tickets, TALKER, 1)
                assert (ticket["outcome"], ticket["agent"]) == ("answered", "boris")
        finally:
            first.stop()
            if next_one is not None:
                next_one.stop()
        assert not next_one.complaints()


def _until_kept(address: str) -> None:
    prefix = f"offhook:{{{DOMAIN}}}:"
    with redis.Redis.from_url(address) as store:
        for table in ("phones", "presence"):
            eventually(lambda table=table: store.hlen(prefix + table) == 1, table)


def _power_cut(system: System) -> None:
    for pid in system.pids().values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not _takes_calls(system), "everything of it is gone")


def _takes_calls(system: System) -> bool:
    try:
        httpx.get(f"{system.url}/health/live", timeout=1)
    except httpx.HTTPError:
        return False
    return True
