"""The replay of a log comes to the decisions that were taken, and sees when one was not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import settings

from config.errors import MisuseError
from queues.events import CallPromoted, CallWidened, FloorRulesAdopted, OfferMade
from queues.floor import Floor
from queues.offers import Effect
from queues.rules import AgentRules, FloorRules, QueueRules, Strategy, Widening
from queues.state import FloorState
from queues.why.picture import restore, take
from queues.why.replay import Replay, Result, next_fact, replay
from tests.queues.floor_machine import FloorMachine
from tests.queues.floors import Watched, picture, rules

NEVER = float("-inf")


class Entry(NamedTuple):
    """As engine.journal_file.Entry."""

    seq: int
    at: float
    call: str
    event: Any


def entries_of(watched: Watched) -> list[Entry]:
    return [Entry(seq, *fact) for seq, fact in enumerate(watched.facts, 1)]


def replayed(entries: list[Entry], first: FloorRules, *, pictures: bool = False) -> Result:
    """With ``FloorRulesAdopted`` among the entries whose digest is a FloorRules here; with
    ``pictures`` the floor is put down and taken up again whenever it is at rest."""
    run = Replay()
    run.begin(take(FloorState(first)), first)
    now = NEVER
    for entry in entries:
        if pictures and entry.at > now and run.state is not None:
            run.begin(take(run.state), run.state.rules)
        now = entry.at
        if isinstance(entry.event, FloorRulesAdopted):
            adopted: Any = entry.event.digest
            run.adopt(adopted, entry)
        else:
            run.take(entry)
    return run.close(complete=True)


class ReplayMachine(FloorMachine):
    """The floor's own machine; what it did is replayed at the end, from the facts alone."""

    def do(self, name: str, *args: Any, **kwargs: Any) -> list[Effect]:
        if not hasattr(self, "log"):
            self.log: list[tuple[float, str, Any]] = []
            self.first = self.rules
        known = len(self.watched.facts)
        if name == "reload":
            self.log.append((self.now, "", FloorRulesAdopted(args[0])))
        effects = super().do(name, *args, **kwargs)
        self.log += self.watched.facts[known:]
        return effects

    def teardown(self) -> None:
        super().teardown()
        if not hasattr(self, "log"):
            return
        entries = [Entry(seq, *fact) for seq, fact in enumerate(self.log, 1)]
        result = replayed(entries, self.first)
        assert result.differences == []
        assert result.decisions == sum(isinstance(e.event, OfferMade) for e in entries)
        assert result.unchecked == 0
        interrupted = replayed(entries, self.first, pictures=True)
        assert interrupted.differences == []
        assert interrupted.digest == result.digest
        state = self.watched.floor._desk.state
        again = Floor(self.rules)
        again._desk.state = restore(take(state), self.rules)
        assert picture(again) == picture(self.watched.floor)


TestReplay = ReplayMachine.TestCase
TestReplay.settings = settings(max_examples=40, stateful_step_count=40)


