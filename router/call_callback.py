"""A call's second life: the caller asked to be called back, and an agent is held for it.

The caller is dialled; on the line again, the call waits and talks like any other. Its one
CallEnded was written in its first life, so a second life ends without: ``CallbackReached`` and
``CallbackMissed`` go to the floor, whose facts tell the rest.
"""

from __future__ import annotations

from router import effects as do
from router import inputs as on
from router.call import Call, SecondLife, drop, end, fact, new_leg
from router.call_waiting import care_goes_on, speak
from router.events import LegDialled, LegEnded

# Another way to the caller is tried after these; after the others it was the caller who is away.
NO_WAY: frozenset[on.Cause] = frozenset({"unreachable", "failed"})


def call_back(call: Call, happened: on.CallBack, now: float) -> list[do.Effect]:
    call.second = SecondLife(happened.agent, happened.fence, happened.targets)
    call.phase = "calling-back"
    call.caller, call.dialled, call.trunk = happened.number, happened.dialled, happened.trunk
    call.care, call.queue = happened.care, happened.care.queue
    call.marks.arrived = now
    return [do.SetTimer("ring", now + happened.ring_s), *_dial(call, call.second, now)]


def _dial(call: Call, second: SecondLife, now: float) -> list[do.Effect]:
    if not second.targets:
        return end(call, now, "unreachable")
    target, second.targets = second.targets[0], second.targets[1:]
    leg = new_leg(call, "caller", target=target)
    call.caller_leg = leg.id
    return [
        *fact(call, LegDialled(leg.id, target)),
        # The number that the caller dialled once is shown: they know it.
        do.Dial(leg.id, target, call.dialled),
    ]


def caller_rings(call: Call, happened: on.LegRinging, now: float) -> list[do.Effect]:
    leg = call.legs.get(happened.leg)
    if leg is not None and leg.state == "dialling":
        leg.state = "ringing"
    return []


def caller_reached(call: Call, happened: on.LegUp, now: float) -> list[do.Effect]:
    """On the line: told what this is, then music, while the agent who was held is rung."""
    leg, second = call.legs.get(happened.leg), call.second
    if second is None or leg is None or leg.state == "gone" or leg.id != call.caller_leg:
        return []
    leg.state = "up"
    call.phase = "waiting"
    call.marks.picked_up = call.marks.queued = call.waits_since = now
    language = call.care.language if call.care else call.rules.language
    return [
        do.ClearTimer("ring"),
        do.CallbackReached(second.agent, second.fence),
        speak(call, now, do.Phrase("callback-calling", language)),
        *care_goes_on(call, now),
    ]


def caller_away(call: Call, happened: on.LegGone, now: float) -> list[do.Effect]:
    leg, second = call.legs.get(happened.leg), call.second
    if second is None or leg is None or leg.state == "gone":
        return []
    leg.state = "gone"
    out = fact(call, LegEnded(leg.id, happened.detail or happened.cause))
    if happened.cause in NO_WAY and second.targets:
        return out + _dial(call, second, now)
    return out + end(call, now, happened.cause)


def caller_redirects(call: Call, happened: on.LegRedirected, now: float) -> list[do.Effect]:
    """Whoever the caller's phone names was not promised a call."""
    return caller_away(call, on.LegGone(happened.leg, "refused", "redirected"), now)


def rang_out(call: Call, happened: on.TimerFired, now: float) -> list[do.Effect]:
    if happened.name != "ring":
        return []
    out = fact(call, LegEnded(call.caller_leg, "no answer"))
    return out + drop(call, call.caller_leg, "no answer") + end(call, now, "no-answer")


def given_up(call: Call, happened: on.Withdrawn, now: float) -> list[do.Effect]:
    """The agent who was held is gone (or the callback is): another attempt, another life. The
    floor knows; nothing was missed."""
    if call.second is None or happened.fence != call.second.fence:
        return []
    call.phase = "closing"
    return end(call, now, "no-answer", happened.reason)
