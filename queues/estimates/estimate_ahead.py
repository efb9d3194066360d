"""What stands between a call and an agent: calls ahead in every queue that its agents serve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from queues.estimates.estimate_model import OVERTAKEN_MAX, Outlook, outlook
from queues.estimates.estimate_staff import Place, Pool
from queues.rules import EMERGENCY_RANK
from queues.waiting import IN_CLASS, PROMOTED


class Burden(NamedTuple):
    """Calls of another pool that go first: seconds of work in them, and how many agents may
    take them of this pool (``both``) and beside it (``rest``)."""

    work_s: float
    both: float
    rest: float
    cycle_s: float

    def left_s(self, seconds: float) -> float:
        """The work that falls to this pool's agents if all of it is to be done by then."""
        left = self.work_s - seconds * self.rest
        return min(left, seconds * self.both) if left > 0.0 else 0.0


@dataclass(slots=True)
class Ahead:
    """What comes before a call.

    ``own`` are the calls of its own kind, ``work_s`` the seconds of work in them; ``burdens``
    are of the pools that share agents with this one; ``taken`` is how many agents calls yet to
    come will keep busy that go first. ``releases`` is how often agents of this pool must get
    free until one answers this call; 0 where its phone rings already.
    """

    own: float = 0.0
    work_s: float = 0.0
    taken: float = 0.0
    releases: float = 0.0
    burdens: list[Burden] = field(default_factory=list)

    def add(self, pool: Pool, rival: Pool, count: int, both: float, rest: float) -> None:
        """So many calls of ``rival`` go before the call of ``pool``."""
        cycle_s = rival.learned.cycle.mean
        if rival is pool:
            self.own += count
            self.work_s += count * cycle_s
        else:
            self.burdens.append(Burden(count * cycle_s * pool.scale, both, rest, cycle_s))


def look(
    pool: Pool, place: Place, since: float, now: float, starvation_s: float
) -> tuple[Outlook, Ahead]:
    """For a call of this pool at this place, whose clock began at ``since``; the pool is
    refreshed and has somebody on duty."""
    found, ahead = _in_class(pool, place, now, starvation_s)
    lift_s = since + starvation_s - now
    if place[0] == IN_CLASS and lift_s < found.mean_s:
        # The starvation bound comes first: from then on only earlier deadlines matter.
        later, ahead_then = _by_deadline(pool, place)
        then = later.not_before(lift_s)
        if then.mean_s < found.mean_s:
            return then, ahead_then
    return found, ahead


def _in_class(pool: Pool, place: Place, now: float, starvation_s: float) -> tuple[Outlook, Ahead]:
    in_class = place[0] == IN_CLASS
    rank = place[1]
    ahead = Ahead()
    lower: list[tuple[Pool, float, float]] = []  # lower classes, whom the starvation bound may lift
    for rival, both, rest in pool.rivals:
        head = rival.line.first()
        if head is None:
            continue
        if in_class and rival.rules.rank > rank:
            lower.append((rival, both, rest))
        if head < place:
            ahead.add(pool, rival, rival.line.below(place), both, rest)
    found = _overtaken(pool, place, now, ahead)
    if not lower:
        return found, ahead
    lifted = False
    for rival, both, rest in lower:
        before = now + found.mean_s - starvation_s + rival.rules.target_s
        count = rival.line.below((IN_CLASS, rival.rules.rank, 1, before)) - rival.line.below(place)
        if count > 0:
            lifted = True
            ahead.add(pool, rival, count, both, rest)
    return (_drain(pool, ahead) if lifted else found), ahead


def _overtaken(pool: Pool, place: Place, now: float, ahead: Ahead) -> Outlook:
    """With the calls that are yet to come and will go first, as many as came lately."""
    soon: list[tuple[float, float, float]] = []  # calls a second, for how long, cycle
    for rival, share in pool.overtakers:
        rank = rival.rules.rank
        flow = rival.arrivals.at(now) * share
        if rank == EMERGENCY_RANK or (place[0] == IN_CLASS and rank < place[1]):
            ahead.taken += flow * rival.learned.cycle.mean
        elif place[0] == IN_CLASS and rank == place[1]:
            head_start_s = place[3] - now - rival.rules.target_s
            if head_start_s > 0.0:
                soon.append((flow, head_start_s, rival.learned.cycle.mean))
    found = _drain(pool, ahead)
    for flow, head_start_s, cycle_s in soon:
        count = flow * min(head_start_s, found.mean_s)
        ahead.own += count
        ahead.work_s += count * cycle_s
    return _drain(pool, ahead) if soon else found


def _by_deadline(pool: Pool, place: Place) -> tuple[Outlook, Ahead]:
    """As if the starvation bound had lifted all who wait: one order by deadline."""
    ahead = Ahead()
    for rival, both, rest in pool.rivals:
        line = rival.line
        if line and (count := line.below((IN_CLASS, rival.rules.rank, 1, *place[3:]))):
            ahead.add(pool, rival, count, both, rest)
    return _drain(pool, ahead), ahead


def _drain(pool: Pool, ahead: Ahead) -> Outlook:
    learned = pool.learned
    agents = max(pool.duty - ahead.taken, pool.duty * (1.0 - OVERTAKEN_MAX))
    releases, work_s = 1.0 + ahead.own, learned.cycle.mean + ahead.work_s
    if ahead.burdens:
        seconds = clearing_s(ahead.work_s, ahead.burdens, agents)
        for burden in ahead.burdens:
            mine_s = burden.left_s(seconds)
            work_s += mine_s
            releases += mine_s / burden.cycle_s
    ahead.releases = releases
    return outlook(
        releases,
        agents,
        work_s / releases,
        learned.cycle.spread,
        learned.patience.rate,
        learned.ring.mean,
    )


def clearing_s(work_s: float, burdens: list[Burden], agents: float) -> float:
    """How long a pool's agents need for what falls to them of the work ahead.

    Agents whom two pools share help where callers wait longer. So another pool's work falls to
    this pool's agents only as far as its other agents do not get it done in that same time, and
    never more than the shared agents can do: the t of

        own work + sum over others of clamp(work - t rest, 0, t both) = t agents

    The left side is made of straight pieces; t is looked for from bend to bend.
    """
    bends: list[tuple[float, float, float]] = []  # at, change of the constant, of the slope
    slope = 0.0
    for burden in burdens:
        slope += burden.both
        bends.append(
            (
                burden.work_s / (burden.both + burden.rest),
                burden.work_s,
                -(burden.both + burden.rest),
            )
        )
        if burden.rest:
            bends.append((burden.work_s / burden.rest, -burden.work_s, burden.rest))
    bends.sort()
    constant = work_s
    for at, more, steeper in bends:
        if slope < agents and constant <= at * (agents - slope):
            break
        constant += more
        slope += steeper
    return constant / (agents - slope)


def place_of(
    rank: int, deadline: float, sequence: int, *, promoted: bool = False, returned: bool = False
) -> Place:
    """The sort key of a call (see ``queues.waiting.CallKey``)."""
    turn = 0 if returned else 1
    if rank == EMERGENCY_RANK:
        return (EMERGENCY_RANK, 0, turn, deadline, sequence)
    if promoted or returned:
        return (PROMOTED, 0, turn, deadline, sequence)
    return (IN_CLASS, rank, turn, deadline, sequence)
