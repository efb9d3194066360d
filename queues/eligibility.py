"""Who may take which call, indexed so that a decision looks only at heads of lines."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from queues.agents import READY, Agent, AgentKey
from queues.order import Line
from queues.waiting import CallKey, WaitingCall

Needs = tuple[tuple[str, int], ...]

POOLS_MAX = 4096
RUNNERS_UP_MAX = 5


class Pool:
    """Calls of one queue with equal needs, and the ready agents any of them could get."""

    __slots__ = ("calls", "needs", "queue", "ready")

    def __init__(self, queue: str, needs: Needs) -> None:
        self.queue = queue
        self.needs = needs
        self.calls: Line[CallKey] = Line()
        self.ready: Line[AgentKey] = Line()


class Eligibility:
    """Pools by queue and needs, and the agents of each queue counted by standing.

    Holds calls that wait and are not being offered, and agents that are READY. A pool with
    no calls is kept for the next call of its kind; once there are ``POOLS_MAX`` pools, those
    without calls are forgotten before the number may double.
    """

    def __init__(self, idle_step_s: float) -> None:
        self._idle_step_s = idle_step_s
        self._pools: dict[str, dict[Needs, Pool]] = {}
        self._pool_count = 0
        self._pool_count_max = POOLS_MAX
        self._standings: dict[str, Counter[str]] = {}
        self._agents_of: dict[str, dict[str, Agent]] = {}
        self._pools_of: dict[str, list[Pool]] = {}  # agent -> pools the agent could serve

    def count_in(self, agent: Agent) -> None:
        """A further agent, with the standing it has."""
        self._pools_of[agent.id] = []
        for queue in agent.rules.queues:
            self._standings.setdefault(queue, Counter())[agent.standing] += 1
            self._agents_of.setdefault(queue, {})[agent.id] = agent
        self._find_pools(agent)
        if agent.standing == READY:
            self._agent_in(agent)

    def restand(self, agent: Agent, standing: str) -> None:
        """The agent's standing changes from ``agent.standing`` to ``standing``."""
        if agent.standing == READY:
            self._agent_out(agent)
        for queue in agent.rules.queues:
            counts = self._standings[queue]
            counts[agent.standing] -= 1
            counts[standing] += 1
        agent.standing = standing
        if standing == READY:
            self._agent_in(agent)

    def _find_pools(self, agent: Agent) -> None:
        self._pools_of[agent.id] = [
            pool
            for queue in agent.rules.queues
            for pool in self._pools.get(queue, {}).values()
            if agent.can(pool.needs)
        ]

    def _agent_in(self, agent: Agent) -> None:
        keys = {queue: agent.key(queue, self._idle_step_s) for queue in agent.rules.queues}
        for pool in self._pools_of[agent.id]:
            pool.ready.add(keys[pool.queue])

    def _agent_out(self, agent: Agent) -> None:
        keys = {queue: agent.key(queue, self._idle_step_s) for queue in agent.rules.queues}
        for pool in self._pools_of[agent.id]:
            pool.ready.remove(keys[pool.queue])

    def call_in(self, call: WaitingCall, key: CallKey) -> None:
        """The call may be offered."""
        self.pool(call).calls.add(key)

    def call_out(self, call: WaitingCall, key: CallKey) -> None:
        """The call may not be offered any more, or not under this key."""
        self.pool(call).calls.remove(key)

    def pool(self, call: WaitingCall) -> Pool:
        """The call's pool, made where there is none yet."""
        pools = self._pools.setdefault(call.queue, {})
        pool = pools.get(call.needs)
        if pool is None:
            if self._pool_count >= self._pool_count_max:
                self._sweep()
            pool = pools[call.needs] = Pool(call.queue, call.needs)
            self._pool_count += 1
            for agent in self._agents_of.get(call.queue, {}).values():
                if agent.can(call.needs):
                    self._pools_of[agent.id].append(pool)
                    if agent.standing == READY:
                        pool.ready.add(agent.key(call.queue, self._idle_step_s))
        return pool

    def _sweep(self) -> None:
        """Forget pools without calls. What is left is bounded by the calls that wait."""
        for pools in self._pools.values():
            for needs in [needs for needs, pool in pools.items() if not pool.calls]:
                del pools[needs]
        self._pool_count = sum(len(pools) for pools in self._pools.values())
        self._pool_count_max = max(POOLS_MAX, 2 * self._pool_count)
        for agents in self._agents_of.values():
            for agent in agents.values():
                self._find_pools(agent)

    def best_call(self, agent: Agent) -> CallKey | None:
        """The first call in the order that this ready agent may take."""
        best: CallKey | None = None
        for pool in self._pools_of[agent.id]:
            head = pool.calls.first()
            if head is not None and (best is None or head < best):
                best = head
        return best

    def best_agent(self, call: WaitingCall) -> AgentKey | None:
        """The first ready agent in the order of the call's queue that may take it."""
        return self.pool(call).ready.first()

    def runners_up(self, call: WaitingCall) -> list[AgentKey]:
        """The next best after the first, at most ``RUNNERS_UP_MAX``."""
        return list(islice(self.pool(call).ready, 1, 1 + RUNNERS_UP_MAX))

    def excluded(self, call: WaitingCall) -> dict[str, int]:
        """The queue's agents who may not take the call, counted by reason, reasons in order."""
        counts = self._standings.get(call.queue, Counter())
        found = {reason: n for reason, n in counts.items() if n and reason != READY}
        unskilled = counts[READY] - len(self.pool(call).ready)
        if unskilled:
            found["skills"] = unskilled
        return dict(sorted(found.items()))
