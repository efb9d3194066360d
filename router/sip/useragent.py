"""Runs the table of a leg: ``fire`` looks up what an event means and does it."""

from __future__ import annotations

from collections.abc import Callable

from config.values import value
from router.sip.core import ALLOW, GIVE_UP_S, SUPPORTED, T1_S, T2_S, Core
from router.sip.dialog import EARLY_DIALOGS_MAX, Dialog
from router.sip.effects import Answered, Confirmed, Ended, Refused
from router.sip.leg import Leg, Outstanding, Unacked
from router.sip.leg_table import TABLE, Action, LegEvent
from router.sip.message import Request
from router.sip.session_timer import SessionTimer, as_server


@value(frozen=True, slots=True)
class Why:
    """What an event brings along; each action reads its own."""

    cause: str = "bye"
    status: int = 487
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    contacts: tuple[str, ...] = ()
    retry_after_s: int | None = None


_NOTHING = Why()


def fire(core: Core, leg: Leg, event: LegEvent, now: float, why: Why = _NOTHING) -> bool:
    """Take the event through the table; False where the leg's state has no row for it."""
    row = TABLE.get((leg.state, event))
    if row is None:
        return False
    leg.state, action = row
    if action:
        ACTIONS[action](core, leg, now, why)
    if leg.state == "ended":
        _drop_asked(core, leg, now)
        # a re-INVITE that the peer never answers would stay for good (RFC 3261 17.1.1.2)
        core.take(core.transactions.cancel(leg.changing, now))
        core.forget(leg)
        if not leg.leaving:
            core.release(leg)
    core.ledger.touch(leg.id)
    return True


# --- the server's side of the INVITE -----------------------------------------------------------


def _send_2xx(core: Core, leg: Leg, now: float, why: Why) -> None:
    reliable = leg.reliable
    agreed = reliable is not None and reliable.agreed
    body = b"" if agreed else why.body
    core.invited.pop(leg.tx, None)
    core.alarms.clear_all(leg.id)
    if body:
        leg.sent = body
    late = not leg.invite.body and not agreed
    leg.exchange = "ours" if late else "stable"
    accept_invite(core, leg, leg.tx, leg.invite, body, now, late=late)


def accept_invite(
    core: Core, leg: Leg, tx: str, invite: Request, body: bytes, now: float, *, late: bool
) -> None:
    """A 2xx to an INVITE, with its session timer; sent until the ACK (RFC 3261 13.3.1.4)."""
    timer, extra = as_server(invite, core.settings.session_expires_s)
    headers = [
        ("Contact", core.contact(leg.dialog.flow)),
        ("Allow", ALLOW),
        ("Supported", SUPPORTED),
        *extra,
    ]
    response = core.respond(
        tx, invite, 200, now, headers=headers, body=body, tag=leg.dialog.local_tag
    )
    leg.unacked = Unacked(tx, response, invite.cseq.number, T1_S, now + GIVE_UP_S, late)
    core.alarms.set(leg.id, "2xx", now + T1_S)
    start_timer(core, leg, timer, now)


def send_2xx_again(core: Core, leg: Leg, now: float) -> None:
    """The 2xx that waits for its ACK."""
    if leg.unacked is not None:
        core.take(core.transactions.respond(leg.unacked.tx, leg.unacked.response, now))


def repeat_2xx(core: Core, leg: Leg, now: float) -> None:
    """The alarm ``2xx``: T1 doubling up to T2, until the ACK or 64*T1 (RFC 3261 13.3.1.4)."""
    unacked = leg.unacked
    if unacked is None:
        return
    if now >= unacked.give_up_at:
        leg.unacked = None
        fire(core, leg, "unacked", now, Why(cause="no ack"))
        return
    send_2xx_again(core, leg, now)
    unacked.interval_s = min(2 * unacked.interval_s, T2_S)
    core.alarms.set(leg.id, "2xx", min(now + unacked.interval_s, unacked.give_up_at))


def start_timer(core: Core, leg: Leg, timer: SessionTimer, now: float) -> None:
    """(Re)start the session timer that a 2xx agreed on (RFC 4028 10)."""
    leg.timer = timer
    for kind, at in (("refresh", timer.refresh_at(now)), ("expire", timer.expires_at(now))):
        if at is None:
            core.alarms.clear(leg.id, kind)
        else:
            core.alarms.set(leg.id, kind, at)


