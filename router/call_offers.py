"""Offers to agents: the phones that ring for a waiting call, one after another or all at once.

A ring-all queue has several offers at a time, each with its fence. Who answered first is the
floor's to say: ``AcceptOffer`` is settled in the same turn, a second answer is stale there.
"""

from __future__ import annotations

from typing import Literal

from router import effects as do
from router import inputs as on
from router.call import (
    Call,
    Offer,
    drop,
    end,
    fact,
    is_up,
    new_leg,
    ring_timer,
    start_recording,
)
from router.call_flow import caller_gone, worse
from router.events import AgentLost, CallConnected, LegDialled, LegEnded

# A phone of the queue is where the call was to go: it is rung, with one hop for what is between.
HOPS_OF_PHONES = 2
REDIRECTS_MAX = 2  # of one offer

REFUSE_END: dict[str, Literal["refused", "rung-out", "unreachable"]] = {
    "busy": "refused",
    "refused": "refused",
    "no-answer": "rung-out",
}


def rings(call: Call) -> bool:
    """Whether a phone of an offer rings, or is being picked up."""
    return any(_alive(call, offer) for offer in call.offers.values())


def is_answered(call: Call) -> bool:
    """Whether an agent has answered, and the floor's word is still to come."""
    return any(offer.winner for offer in call.offers.values())


def _alive(call: Call, offer: Offer) -> list[str]:
    return [leg for leg in offer.legs if leg in call.legs and call.legs[leg].state != "gone"]


def _offer_of(call: Call, leg: str) -> Offer | None:
    return next((offer for offer in call.offers.values() if leg in offer.legs), None)


# --- ringing -----------------------------------------------------------------------------------


def offered(call: Call, happened: on.Offered, now: float) -> list[do.Effect]:
    if happened.fence in call.offers:
        return []
    offer = Offer(
        happened.agent,
        happened.fence,
        happened.queue,
        happened.targets,
        now + happened.ring_s,
        happened.each_s,
    )
    call.offers[offer.fence] = offer
    if call.second is not None and call.second.fence == offer.fence:
        call.second.agent = ""
    return _next_phone(call, offer, now)


def _next_phone(call: Call, offer: Offer, now: float) -> list[do.Effect]:
    """The phones that are next, within the offer's time; the offer has failed without any."""
    if not offer.targets or now >= offer.until:
        return _failed(call, offer)
    count = 1 if offer.each_s > 0 else len(offer.targets)
    targets, offer.targets = offer.targets[:count], offer.targets[count:]
    out: list[do.Effect] = []
    for target in targets:
        out += _dial(call, offer, target, max(call.hops, HOPS_OF_PHONES))
    at = min(offer.until, now + offer.each_s) if offer.targets else offer.until
    return [*out, do.SetTimer(ring_timer(offer.fence), at)]


def _dial(call: Call, offer: Offer, target: str, hops: int) -> list[do.Effect]:
    leg = new_leg(call, "agent", agent=offer.agent, target=target)
    offer.legs = (*offer.legs, leg.id)
    return [
        *fact(call, LegDialled(leg.id, target, offer.agent)),
        do.Dial(leg.id, target, call.caller, call.caller_name, hops),
    ]


def agent_ringing(call: Call, happened: on.LegRinging, now: float) -> list[do.Effect]:
    leg = call.legs.get(happened.leg)
    if leg is not None and leg.state == "dialling":
        leg.state = "ringing"
    return []


def waiting_leg_gone(call: Call, happened: on.LegGone, now: float) -> list[do.Effect]:
    """A phone of an offer ended without an answer: the next phone's turn, or the next agent's."""
    if happened.leg == call.caller_leg:
        return caller_gone(call, happened, now)
    leg = call.legs.get(happened.leg)
    if leg is None or leg.state == "gone":
        return []
    leg.state = "gone"
    out = fact(call, LegEnded(leg.id, happened.detail or happened.cause, leg.agent))
    offer = _offer_of(call, leg.id)
    if offer is None or offer.winner:  # who answered and left: the floor's word comes first
        return out
    return out + _phone_failed(call, offer, happened.cause, happened.detail, now)


def redirected(call: Call, happened: on.LegRedirected, now: float) -> list[do.Effect]:
    """RFC 3261 8.1.3.4: the phone sends the call on; it rings there for the same offer. Not
    without end, and not where it rang already (19.1.5, 16.5: a target is tried once)."""
    leg, offer = call.legs.get(happened.leg), _offer_of(call, happened.leg)
    if leg is None or leg.state not in ("dialling", "ringing") or offer is None or offer.winner:
        return []
    leg.state = "gone"
    out = fact(call, LegEnded(leg.id, "redirected", leg.agent))
    to = happened.target
    known = {call.legs[other].target for other in offer.legs if other in call.legs}
    # The same phone may be named with its extension before its address.
    again = any(to == other or to.endswith(f":{other}") for other in known)
    if not to or again or offer.redirects >= REDIRECTS_MAX:
        return out + _phone_failed(call, offer, "refused", "redirected", now)
    offer.redirects += 1
    offer.targets = tuple(target for target in offer.targets if target != to)
    return out + _dial(call, offer, to, call.hops)


