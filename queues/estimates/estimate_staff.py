"""Who is on duty, in groups of agents who are alike; and kinds of call, each with its line.

Agents with the same queues and skills form a group, so that an agent who comes or goes costs
the same whatever the number of agents.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from queues.estimates.estimate_learning import Learned, Quantiles, Rate
from queues.order import Line
from queues.rules import EMERGENCY_RANK, PERSONAL, AgentRules, FloorRules, QueueRules

Place = tuple[int, int, int, float, int]
"""(tier, class, turn, deadline, sequence): what ``queues.waiting.CallKey`` orders by."""

LAST: Place = (9, 0, 0, 0.0, 0)  # behind every call

ARRIVALS_MEMORY_S = 900.0
POOLS_MAX = 4096
SAMPLE_MAX = 256
RIVALS_MAX = 24
INSERTED_MAX = 64
WORKING = frozenset({"available", "offered", "talking", "wrap-up", "reserved"})
LEAVING = frozenset({"signed-out", "on-break"})


class Group:
    """Agents who serve the same queues with the same skills. ``duty`` counts those who take
    calls, ``ready`` those of them who are free; ``left`` is the fact at which one last left, be it
    for a call of their own."""

    __slots__ = ("duty", "left", "queues", "ready", "skills")

    def __init__(self, rules: AgentRules) -> None:
        self.queues = rules.queues
        self.skills = rules.skills
        self.duty = 0
        self.ready = 0
        self.left = 0

    def can(self, kind: Kind) -> bool:
        """Whether these agents may take calls of this kind."""
        level = 1 if kind.queue.startswith(PERSONAL) else self.queues.get(kind.queue)
        if level is None or (kind.level_max and level > kind.level_max):
            return False
        skills = self.skills
        return all(skill in skills and skills[skill] <= weakest for skill, weakest in kind.needs)


class Worker:
    """One agent. ``began`` is when the offer came whose call is in hand, for ``queue``."""

    __slots__ = ("after", "began", "group", "own", "presence", "queue", "reachable")

    def __init__(self, group: Group | None) -> None:
        self.group = group
        self.presence = "signed-out"
        self.reachable = False
        self.after = ""
        self.own = False
        self.queue = ""
        self.began = 0.0

    @property
    def on_duty(self) -> bool:
        """Whether calls can be expected to go to this agent."""
        return self.reachable and self.presence in WORKING and self.after not in LEAVING

    @property
    def ready(self) -> bool:
        return self.reachable and self.presence == "available"


class Kind(NamedTuple):
    """What decides who may take a call. ``level_max`` 0 is any, ``only`` "" is anybody."""

    queue: str
    needs: tuple[tuple[str, int], ...] = ()
    level_max: int = 0
    only: str = ""


class Pool:
    """The calls of one kind that wait and are not being offered, and the groups for them.

    ``rivals`` are (pool, both, rest): how many of the agents on duty for that pool's calls may
    take this one's too, and how many may not, as the duty of version ``known`` has it; each
    stands for ``scale`` of its like. ``overtakers`` are (pool, share): those whose newcomers
    may go before calls of this one. ``unscored`` counts newcomers, ``_inserted`` are the
    latest who came to a place: (fact, place, former place).
    """

    __slots__ = (
        "_inserted",
        "arrivals",
        "duty",
        "groups",
        "kind",
        "known",
        "learned",
        "line",
        "overtakers",
        "probes",
        "rivals",
        "rules",
        "scale",
        "unscored",
        "worker",
    )

    def __init__(
        self,
        kind: Kind,
        groups: frozenset[Group],
        worker: Worker | None,
        rules: QueueRules,
        learned: Learned,
    ) -> None:
        self.kind = kind
        self.groups = groups
        self.worker = worker  # the one agent of a kind with ``only``
        self.rules = rules
        self.learned = learned
        self.line: Line[Place] = Line()
        self.arrivals = Rate(ARRIVALS_MEMORY_S)
        self.duty = 0
        self.known = -1
        self.unscored = 0
        self.probes: list[str] = []  # scored calls, the one to be looked at again first
        self.scale = 1.0
        self.rivals: list[tuple[Pool, float, float]] = []
        self.overtakers: list[tuple[Pool, float]] = []
        self._inserted: list[tuple[int, Place, Place]] = []  # a deque takes 600 bytes empty

    def has_ready(self) -> bool:
        """Whether an agent is free for these calls now."""
        if self.worker is not None:
            return bool(self.groups) and self.worker.ready
        return any(group.ready for group in self.groups)

    def overlap(self, other: Pool) -> int:
        """Agents on duty who may take calls of both."""
        worker = self.worker or other.worker
        if worker is None:
            if self is other:
                return sum(group.duty for group in self.groups)
            return sum(group.duty for group in self.groups & other.groups)
        if (other.worker or worker) is not (self.worker or worker):
            return 0
        group = worker.group
        return int(worker.on_duty and group in self.groups and group in other.groups)

    def may_overtake(self, other: Pool) -> bool:
        """Whether newcomers of this pool may go before calls of the other."""
        mine, theirs = self.rules, other.rules
        if mine.rank == EMERGENCY_RANK or theirs.rank == EMERGENCY_RANK:
            return mine.rank < theirs.rank
        return mine.rank < theirs.rank or (
            mine.rank == theirs.rank and mine.target_s < theirs.target_s
        )

    def left_since(self, fact: int) -> bool:
        """Whether an agent left after this fact: one for these calls, or for calls that share
        agents with them."""
        return any(group.left > fact for pool, _, _ in self.rivals for group in pool.groups) or any(
            group.left > fact for group in self.groups
        )

    def note_inserted(self, fact: int, place: Place, former: Place = LAST) -> None:
        """A call came to this place by this fact, or moved to it from its former one. The
        latest ``INSERTED_MAX`` are remembered."""
        self._inserted.append((fact, place, former))
        if len(self._inserted) > INSERTED_MAX:
            del self._inserted[0]

    def inserted_since(self, fact: int, place: Place, then: Place) -> bool:
        """Whether, after this fact, a call came before this place that was not before the
        place that its holder had ``then``."""
        for at, new, former in reversed(self._inserted):
            if at <= fact:
                return False
            if new < place and former > then:
                return True
        return False


class Staff:
    """All agents, groups, pools and what was learned of queues. ``version`` changes with the
    duty of anybody."""

    def __init__(self, rules: FloorRules) -> None:
        self.version = 0
        self.workers: dict[str, Worker] = {}
        self.pools: dict[Kind, Pool] = {}
        self.quantiles = Quantiles()
        self.later = Quantiles()
        self._rules = rules
        self._learned: dict[str, Learned] = {}
        self._serving: dict[str, list[Group]] = {}  # queue -> groups
        self._pools_max = POOLS_MAX
        self.adopt(rules, set())

    def adopt(self, rules: FloorRules, waiting: set[str]) -> None:
        """Agents get the groups of other rules. All pools are new and without calls. What was
        learned of a queue that is gone is forgotten, unless it is one of ``waiting``."""
        self._rules = rules
        for queue in [name for name in self._learned if rules.queue(name) is None]:
            if queue not in waiting:
                del self._learned[queue]
        former, self.pools = self.pools, {}
        self._serving.clear()
        groups: dict[object, Group] = {}
        for ident in self.workers.keys() - rules.agents.keys():
            self.workers[ident].group = None
            if self.workers[ident].presence == "signed-out":
                del self.workers[ident]
        for ident, agent in rules.agents.items():
            key = (frozenset(agent.queues.items()), frozenset(agent.skills.items()))
            group = groups.get(key)
            if group is None:
                group = groups[key] = Group(agent)
                for queue in agent.queues:
                    self._serving.setdefault(queue, []).append(group)
            worker = self.workers.setdefault(ident, Worker(None))
            worker.group = group
            group.duty += worker.on_duty
            group.ready += worker.ready
        for kind, pool in former.items():
            if rules.queue(kind.queue) is not None:
                self.pool(kind).arrivals = pool.arrivals
        self.version += 1

    def learned(self, queue: str) -> Learned:
        """What is known of a queue, begun where nothing is."""
        found = self._learned.get(queue)
        if found is None:
            rules = self._rules.queue(queue) or QueueRules()
            found = self._learned[queue] = Learned(rules.wrap_up_s, self.quantiles, self.later)
        return found

    def pool(self, kind: Kind) -> Pool:
        """The pool of a kind of call, begun where there is none yet."""
        pool = self.pools.get(kind)
        if pool is None:
            if len(self.pools) >= self._pools_max:
                self._sweep()
            pool = self.pools[kind] = self._begin(kind)
            self.version += 1
        return pool

    def peek(self, kind: Kind) -> Pool:
        """The pool of a kind of call, for a look: one that is begun for it is not kept, so that
        asking changes nothing."""
        return self.pools.get(kind) or self._begin(kind)

    def trial(self, kind: Kind) -> Pool:
        """A refreshed pool of this kind without calls, the asker's to change; the one that is
        kept is among its rivals."""
        pool = self._begin(kind)
        self.refresh(pool)
        return pool

    def _begin(self, kind: Kind) -> Pool:
        only = kind.queue[len(PERSONAL) :] if kind.queue.startswith(PERSONAL) else kind.only
        worker = self.workers.get(only)
        serving: Iterable[Group] = self._serving.get(kind.queue, ())
        if only:
            serving = [worker.group] if worker is not None and worker.group is not None else ()
        groups = frozenset(group for group in serving if group.can(kind))
        rules = self._rules.queue(kind.queue) or QueueRules()
        return Pool(kind, groups, worker, rules, self.learned(kind.queue))

    def _sweep(self) -> None:
        """Forget pools where nobody waits; what is left is bounded by the calls that wait."""
        self.pools = {kind: pool for kind, pool in self.pools.items() if pool.line}
        self._pools_max = max(POOLS_MAX, 2 * len(self.pools))
        self.version += 1

    def refresh(self, pool: Pool) -> None:
        """See to it that the pool's ``duty`` and ``rivals`` are those of this moment.

        Of very many pools a sample is looked at, and of rivals the ``RIVALS_MAX`` with whom the
        most agents are shared; they stand for the rest.
        """
        if pool.known == self.version:
            return
        pool.known = self.version
        pool.duty = pool.overlap(pool)
        step = 1 + len(self.pools) // SAMPLE_MAX
        found: list[tuple[int, Kind, Pool]] = []
        every = 0
        for other in islice(self.pools.values(), 0, None, step):
            if other is not pool and (both := pool.overlap(other)):
                every += both
                found.append((-both, other.kind, other))
        if len(found) > RIVALS_MAX:
            found.sort()
            del found[RIVALS_MAX:]
        pool.scale = scale = step * every / -sum(less for less, _, _ in found) if found else 1.0
        pool.rivals = [(pool, pool.duty, 0)] if pool.duty else []
        pool.overtakers = []
        for less, _, other in found:
            all_of_it = other.overlap(other)
            pool.rivals.append((other, -less * scale, (all_of_it + less) * scale))
            if other.may_overtake(pool):
                pool.overtakers.append((other, -less * scale / all_of_it))

    def change(
        self,
        agent: str,
        fact: int,
        *,
        presence: str | None = None,
        after: str = "",
        own: bool = False,
        reachable: bool | None = None,
    ) -> Worker:
        """An agent's presence or phone changed by this fact; ``own`` is a call of the agent's
        own, of which nobody knows how long it will take."""
        worker = self.workers.get(agent)
        if worker is None:
            worker = self.workers[agent] = Worker(None)
        was_on_duty, was_ready = worker.on_duty, worker.ready
        if presence is not None:
            worker.presence, worker.after, worker.own = presence, after, own
        if reachable is not None:
            worker.reachable = reachable
        group = worker.group
        if group is not None:
            group.ready += worker.ready - was_ready
            if worker.on_duty != was_on_duty:
                self.version += 1
                group.duty += 1 if worker.on_duty else -1
            if was_on_duty and (worker.own or not worker.on_duty):
                group.left = fact
        elif worker.presence == "signed-out":
            del self.workers[agent]
        return worker
