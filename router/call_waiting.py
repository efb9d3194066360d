"""A call in its queue: music and position, offers to agents, and the ways out of waiting."""

from __future__ import annotations

from typing import Literal

from router import effects as do
from router import inputs as on
from router.call import Call, close_with, end, new_play
from router.call_flow import take_message
from router.call_offers import hush, ring_fired, rings


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
    if happened.name.startswith("ring-"):
        return ring_fired(call, happened.name, now)
    if happened.name != "announce" or call.care is None:
        return []
    out: list[do.Effect] = [do.SetTimer("announce", now + call.care.announce_s)]
    return out if rings(call) else _tell(call, greeting=False) + out


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
    out: list[do.Effect] = [do.ClearTimer("announce")]
    out += hush(call, "caller left the queue")
    call.phase = "closing"
    return [*out, do.LeaveQueue(how)]


def overflowed(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    """The floor ended the visit already."""
    call.marks.waited_s = max(0.0, now - call.marks.queued)
    out: list[do.Effect] = [do.ClearTimer("announce")]
    out += hush(call, "overflow")
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


def silent_caller(call: Call, happened: on.MediaLost, now: float) -> list[do.Effect]:
    """No sound from a waiting caller is no proof that nobody is there: ask the phone."""
    return [do.Probe(happened.leg)] if happened.leg == call.caller_leg else []
