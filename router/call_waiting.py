"""A call in its queue: what the caller hears, and the ways out of waiting."""

from __future__ import annotations

from collections.abc import Callable

from router import effects as do
from router import inputs as on
from router.call import Call, close_with, end, fact, new_play
from router.call_flow import can_be_dialled, dial, take_message
from router.call_offers import hush, is_answered, ring_fired, rings
from router.events import CallSentOn

RING_S_OVERFLOW = 60.0
CLOSED = ("queue closed", "closed")  # the floor's word and the flow's
SPEECH_S_MAX = 30.0  # after so long nothing is being said any more, whatever was reported


def queued(call: Call, happened: on.Queued, now: float) -> list[do.Effect]:
    care = happened.care
    again = call.phase == "waiting" and call.queue == care.queue
    call.phase, call.care, call.queue = "waiting", care, care.queue
    call.marks.queued, call.marks.short_abandon_s = now, care.short_abandon_s
    call.marks.sent_on = 0.0
    call.waits_since = call.waits_since or now
    call.promised_at = 0.0
    call.hidden_keys = False
    return [] if again else care_begins(call, now)


def care_begins(call: Call, now: float) -> list[do.Effect]:
    """The first words and music; the announcements and messages to come."""
    call.messages_said = 0
    greeting = _tell(call, now, greeting=True)
    return greeting + care_goes_on(call, now)


def care_goes_on(call: Call, now: float) -> list[do.Effect]:
    care = call.care or on.QueueCare(call.queue)
    call.due, call.announce_at = (), 0.0
    out: list[do.Effect] = []
    if _is_said(care, "announce"):
        call.announce_at = now + care.announce_s
        out.append(do.SetTimer("announce", call.announce_at))
    if _is_said(care, "message"):
        out.append(do.SetTimer("message", now + care.message_s))
    return out


def _tell(call: Call, now: float, *, greeting: bool) -> list[do.Effect]:
    care = call.care or on.QueueCare(call.queue)
    first, call.welcome = call.welcome, ()
    call.speaks_until = now + SPEECH_S_MAX
    key = "" if call.second_life else care.callback_key
    return [
        do.TellPosition(
            call.caller_leg,
            new_play(call),
            care.language,
            key,
            greeting,
            first,
            care.tells_position,
            care.tells_wait,
        )
    ]


def care_timer(call: Call, happened: on.TimerFired, now: float) -> list[do.Effect]:
    """An announcement or a message is due. Neither cuts the other, an announcement goes first;
    while a phone rings neither is begun, for the answer would cut it."""
    name, care = happened.name, call.care
    if name.startswith("ring-"):
        return ring_fired(call, name, now)
    if care is None or not _is_said(care, name):
        return []
    at = now + (care.announce_s if name == "announce" else care.message_s)
    out: list[do.Effect] = [do.SetTimer(name, at)]
    announcement_first = name == "message" and 0.0 < call.announce_at <= now
    if name == "announce":
        call.announce_at = at
    if rings(call):
        return out
    if now < call.speaks_until or announcement_first:
        call.due = tuple(sorted({*call.due, name}))
        return out
    return [*_say(call, name, now), *out]


def _is_said(care: on.QueueCare, name: str) -> bool:
    """Whether this queue has what the timer is for: the call may have come from another."""
    if name == "announce":
        return care.tells_position or care.tells_wait
    return name == "message" and bool(care.messages)


def _say(call: Call, name: str, now: float) -> list[do.Effect]:
    call.due = tuple(other for other in call.due if other != name)
    if name == "announce":
        return _tell(call, now, greeting=False)
    messages = call.care.messages if call.care else ()
    prompt = messages[call.messages_said % len(messages)]
    call.messages_said += 1
    return [speak(call, now, prompt)]


def speak(call: Call, now: float, prompt: object) -> do.Play:
    call.speaks_until = now + SPEECH_S_MAX
    return do.Play(call.caller_leg, new_play(call), (prompt,), then_music=True)


def said(call: Call, happened: on.PlayDone, now: float) -> list[do.Effect]:
    """Music again; what became due meanwhile is said, where no phone rings."""
    if happened.play != call.play:
        return []
    call.speaks_until = 0.0
    if rings(call):
        call.due = ()
    return _say(call, call.due[0], now) if call.due else []


