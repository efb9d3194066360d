"""Who may take which call, indexed so that a decision looks only at heads of lines."""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice

from queues.agents import LEVEL, NOT_ASKED, READY, SKILLS, Agent, AgentKey
from queues.events import SortKey
from queues.ranking.teams import Pool, Team
from queues.rules import PERSONAL, FloorRules
from queues.waiting import CallKey, WaitingCall
from queues.wants import Wants

POOLS_MAX = 16_384
LOOSE_MAX = 4
LEVEL_MAX = 1_000_000  # weaker than any
RUNNERS_UP_MAX = 5


class Eligibility:
    """Pools by queue and wants, and the team of each queue.

    Holds calls that wait and are not being offered, and agents that are READY. An agent who
    gets ready mostly takes a call at once, so the first ``LOOSE_MAX`` stay *loose*: looked at
    one by one, in no pool's line and not counted as ready yet. Pools without calls are kept for
    the next call of their kind; beyond ``POOLS_MAX`` pools the one that has been empty the
    longest is forgotten. An agent's personal queue has a team while it has pools.
    """

    def __init__(self, rules: FloorRules) -> None:
        self._rules = rules
        self._agents: dict[str, Agent] = {}
        self._teams: dict[str, Team] = {}
        self._teams_of: dict[str, list[tuple[Team, int]]] = {}  # agent -> teams, with the level
        self._pools_of: dict[str, dict[Pool, None]] = {}  # agent -> pools the agent could serve
        self._pool_count = 0
        self._empty: dict[Pool, None] = {}  # without calls, the longest empty first
        self._loose: dict[str, tuple[Agent, str]] = {}  # with the standing still counted
        self._found: tuple[str, Wants, Pool] | None = None  # the pool asked for last
        self._keys: dict[str, dict[str, AgentKey]] = {}  # ready agent -> queue -> key

    # Agents.

    def count_in(self, agent: Agent) -> None:
        """A further agent, with the standing it has."""
        self._agents[agent.id] = agent
        self._teams_of[agent.id] = []
        self._pools_of[agent.id] = {}
        for queue in agent.rules.queues:
            team = self._teams.get(queue)
            if team is None:
                team = self._teams[queue] = Team(queue, self._rules)
            self._join(team, agent)
        if agent.standing == READY:
            self._keys[agent.id] = {}
            self._line_up(agent)

    def _join(self, team: Team, agent: Agent) -> None:
        level = agent.level(team.queue)
        team.agents[agent.id] = agent
        loose = self._loose.get(agent.id)
        counted = agent.standing if loose is None else loose[1]
        team.standings[counted] += 1
        team.levels[level] = team.levels.get(level, 0) + (counted == READY)
        self._teams_of[agent.id].append((team, level))
        for pool in team.pools.values():
            if not agent.lacks(team.queue, pool.wants):
                self._pools_of[agent.id][pool] = None

    def restand(self, agent: Agent, standing: str) -> None:
        """The agent's standing changes from ``agent.standing`` to ``standing``."""
        former, agent.standing = agent.standing, standing
        if standing == READY:
            self._keys[agent.id] = {}
            self._loose[agent.id] = agent, former
            if len(self._loose) > LOOSE_MAX:
                for loose, counted in self._loose.values():
                    self._recount(loose, counted, READY)
                    self._line_up(loose)
                self._loose.clear()
            return
        if former == READY:
            found = self._loose.pop(agent.id, None)
            if found is None:
                self._take_out(agent)
            else:
                former = found[1]
            del self._keys[agent.id]
        self._recount(agent, former, standing)

    def rekey(self, agent: Agent) -> None:
        """The figures of a ready agent changed."""
        if agent.id in self._loose:
            self._keys[agent.id] = {}
        else:
            self._take_out(agent)
            self._keys[agent.id] = {}
            self._line_up(agent)

    def _recount(self, agent: Agent, former: str, standing: str) -> None:
        if former == standing:
            return
        teams = self._teams_of[agent.id]
        for team, _ in teams:
            standings = team.standings
            standings[former] -= 1
            standings[standing] += 1
        if former == READY or standing == READY:
            change = 1 if standing == READY else -1
            for team, level in teams:
                team.levels[level] += change

    def _line_up(self, agent: Agent) -> None:
        for pool in self._pools_of[agent.id]:
            pool.line_up(self._key(agent, pool))

    def _take_out(self, agent: Agent) -> None:
        for pool in self._pools_of[agent.id]:
            pool.ready.remove(self._key(agent, pool))

    def _key(self, agent: Agent, pool: Pool) -> AgentKey:
        """The key of a ready agent, made once."""
        team = pool.team
        if team.by_needs:
            return team.key(agent, pool.wants)
        keys = self._keys[agent.id]
        key = keys.get(team.queue)
        if key is None:
            key = keys[team.queue] = team.key(agent, pool.wants)
        return key

    # Calls.

    def call_in(self, call: WaitingCall, key: CallKey) -> None:
        """The call may be offered."""
        pool = self._pool(call)
        pool.calls.add(key)
        if pool.head is None:
            del self._empty[pool]
        elif pool.head < key:
            return
        self._head(pool, key)

    def call_out(self, call: WaitingCall, key: CallKey) -> None:
        """The call may not be offered any more, or not under this key."""
        pool = self._pool(call)
        pool.calls.remove(key)
        if pool.head == key:
            self._head(pool, pool.calls.first())
            if pool.head is None:
                self._empty[pool] = None

    def _head(self, pool: Pool, key: CallKey | None) -> None:
        firsts, heads = pool.team.firsts, pool.team.heads
        if pool.head is not None:
            place = bisect_left(firsts, pool.head)
            del firsts[place], heads[place]
        if key is not None:
            place = bisect_left(firsts, key)
            firsts.insert(place, key)
            heads.insert(place, pool)
        pool.head = key

    def _pool(self, call: WaitingCall) -> Pool:
        """The call's pool, made where there is none yet."""
        queue, wants = call.queue, call.wants
        found = self._found  # one decision asks several times
        if found is not None and found[1] is wants and found[0] == queue:
            return found[2]
        team = self._teams.get(queue)
        if team is None:
            team = self._made(queue)
        pool = team.pools.get(wants)
        if pool is None:
            pool = team.pools[wants] = Pool(team, wants)
            self._pool_count += 1
            self._fill(pool)
            while self._pool_count > POOLS_MAX and self._empty:
                self._forget(next(iter(self._empty)))
            self._empty[pool] = None
        self._found = queue, wants, pool
        return pool

    def _made(self, queue: str) -> Team:
        """The team of a queue that had none: nobody serves it, or it is a personal one."""
        team = self._teams[queue] = Team(queue, self._rules)
        agent = self._agents.get(queue.removeprefix(PERSONAL))
        known = self._rules.queue(queue) is not None
        if known and agent is not None and agent.serves(queue):
            self._join(team, agent)
        return team

    def _fill(self, pool: Pool) -> None:
        """Find the agents of a new pool; most of all the one agent who is asked for."""
        team, only = pool.team, pool.wants.only
        asked = [only] if only else team.agents
        for agent in (team.agents[ident] for ident in asked if ident in team.agents):
            if not agent.lacks(team.queue, pool.wants):
                self._pools_of[agent.id][pool] = None
                if agent.standing == READY and agent.id not in self._loose:
                    pool.line_up(self._key(agent, pool))

    def _forget(self, pool: Pool) -> None:
        """Drop a pool without calls, and a personal team with its last pool."""
        team = pool.team
        self._found = None
        for ident in team.agents:
            self._pools_of[ident].pop(pool, None)
        del self._empty[pool]
        del team.pools[pool.wants]
        self._pool_count -= 1
        if not team.pools and (not team.agents or team.queue.startswith(PERSONAL)):
            for ident in team.agents:
                self._teams_of[ident].remove((team, 1))
            del self._teams[team.queue]

    # Decisions.

    def best_call(self, agent: Agent) -> CallKey | None:
        """The first call in the order that this ready agent may take."""
        pools = self._pools_of[agent.id]
        best: CallKey | None = None
        for team, _ in self._teams_of[agent.id]:
            for pool in team.heads:
                if pool in pools:
                    head = pool.head
                    if best is None or (head is not None and head < best):
                        best = head
                    break
        return best

    def best_agent(self, call: WaitingCall) -> AgentKey | None:
        """The first ready agent in the order of the call's queue that may take it."""
        pool = self._pool(call)
        best = pool.ready.first()
        for agent, _ in self._loose.values():
            if pool in self._pools_of[agent.id]:
                key = self._key(agent, pool)
                if best is None or key < best:
                    best = key
        return best

    def key_of(self, agent: Agent, call: WaitingCall) -> AgentKey:
        """The sort key of a ready agent who may take the call."""
        return self._key(agent, self._pool(call))

    def ready_for(self, call: WaitingCall, count: int) -> list[AgentKey]:
        """The first ``count`` ready agents in the order that may take the call."""
        pool = self._pool(call)
        found = self._loose_for(pool)
        if pool.ready:
            found += islice(pool.ready, count)
        found.sort()
        return found[:count]

    def runners_up(self, call: WaitingCall) -> list[AgentKey]:
        """The next best after the first, at most ``RUNNERS_UP_MAX``."""
        if len(self._loose) < 2 and not self._pool(call).ready:
            return []
        return self.ready_for(call, 1 + RUNNERS_UP_MAX)[1:]

    def excluded(self, call: WaitingCall) -> dict[str, int]:
        """The queue's agents who may not take the call, counted by reason, reasons in order.

        A standing that is not READY comes before what the agent cannot do."""
        pool = self._pool(call)
        team = pool.team
        found = {standing: n for standing, n in team.standings.items() if n}
        fit = len(pool.ready)
        for agent, counted in self._loose.values():
            if agent.id in team.agents:
                found[counted] -= 1
                if not found[counted]:
                    del found[counted]
                found[READY] = found.get(READY, 0) + 1
                fit += pool in self._pools_of[agent.id]
        ready = found.pop(READY, 0)
        if ready > fit:
            found |= self._unfit(pool, ready, ready - fit)
            return dict(sorted(found.items()))
        return found

    def _unfit(self, pool: Pool, ready: int, unfit: int) -> dict[str, int]:
        """Why so many of the team's ready agents may not take the pool's calls."""
        team, wants = pool.team, pool.wants
        if wants.only:
            asked = team.agents.get(wants.only)
            if asked is None or asked.standing != READY:
                return {NOT_ASKED: ready}
            reasons = {NOT_ASKED: ready - 1, asked.lacks(team.queue, wants): unfit - ready + 1}
        else:
            weakest = wants.level_max or LEVEL_MAX
            weaker = sum(n for level, n in team.levels.items() if level > weakest)
            for agent, _ in self._loose.values():
                weaker += agent.id in team.agents and agent.level(team.queue) > weakest
            reasons = {LEVEL: weaker, SKILLS: unfit - weaker}
        return {reason: n for reason, n in reasons.items() if n}

    def everyone(self, call: WaitingCall) -> list[tuple[str, str, SortKey]]:
        """All agents of the queue as (agent, why not or "", sort key): those who may take the
        call in their order, then the others by id. For explanations: it looks at everybody."""
        team, wants = self._pool(call).team, call.wants
        listed = []
        for agent in team.agents.values():
            reason = agent.lacks(call.queue, wants) if agent.standing == READY else agent.standing
            key = team.key(agent, wants)
            listed.append((bool(reason), None if reason else key, agent.id, reason, key))
        may = sorted(entry for entry in listed if not entry[0])
        may_not = sorted((entry for entry in listed if entry[0]), key=lambda entry: entry[2])
        return [(ident, reason, key.sort_key()) for _, _, ident, reason, key in may + may_not]

    def signed_in(self, queue: str) -> int:
        """How many agents serve the queue and are signed in."""
        return self._count(queue, frozenset({"signed-out"}))

    def working(self, queue: str) -> int:
        """How many agents serve the queue, are signed in and not on a break."""
        return self._count(queue, frozenset({"signed-out", "on-break"}))

    def _count(self, queue: str, without: frozenset[str]) -> int:
        team = self._teams.get(queue)
        if team is None:
            owner = self._agents.get(queue.removeprefix(PERSONAL))
            return owner is not None and owner.serves(queue) and owner.standing not in without
        count = sum(n for standing, n in team.standings.items() if standing not in without)
        for agent, counted in self._loose.values():
            count += counted in without and agent.id in team.agents
        return count

    def _loose_for(self, pool: Pool) -> list[AgentKey]:
        return [
            self._key(agent, pool)
            for agent, _ in self._loose.values()
            if pool in self._pools_of[agent.id]
        ]
