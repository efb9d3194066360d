"""An agent and the order of agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from config.values import value
from queues.events import Presence
from queues.rules import AgentRules

READY = "ready"
NO_PHONE = "no phone"


@dataclass(slots=True)
class Agent:
    """One agent's state. ``fence`` is that of the pending offer, 0 where none is.

    ``call`` and ``queue`` are those of the offer, the talk or the wrap-up. ``standing`` is
    READY, or why this agent is not offered calls; the floor's indexes count by it.
    """

    id: str
    rules: AgentRules
    presence: Presence = "signed-out"
    reason: str = ""
    since: float = 0.0
    idle_since: float = 0.0
    reachable: bool = False
    call: str = ""
    queue: str = ""
    fence: int = 0
    until: float = 0.0
    after: Presence | Literal[""] = ""
    after_reason: str = ""
    standing: str = "signed-out"

    def judge(self) -> str:
        """The standing that presence and phone amount to."""
        if self.presence != "available":
            return self.presence
        return READY if self.reachable else NO_PHONE

    def key(self, queue: str, idle_step_s: float) -> AgentKey:
        """The sort key in a queue that the agent serves."""
        queues = self.rules.queues
        idle = int(self.idle_since // idle_step_s)
        return AgentKey(queues[queue], idle, len(queues) - 1, self.id)

    def can(self, needs: tuple[tuple[str, int], ...]) -> bool:
        """Whether every required skill is there at the weakest level allowed or better."""
        skills = self.rules.skills
        return all(skill in skills and skills[skill] <= weakest for skill, weakest in needs)

    def view(self) -> AgentView:
        """A copy that stays as it is."""
        return AgentView(
            agent=self.id,
            presence=self.presence,
            reason=self.reason,
            since=self.since,
            reachable=self.reachable,
            call=self.call,
            queue=self.queue,
            fence=self.fence,
            until=self.until,
            after=self.after,
            after_reason=self.after_reason,
        )


class AgentKey(NamedTuple):
    """The order of agents for a call of one queue: the smallest is rung.

    ``level`` is the agent's in the queue; ``idle_step`` numbers the step of the clock in
    which the agent became idle, so that agents idle for about as long tie; ``needed`` counts
    the agent's other queues; the id breaks ties.
    """

    level: int
    idle_step: int
    needed: int
    agent: str


@value(frozen=True, slots=True)
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
