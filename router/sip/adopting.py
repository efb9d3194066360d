"""From what was kept of a leg back to the leg, in the endpoint of another process."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import cast

from router.sip.core import Core
from router.sip.dialog import Dialog, stream_is_gone
from router.sip.effects import Flow, Send, Transport
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
from router.sip.leg import Asked, Leg, Outstanding, Reliable, Transfer, Unacked
from router.sip.message import Headers, Request, Response
from router.sip.session_timer import SessionTimer
from router.sip.target import Credentials
from router.sip.transaction_state import NEVER, Transaction, is_idle

# What fell due while nobody listened waits so long for what waits in the sockets: the ACK that
# would have come in time must not be late because we were.
GRACE_S = 1.0

_FATAL = frozenset({"expire", "invite expires"})


class Adoption:
    """Takes legs over. ``streams`` says which number a stream of the old process has here; any
    other is gone with it. ``cseq_skip`` goes on top of each local sequence number, beyond what
    the old process may have sent and nobody wrote down."""

    def __init__(self, core: Core, now: float, streams: Mapping[int, int], cseq_skip: int) -> None:
        self._core = core
        self._now = now
        self._streams = streams
        self._cseq_skip = cseq_skip

    def adopt(self, kept: KeptLeg, credentials: Credentials | None) -> None:
        """The leg as it was; what waits for an answer over a stream that is gone goes again."""
        core = self._core
        if core.ledger.holds(kept.id):
            return
        leg = None
        calls: dict[str, Outstanding] = {}
        if kept.dialogs:
            dialogs = [self._dialog(dialog) for dialog in kept.dialogs]
            leg = self._leg(kept, dialogs, credentials)
            calls = {call.tx: self._call(call, leg, dialogs) for call in kept.calls}
            if leg.state != "ended":
                core.legs[leg.id] = leg
                if leg.dialog.flow.connection < 0:
                    core.adrift.add(leg.id)
            if leg.state != "ended" or leg.leaving:
                core.tags[leg.dialog.local_tag] = leg
            self._set_alarms(leg, kept.alarms)
        for kept_tx in kept.transactions:
            self._take_transaction(kept.id, kept_tx, calls.get(kept_tx.id), leg)
        for kept_call in kept.calls:
            if core.transactions.find(kept_call.tx) is not None:
                core.outstanding[kept_call.tx] = calls[kept_call.tx]
                if kept_call.settle_at is not None:
                    core.alarms.set(kept_call.tx, "settle", kept_call.settle_at)
        if leg is not None:
            self._await_cancel(leg)
        core.ledger.adopted(kept.id)

    # --- the leg -------------------------------------------------------------------------------

    def _leg(self, kept: KeptLeg, dialogs: list[Dialog], credentials: Credentials | None) -> Leg:
        invite = Request("INVITE", "") if kept.invite is None else _request(kept.invite)
        asked, transfer = kept.asked, kept.transfer
        return Leg(
            id=kept.id,
            state=kept.state,
            incoming=kept.incoming,
            dialog=dialogs[0],
            invite=invite,
            tx=kept.tx,
            credentials=credentials,
            forks={tag: dialogs[number] for tag, number in kept.forks},
            timer=SessionTimer(*kept.session_timer),
            session_s=kept.session_s,
            min_se_s=kept.min_se_s,
            max_forwards=kept.max_forwards,
            sent=kept.sent,
            received=invite.body if kept.received is None else kept.received,
            exchange=kept.exchange,
            wanted=kept.wanted,
            changing=kept.changing,
            asked=None if asked is None else Asked(asked[0], _request(asked[1])),
            unacked=None if kept.unacked is None else self._unacked(kept.unacked),
            reliable=None if kept.reliable is None else self._reliable(kept.reliable),
            held_answer=kept.held_answer,
            provisional=kept.provisional,
            transfer=None if transfer is None else Transfer(*transfer),
            transfers=kept.transfers,
            leaving=kept.leaving,
        )

    def _dialog(self, kept: KeptDialog) -> Dialog:
        flow, hop = _flow(kept.flow), None if kept.hop is None else _flow(kept.hop)
        dialog = Dialog(
            call_id=kept.call_id,
            local_tag=kept.local_tag,
            remote_tag=kept.remote_tag,
            local=kept.local,
            remote=kept.remote,
            target=kept.target,
            routes=kept.routes,
            flow=flow,
            pinned=kept.pinned,
            initiator=kept.initiator,
            local_cseq=kept.local_cseq + self._cseq_skip,
            remote_cseq=kept.remote_cseq,
            allow=frozenset(kept.allow.split()),
            rseq=kept.rseq,
        )
        if self._is_lost(flow):
            stream_is_gone(dialog, flow.connection)
            return dialog
        dialog.flow = self._moved(flow)
        if hop is not None and not self._is_lost(hop):
            dialog.hop = self._moved(hop)
        return dialog

    def _unacked(self, kept: KeptUnacked) -> Unacked:
        return Unacked(
            kept.tx,
            _response(kept.response),
            kept.cseq,
            kept.interval_s,
            self._late(kept.give_up_at),
            kept.late,
        )

    def _reliable(self, kept: KeptReliable) -> Reliable:
        return Reliable(
            kept.rseq,
            None if kept.response is None else _response(kept.response),
            kept.described,
            kept.interval_s,
            self._late(kept.give_up_at),
            deque(kept.waiting),
            kept.agreed,
            kept.answer,
        )

    def _set_alarms(self, leg: Leg, alarms: tuple[tuple[str, float], ...]) -> None:
        for kind, at in alarms:
            self._core.alarms.set(leg.id, kind, self._late(at) if kind in _FATAL else at)

    def _await_cancel(self, leg: Leg) -> None:
        """INVITEs that the peer may still cancel."""
        core = self._core
        pending = leg.tx if leg.incoming and leg.state == "invited" else ""
        asked = leg.asked
        for tx in (pending, asked.tx if asked and asked.request.method == "INVITE" else ""):
            if tx and core.transactions.find(tx) is not None:
                core.invited[tx] = leg

    # --- its transactions ------------------------------------------------------------------------

    def _call(self, kept: KeptCall, leg: Leg, dialogs: list[Dialog]) -> Outstanding:
        dialog, flow = dialogs[kept.dialog], _flow(kept.flow)
        if self._is_lost(flow):
            same = (dialog.flow.transport, dialog.flow.host) == (flow.transport, flow.host)
            flow = dialog.flow if same else self._moved(flow)
        else:
            flow = self._moved(flow)
        return Outstanding(
            kept.purpose,
            leg,
            dialog,
            _request(kept.request),
            flow,
            kept.nonces,
            {tag: [Send(self._moved(_flow(to)), data)] for tag, to, data in kept.acks},
            kept.settled,
        )

    def _take_transaction(
        self, leg_id: str, kept: KeptTransaction, call: Outstanding | None, leg: Leg | None
    ) -> None:
        core, ends_at = self._core, NEVER if kept.ends_at is None else kept.ends_at
        resend_at = NEVER if kept.resend_at is None else kept.resend_at
        idle = is_idle(kept.kind, kept.state)
        if ends_at <= self._now:
            if idle or kept.state == "completed":
                return
            # its answer may wait in a socket; asking is over
            ends_at, resend_at = self._now + GRACE_S, NEVER
        tx = Transaction(
            id=kept.id,
            kind=kept.kind,
            state=kept.state,
            method=kept.method,
            flow=self._moved(_flow(kept.flow)),
            data=kept.data,
            ack=kept.ack,
            reply_port=kept.reply_port,
            answer_to=kept.answer_to,
            merge_key=kept.merge_key,
            rfc2543=kept.rfc2543,
            owner=leg_id,
            resend_at=resend_at,
            resend_event=kept.resend_event,
            resend_interval=kept.resend_interval,
            ends_at=ends_at,
            ends_event=kept.ends_event,
        )
        unacked = None if leg is None else leg.unacked
        if call is not None and not idle:
            tx.data = call.request.encode()
            if kept.kind == "invite-client":
                tx.request = call.request
        elif unacked is not None and unacked.tx == kept.id:
            tx.data = unacked.response.encode()
        core.transactions.adopt(tx, self._now)
        if self._is_lost(_flow(kept.flow)):
            self._find_a_way(tx, call)

    def _find_a_way(self, tx: Transaction, call: Outstanding | None) -> None:
        """The stream of ``tx`` is gone. Answers will go to the sent-by port (RFC 3261 18.2.2);
        a request that waits for its answer goes again, by a new stream."""
        core, flow = self._core, tx.flow
        if tx.kind in ("server", "invite-server"):
            again = Flow(flow.transport, flow.host, tx.reply_port, -1, flow.listener)
            core.transactions.move(tx.id, again)
            return
        if call is not None:
            core.transactions.move(tx.id, call.flow)
        if not tx.is_idle:
            core.alarms.set(tx.id, "resend", self._now)

    # --- times and streams -----------------------------------------------------------------------

    def _late(self, at: float) -> float:
        return at if at >= self._now else self._now + GRACE_S

    def _is_lost(self, flow: Flow) -> bool:
        return flow.connection > 0 and flow.connection not in self._streams

    def _moved(self, flow: Flow) -> Flow:
        """The same path under its number here; a new stream for one that is gone."""
        if flow.connection <= 0:
            return flow
        number = self._streams.get(flow.connection, -1)
        return Flow(flow.transport, flow.host, flow.port, number, flow.listener)


def _flow(kept: KeptFlow) -> Flow:
    transport, host, port, connection, listener = kept
    return Flow(cast(Transport, transport), host, port, connection, listener)


def _request(kept: KeptRequest) -> Request:
    method, uri, fields, body = kept
    return Request(method, uri, Headers.of_canonical(list(fields)), body)


def _response(kept: KeptResponse) -> Response:
    status, reason, fields, body = kept
    return Response(status, reason, Headers.of_canonical(list(fields)), body)
