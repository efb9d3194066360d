"""Who may take which call: the indexes against the obvious way to find out, and the reasons."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from queues.agents import READY, STANDINGS, Agent, AgentKey
from queues.ranking import eligibility as module
from queues.ranking.eligibility import RUNNERS_UP_MAX, Eligibility
from queues.ranking.strategies import RANKS
from queues.rules import AgentRules, FloorRules, QueueRules, Strategy, personal_queue
from queues.waiting import WaitingCall
from queues.wants import Wants
from tests.queues.floors import may_take

QUEUES = ("care", "help", "@ann")
AGENTS = ("ann", "bob", "cid", "dot", "eve", "fay", "gus", "hal")

wants = st.builds(
    Wants,
    needs=st.sampled_from([(), (("en", 1),), (("en", 3),), (("en", 2), ("ru", 2))]),
    level_max=st.sampled_from([0, 0, 1, 2]),
    only=st.sampled_from(["", "", "", "ann", "bob", "zoe"]),
)
agent_rules = st.builds(
    AgentRules,
    queues=st.dictionaries(st.sampled_from(["care", "help"]), st.integers(1, 3)),
    skills=st.dictionaries(st.sampled_from(["en", "ru"]), st.integers(1, 3)),
    position=st.integers(0, 2),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("stand"), st.sampled_from(AGENTS), st.sampled_from(STANDINGS)),
        st.tuples(st.just("stand"), st.sampled_from(AGENTS), st.just(READY)),
        st.tuples(st.just("call"), st.sampled_from(QUEUES), wants),
        st.tuples(st.just("gone"), st.integers(0, 50), st.none()),
    ),
    max_size=60,
)

ANY = Wants()


def call_of(queue: str, wanted: Wants = ANY, number: int = 0) -> WaitingCall:
    return WaitingCall(
        call=f"c{number}",
        queue=queue,
        priority=0,
        rank=5,
        wants=wanted,
        since=0.0,
        origin=0.0,
        deadline=float(number % 7),
        place=number,
    )


def staff(rules: FloorRules) -> tuple[Eligibility, dict[str, Agent]]:
    eligibility = Eligibility(rules)
    agents = {name: Agent(name, agent) for name, agent in rules.agents.items()}
    for number, agent in enumerate(agents.values()):
        agent.idle_step = number % 3
        eligibility.count_in(agent)
    return eligibility, agents


def key_of(rules: FloorRules, agent: Agent, call: WaitingCall) -> AgentKey:
    queue = rules.queues.get(call.queue, QueueRules())
    return AgentKey(
        agent.rules.queues.get(call.queue, 1),
        RANKS[queue.strategy](agent, call.queue, call.wants.needs),
        len(agent.rules.queues.keys() - {call.queue}),
        agent.idle_step,
        agent.id,
    )


@settings(max_examples=150)
@given(
    steps=steps,
    agents=st.fixed_dictionaries(dict.fromkeys(AGENTS, agent_rules)),
    strategy=st.sampled_from(["longest-idle", "linear", "best-skill"]),
    loose=st.sampled_from([0, 1, 4]),
    pools=st.sampled_from([1, 3, 100]),
)
def test_the_indexes_find_what_a_search_finds(
    steps: list[tuple[str, str, object]],
    agents: dict[str, AgentRules],
    strategy: Strategy,
    loose: int,
    pools: int,
) -> None:
    """With lines and pools so short that every way through them is taken."""
    rules = FloorRules({q: QueueRules(strategy=strategy) for q in ("care", "help")}, agents)
    calls: list[WaitingCall] = []
    peak = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LOOSE_MAX", loose)
        patch.setattr(module, "POOLS_MAX", pools)
        eligibility, staffed = staff(rules)
        for number, (what, which, how) in enumerate(steps):
            if what == "stand":
                agent = staffed[which]
                if agent.standing != how:
                    if how == READY:
                        agent.idle_step = number % 3
                    eligibility.restand(agent, str(how))
            elif what == "call":
                assert isinstance(how, Wants)
                peak = max(peak, len(calls) + 2)
                calls.append(call_of(which, how, number))
                eligibility.call_in(calls[-1], calls[-1].key())
            elif calls:
                call = calls.pop(int(which) % len(calls))
                eligibility.call_out(call, call.key())
            assert eligibility._pool_count <= max(pools, peak)
            compare(rules, eligibility, staffed, calls)


def compare(
    rules: FloorRules, eligibility: Eligibility, agents: dict[str, Agent], calls: list[WaitingCall]
) -> None:
    ready = [agent for agent in agents.values() if agent.standing == READY]
    for call in calls[-3:]:
        keys = sorted(key_of(rules, agent, call) for agent in ready if may_take(agent, call))
        assert eligibility.best_agent(call) == (keys[0] if keys else None)
        assert eligibility.ready_for(call, 3) == keys[:3]
        assert eligibility.runners_up(call) == keys[1 : 1 + RUNNERS_UP_MAX]
        everyone = eligibility.everyone(call)
        assert [ident for ident, reason, _ in everyone if not reason] == [k.agent for k in keys]
        assert {ident for ident, _, _ in everyone} == {
            agent.id for agent in agents.values() if agent.serves(call.queue)
        }
        counted = [reason for _, reason, _ in everyone if reason]
        assert eligibility.excluded(call) == {
            reason: counted.count(reason) for reason in sorted(set(counted))
        }
    for agent in ready:
        heads = [call.key() for call in calls if may_take(agent, call)]
        assert eligibility.best_call(agent) == min(heads, default=None)
    for queue in QUEUES:
        there = [a for a in agents.values() if a.serves(queue) and a.standing != "signed-out"]
        assert eligibility.signed_in(queue) == len(there)
        assert eligibility.working(queue) == len([a for a in there if a.standing != "on-break"])


def test_why_others_are_left_out() -> None:
    rules = FloorRules(
        {"care": QueueRules()},
        {
            "ann": AgentRules({"care": 1}, {"en": 1}),
            "bob": AgentRules({"care": 2}, {"en": 1}),
            "cid": AgentRules({"care": 1}),
            "dot": AgentRules({"care": 3}, {"en": 1}),
            "eve": AgentRules({"care": 1}, {"en": 1}),
        },
    )
    eligibility, agents = staff(rules)
    for name in ("ann", "bob", "cid", "dot"):
        eligibility.restand(agents[name], READY)
    call = call_of("care", Wants((("en", 2),), level_max=2))
    assert eligibility.excluded(call) == {"level": 1, "signed-out": 1, "skills": 1}
    assert [entry[:2] for entry in eligibility.everyone(call)] == [
        ("ann", ""),
        ("bob", ""),
        ("cid", "skills"),
        ("dot", "level"),
        ("eve", "signed-out"),
    ]
    call = call_of("care", Wants((("en", 2),), only="bob"))
    assert eligibility.excluded(call) == {"not this agent": 3, "signed-out": 1}
    best = eligibility.best_agent(call)
    assert best is not None
    assert best.agent == "bob"


def test_a_weaker_level_answers_once_the_wait_has_widened_the_circle() -> None:
    rules = FloorRules({"care": QueueRules()}, {"bob": AgentRules({"care": 2})})
    eligibility, agents = staff(rules)
    eligibility.restand(agents["bob"], READY)
    assert eligibility.best_agent(call_of("care", Wants(level_max=1))) is None
    assert eligibility.best_agent(call_of("care", Wants(level_max=2))) is not None


def test_a_personal_queue_is_served_by_its_owner_alone() -> None:
    rules = FloorRules(
        {"care": QueueRules()}, {"ann": AgentRules({"care": 2}), "bob": AgentRules({"care": 1})}
    )
    eligibility, agents = staff(rules)
    for agent in agents.values():
        eligibility.restand(agent, READY)
    call = call_of(personal_queue("ann"), Wants(only="ann"))
    eligibility.call_in(call, call.key())
    assert eligibility.best_agent(call) == (1, 0.0, 1, agents["ann"].idle_step, "ann")
    assert eligibility.best_call(agents["ann"]) == call.key()
    assert eligibility.best_call(agents["bob"]) is None
    assert eligibility.runners_up(call) == []
    assert eligibility.excluded(call) == {}
    eligibility.restand(agents["ann"], "on-break")
    assert eligibility.excluded(call) == {"on-break": 1}
    assert (eligibility.signed_in("@ann"), eligibility.working("@ann")) == (1, 0)


def test_a_personal_queue_counts_as_no_other_queue() -> None:
    """The agent is needed by as many others as before."""
    rules = FloorRules({"care": QueueRules()}, {"ann": AgentRules({"care": 1})})
    eligibility, agents = staff(rules)
    personal = call_of("@ann", Wants(only="ann"))
    eligibility.call_in(personal, personal.key())
    eligibility.restand(agents["ann"], READY)
    key = eligibility.best_agent(call_of("care"))
    assert key is not None
    assert key.needed == 0


def test_ten_thousand_personal_queues_cost_nothing_until_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "POOLS_MAX", 50)
    agents = {f"a{number}": AgentRules({"care": 1}) for number in range(10_000)}
    eligibility, _ = staff(FloorRules({"care": QueueRules()}, agents))
    assert eligibility.signed_in("@a77") == 0
    assert eligibility._teams.keys() == {"care"}
    for number in range(200):
        call = call_of(f"@a{number}", Wants(only=f"a{number}"), number)
        eligibility.call_in(call, call.key())
        eligibility.call_out(call, call.key())
    assert len(eligibility._teams) <= 51
    assert eligibility._pool_count <= 50


def test_nobody_is_asked_for_who_is_not_there() -> None:
    eligibility, _ = staff(FloorRules({"care": QueueRules()}, {"ann": AgentRules({"care": 1})}))
    for queue, wanted in (("care", Wants(only="zoe")), ("@zoe", Wants(only="zoe"))):
        call = call_of(queue, wanted)
        eligibility.call_in(call, call.key())
        assert eligibility.best_agent(call) is None
        eligibility.call_out(call, call.key())
    assert eligibility.signed_in("@zoe") == 0


def test_the_agent_whom_fewest_other_queues_need_goes_first() -> None:
    rules = FloorRules(
        {"care": QueueRules(), "help": QueueRules()},
        {"ann": AgentRules({"care": 1, "help": 1}), "bob": AgentRules({"care": 1})},
    )
    eligibility, agents = staff(rules)
    for agent in agents.values():
        agent.idle_step = 0
        eligibility.restand(agent, READY)
    best = eligibility.best_agent(call_of("care"))
    assert best is not None
    assert best.agent == "bob"


def test_equals_go_by_the_longer_idle_then_by_id() -> None:
    rules = FloorRules(
        {"care": QueueRules(strategy="linear")},
        {name: AgentRules({"care": 1}) for name in ("bob", "ann", "cid")},
    )
    eligibility, agents = staff(rules)
    for agent in agents.values():
        agent.idle_step = 4 if agent.id == "cid" else 7
        eligibility.restand(agent, READY)
    keys = eligibility.ready_for(call_of("care"), 9)
    assert [key.agent for key in keys] == ["cid", "ann", "bob"]
    assert [key.sort_key() for key in keys] == [(1, 0.0, 0)] * 3
