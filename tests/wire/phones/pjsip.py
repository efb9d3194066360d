"""PJSIP (pjsua2) as a phone; its process is ``pjsip_process``."""

from __future__ import annotations

from tests.wire.phones.spoken import SpokenPhone


class Pjsip(SpokenPhone):
    """Registers where it has a password; without one it is a caller of a trunk's address."""

    module = "tests.wire.phones.pjsip_process"

    async def early(self) -> None:
        """183 with a session description: early media."""
        await self.command("early")

    async def hold(self) -> None:
        await self.command("hold")

    async def resume(self) -> None:
        await self.command("resume")

    async def refer(self, uri: str) -> None:
        await self.command("refer", uri)

    async def press(self, keys: str) -> None:
        """RFC 4733 digits."""
        await self.command("press", keys)
