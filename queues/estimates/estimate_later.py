"""Who may answer later: a call that waits for one agent alone, and one for which only a later
step of widening brings staff."""

from __future__ import annotations

from collections.abc import Iterator

from queues.estimates.estimate_ahead import Ahead, look
from queues.estimates.estimate_model import RINGING, Outlook
from queues.estimates.estimate_staff import Kind, Place, Pool, Staff
from queues.rules import FloorRules
from queues.widening import is_personal, steps_of

Looked = tuple[Outlook, Ahead]


def look_on(
    staff: Staff,
    pool: Pool,
    place: Place,
    since: float,
    joined: float,
    now: float,
    rules: FloorRules,
) -> Looked | None:
    """For a call of this refreshed pool, whose clock began at ``since`` and whose visit at
    ``joined``; None where nobody is on duty who may take it, now or later."""
    starvation_s = rules.starvation_s
    found = look(pool, place, since, now, starvation_s) if pool.duty else None
    kind = pool.kind
    if kind.only and not is_personal(kind.queue):  # not for ever: then for anybody
        left_s = joined + pool.rules.sticky_s - now
        if found is not None and found[0].mean_s <= left_s:
            return found
        anybody = staff.peek(kind._replace(only=""))
        staff.refresh(anybody)
        if anybody.duty:
            later, ahead = look(anybody, place, since, now, starvation_s)
            return later.not_before(left_s), ahead
    return found or _widened(staff, pool, place, since, now, starvation_s)


def _widened(
    staff: Staff, pool: Pool, place: Place, since: float, now: float, starvation_s: float
) -> Looked | None:
    """By the first step that brings staff: nobody answers before. Those who wait for the same
    step and came earlier go first; who is free now will be until then, or another instead."""
    first = pool.line.below(place)
    ring_s = pool.learned.ring.mean
    for after_s, kind in _kinds(pool):
        wider = staff.trial(kind)
        if not wider.duty:
            continue
        left_s = max(0.0, since + after_s - now)
        if first < sum(group.ready for group in wider.groups):
            return Outlook(ring_s, RINGING).after(left_s, ring_s), Ahead()
        if first:
            wider.rivals.append((pool, wider.duty, 0))
        found, ahead = look(wider, place, since, now, starvation_s)
        return found.after(left_s, ring_s), ahead
    return None


def _kinds(pool: Pool) -> Iterator[tuple[float, Kind]]:
    """What the steps of widening make of calls of this pool, one after another."""
    queue, needs, level_max, _ = pool.kind
    if not is_personal(queue):
        for after_s, wants in steps_of(pool.rules, needs, level_max):
            yield after_s, Kind(queue, *wants)
