"""From a leg to what is kept of it, see ``kept``."""

from __future__ import annotations

from router.sip.core import Core
from router.sip.dialog import Dialog
from router.sip.effects import Flow, Send
from router.sip.kept import (
    KeptCall,
    KeptDialog,
    KeptFlow,
    KeptLeg,
    KeptReliable,
    KeptRequest,
    KeptResponse,
    KeptTransaction,
    KeptUnacked,
)
from router.sip.leg import Leg, Outstanding
from router.sip.message import Request, Response
from router.sip.transaction_state import NEVER, Transaction

# answers to requests in a dialog that the peer may ask for again: the newest of each leg
_ANSWERS_MAX = 8

_SECRETS = frozenset({"Authorization", "Proxy-Authorization"})
# what the ACK of a 2xx takes from its INVITE
_OF_SETTLED = frozenset({"CSeq", "Authorization", "Proxy-Authorization"})


def keep(core: Core, leg_id: str) -> KeptLeg | None:
    """Everything that is known of the leg; None where nothing is left of it."""
    leg = core.legs.get(leg_id)
    transactions = _transactions(core, leg_id)
    calls = [
        (tx.id, call) for tx in transactions if (call := core.outstanding.get(tx.id)) is not None
    ]
    if leg is None:
        if not transactions:
            return None
        if not calls:
            return _remains(leg_id, transactions)
        leg = calls[0][1].leg
    dialogs = _Dialogs(leg.dialog)
    forks = tuple((tag, dialogs.number(fork)) for tag, fork in leg.forks.items())
    kept_calls = tuple(_call(core, tx, call, dialogs) for tx, call in calls)
    sent_again = {tx for tx, _ in calls}
    if leg.unacked is not None:
        sent_again.add(leg.unacked.tx)
    asked, transfer = leg.asked, leg.transfer
    invite = _invite(leg)
    is_first = invite is not None and leg.incoming and leg.received == invite[3]
    return KeptLeg(
        leg.id,
        leg.state,
        leg.incoming,
        dialogs.kept(),
        forks,
        invite,
        leg.tx,
        (leg.timer.interval_s, leg.timer.ours),
        leg.session_s,
        leg.min_se_s,
        leg.max_forwards,
        leg.sent,
        None if is_first else leg.received,
        leg.exchange,
        leg.wanted,
        leg.changing,
        None if asked is None else (asked.tx, _of_peer(asked.request)),
        _unacked(leg),
        _reliable(leg),
        leg.held_answer,
        leg.provisional,
        None if transfer is None else (transfer.event, transfer.silent),
        leg.transfers,
        leg.leaving,
        tuple(core.alarms.of(leg.id).items()),
        kept_calls,
        tuple([_transaction(tx, tx.id in sent_again) for tx in transactions]),
    )


def _remains(leg_id: str, transactions: list[Transaction]) -> KeptLeg:
    """Of a leg that is over: answers that its peer may ask for again."""
    return KeptLeg(
        id=leg_id,
        state="ended",
        incoming=False,
        dialogs=(),
        forks=(),
        invite=None,
        tx="",
        session_timer=(0, False),
        session_s=0,
        min_se_s=0,
        max_forwards=0,
        sent=b"",
        received=b"",
        exchange="none",
        wanted=None,
        changing="",
        asked=None,
        unacked=None,
        reliable=None,
        held_answer=None,
        provisional=0,
        transfer=None,
        transfers=0,
        leaving="",
        alarms=(),
        calls=(),
        transactions=tuple([_transaction(tx, False) for tx in transactions]),
    )


class _Dialogs:
    """The dialogs of a leg, each once, by number: its own is the first."""

    def __init__(self, own: Dialog) -> None:
        self._all = [own]

    def number(self, dialog: Dialog) -> int:
        for number, known in enumerate(self._all):
            if known is dialog:
                return number
        self._all.append(dialog)
        return len(self._all) - 1

    def kept(self) -> tuple[KeptDialog, ...]:
        return tuple([_dialog(dialog) for dialog in self._all])


