"""Offers: several agents rung at once, an agent's phones in order, phones that send calls on."""

from __future__ import annotations

import itertools

import pytest

from router import effects as do
from router import events as facts
from router import inputs as on
from router.call import Call
from router.call_table import step
from tests.router.stories import CARE, Story


def ringing(story: Story) -> set[str]:
    """The targets of the phones that ring."""
    return {leg.target for leg in story.call.legs.values() if leg.agent and leg.state != "gone"}


def ring_all(agents: tuple[str, ...] = ("anna", "boris", "carla")) -> tuple[Story, dict[str, str]]:
    story = Story().wait()
    return story, {
        agent: story.offer(agent, fence)[0] for fence, agent in enumerate(agents, start=1)
    }


# --- several offers at once --------------------------------------------------------------------


def test_the_first_of_several_agents_wins_and_the_others_fall_silent() -> None:
    story, legs = ring_all()
    story.feed(on.LegUp(legs["boris"]), 4.0)
    assert story.of(do.AcceptOffer) == [do.AcceptOffer("boris", 2)]
    story.feed(on.OfferWon("boris", 2))
    assert {effect.leg for effect in story.of(do.Drop)} == {legs["anna"], legs["carla"]}
    assert {effect.reason for effect in story.of(do.Drop)} == {"answered elsewhere"}
    assert story.of(do.Join) == [do.Join("in", legs["boris"])]
    assert story.call.offers == {}
    cleared = {effect.name for effect in story.of(do.ClearTimer)}
    assert {"ring-1", "ring-2", "ring-3"} <= cleared


def test_a_withdrawal_because_another_answered_says_so_to_the_phone() -> None:
    story, legs = ring_all()
    story.feed(on.LegUp(legs["boris"]))
    story.feed(on.Withdrawn("anna", 1, "accepted by another"))
    assert do.Drop(legs["anna"], "answered elsewhere") in story.effects


@pytest.mark.parametrize("order", list(itertools.permutations(["won", "stale", "withdrawn"])))
def test_two_answers_that_cross_join_one_agent(order: tuple[str, ...]) -> None:
    """The floor decides; its words may come in any order."""
    story, legs = ring_all()
    story.feed(on.LegUp(legs["anna"]))
    story.feed(on.LegUp(legs["boris"]))
    assert story.of(do.AcceptOffer) == [do.AcceptOffer("anna", 1), do.AcceptOffer("boris", 2)]
    words = {
        "won": on.OfferWon("anna", 1),
        "stale": on.OfferStale("boris", 2),
        "withdrawn": on.Withdrawn("carla", 3, "answered elsewhere"),
    }
    for word in order:
        story.feed(words[word])
    assert story.of(do.Join) == [do.Join("in", legs["anna"])]
    assert ringing(story) == {"sip:anna0"}
    assert story.call.offers == {}
    assert story.of(do.AgentDone) == []


def test_each_offer_rings_out_by_itself() -> None:
    story = Story().wait()
    story.offer("anna", 1)
    story.now += 5.0
    story.offer("boris", 2)
    story.feed(on.TimerFired("ring-1"), 10.0)
    assert story.of(do.RefuseOffer) == [do.RefuseOffer("anna", 1, "rung-out", "no answer")]
    assert ringing(story) == {"sip:boris0"}
    story.feed(on.TimerFired("ring-1"))
    assert len(story.of(do.RefuseOffer)) == 1


def test_a_refusal_ends_one_offer_of_several() -> None:
    story, legs = ring_all()
    story.feed(on.LegGone(legs["anna"], "refused", "603"))
    assert story.of(do.RefuseOffer) == [do.RefuseOffer("anna", 1, "refused", "603")]
    assert ringing(story) == {"sip:boris0", "sip:carla0"}


