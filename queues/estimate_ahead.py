"""What stands between a call and an agent: calls ahead in every queue that its agents serve."""

from __future__ import annotations

from dataclasses import dataclass

from queues.estimate_learning import Mean, Patience, Quantiles
from queues.estimate_model import OVERTAKEN_MAX, Outlook, outlook
from queues.estimate_staff import Place, Pool
from queues.rules import EMERGENCY_RANK, FloorRules, QueueRules
from queues.waiting import IN_CLASS, PROMOTED

TALK_S = 180.0  # expected of a queue before anything is known
RING_S = 4.0


class Learned:
    """What is known of one queue."""

    __slots__ = ("cycle", "patience", "quantiles", "ring")

    def __init__(self, wrap_up_s: float, wider: Quantiles | None) -> None:
        self.cycle = Mean(RING_S + TALK_S + wrap_up_s, 5.0, 100.0, 0.5)  # offer to free again
        self.ring = Mean(RING_S, 5.0, 100.0, 0.25)  # offer to answer
        self.patience = Patience()
        self.quantiles = Quantiles(wider)


@dataclass(slots=True)
class Ahead:
    """``releases`` of agents that are needed, this call's own included, and the seconds of work
    in them; ``taken`` is how many agents calls yet to come will keep busy that go first."""

    releases: float
    work_s: float
    taken: float


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
        ahead = Ahead(1.0, 0.0, 0.0)
        soon: list[tuple[float, float, float]] = []  # calls a second, for how long, cycle
        mix = flow_sum = 0.0
        for rival, share in pool.rivals:
            rules = self.rules.queue(rival.kind.queue) or QueueRules()
            cycle_s = self.learned(rival.kind.queue).cycle.mean
            flow = rival.arrivals.at(now) * share
            mix += flow * cycle_s
            flow_sum += flow
            if rival.line:
                count = rival.line.below(place) * share
                ahead.releases += count
                ahead.work_s += count * cycle_s
            if rules.rank == EMERGENCY_RANK or (place[0] == IN_CLASS and rules.rank < place[1]):
                ahead.taken += flow * cycle_s
            elif place[0] == IN_CLASS and rules.rank == place[1]:
                head_start_s = place[3] - now - rules.target_s
                if head_start_s > 0.0:
                    soon.append((flow, head_start_s, cycle_s))
        ahead.work_s += mix / flow_sum if flow_sum else self.learned(pool.kind.queue).cycle.mean
        found = self._drain(pool, ahead)
        if soon:
            for flow, head_start_s, cycle_s in soon:
                count = flow * min(head_start_s, found.mean_s)
                ahead.releases += count
                ahead.work_s += count * cycle_s
            found = self._drain(pool, ahead)
        return self._lifted(pool, place, now, found, ahead), ahead

    def _lifted(
        self, pool: Pool, place: Place, now: float, found: Outlook, ahead: Ahead
    ) -> Outlook:
        """Calls of lower classes whom the starvation bound will lift over this one meanwhile."""
        lifted = 0.0
        for rival, share in pool.rivals:
            rules = self.rules.queue(rival.kind.queue) or QueueRules()
            if place[0] != IN_CLASS or rules.rank <= place[1] or not rival.line:
                continue
            before = now + found.mean_s - self.rules.starvation_s + rules.target_s
            count = rival.line.below((IN_CLASS, rules.rank, 1, before)) - rival.line.below(place)
            if count > 0:
                lifted += count * share
                cycle_s = self.learned(rival.kind.queue).cycle.mean
                ahead.releases += count * share
                ahead.work_s += count * share * cycle_s
        return self._drain(pool, ahead) if lifted else found

    def _by_deadline(self, pool: Pool, place: Place) -> tuple[Outlook, Ahead]:
        """As if the starvation bound had lifted all who wait: one order by deadline."""
        ahead = Ahead(1.0, self.learned(pool.kind.queue).cycle.mean, 0.0)
        for rival, share in pool.rivals:
            if rival.line:
                rank = (self.rules.queue(rival.kind.queue) or QueueRules()).rank
                count = rival.line.below((IN_CLASS, rank, 1, place[3])) * share
                ahead.releases += count
                ahead.work_s += count * self.learned(rival.kind.queue).cycle.mean
        return self._drain(pool, ahead), ahead

    def _drain(self, pool: Pool, ahead: Ahead) -> Outlook:
        learned = self.learned(pool.kind.queue)
        agents = max(pool.duty - ahead.taken, pool.duty * (1.0 - OVERTAKEN_MAX))
        return outlook(
            ahead.releases,
            agents,
            ahead.work_s / ahead.releases,
            learned.cycle.spread,
            learned.patience.rate,
            learned.ring.mean,
        )


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
