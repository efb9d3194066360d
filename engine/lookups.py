"""The HTTP client of the flows' lookups, loaded only where a flow looks something up.

Loading it with its TLS takes 200 ms and 7 MB, which most nodes never need; in a call it would
hold up all others, so it is done when flows are loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivr.actions import Lookup, LookupDone, LookupFailed
from ivr.flow import LookupNode
from ivr.loader import FlowSet

if TYPE_CHECKING:
    from ivr.lookup import LookupClient


class Lookups:
    """``prepare`` with each load of flows; ``close`` at the end of the program."""

    def __init__(self) -> None:
        self._client: LookupClient | None = None

    def prepare(self, flows: FlowSet) -> None:
        """Load the client if one of these flows has a lookup."""
        if any(
            isinstance(node, LookupNode)
            for flow in flows.flows.values()
            for node in flow.nodes.values()
        ):
            self._loaded()

    def _loaded(self) -> LookupClient:
        if self._client is None:
            from ivr.lookup import LookupClient

            self._client = LookupClient()
        return self._client

    async def look_up(self, lookup: Lookup) -> LookupDone | LookupFailed:
        """As ``LookupClient.look_up``."""
        return await self._loaded().look_up(lookup)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
