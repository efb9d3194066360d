"""How long a call will wait: an 80 % interval that follows the facts and never polls.

API (times are unix seconds, or seconds from ``now``):

    Estimates(rules)            adopt(rules) on reload
    note(call, event, now)      every fact of the floor, in order
    joining(queue, now, ...)    -> Estimate | None for a call that would join now
    of(call, now)               -> Estimate | None for a call that waits, as it may be told
    expected_s(call, now)       -> seconds | None, by facts alone: for decisions

None is "unknown": nobody who could answer is on duty, the call does not wait, or it is a
callback that rests until the next attempt. An estimate is about a caller who stays: in four
cases of five an agent answers between ``low_s`` and ``high_s`` from now.

What a caller was told holds: ``high_s`` never moves later, unless since it was told a call was
inserted ahead, an agent left, or the service is slower than expected. Then ``Estimate.raised``
is the fact to journal and to hand to ``note``. Time that passes is no reason: a caller is never
told more than a newcomer at the same place would be.

Learned from facts only, so recovery that notes the same facts gives the same estimates. What
``of`` told beyond them (less than was promised before) is handed in again by ``promised``.
"""

from __future__ import annotations

__all__ = ["Estimate", "Estimates"]

from collections.abc import Callable, Mapping
from typing import Any

from config.errors import MisuseError
from config.values import changed
from queues.estimates import estimate_again
from queues.estimates.estimate_ahead import Ahead, look, place_of
from queues.estimates.estimate_later import look_on
from queues.estimates.estimate_model import RINGING, Outlook
from queues.estimates.estimate_promise import SLACK_S, Estimate, Track, promise, reason, track_of
from queues.estimates.estimate_staff import LAST, Kind, Place, Pool, Staff
from queues.events import (
    AgentPresence,
    AgentReachable,
    CallbackDue,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallChanged,
    CallPromoted,
    CallQueued,
    CallWidened,
    OfferEnded,
    OfferMade,
    PlaceKept,
    QueueVisitEnded,
    WaitRaised,
)
from queues.offers import FloorEvent
from queues.rules import PERSONAL, FloorRules
from queues.waiting import IN_CLASS
from queues.widening import is_personal, merged, wants_at

ALONE = 8  # in a line of so many calls, one in two or three is scored
NEWEST = 2**62  # the sequence of a call that is not on the floor yet


