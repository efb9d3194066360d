"""``offhook upgrade`` and ``offhook drain`` with calls on the line."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from main.demo.rtp_line import tone
from main.demo.softphone import Softphone
from tests.wire.raw_sip import Peer
from tests.wire.system import ROOT, TRUNK, System, eventually
from tests.wire.test_restart_wire import _until_one_waits, people, sign_in, to_the_queue

PACKAGES = tuple(
    tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]["packages"]
)
BROKEN = """

async def run(*_: object) -> None:
    raise RuntimeError("this version is broken")
"""
TALKER, WAITER, LATER = "+37120000301", "+37120000302", "+37120000303"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    system = System(tmp_path)
    system.start()
    try:
        yield system
    finally:
        system.stop()
    complaints = [line for line in system.complaints() if "died after" not in line]
    assert not complaints, complaints


async def _talks_and_waits(system: System, agent: Softphone, *callers: Softphone) -> None:
    talker, waiter = callers
    await sign_in(agent)
    agent.line.speak(tone(660.0))
    talker.line.speak(tone(440.0))
    await to_the_queue(talker)
    await asyncio.wait_for(agent.up.wait(), 10)
    await to_the_queue(waiter)
    await asyncio.to_thread(_until_one_waits, system)


async def test_an_upgrade_carries_the_calls_over(system: System) -> None:
    """Once in peace, once with a kill -9 in the middle of it."""
    async with people(system, ("101",), (TALKER, WAITER)) as (agent, talker, waiter):
        await _talks_and_waits(system, agent, talker, waiter)
        first = system.pids()["engine"]
        status, said = await asyncio.to_thread(system.ask, "upgrade")
        assert (status, "2 calls carried over" in said) == (0, True), said
        upgrading = asyncio.create_task(asyncio.to_thread(system.ask, "upgrade"))
        await asyncio.to_thread(
            eventually, lambda: system.log_text().count("on disk is loading") == 2, "it loads"
        )
        second = system.pids()["engine"]
        os.kill(second, signal.SIGKILL)
        status, said = await upgrading
        assert (status, "2 calls carried over" in said) == (0, True), said
        assert len({first, second, system.pids()["engine"]}) == 3
        assert not any(phone.over.is_set() for phone in (talker, waiter))
        agent.up.clear()
        talker.hang_up()
        await asyncio.wait_for(agent.up.wait(), 10)
        agent.hang_up()
        await asyncio.wait_for(waiter.over.wait(), 10)
        for number in (TALKER, WAITER):
            (ticket,) = await asyncio.to_thread(system.wait_for_tickets, number, 1)
            assert (ticket["outcome"], ticket["agent"]) == ("answered", "anna")


async def test_a_version_that_fails_after_the_switch_is_gone_back_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the source whose engine loads and dies when it is to take over."""
    tree = _copy_of_the_source(tmp_path / "tree")
    monkeypatch.setattr("tests.wire.system.ROOT", tree)
    system = System(tmp_path / "data")
    system.start()
    try:
        async with people(system, ("101",), (TALKER, WAITER)) as (agent, talker, waiter):
            await _talks_and_waits(system, agent, talker, waiter)
            before = system.pids()["engine"]
            program = tree / "main" / "engine_process.py"
            sound = program.read_text()
            program.write_text(sound + BROKEN)
            status, said = await asyncio.to_thread(system.ask, "upgrade")
            assert (status, "takes the calls over again" in said) == (1, True), said
            await asyncio.to_thread(eventually, lambda: _answers(system), "the old version")
            gone_back = system.pids()["engine"]
            assert gone_back != before
            os.kill(gone_back, signal.SIGKILL)
            await asyncio.to_thread(
                eventually, lambda: system.state()["engine"]["starts"] == 4, "of the old version"
            )
            await asyncio.to_thread(eventually, lambda: _answers(system), "it works, too")
            program.write_text(sound)
            status, said = await asyncio.to_thread(system.ask, "upgrade")
            assert (status, "2 calls carried over" in said) == (0, True), said
            agent.up.clear()
            talker.hang_up()
            await asyncio.wait_for(agent.up.wait(), 10)
            agent.hang_up()
            await asyncio.wait_for(waiter.over.wait(), 10)
            for number in (TALKER, WAITER):
                (ticket,) = await asyncio.to_thread(system.wait_for_tickets, number, 1)
                assert (ticket["outcome"], ticket["agent"]) == ("answered", "anna")
    finally:
        system.stop()


def _copy_of_the_source(tree: Path) -> Path:
    tree.mkdir()
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package)
    return tree


async def test_a_drain_ends_with_the_last_call(system: System) -> None:
    """New calls are sent away, also after a kill -9; the one who waits is still answered."""
    async with people(system, ("101",), (TALKER, WAITER)) as (agent, talker, waiter):
        await _talks_and_waits(system, agent, talker, waiter)
        draining = asyncio.create_task(
            asyncio.to_thread(system.ask, "drain", "--to", "sip:192.0.2.7:5999")
        )
        await asyncio.to_thread(eventually, lambda: _draining(system), "readiness says so")
        await asyncio.to_thread(_is_sent_away, system)
        pid = system.pids()["engine"]
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(
            eventually, lambda: system.pids()["engine"] not in (None, pid), "another engine"
        )
        await asyncio.to_thread(eventually, lambda: _draining(system), "so does the next")
        await asyncio.to_thread(_is_sent_away, system)
        agent.up.clear()
        talker.hang_up()
        await asyncio.wait_for(agent.up.wait(), 10)
        await asyncio.sleep(0.5)
        agent.hang_up()
        await asyncio.wait_for(waiter.over.wait(), 10)
        status, said = await draining
        assert status == 0, said
        assert "2 calls left\n1 call left\n" in said
        assert said.endswith("drained; offhook ends\n")
        await asyncio.to_thread(eventually, lambda: not _answers(system), "it ends")
        for number in (TALKER, WAITER):
            (ticket,) = await asyncio.to_thread(system.wait_for_tickets, number, 1)
            assert ticket["outcome"] == "answered"
        assert system.tickets(LATER) == []


def test_who_asks_where_nothing_runs_is_told(tmp_path: Path) -> None:
    status, said = System(tmp_path).ask("upgrade")
    assert status == 2
    assert said.startswith(f"no offhook runs with data_dir {tmp_path}")


def _draining(system: System) -> bool:
    try:
        answer = httpx.get(f"{system.url}/health/ready", timeout=2)
    except httpx.HTTPError:
        return False
    return answer.status_code == 503 and answer.json()["reasons"] == ["draining"]


def _is_sent_away(system: System) -> None:
    with Peer(system.sip, TRUNK) as caller:
        answer = caller.ask(caller.invite("100", LATER, ""))
        assert answer.status == 302
        assert answer["Contact"] == "<sip:100@192.0.2.7:5999>"
        caller.acknowledge(answer)


def _answers(system: System) -> bool:
    try:
        httpx.get(f"{system.url}/health/live", timeout=1)
    except httpx.HTTPError:
        return False
    return True
