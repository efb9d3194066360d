"""baresip, PJSIP and pyVoIP as agents: whole calls with tones, measured at every end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.base import Phone
from tests.wire.phones.pjsip import Pjsip
from tests.wire.phones.pyvoip import Pyvoip
from tests.wire.system import System
from tests.wire.talks import AGENT_HZ, CALLER_HZ, EDGE_S, Room, configuration

CONFIG = configuration()
KINDS = {"101": Baresip, "102": Pjsip, "103": Pyvoip}
TALK_S = 2.0


async def _talk(room: Room, phone: Phone, number: str, *, agent_hangs_up: bool) -> None:
    """One call to the queue, rung, answered, talked; all four ears are judged."""
    caller = await room.caller(number)
    await phone.wait("ringing")
    await phone.answer()
    await phone.wait("up")
    before = len(caller.line.heard)
    await asyncio.sleep(TALK_S)
    if agent_hangs_up:
        await phone.hang_up()
    else:
        caller.hang_up()
    await asyncio.wait_for(caller.over.wait(), 3)
    await phone.wait("over", 3)

    who = type(phone).__name__
    at_caller = sound.trimmed(caller.line.samples()[before:], EDGE_S)
    sound.hold_tone(at_caller, AGENT_HZ, where=f"the caller, talking with {who}")
    at_agent = sound.trimmed(phone.heard(), EDGE_S)
    sound.hold_tone(at_agent, CALLER_HZ, where=f"{who}'s ear")

    left = await room.left_by(number)
    caller_side, agent_side = (sound.trimmed(side, EDGE_S) for side in left.wav.channels)
    sound.hold_tone(caller_side, CALLER_HZ, where="the recording, left")
    sound.hold_tone(agent_side, AGENT_HZ, where=f"the recording, right ({who})")
    ticket, record = left.ticket, left.record
    assert (ticket["outcome"], ticket["status"]) == ("answered", "awaiting-disposition")
    assert (ticket["agent"], ticket["queue"]) == (f"a{phone.user}", "support")
    assert TALK_S - 0.2 <= record["talked_s"] <= TALK_S + 1.0
    assert abs(left.wav.duration_s - record["talked_s"]) < 0.5
    assert record["packets_lost"] == 0


@pytest.mark.parametrize("extension", KINDS)
async def test_two_calls(system: System, tmp_path: Path, extension: str) -> None:
    """Registered with digest, signed in, rung; hung up by the one side, then by the other."""
    async with Room(system, tmp_path) as room:
        phone = await room.phone(KINDS[extension], extension, AGENT_HZ)
        await room.sign_in(extension)
        await _talk(room, phone, f"+3712000{extension}1", agent_hangs_up=True)
        await _talk(room, phone, f"+3712000{extension}2", agent_hangs_up=False)


@pytest.mark.parametrize(("kind", "extension"), [(Baresip, "104"), (Pjsip, "105")])
async def test_signed_in_by_a_dialled_code(
    system: System, tmp_path: Path, kind: type[Phone], extension: str
) -> None:
    """pyVoIP cannot dial: its digest names another URI than its INVITE (docs/peers.md)."""
    async with Room(system, tmp_path) as room:
        phone = await room.phone(kind, extension, AGENT_HZ)
        for code, presence in (("*11", "available"), ("*13", "on-break"), ("*12", "signed-out")):
            await phone.dial(f"sip:{code}@{system.sip[0]}:{system.sip[1]}")
            await phone.wait("up")
            await phone.wait("over")
            async with system.async_client() as client:
                shown = (await client.get(f"/agents/a{extension}")).json()
            assert shown["presence"] == presence


async def test_pjsip_calls(system: System, tmp_path: Path) -> None:
    """PJSIP as the caller, from the trunk's address: through the menu, by an RFC 4733 key."""
    async with Room(system, tmp_path) as room:
        agent = await room.phone(Baresip, "106", AGENT_HZ)
        await room.sign_in("106")
        number = "caller1"
        caller = await room.phone(Pjsip, number, CALLER_HZ, host="127.0.0.2")
        await caller.dial(f"sip:100@{system.sip[0]}:{system.sip[1]}")
        await caller.wait("up")
        await asyncio.sleep(0.5)
        await caller.press("1")
        await agent.wait("ringing")
        await agent.answer()
        await agent.wait("up")
        await asyncio.sleep(TALK_S)
        await caller.hang_up()
        await agent.wait("over", 3)
        await caller.wait("over", 3)
        heard = caller.heard()
        sound.hold_tone(
            heard[-round((TALK_S - EDGE_S) * sound.RATE) : -800], AGENT_HZ, where="PJSIP's ear"
        )
        sound.hold_tone(sound.trimmed(agent.heard(), EDGE_S), CALLER_HZ, where="baresip's ear")
        left = await room.left_by(number)
        for side, hz in zip(left.wav.channels, (CALLER_HZ, AGENT_HZ), strict=True):
            sound.hold_tone(sound.trimmed(side, EDGE_S), hz, where="the recording")
        assert left.ticket["outcome"] == "answered"


