"""A call before its queue and beside it: arrival, the flow, dialling, voicemail, goodbye."""

from __future__ import annotations

from typing import Literal

from router import effects as do
from router import inputs as on
from router.call import (
    Attempt,
    Call,
    close_with,
    drop,
    end,
    fact,
    is_up,
    keeps_busy,
    new_leg,
    new_play,
    start_recording,
    stop_recording,
)
from router.events import (
    CallArrived,
    CallConnected,
    CallPickedUp,
    DigitPressed,
    LegDialled,
    LegEnded,
)

REFUSED_STATUS = {"no-answer": 480, "busy": 486, "refused": 603, "unreachable": 404}
WORST_FIRST: tuple[on.Cause, ...] = ("refused", "busy", "no-answer", "failed", "unreachable")


def worse(one: on.Cause, other: on.Cause) -> on.Cause:
    """The more telling of two causes: a person's refusal says more than a dead phone."""
    ranked = [cause for cause in WORST_FIRST if cause in (one, other)]
    return ranked[0] if ranked else one


def arrive(call: Call, happened: on.Arrive, now: float) -> list[do.Effect]:
    call.caller, call.caller_name = happened.caller, happened.caller_name
    call.dialled, call.trunk = happened.dialled, happened.trunk
    call.destination, call.internal = happened.destination, happened.internal
    call.hops = happened.hops
    call.marks.arrived = now
    leg = new_leg(call, "caller", agent=happened.agent)
    del call.legs[leg.id]
    leg.id = happened.leg
    call.legs[leg.id] = leg
    call.caller_leg = leg.id
    out = fact(
        call,
        CallArrived(
            happened.caller,
            happened.dialled,
            happened.trunk,
            happened.caller_name,
            happened.sip_call_id,
        ),
    )
    if happened.destination.kind == "nowhere":
        call.marks.refused = now
        if happened.destination.name:  # why this caller is not let in
            return [*out, *end(call, now, "refused", happened.destination.name, 603)]
        return [*out, *end(call, now, "refused", "no such number", 404)]
    if happened.internal and happened.destination.kind != "message":
        call.attempt = Attempt(happened.destination, happened.targets)
    if keeps_busy(call):
        out.append(do.AgentBusy(happened.agent, "own call"))
    call.phase = "arriving"
    return [*out, do.PickUp(leg.id)]


def picked_up(call: Call, happened: on.LegUp, now: float) -> list[do.Effect]:
    if happened.leg != call.caller_leg:
        return []
    call.legs[call.caller_leg].state = "up"
    call.marks.picked_up = now
    out = fact(call, CallPickedUp())
    to = call.destination
    if to.kind == "flow":
        call.phase = "flow"
        return [*out, do.StartFlow(to.name)]
    if to.kind == "queue":
        return [*out, do.EnterQueue(to.name)]
    if to.kind == "message":
        phrase = do.Phrase(to.name, call.rules.language)
        return [*out, *close_with(call, now, (phrase,), "bye")]
    targets = call.attempt.legs if call.attempt else ()
    call.attempt = None
    return [*out, *dial(call, now, on.FlowDials(to, 60.0, targets))]


def caller_gone(call: Call, happened: on.LegGone, now: float) -> list[do.Effect]:
    """The caller left (or was lost) anywhere but in a talk."""
    if happened.leg != call.caller_leg:
        return other_gone(call, happened, now)
    call.legs[call.caller_leg].state = "gone"
    # Who was called back and lost on the way will be called again; who hung up will not.
    lost = call.second_life and happened.cause in ("lost", "failed", "unreachable")
    leaves: Literal["removed", "abandoned"] = "removed" if lost else "abandoned"
    return end(call, now, happened.cause, happened.detail, leaves=leaves)


def other_gone(call: Call, happened: on.LegGone, now: float) -> list[do.Effect]:
    leg = call.legs.get(happened.leg)
    if leg is not None:
        leg.state = "gone"
    return []


def hang_up(call: Call, happened: on.HangUpAsked, now: float) -> list[do.Effect]:
    if happened.cut and call.phase == "talking":
        call.marks.talk_cut = now
    # Not "bye": the caller did not leave, so a wait that this ends is no short abandon.
    cause: on.Cause = "failed" if happened.cut else "no-answer"
    return end(call, now, cause, f"ended by {happened.by}", 480, leaves="removed")


# --- the flow ---------------------------------------------------------------------------------


def flow_key(call: Call, happened: on.KeyPressed, now: float) -> list[do.Effect]:
    if happened.leg != call.caller_leg:
        return []
    shown = "*" if call.hidden_keys else happened.key
    return [
        *fact(call, DigitPressed(happened.leg, shown)),
        do.StepFlow("digit", happened.key),
    ]


