"""A picture of the floor: all that its next decisions depend on, apart from the rules.

Pictures beside the log let a replay or an explanation begin in the middle of it, and the end of
one stretch be held against the beginning of the next. Two floors with equal pictures and equal
rules decide alike. Places kept for who redials are left out: what becomes of them stands in the
facts of those calls.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING

from queues.agents import Agent
from queues.rules import AgentRules, FloorRules
from queues.state import FloorState
from queues.waiting import WaitingCall

if TYPE_CHECKING:
    from queues.floor import Floor

_BARE = AgentRules()

# Copies by reading all fields at once: a picture is taken while calls wait for the loop.
_of_call = attrgetter(*(field.name for field in fields(WaitingCall)))
_of_agent = attrgetter(*(field.name for field in fields(Agent)))
_RULES = [field.name for field in fields(Agent)].index("rules")


@dataclass(frozen=True, slots=True)
class Picture:
    """Copies that stay as they are; calls and agents by id, the agents without their rules."""

    version: int
    now: float
    fence: int
    place: int
    calls: tuple[WaitingCall, ...]
    agents: tuple[Agent, ...]
    talks: dict[str, str]
    strays: dict[str, str]


def state_of(floor: Floor) -> FloorState:
    """The state behind a floor, to look at: nothing but facts changes it."""
    return floor._desk.state


def take(state: FloorState) -> Picture:
    """The floor as it is between two commands."""
    return Picture(
        version=state.version,
        now=state.now,
        fence=state.fence,
        place=state.place,
        calls=tuple(_copy(call) for _, call in sorted(state.calls.items())),
        agents=tuple(_agent(agent, _BARE) for _, agent in sorted(state.agents.items())),
        talks=dict(sorted(state.talks.items())),
        strays=dict(sorted(state.strays.items())),
    )


def restore(picture: Picture, rules: FloorRules) -> FloorState:
    """A floor that goes on from there. Which calls and agents may have a match is not in the
    picture: all are looked at again, which finds none where none was left."""
    state = FloorState(rules)
    state.version = picture.version
    state.now = picture.now
    state.fence = picture.fence
    state.place = picture.place
    state.calls.update((call.call, _copy(call)) for call in picture.calls)
    state.agents.clear()
    for agent in picture.agents:
        state.agents[agent.id] = _agent(agent, rules.agents.get(agent.id, _BARE))
    state.talks.update(picture.talks)
    state.strays.update(picture.strays)
    state.adopt(rules)
    return state


def _copy(call: WaitingCall) -> WaitingCall:
    return WaitingCall(*_of_call(call))


def _agent(agent: Agent, rules: AgentRules) -> Agent:
    values = list(_of_agent(agent))
    values[_RULES] = rules
    return Agent(*values)
