"""Agents who refuse, do not answer or die; calls that are handed on: the caller stays."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from main.demo.softphone import Softphone
from queues.events import OfferEnded
from router.events import AgentLost, CallConnected, CallTransferred, LegEnded
from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.base import Phone
from tests.wire.phones.pjsip import Pjsip
from tests.wire.system import System
from tests.wire.talks import AGENT_HZ, CALLER_HZ, OTHER_HZ, Left, Room, configuration

CONFIG = configuration()
SETTLE_S = 0.4  # from answer to a steady tone
TALK_S = 1.2


async def _hears(caller: Softphone, hz: float, who: str) -> None:
    """From now on, a steady tone for a while."""
    await asyncio.sleep(SETTLE_S)
    before = len(caller.line.heard)
    await asyncio.sleep(TALK_S)
    sound.hold_tone(caller.line.samples()[before:], hz, where=f"the caller, with {who}")


async def _presence(system: System, extension: str) -> str:
    async with system.async_client() as client:
        return str((await client.get(f"/agents/a{extension}")).json()["presence"])


def _offers(left: Left) -> list[tuple[str, str]]:
    """(agent, how it ended) of each offer."""
    return [(e.agent, e.end) for _, e in left.facts if isinstance(e, OfferEnded)]


async def test_two_refuse_and_the_third_answers(system: System, tmp_path: Path) -> None:
    """486 from baresip, 603 from PJSIP: the caller keeps the line and the place."""
    async with Room(system, tmp_path) as room:
        busy = await room.phone(Baresip, "101", AGENT_HZ)
        unwilling = await room.phone(Pjsip, "102", AGENT_HZ)
        willing = await room.softphone("103", OTHER_HZ)
        await room.sign_in("101", "102", "103")
        caller = await room.caller("+371230001")
        await busy.wait("ringing")
        await busy.reject(486)
        await unwilling.wait("ringing")
        await unwilling.reject(603)
        await asyncio.wait_for(willing.up.wait(), 3)
        await _hears(caller, OTHER_HZ, "the third")
        assert await _presence(system, "101") == "on-break"
        caller.hang_up()
        await asyncio.wait_for(willing.over.wait(), 3)
        left = await room.left_by("+371230001")
        assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", "a103")
        causes = [e.cause for _, e in left.facts if isinstance(e, LegEnded)]
        assert "486" in causes[0]
        assert "603" in causes[1]
        assert _offers(left) == [("a101", "refused"), ("a102", "refused"), ("a103", "accepted")]
        assert left.record["offers"] == 3


async def test_dead_phone_then_no_answer_then_an_agent(system: System, tmp_path: Path) -> None:
    """Registered and killed; rung and not answered: each costs at most the ring timeout."""
    async with Room(system, tmp_path) as room:
        dead = await room.phone(Pjsip, "104", AGENT_HZ)
        deaf = await room.phone(Baresip, "105", AGENT_HZ)
        willing = await room.softphone("106", OTHER_HZ)
        await dead.kill()
        await room.sign_in("104", "105", "106")
        begun = time.monotonic()
        caller = await room.caller("+371230002")
        await deaf.wait("ringing", 6)
        assert time.monotonic() - begun < 4.5
        await asyncio.wait_for(willing.up.wait(), 6)
        assert time.monotonic() - begun < 9
        await deaf.wait("over", 3)
        await _hears(caller, OTHER_HZ, "the third")
        assert await _presence(system, "105") == "on-break"
        caller.hang_up()
        left = await room.left_by("+371230002")
        assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", "a106")
        ends = _offers(left)
        assert [agent for agent, _ in ends] == ["a104", "a105", "a106"]
        assert ends[1] == ("a105", "rung-out")


async def test_killed_while_talking(system: System, tmp_path: Path) -> None:
    """No BYE, no packet more: the caller goes to the head of the queue and on to the next."""
    async with Room(system, tmp_path) as room:
        dying = await room.phone(Pjsip, "107", AGENT_HZ)
        next_one = await room.softphone("108", OTHER_HZ)
        await room.sign_in("107", "108")
        caller = await room.caller("+371230003")
        await dying.wait("ringing")
        await dying.answer()
        await dying.wait("up")
        await _hears(caller, AGENT_HZ, "the first")
        await dying.kill()
        await asyncio.wait_for(next_one.up.wait(), 10)
        await _hears(caller, OTHER_HZ, "the second")
        assert not caller.over.is_set()
        caller.hang_up()
        left = await room.left_by("+371230003")
        assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", "a108")
        assert left.fact(AgentLost).agent == "a107"
        assert [e.agent for _, e in left.facts if isinstance(e, CallConnected)] == ["a107", "a108"]


@pytest.mark.parametrize(
    ("kind", "extension", "to", "target"),
    [
        (Baresip, "109", "110", "110"),
        (Baresip, "109", "115", "300"),
        (Pjsip, "111", "112", "112"),
        (Pjsip, "111", "115", "second"),
    ],
)
async def test_blind_transfer_by_refer(
    system: System, tmp_path: Path, kind: type[Phone], extension: str, to: str, target: str
) -> None:
    """To another agent's extension, to a queue by its number and by its name."""
    number = f"+37124{extension}{to}"
    async with Room(system, tmp_path) as room:
        first = await room.phone(kind, extension, AGENT_HZ)
        second = await room.softphone(to, OTHER_HZ)
        await room.sign_in(extension, *([to] if to == "115" else []))
        caller = await room.caller(number)
        await first.wait("ringing")
        await first.answer()
        await first.wait("up")
        await _hears(caller, AGENT_HZ, "the first")
        await room.sign_in(to)
        second.up.clear()
        await first.refer(f"sip:{target}@{system.sip[0]}:{system.sip[1]}")
        await asyncio.wait_for(second.up.wait(), 5)
        await first.wait("over", 5)
        await _hears(caller, OTHER_HZ, "the second")
        caller.hang_up()
        await asyncio.wait_for(second.over.wait(), 3)
        _check_transfer(await room.left_by(number), extension, to)


async def test_blind_transfer_by_api(system: System, tmp_path: Path) -> None:
    async with Room(system, tmp_path) as room:
        first = await room.phone(Pjsip, "113", AGENT_HZ)
        second = await room.phone(Baresip, "114", OTHER_HZ)
        await room.sign_in("113")
        caller = await room.caller("+371230009")
        await first.wait("ringing")
        await first.answer()
        await first.wait("up")
        await _hears(caller, AGENT_HZ, "the first")
        await room.sign_in("114")
        async with system.async_client() as client:
            (call,) = (await client.get("/calls")).json()["items"]
            asked = await client.post(f"/calls/{call['id']}/transfer", json={"target": "114"})
            assert asked.status_code == 202, asked.text
        await second.wait("ringing")
        await second.answer()
        await first.wait("over", 5)
        await _hears(caller, OTHER_HZ, "the second")
        await second.hang_up()
        await asyncio.wait_for(caller.over.wait(), 3)
        _check_transfer(await room.left_by("+371230009"), "113", "114")


def _check_transfer(left: Left, by: str, to: str) -> None:
    assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", f"a{to}")
    assert left.record["transfers"] == 1
    assert left.fact(CallTransferred).by == f"a{by}"
    right = left.wav.channels[1]
    end = right[-round(0.8 * sound.RATE) : -round(0.2 * sound.RATE)]
    sound.hold_tone(end, OTHER_HZ, where="the recording's end, right")
    begin = left.wav.channels[0][-round(0.8 * sound.RATE) : -round(0.2 * sound.RATE)]
    sound.hold_tone(begin, CALLER_HZ, where="the recording's end, left")
