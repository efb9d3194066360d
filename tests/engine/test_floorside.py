"""The floor's shell: offers become rings, what crosses does no harm, overflow leads on."""

from __future__ import annotations

from typing import Any

import pytest

from config.settings import QueueSettings, Settings
from engine.care import Cares
from engine.sounds import Sounds
from ivr.actions import Audio
from queues.events import (
    AgentPresence,
    CallQueued,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
)
from router import inputs as on
from router.call import Call
from router.events import CallConnected, CallEnded
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import SETTINGS, Desk, description


@pytest.fixture
def desk() -> Desk:
    return Desk()


def answer(desk: Desk, leg: str) -> None:
    desk.phone.event(sip.Answered(leg, description("203.0.113.50", 40_000)))


def presences(desk: Desk, agent: str) -> list[str]:
    return [f.presence for f in desk.journal.facts(AgentPresence) if f.agent == agent]


# --- offers ----------------------------------------------------------------------


def test_an_offer_rings_every_phone_of_the_agent_and_the_first_answer_wins(desk: Desk) -> None:
    desk.phone.register_phone("101", "sip:101@192.0.2.60:5060", "192.0.2.60")
    desk.agent_ready("anna")
    call = desk.call()
    first, second = desk.invited_legs()
    answer(desk, second)
    assert call.phase == "talking"
    assert ("hang_up", first, 480, "answered elsewhere") in desk.phone.said
    assert desk.journal.facts(CallConnected)[0].leg == second
    answer(desk, first)  # it crossed our CANCEL
    assert len(desk.journal.facts(CallConnected)) == 1


def test_the_decision_stands_in_the_log_before_the_phone_rings(desk: Desk) -> None:
    desk.agent_ready()
    desk.journal.slow = True
    desk.call()
    desk.journal.sync(2)
    assert "invite" not in desk.phone.verbs()
    desk.journal.sync()
    desk.journal.sync()
    assert len(desk.invited_legs()) == 1
    assert desk.journal.names().index("OfferMade") < desk.journal.names().index("LegDialled")


def test_a_refusal_sends_the_agent_on_break_and_the_call_to_the_next(desk: Desk) -> None:
    desk.agent_ready("anna")
    call = desk.call()
    desk.agent_ready("boris")
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Refused(leg, 603, "Decline"))
    assert desk.journal.facts(OfferEnded)[0].end == "refused"
    assert desk.presence("anna") == "on-break"
    assert call.legs[desk.invited_legs()[-1]].agent == "boris"
    assert len(desk.journal.facts(CallQueued)) == 1, "it kept its place"


def test_nobody_answers_in_time(desk: Desk) -> None:
    desk.agent_ready("anna")
    call = desk.call()
    (leg,) = desk.invited_legs()
    desk.pass_time(12.1)
    assert desk.journal.facts(OfferEnded)[0].end == "rung-out"
    assert ("hang_up", leg, 480, "no answer") in desk.phone.said
    assert (call.phase, desk.presence("anna")) == ("waiting", "on-break")


def test_an_agent_without_a_phone_is_offered_nothing(desk: Desk) -> None:
    desk.sign_in("anna")
    desk.call()
    assert desk.journal.facts(OfferMade) == []
    desk.phone.register_phone("101")
    assert len(desk.invited_legs()) == 1


def test_a_phone_that_goes_while_it_rings_withdraws_the_offer(desk: Desk) -> None:
    desk.agent_ready("anna")
    call = desk.call()
    (leg,) = desk.invited_legs()
    desk.phone.phones.clear()
    desk.phone.tell_registered("101")
    assert desk.journal.facts(OfferEnded)[0].end == "withdrawn"
    assert desk.phone.said[-1] == ("hang_up", leg, 480, "phone gone")
    assert (call.phase, desk.presence("anna")) == ("waiting", "available")


def test_an_answer_after_the_lease_is_hung_up_and_the_call_waits_on(desk: Desk) -> None:
    """The loop was late: neither the ring's timer nor the lease's has been looked at."""
    desk.agent_ready("anna")
    call = desk.call()
    (leg,) = desk.invited_legs()
    desk.clock.at += 61.0
    answer(desk, leg)
    assert call.phase == "waiting"
    assert "hang_up" in desk.phone.verbs(leg)
    assert desk.journal.facts(CallConnected) == []
    assert desk.floor.waiting()[0].call == call.id


