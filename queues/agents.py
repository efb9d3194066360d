"""An agent and the order of agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from config.values import value
from queues.events import Presence, SortKey
from queues.rules import PERSONAL, AgentRules
from queues.wants import Needs, Wants

READY = "ready"
NO_PHONE = "no phone"
STANDINGS = tuple(
    sorted((READY, NO_PHONE, *(name for name in get_args(Presence) if name != "available")))
)
SKILLS = "skills"
LEVEL = "level"
NOT_ASKED = "not this agent"


@dataclass(slots=True)
class Agent:
    """One agent's state. ``fence`` is that of the pending offer, 0 where none is.

    ``call`` and ``queue`` are those of the offer, the talk or the wrap-up. ``standing`` is
    READY, or why this agent is not offered calls; the floor's indexes count by it.

    What strategies rank by: ``idle_step`` numbers the step of the clock in which the agent got
    idle; ``taken`` counts calls since sign-in; ``occupied`` is the share of time spent on talks
    and wrap-up as of ``occupied_at``, when the last of them ended or began (the past fades, see
    ``ranking.strategies``); ``offered`` has the fence of each queue's last offer that was not
    withdrawn; ``lots`` are drawn in weighted-random queues, ``draws`` counts how often, ``won``
    has those by which the agent was taken last. The mappings are replaced, never changed, so
    that copies of an agent stay.
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
    idle_step: int = 0
    taken: int = 0
    occupied: float = 0.0
    occupied_at: float = 0.0
    offered: dict[str, int] = field(default_factory=dict)
    draws: int = 0
    lots: dict[str, float] = field(default_factory=dict)
    won: dict[str, float] = field(default_factory=dict)

    def judge(self) -> str:
        """The standing that presence and phone amount to."""
        if self.presence != "available":
            return self.presence
        return READY if self.reachable else NO_PHONE

    def level(self, queue: str) -> int:
        """The level in a queue that the agent serves; their personal queue is served best."""
        return self.rules.queues.get(queue, 1)

    def others(self, queue: str) -> int:
        """How many other queues need the agent; personal queues do not count."""
        return len(self.rules.queues) - (queue in self.rules.queues)

    def serves(self, queue: str) -> bool:
        """Whether the agent answers calls of the queue; their own personal queue always."""
        return queue in self.rules.queues or queue == PERSONAL + self.id

    def lacks(self, queue: str, wants: Wants) -> str:
        """Why an agent of the queue may not take a call that wants this, whatever the presence;
        "" where the agent may."""
        if wants.only and wants.only != self.id:
            return NOT_ASKED
        if wants.level_max and self.level(queue) > wants.level_max:
            return LEVEL
        return "" if self.can(wants.needs) else SKILLS

    def can(self, needs: Needs) -> bool:
        """Whether every required skill is there at the weakest level allowed or better."""
        skills = self.rules.skills
        return not needs or all(skills.get(skill, worst + 1) <= worst for skill, worst in needs)

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

    ``level`` is the agent's in the queue; ``figure`` is the strategy's; ``needed`` counts the
    agent's other queues. Agents still equal go by the longer idle (``idle_step``), then by id.
    """

    level: int
    figure: float
    needed: int
    idle_step: int
    agent: str

    def sort_key(self) -> SortKey:
        """The key as facts show it."""
        return self[0], float(self[1]), self[2]


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
