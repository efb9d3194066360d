"""What the floor obeys: frozen values taken from the configuration.

The order in which queues and agents were configured is lost on purpose: no decision may
depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from config.hours import Schedule

if TYPE_CHECKING:  # the core itself needs no pydantic
    from config.queueing import PersonalQueue, QueueSettings
    from config.settings import Settings

EMERGENCY_RANK = 0
PERSONAL = "@"  # begins the name of an agent's personal queue

Strategy = Literal[
    "longest-idle",
    "least-occupied",
    "fewest-calls",
    "round-robin",
    "linear",
    "best-skill",
    "weighted-random",
    "ring-all",
]
Staffed = Literal["always", "signed-in", "working"]


@dataclass(frozen=True, slots=True)
class Widening:
    """After ``after_s`` of waiting: agents up to ``level`` (0: no change), without ``drop``."""

    after_s: float
    level: int = 0
    drop: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """Callbacks of one queue. Times in seconds."""

    attempts: int = 3
    retry_s: float = 300.0
    ring_s: float = 30.0
    expires_s: float = 14_400.0


@dataclass(frozen=True, slots=True)
class QueueRules:
    """One queue. Times in seconds; ``skills`` maps a skill to the weakest level allowed.

    ``overflow`` is where calls go that must leave, ``overflow_on`` by cause (waited, expected,
    full, closed, unstaffed). ``schedule`` None is always open. ``waiting_max`` and
    ``expected_max_s`` None are no limit.
    """

    target_s: float = 20.0
    target_share: float = 0.8
    rank: int = 5
    credit_s: float = 5.0
    short_abandon_s: float = 5.0
    strategy: Strategy = "longest-idle"
    ring_all_max: int = 5
    ring_timeout_s: float = 15.0
    wrap_up_s: float = 10.0
    wrap_up_max_s: float = 300.0
    wait_max_s: float = 1800.0
    waiting_max: int | None = None
    expected_max_s: float | None = None
    overflow: str = "callback"
    overflow_on: Mapping[str, str] = field(default_factory=dict)
    skills: Mapping[str, int] = field(default_factory=dict)
    widening: tuple[Widening, ...] = ()
    sticky_s: float = 0.0
    resume_s: float = 120.0
    schedule: Schedule | None = None
    join_when: Staffed = "always"
    stay_while: Staffed = "always"
    callback: CallbackRules = CallbackRules()

    def way_out(self, cause: str) -> str:
        """Where a call goes that leaves the queue for this cause."""
        return self.overflow_on.get(cause, self.overflow)


@dataclass(frozen=True, slots=True)
class AgentRules:
    """One agent: the level (1 best) in each queue served and in each skill."""

    queues: Mapping[str, int] = field(default_factory=dict)
    skills: Mapping[str, int] = field(default_factory=dict)
    position: int = 0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class BreakRules:
    """A named break; None is no limit."""

    limit_s: float | None = None
    agents_max: int | None = None


@dataclass(frozen=True, slots=True)
class FloorRules:
    """All queues by name, all agents by id, and the rules across them.

    ``personal`` are the rules of every agent's personal queue (see ``queue``), which need not
    stand in ``queues``. Without ``breaks`` any word is the reason of a break.
    """

    queues: Mapping[str, QueueRules]
    agents: Mapping[str, AgentRules]
    starvation_s: float = 300.0
    idle_step_s: float = 10.0
    lease_s: float = 60.0
    waiting_max: int = 10_000
    personal: QueueRules = QueueRules(overflow="voicemail", wait_max_s=120.0, ring_timeout_s=20.0)
    breaks: Mapping[str, BreakRules] = field(default_factory=dict)
    random_seed: int = 0

    def queue(self, name: str) -> QueueRules | None:
        """The rules of a queue, an agent's personal one included; None where there is none."""
        found = self.queues.get(name)
        if found is None and name.startswith(PERSONAL) and name[1:] in self.agents:
            return self.personal
        return found


def personal_queue(agent: str) -> str:
    """The name of an agent's personal queue."""
    return PERSONAL + agent


def from_settings(settings: Settings) -> FloorRules:
    """The floor's share of the configuration."""
    schedules = settings.schedules()
    return FloorRules(
        queues={queue.name: _queue(queue, schedules) for queue in settings.queues},
        agents={
            agent.id: AgentRules(
                dict(agent.queues), dict(agent.skills), agent.position, agent.weight
            )
            for agent in settings.agents
        },
        starvation_s=settings.floor.starvation_s,
        idle_step_s=settings.floor.idle_step_s,
        lease_s=settings.floor.lease_s,
        waiting_max=settings.floor.waiting_max,
        personal=_personal(settings.floor.personal),
        breaks={
            reason.name: BreakRules(reason.limit_s, reason.agents_max)
            for reason in settings.floor.breaks
        },
        random_seed=settings.floor.random_seed,
    )


def _queue(queue: QueueSettings, schedules: Mapping[str, Schedule]) -> QueueRules:
    return QueueRules(
        target_s=queue.target_s,
        target_share=queue.target_share,
        rank=queue.rank,
        credit_s=queue.credit_s,
        short_abandon_s=queue.short_abandon_s,
        strategy=queue.strategy,
        ring_all_max=queue.ring_all_max,
        ring_timeout_s=queue.ring_timeout_s,
        wrap_up_s=queue.wrap_up_s,
        wrap_up_max_s=queue.wrap_up_max_s,
        wait_max_s=queue.wait_max_s,
        waiting_max=queue.waiting_max,
        expected_max_s=queue.expected_max_s,
        overflow=queue.overflow,
        overflow_on={str(cause): way for cause, way in queue.overflow_on.items()},
        skills=dict(queue.skills),
        widening=tuple(
            Widening(step.after_s, step.level or 0, frozenset(step.drop)) for step in queue.widening
        ),
        sticky_s=queue.sticky_s,
        resume_s=queue.resume_s,
        schedule=schedules[queue.hours] if queue.hours is not None else None,
        join_when=queue.join_when,
        stay_while=queue.stay_while,
        callback=CallbackRules(
            queue.callback.attempts,
            queue.callback.retry_s,
            queue.callback.ring_s,
            queue.callback.expires_s,
        ),
    )


def _personal(personal: PersonalQueue) -> QueueRules:
    return QueueRules(
        ring_timeout_s=personal.ring_timeout_s,
        wait_max_s=personal.wait_max_s,
        overflow=personal.overflow,
    )
