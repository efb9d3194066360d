"""Requests within a dialog (RFC 3261 12.2.2): which leg, in order, by method."""

from __future__ import annotations

from collections.abc import Callable

from router.sip import changes, reliable, transfer
from router.sip.core import ALLOW, SDP, Core
from router.sip.dialog import Dialog, comes_from
from router.sip.effects import Flow, KeyPressed
from router.sip.incoming import on_options, refusal_of_extensions
from router.sip.info import KINDS, key_of
from router.sip.leg import Leg
from router.sip.lexical import parse_params
from router.sip.message import ParseError, Request
from router.sip.useragent import Why, fire

# methods of the IANA registry that we do not take; beyond them 501
KNOWN_METHODS = frozenset(
    {"SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH", "REGISTER", "ACK", "CANCEL"}
)
_Handler = Callable[[Core, Leg, str, Request, float], None]


def leg_of(core: Core, request: Request) -> tuple[Leg, Dialog] | None:
    """The leg and dialog of a request with a To tag, or None (RFC 3261 12.2.2)."""
    leg = core.tags.get(request.to.tag or "")
    if leg is None or leg.dialog.call_id != request.call_id:
        return None
    tag = request.from_.tag or ""
    if leg.dialog.remote_tag == tag:
        return leg, leg.dialog
    fork = leg.forks.get(tag)
    return None if fork is None else (leg, fork)


def leg_of_replaces(core: Core, replaces: str) -> str | None:
    """RFC 3891 3: its to-tag is ours, its from-tag the peer's."""
    call_id, _, tail = replaces.partition(";")
    try:
        tags = parse_params(tail)
    except ParseError:
        return None
    leg = core.tags.get(tags.get("to-tag") or "")
    if leg is None or leg.dialog.call_id != call_id.strip() or leg.id not in core.legs:
        return None
    return leg.id if leg.dialog.remote_tag == (tags.get("from-tag") or "") else None


def on_request(core: Core, tx: str, request: Request, flow: Flow, now: float) -> None:
    """Any request with a To tag but ACK and CANCEL. ParseError where a header is malformed."""
    found = leg_of(core, request)
    if found is None:
        core.respond(tx, request, 481, now)
        return
    leg, dialog = found
    core.transactions.own(tx, leg.id)
    tag = dialog.local_tag
    number = request.cseq.number
    if number < dialog.remote_cseq:
        core.respond(tx, request, 500, now, tag=tag)  # RFC 3261 12.2.2: out of order
        return
    dialog.remote_cseq = number
    comes_from(dialog, flow)
    if request.method == "BYE":
        _on_bye(core, leg, tx, request, now)
        return
    if leg.state in ("ended", "closing"):
        core.respond(tx, request, 481, now, tag=tag)
        return
    refused = refusal_of_extensions(request)
    if refused is not None:
        core.respond(tx, request, refused[0], now, headers=refused[1], tag=tag)
        return
    handler = _METHODS.get(request.method)
    if handler is None:
        refuse_method(core, tx, request, now, tag)
    else:
        handler(core, leg, tx, request, now)


def refuse_method(core: Core, tx: str, request: Request, now: float, tag: str | None) -> None:
    """405 for what we know and do not take here, 501 for what nobody knows (RFC 3261 8.2.1)."""
    status = 405 if request.method in KNOWN_METHODS or request.method in ALLOW.split(", ") else 501
    core.respond(tx, request, status, now, headers=[("Allow", ALLOW)], tag=tag)


def _on_bye(core: Core, leg: Leg, tx: str, request: Request, now: float) -> None:
    tag = leg.dialog.local_tag
    if leg.state in ("calling", "cancelling"):
        # RFC 3261 15: a callee must not send BYE before it answered
        core.respond(tx, request, 481, now, tag=tag)
        return
    core.respond(tx, request, 200, now, tag=tag)
    fire(core, leg, "bye", now, Why(cause="bye"))


def on_ack(core: Core, request: Request, now: float) -> None:
    """The ACK to a 2xx of ours (RFC 3261 13.3.1.4). ParseError where a header is malformed."""
    found = leg_of(core, request)
    if found is None:
        return
    leg = found[0]
    unacked = leg.unacked
    if unacked is None or request.cseq.number != unacked.cseq:
        return
    leg.unacked = None
    core.alarms.clear(leg.id, "2xx")
    core.ledger.touch(leg.id)
    body = request.body if unacked.late and request.content_type == SDP else b""
    if not fire(core, leg, "acked", now, Why(body=body)):
        changes.on_ack(core, leg, body)
    if leg.state == "confirmed":
        changes.pump(core, leg, now)


def _on_info(core: Core, leg: Leg, tx: str, request: Request, now: float) -> None:
    """RFC 2976 and its habit of carrying digits; packages of RFC 6086 are not taken."""
    tag = leg.dialog.local_tag
    if "Info-Package" in request.headers:
        core.respond(tx, request, 469, now, headers=[("Recv-Info", "")], tag=tag)
        return
    kind = request.content_type
    if request.body and kind not in KINDS:
        core.respond(tx, request, 415, now, headers=[("Accept", ", ".join(KINDS))], tag=tag)
        return
    core.respond(tx, request, 200, now, tag=tag)
    key = key_of(kind, request.body) if kind is not None else None
    if key is not None:
        core.tell(KeyPressed(leg.id, key))


def _on_options(core: Core, leg: Leg, tx: str, request: Request, now: float) -> None:
    on_options(core, tx, request, now, leg.dialog.local_tag)


def _on_notify(core: Core, leg: Leg, tx: str, request: Request, now: float) -> None:
    core.respond(tx, request, 481, now, tag=leg.dialog.local_tag)  # RFC 6665 4.1.3: not asked for


_METHODS: dict[str, _Handler] = {
    "INVITE": changes.on_invite,
    "UPDATE": changes.on_update,
    "PRACK": reliable.on_prack,
    "INFO": _on_info,
    "REFER": transfer.on_refer,
    "OPTIONS": _on_options,
    "NOTIFY": _on_notify,
}
