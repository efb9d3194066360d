"""A call with an agent of ours in which both speak and each must hear the other."""

from __future__ import annotations

import asyncio

from main.demo.softphone import Softphone
from tests.wire.phones import sound
from tests.wire.talks import AGENT_HZ, CALLER_HZ, Room


class Talk:
    """A call with an agent of ours, both speaking."""

    def __init__(self, caller: Softphone, agent: Softphone) -> None:
        self.caller = caller
        self.agent = agent

    @classmethod
    async def begin(cls, room: Room, agent: Softphone, number: str) -> Talk:
        agent.up.clear()
        caller = await room.caller(number)
        await asyncio.wait_for(agent.up.wait(), 5)
        return cls(caller, agent)

    async def flows(self, seconds: float = 1.2) -> None:
        """Both hear each other, without a gap, from now on for so long."""
        await asyncio.sleep(0.2)
        before = len(self.caller.line.heard), len(self.agent.line.heard)
        await asyncio.sleep(seconds)
        for phone, start, hz in zip(
            (self.caller, self.agent), before, (AGENT_HZ, CALLER_HZ), strict=True
        ):
            await sound.hold_tone(phone.line.samples()[start:], hz, where=phone.user)

    async def end(self) -> None:
        self.caller.hang_up()
        await asyncio.wait_for(self.agent.over.wait(), 3)