class Estimates:
    """Estimates for every call on the floor. O(log waiting) a fact; memory is bounded by the
    calls that wait, the agents, the queues and the kinds of call."""

    def __init__(self, rules: FloorRules) -> None:
        self._rules = rules
        self._staff = Staff(rules)
        self._tracks: dict[str, Track] = {}
        self._facts = 0
        self._kept: tuple[str, Pool, Place] | None = None  # whose place a callback may keep
        self._handlers: dict[type[Any], Callable[[str, Any, float], None]] = {
            CallQueued: self._call_queued,
            CallWidened: self._call_widened,
            CallChanged: self._call_changed,
            CallPromoted: self._call_promoted,
            OfferMade: self._offer_made,
            OfferEnded: self._offer_ended,
            QueueVisitEnded: self._visit_ended,
            CallbackPlaced: self._callback_placed,
            CallbackMissed: self._callback_missed,
            CallbackDue: self._callback_due,
            CallbackEnded: self._callback_ended,
            AgentPresence: self._agent_presence,
            AgentReachable: self._agent_reachable,
            PlaceKept: self._place_kept,
            WaitRaised: self._wait_raised,
        }

    def adopt(self, rules: FloorRules) -> None:
        """Other rules at once; promises stay."""
        self._rules = rules
        self._staff.adopt(rules, {track.pool.kind.queue for track in self._tracks.values()})
        for track in self._tracks.values():
            track.pool = self._staff.pool(track.pool.kind)
            self._put_in(track)

    def note(self, call: str, event: FloorEvent, now: float) -> None:
        """Take one fact; those of no interest are passed over."""
        self._facts += 1
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(call, event, now)

    # Reading.

    def joining(
        self,
        queue: str,
        now: float,
        *,
        priority: int = 0,
        rank: int | None = None,
        skills: Mapping[str, int] | None = None,
        only: str = "",
    ) -> Estimate | None:
        """For a call that would join the queue now, at the end of its class. ``skills`` add to
        the queue's own, the stricter level counts. MisuseError for an unknown queue."""
        rules = self._rules.queue(queue)
        if rules is None:
            raise MisuseError(f"no queue {queue!r}")
        wants = wants_at(rules, merged(rules.skills, skills), only or _owner(queue), 0.0)
        pool = self._staff.peek(Kind(queue, *wants))
        deadline = now + rules.target_s - rules.credit_s * priority
        place = place_of(rules.rank if rank is None else rank, deadline, NEWEST)
        self._staff.refresh(pool)
        ready = pool.duty > 0 and not pool.line and pool.has_ready()
        if ready:
            found = self._ringing(pool)
        else:
            looked = look_on(self._staff, pool, place, now, now, now, self._rules)
            if looked is None:
                return None
            found = looked[0]
        estimate = Estimate.of(found, self._staff.learned(queue).quantiles.bounds)
        return changed(estimate, low_s=0.0) if ready else estimate

    def of(self, call: str, now: float) -> Estimate | None:
        """For a waiting call, as it may be told. With ``raised`` the old promise stands until
        that fact is noted."""
        track = self._tracks.get(call)
        if track is None:
            return None
        looked = self._look(track, now)
        if looked is None:
            return None
        found, ahead = looked
        fresh = Estimate.of(found, track.bounds_at(now))
        if track.offers:  # a phone rings, and may be answered at once
            fresh = changed(fresh, low_s=0.0)
        high_at = now + fresh.high_s
        told = track.promise
        if told is None or high_at < told.high_at - SLACK_S:
            track.promise = promise(track, high_at, now, self._facts, ahead)
            return fresh
        why = reason(track, told, now, ahead) if high_at > told.high_at + SLACK_S else None
        if why is not None:
            raised = WaitRaised(track.pool.kind.queue, why, fresh.low_s, fresh.high_s)
            return changed(fresh, raised=raised)
        told.affirm(track, self._facts)
        high_s = min(fresh.high_s, told.high_at - now)
        return Estimate(min(fresh.low_s, high_s), min(fresh.expected_s, high_s), high_s)

    def expected_s(self, call: str, now: float) -> float | None:
        """How long a waiting call will still wait, as the facts alone have it, whatever its
        caller was told: what a decision may go by, so that replaying facts repeats it."""
        track = self._tracks.get(call)
        looked = self._look(track, now) if track is not None else None
        return Estimate.of(looked[0], track.bounds).expected_s if track and looked else None

    def promised(self, call: str, high_at: float, now: float) -> None:
        """The caller was told to be answered by ``high_at``; also by an engine that died."""
        track = self._tracks.get(call)
        if track is not None:
            looked = self._look(track, now)
            ahead = looked[1] if looked is not None else Ahead()
            track.promise = promise(track, high_at, now, self._facts, ahead)

    def _look(self, track: Track, now: float) -> tuple[Outlook, Ahead] | None:
        pool = track.pool
        if track.resting:
            return None
        self._staff.refresh(pool)
        if track.offers:
            return self._ringing(pool), Ahead()
        return look_on(self._staff, pool, track.place, track.since, track.joined, now, self._rules)

    def _ringing(self, pool: Pool) -> Outlook:
        return Outlook(max(pool.learned.ring.mean, 0.1), RINGING)

    # Calls.

    def _call_queued(self, call: str, event: CallQueued, now: float) -> None:
        needs = tuple(sorted(event.skills.items()))
        pool = self._staff.pool(Kind(event.queue, needs, event.level_max, event.only))
        place = place_of(
            event.rank,
            event.deadline,
            event.place,
            promoted=event.promoted,
            returned=event.returned,
        )
        bounds = self._staff.learned(event.queue).quantiles.bounds
        track = Track(pool, place, event.origin or now, now, bounds)
        track.promoted, track.returned = event.promoted, event.returned
        track.later_bounds = self._staff.learned(event.queue).later.bounds
        self._forget(call)
        self._tracks[call] = track
        pool.arrivals.add(now)
        pool.note_inserted(self._facts, place)
        # Calls in one line share their luck. Scoring one of so many costs less and learns as much.
        pool.unscored += 1
        if pool.unscored * ALONE >= ALONE + len(pool.line) + len(self._staff.pools) and (
            pool.line or not pool.has_ready()
        ):
            self._staff.refresh(pool)
            if pool.duty:
                pool.unscored = 0
                starvation_s = self._rules.starvation_s
                estimate_again.look_again(self._tracks, pool, now, self._facts, starvation_s)
                looked = look(pool, place, track.since, now, starvation_s)
                estimate_again.begin(track, call, *looked, now, self._facts)
        pool.line.add(place)

    def _call_widened(self, call: str, event: CallWidened, now: float) -> None:
        track = self._tracks.get(call)
        if track is not None:
            needs = tuple(sorted(event.skills.items()))
            self._move(track, Kind(event.queue, needs, event.level_max, event.only), track.place)
            track.pool.note_inserted(self._facts, track.place)

    def _call_changed(self, call: str, event: CallChanged, now: float) -> None:
        track = self._tracks.get(call)
        if track is None:
            return
        needs = tuple(sorted(event.skills.items()))
        kind = track.pool.kind._replace(queue=event.queue, needs=needs)
        place = place_of(
            event.rank,
            event.deadline,
            track.place[-1],
            promoted=track.promoted,
            returned=track.returned,
        )
        former = track.place if kind == track.pool.kind else LAST
        self._move(track, kind, place)
        track.pool.note_inserted(self._facts, place, former)
        # Somebody decided otherwise about this very call: what it was told is void.
        track.first = track.promise = None
        learned = self._staff.learned(event.queue)
        track.bounds, track.later_bounds = learned.quantiles.bounds, learned.later.bounds

    def _call_promoted(self, call: str, event: CallPromoted, now: float) -> None:
        track = self._tracks.get(call)
        if track is None or track.place[0] != IN_CLASS:
            return
        track.promoted = True
        _, rank, _, deadline, sequence = track.place
        place = place_of(rank, deadline, sequence, promoted=True, returned=track.returned)
        former = track.place
        self._move(track, track.pool.kind, place)
        track.pool.note_inserted(self._facts, place, former)

    def _move(self, track: Track, kind: Kind, place: Place) -> None:
        self._take_out(track)
        track.pool, track.place = self._staff.pool(kind), place
        self._put_in(track)

    def _put_in(self, track: Track) -> None:
        if not track.offers and not track.resting:
            track.pool.line.add(track.place)

    def _take_out(self, track: Track) -> None:
        if not track.offers and not track.resting:
            track.pool.line.remove(track.place)

    def _offer_made(self, call: str, event: OfferMade, now: float) -> None:
        track = self._tracks.get(call)
        if track is not None:
            self._take_out(track)
            track.offers += 1

    def _offer_ended(self, call: str, event: OfferEnded, now: float) -> None:
        track = self._tracks.get(call)
        if track is None:
            return
        if event.end == "accepted":
            worker = self._staff.workers.get(event.agent)
            if worker is not None:
                track.pool.learned.ring.add(now - worker.began)
        elif track.offers:
            track.offers -= 1
            self._put_in(track)

    def _visit_ended(self, call: str, event: QueueVisitEnded, now: float) -> None:
        track = self._forget(call)
        if track is None or track.is_callback:
            return
        if event.end == "callback-requested":
            self._kept = (call, track.pool, track.place)
        waited_s = now - track.joined
        learned = track.pool.learned
        learned.patience.add(waited_s, event.end == "abandoned")
        if track.first is not None and event.end == "connected":
            score = track.first.score(waited_s)
            learned.quantiles.add(score)
            self._staff.quantiles.add(score)
            estimate_again.learn(track, now, learned.later, self._staff.later)

    def _callback_placed(self, call: str, event: CallbackPlaced, now: float) -> None:
        needs = tuple(sorted(event.skills.items()))
        pool = self._staff.pool(Kind(event.queue, needs, event.level_max, _owner(event.queue)))
        place = place_of(event.rank, event.deadline, event.place, promoted=event.promoted)
        bounds = self._staff.learned(event.queue).quantiles.bounds
        self._forget(call)
        self._tracks[call] = Track(
            pool, place, event.origin, now, bounds, promoted=event.promoted, is_callback=True
        )
        pool.line.add(place)
        who, where, former = self._kept or ("", pool, LAST)
        kept = who == call and where is pool
        pool.note_inserted(self._facts, place, former if kept else LAST)
        self._kept = None

    def _callback_missed(self, call: str, event: CallbackMissed, now: float) -> None:
        track = self._tracks.get(call)
        if track is not None:
            self._take_out(track)
            track.resting, track.promise = True, None

    def _callback_due(self, call: str, event: CallbackDue, now: float) -> None:
        track = self._tracks.get(call)
        if track is not None and track.resting:
            track.resting = False
            self._put_in(track)
            track.pool.note_inserted(self._facts, track.place)

    def _callback_ended(self, call: str, event: CallbackEnded, now: float) -> None:
        self._forget(call)

    def _forget(self, call: str) -> Track | None:
        track = self._tracks.pop(call, None)
        if track is not None:
            self._take_out(track)
        return track

    def _place_kept(self, call: str, event: PlaceKept, now: float) -> None:
        if call in self._tracks:
            return
        needs = tuple(sorted(event.skills.items()))
        pool = self._staff.pool(Kind(event.queue, needs, event.level_max, event.only))
        track = track_of(event, pool, self._staff.learned(event.queue).quantiles.bounds)
        self._tracks[call] = track
        self._put_in(track)

    def _wait_raised(self, call: str, event: WaitRaised, now: float) -> None:
        self.promised(call, now + event.high_s, now)

    # Agents.

    def _agent_presence(self, call: str, event: AgentPresence, now: float) -> None:
        former = self._staff.workers.get(event.agent)
        was = former.presence if former is not None else ""
        worker = self._staff.change(
            event.agent,
            self._facts,
            presence=event.presence,
            after=event.after,
            own=event.presence == "talking" and not event.queue,
        )
        if event.presence == "wrap-up":
            return
        if event.presence == "talking" and event.queue:
            if was not in ("offered", "reserved", "talking"):
                worker.began = now
            worker.queue = event.queue
            return
        if worker.queue:  # the call that was in hand is done
            taken_s = max(now - worker.began, 1.0)
            self._staff.learned(worker.queue).cycle.add(taken_s)
            worker.queue = ""
        if event.presence in ("offered", "reserved"):
            worker.began = now

    def _agent_reachable(self, call: str, event: AgentReachable, now: float) -> None:
        self._staff.change(event.agent, self._facts, reachable=event.reachable)


def _owner(queue: str) -> str:
    """Whose personal queue it is, "" where it is nobody's."""
    return queue.removeprefix(PERSONAL) if is_personal(queue) else ""
