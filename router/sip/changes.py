"""Changing a session: re-INVITE (RFC 3261 14) and UPDATE (RFC 3311), ours and the peer's.

One change at a time: ours waits while the peer's is open and the other way round the peer gets
491 or 500. Refreshes of the session timer (RFC 4028 7.4, 10) are changes without a change.
"""

from __future__ import annotations

from router.sip.core import ALLOW, GIVE_UP_S, SDP, SUPPORTED, Core
from router.sip.dialog import refresh_target
from router.sip.effects import ChangeAnswered, ChangeAsked, ChangeRefused, Confirmed
from router.sip.incoming import Refusal, refusal_of_content
from router.sip.leg import Asked, Leg, Outstanding, Purpose
from router.sip.message import Request, Response
from router.sip.session_timer import MIN_SE_S, as_client, as_server, ask, too_small
from router.sip.useragent import Why, accept_invite, fire, start_timer

_SERVER_WAIT_S_MAX = 10  # RFC 3261 14.2: Retry-After of a 500 is 0 to 10 s


# --- ours ----------------------------------------------------------------------------------------


def want(core: Core, leg: Leg, body: bytes, now: float) -> None:
    """The call layer wants ``body`` to be our session description; a newer wish replaces one
    that still waits."""
    leg.wanted = body
    if leg.state in ("invited", "calling", "cancelling") and not _can_update_early(leg):
        leg.wanted = None
        core.tell(ChangeRefused(leg.id, 491))
        return
    pump(core, leg, now)


def pump(core: Core, leg: Leg, now: float) -> None:
    """Send the change that waits, if it is its turn."""
    if leg.wanted is None or not _is_free(leg) or core.alarms.is_set(leg.id, "again"):
        return
    if leg.state == "confirmed":
        body, leg.wanted = leg.wanted, None
        _send(core, leg, "change", "INVITE", body, now)
    elif _can_update_early(leg):
        body, leg.wanted = leg.wanted, None
        _send(core, leg, "change", "UPDATE", body, now)


def _is_free(leg: Leg) -> bool:
    return not leg.changing and leg.asked is None and leg.unacked is None


def _can_update_early(leg: Leg) -> bool:
    """RFC 3311 5.1: an early dialog whose offer was answered reliably, a peer that allows it."""
    if leg.exchange != "stable" or leg.state not in ("invited", "calling"):
        return False
    if leg.incoming:
        return "UPDATE" in leg.dialog.allow
    return len(leg.forks) == 1 and "UPDATE" in next(iter(leg.forks.values())).allow


def refresh(core: Core, leg: Leg, now: float) -> None:
    """The alarm ``refresh``: by UPDATE where the peer allows it (RFC 4028 7.4)."""
    if leg.state != "confirmed":
        return
    if not _is_free(leg) or leg.wanted is not None:
        core.alarms.set(leg.id, "refresh", now + 2)  # that change refreshes, or has failed by then
    elif "UPDATE" in leg.dialog.allow:
        _send(core, leg, "refresh", "UPDATE", b"", now)
    else:
        _send(core, leg, "refresh", "INVITE", leg.sent, now)


def _send(core: Core, leg: Leg, purpose: Purpose, method: str, body: bytes, now: float) -> None:
    dialog = leg.dialog if leg.incoming or not leg.forks else next(iter(leg.forks.values()))
    extra = [
        ("Contact", core.contact(dialog.flow)),
        ("Allow", ALLOW),
        ("Supported", SUPPORTED),
        *ask(leg.session_s, leg.min_se_s, leg.timer),
    ]
    leg.changing = core.send(purpose, leg, dialog, method, now, extra, body)


