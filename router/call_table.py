"""The call's state machine as a table: (phase, input) to the function that handles it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from router import call_callback as again
from router import call_flow as flow
from router import call_offers as ring
from router import call_talking as talk
from router import call_waiting as wait
from router import inputs as on
from router.call import PHASES, Call, Phase
from router.effects import Effect

Handler = Callable[[Call, Any, float], list[Effect]]

_ANYWHERE: dict[type, Handler] = {
    on.LegGone: flow.caller_gone,
    on.LegUp: flow.late_up,
    on.HangUpAsked: flow.hang_up,
    on.LegHeld: talk.settle,
    on.LegResumed: talk.settle,
    on.OfferWon: ring.won_too_late,
    on.OfferStale: ring.lapsed_too_late,
    on.Withdrawn: ring.lapsed_too_late,
}

_BY_PHASE: dict[Phase, dict[type, Handler]] = {
    "new": {on.Arrive: flow.arrive, on.CallBack: again.call_back},
    "arriving": {on.LegUp: flow.picked_up, on.Queued: wait.queued},
    "calling-back": {
        on.LegRinging: again.caller_rings,
        on.LegUp: again.caller_reached,
        on.LegGone: again.caller_away,
        on.LegRedirected: again.caller_redirects,
        on.TimerFired: again.rang_out,
        on.Withdrawn: again.given_up,
    },
    "flow": {
        on.KeyPressed: flow.flow_key,
        on.PlayDone: flow.flow_heard,
        on.TimerFired: flow.flow_timer,
        on.FlowSays: flow.flow_says,
        on.FlowWorks: flow.flow_works,
        on.FlowQueues: flow.flow_queues,
        on.FlowDials: flow.flow_dials,
        on.FlowTakesMessage: flow.flow_takes_message,
        on.FlowPromisesCallback: flow.flow_calls_back,
        on.FlowEnds: flow.flow_ends,
        on.Queued: wait.queued,
    },
    "waiting": {
        on.LegGone: ring.waiting_leg_gone,
        on.LegUp: ring.agent_answers,
        on.LegRinging: ring.agent_ringing,
        on.KeyPressed: wait.waiting_key,
        on.TimerFired: wait.care_timer,
        on.PlayDone: wait.said,
        on.Queued: wait.queued,
        on.Offered: ring.offered,
        on.OfferWon: ring.offer_won,
        on.OfferStale: ring.offer_stale,
        on.LegRedirected: ring.redirected,
        on.Withdrawn: ring.withdrawn,
        on.Overflowed: wait.overflowed,
        on.MediaLost: wait.silent_caller,
    },
    "dialling": {
        on.LegGone: flow.dialled_gone,
        on.LegUp: flow.dialled_up,
        on.LegRedirected: flow.dialled_redirected,
        on.LegRinging: flow.dialled_ringing,
        on.TimerFired: flow.dial_timer,
    },
    "talking": {
        on.LegGone: talk.talking_gone,
        on.LegUp: talk.target_up,
        on.LegRedirected: talk.target_redirected,
        on.LegRinging: talk.target_rings,
        on.KeyPressed: talk.talking_key,
        on.LegHeld: talk.held,
        on.LegResumed: talk.resumed,
        on.MediaLost: talk.talking_silent,
        on.TransferAsked: talk.transfer,
        on.TimerFired: talk.transfer_timer,
        on.Queued: wait.queued,
    },
    "voicemail": {
        on.PlayDone: flow.message_begins,
        on.KeyPressed: flow.message_ends,
        on.TimerFired: flow.message_ends,
    },
    "closing": {on.PlayDone: flow.said_goodbye, on.TimerFired: flow.goodbye_timer},
}


def _row(phase: Phase) -> dict[type, Handler]:
    if phase == "new":
        return _BY_PHASE[phase]
    if phase == "ended":
        return {on.LegUp: flow.late_up}
    return {**_ANYWHERE, **_BY_PHASE[phase]}


TABLE: dict[tuple[Phase, type], Handler] = {
    (phase, kind): handler for phase in PHASES for kind, handler in _row(phase).items()
}


def step(call: Call, happened: on.Input, now: float) -> list[Effect]:
    """Take one input: changes ``call``, returns the effects in order.

    An input that means nothing in the call's phase returns nothing (a late report, a key in a
    talk); nothing raises on a legal ``Input``.
    """
    handler = TABLE.get((call.phase, type(happened)))
    return handler(call, happened, now) if handler else []
