"""What the tests of the floor share: rules in one line, a floor that remembers, a picture of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from queues.agents import READY, Agent
from queues.floor import Floor
from queues.offers import Effect, Fact, FloorEvent, Offer, OfferStale, Overflow, Withdraw
from queues.ranking.eligibility import Eligibility
from queues.ranking.teams import Team
from queues.rules import PERSONAL, AgentRules, FloorRules, QueueRules, personal_queue
from queues.waiting import WaitingCall


def rules(
    queues: dict[str, QueueRules] | None = None,
    agents: dict[str, AgentRules] | None = None,
    **floor: Any,
) -> FloorRules:
    """One queue ``main`` and two agents for it, unless said otherwise."""
    return FloorRules(
        queues={"main": QueueRules()} if queues is None else queues,
        agents={name: AgentRules({"main": 1}) for name in ("ann", "bob")}
        if agents is None
        else agents,
        **floor,
    )


class Watched:
    """A floor whose effects are kept: all in ``effects``, facts with their time in ``facts``."""

    def __init__(self, floor_rules: FloorRules, *, staffed: bool = False) -> None:
        self.floor = Floor(floor_rules)
        self.effects: list[Effect] = []
        self.facts: list[tuple[float, str, FloorEvent]] = []
        if staffed:
            for agent in sorted(floor_rules.agents):
                self.staff(agent, 0.0)

    def staff(self, agent: str, now: float) -> list[Effect]:
        return self.set_reachable(agent, True, now) + self.sign_in(agent, now)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.floor, name)
        if not callable(method) or name in ("position", "waiting", "agents"):
            return method

        def call(*args: Any, **kwargs: Any) -> list[Effect]:
            effects: list[Effect] = method(*args, **kwargs)
            now = self.floor._desk.state.now
            self.effects += effects
            self.facts += [(now, e.call, e.event) for e in effects if isinstance(e, Fact)]
            return effects

        return call

    def fence(self, agent: str) -> int:
        return next(view.fence for view in self.floor.agents() if view.agent == agent)

    def presence(self, agent: str) -> str:
        return next(view.presence for view in self.floor.agents() if view.agent == agent)

    def ringing(self) -> dict[str, str]:
        """Call -> agent of the offers pending, the first where several phones ring."""
        return {view.call: view.offered_to[0] for view in self.floor.waiting() if view.offered_to}


def order_of(watched: Watched, agent: str = "ann", now: float = 1000.0) -> list[str]:
    """The calls in the order in which one agent, staffed now, gets them."""
    watched.staff(agent, now)
    taken = []
    while watched.ringing():
        (call,) = watched.ringing()
        taken.append(call)
        watched.accept(agent, watched.fence(agent), now)
        watched.finished(agent, now)
        watched.end_wrap_up(agent, now)
    return taken


def offers(effects: list[Effect]) -> list[tuple[str, str]]:
    """(call, agent) of the offers among the effects."""
    return [(e.call, e.agent) for e in effects if isinstance(e, Offer)]


def overflows(effects: list[Effect]) -> list[tuple[str, str, str]]:
    return [(e.call, e.to, e.reason) for e in effects if isinstance(e, Overflow)]


def withdrawn(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(e.call, e.agent) for e in effects if isinstance(e, Withdraw)]


def stale(effects: list[Effect]) -> list[tuple[str, int]]:
    return [(e.agent, e.fence) for e in effects if isinstance(e, OfferStale)]


def events(effects: list[Effect], kind: type[Any]) -> list[Any]:
    """The facts of one kind among the effects."""
    return [e.event for e in effects if isinstance(e, Fact) and isinstance(e.event, kind)]


def picture(floor: Floor) -> dict[str, Any]:
    """Everything the floor's next decisions can depend on, indexes included."""
    state = floor._desk.state
    eligibility = state.eligibility
    return {
        "version": state.version,
        "fence": state.fence,
        "place": state.place,
        "calls": {name: asdict(call) for name, call in sorted(state.calls.items())},
        "agents": {
            name: asdict(agent) | {"rules": None} for name, agent in sorted(state.agents.items())
        },
        "talks": dict(sorted(state.talks.items())),
        "strays": dict(sorted(state.strays.items())),
        "places": state.places.all(),
        "sticky": {agent: set(calls) for agent, calls in sorted(state.sticky.items())},
        "on_hold": {queue: n for queue, n in sorted(state.on_hold.items()) if n},
        "lines": {name: list(line) for name, line in sorted(state.lines.items())},
        "timers": dict(sorted(state.timers.pending().items())),
        "open": {
            (queue, pool.wants): (list(pool.calls), pool.head)
            for queue, team in sorted(eligibility._teams.items())
            for pool in sorted(team.pools.values(), key=lambda pool: pool.wants)
            if pool.calls
        },
        "order": {name: eligibility.everyone(call) for name, call in sorted(state.calls.items())},
        "clocks": dict(sorted(state.roster.lottery._clocks.items())),
        "standings": {
            queue: standings_of(eligibility, team)
            for queue, team in sorted(eligibility._teams.items())
            if team.agents and not queue.startswith(PERSONAL)
        },
    }


