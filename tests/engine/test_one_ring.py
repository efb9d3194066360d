"""A person's phone is rung for one call at a time, whichever way the calls come: offers of the
floor, transfers in person, colleagues who dial."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import QueueSettings
from queues.events import AgentPresence, CallQueued, OfferMade
from router import inputs as on
from router.sip import effects as sip
from tests.engine.desk import SETTINGS, Desk, description

NO_WRAP_UP = SETTINGS.model_copy(
    update={"queues": (QueueSettings(name="support", wrap_up_s=0.0), SETTINGS.queues[1])}
)
PEOPLE = {"anna": "101", "boris": "102"}


class Rings:
    """Watches the desk: which legs ring or talk at which phone."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.at: dict[str, set[str]] = {user: set() for user in PEOPLE.values()}
        self.seen = 0

    def look(self) -> None:
        """Follow what was said to phones since the last look, word by word."""
        for said in self.desk.phone.said[self.seen :]:
            for user, legs in self.at.items():
                if said[0] == "invite" and said[2].uri.startswith(f"sip:{user}@"):
                    assert not legs, f"{user} is rung for two calls at once"
                    legs.add(said[1])
                elif said[0] in ("hang_up", "reject"):
                    legs.discard(said[1])
        self.seen = len(self.desk.phone.said)

    def over(self, leg: str) -> None:
        for legs in self.at.values():
            legs.discard(leg)

    def leg_of(self, person: str) -> str:
        return next(iter(self.at[PEOPLE[person]]), "")


def answer(desk: Desk, leg: str) -> None:
    desk.phone.event(sip.Answered(leg, description("203.0.113.50", 40_000)))


class Floor:
    """Two people, callers, and what they may do in any order."""

    def __init__(self) -> None:
        self.desk = Desk(NO_WRAP_UP)
        self.rings = Rings(self.desk)
        self.count = 0
        for user in PEOPLE.values():
            self.desk.phone.register_phone(user)

    def play(self, what: str, person: str) -> None:
        getattr(self, what)(person)
        self.rings.look()

    def sign_in(self, person: str) -> None:
        self.desk.sign_in(person)

    def sign_out(self, person: str) -> None:
        self.desk.sign_out(person)

    def breaks(self, person: str) -> None:
        self.desk.take_break(person, "tea")

    def ready(self, person: str) -> None:
        self.desk.ready(person)

    def call_comes(self, person: str) -> None:
        self.count += 1
        self.desk.invite(f"in{self.count}")

    def answers(self, person: str) -> None:
        leg = self.rings.leg_of(person)
        if leg:
            answer(self.desk, leg)

    def refuses(self, person: str) -> None:
        leg = self.rings.leg_of(person)
        if leg:
            self.rings.over(leg)
            self.desk.phone.event(sip.Refused(leg, 486, "Busy Here"))

    def hangs_up(self, person: str) -> None:
        leg = self.rings.leg_of(person)
        if leg:
            self.rings.over(leg)
            self.desk.phone.event(sip.Ended(leg, "bye"))

    def transfers(self, person: str) -> None:
        """To the other one, who may be in whatever presence."""
        leg = self.rings.leg_of(person)
        other = "102" if person == "anna" else "101"
        if leg:
            self.desk.phone.event(sip.TransferAsked(leg, other, f"sip:{other}@offhook.local"))

    def transferred_from_far(self, person: str) -> None:
        """A supervisor puts any talk through to this person."""
        for call in list(self.desk.turns.calls):
            if self.desk.turns.calls[call].phase == "talking":
                to, phones = self.desk.floor.through(PEOPLE[person])
                self.desk.turns.feed(call, on.TransferAsked("", to, phones))
                return

    def dials_the_other(self, person: str) -> None:
        if self.rings.leg_of(person):
            return  # a person has one mouth
        self.count += 1
        leg = f"own{self.count}"
        self.rings.at[PEOPLE[person]].add(leg)
        self.desk.invite(leg, "102" if person == "anna" else "101", agent=PEOPLE[person])

    def time_passes(self, person: str) -> None:
        self.desk.pass_time(7.0)


DEEDS = sorted(name for name in vars(Floor) if not name.startswith("_") and name not in ("play",))
STEP = st.tuples(st.sampled_from(DEEDS), st.sampled_from(sorted(PEOPLE)))


@settings(max_examples=200)
@given(st.lists(STEP, min_size=5, max_size=60))
def test_whatever_happens_a_phone_is_rung_for_one_call(steps: list[tuple[str, str]]) -> None:
    floor = Floor()
    floor.play("sign_in", "anna")
    floor.play("call_comes", "anna")
    for what, person in steps:
        floor.play(what, person)


def talking_to_boris(desk: Desk, leg: str = "in1") -> str:
    """A call that boris took; its id."""
    desk.phone.register_phone("101")
    desk.agent_ready("boris")
    call = desk.call(leg)
    answer(desk, desk.invited_legs()[-1])
    return call.id


def put_through(desk: Desk, call: str) -> None:
    to, phones = desk.floor.through("101")
    desk.turns.feed(call, on.TransferAsked("", to, phones))


def test_who_is_rung_in_person_is_offered_nothing_when_signing_in_meanwhile() -> None:
    desk = Desk(NO_WRAP_UP)
    put_through(desk, talking_to_boris(desk))
    leg = desk.invited_legs()[-1]
    desk.call("in2")
    offers = len(desk.journal.facts(OfferMade))
    desk.sign_in("anna")
    assert desk.presence("anna") == "talking"
    assert len(desk.journal.facts(OfferMade)) == offers
    desk.phone.event(sip.Refused(leg, 480, "Temporarily Unavailable"))
    assert [fact.agent for fact in desk.journal.facts(OfferMade)[offers:]] == ["anna"]


def test_a_second_transfer_waits_in_the_personal_queue_though_nobody_is_signed_in() -> None:
    desk = Desk(NO_WRAP_UP)
    for leg in ("in1", "in2"):
        talking_to_boris(desk, leg)
        boris = desk.invited_legs()[-1]
        desk.phone.event(sip.TransferAsked(boris, "101", "sip:101@offhook.local"))
        if leg == "in1":
            desk.phone.event(sip.Ended(boris, "bye"))
    assert desk.journal.facts(CallQueued)[-1].queue == "@anna"


def test_a_colleague_who_talks_is_busy() -> None:
    desk = Desk(NO_WRAP_UP)
    talking_to_boris(desk)
    desk.sign_in("anna")
    desk.invite("own", "102", agent="101")
    assert ("reject", "own", 486, ()) in desk.phone.said
    assert desk.presence("anna") == "available"


def test_a_talk_that_ends_beside_a_call_in_person_brings_no_offer() -> None:
    desk = Desk(NO_WRAP_UP)
    uri = desk.agent_ready("anna")
    desk.call("in1")
    answer(desk, desk.invited_legs()[-1])
    desk.agent_ready("boris")
    second = desk.call("in2")
    answer(desk, desk.invited_legs()[-1])
    desk.turns.feed(second.id, on.TransferAsked("", on.Destination("agent", "anna"), (uri,)))
    answer(desk, desk.invited_legs()[-1])
    desk.sign_out("boris")
    desk.call("in3")
    offers = len(desk.journal.facts(OfferMade))
    desk.phone.event(sip.Ended("in1", "bye"))
    assert len(desk.journal.facts(OfferMade)) == offers
    assert desk.journal.facts(AgentPresence)[-1].presence == "talking"