def ring_fired(call: Call, timer: str, now: float) -> list[do.Effect]:
    """A phone has rung long enough, or the agent has."""
    offer = next((one for one in call.offers.values() if ring_timer(one.fence) == timer), None)
    if offer is None or offer.winner:
        return []
    out: list[do.Effect] = []
    for leg in _alive(call, offer):
        out += fact(call, LegEnded(leg, "no answer", offer.agent))
        out += drop(call, leg, "no answer")
    return out + _phone_failed(call, offer, "no-answer", "no answer", now)


def _phone_failed(
    call: Call, offer: Offer, cause: on.Cause, detail: str, now: float
) -> list[do.Effect]:
    if worse(cause, offer.worst) == cause:
        offer.worst, offer.why = cause, detail or cause
    return [] if _alive(call, offer) else _next_phone(call, offer, now)


def _failed(call: Call, offer: Offer) -> list[do.Effect]:
    del call.offers[offer.fence]
    how = REFUSE_END.get(offer.worst, "unreachable")
    refuse = do.RefuseOffer(offer.agent, offer.fence, how, offer.why)
    return [do.ClearTimer(ring_timer(offer.fence)), refuse]


def hush(call: Call, reason: str) -> list[do.Effect]:
    """No phone rings any more. An offer whose answer the floor has not confirmed yet is kept
    until it does, so that its agent is set free."""
    out: list[do.Effect] = []
    for offer in list(call.offers.values()):
        out += _hush_one(call, offer, reason)
        if offer.winner:
            call.offers[offer.fence] = offer
    return out


def _hush_one(call: Call, offer: Offer, reason: str) -> list[do.Effect]:
    call.offers.pop(offer.fence, None)
    out: list[do.Effect] = [do.ClearTimer(ring_timer(offer.fence))]
    for leg in offer.legs:
        out += drop(call, leg, reason)
    return out


# --- the answer --------------------------------------------------------------------------------


def agent_answers(call: Call, happened: on.LegUp, now: float) -> list[do.Effect]:
    leg, offer = call.legs.get(happened.leg), _offer_of(call, happened.leg)
    if leg is None or leg.id == call.caller_leg or leg.state == "gone":
        return []
    if offer is None or offer.winner:
        return drop(call, leg.id, "answered elsewhere")
    leg.state = "up"
    offer.winner = leg.id
    return [do.AcceptOffer(offer.agent, offer.fence)]


def offer_won(call: Call, happened: on.OfferWon, now: float) -> list[do.Effect]:
    offer = call.offers.get(happened.fence)
    if offer is None or not offer.winner:
        return []
    if not is_up(call, offer.winner):
        return _lost_at_once(call, offer)
    del call.offers[offer.fence]
    out: list[do.Effect] = [do.ClearTimer(ring_timer(offer.fence))]
    out += [do.ClearTimer(name) for name in ("announce", "message")]
    for leg in offer.legs:
        if leg != offer.winner:
            out += drop(call, leg, "answered elsewhere")
    out += hush(call, "answered elsewhere")
    call.phase = "talking"
    call.waits_since, call.left_by_overflow = 0.0, ()
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


def _lost_at_once(call: Call, offer: Offer) -> list[do.Effect]:
    """The phone answered and died before the floor's word was heard: as an agent lost."""
    out = _hush_one(call, offer, "answered elsewhere") + hush(call, "answered elsewhere")
    out += fact(call, AgentLost(offer.agent, "hung up at once"))
    return [
        *out,
        do.AgentDone(offer.agent, lost=True),
        do.EnterQueue(call.queue, head=True),
    ]


def offer_stale(call: Call, happened: on.OfferStale, now: float) -> list[do.Effect]:
    return _over(call, happened.fence, "offer lapsed", now)


def withdrawn(call: Call, happened: on.Withdrawn, now: float) -> list[do.Effect]:
    return _over(call, happened.fence, happened.reason, now)


def _over(call: Call, fence: int, reason: str, now: float) -> list[do.Effect]:
    offer, second = call.offers.get(fence), call.second
    if offer is not None:
        return _hush_one(call, offer, _elsewhere(call, offer, reason))
    if second is None or not second.agent or second.fence != fence:
        return []
    # A callback's caller answered in the instant that the agent left: the floor calls again.
    call.phase = "closing"
    return end(call, now, "no-answer", reason)


def _elsewhere(call: Call, offer: Offer, reason: str) -> str:
    """A phone is told that another took the call, where one did."""
    taken = any(other.winner for other in call.offers.values() if other is not offer)
    return "answered elsewhere" if taken else reason


def won_too_late(call: Call, happened: on.OfferWon, now: float) -> list[do.Effect]:
    """The caller was moved on in the instant of the answer: the agent is free again."""
    offer = call.offers.pop(happened.fence, None)
    return [do.AgentDone(offer.agent)] if offer is not None else []


def lapsed_too_late(
    call: Call, happened: on.OfferStale | on.Withdrawn, now: float
) -> list[do.Effect]:
    call.offers.pop(happened.fence, None)
    return []