def a_day(
    seed: int, agents: int = 8, calls: int = 400, strategy: Strategy = "longest-idle"
) -> tuple[FloorRules, Watched]:
    """Some hours of a floor: arrivals, patience, talks, breaks, phones that do not answer."""
    dice = random.Random(seed)
    made = rules(
        {
            "main": QueueRules(
                strategy=strategy,
                ring_all_max=3,
                sticky_s=15.0,
                widening=(Widening(0.0, 1), Widening(8.0, 2), Widening(30.0, 0, frozenset({"en"}))),
            ),
            "help": QueueRules(rank=3, wait_max_s=90.0, strategy=strategy),
        },
        {
            f"a{n}": AgentRules(
                {"main": 1 + n % 2} | ({"help": 1} if n % 3 else {}),
                {"en": 1 + n % 3},
                position=n % 5,
                weight=1.0 + n % 4,
            )
            for n in range(agents)
        },
        starvation_s=60.0,
        random_seed=seed,
    )
    watched = Watched(made, staffed=True)
    agenda: list[tuple[float, Callable[[float], None]]] = []

    def ring(now: float) -> None:
        for agent, fence in [(view.agent, view.fence) for view in watched.agents() if view.fence]:
            if dice.random() < 0.8:
                watched.accept(agent, fence, now)
                agenda.append((now + dice.expovariate(1 / 60), lambda at, a=agent: end(a, at)))
            else:
                watched.refuse(agent, fence, now, "rung-out", "no answer")
                agenda.append((now + 20.0, lambda at, a=agent: back(a, at)))

    def end(agent: str, now: float) -> None:
        watched.finished(agent, now)

    def back(agent: str, now: float) -> None:
        watched.ready(agent, now)

    now = 0.0
    for number in range(calls):
        arrival = now + dice.expovariate(1 / 5)
        while True:
            agenda.sort(key=lambda item: item[0])
            due = watched.next_deadline
            first = min([t for t, _ in agenda[:1]] + ([due] if due is not None else []) + [arrival])
            now = max(now, first)
            if agenda and agenda[0][0] == first:
                agenda.pop(0)[1](now)
            elif due == first:
                watched.tick(now)
            else:
                break
            ring(now)
        wish = {"en": dice.choice([1, 2, 3])} if dice.random() < 0.5 else {}
        sticky = dice.choice(["", "", "a1", "a2"])
        queue = dice.choice(["main", "help"])
        watched.enqueue(f"c{number}", queue, now, skills=wish, sticky=sticky)
        if dice.random() < 0.3:
            gone = now + dice.expovariate(1 / 40)
            agenda.append((gone, lambda at, c=f"c{number}": watched.leave(c, at, "abandoned")))
        ring(now)
    return made, watched


def test_a_day_is_decided_alike_bit_by_bit() -> None:
    made, watched = a_day(1)
    first, second = replay(made, entries_of(watched)), replay(made, entries_of(watched))
    assert first.decisions > 200
    assert first.timers > 0
    assert first.differences == []
    assert first == second
    assert first.digest != replay(*_reseeded(2)).digest


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_every_strategy_decides_alike(strategy: Strategy) -> None:
    made, watched = a_day(4, calls=200, strategy=strategy)
    result = replayed(entries_of(watched), made)
    assert result.differences == []
    assert result.decisions > 80
    widened = sum(isinstance(event, CallWidened) for _, _, event in watched.facts)
    assert result.timers >= widened > 0
    interrupted = replayed(entries_of(watched), made, pictures=True)
    assert interrupted.differences == []
    assert interrupted.digest == result.digest


def _reseeded(seed: int) -> tuple[FloorRules, list[Entry]]:
    made, watched = a_day(seed)
    return made, entries_of(watched)


@pytest.mark.parametrize("change", ["agent", "key", "version", "lease", "excluded", "fence"])
def test_a_decision_that_the_core_would_not_take_is_told(change: str) -> None:
    made, watched = a_day(1, calls=60)
    entries = entries_of(watched)
    at, entry = [(i, e) for i, e in enumerate(entries) if isinstance(e.event, OfferMade)][20]
    event = entry.event
    wrong = {
        "agent": replace(event, agent=next(a for a in made.agents if a != event.agent)),
        "key": replace(event, key=(9, 0.0, 0)),
        "version": replace(event, floor_version=event.floor_version + 1),
        "lease": replace(event, lease_until=event.lease_until + 1e-6),
        "excluded": replace(event, excluded={**event.excluded, "no phone": 7}),
        "fence": replace(event, fence=event.fence + 1),
    }[change]
    entries[at] = entry._replace(event=wrong)
    found = replay(made, entries).differences[0]
    assert (found.seq, found.call) == (entry.seq, entry.call)
    assert repr(wrong) in found.recorded
    assert repr(event) in found.replayed


