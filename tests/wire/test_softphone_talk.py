"""baresip, PJSIP and pyVoIP as agents: whole calls with tones, measured at every end."""

from __future__ import annotations

import asyncio
from array import array
from pathlib import Path

from router.events import CallHeld, CallResumed
from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.base import Phone
from tests.wire.phones.pjsip import Pjsip
from tests.wire.phones.pyvoip import Pyvoip
from tests.wire.system import System
from tests.wire.talks import (
    AGENT_HZ,
    CALLER_HZ,
    EDGE_S,
    SECOND,
    Left,
    Room,
    configuration,
    together,
)

CONFIG = configuration()
TALK_S = 2.0


def _last_of_talk(heard: array[int]) -> array[int]:
    """What an ear heard last, whatever rang or played before the talk."""
    return heard[-round((TALK_S - EDGE_S) * sound.RATE) : -800]


async def _check_recording(left: Left) -> None:
    for name, side, hz in zip(
        ("left", "right"), left.wav.channels, (CALLER_HZ, AGENT_HZ), strict=True
    ):
        await sound.hold_tone(sound.trimmed(side, EDGE_S), hz, where=f"the recording, {name}")


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
    await sound.hold_tone(at_caller, AGENT_HZ, where=f"the caller, talking with {who}")
    at_agent = sound.trimmed(phone.heard(), EDGE_S)
    await sound.hold_tone(at_agent, CALLER_HZ, where=f"{who}'s ear")

    left = await room.left_by(number)
    await _check_recording(left)
    ticket, record = left.ticket, left.record
    assert (ticket["outcome"], ticket["status"]) == ("answered", "awaiting-disposition")
    assert (ticket["agent"], ticket["caller"]) == (f"a{phone.user}", number)
    assert TALK_S - 0.2 <= record["talked_s"] <= TALK_S + 1.0
    assert abs(left.wav.duration_s - record["talked_s"]) < 0.5
    assert record["packets_lost"] == 0


async def _two_calls(room: Room, kind: type[Phone]) -> None:
    """Hung up by the one side, then by the other."""
    async with room:
        phone = await room.phone(kind, room.agents[0], AGENT_HZ)
        await room.sign_in(room.agents[0])
        await _talk(room, phone, f"{room.stranger}1", agent_hangs_up=True)
        await _talk(room, phone, f"{room.stranger}2", agent_hangs_up=False)


async def test_three_kinds_of_phones(system: System, tmp_path: Path) -> None:
    """Registered with digest, signed in over REST, rung, answered, talked with, hung up."""
    await together(
        *(
            _two_calls(Room(system, tmp_path, group), kind)
            for group, kind in ((10, Baresip), (11, Pjsip), (12, Pyvoip))
        )
    )


async def _codes(room: Room, kind: type[Phone]) -> None:
    """pyVoIP cannot dial: its digest names another URI than its INVITE (docs/peers.md)."""
    system, extension = room.system, room.agents[0]
    async with room:
        phone = await room.phone(kind, extension, AGENT_HZ)
        for code, presence in (("*11", "available"), ("*13", "on-break"), ("*12", "signed-out")):
            await phone.dial(f"sip:{code}@{system.sip[0]}:{system.sip[1]}")
            await phone.wait("up")
            await phone.wait("over")
            async with room.client() as client:
                shown = (await client.get(f"/agents/a{extension}")).json()
            assert shown["presence"] == presence


async def _pjsip_calls(room: Room) -> None:
    """PJSIP as the caller, from the trunk's address: through the menu, by an RFC 4733 key."""
    system, extension = room.system, SECOND
    async with room:
        agent = await room.phone(Baresip, extension, AGENT_HZ)
        caller = await room.phone(Pjsip, "caller1", CALLER_HZ, host="127.0.0.2")
        await caller.dial(f"sip:100@{system.sip[0]}:{system.sip[1]}")
        await caller.wait("up")
        await asyncio.sleep(0.5)
        await caller.press("1")
        await room.sign_in(extension)
        await agent.wait("ringing")
        await agent.answer()
        await agent.wait("up")
        await asyncio.sleep(TALK_S)
        await caller.hang_up()
        await agent.wait("over", 3)
        await caller.wait("over", 3)
        await sound.hold_tone(_last_of_talk(caller.heard()), AGENT_HZ, where="PJSIP's ear")
        await sound.hold_tone(
            sound.trimmed(agent.heard(), EDGE_S), CALLER_HZ, where="baresip's ear"
        )
        left = await room.left_by("caller1")
        await _check_recording(left)
        assert left.ticket["outcome"] == "answered"


async def _tcp_and_early_media(room: Room) -> None:
    """PJSIP registers over TCP, is rung on that connection, and speaks before it answers."""
    async with room:
        phone = await room.phone(Pjsip, room.agents[0], AGENT_HZ, transport="tcp")
        await room.sign_in(room.agents[0])
        caller = await room.caller()
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
        await sound.hold_tone(at_caller, AGENT_HZ, where="the caller")
        await sound.hold_tone(_last_of_talk(phone.heard()), CALLER_HZ, where="the agent")
        left = await room.left_by()
        await _check_recording(left)
        assert TALK_S - 0.2 <= left.record["talked_s"] <= TALK_S + 0.5  # not the early media