def waiting_key(call: Call, happened: on.KeyPressed, now: float) -> list[do.Effect]:
    care = call.care
    if happened.leg != call.caller_leg or care is None or happened.key != care.callback_key:
        return []
    if call.second_life or is_answered(call):
        return []
    return promise_callback(call, now)


def promise_callback(call: Call, now: float) -> list[do.Effect]:
    """The caller need not hold the line: note the number, confirm, hang up."""
    out = _stop_waiting(call, now, "caller left the queue")
    if not can_be_dialled(call.caller):
        message = take_message(call, now, (), call.rules.voicemail_s_max)
        return [*out, do.LeaveQueue("overflowed"), *message]
    out.append(do.RequestCallback(call.queue, call.caller))
    return out + _confirm_callback(call, now)


def _confirm_callback(call: Call, now: float) -> list[do.Effect]:
    call.callback_number, call.marks.callback = call.caller, now
    language = call.care.language if call.care else call.rules.language
    return close_with(call, now, (do.Phrase("callback-confirmed", language),), "bye")


def _stop_waiting(call: Call, now: float, reason: str) -> list[do.Effect]:
    """No phone left ringing, nothing more to be announced."""
    call.marks.waited_s = max(0.0, now - call.marks.queued)
    call.due, call.phase = (), "closing"
    return [do.ClearTimer("announce"), do.ClearTimer("message"), *hush(call, reason)]


# --- overflow ----------------------------------------------------------------------------------


def overflowed(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    """The floor ended the visit already; ``to`` says how the call goes on."""
    out = _stop_waiting(call, now, "overflow")
    marks = call.marks
    marks.sent_on = now
    call.left_by_overflow = (*call.left_by_overflow, call.queue)
    kind = happened.to.partition(":")[0]
    if happened.reason in CLOSED and now <= call.waits_since:
        marks.queued = 0.0  # was never let in, so never waited
        marks.refused = now if kind != "flow" else marks.refused
    kind, _, name = _way(call, happened.to).partition(":")
    out += fact(call, CallSentOn(call.queue, f"queue:{name}" if kind == "queue" else kind))
    return out + WAYS[kind](call, happened, now)


def _way(call: Call, to: str) -> str:
    """Where the call can go indeed. A queue that it left so is not entered again: queues that
    overflow into each other must come to an end."""
    kind, _, name = to.partition(":")
    again = kind == "queue" and name in call.left_by_overflow
    no_callback = kind == "callback" and (call.second_life or not can_be_dialled(call.caller))
    return "voicemail" if again or no_callback or kind not in WAYS else to


def _to_flow(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    call.phase = "flow"
    return [do.StepFlow("queue-left", happened.reason)]


def _to_message(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    return take_message(call, now, (), call.rules.voicemail_s_max)


def _to_callback(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    wish = call.wish or do.EnterQueue(call.queue)
    request = do.RequestCallback(
        call.queue, call.caller, wish.priority, wish.rank, wish.skills, call.waits_since
    )
    return [request, *_confirm_callback(call, now)]


def _to_queue(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    """With the same wishes and the old clock."""
    queue = happened.to.partition(":")[2]
    call.phase = "waiting"
    wish = call.wish or do.EnterQueue(queue)
    return [
        do.EnterQueue(queue, wish.priority, wish.rank, wish.skills, origin=call.waits_since),
    ]


def _to_announcement(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    return close_with(call, now, happened.prompts, "no-answer")


def _to_number(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    """Out of Offhook; a message where nobody answers there."""
    to = on.Destination("external", happened.to.partition(":")[2])
    wanted = on.FlowDials(to, RING_S_OVERFLOW, happened.targets)
    return dial(call, now, wanted, instead="message")


def _hang_up(call: Call, happened: on.Overflowed, now: float) -> list[do.Effect]:
    return end(call, now, "no-answer", "waited too long")


WAYS: dict[str, Callable[[Call, on.Overflowed, float], list[do.Effect]]] = {
    "flow": _to_flow,
    "voicemail": _to_message,
    "callback": _to_callback,
    "queue": _to_queue,
    "announcement": _to_announcement,
    "number": _to_number,
    "hang-up": _hang_up,
}


def silent_caller(call: Call, happened: on.MediaLost, now: float) -> list[do.Effect]:
    """No sound from a waiting caller is no proof that nobody is there: ask the phone."""
    return [do.Probe(happened.leg)] if happened.leg == call.caller_leg else []