def test_a_decision_that_is_missing_is_told() -> None:
    watched = Watched(rules(), staffed=True)
    watched.enqueue("c1", "main", 5.0)
    kept = [e for e in entries_of(watched) if not (e.at == 5.0 and e.event.__class__ is OfferMade)]
    kept = [e for e in kept if e.seq < 6]
    (found,) = replay(rules(), kept).differences
    assert (found.recorded, found.at) == ("nothing", 5.0)
    assert "c1" in found.replayed
    assert replay(rules(), kept, complete=False).differences == []


def test_a_call_promoted_before_its_time_is_told() -> None:
    made = rules(starvation_s=50.0)
    watched = Watched(made)
    watched.enqueue("c1", "main", 0.0)
    early = Entry(9, 49.0, "c1", CallPromoted("main", 49.0))
    found = replay(made, [*entries_of(watched), early]).differences[0]
    assert "due at 50.0" in found.replayed
    watched.tick(50.0)
    assert replay(made, entries_of(watched)).differences == []


def test_a_timer_that_did_nothing_is_told() -> None:
    made = rules(starvation_s=50.0)
    watched = Watched(made)
    watched.enqueue("c1", "main", 0.0)
    later = Watched(made)
    later.enqueue("c2", "main", 60.0)
    found = replay(made, [*entries_of(watched), *entries_of(later)])
    assert "due at 50.0" in found.differences[0].replayed
    assert found.late_s == 10.0


def test_unknown_stretches_are_counted_not_judged() -> None:
    made, watched = a_day(1, calls=60)
    run = Replay()
    entries = entries_of(watched)
    for entry in entries:
        run.take(entry)
    result = run.close(complete=True)
    assert result.decisions == result.unchecked > 0
    assert result.differences == []
    assert result.digest == replay(made, entries).digest


def test_a_picture_that_does_not_fit_is_told() -> None:
    made, watched = a_day(1, calls=30)
    run = Replay()
    run.begin(take(FloorState(made)), made)
    for entry in entries_of(watched):
        run.take(entry)
    good = take(watched.floor._desk.state)
    assert run.compare(1, good)
    assert not run.compare(2, replace(good, fence=good.fence + 1))
    (found,) = run.close(complete=True).differences
    assert found.recorded == "a picture with other fence"


def test_following_without_judging_leads_to_the_same_state() -> None:
    made, watched = a_day(1, calls=60)
    run = Replay(judging=False)
    run.begin(take(FloorState(made)), made)
    for entry in entries_of(watched):
        run.take(entry)
    assert run.state is not None
    state = watched.floor._desk.state
    assert replace(take(run.state), now=state.now) == take(state)
    assert run.close(complete=True).decisions == 0


def test_time_before_the_last_ends_the_judging() -> None:
    made, watched = a_day(1, calls=30)
    entries = entries_of(watched)
    entries[50] = entries[50]._replace(at=NEVER)
    result = replay(made, entries)
    assert "time before" in result.differences[0].recorded
    assert result.unchecked > 0


def test_what_is_no_fact_of_the_floor_is_a_mistake() -> None:
    with pytest.raises(MisuseError, match="no fact of the floor"):
        Replay().take(Entry(1, 0.0, "", FloorRulesAdopted("x")))


def test_looking_ahead_changes_nothing() -> None:
    watched = Watched(rules(), staffed=True)
    watched.enqueue("c1", "main", 0.0)
    before = picture(watched.floor)
    assert next_fact(watched.floor._desk.state) is None
    assert picture(watched.floor) == before


def test_every_part_of_the_state_is_in_the_picture_or_made_anew() -> None:
    """A further part of the floor's state needs its place in ``queues.why.picture``."""
    kept = {"version", "now", "fence", "place", "calls", "agents", "talks", "strays"}
    anew = {
        "rules", "timers", "lines", "eligibility", "retired", "roster", "_handlers", "on_hold",
        "sticky", "ringing_all", "resume_s_max", "staff_counts", "fresh_calls", "fresh_agents",
        "fresh_rings",
    }  # fmt: skip
    decides_no_offer = {"places", "_wants"}
    assert set(vars(FloorState(rules()))) <= kept | anew | decides_no_offer
