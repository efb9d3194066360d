"""How long a call will wait: an 80 % interval that follows the facts and never polls.

API (times are unix seconds, or seconds from ``now``):

    Estimates(rules)            adopt(rules) on reload
    note(call, event, now)      every fact of the floor, in order
    joining(queue, now, ...)    -> Estimate | None for a call that would join now
    of(call, now)               -> Estimate | None for a call that waits

None is "unknown": nobody who could answer is on duty, or the call does not wait. An estimate
is about a caller who stays: in four cases of five an agent answers between ``low_s`` and
``high_s`` from now.

What a caller was told holds: ``high_s`` never moves later, unless since it was told a call was
inserted ahead, an agent left, or the service is slower than expected. Then ``Estimate.raised``
is the fact to journal and to hand to ``note``. Time that passes is no reason: a caller is never
told more than a newcomer at the same place would be.

Learned from facts only, so recovery that notes the same facts gives the same estimates. Only
what ``of`` told beyond the facts (less than was promised before) is not known after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from config.errors import MisuseError
from config.values import changed, value
from queues.estimate_ahead import Ahead, look, nobody, place_of
from queues.estimate_model import Outlook
from queues.estimate_staff import LAST, Kind, Place, Pool, Staff
from queues.events import (
    AgentPresence,
    AgentReachable,
    CallbackEnded,
    CallbackPlaced,
    CallChanged,
    CallPromoted,
    CallQueued,
    CallWidened,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
    RaiseReason,
    WaitRaised,
)
from queues.offers import FloorEvent
from queues.rules import FloorRules

SLACK_S = 0.5  # a promise that would move by less stays
ALONE = 8  # in a line of so many calls, every second one is scored
SLOWER = 1.05  # service that takes longer by this factor is slower than expected
RINGING = 0.5  # squared coefficient of variation of the time a phone rings


@value(frozen=True, slots=True)
class Estimate:
    """Seconds from now until an agent has answered. ``raised``: an earlier promise does not
    hold any more, and why."""

    low_s: float
    expected_s: float
    high_s: float
    raised: WaitRaised | None = None


@dataclass(slots=True)
class Promise:
    """What a caller was told, and how things stood: the latest fact known, the call's place,
    the releases of agents still needed, the seconds an agent took for a call."""

    at: float
    high_at: float
    fact: int
    place: Place
    releases: float
    cycle_s: float


@dataclass(slots=True)
class Track:
    """A waiting call. ``bounds`` are the calibrated scores of when it joined: they stay its
    own, so that no promise grows because we learned to promise less. ``first`` is the outlook
    of that moment, None where an agent was free or where this call is not scored."""

    pool: Pool
    place: Place
    since: float  # the clock of its place
    joined: float
    bounds: tuple[float, float]
    promoted: bool = False
    returned: bool = False
    offers: int = 0
    is_callback: bool = False
    first: Outlook | None = None
    promise: Promise | None = None


class Estimates:
    """Estimates for every call on the floor. O(log waiting) a fact; memory is bounded by the
    calls that wait, the agents, the queues and the kinds of call."""

    def __init__(self, rules: FloorRules) -> None:
        self._rules = rules
        self._staff = Staff(rules)
        self._tracks: dict[str, Track] = {}
        self._facts = 0
        self._handlers: dict[type[Any], Callable[[str, Any, float], None]] = {
            CallQueued: self._call_queued,
            CallWidened: self._call_widened,
            CallChanged: self._call_changed,
            CallPromoted: self._call_promoted,
            OfferMade: self._offer_made,
            OfferEnded: self._offer_ended,
            QueueVisitEnded: self._visit_ended,
            CallbackPlaced: self._callback_placed,
            CallbackEnded: self._callback_ended,
            AgentPresence: self._agent_presence,
            AgentReachable: self._agent_reachable,
            WaitRaised: self._wait_raised,
        }

    def adopt(self, rules: FloorRules) -> None:
        """Other rules at once; promises stay."""
        self._rules = rules
        self._staff.adopt(rules, {track.pool.kind.queue for track in self._tracks.values()})
        for track in self._tracks.values():
            track.pool = self._staff.pool(track.pool.kind)
            if not track.offers:
                track.pool.line.add(track.place)

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
        level_max: int = 0,
        only: str = "",
    ) -> Estimate | None:
        """For a call that would join the queue now, at the end of its class. ``skills`` add to
        the queue's own, the stricter level counts. MisuseError for an unknown queue."""
        rules = self._rules.queue(queue)
        if rules is None:
            raise MisuseError(f"no queue {queue!r}")
        needs = dict(rules.skills)
        for skill, weakest in (skills or {}).items():
            needs[skill] = min(weakest, needs.get(skill, weakest))
        pool = self._staff.pool(Kind(queue, tuple(sorted(needs.items())), level_max, only))
        deadline = now + rules.target_s - rules.credit_s * priority
        place = place_of(rules.rank if rank is None else rank, deadline, NEWEST)
        self._staff.refresh(pool)
        if not pool.duty:
            return None
        ready = not pool.line and pool.has_ready()
        if ready:
            found = self._ringing(queue)
        else:
            found, _ = look(pool, place, now, now, self._rules.starvation_s)
        estimate = _estimate(found, self._staff.learned(queue).quantiles.bounds)
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
        fresh = _estimate(found, track.bounds)
        if track.offers:  # a phone rings, and may be answered at once
            fresh = changed(fresh, low_s=0.0)
        promise = track.promise
        high_at = now + fresh.high_s
        if promise is None or high_at < promise.high_at - SLACK_S:
            track.promise = self._promise(track, now, high_at, ahead)
            return fresh
        if high_at <= promise.high_at + SLACK_S:
            return fresh
        reason = self._reason(track, promise, now, ahead)
        if reason is not None:
            raised = WaitRaised(track.pool.kind.queue, reason, fresh.low_s, fresh.high_s)
            return Estimate(fresh.low_s, fresh.expected_s, fresh.high_s, raised)
        high_s = promise.high_at - now
        return Estimate(min(fresh.low_s, high_s), min(fresh.expected_s, high_s), high_s)

    def _look(self, track: Track, now: float) -> tuple[Outlook, Ahead] | None:
        pool = track.pool
        if track.offers:
            return self._ringing(pool.kind.queue), nobody()
        self._staff.refresh(pool)
        if not pool.duty:
            return None
        return look(pool, track.place, track.since, now, self._rules.starvation_s)

    def _ringing(self, queue: str) -> Outlook:
        return Outlook(max(self._staff.learned(queue).ring.mean, 0.1), RINGING)

    def _promise(self, track: Track, now: float, high_at: float, ahead: Ahead) -> Promise:
        cycle_s = track.pool.learned.cycle.mean
        return Promise(now, high_at, self._facts, track.place, ahead.releases, cycle_s)

    def _reason(
        self, track: Track, promise: Promise, now: float, ahead: Ahead
    ) -> RaiseReason | None:
        """Why the promise may be raised; None where nothing happened that would excuse it."""
        pool = track.pool
        if pool.left_since(promise.fact):
            return "agent-left"
        for rival, _, _ in pool.rivals:
            if rival.inserted_since(promise.fact, track.place, promise.place):
                return "inserted-ahead"
        if now >= promise.high_at:
            return "slower-than-expected"
        if pool.learned.cycle.mean > SLOWER * promise.cycle_s:
            return "slower-than-expected"
        # Behind the slowest course that the promise allowed for?
        course = (now - promise.at) / (promise.high_at - promise.at)
        due = int(course * promise.releases)
        return "slower-than-expected" if promise.releases - ahead.releases < due else None

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
        self._forget(call)
        self._tracks[call] = track
        pool.arrivals.add(now)
        pool.note_inserted(self._facts, place)
        # Calls in one line share their luck. Scoring one of so many costs less and learns as much.
        pool.unscored += 1
        if pool.unscored * ALONE >= ALONE + len(pool.line) + len(pool.rivals) and (
            pool.line or not pool.has_ready()
        ):
            self._staff.refresh(pool)
            if pool.duty:
                pool.unscored = 0
                track.first, _ = look(pool, place, track.since, now, self._rules.starvation_s)
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
        track.bounds = self._staff.learned(event.queue).quantiles.bounds

    def _call_promoted(self, call: str, event: CallPromoted, now: float) -> None:
        track = self._tracks.get(call)
        if track is None or track.promoted:
            return
        track.promoted = True
        _, rank, _, deadline, sequence = track.place
        place = place_of(rank, deadline, sequence, promoted=True, returned=track.returned)
        former = track.place
        self._move(track, track.pool.kind, place)
        track.pool.note_inserted(self._facts, place, former)

    def _move(self, track: Track, kind: Kind, place: Place) -> None:
        if not track.offers:
            track.pool.line.remove(track.place)
        track.pool, track.place = self._staff.pool(kind), place
        if not track.offers:
            track.pool.line.add(place)

    def _offer_made(self, call: str, event: OfferMade, now: float) -> None:
        track = self._tracks.get(call)
        if track is None:
            return
        if not track.offers:
            track.pool.line.remove(track.place)
        track.offers += 1

    def _offer_ended(self, call: str, event: OfferEnded, now: float) -> None:
        track = self._tracks.get(call)
        if track is None:
            return
        if event.end == "accepted":
            worker = self._staff.workers.get(event.agent)
            if worker is not None:
                self._staff.learned(event.queue).ring.add(now - worker.began)
        elif track.offers:
            track.offers -= 1
            if not track.offers:
                track.pool.line.add(track.place)

    def _visit_ended(self, call: str, event: QueueVisitEnded, now: float) -> None:
        track = self._forget(call)
        if track is None or track.is_callback:
            return
        waited_s = now - track.joined
        learned = track.pool.learned
        learned.patience.add(waited_s, event.end == "abandoned")
        if track.first is not None and event.end == "connected":
            score = track.first.score(waited_s)
            learned.quantiles.add(score)
            self._staff.quantiles.add(score)

    def _callback_placed(self, call: str, event: CallbackPlaced, now: float) -> None:
        needs = tuple(sorted(event.skills.items()))
        pool = self._staff.pool(Kind(event.queue, needs, event.level_max))
        place = place_of(event.rank, event.deadline, event.place, promoted=event.promoted)
        bounds = self._staff.learned(event.queue).quantiles.bounds
        self._forget(call)
        self._tracks[call] = Track(
            pool, place, event.origin, now, bounds, promoted=event.promoted, is_callback=True
        )
        pool.line.add(place)

    def _callback_ended(self, call: str, event: CallbackEnded, now: float) -> None:
        self._forget(call)

    def _forget(self, call: str) -> Track | None:
        track = self._tracks.pop(call, None)
        if track is not None and not track.offers:
            track.pool.line.remove(track.place)
        return track

    def _wait_raised(self, call: str, event: WaitRaised, now: float) -> None:
        track = self._tracks.get(call)
        if track is None:
            return
        looked = self._look(track, now)
        ahead = looked[1] if looked is not None else nobody()
        track.promise = self._promise(track, now, now + event.high_s, ahead)

    # Agents.

    def _agent_presence(self, call: str, event: AgentPresence, now: float) -> None:
        former = self._staff.workers.get(event.agent)
        was = former.presence if former is not None else ""
        worker = self._staff.change(
            event.agent, self._facts, presence=event.presence, after=event.after
        )
        if event.presence == "wrap-up":
            return
        if event.presence == "talking" and event.queue:
            if was not in ("offered", "reserved", "talking"):
                worker.began = now
            worker.queue = event.queue
            return
        if worker.queue:  # the call that was in hand is done
            self._staff.learned(worker.queue).cycle.add(now - worker.began)
            worker.queue = ""
        if event.presence in ("offered", "reserved"):
            worker.began = now

    def _agent_reachable(self, call: str, event: AgentReachable, now: float) -> None:
        self._staff.change(event.agent, self._facts, reachable=event.reachable)


NEWEST = 2**62  # the sequence of a call that is not on the floor yet


def _estimate(found: Outlook, bounds: tuple[float, float]) -> Estimate:
    low, high = bounds
    return Estimate(found.at(low), found.at((low + high) / 2.0), found.at(high))
