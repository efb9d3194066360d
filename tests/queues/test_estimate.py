"""Wait estimates: what is known, what a caller was told, and why it may become more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace
from typing import Any

import pytest

from config.errors import MisuseError
from queues.estimates.estimate import Estimate, Estimates
from queues.events import BreakOverrun, WaitRaised
from queues.floor import Floor
from queues.offers import Fact
from queues.rules import AgentRules, FloorRules, QueueRules, Widening
from tests.queues.floors import rules

TALK_S = 60.0


class Desk:
    """A floor and estimates of its own, fed its facts. Times are seconds from the start."""

    def __init__(self, floor_rules: FloorRules, *, staffed: bool = True) -> None:
        self.floor = Floor(floor_rules)
        self.estimates = Estimates(floor_rules)
        self.facts: list[tuple[str, Any, float]] = []
        self.now = 0.0
        for agent in sorted(floor_rules.agents) if staffed else ():
            self.staff(agent)

    def do(self, name: str, *args: Any, end: str = "") -> None:
        ends = (end,) if end else ()
        for effect in getattr(self.floor, name)(*args, self.now, *ends):
            if isinstance(effect, Fact):
                self.note(effect.call, effect.event)

    def note(self, call: str, event: Any) -> None:
        self.facts.append((call, event, self.now))
        self.estimates.note(call, event, self.now)

    def staff(self, agent: str) -> None:
        self.do("set_reachable", agent, True)
        self.do("sign_in", agent)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.do("tick")

    def calls(self, *calls: str, queue: str = "main", **kwargs: Any) -> None:
        for call in calls:
            for effect in self.floor.enqueue(call, queue, self.now, **kwargs):
                if isinstance(effect, Fact):
                    self.note(effect.call, effect.event)

    def answer(self) -> None:
        """Every ringing phone is answered."""
        for view in self.floor.agents():
            if view.presence == "offered":
                for effect in self.floor.accept(view.agent, view.fence, self.now):
                    if isinstance(effect, Fact):
                        self.note(effect.call, effect.event)

    def busy(self) -> Desk:
        """Every agent talks, after a while in which talks took a minute."""
        for number in range(60):
            self.calls(*(f"{number}-{agent.agent}" for agent in self.floor.agents()))
            self.wait(4.0)
            self.answer()
            self.wait(TALK_S)
            for agent in self.floor.agents():
                self.do("finished", agent.agent)
            self.wait(20.0)
        self.calls(*(f"now-{agent.agent}" for agent in self.floor.agents()))
        self.wait(4.0)
        self.answer()
        return self

    def of(self, call: str) -> Estimate:
        estimate = self.estimates.of(call, self.now)
        assert estimate is not None
        return estimate

    def tell(self, call: str) -> Estimate:
        """What is told to the caller: a raise is journaled."""
        estimate = self.of(call)
        if estimate.raised is not None:
            self.note(call, estimate.raised)
        return estimate

    def joining(self, queue: str = "main", **kwargs: Any) -> Estimate | None:
        return self.estimates.joining(queue, self.now, **kwargs)


def many(agents: int, *queues: str) -> dict[str, AgentRules]:
    names = queues or ("main",)
    return {f"{names[0]}-{number}": AgentRules(dict.fromkeys(names, 1)) for number in range(agents)}


# What is known.


@pytest.mark.parametrize(
    "leave",
    [
        lambda desk: desk.do("sign_out", "ann"),
        lambda desk: desk.floor.take_break("ann", desk.now, "lunch"),
        lambda desk: desk.do("set_reachable", "ann", False),
    ],
)
def test_unknown_where_nobody_could_answer(leave: Callable[[Desk], Any]) -> None:
    desk = Desk(rules(agents={"ann": AgentRules({"main": 1})}), staffed=False)
    assert desk.joining() is None
    desk.staff("ann")
    assert desk.joining() is not None
    for effect in leave(desk) or ():
        if isinstance(effect, Fact):
            desk.note(effect.call, effect.event)
    assert desk.joining() is None
    desk.calls("c1")
    assert desk.estimates.of("c1", desk.now) is None
    assert desk.estimates.expected_s("c1", desk.now) is None


def test_unknown_when_the_only_agent_leaves_after_this_talk() -> None:
    desk = Desk(rules(agents={"ann": AgentRules({"main": 1})})).busy()
    assert desk.joining() is not None
    for effect in desk.floor.take_break("ann", desk.now, "lunch"):
        if isinstance(effect, Fact):
            desk.note(effect.call, effect.event)
    assert desk.joining() is None


def test_who_does_not_wait_has_no_estimate_and_a_queue_must_exist() -> None:
    desk = Desk(rules())
    assert desk.estimates.of("nobody", 0.0) is None
    assert desk.estimates.expected_s("nobody", 0.0) is None
    with pytest.raises(MisuseError, match="no queue"):
        desk.joining("elsewhere")


def test_with_an_agent_free_it_takes_as_long_as_phones_ring() -> None:
    desk = Desk(rules()).busy()
    assert desk.joining() is not None
    for agent in ("ann", "bob"):
        desk.do("finished", agent)
    desk.wait(20.0)
    free = desk.joining()
    assert free is not None
    assert free.low_s == 0.0
    assert 3.0 < free.expected_s < free.high_s < 12.0


def test_what_agents_took_lately_is_what_the_estimate_goes_by() -> None:
    """Four seconds of ringing, a minute of talk, ten seconds of wrap-up; four agents, so that
    one is free every 18.5 s."""
    desk = Desk(rules(agents=many(4))).busy()
    desk.calls(*(f"c{number}" for number in range(20)))
    for place in (1, 5, 10, 20):
        estimate = desk.of(f"c{place - 1}")
        assert estimate.low_s < place * 74.0 / 4 < estimate.high_s
        assert estimate.expected_s == pytest.approx(place * 74.0 / 4 + 4.0, rel=0.25)


def test_the_longer_the_line_the_narrower_the_interval_for_its_length() -> None:
    desk = Desk(rules(agents=many(4))).busy()
    desk.calls(*(f"c{number}" for number in range(20)))
    ratios = [
        desk.of(f"c{number}").high_s / desk.of(f"c{number}").low_s for number in (0, 3, 9, 19)
    ]
    assert ratios == sorted(ratios, reverse=True)


def test_a_further_agent_makes_it_shorter_at_once() -> None:
    desk = Desk(rules(agents=many(4)), staffed=False)
    for agent in ("main-0", "main-1"):
        desk.staff(agent)
    desk.calls(*(f"c{number}" for number in range(10)))
    before = desk.of("c9")
    desk.do("set_reachable", "main-2", True)
    desk.do("sign_in", "main-2")
    after = desk.of("c9")
    assert after.high_s < before.high_s
    assert after.expected_s < before.expected_s


def test_agents_shared_with_another_queue_count_as_far_as_they_help() -> None:
    """Two queues with two agents each and two more for both: a long line next door takes the
    shared agents, a short one that its own agents get done does not."""
    queues = {"main": QueueRules(), "side": QueueRules()}
    agents = many(2) | many(2, "side") | many(2, "main", "side")
    expected = {}
    for next_door in (0, 3, 60):
        desk = Desk(rules(queues, agents))
        desk.calls(*(f"busy-{n}" for n in range(3)), queue="side")
        desk.calls(*(f"busy+{n}" for n in range(3)))
        desk.wait(4.0)
        desk.answer()
        desk.calls(*(f"s{n}" for n in range(next_door)), queue="side")
        desk.wait(1.0)
        desk.calls(*(f"m{n}" for n in range(12)))
        expected[next_door] = desk.of("m11").expected_s
    assert expected[0] <= expected[3] < 1.3 * expected[0]
    assert 1.5 * expected[0] < expected[60] < 2.5 * expected[0]


def test_a_call_for_few_agents_waits_for_those() -> None:
    queues = {"main": QueueRules(widening=(Widening(0.0, 1), Widening(60.0, 2)))}
    agents = many(3) | {
        "ann": AgentRules({"main": 1}, {"lv": 1}),
        "new": AgentRules({"main": 2}),
    }
    desk = Desk(rules(queues, agents))
    anybody, latvian, ann = (
        desk.joining(),
        desk.joining(skills={"lv": 1}),
        desk.joining("@ann"),
    )
    assert anybody == latvian == ann  # all are free
    desk.calls(*(f"c{n}" for n in range(30)))
    anybody, latvian = desk.joining(), desk.joining(skills={"lv": 1})
    assert anybody is not None
    assert latvian is not None
    assert latvian.expected_s > anybody.expected_s
    assert desk.joining(skills={"xx": 1}) is None


def test_higher_classes_go_first_also_those_yet_to_come() -> None:
    queues = {"gold": QueueRules(rank=1), "main": QueueRules(rank=5)}
    desk = Desk(rules(queues, many(4, "main", "gold")))
    desk.calls(*(f"b{n}" for n in range(4)))
    desk.calls("m0", "m1")
    before = desk.of("m1")
    gold = desk.joining("gold")
    assert gold is not None
    assert gold.expected_s < before.expected_s
    desk.calls(*(f"g{n}" for n in range(6)), queue="gold")
    after = desk.tell("m1")
    assert after.raised is not None
    assert after.raised.reason == "inserted-ahead"
    assert after.expected_s > 2 * before.expected_s


def test_who_waits_too_long_is_lifted_and_no_class_stands_before_that() -> None:
    """60 callers of a higher class are ahead; the starvation bound comes long before."""
    queues = {"gold": QueueRules(rank=1), "main": QueueRules(rank=5)}
    expected = {}
    for starvation_s in (300.0, 1e9):
        desk = Desk(rules(queues, many(4, "main", "gold"), starvation_s=starvation_s))
        desk.calls(*(f"b{n}" for n in range(4)))
        desk.calls("m0")
        desk.wait(5.0)
        desk.calls(*(f"g{n}" for n in range(60)), queue="gold")
        expected[starvation_s] = desk.of("m0").expected_s
    assert 280.0 < expected[300.0] < 500.0
    assert expected[1e9] > 2000.0


# What a caller was told.


def test_the_estimate_does_not_grow_the_longer_you_wait() -> None:
    """Wazo's documentation on app_queue's estimate: talks take a minute on average, the call has
    waited ten, and is told eight more. Here time alone adds nothing: after ten minutes next in
    line it is told what a newcomer at its place is told, and each time that the promise had to
    move a reason was logged."""
    desk = Desk(rules(agents=many(3))).busy()
    desk.calls("c1")
    first = desk.tell("c1")
    promised_at = desk.now + first.high_s
    raised = []
    end = desk.now + 600.0
    while desk.now < end:
        desk.wait(15.0)
        estimate = desk.tell("c1")
        assert estimate.high_s <= first.high_s + 1e-9
        assert estimate.expected_s <= first.expected_s + 1e-9
        if estimate.raised is None:
            assert desk.now + estimate.high_s <= promised_at + 1e-9
        else:
            raised.append(estimate.raised.reason)
            promised_at = desk.now + estimate.high_s
    assert set(raised) == {"slower-than-expected"}
    assert first.high_s < 2 * TALK_S


def test_told_every_second_it_holds_all_the_same() -> None:
    desk = Desk(rules(agents=many(3))).busy()
    desk.calls(*(f"c{n}" for n in range(6)))
    promised_at = desk.now + desk.tell("c5").high_s
    for _ in range(20):
        desk.wait(1.0)
        estimate = desk.tell("c5")
        assert estimate.raised is None
        assert desk.now + estimate.high_s <= promised_at + 1e-9


def raised_by(happening: Callable[[Desk], None]) -> WaitRaised | None:
    """The fourth in line of a queue of five agents is told the wait; then something happens."""
    queues = {"main": QueueRules(rank=5), "gold": QueueRules(rank=1)}
    agents = many(5, "main", "gold") | {"spare": AgentRules({"gold": 1})}
    desk = Desk(rules(queues, agents))
    desk.calls(*(f"b{n}" for n in range(5)))
    desk.calls("spare", queue="gold")
    desk.calls(*(f"c{n}" for n in range(4)))
    told = desk.tell("c3")
    told_at = desk.now
    assert told.raised is None
    happening(desk)
    estimate = desk.of("c3")
    assert estimate == desk.of("c3")  # asking again changes nothing
    if estimate.raised is not None:
        assert desk.now + estimate.high_s > told_at + told.high_s
        assert (estimate.raised.low_s, estimate.raised.high_s) == (
            estimate.low_s,
            estimate.high_s,
        )
        desk.note("c3", estimate.raised)
        again = desk.of("c3")
        assert same(again, replace(estimate, raised=None))
    else:
        assert desk.now + estimate.high_s <= told_at + told.high_s + 1e-9
    return estimate.raised


def same(one: Estimate, other: Estimate) -> bool:
    """Equal but for the last digits."""
    pairs = zip(astuple(one), astuple(other), strict=True)
    return all(a == b or a == pytest.approx(b) for a, b in pairs)


def agent_on_break(desk: Desk) -> None:
    for effect in desk.floor.take_break("main-0", desk.now, "lunch"):
        if isinstance(effect, Fact):
            desk.note(effect.call, effect.event)


def break_after_the_talk(desk: Desk) -> None:
    desk.wait(2.0)
    desk.answer()
    agent_on_break(desk)


def phone_rings_out(desk: Desk) -> None:
    view = next(view for view in desk.floor.agents() if view.presence == "offered")
    for effect in desk.floor.refuse(view.agent, view.fence, desk.now, "rung-out", "no answer"):
        if isinstance(effect, Fact):
            desk.note(effect.call, effect.event)


def nobody_gets_free(desk: Desk, seconds: float) -> None:
    desk.wait(4.0)
    desk.answer()
    desk.wait(seconds - 4.0)


LEAVES: list[Callable[[Desk], None]] = [
    lambda desk: desk.do("sign_out", "main-0"),
    agent_on_break,
    break_after_the_talk,
    phone_rings_out,
    lambda desk: desk.do("set_reachable", "main-0", False),
]


@pytest.mark.parametrize("happening", LEAVES)
def test_raised_because_an_agent_left(happening: Callable[[Desk], None]) -> None:
    raised = raised_by(happening)
    assert raised is not None
    assert (raised.queue, raised.reason) == ("main", "agent-left")


INSERTS: list[Callable[[Desk], None]] = [
    lambda desk: desk.calls("g1", queue="gold"),
    lambda desk: desk.calls("p1", priority=3),
    lambda desk: desk.calls("e1", rank=0),
]


@pytest.mark.parametrize("happening", INSERTS)
def test_raised_because_a_call_was_inserted_ahead(happening: Callable[[Desk], None]) -> None:
    raised = raised_by(happening)
    assert raised is not None
    assert raised.reason == "inserted-ahead"


def test_raised_because_the_service_is_slower_than_expected() -> None:
    """That a line of four has not moved for half a minute was allowed for."""
    assert raised_by(lambda desk: nobody_gets_free(desk, 30.0)) is None
    raised = raised_by(lambda desk: nobody_gets_free(desk, 200.0))
    assert raised is not None
    assert raised.reason == "slower-than-expected"


HARMLESS: list[Callable[[Desk], None]] = [
    lambda desk: desk.calls("behind"),
    lambda desk: desk.wait(7.0),
    lambda desk: desk.do("leave", "c1", end="abandoned"),
    lambda desk: desk.note("", BreakOverrun("main-0", "lunch")),
    lambda desk: nobody_gets_free(desk, 5.0),
]


@pytest.mark.parametrize("happening", HARMLESS)
def test_not_raised_by_what_is_no_reason(happening: Callable[[Desk], None]) -> None:
    assert raised_by(happening) is None


def test_more_learned_about_our_errors_is_no_reason() -> None:
    """Intervals get wider for those who join from now on; nobody who waits is told more."""
    desk = Desk(rules(agents=many(3))).busy()
    desk.calls("c1", "c2")
    told = desk.tell("c2")
    for _ in range(500):
        desk.estimates._staff.learned("main").quantiles.add(9.0)
    wider = desk.joining()
    assert wider is not None
    assert wider.high_s > 2 * told.high_s
    assert same(desk.tell("c2"), told)


def test_when_the_turn_comes_it_is_the_time_a_phone_rings() -> None:
    desk = Desk(rules(agents=many(2))).busy()
    desk.calls("c1")
    desk.tell("c1")
    desk.do("finished", "main-0")
    desk.wait(10.0)
    ringing = desk.tell("c1")
    assert ringing.low_s == 0.0
    assert ringing.high_s < 12.0


def test_who_waits_for_one_agent_is_not_told_that_it_takes_for_ever() -> None:
    """Waited for at most half a minute; then anybody may answer."""
    queues = {"main": QueueRules(sticky_s=30.0)}
    agents = many(8) | {"ann": AgentRules({"main": 1})}
    desk = Desk(rules(queues, agents)).busy()
    alone = desk.joining("@ann")
    anybody = desk.joining()
    desk.calls("c1", sticky="ann")
    estimate = desk.of("c1")
    assert alone is not None
    assert anybody is not None
    assert anybody.expected_s < estimate.expected_s < alone.expected_s


# Facts alone.


def test_the_same_facts_give_the_same_estimates() -> None:
    desk = Desk(rules(agents=many(3))).busy()
    desk.calls(*(f"c{n}" for n in range(9)))
    desk.wait(30.0)
    for number in range(9):
        desk.tell(f"c{number}")
    recovered = Estimates(rules(agents=many(3)))
    for call, event, at in desk.facts:
        recovered.note(call, event, at)
    assert recovered.joining("main", desk.now) == desk.joining()
    for number in range(9):
        call = f"c{number}"
        assert recovered.expected_s(call, desk.now) == desk.estimates.expected_s(call, desk.now)


def test_the_order_of_the_configuration_changes_nothing() -> None:
    queues = {"main": QueueRules(), "side": QueueRules(target_s=60.0), "gold": QueueRules(rank=1)}
    agents = many(3, "main", "side") | many(2, "gold", "main") | many(2, "side")
    forth = Desk(rules(queues, agents))
    back = Estimates(rules(dict(reversed(queues.items())), dict(reversed(agents.items()))))
    for queue in ("main", "side", "gold") * 8:
        forth.calls(f"{queue}-{len(forth.facts)}", queue=queue)
    for call, event, at in forth.facts:
        back.note(call, event, at)
    for queue in queues:
        assert back.joining(queue, 9.0) == forth.estimates.joining(queue, 9.0)


def test_a_reload_keeps_promises_until_it_takes_agents_away() -> None:
    before = rules(agents=many(6))
    desk = Desk(before).busy()
    desk.calls(*(f"c{n}" for n in range(6)))
    told = desk.tell("c5")
    desk.estimates.adopt(replace(before, agents=many(7)))
    desk.floor.reload(replace(before, agents=many(7)), desk.now)
    assert same(desk.tell("c5"), told)
    desk.estimates.adopt(replace(before, agents=many(2)))
    estimate = desk.of("c5")
    assert estimate.raised is not None
    assert estimate.raised.reason == "agent-left"
    assert estimate.expected_s > 2 * told.expected_s


def test_what_is_over_leaves_nothing_behind() -> None:
    desk = Desk(rules(agents=many(3))).busy()
    calls = [f"c{n}" for n in range(300)]
    for number, call in enumerate(calls):
        desk.calls(call, skills={f"s{number}": 1} if number % 3 == 0 else None)
        desk.of(call) if number % 3 else None
    for call in calls:
        desk.do("leave", call, end="abandoned")
    staff = desk.estimates._staff
    assert not desk.estimates._tracks
    assert not any(pool.line for pool in staff.pools.values())
    staff._pools_max = 50
    desk.calls("last", skills={"new": 1})
    assert len(staff.pools) <= 2


def test_an_emergency_in_a_queue_of_a_lower_class_goes_first_all_the_same() -> None:
    queues = {"gold": QueueRules(rank=1), "main": QueueRules(rank=5)}
    expected = {}
    for rank in (None, 0):
        desk = Desk(rules(queues, many(2, "main", "gold")))
        desk.calls("b0", "b1", queue="gold")
        desk.calls(*(f"m{n}" for n in range(4)), rank=rank)
        desk.wait(1.0)
        desk.calls("g1", queue="gold")
        expected[rank] = desk.of("g1").expected_s
    assert expected[0] > 3 * (expected[None] or 0.0)


def test_who_asks_for_a_callback_keeps_the_place_and_is_not_inserted_ahead() -> None:
    desk = Desk(rules(agents=many(3))).busy()
    desk.calls("c1", "c2", "c3")
    told = desk.tell("c3")
    for effect in desk.floor.request_callback("c1", "main", desk.now, number="100"):
        if isinstance(effect, Fact):
            desk.note(effect.call, effect.event)
    assert same(desk.tell("c3"), told)
