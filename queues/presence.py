"""The table of presence, and the fact that a command makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from queues.agents import Agent
from queues.events import AgentPresence, Presence
from queues.rules import BreakRules

Command = Literal[
    "sign-in",
    "sign-out",
    "ready",
    "break",
    "offer",
    "reserve",
    "reach",
    "accept",
    "refuse",
    "withdraw",
    "finish",
    "lost",
    "end-wrap-up",
    "busy",
    "free",
]

NEXT: Mapping[tuple[Presence, Command], Presence] = {
    ("signed-out", "sign-in"): "available",
    ("available", "sign-out"): "signed-out",
    ("available", "break"): "on-break",
    ("available", "offer"): "offered",
    ("available", "busy"): "talking",
    # Whatever the agent does instead of answering withdraws the offer first.
    ("offered", "sign-out"): "signed-out",
    ("offered", "break"): "on-break",
    ("offered", "busy"): "talking",
    ("offered", "accept"): "talking",
    ("offered", "refuse"): "on-break",
    ("offered", "withdraw"): "available",
    # Held for a callback while the caller is dialled, then the phone rings.
    ("available", "reserve"): "reserved",
    ("reserved", "reach"): "offered",
    ("reserved", "withdraw"): "available",
    ("reserved", "sign-out"): "signed-out",
    ("reserved", "break"): "on-break",
    ("reserved", "busy"): "talking",
    # Asked for while talking, a break or sign-out follows the wrap-up; ready cancels it.
    ("talking", "sign-out"): "talking",
    ("talking", "break"): "talking",
    ("talking", "ready"): "talking",
    ("talking", "finish"): "wrap-up",
    ("talking", "free"): "available",
    ("talking", "lost"): "on-break",
    ("wrap-up", "end-wrap-up"): "available",
    ("wrap-up", "ready"): "available",
    ("wrap-up", "sign-out"): "signed-out",
    ("wrap-up", "break"): "on-break",
    ("wrap-up", "busy"): "talking",
    ("on-break", "ready"): "available",
    ("on-break", "sign-out"): "signed-out",
    ("on-break", "break"): "on-break",
    ("on-break", "busy"): "talking",
}
"""(presence, command) -> presence; a pair that is missing is ignored."""


BREAK_PHONE = "phone unreachable"
NO_BREAKS: Mapping[str, BreakRules] = {}

_AFTER: Mapping[Command, Presence | Literal[""]] = {
    "sign-out": "signed-out",
    "break": "on-break",
    "ready": "",
}


def step(
    agent: Agent,
    command: Command,
    now: float,
    wrap_up_s: float,
    reason: str = "",
    breaks: Mapping[str, BreakRules] = NO_BREAKS,
) -> AgentPresence | None:
    """The fact that a command makes for an agent without a pending offer, None for no change.

    ``wrap_up_s`` is what follows a talk of the agent's queue; ``breaks`` limit the breaks.
    """
    target = NEXT.get((agent.presence, command))
    if target is None:
        return None
    if agent.presence == "talking":
        return _from_talk(agent, command, now, wrap_up_s, reason, breaks)
    if command == "busy":
        return _put_aside(agent, AgentPresence(agent.id, target, reason))
    if command == "end-wrap-up":
        return _follow(agent, now, breaks)
    if target == agent.presence and reason == agent.reason:
        return None
    if target == "on-break":
        return _break(agent, reason, now, breaks)
    return AgentPresence(agent.id, target, reason)


def extended(agent: Agent, seconds: float, wrap_up_max_s: float) -> AgentPresence | None:
    """So many seconds more of wrap-up, up to ``wrap_up_max_s`` in total; None for no change."""
    until = min(agent.until + seconds, agent.since + wrap_up_max_s)
    if agent.presence != "wrap-up" or until <= agent.until:
        return None
    return replace(as_it_is(agent), until=until)


def as_it_is(agent: Agent) -> AgentPresence:
    """The agent's presence as a fact."""
    return AgentPresence(
        agent.id,
        agent.presence,
        agent.reason,
        agent.queue,
        agent.until,
        agent.after,
        agent.after_reason,
    )


def _from_talk(
    agent: Agent,
    command: Command,
    now: float,
    wrap_up_s: float,
    reason: str,
    breaks: Mapping[str, BreakRules],
) -> AgentPresence | None:
    in_person = not agent.queue
    if command == "lost":
        if agent.after == "signed-out":
            return AgentPresence(agent.id, "signed-out")
        return AgentPresence(agent.id, "on-break", f"{BREAK_PHONE}: {reason}".removesuffix(": "))
    if command == "free" and not in_person:
        return None  # a consultation beside the caller's talk ended
    if command in ("finish", "free"):
        return _end_talk(agent, now, 0.0 if in_person else wrap_up_s, breaks)
    if (agent.after, agent.after_reason) == (_AFTER[command], reason):
        return None
    return replace(as_it_is(agent), until=0.0, after=_AFTER[command], after_reason=reason)


def _put_aside(agent: Agent, talk: AgentPresence) -> AgentPresence:
    """Talking in person, and what goes on afterwards; the rest of it where it has a limit."""
    if agent.presence == "on-break":
        return replace(talk, until=agent.until, after="on-break", after_reason=agent.reason)
    if agent.presence != "wrap-up":
        return talk
    if agent.after:
        return replace(talk, after=agent.after, after_reason=agent.after_reason)
    return replace(talk, until=agent.until, after="wrap-up")


def _end_talk(
    agent: Agent, now: float, wrap_up_s: float, breaks: Mapping[str, BreakRules]
) -> AgentPresence:
    if agent.after == "wrap-up":  # put aside for a call in person: the rest of it goes on
        return AgentPresence(agent.id, "wrap-up", until=now + agent.until - agent.since)
    if agent.after == "on-break" and agent.until:
        rest_s = agent.until - agent.since
        return AgentPresence(agent.id, "on-break", agent.after_reason, until=now + rest_s)
    if wrap_up_s == 0:
        return _follow(agent, now, breaks)
    return replace(as_it_is(agent), presence="wrap-up", until=now + wrap_up_s)


def _follow(agent: Agent, now: float, breaks: Mapping[str, BreakRules]) -> AgentPresence:
    """After the talk or the wrap-up: what was asked for meanwhile, or available."""
    if agent.after == "on-break":
        return _break(agent, agent.after_reason, now, breaks)
    return AgentPresence(agent.id, agent.after or "available", agent.after_reason)


def _break(
    agent: Agent, reason: str, now: float, breaks: Mapping[str, BreakRules]
) -> AgentPresence:
    rules = breaks.get(reason)
    limit_s = rules.limit_s if rules is not None else None
    return AgentPresence(
        agent.id, "on-break", reason, until=0.0 if limit_s is None else now + limit_s
    )
