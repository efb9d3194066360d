"""Strategies: which of the agents who may take a call is rung first.

A strategy is one function that gives an agent's figure in a queue; the smallest is rung. The
level in the queue comes before it and ties after it (see ``AgentKey``). The first line of each
function is its definition.

Figures come from facts alone (see ``Agent``), so a floor that is fed its own facts ranks as it
did. They stand still while an agent is ready, so that lines of ready agents stay sorted; only
``queues.ranking.lottery`` draws anew, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, floor, log

from queues.agents import Agent
from queues.rules import Strategy
from queues.wants import Needs

Rank = Callable[[Agent, str, Needs], float]


def longest_idle(agent: Agent, queue: str, needs: Needs) -> float:
    """Rings the agent who has been idle the longest, in steps of idle_step_s."""
    return agent.idle_step


def least_occupied(agent: Agent, queue: str, needs: Needs) -> float:
    """Rings the agent who has spent the smallest share of the time on talks and wrap-up, where
    an hour ago counts a third (1/e) of now."""
    return busyness(agent.occupied, agent.occupied_at)


def fewest_calls(agent: Agent, queue: str, needs: Needs) -> float:
    """Rings the agent who has taken the fewest calls since sign-in."""
    return agent.taken


def round_robin(agent: Agent, queue: str, needs: Needs) -> float:
    """Rings the agent whose last offer in this queue is the longest ago, and first of all whoever
    had none; an offer that was withdrawn does not count."""
    return agent.offered.get(queue, 0)


def linear(agent: Agent, queue: str, needs: Needs) -> float:
    """Rings the agent with the smallest position in the configuration."""
    return agent.rules.position


def best_skill(agent: Agent, queue: str, needs: Needs) -> float:
    """Rings the agent with the smallest sum of levels (1 is best) in the skills that the call
    needs."""
    skills = agent.rules.skills
    return sum(skills.get(skill, 0) for skill, _ in needs)


def weighted_random(agent: Agent, queue: str, needs: Needs) -> float:
    """Rings one of the agents by lot: each with a chance in proportion to the weight."""
    return agent.lots.get(queue, 0.0)


FADE_S = 3600.0  # after which a moment counts 1/e in the share of occupied time
SHARE_MIN = 1e-9  # nobody counts as less occupied: a logarithm needs something


def faded(share: float, seconds: float, *, handling: bool) -> float:
    """The share of occupied time after so many more seconds of handling or of not handling."""
    left = exp(-seconds / FADE_S)
    return share * left + (1.0 - left if handling else 0.0)


def busyness(share: float, now: float) -> int:
    """The figure of a share of occupied time as of ``now``, in steps of a hundredth part of it.

    The shares of all who are idle fade by the same factor. So the logarithm, counted back to
    a fixed time, stands still.
    """
    return floor(100.0 * (log(max(share, SHARE_MIN)) + now / FADE_S))


def share_of(figure: float, now: float) -> float:
    """The share of occupied time as of ``now`` of an idle agent with this ``busyness``."""
    return exp(figure / 100.0 - now / FADE_S)


RANKS: Mapping[Strategy, Rank] = {
    "longest-idle": longest_idle,
    "least-occupied": least_occupied,
    "fewest-calls": fewest_calls,
    "round-robin": round_robin,
    "linear": linear,
    "best-skill": best_skill,
    "weighted-random": weighted_random,
    "ring-all": longest_idle,
}
"""ring-all: Rings several agents at once, at most ring_all_max, those idle the longest first;
the first to answer has the call."""

BY_NEEDS = frozenset({"best-skill"})
"""Strategies whose figure depends on the call's needs, not on agent and queue alone."""