async def _codecs_that_differ(room: Room) -> None:
    """The agent speaks A-law only (baresip, over TCP), the caller mu-law only (PJSIP)."""
    system, extension = room.system, room.agents[0]
    async with room:
        agent = await room.phone(Baresip, extension, AGENT_HZ, codecs=["PCMA"], transport="tcp")
        await room.sign_in(extension)
        caller = await room.phone(Pjsip, "caller2", CALLER_HZ, host="127.0.0.2", codecs=["PCMU"])
        await caller.dial(f"sip:{room.queue}@{system.sip[0]}:{system.sip[1]}")
        await caller.wait("up")
        await agent.wait("ringing")
        await agent.answer()
        await agent.wait("up")
        await asyncio.sleep(TALK_S)
        await agent.hang_up()
        await caller.wait("over", 3)
        await sound.hold_tone(_last_of_talk(caller.heard()), AGENT_HZ, where="the caller's ear")
        await sound.hold_tone(
            sound.trimmed(agent.heard(), EDGE_S), CALLER_HZ, where="the agent's ear"
        )
        await _check_recording(await room.left_by("caller2"))


async def _both_phones_ring(room: Room) -> None:
    """One agent, two phones: both ring, the one that answers has the call, the other stops."""
    async with room:
        extension = room.agents[0]
        answering = await room.phone(Pjsip, extension, AGENT_HZ)
        other = await room.phone(Baresip, extension, AGENT_HZ)
        await room.sign_in(extension)
        caller = await room.caller()
        await other.wait("ringing")
        await answering.wait("ringing")
        await answering.answer()
        await answering.wait("up")
        await other.wait("over", 3)
        before = len(caller.line.heard)
        await asyncio.sleep(TALK_S)
        at_caller = sound.trimmed(caller.line.samples()[before:], EDGE_S)
        await sound.hold_tone(at_caller, AGENT_HZ, where="the caller")
        caller.hang_up()
        await answering.wait("over", 3)
        left = await room.left_by()
        await _check_recording(left)
        assert left.record["offers"] == 1


async def _caller_gives_up(room: Room, kind: type[Phone]) -> None:
    """The phone stops ringing, and the agent is free for the next call."""
    async with room:
        phone = await room.phone(kind, room.agents[0], AGENT_HZ)
        await room.sign_in(room.agents[0])
        caller = await room.caller(f"{room.stranger}1")
        await phone.wait("ringing")
        await asyncio.sleep(0.3)
        caller.hang_up()
        await phone.wait("over", 3)
        await _talk(room, phone, f"{room.stranger}2", agent_hangs_up=True)
        (ticket,) = await asyncio.to_thread(room.system.wait_for_tickets, f"{room.stranger}1", 1)
        assert ticket["outcome"] == "short-abandoned"


async def _gives_up_on_pyvoip(room: Room) -> None:
    """It ignores the CANCEL; its agent is free for the next call all the same."""
    async with room:
        phone = await room.phone(Pyvoip, room.agents[0], AGENT_HZ)
        await room.sign_in(room.agents[0])
        caller = await room.caller(f"{room.stranger}1")
        await phone.wait("ringing")
        caller.hang_up()
        await _talk(room, phone, f"{room.stranger}2", agent_hangs_up=True)


async def _demanding(room: Room) -> None:
    """PJSIP on both sides wants reliable ringing, session timers and a shared RTCP port, and
    holds in the way of RFC 2543."""
    system, extension = room.system, room.agents[0]
    async with room:
        agent = await room.phone(Pjsip, extension, AGENT_HZ, demanding=True)
        await room.sign_in(extension)
        caller = await room.phone(Pjsip, "caller3", CALLER_HZ, host="127.0.0.2", demanding=True)
        await caller.dial(f"sip:{room.queue}@{system.sip[0]}:{system.sip[1]}")
        await caller.wait("up")
        await agent.wait("ringing")
        await agent.answer()
        await agent.wait("up")
        await asyncio.sleep(0.5)
        for holder in (agent, caller):
            await holder.hold()
            await asyncio.sleep(0.4)
            await holder.resume()
            await asyncio.sleep(0.2)
        await asyncio.sleep(TALK_S)
        await agent.hang_up()
        await caller.wait("over", 3)
        await sound.hold_tone(_last_of_talk(caller.heard()), AGENT_HZ, where="the caller's ear")
        await sound.hold_tone(_last_of_talk(agent.heard()), CALLER_HZ, where="the agent's ear")
        left = await room.left_by("caller3")
        assert len(left.times(CallHeld)) == len(left.times(CallResumed)) == 2
        assert left.ticket["outcome"] == "answered"


async def test_ways_to_a_talk(system: System, tmp_path: Path) -> None:
    """Codes, other codecs, other transports, several phones, callers who give up."""

    def room(group: int) -> Room:
        return Room(system, tmp_path, group)

    await together(
        _codes(room(13), Baresip),
        _codes(room(14), Pjsip),
        _pjsip_calls(room(15)),
        _tcp_and_early_media(room(16)),
        _codecs_that_differ(room(17)),
        _both_phones_ring(room(18)),
        _caller_gives_up(room(19), Baresip),
        _caller_gives_up(room(20), Pjsip),
        _gives_up_on_pyvoip(room(21)),
        _demanding(room(22)),
    )
