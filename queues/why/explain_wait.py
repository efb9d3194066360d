"""Why a call waits at this moment, and what waiting will change, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from queues.rules import QueueRules
from queues.state import FloorState
from queues.waiting import PROMOTED, WaitingCall
from queues.why.explain import Candidate, candidates, text_of
from queues.why.wording import Names, left_out, listed, plural, queue_name, seconds
from queues.widening import is_personal, next_widening


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a call waits at this moment. ``ahead`` counts the calls before it in its queue."""

    queue: str
    ahead: int
    agents: tuple[Candidate, ...]
    text: str


def wait(state: FloorState, call: str, now: float, names: Names) -> Wait | None:
    """Why the call waits now; None where it does not."""
    waiting = state.calls.get(call)
    if waiting is None:
        return None
    rules = state.rules_of(waiting)
    agents = candidates(state, waiting, now, rules.strategy, names)
    ahead = state.lines[waiting.queue].index(waiting.key())
    words = [_why_not_yet(state, waiting, agents, now, names)]
    queue, waits = queue_name(waiting.queue, names), f"waits for {seconds(now - waiting.origin)}"
    goes = "goes" if ahead == 1 else "go"
    words.append(
        f"{plural(ahead, 'call')} of {queue} {goes} before it; it {waits}"
        if ahead
        else f"It is the first in {queue} and {waits}"
    )
    words.append(_to_come(state, waiting, rules, now))
    return Wait(waiting.queue, ahead, agents, text_of(words))


def _why_not_yet(
    state: FloorState,
    call: WaitingCall,
    agents: tuple[Candidate, ...],
    now: float,
    names: Names,
) -> str:
    if call.rung:
        told = listed([names.get(agent, agent) for agent in call.rung])
        return (
            f"It rings at {told}" if call.on_line else f"{told} is held while the caller is dialled"
        )
    entry = call.callback
    if entry is not None and entry.stage == "resting":
        return f"The callback rests for another {seconds(entry.next_at - now)}"
    queue = queue_name(call.queue, names)
    if not agents:
        return f"Nobody serves {queue}"
    asked = next((one for one in agents if one.agent == call.wants.only), None)
    if call.wants.only:
        name = names.get(call.wants.only, call.wants.only)
        how = asked.words if asked is not None else "who does not serve the queue"
        who = f"{name} ({how})"
        if is_personal(call.queue):
            return f"It is for {who} alone"
        ends = call.since + state.rules_of(call).sticky_s
        return f"It is held for {who} for another {seconds(ends - now)}"
    counts: dict[str, int] = {}
    for one in agents:
        if one.reason:
            counts[one.reason] = counts.get(one.reason, 0) + 1
    if set(counts) <= {"signed-out", "on-break"} and sum(counts.values()) == len(agents):
        return f"Nobody works in {queue}: {left_out(counts, call.wants, names)}"
    return f"Nobody in {queue} can take it now: {left_out(counts, call.wants, names)}"


def _to_come(state: FloorState, call: WaitingCall, rules: QueueRules, now: float) -> str:
    """What waiting will change next."""
    told = []
    widens = next_widening(call, rules)
    if widens is not None and widens > now:
        told.append(f"more agents may take it in {seconds(widens - now)}")
    if call.key().tier > PROMOTED:
        lifted = call.origin + state.rules.starvation_s
        told.append(f"it goes before the classes in {seconds(lifted - now)}")
    if call.on_line and not call.rung:
        told.append(f"it leaves the queue in {seconds(call.since + rules.wait_max_s - now)}")
    return f"If it goes on waiting, {listed(told)}" if told else ""
