"""What stands between a call and an agent: calls ahead in every queue that its agents serve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from queues.estimate_learning import Mean, Patience, Quantiles
from queues.estimate_model import OVERTAKEN_MAX, Outlook, outlook
from queues.estimate_staff import Place, Pool
from queues.rules import EMERGENCY_RANK, FloorRules, QueueRules
from queues.waiting import IN_CLASS, PROMOTED

TALK_S = 180.0  # expected of a queue before anything is known
RING_S = 4.0
HALVINGS = 8


class Learned:
    """What is known of one queue."""

    __slots__ = ("cycle", "patience", "quantiles", "ring")

    def __init__(self, wrap_up_s: float, wider: Quantiles | None) -> None:
        self.cycle = Mean(RING_S + TALK_S + wrap_up_s, 5.0, 100.0, 0.5)  # offer to free again
        self.ring = Mean(RING_S, 5.0, 100.0, 0.25)  # offer to answer
        self.patience = Patience()
        self.quantiles = Quantiles(wider)


class Burden(NamedTuple):
    """Calls of another pool that go first: seconds of work in them, and how many agents may
    take them of this pool (``both``) and beside it (``rest``)."""

    work_s: float
    both: int
    rest: int
    cycle_s: float

    def left_s(self, seconds: float) -> float:
        """The work that falls to this pool's agents if all of it is to be done by then."""
        left = self.work_s - seconds * self.rest
        return min(left, seconds * self.both) if left > 0.0 else 0.0


@dataclass(slots=True)
class Ahead:
    """What comes before a call.

    ``own`` are the calls of its own kind and itself, ``work_s`` the seconds of work in them;
    ``burdens`` are of the pools that share agents with this one; ``taken`` is how many agents
    calls yet to come will keep busy that go first. ``releases`` is the sum: how often agents
    of this pool must get free until this call's turn.
    """

    own: float = 1.0
    work_s: float = 0.0
    taken: float = 0.0
    releases: float = 0.0
    burdens: list[Burden] = field(default_factory=list)