@pytest.mark.parametrize("leaving", ["caller", "key", "overflow", "supervisor"])
def test_nothing_rings_after_the_call_left_the_queue(leaving: str) -> None:
    story, _ = ring_all()
    story.feed(
        {
            "caller": on.LegGone("in", "bye"),
            "key": on.KeyPressed("in", "1"),
            "overflow": on.Overflowed("voicemail"),
            "supervisor": on.HangUpAsked("supervisor"),
        }[leaving]
    )
    assert ringing(story) == set()
    assert story.call.offers == {}


def test_the_callers_hang_up_that_crosses_the_answer_frees_the_agent() -> None:
    story, legs = ring_all()
    story.feed(on.LegUp(legs["anna"]))
    story.feed(on.LegGone("in", "bye"))
    assert story.of(do.AgentDone) == [do.AgentDone("anna")]
    assert ringing(story) == set()


def test_an_overflow_that_crosses_the_answer_frees_the_agent() -> None:
    story, legs = ring_all()
    story.feed(on.LegUp(legs["anna"]))
    story.feed(on.Overflowed("voicemail"))
    story.feed(on.OfferWon("anna", 1))
    assert story.of(do.AgentDone) == [do.AgentDone("anna")]
    assert story.of(do.Join) == []
    assert ringing(story) == set()


def test_a_phone_that_answers_and_dies_at_once_is_an_agent_lost() -> None:
    """The floor has counted the agent as talking: it must hear that the talk is over."""
    story, legs = ring_all()
    story.feed(on.LegUp(legs["anna"]))
    assert story.feed(on.LegGone(legs["anna"], "bye"))[0] == do.Fact(
        facts.LegEnded(legs["anna"], "bye", "anna")
    )
    assert story.of(do.RefuseOffer) == []
    story.feed(on.OfferWon("anna", 1))
    assert story.of(do.AgentDone) == [do.AgentDone("anna", lost=True)]
    assert story.of(do.EnterQueue)[-1] == do.EnterQueue("support", head=True)
    assert ringing(story) == set()
    story.feed(on.Queued(CARE))
    story.talk("boris", 9)
    assert story.call.phase == "talking"


def test_an_offer_of_the_same_fence_again_means_nothing() -> None:
    story, _ = ring_all(("anna",))
    assert story.feed(on.Offered("anna", 1, "support", 15.0, ("sip:x",))) == []


# --- phones in order ---------------------------------------------------------------------------


def in_order(count: int = 3, ring_s: float = 20.0, each_s: float = 8.0) -> Story:
    story = Story().wait()
    targets = tuple(f"sip:p{n}" for n in range(count))
    story.feed(on.Offered("anna", 1, "support", ring_s, targets, each_s))
    return story


def leg_of(story: Story, target: str) -> str:
    return next(leg.id for leg in story.call.legs.values() if leg.target == target)


def test_phones_in_order_ring_one_after_another_within_the_ring_time() -> None:
    story = in_order()
    heard = [ringing(story)]
    for wait_s in (8.0, 8.0):
        assert story.of(do.SetTimer)[-1] == do.SetTimer("ring-1", story.now + wait_s)
        story.feed(on.TimerFired("ring-1"), wait_s)
        heard.append(ringing(story))
    assert heard == [{"sip:p0"}, {"sip:p1"}, {"sip:p2"}]
    assert story.of(do.SetTimer)[-1] == do.SetTimer("ring-1", story.now + 4.0)
    story.feed(on.TimerFired("ring-1"), 4.0)
    assert ringing(story) == set()
    assert story.of(do.RefuseOffer) == [do.RefuseOffer("anna", 1, "rung-out", "no answer")]


def test_the_last_phone_rings_to_the_end_of_the_time() -> None:
    story = in_order(count=1)
    assert story.of(do.SetTimer)[-1] == do.SetTimer("ring-1", story.now + 20.0)


@pytest.mark.parametrize("cause", ["busy", "unreachable", "refused"])
def test_a_phone_that_cannot_ring_is_followed_by_the_next_at_once(cause: on.Cause) -> None:
    story = in_order()
    story.feed(on.LegGone(leg_of(story, "sip:p0"), cause), 1.0)
    assert ringing(story) == {"sip:p1"}
    assert story.of(do.RefuseOffer) == []


