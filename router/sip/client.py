"""What comes back to our requests: credentials where they are asked for, then by purpose."""

from __future__ import annotations

from router.sip import changes, outgoing
from router.sip.challenge import authorise
from router.sip.core import Core
from router.sip.effects import Flow
from router.sip.leg import Outstanding
from router.sip.message import ParseError, Response
from router.sip.useragent import Why, fire


def on_responded(core: Core, tx: str, response: Response, flow: Flow, now: float) -> None:
    """A response to one of our requests."""
    call = core.outstanding.get(tx)
    if call is None:
        return
    _learn_stream(core, call, flow)
    try:
        if (
            response.status in (401, 407)
            and not call.settled
            and authorise(core, tx, call, response, now)
        ):
            del core.outstanding[tx]
            return
        _dispatch(core, tx, call, response, now)
    except ParseError:
        # a final response that cannot be read ends what it answers
        if response.status >= 200:
            on_failed(core, tx, 500, now)
    if response.status >= 300 or (response.status >= 200 and call.request.method != "INVITE"):
        core.outstanding.pop(tx, None)


def _learn_stream(core: Core, call: Outstanding, flow: Flow) -> None:
    """The stream that was opened for our request now has its number."""
    if flow.connection <= 0 or call.flow.connection >= 0:
        return
    forks = call.leg.forks.values() if call.purpose == "invite" else ()
    for dialog in (call.dialog, *forks):
        if dialog.flow.connection < 0:
            if (flow.host, flow.port) == (dialog.flow.host, dialog.flow.port):
                dialog.flow = flow
            dialog.hop = None if dialog.hop is None or dialog.hop != call.flow else flow
            core.ledger.touch(call.leg.id)


def _dispatch(core: Core, tx: str, call: Outstanding, response: Response, now: float) -> None:
    purpose = call.purpose
    if purpose == "invite":
        outgoing.on_response(core, call, response, now)
    elif purpose in ("change", "refresh"):
        changes.on_response(core, tx, call, response, now)
    elif response.status >= 200:
        if purpose == "bye":
            _on_left(core, tx, call)
        elif purpose == "notify" and response.status in (408, 481):
            call.leg.transfer = None  # RFC 6665 4.2.2: the subscription is gone


def on_failed(core: Core, tx: str, status: int, now: float) -> None:
    """No response (408), no transport (503), or one that cannot be read (500)."""
    call = core.outstanding.pop(tx, None)
    if call is None:
        _on_server_failed(core, tx, status, now)
    elif call.purpose == "invite":
        outgoing.on_failure(core, call, status, now)
    elif call.purpose in ("change", "refresh"):
        changes.on_failure(core, tx, call, status, now)
    elif call.purpose == "bye":
        _on_left(core, tx, call)


def _on_server_failed(core: Core, tx: str, status: int, now: float) -> None:
    """No way is left to answer the INVITE of an incoming leg (RFC 3261 17.2.4)."""
    leg = core.invited.pop(tx, None)
    if leg is not None and leg.tx == tx and status == 503:
        fire(core, leg, "lost", now, Why(cause="transport failure"))


def _on_left(core: Core, tx: str, call: Outstanding) -> None:
    leg = call.leg
    if leg.leaving == tx:
        leg.leaving = ""
        core.release(leg)
