"""Reliable provisional responses and PRACK (RFC 3262), both sides."""

from __future__ import annotations

from router.sip.core import ALLOW, GIVE_UP_S, SDP, SUPPORTED, T1_S, Core
from router.sip.dialog import Dialog
from router.sip.effects import ChangeAsked
from router.sip.leg import Asked, Leg, Outstanding, Reliable
from router.sip.message import Request, Response
from router.sip.useragent import Why, fire

_WAITING_MAX = 8  # further provisional responses are dropped until a PRACK comes
_RSEQ_BELOW = 2**30  # RFC 3262 3: the first RSeq leaves room for the following ones


# --- our responses to a peer's INVITE ----------------------------------------------------------


def progress(core: Core, leg: Leg, status: int, reason: str, body: bytes, now: float) -> None:
    """Send a provisional response, reliably where the peer wants it so."""
    leg.provisional = status
    core.alarms.set(leg.id, "provisional", now + 60)  # RFC 3261 13.3.1.1: once a minute
    requires = "100rel" in leg.invite.require
    if not requires and not (body and "100rel" in leg.invite.supported):
        core.respond(
            leg.tx,
            leg.invite,
            status,
            now,
            reason=reason,
            headers=[("Contact", core.contact(leg.dialog.flow)), ("Allow", ALLOW)],
            body=body,
            tag=leg.dialog.local_tag,
        )
        return
    reliable = leg.reliable
    if reliable is None:
        reliable = leg.reliable = Reliable(core.dice(_RSEQ_BELOW))
    if reliable.response is None:
        _send(core, leg, reliable, status, reason, body, now)
    elif len(reliable.waiting) < _WAITING_MAX:
        reliable.waiting.append((status, reason, body))


def _send(
    core: Core, leg: Leg, reliable: Reliable, status: int, reason: str, body: bytes, now: float
) -> None:
    if reliable.agreed:
        body = b""  # RFC 3262 5: the session description is settled
    reliable.rseq += 1
    reliable.described = bool(body)
    reliable.interval_s = T1_S
    reliable.give_up_at = now + GIVE_UP_S
    if body:
        leg.sent = body
        if leg.exchange == "none":
            leg.exchange = "ours"
    reliable.response = core.respond(
        leg.tx,
        leg.invite,
        status,
        now,
        reason=reason,
        headers=[
            ("Contact", core.contact(leg.dialog.flow)),
            ("Allow", ALLOW),
            ("Supported", SUPPORTED),
            ("Require", "100rel"),
            ("RSeq", str(reliable.rseq)),
        ],
        body=body,
        tag=leg.dialog.local_tag,
    )
    core.alarms.set(leg.id, "reliable", now + T1_S)


def repeat(core: Core, leg: Leg, now: float) -> None:
    """The alarm ``reliable``: again, or give the INVITE up after 64*T1 (RFC 3262 3)."""
    reliable = leg.reliable
    if reliable is None or reliable.response is None:
        return
    if now >= reliable.give_up_at:
        fire(core, leg, "unproved", now, Why(cause="no ack"))
        return
    core.take(core.transactions.respond(leg.tx, reliable.response, now))
    reliable.interval_s *= 2
    core.alarms.set(leg.id, "reliable", min(now + reliable.interval_s, reliable.give_up_at))


def on_prack(core: Core, leg: Leg, tx: str, request: Request, now: float) -> None:
    """A PRACK: 481 unless it is for the response under way (RFC 3262 3)."""
    reliable, tag = leg.reliable, leg.dialog.local_tag
    rack = request.rack
    wanted = None
    if reliable is not None and reliable.response is not None:
        wanted = (reliable.rseq, leg.invite.cseq.number, "INVITE")
    if reliable is None or rack is None or rack != wanted:
        core.respond(tx, request, 481, now, tag=tag)
        return
    if request.body and request.content_type != SDP:
        core.respond(tx, request, 415, now, headers=[("Accept", SDP)], tag=tag)
        return
    reliable.response = None
    core.alarms.clear(leg.id, "reliable")
    asks = False
    if reliable.described:
        reliable.agreed = True
        asks = leg.exchange == "theirs" and bool(request.body)
        if leg.exchange == "ours":
            reliable.answer = leg.received = request.body
        leg.exchange = "theirs" if asks else "stable"
    if asks:
        # RFC 3262 5: a PRACK may bring a further offer, its 2xx the answer
        leg.asked = Asked(tx, request)
        core.tell(ChangeAsked(leg.id, "PRACK", request.body))
    else:
        core.respond(tx, request, 200, now, tag=tag)
    _go_on(core, leg, reliable, now)


def _go_on(core: Core, leg: Leg, reliable: Reliable, now: float) -> None:
    """What had to wait for the PRACK: the answer first, else the next provisional response."""
    if leg.held_answer is not None:
        body, leg.held_answer = leg.held_answer, None
        fire(core, leg, "answer", now, Why(body=body))
    elif reliable.waiting:
        _send(core, leg, reliable, *reliable.waiting.popleft(), now)


def answer_must_wait(leg: Leg) -> bool:
    """No 2xx while a reliable response with a session description is open (RFC 3262 3)."""
    reliable = leg.reliable
    return reliable is not None and reliable.response is not None and reliable.described


# --- a peer's responses to our INVITE ------------------------------------------------------------


def prove(core: Core, call: Outstanding, dialog: Dialog, response: Response, now: float) -> bool:
    """Acknowledge a reliable provisional response; False where it repeats one, or is out of
    order, and must be ignored (RFC 3262 4). ParseError for a malformed RSeq."""
    if "100rel" not in response.require:
        return True
    rseq = response.rseq
    if rseq is None or (dialog.rseq >= 0 and rseq != dialog.rseq + 1):
        return False
    dialog.rseq = rseq
    rack = f"{rseq} {response.cseq.number} INVITE"
    core.send("prack", call.leg, dialog, "PRACK", now, [("RAck", rack)])
    return True
