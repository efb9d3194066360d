"""What the floor obeys: frozen values taken from the configuration.

The order in which queues and agents were configured is lost on purpose: no decision may
depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the core itself needs no pydantic
    from config.settings import Settings

EMERGENCY_RANK = 0


@dataclass(frozen=True, slots=True)
class QueueRules:
    """One queue. Times in seconds; ``skills`` maps a skill to the weakest level allowed."""

    target_s: float = 20.0
    rank: int = 5
    credit_s: float = 5.0
    short_abandon_s: float = 5.0
    ring_timeout_s: float = 15.0
    wrap_up_s: float = 10.0
    wait_max_s: float = 1800.0
    overflow: str = "callback"
    skills: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentRules:
    """One agent: the level (1 best) in each queue served and in each skill."""

    queues: Mapping[str, int] = field(default_factory=dict)
    skills: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FloorRules:
    """All queues by name, all agents by id, and the rules across them."""

    queues: Mapping[str, QueueRules]
    agents: Mapping[str, AgentRules]
    starvation_s: float = 300.0
    idle_step_s: float = 10.0
    lease_s: float = 60.0
    waiting_max: int = 10_000


def from_settings(settings: Settings) -> FloorRules:
    """The floor's share of the configuration."""
    return FloorRules(
        queues={
            queue.name: QueueRules(
                target_s=queue.target_s,
                rank=queue.rank,
                credit_s=queue.credit_s,
                short_abandon_s=queue.short_abandon_s,
                ring_timeout_s=queue.ring_timeout_s,
                wrap_up_s=queue.wrap_up_s,
                wait_max_s=queue.wait_max_s,
                overflow=queue.overflow,
                skills=dict(queue.skills),
            )
            for queue in settings.queues
        },
        agents={
            agent.id: AgentRules(queues=dict(agent.queues), skills=dict(agent.skills))
            for agent in settings.agents
        },
        starvation_s=settings.floor.starvation_s,
        idle_step_s=settings.floor.idle_step_s,
        lease_s=settings.floor.lease_s,
        waiting_max=settings.floor.waiting_max,
    )
