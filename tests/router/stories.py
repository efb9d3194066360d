"""Stories of calls: drives the call core and keeps what it wanted."""

from __future__ import annotations

import typing

from hypothesis import strategies as st

from router import effects as do
from router import events as facts
from router import inputs as on
from router.call import Call, CallRules
from router.call_table import step

CARE = on.QueueCare("support", announce_s=30.0, callback_key="1")
SPOKEN = on.QueueCare("sales", messages=("a.wav",), tells_wait=False)
MAIN = on.Destination("flow", "main")
LEGS = ("c.2", "c.3", "c.4", "c.5", "c.6")
WAYS_OUT = (
    "voicemail",
    "callback",
    "hang-up",
    "flow",
    "queue:sales",
    "queue:support",
    "announcement:full.wav",
    "number:1",
)
OUT = "trunk:out:+371200"
TIMERS = ("ring", "ring-1", "ring-2", "announce", "message", "closing", "voicemail", "flow")


class Story:
    """Drives a call and keeps what it wanted."""

    def __init__(self, to: on.Destination = MAIN, **more: object) -> None:
        self.call = Call("c", CallRules(recordings_dir="/r"))
        self.now = 1000.0
        self.effects: list[do.Effect] = []
        self.feed(on.Arrive("in", "+371200", "100", "trunk", to, **more))  # type: ignore[arg-type]

    def feed(self, happened: on.Input, after: float = 0.0) -> list[do.Effect]:
        self.now += after
        got = step(self.call, happened, self.now)
        self.effects += got
        return got

    def facts(self, kind: type) -> list[typing.Any]:
        return [
            effect.event
            for effect in self.effects
            if isinstance(effect, do.Fact) and isinstance(effect.event, kind)
        ]

    def of(self, kind: type) -> list[typing.Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def outcome(self) -> str:
        ended = self.facts(facts.CallEnded)
        assert len(ended) == 1
        return str(ended[0].outcome)

    def call_back(self, fence: int = 7, targets: tuple[str, ...] = (OUT,)) -> Story:
        """Begin the second life: anna is held."""
        self.call = Call("c", CallRules(recordings_dir="/r"))
        self.now = 5000.0
        self.effects = []
        self.feed(on.CallBack("+371200", targets, CARE, "anna", fence, 30.0, "trunk", "100"))
        return self

    def wait(self) -> Story:
        self.feed(on.LegUp("in"))
        self.feed(on.FlowQueues("support"))
        self.feed(on.Queued(CARE))
        return self

    def offer(self, agent: str = "anna", fence: int = 1, phones: int = 1) -> list[str]:
        before = len(self.of(do.Dial))
        targets = tuple(f"sip:{agent}{n}" for n in range(phones))
        self.feed(on.Offered(agent, fence, "support", 15.0, targets))
        return [dial.leg for dial in self.of(do.Dial)[before:]]

    def talk(self, agent: str = "anna", fence: int = 1) -> str:
        leg = self.offer(agent, fence)[0]
        self.feed(on.LegRinging(leg))
        self.feed(on.LegUp(leg), 3.0)
        self.feed(on.OfferWon(agent, fence))
        return leg


def sample(kind: type) -> on.Input:
    """A value of an input type, each field by its type."""
    values: dict[str, object] = {
        "leg": "in",
        "destination": on.Destination("queue", "support"),
        "care": CARE,
        "cause": "bye",
        "targets": ("sip:x",),
        "prompts": (),
        "greeting": (),
        "skills": {},
        "fence": 1,
        "priority": 0,
        "rank": None,
        "ring_s": 15.0,
        "timeout_s": 15.0,
        "max_s": 60.0,
        "to": "callback",
    }
    hints = typing.get_type_hints(kind)
    names = list(hints)
    made = {}
    for name in names:
        if name in values:
            made[name] = values[name]
        elif hints[name] is bool:
            made[name] = False
        elif hints[name] is float:
            made[name] = 1.0
        else:
            made[name] = "1"
    return typing.cast(on.Input, kind(**made))


def inputs(legs_of: tuple[str, ...] = ("in", *LEGS)) -> st.SearchStrategy[on.Input]:
    """Any input, whether it makes sense or not."""
    legs = st.sampled_from(legs_of)
    causes = st.sampled_from(typing.get_args(on.Cause))
    agents = st.sampled_from(["anna", "boris"])
    fences = st.integers(1, 3)
    places = st.sampled_from(
        [
            on.Destination("queue", "support"),
            on.Destination("agent", "boris"),
            on.Destination("external", "1"),
        ]
    )
    phones = st.sampled_from([(), ("sip:a",), ("sip:a", "sip:b")])
    each_s = st.sampled_from([0.0, 5.0])
    prompts = st.sampled_from([(), ("full.wav",)])
    reasons = st.sampled_from(["overflow", "queue closed"])
    targets = st.sampled_from(["", "sip:a", "sip:c", "sip:d"])
    return st.one_of(
        st.builds(on.LegUp, legs),
        st.builds(on.LegRinging, legs, st.booleans()),
        st.builds(on.LegGone, legs, causes),
        st.builds(on.LegHeld, legs),
        st.builds(on.LegResumed, legs),
        st.builds(on.KeyPressed, legs, st.sampled_from("1#5")),
        st.builds(on.PlayDone, legs, st.sampled_from([f"c.p{n}" for n in range(1, 6)])),
        st.builds(on.MediaLost, legs),
        st.just(on.FlowSays(())),
        st.just(on.FlowQueues("support")),
        st.builds(on.FlowDials, places, st.just(30.0), phones),
        st.just(on.FlowTakesMessage((), 30.0)),
        st.just(on.FlowPromisesCallback("1", "support")),
        st.just(on.FlowEnds(("bye",), True, "done")),
        st.builds(on.Queued, st.sampled_from([CARE, SPOKEN])),
        st.builds(on.Offered, agents, fences, st.just("support"), st.just(15.0), phones, each_s),
        st.builds(on.LegRedirected, legs, targets),
        st.builds(on.Withdrawn, agents, fences, st.just("gone")),
        st.builds(on.OfferWon, agents, fences),
        st.builds(on.OfferStale, agents, fences),
        st.builds(on.Overflowed, st.sampled_from(WAYS_OUT), reasons, prompts, phones),
        st.builds(on.TransferAsked, st.sampled_from(["", "c.2", "in"]), places, phones),
        st.just(on.HangUpAsked("supervisor")),
        st.builds(on.TimerFired, st.sampled_from(TIMERS)),
    )