def test_an_offer_fails_with_the_most_telling_cause_of_its_phones() -> None:
    story = in_order()
    story.feed(on.LegGone(leg_of(story, "sip:p0"), "unreachable", "refused 404"), 1.0)
    story.feed(on.LegGone(leg_of(story, "sip:p1"), "busy", "refused 486"), 1.0)
    story.feed(on.LegGone(leg_of(story, "sip:p2"), "unreachable", "refused 503"), 1.0)
    assert story.of(do.RefuseOffer) == [do.RefuseOffer("anna", 1, "refused", "refused 486")]


def test_no_phone_begins_to_ring_after_the_time() -> None:
    story = in_order()
    story.feed(on.LegGone(leg_of(story, "sip:p0"), "busy"), 20.0)
    assert len(story.of(do.Dial)) == 1
    assert len(story.of(do.RefuseOffer)) == 1


# --- 302 ---------------------------------------------------------------------------------------


def test_a_redirect_rings_the_new_target_for_the_same_offer() -> None:
    story = Story(hops=5).wait()
    leg = story.offer()[0]
    story.feed(on.LegRedirected(leg, "sip:mobile"), 2.0)
    assert ringing(story) == {"sip:mobile"}
    dial = story.of(do.Dial)[-1]
    assert dial.hops == 5, "beyond the phone the caller's hops count"
    story.feed(on.LegUp(dial.leg), 3.0)
    assert story.of(do.AcceptOffer) == [do.AcceptOffer("anna", 1)]
    assert story.facts(facts.LegEnded) == [facts.LegEnded(leg, "redirected", "anna")]


def test_a_redirect_that_policy_forbids_is_a_refusal() -> None:
    story = Story().wait()
    story.feed(on.LegRedirected(story.offer()[0], ""))
    assert story.of(do.RefuseOffer) == [do.RefuseOffer("anna", 1, "refused", "redirected")]


@pytest.mark.parametrize("back", ["sip:anna0", "extension:101:sip:anna0"])
def test_redirects_in_a_circle_come_to_an_end(back: str) -> None:
    story = Story().wait()
    story.feed(on.LegRedirected(story.offer()[0], "sip:b"))
    story.feed(on.LegRedirected(leg_of(story, "sip:b"), back))
    assert len(story.of(do.Dial)) == 2
    assert [effect.end for effect in story.of(do.RefuseOffer)] == ["refused"]


def test_an_offer_is_redirected_twice_at_most() -> None:
    story = Story().wait()
    leg = story.offer()[0]
    for target in ("sip:b", "sip:c", "sip:d"):
        story.feed(on.LegRedirected(leg, target))
        leg = story.of(do.Dial)[-1].leg
    assert [dial.target for dial in story.of(do.Dial)] == ["sip:anna0", "sip:b", "sip:c"]
    assert len(story.of(do.RefuseOffer)) == 1


def test_a_redirect_to_the_agents_own_next_phone_rings_it_once() -> None:
    story = in_order()
    story.feed(on.LegRedirected(leg_of(story, "sip:p0"), "sip:p2"))
    assert ringing(story) == {"sip:p2"}
    story.feed(on.TimerFired("ring-1"), 8.0)
    assert ringing(story) == {"sip:p1"}
    story.feed(on.TimerFired("ring-1"), 12.0)
    assert len(story.of(do.Dial)) == 3
    assert len(story.of(do.RefuseOffer)) == 1


def test_a_long_wait_keeps_a_bounded_number_of_legs() -> None:
    call = Story().wait().call
    for fence in range(1, 2000):
        step(call, on.Offered("anna", fence, "support", 15.0, ("sip:a", "sip:b")), 2000.0)
        step(call, on.TimerFired(f"ring-{fence}"), 2015.0)
    assert isinstance(call, Call)
    assert len(call.legs) <= 256
    assert call.caller_leg in call.legs