def flow_says(call: Call, happened: on.FlowSays, now: float) -> list[do.Effect]:
    call.hidden_keys = happened.hidden
    return [
        do.Play(
            call.caller_leg,
            new_play(call),
            happened.prompts,
            then_music=happened.works,
            stop_on_digit=happened.barge_in,
        )
    ]


def flow_works(call: Call, happened: on.FlowWorks, now: float) -> list[do.Effect]:
    return [do.Play(call.caller_leg, new_play(call), (), then_music=True)]


def flow_heard(call: Call, happened: on.PlayDone, now: float) -> list[do.Effect]:
    return [do.StepFlow("play-ended")] if happened.play == call.play else []


def flow_timer(call: Call, happened: on.TimerFired, now: float) -> list[do.Effect]:
    return [do.StepFlow("tick")] if happened.name == "flow" else []


def flow_queues(call: Call, happened: on.FlowQueues, now: float) -> list[do.Effect]:
    call.welcome = happened.prompts
    call.wish = do.EnterQueue(happened.queue, happened.priority, happened.rank, happened.skills)
    return [do.ClearTimer("flow"), call.wish]


def flow_calls_back(call: Call, happened: on.FlowPromisesCallback, now: float) -> list[do.Effect]:
    number = happened.number or call.caller
    call.callback_number = number
    call.queue = call.queue or happened.queue
    call.marks.callback = now
    if not can_be_dialled(number):
        return []
    return [do.RequestCallback(happened.queue or call.queue, number, origin=call.waits_since)]


def can_be_dialled(number: str) -> bool:
    """A withheld number is none."""
    return any(sign.isdigit() for sign in number)


def flow_ends(call: Call, happened: on.FlowEnds, now: float) -> list[do.Effect]:
    if happened.completed:
        call.marks.completed = now
    if happened.refused:
        call.marks.refused = now
    return [do.ClearTimer("flow"), *close_with(call, now, happened.prompts, "bye")]


# --- dialling for the flow, or an agent's own call ----------------------------------------------


def dial(
    call: Call, now: float, wanted: on.FlowDials, instead: Literal["flow", "message"] = "flow"
) -> list[do.Effect]:
    """Ring all phones of a destination; music (or early media) for the caller meanwhile."""
    to = wanted.destination
    if not wanted.targets:
        return _dial_failed(call, now, wanted.otherwise, instead)
    call.phase = "dialling"
    out: list[do.Effect] = [
        do.Play(call.caller_leg, new_play(call), wanted.prompts, then_music=True)
    ]
    legs = []
    for target in wanted.targets:
        agent = to.name if to.kind == "agent" else ""
        leg = new_leg(call, "agent" if agent else "outside", agent=agent, target=target)
        legs.append(leg.id)
        out += fact(call, LegDialled(leg.id, target, agent))
        out.append(do.Dial(leg.id, target, call.caller, call.caller_name, call.hops))
    if to.kind == "agent":
        out.append(do.AgentBusy(to.name, "direct call"))
    call.attempt = Attempt(to, tuple(legs), instead=instead)
    out.append(do.SetTimer("ring", now + wanted.timeout_s))
    return out


def flow_dials(call: Call, happened: on.FlowDials, now: float) -> list[do.Effect]:
    return [do.ClearTimer("flow"), *dial(call, now, happened)]


def dialled_ringing(call: Call, happened: on.LegRinging, now: float) -> list[do.Effect]:
    leg = call.legs.get(happened.leg)
    if leg is None or leg.state not in ("dialling", "ringing"):
        return []
    leg.state = "ringing"
    return [do.Join(call.caller_leg, leg.id)] if happened.early else []


def dialled_up(call: Call, happened: on.LegUp, now: float) -> list[do.Effect]:
    attempt, leg = call.attempt, call.legs.get(happened.leg)
    if attempt is None or leg is None or leg.id not in attempt.legs:
        return drop(call, happened.leg, "answered elsewhere")
    leg.state = "up"
    call.attempt = None
    call.phase = "talking"
    call.other_leg, call.agent, call.talk_since = leg.id, leg.agent or call.agent, now
    if leg.agent:
        call.marks.connected = call.marks.connected or now
    else:
        call.marks.dialled = now
        if attempt.instead == "message":
            call.marks.overflowed = now
    out: list[do.Effect] = [do.ClearTimer("ring")]
    for other in attempt.legs:
        if other != leg.id:
            out += drop(call, other, "answered elsewhere")
    out += fact(call, CallConnected(leg.id, leg.agent))
    out.append(do.Join(call.caller_leg, leg.id))
    return out + start_recording(call, leg.id, "talk")


