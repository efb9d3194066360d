"""SIGSTOP: a process that hangs is killed in a few seconds, and what follows a death follows."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from main.demo.rtp_line import tone
from tests.wire.system import System, eventually
from tests.wire.test_restart_wire import people, sign_in, to_the_queue

TALKER = "+37120000401"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    system = System(tmp_path)
    system.start()
    try:
        yield system
    finally:
        system.stop()


@pytest.mark.parametrize("who", ["engine", "media"])
async def test_a_talk_outlives_who_hangs(system: System, who: str) -> None:
    async with people(system, ("101",), (TALKER,)) as (agent, talker):
        await sign_in(agent)
        agent.line.speak(tone(660.0))
        talker.line.speak(tone(440.0))
        await to_the_queue(talker)
        await asyncio.wait_for(agent.up.wait(), 10)
        await asyncio.sleep(1)
        before = system.pids()
        stopped = [name for name in before if name.startswith(who)]
        for name in stopped:
            system.signal(name, signal.SIGSTOP)
        began = time.monotonic()
        await asyncio.to_thread(
            eventually, lambda: all(system.pids()[n] != before[n] for n in stopped), "others", 15
        )
        assert 3.0 < time.monotonic() - began < 12.0
        assert all(system.pids()[name] == before[name] for name in before if name not in stopped)
        await asyncio.sleep(2)
        assert not talker.over.is_set()
        assert not agent.over.is_set()
        talker.hang_up()
        (ticket,) = await asyncio.to_thread(system.wait_for_tickets, TALKER, 1)
        assert (ticket["outcome"], ticket["agent"]) == ("answered", "anna")
    assert system.log_text().count("shows no sign of life") == len(stopped)
