"""Decisions and waits in plain words, complete from the state and short from the fact alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from queues.events import (
    CallbackDue,
    CallbackEnded,
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
    WaitRaised,
)
from queues.offers import Effect, Fact
from queues.ranking.strategies import busyness
from queues.rules import AgentRules, FloorRules, QueueRules, Strategy, Widening
from queues.wants import Wants
from queues.why.explain import Decision, Known, explain, recorded
from queues.why.explain_wait import wait
from queues.why.story import Story
from queues.why.wording import Names, advantage, key_words, left_out, seconds
from router.events import AgentLost, CallConnected, CallSentOn, CallTransferred
from tests.queues.floors import Watched, rules

NAMES: Names = {"anna": "Anna", "boris": "Boris", "clara": "Clara", "dora": "Dora"}
STRATEGIES: tuple[str, ...] = get_args(Strategy)


def team(*ids: str, queues: dict[str, int] | None = None, **changes: Any) -> FloorRules:
    served = queues or {"support": 1}
    return rules(
        {name: QueueRules(**changes) for name in served},
        {ident: AgentRules(served) for ident in ids},
    )


def staffed(floor_rules: FloorRules, *shifts: tuple[str, float]) -> Watched:
    watched = Watched(floor_rules)
    for agent, at in shifts:
        watched.staff(agent, at)
    return watched


def offer_in(effects: list[Effect]) -> tuple[str, OfferMade]:
    return next(
        (e.call, e.event) for e in effects if isinstance(e, Fact) and isinstance(e.event, OfferMade)
    )


def explained(watched: Watched, call: str, at: float, **terms: Any) -> Decision:
    """The offer that this call leads to, explained from the state before it."""
    twin = Watched(watched.floor._desk.state.rules)
    for when, about, event in watched.facts:
        twin.floor.apply(about, event, when)
    effects = watched.enqueue(call, "support", at, **terms)
    found, event = offer_in(effects)
    for effect in effects:
        if isinstance(effect, Fact) and effect.event is event:
            break
        if isinstance(effect, Fact):
            twin.floor.apply(effect.call, effect.event, at)
    return explain(twin.floor._desk.state, 7, at, found, event, NAMES)


def test_the_level_decides_and_everybody_left_out_is_counted() -> None:
    made = rules(
        {"support": QueueRules()},
        {
            "anna": AgentRules({"support": 1}, {"german": 1}),
            "boris": AgentRules({"support": 2}, {"german": 1}),
            "clara": AgentRules({"support": 1}),
            "dora": AgentRules({"support": 1}, {"german": 1}),
        },
    )
    watched = staffed(made, ("anna", 0.0), ("boris", 0.0), ("clara", 0.0), ("dora", 0.0))
    watched.take_break("dora", 40.0, "lunch")
    told = explained(watched, "c1", 100.0, skills={"german": 2})
    assert told.text == (
        "Anna was rung because: level 1 in support (Boris: 2). "
        "Left out: 1 on a break and 1 without the skill 'german' (level 2 or better). "
        "It had waited for 0 s; no other call waited that Anna could take."
    )
    assert told.complete
    assert [(one.agent, one.reason) for one in told.agents] == [
        ("anna", ""), ("boris", ""), ("clara", "skills"), ("dora", "on-break"),
    ]  # fmt: skip
    assert told.agents[0].words == "level 1, idle for about 1 min 40 s, 0 other queues"
    assert told.agents[2].words == "without the skill 'german' (level 2 or better)"
    assert told.agents[3].words == "on a break (lunch) for 1 min 0 s".replace(" 0 s", "")


def test_the_longer_idle_is_told_in_seconds() -> None:
    watched = staffed(team("anna", "clara"), ("anna", 20.0), ("clara", 62.0))
    told = explained(watched, "c1", 100.0)
    assert told.text.startswith("Anna was rung because: idle 42 s longer than Clara.")


def test_who_is_needed_less_elsewhere_wins_a_tie() -> None:
    made = rules(
        {"support": QueueRules(), "sales": QueueRules()},
        {"anna": AgentRules({"support": 1}), "boris": AgentRules({"support": 1, "sales": 1})},
    )
    told = explained(staffed(made, ("anna", 0.0), ("boris", 0.0)), "c1", 50.0)
    assert "needed by 0 other queues (Boris: 1), all else being equal" in told.text


def test_a_full_tie_and_a_sole_candidate() -> None:
    watched = staffed(team("anna", "boris"), ("anna", 0.0), ("boris", 0.0))
    assert (
        "the longer idle, then the id decides (Boris was next)"
        in explained(watched, "c1", 50.0).text
    )
    assert explained(watched, "c2", 51.0).text.startswith(
        "Boris was rung: nobody else in support could take the call. Left out: 1 being rung."
    )


def test_why_this_call_came_before_others() -> None:
    made = team("anna", queues={"support": 1, "sales": 1})
    made = replace(
        made, queues={"support": QueueRules(), "sales": QueueRules(rank=3)}, starvation_s=50.0
    )
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"rank": 0}, {}, "an emergency goes before all others"),
        ({"rank": 2}, {}, "class 2 goes before class 5"),
        ({"priority": 2}, {}, "its deadline is 10 s earlier than the next one's"),
        ({}, {}, "it came first"),
    ]
    for first, second, why in cases:
        watched = Watched(made)
        watched.enqueue("c1", "support", 0.0, **first)
        watched.enqueue("c2", "support", 0.0, **second)
        told = decided_by(watched, "anna", 8.0)
        assert told.text.endswith(
            f"It had waited for 8 s and came before 1 other call that Anna could take: {why}."
        )
        assert [(one.call, one.queue) for one in told.next_calls] == [("c2", "support")]
        assert told.calls_behind == 1


def decided_by(watched: Watched, agent: str, at: float) -> Decision:
    """The offer that an agent who gets ready leads to."""
    watched.set_reachable(agent, True, at)
    known = len(watched.facts)
    offer_in(watched.sign_in(agent, at))
    twin = Watched(watched.floor._desk.state.rules)
    for when, call, event in watched.facts:
        if isinstance(event, OfferMade):
            return explain(twin.floor._desk.state, known, when, call, event, NAMES)
        twin.floor.apply(call, event, when)
    raise AssertionError("no offer")


def test_a_promoted_call_and_one_whose_agent_was_lost() -> None:
    watched = Watched(replace(team("anna", "boris"), starvation_s=50.0))
    watched.enqueue("old", "support", 0.0)
    watched.tick(50.0)
    watched.enqueue("new", "support", 60.0, rank=1)
    told = decided_by(watched, "anna", 61.0)
    assert "it waits longer than 50 s, which goes before the classes" in told.text
    assert told.next_calls[0].words == "after a call that waits longest"


def test_from_the_fact_alone_winner_runners_up_and_counts_are_told() -> None:
    known = Known()
    known.note(CallQueued("support", 0, 3, 20.0, {"german": 1}), 10.0)
    known.note(CallPromoted("support", 300.0), 310.0)
    event = OfferMade(
        "anna", 1, "support", 400.0, 9, (("boris", (2, 3.0, 0)), ("clara", (2, 4.0, 0))),
        {"talking": 3, "on-break": 2, "skills": 1}, (1, 31.0, 0),
    )  # fmt: skip
    told = recorded(known, 5, 330.0, event, 10.0, NAMES)
    assert told.text == (
        "Anna was rung because: level 1 in support (Boris: 2). "
        "Left out: 3 talking, 2 on a break and 1 without the skill 'german' (level 1 or better). "
        "Class 3, lifted over the classes after waiting too long, waited for 5 min 20 s."
    )
    assert not told.complete
    assert [one.agent for one in told.agents] == ["anna", "boris", "clara"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_has_its_words(strategy: str) -> None:
    told = advantage((1, 2.0, 0), (1, 5.0, 0), "Boris", strategy, "30 s", "support", 9.0)
    assert "Boris" in told
    assert strategy not in told
    assert key_words((1, 2.0, 3), strategy, 10.0, 100.0).endswith("3 other queues")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_explained_from_the_state(strategy: Any) -> None:
    watched = staffed(
        team("anna", "boris", "clara", strategy=strategy),
        ("anna", 0.0), ("boris", 25.0), ("clara", 45.0),
    )  # fmt: skip
    told = explained(watched, "c1", 100.0)
    assert told.complete
    assert told.agents[0].agent == told.event.agent
    assert told.event.strategy == strategy
    assert all(one.reason == "" for one in told.agents)


def test_the_share_of_occupied_time_is_told_in_per_cent() -> None:
    mine, theirs = busyness(0.12, 50.0), busyness(0.6, 50.0)
    told = advantage(
        (1, mine, 0), (1, theirs, 0), "Boris", "least-occupied", "", "support", 50.0 + 3600.0
    )
    assert told == "occupied 4.4 % of the time (Boris: 22 %)"
    assert key_words((1, mine, 0), "least-occupied", 10.0, 50.0).startswith(
        "level 1, occupied 12 %"
    )
    assert "occupied 100 %" in key_words((1, 1e9, 0), "least-occupied", 10.0, 50.0)


def test_why_a_call_waits() -> None:
    made = rules(
        {"support": QueueRules(wait_max_s=300.0), "empty": QueueRules()},
        {"anna": AgentRules({"support": 1}), "boris": AgentRules({"support": 1})},
        starvation_s=120.0,
    )
    watched = Watched(made)

    def told(call: str, now: float) -> str:
        found = wait(watched.floor._desk.state, call, now, NAMES)
        assert found is not None
        return found.text

    watched.enqueue("c1", "support", 0.0)
    assert told("c1", 10.0) == (
        "Nobody works in support: 2 signed out. It is the first in support and waits for 10 s. "
        "If it goes on waiting, it goes before the classes in 1 min 50 s and it leaves the queue "
        "in 4 min 50 s."
    )
    watched.enqueue("c2", "support", 10.0)
    watched.staff("anna", 12.0)
    assert told("c1", 13.0).startswith("It rings at Anna.")
    assert told("c2", 15.0).startswith(
        "Nobody in support can take it now: 1 being rung and 1 signed out. "
        "1 call of support goes before it; it waits for 5 s."
    )
    watched.enqueue("c3", "empty", 20.0)
    assert told("c3", 21.0).startswith("Nobody serves empty.")
    assert wait(watched.floor._desk.state, "gone", 21.0, NAMES) is None


def test_a_call_that_waits_for_the_agent_who_knows_the_caller() -> None:
    made = rules(
        {"support": QueueRules(sticky_s=30.0)},
        {"anna": AgentRules({"support": 1}), "boris": AgentRules({"support": 1})},
    )
    watched = staffed(made, ("boris", 0.0))
    watched.enqueue("c1", "support", 1.0)
    watched.accept("boris", watched.fence("boris"), 2.0)
    watched.staff("anna", 3.0)
    watched.enqueue("c2", "support", 10.0, sticky="boris")
    found = wait(watched.floor._desk.state, "c2", 18.0, NAMES)
    assert found is not None
    assert found.text.startswith("It is held for Boris (talking for 16 s) for another 22 s.")


def test_waiting_that_widens_says_when() -> None:
    made = rules(
        {"support": QueueRules(widening=(Widening(0.0, 1), Widening(20.0, 2)))},
        {"anna": AgentRules({"support": 2})},
    )
    watched = staffed(made, ("anna", 0.0))
    watched.enqueue("c1", "support", 10.0)
    found = wait(watched.floor._desk.state, "c1", 12.0, NAMES)
    assert found is not None
    assert "1 of a level beyond 1, which may not take it yet" in found.text
    assert "more agents may take it in 18 s" in found.text


def test_the_story_says_what_waiting_changed() -> None:
    story = Story("c1", NAMES)
    facts: list[tuple[float, object]] = [
        (0.0, CallQueued("support", 2, 5, 10.0, {"de": 1}, level_max=1, only="boris")),
        (9.0, CallWidened("support", {"de": 1}, 1, "", 9.0)),
        (20.0, CallWidened("support", {}, 2, "", 20.0)),
        (21.0, CallChanged("support", 3, 4, 9.0, {}, "sveta")),
        (22.0, OfferEnded("anna", 1, "support", "withdrawn", "agent: break")),
        (23.0, OfferEnded("anna", 1, "support", "refused", "603")),
        (24.0, WaitRaised("support", "agent-left", 40.0, 90.0)),
        (25.0, QueueVisitEnded("support", "callback-requested", 25.0)),
        (25.0, CallbackPlaced("support", "+371", 2, 5, 10.0, 1, 0.0, 900.0)),
        (30.0, CallbackMissed("support", 1, "busy", 60.0)),
        (60.0, CallbackDue("support")),
        (61.0, CallbackReached("support", "anna", 2)),
        (62.0, CallbackEnded("support", "connected", 2)),
        (70.0, CallQueued("@anna", 0, 0, 80.0, returned=True)),
        (71.0, CallChanged("support", 0, 5, 9.0, {"de": 1}, "sveta")),
        (72.0, QueueVisitEnded("support", "removed", 72.0, cause="moved by sveta")),
        (73.0, QueueVisitEnded("night", "overflowed", 0.0, cause="queue closed")),
        (74.0, CallbackEnded("support", "gave-up", 3, cause="busy")),
        (75.0, object()),
    ]
    for seq, (at, event) in enumerate(facts):
        story.take(seq, at, event, None)
    assert [step.text for step in story.steps] == [
        "Joined support (class 5, priority 2, needs the skill 'de' (level 1 or better), "
        "for Boris).",
        "After 9 s of waiting others than Boris may take it.",
        "After 20 s of waiting agents up to level 2 may take it and the skill 'de' (level 1 or "
        "better) is not needed.",
        "Changed by sveta: class 4, priority 3.",
        "The offer to Anna was withdrawn (agent: break).",
        "Anna refused (603).",
        "The expected wait grew to 40 s - 1 min 30 s: an agent left.",
        "Left support after 25 s: the caller asked to be called back.",
        "The caller hung up to be called back; the place is kept.",
        "Attempt 1 to call back reached nobody (busy).",
        "The callback's turn may come again.",
        "The caller is on the line again, Anna is rung.",
        "The callback is over: connected.",
        "Back at the head of Anna's own queue after its agent was lost.",
        "Changed by sveta: class 5, priority 0, needs the skill 'de' (level 1 or better).",
        "Left support after 1 min 12 s: taken out of the queue (moved by sveta).",
        "Left night after 0 s: moved on by the queue's rules (queue closed).",
        "The callback is over: the caller was not reached (busy).",
    ]


def test_the_story_goes_on_after_an_overflow_and_a_transfer() -> None:
    story = Story("c1", NAMES)
    facts: list[tuple[object, str]] = [
        (CallSentOn("night", "queue:support"), "Sent on to the queue support."),
        (CallSentOn("support", "voicemail"), "Sent on to leave a message."),
        (CallSentOn("support", "number"), "Sent on to a number outside."),
        (CallSentOn("support", "callback"), "Sent on to be called back."),
        (CallSentOn("support", "flow"), "Sent back to the flow, which says how it goes on."),
        (CallSentOn("support", "new"), "Sent on (new)."),
        (CallTransferred("anna", "agent boris"), "Put through by Anna to Boris."),
        (CallConnected("c1.3", "boris"), "Connected with Boris in person."),
        (CallTransferred("boris", "queue sales"), "Put through by Boris to the queue sales."),
        (CallTransferred("", "queue @clara"), "Put through to Clara's own queue."),
        (CallTransferred("anna", "flow night"), "Put through by Anna to the flow night."),
        (CallTransferred("anna", "external +371777"), "Put through by Anna to a number outside."),
        (CallConnected("c1.4"), "Connected with a number outside."),
        (AgentLost("anna", "media timeout"), "Anna was lost in mid-call (media timeout)."),
    ]
    for seq, (event, _) in enumerate(facts):
        story.take(seq, float(seq), event, None)
    assert [step.text for step in story.steps] == [text for _, text in facts]


def test_a_call_for_one_person() -> None:
    watched = staffed(team("anna", "boris"), ("anna", 0.0), ("boris", 0.0))
    told, event = offer_in(watched.enqueue("c1", "@anna", 5.0))
    assert told == "c1"
    short = recorded(Known(), 1, 5.0, event, 10.0, NAMES)
    assert short.text.startswith("Anna was rung: the call is for Anna alone.")


def test_words_of_times_and_counts() -> None:
    assert [seconds(s) for s in (-1.0, 0.4, 59.6, 60.0, 125.0, 3600.0, 3780.0)] == [
        "0 s", "0 s", "1 min", "1 min", "2 min 5 s", "1 h", "1 h 3 min",
    ]  # fmt: skip
    assert left_out({}, Wants(), NAMES) == ""
    assert left_out({"new reason": 2}, Wants(), NAMES) == "2 new reason"
    wants = Wants((("de", 1), ("sales", 3)), 0, "")
    assert "without the skills 'de' (level 1 or better) and 'sales'" in left_out(
        {"skills": 1}, wants, NAMES
    )