def on_response(core: Core, tx: str, call: Outstanding, response: Response, now: float) -> None:
    """A response to our re-INVITE or UPDATE."""
    leg, status = call.leg, response.status
    if status < 200:
        return
    if status < 300:
        _on_2xx(core, tx, call, response, now)
        return
    if call.settled or leg.changing != tx:
        return
    call.settled = True
    leg.changing = ""
    if status in (408, 481):
        fire(core, leg, "lost", now, Why(cause="dialog lost"))
    elif status == 491:
        _again_later(core, call, now)
    elif status == 422 and (response.min_se or 0) > leg.min_se_s:
        leg.min_se_s = response.min_se or leg.min_se_s
        leg.session_s = max(leg.session_s, leg.min_se_s)
        _send(core, leg, call.purpose, call.request.method, call.request.body, now)
    elif call.purpose == "change":
        core.tell(ChangeRefused(leg.id, status))
    elif call.request.method == "UPDATE" and status in (405, 501):
        leg.dialog.allow -= {"UPDATE"}
        refresh(core, leg, now)
    else:
        # RFC 4028 10 leaves a refused refresh to us: once more before the session expires
        core.alarms.set(leg.id, "refresh", now + max(leg.timer.interval_s / 8, 5))
    pump(core, leg, now)


def _on_2xx(core: Core, tx: str, call: Outstanding, response: Response, now: float) -> None:
    leg, invite = call.leg, call.request.method == "INVITE"
    if invite and core.acknowledge_again(call, call.dialog.remote_tag):
        return
    if invite:
        refresh_target(call.dialog, response)
        core.acknowledge(call, call.dialog, b"")
        core.alarms.set(tx, "settle", now + GIVE_UP_S)
    call.settled = True
    if leg.changing != tx or leg.state in ("ended", "closing"):
        return
    leg.changing = ""
    refresh_target(call.dialog, response)
    if leg.state == "confirmed":
        start_timer(core, leg, as_client(response, leg.session_s), now)
    body = response.body if response.content_type == SDP else b""
    if call.request.body:
        leg.sent = call.request.body
    changed = bool(body) and body != leg.received
    if body:
        leg.received = body
    if call.purpose == "change" or changed:
        core.tell(ChangeAnswered(leg.id, body))
    pump(core, leg, now)


def _again_later(core: Core, call: Outstanding, now: float) -> None:
    """RFC 3261 14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side 0 to 2 s."""
    leg = call.leg
    wait = 2.1 + core.dice(191) / 100 if call.dialog.initiator else core.dice(201) / 100
    if call.purpose == "change":
        if leg.wanted is None:
            leg.wanted = call.request.body
        core.alarms.set(leg.id, "again", now + wait)
    else:
        core.alarms.set(leg.id, "refresh", now + wait)


def on_failure(core: Core, tx: str, call: Outstanding, status: int, now: float) -> None:
    """No response to our change: the dialog is lost (RFC 3261 12.2.1.2, 14.1)."""
    leg = call.leg
    if not call.settled and leg.changing == tx:
        leg.changing = ""
        cause = "dialog lost" if status == 408 else "transport failure"
        fire(core, leg, "lost", now, Why(cause=cause))


# --- the peer's ----------------------------------------------------------------------------------


def on_invite(core: Core, leg: Leg, tx: str, request: Request, now: float) -> None:
    """A re-INVITE (RFC 3261 14.2). ParseError where a header is malformed."""
    refused: Refusal = None
    if leg.unacked is not None and not leg.unacked.late:
        # RFC 5407 3.1.4: who changes the session has our 2xx, the ACK is late or was lost. Where
        # the ACK brings an answer (3.1.5), the change must wait for it.
        leg.unacked = None
        core.alarms.clear(leg.id, "2xx")
        fire(core, leg, "acked", now, Why())
    if leg.state != "confirmed":
        refused = 491, []  # RFC 5407 3.1.5: the answer to our offer is still to come
    elif leg.asked is not None:
        refused = _busy(core)
    elif leg.changing or leg.unacked is not None:
        refused = 491, []
    if refused is None:
        refused = _refusal(request)
    if refused is not None:
        core.respond(tx, request, refused[0], now, headers=refused[1], tag=leg.dialog.local_tag)
        return
    if request.body and request.body == leg.received:
        refresh_target(leg.dialog, request)
        accept_invite(core, leg, tx, request, leg.sent, now, late=False)
        return
    leg.asked = Asked(tx, request)
    core.invited[tx] = leg
    core.tell(ChangeAsked(leg.id, "INVITE", request.body))


