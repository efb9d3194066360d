"""A floor under random events, and what must hold whatever their order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from queues.events import (
    CallbackDue,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    CallChanged,
    CallPromoted,
    CallQueued,
    CallWidened,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
)
from queues.floor import Floor
from queues.offers import Effect, Fact, Overflow
from queues.presence import NEXT
from queues.ranking.strategies import RANKS
from queues.rules import AgentRules, FloorRules, QueueRules, personal_queue
from queues.waiting import EMERGENCY, PROMOTED, CallKey
from tests.queues.floors import Watched, indexes_agree, picture, stale, unmatched

QUEUES = ("care", "help", "sales")
SKILLS = ("en", "ru")
AGENTS = ("ann", "bob", "cid", "dot")

queue_rules = st.builds(
    QueueRules,
    target_s=st.sampled_from([5.0, 20.0, 60.0]),
    rank=st.sampled_from([0, 3, 5]),
    credit_s=st.sampled_from([0.0, 5.0]),
    wrap_up_s=st.sampled_from([0.0, 4.0, 10.0]),
    ring_timeout_s=st.just(15.0),
    strategy=st.sampled_from(sorted(RANKS)),
    wait_max_s=st.sampled_from([40.0, 400.0]),
    skills=st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 3), max_size=1),
)
agent_rules = st.builds(
    AgentRules,
    queues=st.dictionaries(st.sampled_from(QUEUES), st.integers(1, 3), min_size=1),
    skills=st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 3)),
    position=st.integers(0, 2),
    weight=st.sampled_from([0.5, 1.0, 4.0]),
)
floor_rules = st.builds(
    FloorRules,
    queues=st.fixed_dictionaries(dict.fromkeys(QUEUES, queue_rules)),
    agents=st.fixed_dictionaries(dict.fromkeys(AGENTS, agent_rules)),
    starvation_s=st.sampled_from([30.0, 300.0]),
    idle_step_s=st.just(10.0),
    lease_s=st.just(25.0),
    waiting_max=st.sampled_from([3, 50]),
)
some_agent = st.sampled_from(AGENTS)


CHANGES = (
    OfferEnded,
    CallQueued,
    CallPromoted,
    CallWidened,
    CallChanged,
    CallbackPlaced,
    CallbackMissed,
    CallbackDue,
    CallbackReached,
)


class FloorMachine(RuleBasedStateMachine):
    """Callers, agents, phones and the clock in any order; a second floor is configured in
    another order and must do the same, a third is fed the facts alone and must end the same."""

    @initialize(chosen=floor_rules, staffed=st.sets(some_agent))
    def open_the_floor(self, chosen: FloorRules, staffed: set[str]) -> None:
        self.rules = chosen
        self.now = 1000.0
        self.watched = Watched(chosen)
        self.mirror = Floor(shuffled(chosen))
        self.replayed = Floor(chosen)
        self.number = 0
        self.offered: Counter[str] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()
        self.returned: set[str] = set()
        self.keys: dict[str, CallKey] = {}
        self.fences: set[tuple[str, int]] = set()
        for agent in sorted(staffed):
            self.do("set_reachable", agent, True, self.now)
            self.do("sign_in", agent, self.now)

    def do(self, name: str, *args: Any, **kwargs: Any) -> list[Effect]:
        """One command on both floors; its facts are replayed and counted."""
        self.remember_keys()
        known = len(self.watched.facts)
        if name == "reload":  # not by ``reload``: the third floor must not decide anything
            self.replayed._desk.state.adopt(args[0])
        effects: list[Effect] = getattr(self.watched, name)(*args, **kwargs)
        if name == "reload":
            args = (shuffled(args[0]), *args[1:])
        assert getattr(self.mirror, name)(*args, **kwargs) == effects
        for at, call, event in self.watched.facts[known:]:
            self.replayed.apply(call, event, at)
        self.count(effects)
        self.check_overtaking(effects)
        return effects

    def remember_keys(self) -> None:
        state = self.watched.floor._desk.state
        self.keys = {call: waiting.key() for call, waiting in state.calls.items()}

    def count(self, effects: list[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Fact):
                continue
            if isinstance(effect.event, CallQueued):
                if effect.event.returned:
                    self.returned.add(effect.call)
                else:
                    self.offered[effect.event.queue] += 1
            elif isinstance(effect.event, QueueVisitEnded):
                assert effect.event.returned == (effect.call in self.returned)
                if not effect.event.returned:
                    self.ended[effect.event.queue, effect.event.end] += 1
            elif isinstance(effect.event, OfferMade):
                self.fences.add((effect.event.agent, effect.event.fence))

    def check_overtaking(self, effects: list[Effect]) -> None:
        """Invariant 3: whoever stays unoffered while a later call got an agent could not have
        had that agent (or is behind by the tuple)."""
        state = self.watched.floor._desk.state
        for index, effect in enumerate(effects):
            if not (isinstance(effect, Fact) and isinstance(effect.event, OfferMade)):
                continue
            changed_later = {
                later.call
                for later in effects[index:]
                if isinstance(later, Fact) and isinstance(later.event, CHANGES)
            }
            winner = state.calls.get(effect.call)
            agent = state.agents.get(effect.event.agent)
            if winner is None or agent is None or effect.call in changed_later:
                continue
            for other in state.calls.values():
                if not other.is_open or other.call in changed_later:
                    continue
                if not agent.rules.queues.get(other.queue):
                    continue
                if not agent.lacks(other.queue, other.wants) and other.call in self.keys:
                    assert winner.key() < other.key()
                    same_class = winner.rank == other.rank and winner.promoted == other.promoted
                    if same_class and not winner.returned:
                        assert winner.deadline <= other.deadline
                    if winner.rank > other.rank:
                        assert winner.key().tier == PROMOTED
                        assert other.key().tier != EMERGENCY

    @rule(seconds=st.sampled_from([0.0, 0.4, 3.0, 5.0, 11.0, 26.0, 31.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.do("tick", self.now)

    @rule()
    def wait_until_due(self) -> None:
        due = self.watched.floor.next_deadline
        if due is not None:
            self.now = max(self.now, due)
            self.do("tick", self.now)
            left = self.watched.floor.next_deadline
            assert left is None or left > self.now

    @rule(
        queue=st.sampled_from(QUEUES),
        priority=st.integers(-1, 3),
        skills=st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 3), max_size=1),
        rank=st.sampled_from([None, None, None, 0, 7]),
    )
    def call_arrives(
        self, queue: str, priority: int, skills: dict[str, int], rank: int | None
    ) -> None:
        if queue not in self.rules.queues:
            return
        self.number += 1
        call = f"c{self.number}"
        self.do("enqueue", call, queue, self.now, priority=priority, skills=skills, rank=rank)

    @rule(data=st.data(), end=st.sampled_from(["abandoned", "abandoned", "removed"]))
    def call_leaves(self, data: st.DataObject, end: str) -> None:
        calls = sorted(self.watched.floor._desk.state.calls)
        if calls:
            self.do("leave", data.draw(st.sampled_from(calls)), self.now, end)

    @rule(agent=some_agent, reachable=st.booleans())
    def phone(self, agent: str, reachable: bool) -> None:
        self.do("set_reachable", agent, reachable, self.now)

    @rule(agent=some_agent)
    def phone_and_sign_in(self, agent: str) -> None:
        self.do("set_reachable", agent, True, self.now)
        if agent in self.rules.agents:
            self.do("sign_in", agent, self.now)
            self.do("ready", agent, self.now)

    @rule(
        agent=some_agent,
        command=st.sampled_from(["sign_in", "sign_out", "ready", "end_wrap_up", "free"]),
    )
    def agent_says(self, agent: str, command: str) -> None:
        if agent in self.rules.agents:
            self.do(command, agent, self.now)

    @rule(agent=some_agent, command=st.sampled_from(["take_break", "busy"]))
    def agent_turns_away(self, agent: str, command: str) -> None:
        if agent in self.rules.agents:
            self.do(command, agent, self.now, "lunch")

    @rule(data=st.data(), how=st.sampled_from(["accept", "accept", "accept", "refuse"]))
    def phone_answers(self, data: st.DataObject, how: str) -> None:
        """Any offer ever made, pending or long over."""
        if not self.fences:
            return
        agent, fence = data.draw(st.sampled_from(sorted(self.fences)))
        pending = self.watched.ringing()
        mine = [view for view in self.watched.floor.agents() if view.agent == agent]
        is_pending = bool(mine) and (mine[0].fence, mine[0].presence) == (fence, "offered")
        if how == "accept":
            effects = self.do("accept", agent, fence, self.now)
            assert (stale(effects) == []) or not is_pending or mine[0].until <= self.now
        else:
            position = {view.call: view.position for view in self.watched.floor.waiting()}
            effects = self.do("refuse", agent, fence, self.now, "rung-out", "no answer")
            for call in pending:
                if call in self.watched.floor._desk.state.calls and len(effects) == 2:
                    assert self.watched.floor.position(call) == position[call]

    @precondition(lambda self: self.watched.ringing())
    @rule(data=st.data())
    def ringing_phone_answers(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(self.watched.ringing())))
        agent = self.watched.ringing()[call]
        self.do("accept", agent, self.watched.fence(agent), self.now)

    @rule(agent=some_agent)
    def talk_ends(self, agent: str) -> None:
        self.do("finished", agent, self.now)

    @rule(agent=some_agent)
    def agent_is_lost(self, agent: str) -> None:
        view = [view for view in self.watched.floor.agents() if view.agent == agent]
        if not view or view[0].presence != "talking" or not view[0].queue:
            return
        call, queue = view[0].call, view[0].queue
        self.do("lost", agent, self.now, "media timeout")
        if queue in self.rules.queues:
            effects = self.do("enqueue", call, queue, self.now, head=True)
            assert not [e for e in effects if isinstance(e, Overflow) and e.reason == "floor full"]

    @rule(
        chosen=floor_rules,
        gone=st.sets(st.sampled_from(QUEUES + AGENTS), max_size=2),
        when_due=st.booleans(),
    )
    def reload(self, chosen: FloorRules, gone: set[str], when_due: bool) -> None:
        """At any time; with ``when_due`` at the instant of the next deadline, before its tick."""
        if when_due:
            self.now = max(self.now, self.watched.floor.next_deadline or self.now)
        self.rules = replace(
            chosen,
            queues={name: queue for name, queue in chosen.queues.items() if name not in gone},
            agents={
                name: replace(
                    agent, queues={q: n for q, n in agent.queues.items() if q not in gone}
                )
                for name, agent in chosen.agents.items()
                if name not in gone
            },
        )
        for effect in self.do("reload", self.rules, self.now):
            if isinstance(effect, Fact) and isinstance(effect.event, OfferMade):
                queues = self.rules.agents[effect.event.agent].queues
                assert {effect.event.queue} <= {*queues, personal_queue(effect.event.agent)}

    def teardown(self) -> None:
        """A restart: a floor with the last rules, fed all facts, has everybody in their places.

        Agents are left out: of one who was gone for a while the facts know more than the floor,
        and recovery settles agents and phones anyway.
        """
        if not hasattr(self, "watched"):
            return
        restarted = Floor(self.rules)
        for at, call, event in self.watched.facts:
            restarted.apply(call, event, at)
        ours, theirs = picture(self.watched.floor), picture(restarted)
        for name in ("version", "fence", "place", "calls", "strays", "lines"):
            assert theirs[name] == ours[name], name

    @invariant()
    def no_call_waits_beside_a_ready_agent(self) -> None:
        assert unmatched(self.watched.floor) == []

    @invariant()
    def indexes_hold_what_is(self) -> None:
        indexes_agree(self.watched.floor)

    @invariant()
    def one_offer_or_call_each(self) -> None:
        state = self.watched.floor._desk.state
        for call in state.calls.values():
            for agent in (state.agents[rung] for rung in call.rung):
                rings = "offered" if call.on_line else "reserved"
                assert (agent.presence, agent.call) == (rings, call.call)
                assert agent.fence
        for agent in state.agents.values():
            assert (agent.presence in ("offered", "reserved")) == bool(agent.fence)
            if agent.fence:
                assert agent.id in state.calls[agent.call].rung
        talking = [a.call for a in state.agents.values() if a.presence == "talking" and a.call]
        assert len(talking) == len(set(talking))
        assert not set(talking) & state.calls.keys()

    @invariant()
    def nobody_is_stuck(self) -> None:
        pending = self.watched.floor._desk.state.timers.pending()
        for view in self.watched.floor.agents():
            assert any(row[0] == view.presence for row in NEXT)
            if view.presence in ("offered", "reserved", "wrap-up"):
                assert any(ident == view.agent for _, ident in pending)

    @invariant()
    def visits_add_up(self) -> None:
        waiting = Counter(
            view.queue
            for view in self.watched.floor.waiting()
            if not view.returned and view.kind == "call"
        )
        for queue in self.offered.keys() | waiting.keys():
            ended = sum(n for (name, _), n in self.ended.items() if name == queue)
            assert self.offered[queue] == ended + waiting[queue]

    @invariant()
    def facts_alone_rebuild_the_floor(self) -> None:
        assert picture(self.replayed) == picture(self.watched.floor)


def shuffled(chosen: FloorRules) -> FloorRules:
    """The same configuration, written in the opposite order."""
    return replace(
        chosen,
        queues={
            name: replace(queue, skills=dict(reversed(queue.skills.items())))
            for name, queue in reversed(chosen.queues.items())
        },
        agents={
            name: replace(
                agent,
                queues=dict(reversed(agent.queues.items())),
                skills=dict(reversed(agent.skills.items())),
            )
            for name, agent in reversed(chosen.agents.items())
        },
    )