async def test_tcp_phone_with_early_media(system: System, tmp_path: Path) -> None:
    """PJSIP registers over TCP, is rung on that connection, and speaks before it answers."""
    async with Room(system, tmp_path) as room:
        phone = await room.phone(Pjsip, "107", AGENT_HZ, transport="tcp")
        await room.sign_in("107")
        caller = await room.caller("+37121107")
        await phone.wait("ringing")
        await phone.early()
        assert await phone.wait("media") == "active"
        await asyncio.sleep(0.5)
        assert not caller.over.is_set()
        await phone.answer()
        await phone.wait("up")
        before = len(caller.line.heard)
        await asyncio.sleep(TALK_S)
        await phone.hang_up()
        await asyncio.wait_for(caller.over.wait(), 3)
        await phone.wait("over", 3)
        at_caller = sound.trimmed(caller.line.samples()[before:], EDGE_S)
        sound.hold_tone(at_caller, AGENT_HZ, where="the caller")
        at_agent = phone.heard()[-round((TALK_S - EDGE_S) * sound.RATE) : -800]
        sound.hold_tone(at_agent, CALLER_HZ, where="the agent")
        left = await room.left_by("+37121107")
        for side, hz in zip(left.wav.channels, (CALLER_HZ, AGENT_HZ), strict=True):
            sound.hold_tone(sound.trimmed(side, EDGE_S), hz, where="the recording")
        assert TALK_S - 0.2 <= left.record["talked_s"] <= TALK_S + 0.5  # not the early media


async def test_codecs_that_differ(system: System, tmp_path: Path) -> None:
    """The agent speaks A-law only (baresip, over TCP), the caller mu-law only (PJSIP)."""
    async with Room(system, tmp_path) as room:
        agent = await room.phone(Baresip, "108", AGENT_HZ, codecs=["PCMA"], transport="tcp")
        await room.sign_in("108")
        caller = await room.phone(Pjsip, "caller2", CALLER_HZ, host="127.0.0.2", codecs=["PCMU"])
        await caller.dial(f"sip:200@{system.sip[0]}:{system.sip[1]}")
        await caller.wait("up")
        await agent.wait("ringing")
        await agent.answer()
        await agent.wait("up")
        await asyncio.sleep(TALK_S)
        await agent.hang_up()
        await caller.wait("over", 3)
        heard = caller.heard()[-round((TALK_S - EDGE_S) * sound.RATE) : -800]
        sound.hold_tone(heard, AGENT_HZ, where="the caller's ear")
        sound.hold_tone(sound.trimmed(agent.heard(), EDGE_S), CALLER_HZ, where="the agent's ear")
        left = await room.left_by("caller2")
        for side, hz in zip(left.wav.channels, (CALLER_HZ, AGENT_HZ), strict=True):
            sound.hold_tone(sound.trimmed(side, EDGE_S), hz, where="the recording")
