"""Who may answer a call that has waited so long. Waiting only ever widens: nobody who waits
loses agents by a step, nor by a reload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from queues.rules import PERSONAL, QueueRules
from queues.waiting import WaitingCall
from queues.wants import Needs, Wants


def merged(required: Mapping[str, int], further: Mapping[str, int] | None) -> dict[str, int]:
    """Both requirements; the stricter level counts."""
    needs = dict(required)
    for skill, weakest in (further or {}).items():
        needs[skill] = min(weakest, needs.get(skill, weakest))
    return needs


def wants_at(rules: QueueRules, needs: Mapping[str, int], only: str, waited_s: float) -> Wants:
    """What a call wants that joins the queue after ``waited_s`` of waiting elsewhere.

    Without a step at 0 that names a level every level may answer from the start, and later
    steps have nothing to widen.
    """
    level = 0
    kept = dict(needs)
    for step in rules.widening:
        if step.after_s > waited_s:
            break
        if step.level and (level or step.after_s == 0):
            level = max(level, step.level)
        kept = {skill: weakest for skill, weakest in kept.items() if skill not in step.drop}
    return Wants(tuple(sorted(kept.items())), level, only)


def widened(call: WaitingCall, rules: QueueRules, now: float) -> Wants:
    """What the call wants by now."""
    needs, level, only = call.wants
    for step in rules.widening:
        if call.origin + step.after_s > now:
            break
        needs = _without(needs, step.drop)
        if level and step.level > level:
            level = step.level
    if only and not is_personal(call.queue) and call.since + rules.sticky_s <= now:
        only = ""
    return Wants(needs, level, only)


def steps_of(rules: QueueRules, needs: Needs, level: int) -> Iterator[tuple[float, Wants]]:
    """(seconds of waiting, wants from there on) of each step that changes something, for a call
    that wants this and nobody in person."""
    for step in rules.widening:
        wider = max(level, step.level) if level else 0
        fewer = _without(needs, step.drop)
        if (wider, fewer) != (level, needs):
            needs, level = fewer, wider
            yield step.after_s, Wants(needs, level, "")


def next_widening(call: WaitingCall, rules: QueueRules) -> float | None:
    """When ``widened`` will first differ from what the call wants; it may have passed."""
    needs, level, only = call.wants
    at = None
    for step in rules.widening:
        if (level and step.level > level) or _without(needs, step.drop) != needs:
            at = call.origin + step.after_s
            break
    if only and not is_personal(call.queue):
        ends = call.since + rules.sticky_s
        at = ends if at is None else min(at, ends)
    return at


def is_personal(queue: str) -> bool:
    """Whether this is an agent's personal queue."""
    return queue.startswith(PERSONAL)


def _without(needs: Needs, drop: frozenset[str]) -> Needs:
    if not drop:
        return needs
    return tuple(need for need in needs if need[0] not in drop)
