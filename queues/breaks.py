"""Which breaks an agent may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from queues.agents import Agent
from queues.rules import BreakRules


def refusal(
    agent: Agent, reason: str, breaks: Mapping[str, BreakRules], agents: Iterable[Agent]
) -> str | None:
    """Why not, in plain words; None where the agent may. Those who asked for the same break
    while they talk count as well: theirs follows."""
    if not breaks:
        return None
    rules = breaks.get(reason)
    if rules is None:
        return f"there is no break {reason!r}; there is {', '.join(sorted(breaks))}"
    if rules.agents_max is None:
        return None
    others = sum(1 for other in agents if other.id != agent.id and _takes(other, reason))
    if others < rules.agents_max:
        return None
    return f"{others} of at most {rules.agents_max} are on the break {reason!r} already"


def _takes(agent: Agent, reason: str) -> bool:
    if agent.presence == "on-break":
        return agent.reason == reason
    return agent.after == "on-break" and agent.after_reason == reason