def dialled_gone(call: Call, happened: on.LegGone, now: float) -> list[do.Effect]:
    if happened.leg == call.caller_leg:
        return caller_gone(call, happened, now)
    leg, attempt = call.legs.get(happened.leg), call.attempt
    if leg is None or leg.state == "gone" or attempt is None:
        return []
    leg.state = "gone"
    attempt.worst = worse(attempt.worst, happened.cause)
    out = fact(call, LegEnded(leg.id, happened.detail or happened.cause, leg.agent))
    if any(call.legs[other].state != "gone" for other in attempt.legs):
        return out
    return [*out, *_dial_failed(call, now, attempt.worst, attempt.instead)]


def dialled_redirected(call: Call, happened: on.LegRedirected, now: float) -> list[do.Effect]:
    """Only the phone of an offer is followed: who was asked for by number or name is not there."""
    gone = on.LegGone(happened.leg, "refused", "redirected")
    return dialled_gone(call, gone, now) if happened.leg != call.caller_leg else []


def dial_timer(call: Call, happened: on.TimerFired, now: float) -> list[do.Effect]:
    if happened.name != "ring" or call.attempt is None:
        return []
    out: list[do.Effect] = []
    for leg in call.attempt.legs:
        out += drop(call, leg, "no answer")
    return [*out, *_dial_failed(call, now, "no-answer", call.attempt.instead)]


def _dial_failed(
    call: Call, now: float, cause: on.Cause, instead: Literal["flow", "message"]
) -> list[do.Effect]:
    attempt, call.attempt = call.attempt, None
    out: list[do.Effect] = [do.ClearTimer("ring")]
    if attempt is not None and attempt.destination.kind == "agent":
        out.append(do.AgentDone(attempt.destination.name))
    if call.internal:
        return [*out, *end(call, now, "bye", cause)]
    if instead == "message":
        return out + take_message(call, now, (), call.rules.voicemail_s_max)
    call.phase = "flow"
    return [*out, do.StepFlow("dial-ended", cause)]


# --- voicemail ---------------------------------------------------------------------------------


def take_message(
    call: Call, now: float, greeting: tuple[object, ...], max_s: float
) -> list[do.Effect]:
    call.message_s_max = min(max_s, call.rules.voicemail_s_max)
    call.after_message = "flow" if call.phase == "flow" else "goodbye"
    call.phase = "voicemail"
    language = call.care.language if call.care else call.rules.language
    prompts = (*greeting, do.Phrase("voicemail-beep", language))
    return [
        do.Play(call.caller_leg, new_play(call), prompts, then_music=False),
        do.SetTimer("voicemail", now + CLOSING_S_GREETING + call.message_s_max),
    ]


CLOSING_S_GREETING = 60.0  # a greeting's longest; the message has its own limit after it


def flow_takes_message(call: Call, happened: on.FlowTakesMessage, now: float) -> list[do.Effect]:
    return [
        do.ClearTimer("flow"),
        *take_message(call, now, happened.greeting, happened.max_s),
    ]


def message_begins(call: Call, happened: on.PlayDone, now: float) -> list[do.Effect]:
    if happened.play != call.play:
        return []
    call.play = ""  # the same report again means nothing
    call.marks.message = now
    return [
        *start_recording(call, "", "voicemail"),
        do.SetTimer("voicemail", now + call.message_s_max),
    ]


def message_ends(
    call: Call, happened: on.KeyPressed | on.TimerFired, now: float
) -> list[do.Effect]:
    """``#`` or the longest message: thank the caller and hang up."""
    if isinstance(happened, on.KeyPressed) and (happened.key != "#" or call.play):
        return []
    if isinstance(happened, on.TimerFired) and happened.name != "voicemail":
        return []
    if call.after_message == "flow":
        call.phase = "flow"
        return [do.ClearTimer("voicemail"), *stop_recording(call), do.StepFlow("voicemail-ended")]
    language = call.care.language if call.care else call.rules.language
    return [
        do.ClearTimer("voicemail"),
        *close_with(call, now, (do.Phrase("goodbye", language),), "bye"),
    ]


# --- goodbye -----------------------------------------------------------------------------------


def said_goodbye(call: Call, happened: on.PlayDone, now: float) -> list[do.Effect]:
    return end(call, now, call.end_cause) if happened.play == call.play else []


def goodbye_timer(call: Call, happened: on.TimerFired, now: float) -> list[do.Effect]:
    return end(call, now, call.end_cause) if happened.name == "closing" else []


def late_up(call: Call, happened: on.LegUp, now: float) -> list[do.Effect]:
    """A phone answered that nobody waits for any more: hang up on it."""
    if happened.leg == call.caller_leg or not is_up(call, happened.leg):
        leg = call.legs.get(happened.leg)
        return [do.Drop(happened.leg, "too late")] if leg is None or leg.role != "caller" else []
    return []
