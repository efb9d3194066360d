"""A call in its talk: hold, loss of a side, blind transfer."""

from __future__ import annotations

from router import effects as do
from router import inputs as on
from router.call import (
    RING_S_TRANSFER,
    Attempt,
    Call,
    drop,
    end,
    fact,
    is_up,
    new_leg,
    new_play,
    start_recording,
    talk_ended,
)
from router.call_flow import REFUSED_STATUS, worse
from router.events import (
    AgentLost,
    CallConnected,
    CallHeld,
    CallResumed,
    CallTransferred,
    LegDialled,
    LegEnded,
)

LOST: frozenset[on.Cause] = frozenset({"lost", "unreachable", "failed", "no-answer"})


def talking_gone(call: Call, happened: on.LegGone, now: float) -> list[do.Effect]:
    leg = call.legs.get(happened.leg)
    if leg is None or leg.state == "gone":
        return []
    leg.state = "gone"
    if call.attempt is not None and leg.id in call.attempt.legs:
        return _target_gone(call, happened, now)
    if leg.id == call.caller_leg:
        if happened.cause in LOST:
            call.marks.talk_cut = now
        return end(call, now, happened.cause, happened.detail)
    if leg.id != call.other_leg:
        return []
    out = fact(call, LegEnded(leg.id, happened.detail or happened.cause, leg.agent))
    if call.attempt is not None:
        return [*out, *_referrer_left(call, now)]
    if leg.agent and happened.cause in LOST and not call.internal:
        return [*out, *_agent_lost(call, leg.agent, happened.detail or happened.cause, now)]
    if happened.cause in LOST:
        call.marks.talk_cut = now
    return [*out, *end(call, now, happened.cause, happened.detail)]


def talking_silent(call: Call, happened: on.MediaLost, now: float) -> list[do.Effect]:
    """The worker heard nothing from a side for the timeout: that side is gone. A phone that
    holds may be silent, so it is asked first: a dead one does not answer, and its leg ends."""
    leg = call.legs.get(happened.leg)
    if leg is None or leg.id not in (call.caller_leg, call.other_leg):
        return []
    if leg.state == "held":
        return [do.Probe(leg.id)]
    if leg.state != "up":
        return []
    gone = on.LegGone(leg.id, "lost", "media timeout")
    return [do.Drop(leg.id, "media timeout"), *talking_gone(call, gone, now)]


def _agent_lost(call: Call, agent: str, cause: str, now: float) -> list[do.Effect]:
    """The caller is told, keeps the line and goes to the head of the queue."""
    talk_ended(call, now)
    call.other_leg = ""
    call.marks.talk_cut = now
    out = fact(call, AgentLost(agent, cause))
    out.append(do.AgentDone(agent, lost=True))
    if not call.queue:
        return [*out, *end(call, now, "lost", cause)]
    language = call.care.language if call.care else call.rules.language
    call.welcome = (do.Phrase("agent-lost", language),)
    out += start_recording(call, "", "talk")
    return [*out, do.EnterQueue(call.queue, head=True)]


def talking_key(call: Call, happened: on.KeyPressed, now: float) -> list[do.Effect]:
    """A key of one side is for the other (a menu that was dialled out to); it is no fact."""
    if not happened.signalled or happened.leg not in (call.caller_leg, call.other_leg):
        return []
    other = call.other_leg if happened.leg == call.caller_leg else call.caller_leg
    if not is_up(call, other):
        return []
    call.keys_sent += 1
    return [do.SendKey(other, happened.key, call.keys_sent)]


# --- hold --------------------------------------------------------------------------------------


def held(call: Call, happened: on.LegHeld, now: float) -> list[do.Effect]:
    leg = call.legs.get(happened.leg)
    if leg is None or leg.state != "up":
        return []
    leg.state = "held"
    other = call.other_leg if leg.id == call.caller_leg else call.caller_leg
    if not is_up(call, other) or leg.id not in (call.caller_leg, call.other_leg):
        return []
    return [*fact(call, CallHeld(leg.id)), do.Play(other, new_play(call), (), then_music=True)]


def resumed(call: Call, happened: on.LegResumed, now: float) -> list[do.Effect]:
    leg = call.legs.get(happened.leg)
    if leg is None or leg.state != "held":
        return []
    leg.state = "up"
    if leg.id not in (call.caller_leg, call.other_leg) or call.attempt is not None:
        return []
    other = call.other_leg if leg.id == call.caller_leg else call.caller_leg
    out = fact(call, CallResumed(leg.id))
    if call.legs[other].state == "up":
        out.append(do.Join(call.caller_leg, call.other_leg))
    return out


def settle(call: Call, happened: on.LegHeld | on.LegResumed, now: float) -> list[do.Effect]:
    """Hold and resume outside a talk only change the leg's state."""
    leg = call.legs.get(happened.leg)
    if leg is not None and leg.state in ("up", "held"):
        leg.state = "held" if isinstance(happened, on.LegHeld) else "up"
    return []


# --- blind transfer ----------------------------------------------------------------------------


