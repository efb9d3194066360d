"""Why: a decision told in plain words.

From the floor as it was before a decision everything is recomputed: all agents of the queue with
their keys and reasons, and the calls that the agent could have got instead. From the recorded
fact alone winner, runners-up and counts are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import merge

from queues.agents import Agent
from queues.events import (
    CallbackPlaced,
    CallChanged,
    CallPromoted,
    CallQueued,
    CallWidened,
    OfferMade,
    SortKey,
)
from queues.rules import PERSONAL, FloorRules
from queues.state import FloorState
from queues.waiting import EMERGENCY, CallKey, WaitingCall
from queues.wants import Wants
from queues.why.wording import (
    Names,
    advantage,
    key_words,
    left_out,
    plural,
    queue_name,
    seconds,
    standing,
)
from queues.widening import is_personal

NEXT_CALLS_MAX = 5
ANYBODY = Wants()


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent of the queue. ``reason`` is "" for who could take the call; ``words`` tell the
    key of such an agent, and why not of the others."""

    agent: str
    key: SortKey
    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class NextCall:
    """A call that the same agent could have taken; ``words`` tell why it came later."""

    call: str
    queue: str
    words: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One offer explained. ``complete``: ``agents`` has everybody of the queue, winner first,
    and ``next_calls`` the first of the ``calls_behind`` it; else winner and runners-up only."""

    seq: int
    at: float
    event: OfferMade
    complete: bool
    agents: tuple[Candidate, ...]
    next_calls: tuple[NextCall, ...]
    calls_behind: int
    text: str


@dataclass(slots=True)
class Known:
    """What recorded facts tell of a call that waits."""

    wants: Wants = ANYBODY
    rank: int = 5
    promoted: bool = False
    returned: bool = False
    since: float = 0.0

    def note(self, event: object, at: float) -> None:
        """Take the call's next fact."""
        match event:
            case CallQueued():
                self.wants = _wants(event.skills, event.level_max, event.only)
                self.rank, self.promoted = event.rank, event.promoted
                self.returned, self.since = event.returned, event.origin or at
            case CallWidened():
                self.wants = _wants(event.skills, event.level_max, event.only)
            case CallChanged():
                self.wants = _wants(event.skills, self.wants.level_max, self.wants.only)
                self.rank = event.rank
            case CallPromoted():
                self.promoted = True
            case CallbackPlaced():
                only = event.queue[len(PERSONAL) :] if is_personal(event.queue) else ""
                self.wants = _wants(event.skills, event.level_max, only)
                self.rank, self.promoted = event.rank, event.promoted


def explain(
    state: FloorState, seq: int, at: float, call: str, event: OfferMade, names: Names
) -> Decision:
    """A decision with everything there was to choose from; ``state`` is that before it, and the
    call waits in it."""
    waiting = state.calls[call]
    agents = candidates(state, waiting, at, event.strategy, names)
    agents = tuple(sorted(agents, key=lambda one: one.agent != event.agent))  # stable
    later = list(_later(state, waiting, event.agent))
    steps = state.rules.idle_step_s
    words = [
        _who(event, at, steps, names, state.agents),
        _excluded(event, waiting.wants, names),
        _first(waiting, later, event.agent, at, state.rules, names),
    ]
    told = tuple(
        NextCall(other.call, other.queue, _behind(waiting.key(), other.key(), at, state.rules))
        for other in later[:NEXT_CALLS_MAX]
    )
    return Decision(seq, at, event, True, agents, told, len(later), text_of(words))


def recorded(
    known: Known, seq: int, at: float, event: OfferMade, idle_step_s: float, names: Names
) -> Decision:
    """A decision as far as its fact tells."""
    rows = [(event.agent, event.key), *event.runners_up]
    agents = tuple(
        Candidate(agent, key, "", key_words(key, event.strategy, idle_step_s, at))
        for agent, key in rows
    )
    words = [
        _who(event, at, idle_step_s, names),
        _excluded(event, known.wants, names),
        _standing_of(known, at),
    ]
    return Decision(seq, at, event, False, agents, (), 0, text_of(words))


# Agents.


def candidates(
    state: FloorState, call: WaitingCall, at: float, strategy: str, names: Names
) -> tuple[Candidate, ...]:
    """Everybody of the call's queue: who may take it in their order, then the others."""
    step = state.rules.idle_step_s
    return tuple(
        Candidate(
            agent,
            key,
            reason,
            _why_not(state.agents[agent], reason, call.wants, at, names)
            if reason
            else key_words(key, strategy, step, at),
        )
        for agent, reason, key in state.eligibility.everyone(call)
    )


def _why_not(agent: Agent, reason: str, wants: Wants, at: float, names: Names) -> str:
    """``on a break (lunch) for 3 min``."""
    words = standing(reason, wants, names)
    if reason != agent.presence:
        return words
    if agent.reason:
        words += f" ({agent.reason})"
    return f"{words} for {seconds(at - agent.since)}" if agent.since else words