def on_update(core: Core, leg: Leg, tx: str, request: Request, now: float) -> None:
    """An UPDATE (RFC 3311 5.2). ParseError where a header is malformed."""
    tag = leg.dialog.local_tag
    refused: Refusal = None
    if request.body:
        if leg.asked is not None or leg.exchange == "theirs":
            refused = _busy(core)
        elif leg.changing or leg.exchange == "ours":
            refused = 491, []
    if refused is None:
        refused = _refusal(request)
    if refused is not None:
        core.respond(tx, request, refused[0], now, headers=refused[1], tag=tag)
        return
    if request.body and request.body != leg.received:
        leg.asked = Asked(tx, request)
        core.tell(ChangeAsked(leg.id, "UPDATE", request.body))
        return
    _answer_update(core, leg, tx, request, leg.sent if request.body else b"", now)


def _refusal(request: Request) -> Refusal:
    refused = refusal_of_content(request)
    if refused is None and too_small(request):
        refused = 422, [("Min-SE", str(MIN_SE_S))]
    return refused


def _busy(core: Core) -> tuple[int, list[tuple[str, str]]]:
    return 500, [("Retry-After", str(core.dice(_SERVER_WAIT_S_MAX + 1)))]


def _answer_update(
    core: Core, leg: Leg, tx: str, request: Request, body: bytes, now: float
) -> None:
    # a callee's UPDATE may come in the early dialog of one fork
    dialog = leg.forks.get(request.from_.tag or "", leg.dialog)
    refresh_target(dialog, request)
    headers = [
        ("Contact", core.contact(dialog.flow)),
        ("Allow", ALLOW),
        ("Supported", SUPPORTED),
    ]
    if leg.state == "confirmed":
        timer, extra = as_server(request, core.settings.session_expires_s)
        headers += extra
        start_timer(core, leg, timer, now)
    core.respond(tx, request, 200, now, headers=headers, body=body, tag=leg.dialog.local_tag)


def accept(core: Core, leg: Leg, body: bytes, now: float) -> None:
    """The call layer's answer (or, to a re-INVITE without one, its offer)."""
    asked, leg.asked = leg.asked, None
    if asked is None:
        return
    request = asked.request
    if request.body:
        leg.received = request.body
    leg.sent = body
    leg.exchange = "stable"
    if request.method == "INVITE":
        core.invited.pop(asked.tx, None)
        refresh_target(leg.dialog, request)
        accept_invite(core, leg, asked.tx, request, body, now, late=not request.body)
    elif request.method == "UPDATE":
        _answer_update(core, leg, asked.tx, request, body, now)
    else:
        core.respond(asked.tx, request, 200, now, body=body, tag=leg.dialog.local_tag)
    pump(core, leg, now)


def on_ack(core: Core, leg: Leg, body: bytes) -> None:
    """The ACK to our 2xx of a re-INVITE; ``body`` answers the offer that we made in it."""
    if body:
        leg.received = body
        core.tell(Confirmed(leg.id, body))


def refuse(core: Core, leg: Leg, status: int, now: float) -> None:
    """The call layer's refusal; the session stays as it was (RFC 3261 14.2)."""
    asked, leg.asked = leg.asked, None
    if asked is None:
        return
    core.invited.pop(asked.tx, None)
    if leg.exchange == "theirs" and leg.state == "invited" and asked.request.method == "PRACK":
        leg.exchange = "stable"
    core.respond(asked.tx, asked.request, status, now, tag=leg.dialog.local_tag)
    pump(core, leg, now)