def unmatched(floor: Floor) -> list[tuple[str, str]]:
    """Pairs that break the work-conserving rule, found the slow way."""
    state = floor._desk.state
    return [
        (call.call, agent.id)
        for call in state.calls.values()
        for agent in state.agents.values()
        if call.is_open
        and agent.presence == "available"
        and agent.reachable
        and may_take(agent, call)
    ]


def may_take(agent: Agent, call: WaitingCall) -> bool:
    """Whether the agent is the call's, presence apart; written out once more."""
    level = agent.rules.queues.get(call.queue)
    if call.queue == personal_queue(agent.id):
        level = 1
    if level is None or (call.wants.only and call.wants.only != agent.id):
        return False
    if call.wants.level_max and level > call.wants.level_max:
        return False
    skills = agent.rules.skills
    return all(skill in skills and skills[skill] <= weakest for skill, weakest in call.wants.needs)


def indexes_agree(floor: Floor) -> None:
    """The indexes hold exactly what calls and agents say."""
    state = floor._desk.state
    for queue, line in state.lines.items():
        mine = [call for call in state.calls.values() if call.queue == queue]
        assert list(line) == sorted(call.key() for call in mine)
    assert sum(len(line) for line in state.lines.values()) == len(state.calls)
    pools_agree(floor)


def pools_agree(floor: Floor) -> None:
    """The pools hold exactly the calls that may be offered and the ready agents."""
    state = floor._desk.state
    eligibility = state.eligibility
    ready = {agent.id for agent in state.agents.values() if agent.standing == READY}
    assert set(eligibility._loose) <= ready
    assert eligibility._keys.keys() == ready
    pools = [pool for team in eligibility._teams.values() for pool in team.pools.values()]
    assert len(pools) == eligibility._pool_count
    assert set(eligibility._empty) == {pool for pool in pools if not pool.calls}
    for pool in pools:
        assert pool.head == pool.calls.first()
        assert list(pool.ready) == sorted(
            pool.team.key(agent, pool.wants)
            for agent in state.agents.values()
            if agent.id in ready - eligibility._loose.keys()
            and agent.serves(pool.team.queue)
            and not agent.lacks(pool.team.queue, pool.wants)
        )
    waiting = [key.call for pool in pools for key in pool.calls]
    assert len(waiting) == len(set(waiting))
    assert set(waiting) == {call.call for call in state.calls.values() if call.is_open}
    for team in eligibility._teams.values():
        gone = team.queue.startswith(PERSONAL) and state.rules.queue(team.queue) is None
        agents = [a for a in state.agents.values() if not gone and a.serves(team.queue)]
        assert team.agents == {agent.id: agent for agent in agents}
        counts = Counter(agent.standing for agent in agents)
        assert standings_of(eligibility, team) == counts
        levels = Counter(
            agent.level(team.queue)
            for agent in agents
            if agent.standing == READY and agent.id not in eligibility._loose
        )
        levels.update(
            agent.level(team.queue)
            for agent in agents
            if eligibility._loose.get(agent.id, (agent, ""))[1] == READY
        )
        assert {level: n for level, n in team.levels.items() if n} == levels
        heads = {pool.head: pool for pool in team.pools.values() if pool.head is not None}
        assert team.firsts == sorted(heads)
        assert team.heads == [heads[first] for first in team.firsts]


def standings_of(eligibility: Eligibility, team: Team) -> dict[str, int]:
    """The team's counts, those put right who are counted by an earlier standing."""
    counts = Counter(team.standings)
    for agent, counted in eligibility._loose.values():
        if agent.id in team.agents:
            counts[counted] -= 1
            counts[READY] += 1
    return {standing: n for standing, n in sorted(counts.items()) if n}
