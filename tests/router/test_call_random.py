"""Whatever happens: a call ends once, no phone rings on, no agent is forgotten."""

from __future__ import annotations

from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import effects as do
from router import events as facts
from router import inputs as on
from tests.router.stories import CARE, LEGS, SPOKEN, WAYS_OUT, Story, inputs


def settle(story: Story) -> None:
    """The end of any story: no leg, no timer, no recording is left."""
    assert story.call.phase == "ended"
    assert len(story.of(do.Finished)) == 1
    assert all(leg.state == "gone" for leg in story.call.legs.values())
    started = {record.recording for record in story.of(do.Record)}
    assert started == {stop.recording for stop in story.of(do.StopRecording)}
    assert timers(story) == set()


def timers(story: Story) -> set[str]:
    """What is still to fire; the flow's timer is the IVR's."""
    running: set[str] = set()
    for effect in story.effects:
        if isinstance(effect, do.SetTimer):
            running.add(effect.name)
        elif isinstance(effect, do.ClearTimer):
            running.discard(effect.name)
    return running


@settings(max_examples=400, deadline=None)
@given(st.lists(inputs(), max_size=40))
def test_any_story_ends_once_and_leaves_no_leg(happened: list[on.Input]) -> None:
    story = Story()
    for item in happened:
        story.feed(item, 1.0)
    story.feed(on.HangUpAsked("supervisor"), 1.0)
    settle(story)
    assert len(story.facts(facts.CallEnded)) == 1
    after = len(story.effects)
    for item in happened:
        story.feed(item)
    assert all(isinstance(effect, do.Drop) for effect in story.effects[after:])


@settings(max_examples=400, deadline=None)
@given(st.lists(inputs(tuple(f"c.b7-{leg[2:]}" for leg in ("c.1", *LEGS))), max_size=40))
def test_a_second_life_ends_without_a_second_end(happened: list[on.Input]) -> None:
    story = Story().call_back()
    for item in happened:
        story.feed(item, 1.0)
    story.feed(on.HangUpAsked("supervisor"), 1.0)
    settle(story)
    assert story.facts(facts.CallEnded) == []
    reached = len(story.of(do.CallbackReached))
    assert reached + len(story.of(do.CallbackMissed)) <= 1
    assert len(story.facts(facts.SecondLifeEnded)) == reached


