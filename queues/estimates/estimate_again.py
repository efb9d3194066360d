"""What callers are told again while they wait: scored apart from what they were told on arrival.

With each newcomer who is scored, one of the scored callers who wait already is looked at again,
in turn, as if the wait were told at that moment: newcomers come at random moments, so these are
fair samples. What a caller was told may not grow without a reason, so the later end is that of
the promise which the caller would have by then.
"""

from __future__ import annotations

from collections.abc import Mapping

from queues.estimates.estimate_ahead import Ahead, look
from queues.estimates.estimate_learning import Quantiles
from queues.estimates.estimate_model import Outlook
from queues.estimates.estimate_promise import SLACK_S, Again, Track, promise, reason
from queues.estimates.estimate_staff import Pool

AGAIN_MAX = 8  # looks at one call


def begin(track: Track, call: str, found: Outlook, ahead: Ahead, now: float, fact: int) -> None:
    """The call is scored: this is what its caller would be told on arrival."""
    track.first = found
    track.shadow = promise(track, now + found.at(track.bounds[1]), now, fact, ahead)
    track.pool.probes.append(call)


def look_again(
    tracks: Mapping[str, Track], pool: Pool, now: float, fact: int, starvation_s: float
) -> None:
    """The next of the pool's scored calls; those that are gone, or were told anew, drop out."""
    while pool.probes:
        call = pool.probes.pop(0)
        track = tracks.get(call)
        if track is None or track.pool is not pool or track.first is None:
            continue
        if len(track.again) < AGAIN_MAX:
            pool.probes.append(call)
            if not track.offers:
                found, ahead = look(pool, track.place, track.since, now, starvation_s)
                high_at = _promised(
                    track, now + found.at(track.bounds_at(now)[1]), now, fact, ahead
                )
                track.again += (Again(now, found, high_at),)
        return


def _promised(track: Track, high_at: float, now: float, fact: int, ahead: Ahead) -> float:
    """The later end as it could be told: what ``Estimates.of`` does for callers."""
    told = track.shadow
    grows = told is not None and high_at > told.high_at + SLACK_S
    if (
        told is None
        or high_at < told.high_at - SLACK_S
        or (grows and reason(track, told, now, ahead))
    ):
        track.shadow = promise(track, high_at, now, fact, ahead)
        return high_at
    told.affirm(track, fact)
    return min(high_at, told.high_at)


def learn(track: Track, now: float, *learners: Quantiles) -> None:
    """An agent answered the call."""
    for again in track.again:
        score = again.outlook.score(now - again.at)
        for learner in learners:
            learner.add(score, late=now > again.high_at)
