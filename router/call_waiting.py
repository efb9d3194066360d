"""A call in its queue: music and position, offers to agents, and the ways out of waiting."""

from __future__ import annotations

from typing import Literal

from router import effects as do
from router import inputs as on
from router.call import (
    Call,
    Offer,
    close_with,
    drop,
    end,
    fact,
    new_leg,
    new_play,
    start_recording,
)
from router.call_flow import caller_gone, take_message, worse
from router.events import CallConnected, LegDialled, LegEnded

# A phone of the queue is where the call was to go: it is rung, with one hop for what is between.
HOPS_OF_PHONES = 2

REFUSE_END: dict[str, Literal["refused", "rung-out", "unreachable"]] = {
    "busy": "refused",
    "refused": "refused",
    "no-answer": "rung-out",
}


def queued(call: Call, happened: on.Queued, now: float) -> list[do.Effect]:
    care = happened.care
    again = call.phase == "waiting"
    call.phase, call.care, call.queue = "waiting", care, care.queue
    call.marks.queued, call.marks.short_abandon_s = now, care.short_abandon_s
    call.hidden_keys = False
    if again:
        return []
    out = _tell(call, greeting=True)
    return [*out, do.SetTimer("announce", now + care.announce_s)]


def _tell(call: Call, *, greeting: bool) -> list[do.Effect]:
    care = call.care or on.QueueCare(call.queue)
    first, call.welcome = call.welcome, ()
    return [
        do.TellPosition(
            call.caller_leg, new_play(call), care.language, care.callback_key, greeting, first
        )
    ]


def announce(call: Call, happened: on.TimerFired, now: float) -> list[do.Effect]:
    if happened.name == "ring":
        return rung_out(call, now)
    if happened.name != "announce" or call.care is None:
        return []
    out: list[do.Effect] = [do.SetTimer("announce", now + call.care.announce_s)]
    return out if call.offer else _tell(call, greeting=False) + out


def waiting_key(call: Call, happened: on.KeyPressed, now: float) -> list[do.Effect]:
    care = call.care
    if happened.leg != call.caller_leg or care is None or happened.key != care.callback_key:
        return []
    return promise_callback(call, now)


def promise_callback(call: Call, now: float) -> list[do.Effect]:
    """The caller need not hold the line: note the number, confirm, hang up."""
    number = call.caller
    if not any(sign.isdigit() for sign in number):
        return leave(call, now, "overflowed") + take_message(
            call, now, (), call.rules.voicemail_s_max
        )
    out = leave(call, now, "callback-requested")
    call.callback_number, call.marks.callback = number, now
    language = call.care.language if call.care else call.rules.language
    phrase = do.Phrase("callback-confirmed", language)
    return out + close_with(call, now, (phrase,), "bye")


def leave(
    call: Call, now: float, how: Literal["overflowed", "callback-requested", "removed"]
) -> list[do.Effect]:
    """Out of the queue, with no phone left ringing."""
    call.marks.waited_s = max(0.0, now - call.marks.queued)
    out: list[do.Effect] = [do.ClearTimer("announce"), do.ClearTimer("ring")]
    out += _hush(call, "caller left the queue")
    call.phase = "closing"
    return [*out, do.LeaveQueue(how)]


def _hush(call: Call, reason: str) -> list[do.Effect]:
    offer, call.offer = call.offer, None
    out: list[do.Effect] = []
    for leg in offer.legs if offer else ():
        out += drop(call, leg, reason)
    return out


