"""The floor's invariants with all that may happen to those who wait: callbacks, widening, agents
who know the caller, personal queues, moves and changes by supervisors, redials, closing hours."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import invariant, rule

from config.hours import Schedule
from queues.events import (
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallQueued,
    OfferMade,
    QueueVisitEnded,
)
from queues.offers import CallbackOver, Effect, Fact, Reserve
from queues.rules import (
    AgentRules,
    BreakRules,
    CallbackRules,
    FloorRules,
    QueueRules,
    Widening,
    personal_queue,
)
from tests.queues.floor_machine import AGENTS, QUEUES, SKILLS, FloorMachine, agent_rules, some_agent

ALL_DAY = ((0, 24 * 60),)
MORNING = Schedule(ZoneInfo("UTC"), week=(((0, 20),),) * 7)  # open for the first twenty minutes
STAFFED = ["always", "always", "always", "signed-in", "working"]

queue_rules = st.builds(
    QueueRules,
    rank=st.sampled_from([0, 3, 5]),
    wrap_up_s=st.sampled_from([0.0, 4.0]),
    strategy=st.sampled_from(["longest-idle", "ring-all", "ring-all", "linear"]),
    ring_all_max=st.integers(1, 3),
    wait_max_s=st.sampled_from([40.0, 400.0]),
    waiting_max=st.sampled_from([None, None, 2]),
    expected_max_s=st.sampled_from([None, None, 100.0]),
    skills=st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 3), max_size=1),
    widening=st.sampled_from(
        [
            (),
            (Widening(0.0, 1), Widening(10.0, 2), Widening(20.0, 3, frozenset({"en", "ru"}))),
            (Widening(5.0, 0, frozenset({"en"})),),
        ]
    ),
    sticky_s=st.sampled_from([0.0, 12.0]),
    resume_s=st.sampled_from([0.0, 30.0]),
    schedule=st.sampled_from([None, None, None, MORNING]),
    join_when=st.sampled_from(STAFFED),
    stay_while=st.sampled_from(STAFFED),
    callback=st.builds(
        CallbackRules,
        attempts=st.integers(1, 3),
        retry_s=st.sampled_from([5.0, 60.0]),
        ring_s=st.just(20.0),
        expires_s=st.sampled_from([50.0, 5000.0]),
    ),
)
floor_rules = st.builds(
    FloorRules,
    queues=st.fixed_dictionaries(dict.fromkeys(QUEUES, queue_rules)),
    agents=st.fixed_dictionaries(dict.fromkeys(AGENTS, agent_rules)),
    starvation_s=st.sampled_from([30.0, 300.0]),
    lease_s=st.just(25.0),
    waiting_max=st.sampled_from([3, 50]),
    breaks=st.sampled_from([{}, {"lunch": BreakRules(20.0, 1), "tea": BreakRules()}]),
)
PLACES = (*QUEUES, *(personal_queue(agent) for agent in AGENTS))
some_queue = st.sampled_from(PLACES)


class LifeMachine(FloorMachine):
    """Commands as in ``FloorMachine``, and those about callbacks and live changes."""

    @rule(chosen=floor_rules)
    def configure(self, chosen: FloorRules) -> None:
        """Rules that know all of it; the base machine's reloads mix with them."""
        self.rules = chosen
        self.do("reload", chosen, self.now)

    def do(self, name: str, *args: Any, **kwargs: Any) -> list[Effect]:
        before = {
            call: waiting.key() for call, waiting in self.watched.floor._desk.state.calls.items()
        }
        effects = super().do(name, *args, **kwargs)
        self.follow(effects)
        if name not in ("move", "change"):
            self.places_stay(before, effects)
        return effects

    def follow(self, effects: list[Effect]) -> None:
        """Each entry of a callback ends once, and tells so where nobody is on the line."""
        if not hasattr(self, "entries"):
            self.entries: dict[str, int] = {}
            self.reserved: dict[str, int] = {}
        for effect in effects:
            if isinstance(effect, Reserve):
                self.reserved[effect.call] = effect.fence
            if not isinstance(effect, Fact):
                continue
            event = effect.event
            if isinstance(event, CallbackPlaced):
                assert effect.call not in self.entries
                self.entries[effect.call] = 0
            elif isinstance(event, CallbackMissed):
                assert event.attempt >= self.entries[effect.call]
                self.entries[effect.call] = event.attempt
            elif isinstance(event, CallbackEnded):
                assert event.attempts >= self.entries.pop(effect.call)
        over = [effect.call for effect in effects if isinstance(effect, CallbackOver)]
        assert len(over) == len(set(over))

    def places_stay(self, before: dict[str, Any], effects: list[Effect]) -> None:
        """Whatever happened, who waits has the deadline and the place of before."""
        calls = self.watched.floor._desk.state.calls
        anew = {
            effect.call
            for effect in effects
            if isinstance(effect, Fact) and isinstance(effect.event, CallQueued)
        }
        for call, key in before.items():
            if call in calls and call not in anew:
                now = calls[call].key()
                assert (now.deadline, now.place) == (key.deadline, key.place)
                assert now.tier <= key.tier

    @rule(
        queue=some_queue,
        caller=st.sampled_from(["", "100", "200"]),
        sticky=st.sampled_from(["", *AGENTS]),
        ago=st.sampled_from([0.0, 0.0, 15.0, 500.0]),
    )
    def call_comes_with_a_past(self, queue: str, caller: str, sticky: str, ago: float) -> None:
        if self.rules.queue(queue) is None:
            return
        self.number += 1
        effects = self.do(
            "enqueue",
            f"c{self.number}",
            queue,
            self.now,
            caller=caller,
            sticky=sticky,
            origin=self.now - ago,
        )
        resumed = [
            effect.event.resumed
            for effect in effects
            if isinstance(effect, Fact) and isinstance(effect.event, CallQueued)
        ]
        assert caller or resumed == [False]

    @rule(data=st.data(), queue=some_queue, anew=st.booleans())
    def callback_is_asked_for(self, data: st.DataObject, queue: str, anew: bool) -> None:
        if self.rules.queue(queue) is None:
            return
        state = self.watched.floor._desk.state
        calls = sorted(call.call for call in state.calls.values() if call.on_line)
        if anew or not calls:
            self.number += 1
            call = f"c{self.number}"
        else:
            call = data.draw(st.sampled_from(calls))
        waiting = state.calls.get(call)
        key = waiting.key() if waiting is not None else None
        known = len(self.watched.facts)
        self.do("request_callback", call, queue, self.now, number="+49301234")
        kinds = [type(event) for _, name, event in self.watched.facts[known:] if name == call]
        if key is not None and CallbackPlaced in kinds:
            placed = next(
                event
                for _, name, event in self.watched.facts[known:]
                if name == call and isinstance(event, CallbackPlaced)
            )
            assert (placed.deadline, placed.place) == (key.deadline, key.place)
            assert kinds.index(QueueVisitEnded) < kinds.index(CallbackPlaced)

    @rule(data=st.data(), how=st.sampled_from(["reached", "reached", "missed"]))
    def caller_is_dialled(self, data: st.DataObject, how: str) -> None:
        """Any reservation ever made, pending or long over."""
        if not getattr(self, "reserved", None):
            return
        call = data.draw(st.sampled_from(sorted(self.reserved)))
        if how == "reached":
            self.do("callback_reached", call, self.reserved[call], self.now)
        else:
            self.do("callback_missed", call, self.reserved[call], self.now, "no answer")

    @rule(data=st.data())
    def callback_is_cancelled(self, data: st.DataObject) -> None:
        calls = sorted(self.watched.floor._desk.state.calls)
        if calls:
            self.do("cancel_callback", data.draw(st.sampled_from(calls)), self.now, "by the caller")

    @rule(
        data=st.data(),
        priority=st.sampled_from([None, -1, 2]),
        rank=st.sampled_from([None, 0, 4]),
        skills=st.sampled_from([None, {}, {"en": 1}, {"ru": 3}]),
    )
    def supervisor_changes(
        self, data: st.DataObject, priority: int | None, rank: int | None, skills: Any
    ) -> None:
        calls = sorted(self.watched.floor._desk.state.calls)
        if calls:
            call = data.draw(st.sampled_from(calls))
            self.do("change", call, self.now, priority=priority, rank=rank, skills=skills, by="eve")

    @rule(data=st.data(), queue=some_queue)
    def supervisor_moves(self, data: st.DataObject, queue: str) -> None:
        calls = sorted(self.watched.floor._desk.state.calls)
        if not calls or self.rules.queue(queue) is None:
            return
        call = data.draw(st.sampled_from(calls))
        origin = self.watched.floor._desk.state.calls[call].origin
        self.do("move", call, queue, self.now, by="eve")
        moved = self.watched.floor._desk.state.calls.get(call)
        if moved is not None:
            assert moved.origin == origin

    @rule(agent=some_agent, seconds=st.sampled_from([3.0, 1000.0]))
    def agent_needs_more_time(self, agent: str, seconds: float) -> None:
        if agent in self.rules.agents:
            self.do("extend_wrap_up", agent, seconds, self.now)

    @rule(agent=some_agent, reason=st.sampled_from(["lunch", "tea", "football"]))
    def agent_wants_a_break(self, agent: str, reason: str) -> None:
        if agent in self.rules.agents:
            self.do("take_break", agent, self.now, reason)

    @invariant()
    def breaks_keep_their_limits(self) -> None:
        """Those that were asked for under rules that name them."""
        named = {n for n, r in self.rules.breaks.items() if r.agents_max is not None}
        views = self.watched.floor.agents()
        pending = self.watched.floor._desk.state.timers.pending()
        for view in views:
            if view.presence == "on-break" and view.until:
                assert any(ident == view.agent for _, ident in pending)
        assert named <= {"lunch"}

    @invariant()
    def entries_are_counted_apart(self) -> None:
        views = self.watched.floor.waiting()
        entries = [view.call for view in views if view.kind == "callback"]
        assert sorted(entries) == sorted(getattr(self, "entries", {}))
        state = self.watched.floor._desk.state
        on_hold = Counter(view.queue for view in views if not view.on_line)
        assert {queue: n for queue, n in state.on_hold.items() if n} == on_hold

    @invariant()
    def nobody_waits_where_nobody_works(self) -> None:
        state = self.watched.floor._desk.state
        for call in state.calls.values():
            rules = state.rules.queue(call.queue)
            if rules is None or call.rung or not call.on_line:
                continue
            agents = [agent for agent in state.agents.values() if agent.serves(call.queue)]
            present = [agent for agent in agents if agent.presence != "signed-out"]
            working = [agent for agent in present if agent.presence != "on-break"]
            if rules.stay_while == "signed-in":
                assert present
            elif rules.stay_while == "working":
                assert working

    @invariant()
    def who_waits_for_one_agent_will_get_that_agent(self) -> None:
        state = self.watched.floor._desk.state
        for call in state.calls.values():
            if call.wants.only and call.queue != personal_queue(call.wants.only):
                agent = state.agents[call.wants.only]
                assert agent.presence not in ("signed-out", "on-break")
                assert call.since + state.rules_of(call).sticky_s > self.now


def test_offers_of_callbacks_say_so() -> None:
    """The machine would not notice: kinds are told apart in the facts."""
    assert OfferMade("ann", 1, "main", 0.0, 0).kind == "call"
    assert replace(AgentRules(), position=1).position == 1


LifeMachine.TestCase.settings = settings(stateful_step_count=40)
TestLife = LifeMachine.TestCase