def test_a_caller_who_leaves_takes_the_offer_along(desk: Desk) -> None:
    desk.agent_ready("anna")
    call = desk.call()
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Ended("in1", "bye"))
    assert "hang_up" in desk.phone.verbs(leg)
    assert (call.phase, desk.presence("anna")) == ("ended", "available")
    assert desk.journal.facts(QueueVisitEnded)[0].end == "abandoned"


def test_wrap_up_ends_by_itself_and_the_next_call_is_offered(desk: Desk) -> None:
    desk.agent_ready("anna")
    desk.call("in1")
    answer(desk, desk.invited_legs()[-1])
    second = desk.call("in2")
    desk.phone.event(sip.Ended("in1", "bye"))
    assert desk.presence("anna") == "wrap-up"
    desk.pass_time(4.9)
    assert len(desk.invited_legs()) == 1
    desk.pass_time(0.2)
    assert desk.invited_legs()[-1].startswith(second.id)


def test_a_dead_phone_sends_the_caller_to_the_head_of_the_queue(desk: Desk) -> None:
    desk.agent_ready("anna")
    first = desk.call("in1")
    answer(desk, desk.invited_legs()[-1])
    second = desk.call("in2")
    desk.wiring.reported("w0", media.MediaTimeout(first.other_leg, 0.0))
    assert [view.call for view in desk.floor.waiting()] == [first.id, second.id]
    assert desk.presence("anna") == "on-break"
    assert desk.workers.of(media.Play)[-1].files[0] == "agent-lost.ulaw"


# --- ways out ----------------------------------------------------------------------


def test_overflow_to_voicemail_says_where_to_speak(desk: Desk) -> None:
    call = desk.call(dialled="600")
    desk.pass_time(61.0)
    assert call.phase == "voicemail"
    assert desk.workers.of(media.Play)[-1].files == ("voicemail-beep.ulaw",)
    assert desk.journal.facts(QueueVisitEnded)[0].end == "overflowed"


def test_overflow_to_a_callback_promises_it(desk: Desk) -> None:
    desk.call()
    desk.pass_time(181.0)
    play = desk.workers.of(media.Play)[-1]
    assert play.files == ("callback-confirmed.ulaw",)
    desk.wiring.reported("w0", media.PlayEnded("in1", play.play, False, 0.0))
    (ended,) = desk.journal.facts(CallEnded)
    assert (ended.outcome, ended.callback_number) == ("callback-requested", "+37120000001")


def test_a_queue_that_does_not_exist_ends_the_call_and_nothing_else(desk: Desk) -> None:
    call = desk.call(dialled="37167000000")
    desk.turns.feed(call.id, on.FlowQueues("nowhere"))
    (ended,) = desk.journal.facts(CallEnded)
    assert ended.cause == "ended by unknown queue nowhere"


def test_the_care_of_a_queue_is_its_settings() -> None:
    queue = QueueSettings(
        name="q",
        target_s=30,
        short_abandon_s=4,
        callback_key="2",
        language="lv",
        announce_position=False,
        messages=("m.wav",),
        message_interval_s=90,
    )
    message = Audio("m.ulaw")
    cares = Cares(Settings(queues=(queue,)), Sounds(messages={"q": (message,)}))
    assert cares.of("q") == on.QueueCare(
        "q", 30.0, 4.0, 30.0, "2", "lv", False, True, (message,), 90.0
    )
    assert cares.of("none") is None
    assert cares.of("@nobody") is None


# --- beside the queue ----------------------------------------------------------------------


def test_an_own_call_makes_the_agent_busy_and_then_free(desk: Desk) -> None:
    desk.agent_ready("anna")
    desk.agent_ready("boris")
    desk.invite("own", "102", agent="101")
    assert desk.presence("anna") == "talking"
    assert desk.presence("boris") == "talking"
    desk.call("in1")
    assert desk.journal.facts(OfferMade) == []
    desk.phone.event(sip.Ended("own", "bye"))
    assert len(desk.journal.facts(OfferMade)) == 1, "free again, and somebody waits"
    assert desk.journal.facts(CallEnded) == [], "an own call is no call of a customer's"