class Outlooks:
    """Outlooks of calls, by the rules and by what was learned."""

    def __init__(self, rules: FloorRules) -> None:
        self.rules = rules
        self.all = Quantiles()
        self._learned: dict[str, Learned] = {}

    def learned(self, queue: str) -> Learned:
        """What is known of a queue, begun where nothing is."""
        found = self._learned.get(queue)
        if found is None:
            rules = self.rules.queue(queue) or QueueRules()
            found = self._learned[queue] = Learned(rules.wrap_up_s, self.all)
        return found

    def adopt(self, rules: FloorRules, waiting: set[str]) -> None:
        """Other rules; what was learned of queues that are gone is forgotten with their calls."""
        self.rules = rules
        for queue in [name for name in self._learned if rules.queue(name) is None]:
            if queue not in waiting:
                del self._learned[queue]

    def outlook(self, pool: Pool, place: Place, since: float, now: float) -> tuple[Outlook, Ahead]:
        """For a call of this pool at this place, whose clock began at ``since``; the pool is
        refreshed and has somebody on duty."""
        found, ahead = self._in_class(pool, place, now)
        lift_s = since + self.rules.starvation_s - now
        if place[0] == IN_CLASS and lift_s < found.mean_s:
            # The starvation bound comes first: from then on only earlier deadlines matter.
            later, ahead_then = self._by_deadline(pool, place)
            mean_s = max(later.mean_s, lift_s)
            if mean_s < found.mean_s:
                return Outlook(mean_s, later.variance), ahead_then
        return found, ahead

    def _in_class(self, pool: Pool, place: Place, now: float) -> tuple[Outlook, Ahead]:
        ahead = Ahead()
        soon: list[tuple[float, float, float]] = []  # calls a second, for how long, cycle
        mix = flows = 0.0
        for rival, both, rest in pool.rivals:
            rules = self.rules.queue(rival.kind.queue) or QueueRules()
            cycle_s = self.learned(rival.kind.queue).cycle.mean
            flow = rival.arrivals.at(now) * both / (both + rest)
            mix += flow * cycle_s
            flows += flow
            if rival.line:
                self._count(ahead, pool, rival, rival.line.below(place), both, rest)
            if rules.rank == EMERGENCY_RANK or (place[0] == IN_CLASS and rules.rank < place[1]):
                ahead.taken += flow * cycle_s
            elif place[0] == IN_CLASS and rules.rank == place[1]:
                head_start_s = place[3] - now - rules.target_s
                if head_start_s > 0.0:
                    soon.append((flow, head_start_s, cycle_s))
        ahead.work_s += mix / flows if flows else self.learned(pool.kind.queue).cycle.mean
        found = self._drain(pool, ahead)
        if soon:
            for flow, head_start_s, cycle_s in soon:
                count = flow * min(head_start_s, found.mean_s)
                ahead.own += count
                ahead.work_s += count * cycle_s
            found = self._drain(pool, ahead)
        if place[0] == IN_CLASS:
            found = self._lifted(pool, place, now, found, ahead)
        return found, ahead

    def _count(
        self, ahead: Ahead, pool: Pool, rival: Pool, count: int, both: int, rest: int
    ) -> None:
        if not count:
            return
        cycle_s = self.learned(rival.kind.queue).cycle.mean
        if rival is pool:
            ahead.own += count
            ahead.work_s += count * cycle_s
        else:
            ahead.burdens.append(Burden(count * cycle_s, both, rest, cycle_s))

    def _lifted(
        self, pool: Pool, place: Place, now: float, found: Outlook, ahead: Ahead
    ) -> Outlook:
        """Calls of lower classes whom the starvation bound will lift over this one meanwhile."""
        lifted = False
        for rival, both, rest in pool.rivals:
            rules = self.rules.queue(rival.kind.queue) or QueueRules()
            if rules.rank <= place[1] or not rival.line:
                continue
            before = now + found.mean_s - self.rules.starvation_s + rules.target_s
            count = rival.line.below((IN_CLASS, rules.rank, 1, before)) - rival.line.below(place)
            if count > 0:
                lifted = True
                self._count(ahead, pool, rival, count, both, rest)
        return self._drain(pool, ahead) if lifted else found

    def _by_deadline(self, pool: Pool, place: Place) -> tuple[Outlook, Ahead]:
        """As if the starvation bound had lifted all who wait: one order by deadline."""
        ahead = Ahead(work_s=self.learned(pool.kind.queue).cycle.mean)
        for rival, both, rest in pool.rivals:
            if rival.line:
                rank = (self.rules.queue(rival.kind.queue) or QueueRules()).rank
                count = rival.line.below((IN_CLASS, rank, 1, place[3]))
                self._count(ahead, pool, rival, count, both, rest)
        return self._drain(pool, ahead), ahead

    def _drain(self, pool: Pool, ahead: Ahead) -> Outlook:
        learned = self.learned(pool.kind.queue)
        agents = max(pool.duty - ahead.taken, pool.duty * (1.0 - OVERTAKEN_MAX))
        clear_s = clearing_s(ahead, agents)
        releases, work_s = ahead.own, ahead.work_s
        for burden in ahead.burdens:
            mine_s = burden.left_s(clear_s)
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


def clearing_s(ahead: Ahead, agents: float) -> float:
    """How long this pool's agents need for what falls to them of the work ahead.

    Agents whom two pools share help where callers wait longer. So another pool's work falls to
    this pool's agents only as far as its other agents do not get it done in that same time, and
    never more than the shared agents can do: t with
    own work + sum over others of clamp(work - t rest, 0, t both) = t agents, by halving.
    """
    low = ahead.work_s / agents
    if not ahead.burdens:
        return low
    high = (ahead.work_s + sum(burden.work_s for burden in ahead.burdens)) / agents
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        work_s = ahead.work_s
        for burden in ahead.burdens:
            work_s += burden.left_s(middle)
        if work_s > middle * agents:
            low = middle
        else:
            high = middle
    return high


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
