"""Real stores behind the whole system: the database freezes and stops under a call, Redis dies.

PostgreSQL and Redis are started by the test on free ports. The server is found by its port and
signalled by its process id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from main.demo.softphone import Softphone
from tests.redis_server import running_redis
from tests.wire.database import Database, listener, running_database
from tests.wire.heard import Talk
from tests.wire.system import System
from tests.wire.talks import AGENT_HZ, Room, configuration
from tests.wire.test_store_failures import readiness, soon


@pytest.fixture
def database() -> Iterator[Database]:
    with running_database() as made:
        yield made


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
                listener(urlsplit(state).port).kill()
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
    talk = await Talk.begin(room, agent, "+371270001")
    await talk.flows()
    await talk.end()
    found = await database.ticket("+371270001", 8)
    assert (found["outcome"], found["agent"]) == ("answered", "a101")

    talk = await Talk.begin(room, agent, "+371270002")
    database.freeze()
    try:
        await talk.flows()
        await talk.end()
        await asyncio.sleep(0.5)  # the wrap-up
        talk = await Talk.begin(room, agent, "+371270003")
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
    talk = await Talk.begin(room, agent, "+371270004")
    await asyncio.to_thread(database.stop)
    await talk.flows()
    await talk.end()
    await asyncio.sleep(0.5)
    talk = await Talk.begin(room, agent, "+371270005")
    await talk.flows()
    await talk.end()
    database.start()
    for number in ("+371270004", "+371270005"):
        found = await database.ticket(number, 30)
        assert (found["outcome"], found["agent"]) == ("answered", "a101")
        assert found["talked_s"] > 1.0


async def test_a_state_store_that_is_frozen_and_then_gone(tmp_path: Path) -> None:
    with running_redis() as state:
        system = System(tmp_path / "system", configuration(f"store:\n  state: {state}/0\n"))
        try:
            await asyncio.to_thread(system.start)
            async with Room(system, tmp_path, 10) as room:
                agent = await room.softphone("101", AGENT_HZ)
                await room.sign_in("101")
                redis = listener(urlsplit(state).port)
                talk = await Talk.begin(room, agent, "+371270006")
                redis.suspend()
                try:
                    await room.softphone("102", AGENT_HZ)  # what the store should be told
                    await talk.flows()
                    (behind,) = await soon(lambda: readiness(system)["behind"], "behind", 12)
                    assert (behind["reader"], behind["why"]) == ("state", "no answer")
                    assert readiness(system)["status"] == "ready", "calls do not need it"
                    await talk.flows()
                finally:
                    redis.resume()
                await soon(lambda: not readiness(system)["behind"], "the state caught up", 20)
                await talk.end()
                await asyncio.sleep(0.5)  # the wrap-up
                redis.kill()
                talk = await Talk.begin(room, agent, "+371270007")
                (behind,) = await soon(lambda: readiness(system)["behind"], "behind", 12)
                assert (behind["reader"], behind["why"]) == ("state", "away")
                await talk.flows()
                await talk.end()
            await asyncio.to_thread(system.wait_for_tickets, "+37127000%", 2)
        finally:
            await asyncio.to_thread(system.stop)
