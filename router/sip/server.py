"""What peers ask of us: requests, ACKs of our 2xx, CANCELs."""

from __future__ import annotations

from router.sip import changes, indialog
from router.sip.core import Core
from router.sip.effects import Flow
from router.sip.gate import Gate
from router.sip.message import ParseError, Request
from router.sip.useragent import Why, fire


def on_requested(core: Core, gate: Gate, tx: str, request: Request, flow: Flow, now: float) -> None:
    """A request that opened a transaction; a malformed one is answered by what is wrong."""
    try:
        if request.to.tag is not None:
            indialog.on_request(core, tx, request, flow, now)
        else:
            gate.on_request(tx, request, flow, now)
    except ParseError as error:
        core.respond(tx, request, error.status, now, reason=error.reason)


def on_acked(core: Core, request: Request, now: float) -> None:
    try:
        indialog.on_ack(core, request, now)
    except ParseError:
        return  # an ACK is never answered (RFC 3261 17)


def on_cancel(core: Core, tx: str, now: float) -> None:
    """RFC 3261 9.2: the INVITE is answered 487; of a re-INVITE the session stays."""
    leg = core.invited.pop(tx, None)
    if leg is None:
        return
    if leg.tx == tx:
        fire(core, leg, "cancelled", now, Why(cause="cancel"))
    else:
        changes.refuse(core, leg, 487, now)
