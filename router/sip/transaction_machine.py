"""Carrying out the rows of ``transaction_tables``: actions, timers, what runs over which path."""

from __future__ import annotations

from typing import cast

from router.sip.effects import CloseStream, Flow, Send
from router.sip.ledger import Ledger
from router.sip.message import Headers, Request, Response
from router.sip.transaction_events import (
    Acked,
    CancelAsked,
    Failed,
    Responded,
    TimedOut,
    TransactionEvent,
)
from router.sip.transaction_state import NEVER, TimerHeap, Transaction
from router.sip.transaction_tables import (
    INITIAL_STATES,
    INITIAL_TIMERS,
    RETRANSMISSION,
    TABLES,
    Action,
    Event,
    Kind,
    State,
    TimerEvent,
)

Outcome = list[Send | CloseStream | TransactionEvent]

# RFC 3261 17.1.1.3 and 9.1: what ACK and CANCEL take over from the INVITE as it stands
_TAKEN = frozenset({"From", "Call-ID", "Route"})

_TRYING_S = 0.2  # RFC 3261 17.2.1

_NO_NEWS = frozenset({"1xx", "timer 100"})


class Machine:
    """The open transactions and their timers."""

    def __init__(self, t1: float, t2: float, t4: float, ledger: Ledger | None = None) -> None:
        self._t2 = t2
        self._ledger = Ledger() if ledger is None else ledger
        self._unreliable_s, self._reliable_s = _durations(t1, t4)
        self.open: dict[str, Transaction] = {}
        self.merges: dict[str, str] = {}  # RFC 3261 8.2.2.2 -> id of the transaction
        self.paths: dict[int | Flow, dict[str, None]] = {}  # see path_of
        self.timers = TimerHeap()

    def open_client(
        self, request: Request, branch: str, flow: Flow, now: float, out: Outcome
    ) -> Transaction:
        kind: Kind = "invite-client" if request.method == "INVITE" else "client"
        tx = Transaction(
            id=f"c|{branch}|{request.method}",
            kind=kind,
            state=INITIAL_STATES[kind],
            method=request.method,
            flow=flow,
            data=request.encode(),
            request=request if kind == "invite-client" else None,
        )
        self.enter(tx)
        out.append(Send(flow, tx.data))
        self.begin(tx, now, out)
        return tx

    def begin(self, tx: Transaction, now: float, out: Outcome) -> None:
        """Start the timers that a fresh transaction runs."""
        self._start(tx, INITIAL_TIMERS[tx.kind], now, out)

    def adopt(self, tx: Transaction, now: float) -> None:
        """Enter a transaction as it stands, in the middle of its life. What it would have sent
        meanwhile it sends once, and goes on as it then would."""
        self._catch_up(tx, now)
        self.enter(tx)
        if tx.merge_key:
            self.merges[tx.merge_key] = tx.id
        if tx.owner:
            self._ledger.own(tx.id, tx.owner)
        if tx.resend_at != NEVER:
            self.timers.start(tx, tx.resend_event, tx.resend_at, tx.resend_interval)
        if tx.ends_at != NEVER:
            self.timers.start(tx, tx.ends_event, tx.ends_at)

    def enter(self, tx: Transaction) -> None:
        self.open[tx.id] = tx
        self.paths.setdefault(path_of(tx.flow), {})[tx.id] = None

    def own(self, tx: Transaction, leg: str) -> None:
        """``tx`` belongs to this leg."""
        tx.owner = leg
        self._ledger.own(tx.id, leg)

    def _leave(self, tx: Transaction) -> None:
        TimerHeap.stop(tx)
        del self.open[tx.id]
        if tx.owner:
            self._ledger.disown(tx.id, tx.owner)
        self._leave_path(tx)
        if tx.merge_key and self.merges.get(tx.merge_key) == tx.id:
            del self.merges[tx.merge_key]

    def _leave_path(self, tx: Transaction) -> None:
        path = path_of(tx.flow)
        others = self.paths[path]
        del others[tx.id]
        if not others:
            del self.paths[path]

    def move(self, tx: Transaction, flow: Flow) -> None:
        self._leave_path(tx)
        if tx.owner and not tx.is_idle:
            self._ledger.touch(tx.owner)
        tx.flow = flow
        self.paths.setdefault(path_of(flow), {})[tx.id] = None

    def leave_stream(self, tx: Transaction) -> None:
        flow = tx.flow
        self.move(tx, Flow(flow.transport, flow.host, tx.reply_port, -1, flow.listener))

    def step(
        self,
        tx: Transaction,
        event: Event,
        now: float,
        out: Outcome,
        message: Request | Response | None = None,
        flow: Flow | None = None,
    ) -> None:
        """One transition: the row's state, actions, timers. Without a row: nothing."""
        row = TABLES[tx.kind].get((tx.state, event))
        if row is None:
            return
        if tx.owner and row.to != tx.state:
            self._note(tx, row.to, event)
        tx.state = row.to
        if row.to == "accepted":
            tx.request = None  # the ACK of a 2xx is the user's
        for action in row.do:
            self._do(action, tx, now, out, message, flow or tx.flow)
        if row.to == "terminated":
            self._leave(tx)
        elif row.timers is not None:
            self._start(tx, row.timers, now, out)

    def _note(self, tx: Transaction, to: State, event: Event) -> None:
        """What another process must know of a transition. Not: that a provisional came (our
        request goes again, and it with it), or that a transaction without a part to play ended."""
        if tx.is_idle or event in _NO_NEWS:
            return
        if tx.kind == "client" and to == "completed":
            self._ledger.disown(tx.id, tx.owner)  # it would only swallow repeated answers
        self._ledger.touch(tx.owner)

    def _do(
        self,
        action: Action,
        tx: Transaction,
        now: float,
        out: Outcome,
        message: Request | Response | None,
        flow: Flow,
    ) -> None:
        if action == "tell":
            if isinstance(message, Request):
                out.append(Acked(message, flow))
            elif message is not None and tx.method != "CANCEL":
                out.append(Responded(tx.id, message, flow))
        elif action == "send":
            message = cast(Response, message)
            tx.data = message.encode()
            if tx.kind == "invite-server" and message.status > 100:
                tx.answer_to = message.headers.first("To") or ""
            out.append(Send(tx.flow, tx.data))
        elif action == "resend":
            out.append(Send(tx.flow, tx.data))
        elif action == "back off":
            self._back_off(tx, now)
        elif action == "ack":
            if tx.request is not None:
                tx.ack = _ack_of(tx.request, cast(Response, message)).encode()
                tx.request = None
            out.append(Send(tx.flow, tx.ack))
        elif action == "cancel":
            branch = tx.id.split("|")[1]
            cancel = _cancel_of(cast(Request, tx.request))
            opened = self.open_client(cancel, branch, tx.flow, now, out)
            if tx.owner:
                self.own(opened, tx.owner)
        elif action == "cancelled":
            out.append(CancelAsked(tx.id, cast(Request, message), flow))
        elif tx.method != "CANCEL":
            out.append(TimedOut(tx.id) if action == "timed out" else Failed(tx.id))

    def _start(
        self, tx: Transaction, events: tuple[TimerEvent, ...], now: float, out: Outcome
    ) -> None:
        """Stop the timers of ``tx`` and start these instead."""
        tx.resend_at = tx.ends_at = NEVER
        reliable = tx.flow.transport != "udp"
        durations = self._reliable_s if reliable else self._unreliable_s
        for event in events:
            duration = durations[event]
            if event in RETRANSMISSION:
                if not reliable:
                    self.timers.start(tx, event, now + duration, duration)
            elif duration:
                self.timers.start(tx, event, now + duration)
            else:
                self.step(tx, event, now, out)

    def _back_off(self, tx: Transaction, now: float) -> None:
        """RFC 3261 17.1.1.2 (A doubles), 17.1.2.2 and 17.2.1 (E and G double up to T2; E runs
        every T2 once a provisional came)."""
        interval = self._next_interval(tx)
        self.timers.start(tx, tx.resend_event, now + interval, interval)

    def _next_interval(self, tx: Transaction) -> float:
        interval = 2 * tx.resend_interval
        if tx.resend_event == "timer A":
            return interval
        return self._t2 if tx.state == "proceeding" else min(interval, self._t2)

    def _catch_up(self, tx: Transaction, now: float) -> None:
        """Where the retransmissions of ``tx`` stand by now: of those that are due, the last."""
        if tx.resend_at == NEVER or not tx.resend_interval:
            return
        while tx.resend_at + (interval := self._next_interval(tx)) <= now:
            tx.resend_at += interval
            tx.resend_interval = interval


