"""Everything a floor can be asked for, in any order: the replay comes to the same, and each
decision can be explained from the state before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
from hypothesis import given, settings

from config.errors import MisuseError
from config.hours import Schedule
from queues.events import FloorRulesAdopted, OfferMade
from queues.rules import AgentRules, BreakRules, CallbackRules, FloorRules, QueueRules, Widening
from queues.state import FloorState
from queues.why.explain_wait import wait
from queues.why.picture import take
from queues.why.replay import Replay
from queues.why.story import Story
from tests.queues.floors import Watched
from tests.queues.test_replay import Entry, entries_of, replayed

NOON = 1_795_262_400.0  # a Saturday, 2026-11-21 12:00 UTC
AGENTS = ("anna", "boris", "clara", "dora")
QUEUES = ("main", "all", "lots", "day", "@anna", "@dora")
# Open until a minute after noon, then closed, open again at five past.
TO_NOON = ((0, 12 * 60 + 1), (12 * 60 + 5, 24 * 60))
DAY = Schedule(ZoneInfo("UTC"), (TO_NOON,) * 7)
RULES = FloorRules(
    queues={
        "main": QueueRules(
            widening=(Widening(0.0, 1), Widening(10.0, 2, frozenset({"en"})), Widening(30.0, 3)),
            sticky_s=12.0,
            wrap_up_s=4.0,
            callback=CallbackRules(attempts=2, retry_s=7.0, expires_s=120.0),
        ),
        "all": QueueRules(strategy="ring-all", ring_all_max=3, rank=3, wait_max_s=90.0),
        "lots": QueueRules(
            strategy="weighted-random", join_when="signed-in", stay_while="working", waiting_max=3
        ),
        "day": QueueRules(strategy="best-skill", schedule=DAY, skills={"en": 2}, rank=0),
    },
    agents={
        "anna": AgentRules({"main": 1, "all": 1, "lots": 1}, {"en": 1}, weight=3.0),
        "boris": AgentRules({"main": 2, "all": 2, "day": 1}, {"en": 2}),
        "clara": AgentRules({"main": 3, "lots": 1, "day": 2}, {"en": 3, "ru": 1}),
        "dora": AgentRules({"all": 1, "day": 1}, {"en": 1, "ru": 2}),
    },
    starvation_s=25.0,
    lease_s=20.0,
    waiting_max=12,
    breaks={"lunch": BreakRules(limit_s=9.0, agents_max=2), "tea": BreakRules()},
    random_seed=5,
)
VARIANTS = (
    RULES,
    replace(RULES, starvation_s=5.0, idle_step_s=3.0),
    replace(
        RULES,
        queues={
            **RULES.queues,
            "main": QueueRules(strategy="weighted-random", stay_while="signed-in"),
            "lots": QueueRules(skills={"ru": 1}),
        },
    ),
    replace(
        RULES,
        queues={name: RULES.queues[name] for name in ("main", "all")},
        agents={name: RULES.agents[name] for name in ("anna", "clara")},
    ),
)
STEP = st.tuples(
    st.integers(0, 19),
    st.integers(0, 11),
    st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0, 7.0, 15.0]),
)


class Life:
    """Plays steps (what, a number to choose by, seconds before it)."""

    def __init__(self) -> None:
        self.watched = Watched(RULES)
        self.now = NOON
        self.count = 0
        for agent in AGENTS:
            self.watched.staff(agent, self.now)

    def play(self, what: int, pick: int, seconds: float) -> None:
        self.now += seconds
        try:
            self._play(what, pick)
        except MisuseError:
            self.watched.tick(self.now)

    def _play(self, what: int, pick: int) -> None:
        floor, now = self.watched, self.now
        agent, queue = AGENTS[pick % 4], QUEUES[pick % 6]
        waiting = floor.waiting()
        call = waiting[pick % len(waiting)].call if waiting else ""
        offered = [view for view in floor.agents() if view.fence]
        match what:
            case 0 | 1 | 2 | 3:
                self._arrive(pick, queue)
            case 4:
                floor.leave(call, now, "abandoned")
            case 5:
                floor.request_callback(
                    call or f"new{self.count}", "main", now, number="+371", trunk="t", dialled="1",
                    language="en",
                )  # fmt: skip
            case 6 | 7 | 8 if offered:
                view = offered[pick % len(offered)]
                if view.presence == "reserved":
                    floor.callback_reached(view.call, view.fence, now)
                else:
                    floor.accept(view.agent, view.fence, now)
            case 9 if offered:
                view = offered[pick % len(offered)]
                if view.presence == "reserved":
                    floor.callback_missed(view.call, view.fence, now, "busy")
                else:
                    floor.refuse(view.agent, view.fence, now, "rung-out", "no answer")
            case 10 | 11:
                floor.finished(agent, now)
            case 12:
                floor.set_reachable(agent, pick < 9, now)
            case 13:
                floor.sign_in(agent, now)
                floor.ready(agent, now)
            case 14:
                floor.take_break(agent, now, "lunch" if pick % 2 else "tea")
            case 15:
                floor.sign_out(agent, now)
            case 16:
                floor.change(call, now, priority=pick - 3, skills={"en": 1 + pick % 3})
            case 17:
                floor.move(call, queue, now, by="sveta")
            case 18:
                floor.cancel_callback(call, now, "asked for")
            case 19 if pick < 4:
                self._reload(VARIANTS[pick])
            case _:
                floor.tick(now)

    def _reload(self, rules: FloorRules) -> None:
        """The rules' fact stands before what they lead to."""
        self.watched.facts.append((self.now, "", FloorRulesAdopted(rules)))  # type: ignore[arg-type]
        self.watched.reload(rules, self.now)

    def _arrive(self, pick: int, queue: str) -> None:
        self.count += 1
        self.watched.enqueue(
            f"c{self.count}",
            queue,
            self.now,
            priority=pick % 3,
            skills={"ru": 2} if pick == 7 else None,
            caller=f"+371{pick % 2}",
            sticky=AGENTS[pick % 4] if pick % 3 == 0 else "",
        )


