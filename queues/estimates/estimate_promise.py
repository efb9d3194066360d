"""What a caller was told, and the three reasons for which it may become more."""

from __future__ import annotations

from dataclasses import dataclass

from config.values import value
from queues.estimates.estimate_ahead import Ahead, place_of
from queues.estimates.estimate_model import Outlook
from queues.estimates.estimate_staff import Place, Pool
from queues.events import PlaceKept, RaiseReason, WaitRaised

SLACK_S = 0.5  # a promise that would move by less stays
SLOWER = 1.05  # service that takes longer by this factor is slower than expected


@value(frozen=True, slots=True)
class Estimate:
    """Seconds from now until an agent has answered. ``raised``: an earlier promise does not
    hold any more, and why."""

    low_s: float
    expected_s: float
    high_s: float
    raised: WaitRaised | None = None

    @classmethod
    def of(cls, found: Outlook, bounds: tuple[float, float]) -> Estimate:
        low, high = bounds
        return cls(found.at(low), found.at((low + high) / 2.0), found.at(high))


@dataclass(slots=True)
class Promise:
    """The time by which the caller was to be connected, and how things stood when that was
    told: the latest fact known, the call's place, agents on duty for it, the releases of them
    still needed, the seconds an agent took for a call."""

    high_at: float
    at: float
    fact: int
    place: Place
    duty: int
    releases: float
    cycle_s: float

    def affirm(self, track: Track, fact: int) -> None:
        """Told again: who came or left before is no reason any more."""
        self.fact, self.place, self.duty = fact, track.place, track.pool.duty


@value(frozen=True, slots=True)
class Again:
    """A look at a call that waits already: the outlook of that moment, and the time by which its
    caller was to be connected."""

    at: float
    outlook: Outlook
    high_at: float


@dataclass(slots=True)
class Track:
    """A waiting call. ``bounds`` are the calibrated scores of when it joined: they stay its
    own, so that no promise grows because we learned to promise less. ``first`` is the outlook
    of that moment, None where an agent was free or where this call is not scored. What is told
    later has ``later_bounds`` (None: the same); of a scored call ``again`` are the looks at it
    since, and ``shadow`` is what its caller would have been promised by now."""

    pool: Pool
    place: Place
    since: float  # the clock of its place
    joined: float
    bounds: tuple[float, float]
    promoted: bool = False
    returned: bool = False
    offers: int = 0
    is_callback: bool = False
    resting: bool = False
    promise: Promise | None = None
    first: Outlook | None = None
    later_bounds: tuple[float, float] | None = None
    again: tuple[Again, ...] = ()
    shadow: Promise | None = None

    def bounds_at(self, now: float) -> tuple[float, float]:
        """Those of what is told on arrival, and again later."""
        if self.later_bounds is None or now <= self.joined:
            return self.bounds
        return self.later_bounds


def track_of(kept: PlaceKept, pool: Pool, bounds: tuple[float, float]) -> Track:
    """A place that was told again, where the facts before that are gone."""
    place = place_of(
        kept.rank, kept.deadline, kept.place, promoted=kept.promoted, returned=kept.returned
    )
    return Track(
        pool,
        place,
        kept.origin,
        kept.since,
        bounds,
        promoted=kept.promoted,
        returned=kept.returned,
        is_callback=bool(kept.number),
        resting=bool(kept.number) and kept.stage == "resting",
    )


def promise(track: Track, high_at: float, now: float, fact: int, ahead: Ahead) -> Promise:
    """A promise as things stand."""
    pool = track.pool
    return Promise(
        high_at, now, fact, track.place, pool.duty, ahead.releases, pool.learned.cycle.mean
    )


def reason(track: Track, told: Promise, now: float, ahead: Ahead) -> RaiseReason | None:
    """Why more may be told than ``told``; None where nothing happened since that excuses it.
    Where there are several, the first that explains it."""
    pool = track.pool
    left = pool.left_since(told.fact)
    if pool.duty < told.duty or (left and not told.releases):
        return "agent-left"  # also the one whose phone rang when this was told
    for rival, _, _ in pool.rivals:
        if rival.inserted_since(told.fact, track.place, told.place):
            return "inserted-ahead"
    if _slower(track, told, now, ahead):
        return "slower-than-expected"
    return "agent-left" if left else None


def _slower(track: Track, told: Promise, now: float, ahead: Ahead) -> bool:
    """Whether agents take longer than they did, or the line is behind the slowest course that
    the promise allowed for."""
    if now >= told.high_at or track.pool.learned.cycle.mean > SLOWER * told.cycle_s:
        return True
    course = (now - told.at) / (told.high_at - told.at)
    due = int(course * told.releases)  # releases that should have been by now; 0 while it rings
    return due > 0 and told.releases - ahead.releases < due