def _durations(t1: float, t4: float) -> tuple[dict[TimerEvent, float], dict[TimerEvent, float]]:
    """Seconds of each timer over UDP and over a reliable transport (RFC 3261 table 4).

    D is at least 32 s: 64*T1 with the usual T1. L and M are 64*T1 everywhere (RFC 6026 8.11).
    """
    unreliable: dict[TimerEvent, float] = {
        "timer A": t1,
        "timer B": 64 * t1,
        "timer D": 64 * t1,
        "timer E": t1,
        "timer F": 64 * t1,
        "timer G": t1,
        "timer H": 64 * t1,
        "timer I": t4,
        "timer J": 64 * t1,
        "timer K": t4,
        "timer L": 64 * t1,
        "timer M": 64 * t1,
        "timer 100": _TRYING_S,
        "timer cancel": 64 * t1,
    }
    zero: dict[TimerEvent, float] = {"timer D": 0, "timer I": 0, "timer J": 0, "timer K": 0}
    return unreliable, unreliable | zero


def path_of(flow: Flow) -> int | Flow:
    return flow.connection if flow.connection > 0 else flow


def _ack_of(invite: Request, response: Response) -> Request:
    """The ACK of a refusal (RFC 3261 17.1.1.3): To is the response's."""
    return _of_invite(invite, "ACK", response.headers.get("To") or "")


def _cancel_of(invite: Request) -> Request:
    """The CANCEL of an INVITE (RFC 3261 9.1): no Require, no Proxy-Require."""
    return _of_invite(invite, "CANCEL", invite.headers.get("To") or "")


def _of_invite(invite: Request, method: str, to: str) -> Request:
    via = invite.headers.get("Via") or ""
    headers = Headers([("Via", via), ("Max-Forwards", "70"), ("To", to)])
    for name, value in invite.headers:
        if name in _TAKEN:
            headers.add(name, value)
    headers.add("CSeq", f"{invite.cseq.number} {method}")
    return Request(method, invite.uri, headers)