class Floor:
    """A floor that keeps its word: one call at most for a fence, one agent for the call. Its
    words queue up behind whatever else happened in the same instant, as in the engine."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.pending: deque[on.Input] = deque()
        self.waits = True
        self.open: dict[int, str] = {}
        self.accepted: list[str] = []
        self.fence = 10
        self.seen = len(story.effects)
        self.obey()

    def offer(self, phones: int, each_s: float) -> None:
        if self.waits and len(self.open) < 4:
            self.fence += 1
            agent = f"agent{self.fence}"
            self.open[self.fence] = agent
            targets = tuple(f"sip:{agent}-{n}" for n in range(phones))
            self.pending.append(on.Offered(agent, self.fence, "support", 15.0, targets, each_s))

    def withdraw(self, which: int) -> None:
        if self.open:
            fence = sorted(self.open)[which % len(self.open)]
            self.pending.append(on.Withdrawn(self.open.pop(fence), fence, "signed out"))

    def leave(self) -> None:
        self.waits = False
        while self.open:
            self.withdraw(0)

    def overflow(self, to: str) -> None:
        if self.waits:
            self.leave()
            targets = ("trunk:out:1",)
            self.pending.append(on.Overflowed(to, prompts=("full.wav",), targets=targets))

    def next(self) -> None:
        if self.pending:
            self.story.feed(self.pending.popleft(), 0.5)
            self.obey()

    def obey(self) -> None:
        """Inner effects take place at once."""
        new, self.seen = self.story.effects[self.seen :], len(self.story.effects)
        for effect in new:
            match effect:
                case do.AcceptOffer(agent, fence):
                    if self.open.pop(fence, None) is None:
                        self.pending.append(on.OfferStale(agent, fence))
                        continue
                    self.accepted.append(agent)
                    self.leave()
                    self.pending.append(on.OfferWon(agent, fence))
                case do.RefuseOffer(_, fence):
                    self.open.pop(fence, None)
                case do.LeaveQueue() | do.RequestCallback():
                    self.leave()
                case do.EnterQueue(queue):
                    self.waits = True
                    care = SPOKEN if queue == "sales" else CARE
                    self.pending.append(on.Queued(care))
                case do.CallbackReached(agent, fence):
                    self.waits = True
                    self.open[fence] = agent
                    self.pending.append(on.Offered(agent, fence, "support", 15.0, ("sip:anna",)))


WORDS = (
    "offer offer up up cross drain drain drain drain ring gone redirect timer withdraw overflow "
    "caller key said transfer"
)
ACTIONS = st.lists(
    st.tuples(st.sampled_from(WORDS.split()), st.integers(0, 7)), min_size=10, max_size=60
)


def act(story: Story, floor: Floor, action: str, n: int) -> None:
    call = story.call
    alive = [leg.id for leg in call.legs.values() if leg.state != "gone" and leg.role != "caller"]
    leg = alive[n % len(alive)] if alive else "none"
    running = sorted(timers(story))
    match action:
        case "offer":
            floor.offer(n % 4, 4.0 if n > 3 else 0.0)
        case "up":
            floor.pending.append(on.LegUp(leg))
        case "ring":
            floor.pending.append(on.LegRinging(leg))
        case "gone":
            causes: list[on.Cause] = ["busy", "refused", "no-answer", "unreachable", "bye", "lost"]
            floor.pending.append(on.LegGone(leg, causes[n % len(causes)]))
        case "redirect":
            floor.pending.append(on.LegRedirected(leg, f"sip:elsewhere{n}" if n else ""))
        case "timer" if running:
            floor.pending.append(on.TimerFired(running[n % len(running)]))
        case "cross":  # an answer, and something else in the same instant
            floor.pending.append(on.LegUp(leg))
            crossing = (on.LegGone(leg, "bye"), on.KeyPressed(call.caller_leg, "1"))
            floor.pending.append((*crossing, on.LegUp(alive[-1] if alive else "none"))[n % 3])
        case "withdraw":
            floor.withdraw(n)
        case "overflow":
            floor.overflow(WAYS_OUT[n])
        case "caller" if n == 0:
            floor.pending.append(on.LegGone(call.caller_leg, "bye"))
        case "key":
            floor.pending.append(on.KeyPressed(call.caller_leg, "1"))
        case "said":
            floor.pending.append(on.PlayDone(call.caller_leg, call.play))
        case "transfer" if call.phase == "talking":
            queue = on.Destination("queue", "sales")
            floor.pending.append(on.TransferAsked(call.other_leg, queue))
    if action == "drain":
        floor.next()


def check(story: Story, floor: Floor) -> None:
    """No phone rings but for an offer that stands, a dial, or the talk."""
    call = story.call
    wanted = {leg for offer in call.offers.values() for leg in offer.legs}
    wanted |= set(call.attempt.legs) if call.attempt is not None else set()
    wanted |= {call.other_leg, call.caller_leg}
    ringing = {leg.id for leg in call.legs.values() if leg.state != "gone"}
    assert ringing <= wanted
    if call.phase not in ("waiting", "calling-back"):
        offered = {leg for offer in call.offers.values() for leg in offer.legs}
        assert not offered & ringing
    if call.phase == "talking" and not floor.pending:
        up = {leg.id for leg in call.legs.values() if leg.state in ("up", "held")}
        assert up == {call.caller_leg, call.other_leg}, "a talk is of two"


@pytest.mark.parametrize("life", ["first", "second"])
@settings(max_examples=400, deadline=None)
@given(actions=ACTIONS)
def test_with_a_floor_that_keeps_its_word(life: str, actions: list[tuple[str, int]]) -> None:
    story = Story().wait() if life == "first" else Story().call_back()
    floor = Floor(story)
    if life == "first":
        floor.pending.clear()
    else:
        floor.pending.append(on.LegUp("c.b7-1"))
    for action, n in actions:
        act(story, floor, action, n)
        check(story, floor)
    while floor.pending:
        floor.next()
        check(story, floor)
    story.feed(on.HangUpAsked("supervisor"), 1.0)
    floor.obey()
    settle(story)
    done = Counter(effect.agent for effect in story.of(do.AgentDone))
    assert done == Counter(floor.accepted), "who was given the call is free again, once"
    assert len(story.facts(facts.CallEnded)) == (1 if life == "first" else 0)
