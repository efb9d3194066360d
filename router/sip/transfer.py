"""Blind transfer by REFER (RFC 3515, 4488): the implicit subscription and its NOTIFYs."""

from __future__ import annotations

from urllib.parse import unquote

from router.sip.core import Core
from router.sip.effects import TransferAsked
from router.sip.incoming import number_of_user, word
from router.sip.leg import Leg, Transfer
from router.sip.message import REASONS, Request

_LIFETIME_S = 180  # told in Subscription-State; the call layer decides well before


def on_refer(core: Core, leg: Leg, tx: str, request: Request, now: float) -> None:
    """A REFER in a dialog: 202 and a first NOTIFY, or why not. ParseError: 400."""
    tag = leg.dialog.local_tag
    refer_to = request.refer_to
    if refer_to is None:
        core.respond(tx, request, 400, now, reason="Missing Refer-To", tag=tag)
        return
    uri = refer_to.target()
    if uri.scheme not in ("sip", "sips", "tel"):
        core.respond(tx, request, 416, now, tag=tag)
        return
    if leg.state != "confirmed" or leg.transfer is not None:
        core.respond(tx, request, 491, now, tag=tag)
        return
    method = (uri.params.get("method") or "INVITE").upper()
    if method != "INVITE":
        core.respond(tx, request, 603, now, tag=tag)  # RFC 3515 2.4.2: we place calls only
        return
    silent = (request.headers.first("Refer-Sub") or "").strip().lower().startswith("false")
    # RFC 3515 2.4.6: from the second REFER in a dialog on, the id tells the subscriptions apart
    event = f"refer;id={request.cseq.number}" if leg.transfers else "refer"
    leg.transfers += 1
    leg.transfer = Transfer(event, silent)
    headers = [("Contact", core.contact(leg.dialog.flow))]
    if silent:
        headers.append(("Refer-Sub", "false"))
    core.respond(tx, request, 202, now, headers=headers, tag=tag)
    if not silent:
        _notify(core, leg, leg.transfer, 100, f"active;expires={_LIFETIME_S}", now)
    wanted = {name.lower(): unquote(value) for name, value in uri.headers.items()}
    uri.headers.clear()
    replaces = word(wanted.get("replaces", ""))
    core.tell(TransferAsked(leg.id, number_of_user(uri.user), str(uri), replaces))


def done(core: Core, leg: Leg, status: int, now: float) -> None:
    """The transfer's fate is known: a final NOTIFY ends the subscription (RFC 3515 2.4.7)."""
    transfer, leg.transfer = leg.transfer, None
    if transfer is not None and not transfer.silent:
        _notify(core, leg, transfer, status, "terminated;reason=noresource", now)


def _notify(core: Core, leg: Leg, transfer: Transfer, status: int, state: str, now: float) -> None:
    extra = [
        ("Contact", core.contact(leg.dialog.flow)),
        ("Event", transfer.event),
        ("Subscription-State", state),
    ]
    body = f"SIP/2.0 {status} {REASONS.get(status, '')}\r\n".encode()
    core.send("notify", leg, leg.dialog, "NOTIFY", now, extra, body, "message/sipfrag;version=2.0")
