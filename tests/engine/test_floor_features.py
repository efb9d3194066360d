"""What the configuration of queues and agents promises, through the shells of an engine."""

from __future__ import annotations

from typing import Any

import pytest

from config.queueing import Blocked, CallerLists, Vip
from config.settings import AgentSettings, QueueSettings, Settings
from engine.sounds import Sounds
from ivr.actions import Audio, Phrase
from queues.events import CallQueued, OfferEnded, OfferMade, QueueVisitEnded
from router import inputs as on
from router.events import CallConnected, CallEnded
from router.media import protocol as media
from router.sip import effects as sip
from tests.engine.desk import CALLER, SETTINGS, Desk, description


def desk_with(
    *, agents: dict[str, dict[str, Any]] | None = None, sounds: Sounds | None = None, **queue: Any
) -> Desk:
    """The desk with changes of the queue support and of agents."""
    support = QueueSettings(**{**SETTINGS.queues[0].model_dump(), **queue})
    people = tuple(
        AgentSettings(**{**agent.model_dump(), **(agents or {}).get(agent.id, {})})
        for agent in SETTINGS.agents
    )
    settings = Settings(
        queues=(support, SETTINGS.queues[1]),
        numbers=SETTINGS.numbers,
        agents=people,
        trunks=SETTINGS.trunks,
    )
    desk = Desk(settings)
    if sounds is not None:
        desk.floor.reload(settings, sounds)
    return desk


def answer(desk: Desk, leg: str) -> None:
    desk.phone.event(sip.Answered(leg, description("203.0.113.50", 40_000)))


def rung(desk: Desk) -> list[str]:
    """The addresses that were dialled, in order."""
    return [said[2].uri.split(";")[0] for said in desk.phone.said if said[0] == "invite"]


def prompts(desk: Desk) -> list[object]:
    return [prompt for batch in desk.prompts.asked for prompt in batch]


# --- who is let in ----------------------------------------------------------------------------


def test_a_blocked_caller_is_refused_before_anything_rings() -> None:
    lists = CallerLists(blocked=(Blocked(numbers=(CALLER,)),))
    desk = Desk(SETTINGS.model_copy(update={"callers": lists}))
    desk.invite("in1")
    (ended,) = desk.journal.facts(CallEnded)
    assert (ended.outcome, ended.cause) == ("refused", "blocked")
    assert ("reject", "in1", 603, ()) in desk.phone.said or "hang_up" in desk.phone.verbs("in1")


def test_who_is_blocked_in_one_queue_is_refused_where_the_menu_leads_there() -> None:
    lists = CallerLists(blocked=(Blocked(numbers=(CALLER,), queues=("support",)),))
    desk = Desk(SETTINGS.model_copy(update={"callers": lists}))
    call = desk.call(dialled="37167000000")
    desk.turns.feed(call.id, on.FlowQueues("support"))
    assert desk.journal.facts(CallQueued) == []
    (ended,) = desk.journal.facts(CallEnded)
    assert ended.outcome == "refused"


def test_a_vip_goes_before_those_who_came_a_little_earlier() -> None:
    lists = CallerLists(vip=(Vip(numbers=(CALLER,), priority=10),))
    desk = Desk(SETTINGS.model_copy(update={"callers": lists}))
    desk.call("in1")
    (queued,) = desk.journal.facts(CallQueued)
    assert queued.priority == 10
    assert queued.deadline == pytest.approx(desk.clock.at + 20.0 - 50.0)


# --- who answers ------------------------------------------------------------------------------


def test_the_agent_who_knows_the_caller_is_waited_for() -> None:
    desk = desk_with(sticky_s=30.0)
    desk.callers.note(CALLER, 1, "answered", "boris")
    desk.agent_ready("boris")
    desk.call("in1")
    answer(desk, desk.invited_legs()[-1])
    desk.agent_ready("anna")
    desk.call("in2")
    assert len(desk.journal.facts(OfferMade)) == 1, "anna is free, boris knows the caller"
    desk.pass_time(31.0)
    assert [fact.agent for fact in desk.journal.facts(OfferMade)] == ["boris", "anna"]


def test_ring_all_rings_everybody_and_the_first_answer_wins() -> None:
    desk = desk_with(strategy="ring-all")
    desk.agent_ready("anna")
    desk.agent_ready("boris")
    call = desk.call()
    first, second = desk.invited_legs()
    answer(desk, second)
    assert call.phase == "talking"
    assert ("hang_up", first, 480, "answered elsewhere") in desk.phone.said
    ends = {fact.agent: fact.end for fact in desk.journal.facts(OfferEnded)}
    assert ends == {"boris": "withdrawn", "anna": "accepted"}
    assert desk.presence("boris") == "available"
    answer(desk, first)  # it crossed our CANCEL
    assert len(desk.journal.facts(CallConnected)) == 1