def transferred_to_anna(desk: Desk, call: Call, uri: str) -> str:
    """A talk is put through to anna in person: her phone's leg, ringing."""
    before = desk.invited_legs()
    desk.turns.feed(call.id, on.TransferAsked("", on.Destination("agent", "anna"), (uri,)))
    (leg,) = desk.invited_legs()[len(before) :]
    return leg


def test_who_refuses_a_transfer_is_still_in_the_own_call(desk: Desk) -> None:
    uri = desk.agent_ready("anna")
    desk.invite("own", "+37129999999", agent="101")
    desk.agent_ready("boris")
    call = desk.call()
    answer(desk, desk.invited_legs()[-1])
    leg = transferred_to_anna(desk, call, uri)
    desk.phone.event(sip.Refused(leg, 486, "Busy Here"))
    assert desk.presence("anna") == "talking"
    desk.phone.event(sip.Ended("own", "bye"))
    assert desk.presence("anna") == "available"


def test_who_took_a_second_call_is_free_when_both_are_over(desk: Desk) -> None:
    uri = desk.agent_ready("anna")
    desk.call("in1")
    answer(desk, desk.invited_legs()[-1])
    desk.agent_ready("boris")
    second = desk.call("in2")
    answer(desk, desk.invited_legs()[-1])
    leg = transferred_to_anna(desk, second, uri)
    answer(desk, leg)
    desk.phone.event(sip.Ended("in1", "bye"))
    assert desk.presence("anna") == "talking"
    desk.pass_time(60)
    assert desk.presence("anna") == "talking"
    desk.phone.event(sip.Ended("in2", "bye"))
    desk.pass_time(60)
    assert desk.presence("anna") == "available"


def test_a_new_queue_and_a_queue_that_is_gone(desk: Desk) -> None:
    call = desk.call(dialled="600")
    changed = SETTINGS.model_copy(
        update={"queues": (SETTINGS.queues[0], QueueSettings(name="billing"))}
    )
    desk.floor.reload(changed, Sounds())
    assert call.phase == "voicemail", "the calls of a queue that is gone overflow"
    other = desk.call("in2", dialled="37167000000")
    desk.turns.feed(other.id, on.FlowQueues("billing"))
    assert (other.phase, other.queue) == ("waiting", "billing")


# --- recovery ----------------------------------------------------------------------


def crashed(desk: Desk) -> Any:
    """The next engine's desk: what was durable, settled."""
    from engine import recovery

    after = Desk(kept=desk.journal.entries[: desk.journal.durable_seq])
    recovery.settle(after)  # type: ignore[arg-type]
    return after


def test_after_a_crash_nobody_is_offered_a_call_of_the_past(desk: Desk) -> None:
    desk.agent_ready("anna")
    desk.agent_ready("boris")
    desk.call("in1")
    answer(desk, desk.invited_legs()[-1])
    desk.call("in2")  # rings at the other's
    desk.call("in3")  # waits
    offers = len(desk.journal.facts(OfferMade))
    after = crashed(desk)
    assert after.floor.waiting() == []
    assert len(after.journal.facts(OfferMade)) == offers
    assert [ended.outcome for ended in after.journal.facts(CallEnded)].count("missed") == 2
    assert not any(view.reachable for view in after.floor.agents())


def test_after_a_crash_agents_are_where_they_were_and_ring_once_registered(desk: Desk) -> None:
    desk.agent_ready("anna")
    desk.agent_ready("boris")
    desk.take_break("boris", "tea")
    after = crashed(desk)
    assert (after.presence("anna"), after.presence("boris")) == ("available", "on-break")
    after.call("in9")
    assert after.invited_legs() == []
    after.phone.register_phone("101")
    assert len(after.invited_legs()) == 1


def test_after_a_crash_a_talk_becomes_wrap_up_and_then_available(desk: Desk) -> None:
    desk.agent_ready("anna")
    desk.call("in1")
    answer(desk, desk.invited_legs()[-1])
    after = crashed(desk)
    assert after.presence("anna") == "wrap-up"
    after.pass_time(6.0)
    assert after.presence("anna") == "available"
    assert presences(after, "anna")[-2:] == ["wrap-up", "available"]