def _refuse(core: Core, leg: Leg, now: float, why: Why) -> None:
    core.respond(
        leg.tx,
        leg.invite,
        why.status,
        now,
        reason=why.reason,
        headers=why.headers,
        tag=leg.dialog.local_tag,
    )


def _refuse_487(core: Core, leg: Leg, now: float, why: Why) -> None:
    _refuse(core, leg, now, Why(status=487))
    _tell(core, leg, now, why)


def _refuse_504(core: Core, leg: Leg, now: float, why: Why) -> None:
    _refuse(core, leg, now, Why(status=504))
    _tell(core, leg, now, why)


def _confirm(core: Core, leg: Leg, now: float, why: Why) -> None:
    body = why.body
    if not body and leg.reliable is not None:
        body = leg.reliable.answer
    if body:
        leg.received = body
    leg.exchange = "stable"
    core.tell(Confirmed(leg.id, body))


# --- the client's side -------------------------------------------------------------------------


def _cancel(core: Core, leg: Leg, now: float, why: Why) -> None:
    core.take(core.transactions.cancel(leg.tx, now))


def _ack(core: Core, leg: Leg, now: float, why: Why) -> None:
    call = core.outstanding.get(leg.tx)
    if call is not None:
        core.acknowledge(call, leg.dialog, why.body)


def _ack_and_tell(core: Core, leg: Leg, now: float, why: Why) -> None:
    _ack(core, leg, now, _NOTHING)
    core.tell(Answered(leg.id, why.body))


def _ack_bye_and_tell(core: Core, leg: Leg, now: float, why: Why) -> None:
    _ack(core, leg, now, _NOTHING)
    _bye_and_tell(core, leg, now, why)


def _ack_bye_and_tell_refused(core: Core, leg: Leg, now: float, why: Why) -> None:
    _ack(core, leg, now, _NOTHING)
    _bye(core, leg, now, why)
    core.tell(Refused(leg.id, 487, "Request Terminated"))


def _tell_answered(core: Core, leg: Leg, now: float, why: Why) -> None:
    core.tell(Answered(leg.id, why.body))


def _tell_refused(core: Core, leg: Leg, now: float, why: Why) -> None:
    core.tell(Refused(leg.id, why.status, why.reason, why.contacts, why.retry_after_s))


# --- both ----------------------------------------------------------------------------------------


def _tell(core: Core, leg: Leg, now: float, why: Why) -> None:
    _drop_asked(core, leg, now)
    core.tell(Ended(leg.id, why.cause))


def _bye(core: Core, leg: Leg, now: float, why: Why) -> None:
    _drop_asked(core, leg, now)
    leg.leaving = bye(core, leg, leg.dialog, now)


def _bye_and_tell(core: Core, leg: Leg, now: float, why: Why) -> None:
    _bye(core, leg, now, why)
    core.tell(Ended(leg.id, why.cause))


def _drop_asked(core: Core, leg: Leg, now: float) -> None:
    """A request that the call layer still owes an answer must get one (RFC 3261 15.1.2)."""
    asked, leg.asked = leg.asked, None
    if asked is not None:
        core.invited.pop(asked.tx, None)
        core.respond(asked.tx, asked.request, 487, now, tag=leg.dialog.local_tag)


def bye(core: Core, leg: Leg, dialog: Dialog, now: float) -> str:
    """End ``dialog``; returns the transaction."""
    return core.send("bye", leg, dialog, "BYE", now, [])


def end_fork(core: Core, call: Outstanding, dialog: Dialog, now: float) -> None:
    """A further fork answered: acknowledge and leave it (RFC 3261 13.2.2.4). Beyond
    EARLY_DIALOGS_MAX nothing is sent: such a peer is not forking but flooding."""
    if len(call.acks) > EARLY_DIALOGS_MAX:
        return
    core.acknowledge(call, dialog, b"")
    bye(core, call.leg, dialog, now)


ACTIONS: dict[Action, Callable[[Core, Leg, float, Why], None]] = {
    "send 2xx": _send_2xx,
    "refuse": _refuse,
    "refuse 487 and tell": _refuse_487,
    "refuse 504 and tell": _refuse_504,
    "tell": _tell,
    "confirm": _confirm,
    "bye": _bye,
    "bye and tell": _bye_and_tell,
    "cancel": _cancel,
    "ack": _ack,
    "ack and tell": _ack_and_tell,
    "ack, bye and tell": _ack_bye_and_tell,
    "ack, bye and tell refused": _ack_bye_and_tell_refused,
    "tell answered": _tell_answered,
    "tell refused": _tell_refused,
}