def test_devices_ring_one_after_another_where_the_agent_wants_it() -> None:
    desk = desk_with(agents={"anna": {"devices": "in-order", "device_ring_s": 4.0}})
    desk.phone.register_phone("101", "sip:101@192.0.2.61:5060", "192.0.2.61")
    desk.agent_ready("anna")
    call = desk.call()
    assert len(rung(desk)) == 1
    desk.pass_time(4.1)
    assert rung(desk) == ["sip:101@192.0.2.61:5060", "sip:101@192.0.2.50:5060"]
    answer(desk, desk.invited_legs()[-1])
    assert call.phase == "talking"


@pytest.mark.parametrize(
    ("policy", "followed"), [("never", False), ("extensions", True), ("anywhere", True)]
)
def test_a_phone_that_sends_the_offer_on_is_followed_within_policy(
    policy: str, followed: bool
) -> None:
    desk = desk_with(agents={"anna": {"redirects": policy}})
    desk.agent_ready("anna")
    desk.phone.register_phone("102")
    call = desk.call()
    (leg,) = desk.invited_legs()
    desk.phone.event(sip.Refused(leg, 302, "Moved Temporarily", ("sip:102@offhook.local",)))
    if not followed:
        assert desk.journal.facts(OfferEnded)[0].end == "refused"
        return
    assert rung(desk)[-1].startswith("sip:102@")
    answer(desk, desk.invited_legs()[-1])
    assert (call.phase, call.agent) == ("talking", "anna")


# --- ways out ---------------------------------------------------------------------------------


def test_a_full_queue_overflows_to_another_with_the_time_waited() -> None:
    desk = desk_with(waiting_max=1, overflow_on={"full": "queue:sales"})
    desk.call("in1")
    second = desk.call("in2")
    assert (second.phase, second.queue) == ("waiting", "sales")
    ends = [fact.end for fact in desk.journal.facts(QueueVisitEnded)]
    assert ends == ["overflowed"]


def test_a_wait_that_is_too_long_is_dialled_out() -> None:
    desk = desk_with(wait_max_s=60.0, overflow="number:+37255500")
    desk.call("in1")
    desk.pass_time(61.0)
    assert rung(desk) == ["sip:+37255500@198.51.100.7:5070"]
    answer(desk, desk.invited_legs()[-1])
    desk.phone.event(sip.Ended("in1", "bye"))
    (ended,) = desk.journal.facts(CallEnded)
    assert ended.outcome == "overflowed"


def test_without_staff_the_caller_hears_why() -> None:
    way = "announcement:/a/nobody.wav"
    desk = desk_with(
        join_when="signed-in",
        overflow_on={"unstaffed": way},
        sounds=Sounds(announcements={way: Audio("/c/nobody.ulaw")}),
    )
    call = desk.call("in1")
    assert Audio("/c/nobody.ulaw") in prompts(desk)
    assert call.phase == "closing"


def test_a_menu_that_says_how_to_go_on_goes_before_the_queue_s_way_out() -> None:
    desk = desk_with(waiting_max=1)
    desk.call("in1")
    call = desk.call("in2", dialled="37167000000")
    desk.turns.feed(call.id, on.KeyPressed("in2", "1"))
    desk.pass_time(0.1)
    assert call.phase in ("flow", "voicemail", "closing")
    assert desk.journal.facts(QueueVisitEnded)[0].end == "overflowed"


# --- what is heard, and people ------------------------------------------------------------------


def test_messages_are_played_in_turn() -> None:
    messages = (Audio("/c/one.ulaw"), Audio("/c/two.ulaw"))
    desk = desk_with(message_interval_s=25.0, sounds=Sounds(messages={"support": messages}))
    call = desk.call("in1")
    for _ in range(16):
        desk.pass_time(5.0)
        desk.wiring.reported("w0", media.PlayEnded("in1", call.play, False, 0.0))
    heard = [prompt for prompt in prompts(desk) if prompt in messages]
    assert heard[:3] == [messages[0], messages[1], messages[0]]


def test_the_position_is_not_told_where_the_queue_does_not_want_it() -> None:
    told = desk_with()
    told.call()
    quiet = desk_with(announce_position=False)
    quiet.call()

    def positions(desk: Desk) -> list[object]:
        return [
            prompt
            for prompt in prompts(desk)
            if isinstance(prompt, Phrase) and prompt.name.startswith("position-")
        ]

    assert positions(told)
    assert not positions(quiet)


def test_a_call_for_a_person_who_talks_waits_in_the_personal_queue() -> None:
    desk = desk_with()
    desk.agent_ready("anna")
    first = desk.call("in1")
    answer(desk, desk.invited_legs()[-1])
    desk.agent_ready("boris")
    second = desk.call("in2")
    answer(desk, desk.invited_legs()[-1])
    desk.phone.event(sip.TransferAsked(second.other_leg, "101", "sip:101@offhook.local"))
    assert (second.phase, second.queue) == ("waiting", "@anna")
    desk.phone.event(sip.Ended(first.caller_leg, "bye"))
    desk.pass_time(5.1)
    assert desk.journal.facts(OfferMade)[-1].agent == "anna"
    answer(desk, desk.invited_legs()[-1])
    assert (second.phase, second.agent) == ("talking", "anna")
