"""Agents' rules on the wire: widening, offers that rang out, breaks, wrap-up; a reload while
callers wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from queues.events import OfferEnded
from tests.wire.floor_talks import (
    answers,
    asked,
    call_of,
    facts_of,
    floor_configuration,
    hears,
    presence,
    replays_alike,
)
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.base import Phone
from tests.wire.phones.pjsip import Pjsip
from tests.wire.system import System
from tests.wire.talks import AGENT_HZ, OTHER_HZ, Room, together

LEVELS, SKILLS, RUNG_OUT, WRAP_UP, BREAKS, RELOAD, HELP = range(10, 17)
GROUPS: Mapping[int, Mapping[str, str]] = {
    LEVELS: {"widening": "[{after_s: 0, level: 1}, {after_s: 2, level: 2}]"},
    SKILLS: {"skills": "{latvian: 2}", "widening": "[{after_s: 2, drop: [latvian]}]"},
    RUNG_OUT: {"ring_timeout_s": "2"},
    WRAP_UP: {"wrap_up_s": "1.5", "wrap_up_max_s": "60"},
    BREAKS: {},
    RELOAD: {},
    HELP: {},
}
BREAK_RULES = "floor:\n  breaks: [{name: lunch, agents_max: 1}, {name: training}]\n"
AGENTS: Mapping[str, Mapping[str, str]] = {
    "102": {"queues": f"{{g{LEVELS}: 2}}"},
    "112": {"skills": "{latvian: 1}"},
}
CONFIG = floor_configuration(GROUPS, AGENTS) + BREAK_RULES


async def _rings_after(phone: Phone, begun: float, seconds: float) -> None:
    await phone.wait("ringing", seconds + 3)
    took = time.monotonic() - begun
    assert seconds - 0.3 < took < seconds + 1.5, f"{took:.1f} s"
    await phone.answer()
    await phone.wait("up")


# --- who may take it ------------------------------------------------------------------------------


async def _levels(room: Room) -> None:
    """Level 2 is rung after two seconds; with level 1 there, at once and only there."""
    first, second, _ = room.agents
    async with room:
        weaker = await room.phone(Pjsip, second, OTHER_HZ)
        await room.sign_in(second)
        begun = time.monotonic()
        caller = await room.caller(f"{room.stranger}1")
        await _rings_after(weaker, begun, 2.0)
        caller.hang_up()
        better = await room.phone(Baresip, first, AGENT_HZ)
        await room.sign_in(first)
        caller = await room.caller(f"{room.stranger}2")
        await answers(better, 1.5)
        await hears(caller, AGENT_HZ, "the better")
        caller.hang_up()


async def _skills(room: Room) -> None:
    """Without the skill: available, not rung, "why" says so; after two seconds it is dropped."""
    first, second, _ = room.agents
    async with room:
        without = await room.phone(Pjsip, first, OTHER_HZ)
        able = await room.phone(Baresip, second, AGENT_HZ)
        await room.sign_in(first, second)
        caller = await room.caller(f"{room.stranger}1")
        await answers(able, 1.5)
        begun = time.monotonic()
        other = await room.caller(f"{room.stranger}2")
        call = await call_of(room, other.user)
        why = await asked(room, "GET", f"/calls/{call}/why")
        reasons = {agent["agent"]: agent["reason"] for agent in why["waits"]["agents"]}
        assert (reasons[f"a{first}"], reasons[f"a{second}"]) == ("skills", "talking")
        assert await presence(room, first) == "available"
        await _rings_after(without, begun, 2.0)
        await hears(other, OTHER_HZ, "the one without the skill")
        for leaving in (caller, other):
            leaving.hang_up()


# --- what an agent does and does not do -----------------------------------------------------------


async def _rang_out(room: Room) -> None:
    """Not answered: on a break by itself, the next agent is rung, the caller loses nothing."""
    first, second, _ = room.agents
    async with room:
        asleep = await room.phone(Pjsip, first, OTHER_HZ)
        awake = await room.phone(Baresip, second, AGENT_HZ)
        await room.sign_in(first)
        caller = await room.caller()
        await asleep.wait("ringing")
        await room.sign_in(second)
        await asleep.wait("over", 4)
        await answers(awake, 2)
        async with room.client() as client:
            shown = (await client.get(f"/agents/a{first}")).json()
        assert (shown["presence"], shown["reason"]) == ("on-break", "did not answer")
        await hears(caller, AGENT_HZ, "the second")
        caller.hang_up()
        left = await room.left_by()
        facts = await asyncio.to_thread(facts_of, room.system, left.ticket["call"])
        ends = [(e.agent, e.end) for e in facts if isinstance(e, OfferEnded)]
        assert ends == [(f"a{first}", "rung-out"), (f"a{second}", "accepted")]


async def _wrap_up(room: Room) -> None:
    """Extended, the next call waits longer; ended, it comes at once."""
    extension = room.agents[0]
    async with room:
        phone = await room.phone(Pjsip, extension, AGENT_HZ)
        await room.sign_in(extension)
        for wish in ("extend", "end"):
            caller = await room.caller(f"{room.stranger}1{wish[1:]}")
            waiting = await room.caller(f"{room.stranger}2{wish[1:]}")
            await answers(phone)
            caller.hang_up()
            await phone.wait("over", 3)
            begun = time.monotonic()
            assert await presence(room, extension) == "wrap-up"
            body = {"seconds": 2.0} if wish == "extend" else None
            await asked(room, "POST", f"/agents/a{extension}/wrap-up/{wish}", body)
            await _rings_after(phone, begun, 3.5 if wish == "extend" else 0.3)
            waiting.hang_up()
            await phone.wait("over", 3)
            await asked(room, "POST", f"/agents/a{extension}/wrap-up/end")


async def _breaks(room: Room) -> None:
    """One at a time at lunch; a break that there is not is refused; nobody on one is rung."""
    first, second, _ = room.agents
    async with room:
        phones = [
            await room.phone(Pjsip, first, AGENT_HZ),
            await room.phone(Baresip, second, OTHER_HZ),
        ]
        await room.sign_in(first, second)

        async def goes(extension: str, reason: str) -> int:
            wish = {"presence": "on-break", "reason": reason}
            async with room.client() as client:
                return (await client.post(f"/agents/a{extension}/presence", json=wish)).status_code

        assert await goes(first, "lunch") == 200
        assert await goes(second, "lunch") == 409
        assert await goes(second, "holidays") in (409, 422)
        assert await presence(room, second) == "available"
        caller = await room.caller()
        await answers(phones[1])
        assert not phones[0].pending("ringing")
        assert await goes(second, "training") == 200, "it follows the talk"
        assert await presence(room, second) == "talking"
        caller.hang_up()
        await phones[1].wait("over", 3)
        assert await presence(room, second) == "on-break"


# --- a reload ----------------------------------------------------------------------------------


async def _reload(room: Room, helping: Room) -> None:
    """An agent gets a further queue while two wait in it: rung at once, with who came first."""
    helper = helping.agents[0]
    system = room.system
    async with room, helping:
        phone = await helping.phone(Pjsip, helper, AGENT_HZ)
        await helping.sign_in(helper)
        first = await room.caller(f"{room.stranger}1")
        second = await room.caller(f"{room.stranger}2")
        await asyncio.sleep(0.5)
        assert not phone.pending("ringing")
        both = {helper: {"queues": f"{{g{HELP}: 1, g{RELOAD}: 1}}"}}
        system.config.write_text(floor_configuration(GROUPS, {**AGENTS, **both}) + BREAK_RULES)
        status, said = await asyncio.to_thread(system.ask, "reload")
        assert status == 0, said
        await answers(phone, 2)
        await hears(first, AGENT_HZ, "the helper")
        first.hang_up()
        await phone.wait("over", 3)
        await answers(phone, 2)
        await hears(second, AGENT_HZ, "the helper")
        second.hang_up()


async def test_agents_rules(system: System, tmp_path: Path) -> None:
    """Levels, skills, offers that rang out, wrap-up, breaks."""

    def room(group: int) -> Room:
        return Room(system, tmp_path, group)

    await together(
        _levels(room(LEVELS)),
        _skills(room(SKILLS)),
        _rang_out(room(RUNG_OUT)),
        _wrap_up(room(WRAP_UP)),
        _breaks(room(BREAKS)),
    )


async def test_a_reload_while_callers_wait(system: System, tmp_path: Path) -> None:
    await _reload(Room(system, tmp_path, RELOAD), Room(system, tmp_path, HELP))


def test_afterwards_nothing_is_left(system: System) -> None:
    system.nothing_is_left()
    system.still_runs()
    replays_alike(system)
