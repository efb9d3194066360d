"""The registrar (RFC 3261 10.3): which phones an agent's SIP user is at."""

from __future__ import annotations

from dataclasses import dataclass

from router.sip.effects import Flow
from router.sip.target import Target


@dataclass(frozen=True, slots=True)
class Contact:
    """One binding, as plain data. ``uri`` is what the phone wrote; ``flow`` is the path its
    REGISTER came by (NAT), which requests to it take. ``expires_at`` is on the clock of ``now``.
    """

    user: str
    uri: str
    flow: Flow
    expires_at: float
    q: float
    call_id: str
    cseq: int
    agent: str = ""  # User-Agent, for the supervisor's eyes

    @property
    def target(self) -> Target:
        return Target(self.uri, self.flow)
