"""Agents who refuse, do not answer or die; calls that are handed on: the caller stays."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from main.demo.softphone import Softphone
from queues.events import OfferEnded
from recordings import measure
from router.events import AgentLost, CallConnected, CallTransferred, LegEnded
from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.base import Phone
from tests.wire.phones.pjsip import Pjsip
from tests.wire.system import System
from tests.wire.talks import (
    AGENT_HZ,
    CALLER_HZ,
    OTHER_HZ,
    SECOND,
    Left,
    Room,
    configuration,
    together,
)

CONFIG = configuration()
SETTLE_S = 0.4  # from answer to a steady tone
TALK_S = 1.2


async def _hears(caller: Softphone, hz: float, who: str) -> None:
    """From now on, a steady tone for a while."""
    await asyncio.sleep(SETTLE_S)
    before = len(caller.line.heard)
    await asyncio.sleep(TALK_S)
    await sound.hold_tone(caller.line.samples()[before:], hz, where=f"the caller, with {who}")


async def _hears_music(caller: Softphone) -> None:
    await asyncio.sleep(0.2)
    before = len(caller.line.heard)
    await asyncio.sleep(0.6)
    heard = caller.line.samples()[before:]
    loud = measure.rms_dbfs(heard)
    assert loud > -45, f"silence instead of music: {loud:.0f} dBFS"
    for hz in (AGENT_HZ, OTHER_HZ):
        assert measure.tone_level(heard, sound.RATE, hz) < loud - 10, f"{hz} Hz in the music"


async def _presence(room: Room, extension: str) -> str:
    async with room.client() as client:
        return str((await client.get(f"/agents/a{extension}")).json()["presence"])


async def _answers(phone: Phone) -> None:
    await phone.wait("ringing")
    await phone.answer()
    await phone.wait("up")


def _offers(left: Left) -> list[tuple[str, str]]:
    """(agent, how it ended) of each offer."""
    return [(e.agent, e.end) for _, e in left.facts if isinstance(e, OfferEnded)]


# --- who does not take it ----------------------------------------------------------------------


async def _two_refuse(room: Room) -> None:
    """486 from baresip, 603 from PJSIP: the caller keeps the line and the place."""
    first, second, third = room.agents
    async with room:
        busy = await room.phone(Baresip, first, AGENT_HZ)
        unwilling = await room.phone(Pjsip, second, AGENT_HZ)
        willing = await room.softphone(third, OTHER_HZ)
        await room.sign_in(*room.agents)
        caller = await room.caller()
        await busy.wait("ringing")
        await _hears_music(caller)
        await busy.reject(486)
        await unwilling.wait("ringing")
        await unwilling.reject(603)
        await asyncio.wait_for(willing.up.wait(), 3)
        await _hears(caller, OTHER_HZ, "the third")
        assert await _presence(room, first) == "on-break"
        caller.hang_up()
        await asyncio.wait_for(willing.over.wait(), 3)
        left = await room.left_by()
        assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", f"a{third}")
        causes = [e.cause for _, e in left.facts if isinstance(e, LegEnded)]
        assert "486" in causes[0]
        assert "603" in causes[1]
        ends = [(f"a{first}", "refused"), (f"a{second}", "refused"), (f"a{third}", "accepted")]
        assert _offers(left) == ends
        assert left.record["offers"] == 3


async def _dead_then_deaf(room: Room) -> None:
    """Registered and killed; rung and not answered: each costs at most the ring timeout."""
    async with room:
        dead = await room.phone(Pjsip, room.agents[0], AGENT_HZ)
        deaf = await room.phone(Baresip, room.agents[1], AGENT_HZ)
        willing = await room.softphone(room.agents[2], OTHER_HZ)
        await dead.kill()
        await room.sign_in(*room.agents)
        begun = time.monotonic()
        caller = await room.caller()
        await deaf.wait("ringing", 6)
        assert time.monotonic() - begun < 4
        await asyncio.wait_for(willing.up.wait(), 6)
        assert time.monotonic() - begun < 8
        await deaf.wait("over", 3)
        await _hears(caller, OTHER_HZ, "the third")
        assert await _presence(room, room.agents[1]) == "on-break"
        caller.hang_up()
        left = await room.left_by()
        assert left.ticket["outcome"] == "answered"
        ends = _offers(left)
        assert [agent for agent, _ in ends] == [f"a{extension}" for extension in room.agents]
        assert ends[1][1] == "rung-out"


async def _killed_while_talking(room: Room) -> None:
    """No BYE, no packet more: the caller goes to the head of the queue and on to the next."""
    first, second, _ = room.agents
    async with room:
        dying = await room.phone(Pjsip, first, AGENT_HZ)
        next_one = await room.softphone(second, OTHER_HZ)
        await room.sign_in(first, second)
        caller = await room.caller()
        await _answers(dying)
        await _hears(caller, AGENT_HZ, "the first")
        await dying.kill()
        await asyncio.wait_for(next_one.up.wait(), 10)
        await _hears(caller, OTHER_HZ, "the second")
        assert not caller.over.is_set()
        caller.hang_up()
        left = await room.left_by()
        assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", f"a{second}")
        assert left.fact(AgentLost).agent == f"a{first}"
        joined = [e.agent for _, e in left.facts if isinstance(e, CallConnected)]
        assert joined == [f"a{first}", f"a{second}"]


async def test_agents_who_do_not_take_it(system: System, tmp_path: Path) -> None:
    await together(
        _two_refuse(Room(system, tmp_path, 10)),
        _dead_then_deaf(Room(system, tmp_path, 11)),
        _killed_while_talking(Room(system, tmp_path, 12)),
    )


# --- blind transfer ----------------------------------------------------------------------------


async def _transferred(
    room: Room, kind: type[Phone], to: str, target: str, *, hold: bool = False
) -> None:
    """By REFER; many phones put the caller on hold before."""
    system, extension = room.system, room.agents[0]
    async with room:
        first = await room.phone(kind, extension, AGENT_HZ)
        second = await room.softphone(to, OTHER_HZ)
        await room.sign_in(extension)
        caller = await room.caller()
        await _answers(first)
        await _hears(caller, AGENT_HZ, "the first")
        await room.sign_in(to)
        second.up.clear()
        if hold:
            await first.hold()
            await _hears_music(caller)
        await first.refer(f"sip:{target}@{system.sip[0]}:{system.sip[1]}")
        await asyncio.wait_for(second.up.wait(), 5)
        await first.wait("over", 5)
        await _hears(caller, OTHER_HZ, "the second")
        caller.hang_up()
        await asyncio.wait_for(second.over.wait(), 3)
        await _check_transfer(await room.left_by(), extension, to)


async def _transferred_by_api(room: Room) -> None:
    first_at, second_at, _ = room.agents
    async with room:
        first = await room.phone(Pjsip, first_at, AGENT_HZ)
        second = await room.phone(Baresip, second_at, OTHER_HZ)
        await room.sign_in(first_at)
        caller = await room.caller()
        await _answers(first)
        await _hears(caller, AGENT_HZ, "the first")
        await room.sign_in(second_at)
        async with room.client() as client:
            calls = (await client.get("/calls")).json()["items"]
            (call,) = [call for call in calls if call["caller"] == room.stranger]
            path = f"/calls/{call['id']}/transfer"
            asked = await client.post(path, json={"target": second_at})
            assert asked.status_code == 202, asked.text
        await _answers(second)
        await first.wait("over", 5)
        await _hears(caller, OTHER_HZ, "the second")
        await second.hang_up()
        await asyncio.wait_for(caller.over.wait(), 3)
        await _check_transfer(await room.left_by(), first_at, second_at)


async def _transfer_refused(room: Room) -> None:
    """Whom it was meant for refuses: caller and agent talk on. (baresip 1.0 would hang up.)"""
    first_at, second_at, _ = room.agents
    system = room.system
    async with room:
        first = await room.phone(Pjsip, first_at, AGENT_HZ)
        second = await room.phone(Baresip, second_at, OTHER_HZ)
        await room.sign_in(first_at)
        caller = await room.caller()
        await _answers(first)
        await _hears(caller, AGENT_HZ, "the first")
        await room.sign_in(second_at)
        await first.refer(f"sip:{second_at}@{system.sip[0]}:{system.sip[1]}")
        await second.wait("ringing")
        await _hears_music(caller)
        await second.reject(603)
        await _hears(caller, AGENT_HZ, "the first again")
        caller.hang_up()
        await first.wait("over", 3)
        left = await room.left_by()
        assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", f"a{first_at}")
        assert left.record["transfers"] == 0


async def _referrer_leaves_at_once(room: Room) -> None:
    """Some phones say BYE right after REFER; the transfer goes on without them."""
    system = room.system
    first_at, second_at, _ = room.agents
    async with room:
        first = await room.phone(Pjsip, first_at, AGENT_HZ)
        second = await room.phone(Baresip, second_at, OTHER_HZ)
        await room.sign_in(first_at)
        caller = await room.caller()
        await _answers(first)
        await _hears(caller, AGENT_HZ, "the first")
        await room.sign_in(second_at)
        await first.refer(f"sip:{second_at}@{system.sip[0]}:{system.sip[1]}")
        await first.wait("transfer", 3)
        await first.hang_up()
        await second.wait("ringing")
        await _hears_music(caller)
        await second.answer()
        await second.wait("up")
        await _hears(caller, OTHER_HZ, "the second")
        caller.hang_up()
        await second.wait("over", 3)
        await _check_transfer(await room.left_by(), first_at, second_at)


async def _check_transfer(left: Left, by: str, to: str) -> None:
    assert (left.ticket["outcome"], left.ticket["agent"]) == ("answered", f"a{to}")
    assert left.record["transfers"] == 1
    assert left.fact(CallTransferred).by == f"a{by}"
    caller, agent = left.wav.channels
    end = slice(-round(0.8 * sound.RATE), -round(0.2 * sound.RATE))
    await sound.hold_tone(agent[end], OTHER_HZ, where="the recording's end, right")
    await sound.hold_tone(caller[end], CALLER_HZ, where="the recording's end, left")
    begin = slice(round(0.4 * sound.RATE), round(1.2 * sound.RATE))
    await sound.hold_tone(agent[begin], AGENT_HZ, where="the recording's begin, right")


async def test_blind_transfers(system: System, tmp_path: Path) -> None:
    """To an extension, to a queue by its number and by its name; by REFER and over REST."""

    def room(group: int) -> Room:
        return Room(system, tmp_path, group)

    await together(
        _transferred(room(13), Baresip, "132", "132"),
        _transferred(room(14), Pjsip, "142", "142", hold=True),
        _transferred(room(15), Pjsip, SECOND, "second"),
        _transferred_by_api(room(16)),
        _transfer_refused(room(17)),
        _referrer_leaves_at_once(room(18)),
    )
    await _transferred(room(19), Baresip, SECOND, "300", hold=True)