def transfer(call: Call, happened: on.TransferAsked, now: float) -> list[do.Effect]:
    """RFC 3515: queue and flow take the caller at once; phones are rung first."""
    to = happened.destination
    by = call.legs.get(call.other_leg)
    by_agent = by.agent if by else ""
    asked_by_caller = bool(happened.leg) and happened.leg != call.other_leg
    if call.attempt is not None or asked_by_caller or to.kind == "nowhere":
        return _fate(happened.leg, 603 if asked_by_caller else 404)
    if to.kind in ("queue", "flow"):
        return _transfer_at_once(call, happened, by_agent, now)
    if not happened.targets:
        return _fate(happened.leg, 404)
    out: list[do.Effect] = [do.Play(call.caller_leg, new_play(call), (), then_music=True)]
    legs = []
    for target in happened.targets:
        agent = to.name if to.kind == "agent" else ""
        leg = new_leg(call, "agent" if agent else "outside", agent=agent, target=target)
        legs.append(leg.id)
        out += fact(call, LegDialled(leg.id, target, agent))
        out.append(do.Dial(leg.id, target, call.caller, call.caller_name, call.hops))
    if to.kind == "agent":
        out.append(do.AgentBusy(to.name, "transfer"))
    call.attempt = Attempt(to, tuple(legs), happened.leg, by_agent)
    return [*out, do.SetTimer("ring", now + RING_S_TRANSFER)]


def _fate(leg: str, status: int) -> list[do.Effect]:
    return [do.TransferFate(leg, status)] if leg else []


def _transfer_at_once(
    call: Call, happened: on.TransferAsked, by_agent: str, now: float
) -> list[do.Effect]:
    to = happened.destination
    talk_ended(call, now)
    out = fact(call, CallTransferred(by_agent, f"{to.kind} {to.name}"))
    out += _fate(happened.leg, 200)
    out += drop(call, call.other_leg, "transferred")
    if by_agent:
        out.append(do.AgentDone(by_agent))
    call.other_leg = ""
    # One file for the whole call: a ticket holds one recording, and none of the talks is lost.
    out += start_recording(call, "", "talk")
    if to.kind == "queue":
        return [*out, do.EnterQueue(to.name)]
    call.phase = "flow"
    return [*out, do.StartFlow(to.name)]


def target_up(call: Call, happened: on.LegUp, now: float) -> list[do.Effect]:
    """The transfer's target answered: the talk goes on with it, and is billed to it."""
    attempt, leg = call.attempt, call.legs.get(happened.leg)
    if attempt is None or leg is None or leg.id not in attempt.legs:
        return drop(call, happened.leg, "answered elsewhere")
    leg.state = "up"
    talk_ended(call, now)
    out: list[do.Effect] = [do.ClearTimer("ring")]
    out += fact(
        call,
        CallTransferred(attempt.by_agent, f"{attempt.destination.kind} {attempt.destination.name}"),
    )
    if is_up(call, attempt.by_leg):
        out += _fate(attempt.by_leg, 200)
    referrer, call.other_leg = call.other_leg, leg.id
    out += drop(call, referrer, "transferred")
    if referrer and attempt.by_agent:
        out.append(do.AgentDone(attempt.by_agent))
    for other in attempt.legs:
        if other != leg.id:
            out += drop(call, other, "answered elsewhere")
    call.attempt = None
    call.talk_since = now
    call.agent = leg.agent or call.agent
    if not leg.agent:
        call.marks.dialled = now
    out += fact(call, CallConnected(leg.id, leg.agent))
    out.append(do.Join(call.caller_leg, leg.id))
    return out + start_recording(call, leg.id, "talk")


def target_rings(call: Call, happened: on.LegRinging, now: float) -> list[do.Effect]:
    leg = call.legs.get(happened.leg)
    if leg is not None and leg.state == "dialling":
        leg.state = "ringing"
    return []


def target_redirected(call: Call, happened: on.LegRedirected, now: float) -> list[do.Effect]:
    """As when dialling: the target is not there, and nobody else was asked for."""
    leg = call.legs.get(happened.leg)
    if leg is None or leg.state == "gone" or call.attempt is None:
        return []
    if leg.id not in call.attempt.legs:
        return []
    leg.state = "gone"
    return _target_gone(call, on.LegGone(leg.id, "refused", "redirected"), now)


def _target_gone(call: Call, happened: on.LegGone, now: float) -> list[do.Effect]:
    attempt = call.attempt
    if attempt is None:
        return []
    attempt.worst = worse(attempt.worst, happened.cause)
    leg = call.legs[happened.leg]
    out = fact(call, LegEnded(leg.id, happened.detail or happened.cause, leg.agent))
    if any(call.legs[other].state != "gone" for other in attempt.legs):
        return out
    return [*out, *_transfer_failed(call, attempt.worst, now)]


def transfer_timer(call: Call, happened: on.TimerFired, now: float) -> list[do.Effect]:
    if happened.name != "ring" or call.attempt is None:
        return []
    out: list[do.Effect] = []
    for leg in call.attempt.legs:
        out += drop(call, leg, "no answer")
    return [*out, *_transfer_failed(call, "no-answer", now)]


def _transfer_failed(call: Call, cause: on.Cause, now: float) -> list[do.Effect]:
    """Back to who transferred, or, where they left, to the head of the queue."""
    attempt, call.attempt = call.attempt, None
    if attempt is None:
        return []
    out: list[do.Effect] = [do.ClearTimer("ring")]
    if attempt.destination.kind == "agent":
        out.append(do.AgentDone(attempt.destination.name))
    if is_up(call, call.other_leg):
        out += _fate(attempt.by_leg, REFUSED_STATUS.get(cause, 503))
        if call.legs[call.other_leg].state == "up":
            out.append(do.Join(call.caller_leg, call.other_leg))
        return out
    if not call.queue:
        call.marks.talk_cut = now
        return [*out, *end(call, now, "lost", "transfer failed")]
    return [*out, do.EnterQueue(call.queue, head=True)]


def _referrer_left(call: Call, now: float) -> list[do.Effect]:
    """A phone that sent REFER hangs up at once; the transfer goes on without it."""
    attempt = call.attempt
    talk_ended(call, now)
    call.other_leg = ""
    return [do.AgentDone(attempt.by_agent)] if attempt and attempt.by_agent else []