def _dialog(dialog: Dialog) -> KeptDialog:
    hop = dialog.hop
    return KeptDialog(
        dialog.call_id,
        dialog.local_tag,
        dialog.remote_tag,
        dialog.local,
        dialog.remote,
        dialog.target,
        dialog.routes,
        flow_out(dialog.flow),
        dialog.pinned,
        dialog.initiator,
        dialog.local_cseq,
        dialog.remote_cseq,
        " ".join(sorted(dialog.allow)),
        dialog.rseq,
        None if hop is None else flow_out(hop),
    )


def _transactions(core: Core, leg_id: str) -> list[Transaction]:
    """Those that matter: of the peer's answered requests the newest only, the rest all."""
    found = core.transactions.find
    owned = [tx for id in core.ledger.of(leg_id) if (tx := found(id)) is not None]
    answered = [tx.id for tx in owned if tx.kind == "server" and tx.state == "completed"]
    if len(answered) > _ANSWERS_MAX:
        old = frozenset(answered[:-_ANSWERS_MAX])
        owned = [tx for tx in owned if tx.id not in old]
    return owned


def _transaction(tx: Transaction, sent_again: bool) -> KeptTransaction:
    """``sent_again``: what it sends is kept with the leg."""
    idle = tx.kind == "invite-server" and tx.state in ("accepted", "confirmed")
    idle = idle or (tx.kind == "invite-client" and tx.state in ("accepted", "completed"))
    return KeptTransaction(
        tx.id,
        tx.kind,
        tx.state,
        tx.method,
        flow_out(tx.flow),
        b"" if sent_again or idle else tx.data,
        tx.ack,
        tx.reply_port,
        tx.answer_to,
        tx.merge_key,
        tx.rfc2543,
        None if tx.resend_at == NEVER else tx.resend_at,
        tx.resend_event,
        tx.resend_interval,
        None if tx.ends_at == NEVER else tx.ends_at,
        tx.ends_event,
    )


def _call(core: Core, tx: str, call: Outstanding, dialogs: _Dialogs) -> KeptCall:
    request = call.request
    acks = [
        (tag, flow_out(send.flow), send.data)
        for tag, sends in call.acks.items()
        for send in sends
        if isinstance(send, Send)
    ]
    if call.settled and request.method == "INVITE":
        fields = tuple([item for item in request.headers if item[0] in _OF_SETTLED])
        kept: KeptRequest = (request.method, request.uri, fields, b"")
    else:
        kept = (request.method, request.uri, tuple(request.headers), request.body)
    return KeptCall(
        tx,
        call.purpose,
        dialogs.number(call.dialog),
        kept,
        flow_out(call.flow),
        call.nonces,
        tuple(acks),
        call.settled,
        core.alarms.of(tx).get("settle") if call.settled else None,
    )


def _invite(leg: Leg) -> KeptRequest | None:
    """As much of the INVITE as something can still be built from."""
    invite, reliable = leg.invite, leg.reliable
    if not leg.incoming:
        if leg.state != "calling":
            return None
        return invite.method, invite.uri, tuple(invite.headers), b""
    if leg.state == "invited":
        return _of_peer(invite)
    if reliable is not None and reliable.response is not None:
        # its PRACK names the CSeq
        return "INVITE", "", (("CSeq", invite.headers.get("CSeq") or ""),), b""
    return None


def _of_peer(request: Request) -> KeptRequest:
    fields = tuple([item for item in request.headers if item[0] not in _SECRETS])
    return request.method, request.uri, fields, request.body


def _response(response: Response) -> KeptResponse:
    return response.status, response.reason, tuple(response.headers), response.body


def _unacked(leg: Leg) -> KeptUnacked | None:
    unacked = leg.unacked
    if unacked is None:
        return None
    return KeptUnacked(
        unacked.tx,
        _response(unacked.response),
        unacked.cseq,
        unacked.interval_s,
        unacked.give_up_at,
        unacked.late,
    )


def _reliable(leg: Leg) -> KeptReliable | None:
    reliable = leg.reliable
    if reliable is None:
        return None
    return KeptReliable(
        reliable.rseq,
        None if reliable.response is None else _response(reliable.response),
        reliable.described,
        reliable.interval_s,
        reliable.give_up_at,
        tuple(reliable.waiting),
        reliable.agreed,
        reliable.answer,
    )


def flow_out(flow: Flow) -> KeptFlow:
    return flow.transport, flow.host, flow.port, flow.connection, flow.listener
