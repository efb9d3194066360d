"""An agent and the table of presence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from queues.events import Presence


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent as the API shows it; times are unix seconds, 0.0 where they do not apply."""

    agent: str
    presence: Presence
    reason: str
    since: float
    reachable: bool
    call: str
    queue: str
    fence: int
    until: float
    after: Presence | Literal[""]
    after_reason: str