@settings(max_examples=150)
@given(st.lists(STEP, min_size=20, max_size=90))
def test_whatever_is_asked_is_decided_alike(steps: list[tuple[int, int, float]]) -> None:
    life = Life()
    for step in steps:
        life.play(*step)
    entries = entries_of(life.watched)
    result = replayed(entries, RULES)
    assert result.differences == []
    interrupted = replayed(entries, RULES, pictures=True)
    assert interrupted.differences == []
    assert interrupted.digest == result.digest


def explained(entries: list[Entry]) -> list[Any]:
    """The stories of all calls, each decision told from the state before it."""
    run = Replay()
    run.begin(take(FloorState(RULES)), RULES)
    stories: dict[str, Story] = {}
    for entry in entries:
        if isinstance(entry.event, FloorRulesAdopted):
            adopted: Any = entry.event.digest
            run.adopt(adopted, entry)
            continue
        if entry.call:
            story = stories.setdefault(entry.call, Story(entry.call, {"anna": "Anna"}))
            state = run.state
            assert state is not None
            state.now = entry.at
            story.take(entry.seq, entry.at, entry.event, state)
        run.take(entry)
    assert run.close(complete=False).differences == []
    return [step for story in stories.values() for step in story.steps]


@settings(max_examples=40)
@given(st.lists(STEP, min_size=20, max_size=60))
def test_whatever_is_decided_is_explained(steps: list[tuple[int, int, float]]) -> None:
    life = Life()
    for step in steps:
        life.play(*step)
        state = life.watched.floor._desk.state
        for call in state.calls:
            told = wait(state, call, life.now, {})
            assert told is not None
            assert told.text.endswith(".")
    told_steps = explained(entries_of(life.watched))
    decisions = [step.decision for step in told_steps if step.decision is not None]
    made = sum(isinstance(event, OfferMade) for _, _, event in life.watched.facts)
    assert len(decisions) == made
    for decision in decisions:
        assert decision.complete
        may = [one for one in decision.agents if not one.reason]
        assert may[0].agent == decision.event.agent
        assert [(one.agent, one.key) for one in may[1:6]] == list(decision.event.runners_up)
        counted: dict[str, int] = {}
        for one in decision.agents:
            if one.reason:
                counted[one.reason] = counted.get(one.reason, 0) + 1
        assert counted == decision.event.excluded
    assert all(step.text for step in told_steps)