def _who(
    event: OfferMade,
    at: float,
    idle_step_s: float,
    names: Names,
    agents: Mapping[str, Agent] | None = None,
) -> str:
    """``Anna was rung because: level 1 in support (Boris: 2)``."""
    winner = names.get(event.agent, event.agent)
    queue = queue_name(event.queue, names)
    how = "was held for the callback" if event.kind == "callback" else "was rung"
    if event.queue == PERSONAL + event.agent:
        return f"{winner} {how}: the call is for {winner} alone"
    if not event.runners_up:
        return f"{winner} {how}: nobody else in {queue} could take the call"
    reasons = []
    for agent, key in event.runners_up:
        other = names.get(agent, agent)
        longer = f"about {seconds((key[1] - event.key[1]) * idle_step_s)}"
        if agents is not None:
            longer = seconds(agents[agent].idle_since - agents[event.agent].idle_since)
        reason = advantage(event.key, key, other, event.strategy, longer, queue, at)
        reasons.append((_part(event.key, key), reason))
    told = [reasons[0][1]]
    told += [reason for part, reason in reasons[1:] if part != reasons[0][0]][:1]
    return f"{winner} {how} because: {', '.join(told)}"


def _part(mine: SortKey, theirs: SortKey) -> int:
    """Which part of the key decides; 3 for none."""
    return next((at for at in range(3) if mine[at] != theirs[at]), 3)


def _excluded(event: OfferMade, wants: Wants, names: Names) -> str:
    told = left_out(event.excluded, wants, names)
    return f"Left out: {told}" if told else ""


# Calls.


def _later(state: FloorState, call: WaitingCall, agent: str) -> list[WaitingCall]:
    """The other calls that this agent could take as things stand, in their order."""
    found = state.agents.get(agent)
    if found is None:
        return []
    lines = [line for queue, line in state.lines.items() if found.serves(queue)]
    return [
        other
        for other in (state.calls[key.call] for key in merge(*lines))
        if other.call != call.call and _is_open(other) and not found.lacks(other.queue, other.wants)
    ]


def _is_open(call: WaitingCall) -> bool:
    resting = call.callback is not None and call.callback.stage == "resting"
    return not call.rung and not resting


def _first(
    call: WaitingCall,
    later: list[WaitingCall],
    agent: str,
    at: float,
    rules: FloorRules,
    names: Names,
) -> str:
    name = names.get(agent, agent)
    waited = f"It had waited for {seconds(at - call.origin)}"
    if not later:
        return f"{waited}; no other call waited that {name} could take"
    why = _ahead(call.key(), later[0].key(), at, rules)
    behind = plural(len(later), "other call")
    return f"{waited} and came before {behind} that {name} could take: {why}"


def _ahead(mine: CallKey, theirs: CallKey, at: float, rules: FloorRules) -> str:
    """Why a call goes before the next one: the first part of the keys that differs."""
    if mine.tier != theirs.tier:
        if mine.tier == EMERGENCY:
            return "an emergency goes before all others"
        if mine.turn == 0:
            return "its agent was lost in mid-call, so it goes to the head"
        return f"it waits longer than {seconds(rules.starvation_s)}, which goes before the classes"
    if mine.rank != theirs.rank:
        return f"class {mine.rank} goes before class {theirs.rank}"
    if mine.turn != theirs.turn:
        return "its agent was lost in mid-call, so it goes to the head"
    if mine.deadline != theirs.deadline:
        apart = theirs.deadline - mine.deadline
        told = seconds(apart) if apart >= 0.5 else "a moment"
        return f"its deadline is {told} earlier than the next one's"
    return "it came first"


def _behind(first: CallKey, key: CallKey, at: float, rules: FloorRules) -> str:
    """The same from the side of the call that comes later."""
    if first.tier != key.tier:
        return (
            "after an emergency" if first.tier == EMERGENCY else "after a call that waits longest"
        )
    if first.rank != key.rank:
        return f"class {key.rank} comes after class {first.rank}"
    if first.turn != key.turn:
        return "after a call whose agent was lost"
    if first.deadline != key.deadline:
        return f"its deadline is {seconds(key.deadline - first.deadline)} later"
    return "it came later"


def _standing_of(known: Known, at: float) -> str:
    """``Class 5, promoted after waiting too long``."""
    told = ["An emergency" if known.rank == 0 else f"Class {known.rank}"]
    if known.returned:
        told.append("at the head after its agent was lost")
    elif known.promoted:
        told.append("lifted over the classes after waiting too long")
    if known.since:
        told.append(f"waited for {seconds(at - known.since)}")
    return ", ".join(told)


def _wants(skills: Mapping[str, int], level_max: int, only: str) -> Wants:
    return Wants(tuple(sorted(skills.items())), level_max, only)


def text_of(words: list[str]) -> str:
    """Sentences of what is told; "" is left out."""
    return ". ".join(one for one in words if one) + "."