def overflowed(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    """The floor ended the visit already."""
    call.marks.waited_s = max(0.0, now - call.marks.queued)
    out: list[do.Effect] = [do.ClearTimer("announce"), do.ClearTimer("ring")]
    out += _hush(call, "overflow")
    if happened.to == "flow":
        call.phase = "flow"
        return [*out, do.StepFlow("queue-left", happened.reason)]
    call.phase = "closing"
    if happened.to == "callback" and any(sign.isdigit() for sign in call.caller):
        call.callback_number, call.marks.callback = call.caller, now
        language = call.care.language if call.care else call.rules.language
        return out + close_with(call, now, (do.Phrase("callback-confirmed", language),), "bye")
    if happened.to in ("voicemail", "callback"):
        return out + take_message(call, now, (), call.rules.voicemail_s_max)
    return out + end(call, now, "no-answer", "waited too long")


# --- offers ------------------------------------------------------------------------------------


def offered(call: Call, happened: on.Offered, now: float) -> list[do.Effect]:
    out: list[do.Effect] = []
    legs = []
    for target in happened.targets:
        leg = new_leg(call, "agent", agent=happened.agent, target=target)
        legs.append(leg.id)
        out += fact(call, LegDialled(leg.id, target, happened.agent))
        hops = max(call.hops, HOPS_OF_PHONES)
        out.append(do.Dial(leg.id, target, call.caller, call.caller_name, hops))
    call.offer = Offer(happened.agent, happened.fence, happened.queue, tuple(legs))
    if not legs:
        return _offer_failed(call, now, "no phone registered")
    return [*out, do.SetTimer("ring", now + happened.ring_s)]


def agent_ringing(call: Call, happened: on.LegRinging, now: float) -> list[do.Effect]:
    leg = call.legs.get(happened.leg)
    if leg is not None and leg.state == "dialling":
        leg.state = "ringing"
    return []


def agent_answers(call: Call, happened: on.LegUp, now: float) -> list[do.Effect]:
    offer = call.offer
    if offer is None or happened.leg not in offer.legs or offer.winner:
        return drop(call, happened.leg, "answered elsewhere")
    call.legs[happened.leg].state = "up"
    offer.winner = happened.leg
    return [do.AcceptOffer(offer.agent, offer.fence)]


def offer_won(call: Call, happened: on.OfferWon, now: float) -> list[do.Effect]:
    offer = call.offer
    if offer is None or offer.fence != happened.fence or not offer.winner:
        return []
    call.offer = None
    out: list[do.Effect] = [do.ClearTimer("ring"), do.ClearTimer("announce")]
    for leg in offer.legs:
        if leg != offer.winner:
            out += drop(call, leg, "answered elsewhere")
    call.phase = "talking"
    call.other_leg, call.agent, call.talk_since = offer.winner, offer.agent, now
    call.marks.connected = call.marks.connected or now
    call.marks.talk_cut = 0.0
    call.marks.waited_s = max(0.0, now - call.marks.queued)
    out += fact(
        call,
        CallConnected(offer.winner, offer.agent, offer.queue, round(call.marks.waited_s, 3)),
    )
    out.append(do.Join(call.caller_leg, offer.winner))
    return out + start_recording(call, offer.winner, "talk")


def offer_stale(call: Call, happened: on.OfferStale, now: float) -> list[do.Effect]:
    if call.offer is None or call.offer.fence != happened.fence:
        return []
    return [do.ClearTimer("ring"), *_hush(call, "offer lapsed")]


def withdrawn(call: Call, happened: on.Withdrawn, now: float) -> list[do.Effect]:
    if call.offer is None or call.offer.fence != happened.fence:
        return []
    return [do.ClearTimer("ring"), *_hush(call, happened.reason)]


def waiting_leg_gone(call: Call, happened: on.LegGone, now: float) -> list[do.Effect]:
    """A phone of the offer ended without an answer: the next agent's turn when it was the last."""
    if happened.leg == call.caller_leg:
        return caller_gone(call, happened, now)
    leg, offer = call.legs.get(happened.leg), call.offer
    if leg is None or leg.state == "gone":
        return []
    leg.state = "gone"
    out = fact(call, LegEnded(leg.id, happened.detail or happened.cause, leg.agent))
    if offer is None or leg.id not in offer.legs:
        return out
    offer.worst = worse(offer.worst, happened.cause)
    if any(call.legs[other].state != "gone" for other in offer.legs):
        return out
    return [*out, *_offer_failed(call, now, happened.detail or offer.worst)]


def rung_out(call: Call, now: float) -> list[do.Effect]:
    offer = call.offer
    if offer is None or offer.winner:
        return []
    offer.worst = "no-answer"
    out: list[do.Effect] = []
    for leg in offer.legs:
        out += fact(call, LegEnded(leg, "no answer", offer.agent))
        out += drop(call, leg, "no answer")
    return [*out, *_offer_failed(call, now, "no answer")]


def _offer_failed(call: Call, now: float, cause: str) -> list[do.Effect]:
    offer, call.offer = call.offer, None
    if offer is None:
        return []
    how = REFUSE_END.get(offer.worst, "unreachable")
    return [do.ClearTimer("ring"), do.RefuseOffer(offer.agent, offer.fence, how, cause)]


def silent_caller(call: Call, happened: on.MediaLost, now: float) -> list[do.Effect]:
    """No sound from a waiting caller is no proof that nobody is there: ask the phone."""
    return [do.Probe(happened.leg)] if happened.leg == call.caller_leg else []
