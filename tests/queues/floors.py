"""What the tests of the floor share: rules in one line, a floor that remembers, a picture of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from queues.agents import READY
from queues.floor import Floor
from queues.offers import Effect, Fact, FloorEvent, Offer, OfferStale, Overflow, Withdraw
from queues.rules import AgentRules, FloorRules, QueueRules


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
        """Call -> agent of the offers pending."""
        return {view.call: view.offered_to for view in self.floor.waiting() if view.offered_to}


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
        "lines": {name: list(line) for name, line in sorted(state.lines.items())},
        "timers": dict(sorted(state.timers.pending().items())),
        "open": {
            (queue, needs): (list(pool.calls), list(pool.ready))
            for queue, pools in sorted(eligibility._pools.items())
            for needs, pool in sorted(pools.items())
            if pool.calls
        },
        "standings": {
            queue: {reason: n for reason, n in sorted(counts.items()) if n}
            for queue, counts in sorted(eligibility._standings.items())
        },
    }


def unmatched(floor: Floor) -> list[tuple[str, str]]:
    """Pairs that break the work-conserving rule, found the slow way."""
    state = floor._desk.state
    return [
        (call.call, agent.id)
        for call in state.calls.values()
        for agent in state.agents.values()
        if not call.offered_to
        and agent.presence == "available"
        and agent.reachable
        and call.queue in agent.rules.queues
        and agent.can(call.needs)
    ]


def indexes_agree(floor: Floor) -> None:
    """The indexes hold exactly what calls and agents say."""
    state = floor._desk.state
    for queue, line in state.lines.items():
        mine = [call for call in state.calls.values() if call.queue == queue]
        assert list(line) == sorted(call.key() for call in mine)
    assert sum(len(line) for line in state.lines.values()) == len(state.calls)
    for queue, pools in state.eligibility._pools.items():
        for needs, pool in pools.items():
            assert list(pool.calls) == sorted(
                call.key()
                for call in state.calls.values()
                if (call.queue, call.needs) == (queue, needs) and not call.offered_to
            )
            assert list(pool.ready) == sorted(
                agent.key(queue, state.rules.idle_step_s)
                for agent in state.agents.values()
                if agent.standing == READY and queue in agent.rules.queues and agent.can(needs)
            )
