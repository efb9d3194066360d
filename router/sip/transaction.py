"""The transaction layer of RFC 3261 section 17 with RFC 6026 and RFC 3581, sans I/O.

The state machines are in ``transaction_tables``; here messages are matched to transactions
and the rows' actions carried out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from config.errors import MisuseError
from router.sip import stateless
from router.sip.effects import CloseStream, Flow, Send
from router.sip.ledger import Ledger
from router.sip.lexical import split
from router.sip.message import Request, Response, mark_received, response_to
from router.sip.transaction_events import (
    Acked,
    CancelAsked,
    Failed,
    Requested,
    Responded,
    TimedOut,
    TransactionEvent,
    TransactionLimits,
)
from router.sip.transaction_machine import Machine, Outcome, path_of
from router.sip.transaction_state import Transaction
from router.sip.transaction_tables import INITIAL_STATES, Event, Kind, State
from router.sip.uri import host_port
from router.sip.values import NameAddr

__all__ = [
    "Acked",
    "CancelAsked",
    "Failed",
    "Outcome",
    "Requested",
    "Responded",
    "TimedOut",
    "Transaction",
    "TransactionEvent",
    "TransactionLimits",
    "Transactions",
]


class Transactions:
    """All client and server transactions of one SIP element.

    Ids of transactions are opaque. An id that is gone (its timer ran out, its transport failed)
    is no misuse: what is asked of it has no effect.
    """

    def __init__(
        self,
        *,
        limits: TransactionLimits,
        branch: Callable[[], str],  # a fresh unique token; z9hG4bK is put before it
        sent_by: Callable[[Flow], tuple[str, int]],  # our host and port for the Via
        t1: float = 0.5,
        t2: float = 4.0,
        t4: float = 5.0,
        ledger: Ledger | None = None,
    ) -> None:
        self._limits = limits
        self._branch = branch
        self._sent_by = sent_by
        self._machine = Machine(t1, t2, t4, ledger)

    # --- the network ---------------------------------------------------------------------

    def receive(self, message: Request | Response, flow: Flow, now: float) -> Outcome:
        """Take one parsed message off the wire; marks received and rport in its top Via."""
        if isinstance(message, Response):
            return self._receive_response(message, flow, now)
        method = message.method
        key = stateless.server_key(message, "INVITE" if method in ("ACK", "CANCEL") else method)
        tx = self._machine.open.get(key)
        if method == "ACK":
            return self._receive_ack(message, flow, now, tx)
        if method == "CANCEL":
            return self._receive_cancel(message, flow, now, tx)
        out: Outcome = []
        if tx is not None:
            if flow.connection > 0 and tx.flow != flow:
                self._machine.move(tx, flow)  # retransmitted on a new stream: the old one is dead
            self._machine.step(tx, "request", now, out)
            return out
        refusal = self._refusal(message, flow, key)
        if refusal is not None:
            return refusal
        self._open_server(message, flow, key, now, out)
        return out

    def knows(self, key: str) -> bool:
        """Whether there is a transaction of this key (``stateless.server_key``)."""
        return key in self._machine.open

    def transport_failed(self, flow: Flow, now: float) -> Outcome:
        """Sending on ``flow`` failed. Client transactions fail (RFC 3261 17.1.4); responses go
        to the sent-by port once (18.2.2) before their transaction fails.

        A response by UDP counts as lost: the peer's retransmission asks for it again.
        """
        out: Outcome = []
        for id in list(self._machine.paths.get(path_of(flow), ())):
            tx = self._machine.open.get(id)
            if tx is None:
                continue
            if tx.kind in ("client", "invite-client"):
                self._machine.step(tx, "transport error", now, out)
            elif flow.connection > 0:
                self._machine.leave_stream(tx)
                if tx.data:
                    out.append(Send(tx.flow, tx.data))
            elif flow.connection < 0:
                self._machine.step(tx, "transport error", now, out)
        return out

    def stream_closed(self, connection: int, now: float) -> Outcome:
        """A stream is gone: its client transactions fail, its server transactions will answer
        over a new stream to the sent-by port (RFC 3261 18.2.2)."""
        out: Outcome = []
        for id in list(self._machine.paths.get(connection, ())):
            tx = self._machine.open.get(id)
            if tx is None:
                continue
            if tx.kind in ("client", "invite-client"):
                self._machine.step(tx, "transport error", now, out)
            else:
                self._machine.leave_stream(tx)
        return out

    def tick(self, now: float) -> Outcome:
        """Run every timer due at ``now``."""
        out: Outcome = []
        while (due := self._machine.timers.pop_due(now)) is not None:
            self._machine.step(due[0], due[1], now, out)
        return out

    @property
    def next_deadline(self) -> float | None:
        """When ``tick`` is wanted next, or None."""
        return self._machine.timers.next_deadline()

    # --- the transaction user --------------------------------------------------------------

    def request(
        self, request: Request, flow: Flow, now: float, branch: str = ""
    ) -> tuple[str, Outcome]:
        """Send ``request`` in a new client transaction; puts a Via on top of it, with this
        branch or a fresh one.

        The layer keeps an INVITE for its ACK and CANCEL: do not change it afterwards, send a
        copy without the Via when it must go again (other credentials, other target).
        Raises MisuseError for ACK and CANCEL, see ``send_ack`` and ``cancel``.
        """
        if request.method in ("ACK", "CANCEL"):
            raise MisuseError(f"{request.method} is no request of its own")
        branch = self._put_via(request, flow, branch)
        out: Outcome = []
        return self._machine.open_client(request, branch, flow, now, out).id, out

    def respond(self, tx: str, response: Response, now: float) -> Outcome:
        """Answer the request of a server transaction.

        A provisional may come again (RFC 3262), a 2xx of an INVITE as well: it is sent again
        while timer L runs. A second final of another kind is dropped (RFC 3261 17.2.1).
        """
        out: Outcome = []
        found = self._machine.open.get(tx)
        if found is not None:
            self._machine.step(found, _class(response.status), now, out, response)
        return out

    def cancel(self, tx: str, now: float) -> Outcome:
        """Cancel our INVITE; waits for a provisional first (RFC 3261 9.1). After the final
        response: no effect. What follows is Responded (487, or the 200 that crossed) or
        TimedOut, 64*T1 after the CANCEL at the latest."""
        out: Outcome = []
        found = self._machine.open.get(tx)
        if found is not None:
            self._machine.step(found, "cancel", now, out)
        return out

    def send_ack(self, request: Request, flow: Flow) -> list[Send | CloseStream]:
        """ACK for a 2xx: a Via with a branch of its own, no transaction (RFC 3261 13.2.2.4).

        Keep the Send: every retransmitted 2xx is answered by the same bytes.
        """
        self._put_via(request, flow)
        return [Send(flow, request.encode())]

    def own(self, tx: str, leg: str) -> None:
        """The transaction belongs to this leg: it is kept and adopted with it."""
        found = self._machine.open.get(tx)
        if found is not None:
            self._machine.own(found, leg)

    def find(self, tx: str) -> Transaction | None:
        """An open transaction, to be kept."""
        return self._machine.open.get(tx)

    def adopt(self, tx: Transaction, now: float) -> None:
        """Take a transaction of another process, its timers as they stand. One that is here
        already stays."""
        if tx.id not in self._machine.open:
            self._machine.adopt(tx, now)

    def move(self, tx: str, flow: Flow) -> None:
        """What the transaction sends goes over ``flow`` from now on."""
        found = self._machine.open.get(tx)
        if found is not None:
            self._machine.move(found, flow)

    def resend(self, tx: str) -> list[Send]:
        """What the transaction sent last once more, by the flow that it has now."""
        found = self._machine.open.get(tx)
        return [] if found is None else [Send(found.flow, found.data)]

    def state(self, tx: str) -> State:
        """Where a transaction stands; "terminated" when it is gone."""
        found = self._machine.open.get(tx)
        return "terminated" if found is None else found.state

    def __len__(self) -> int:
        """Open transactions of all kinds."""
        return len(self._machine.open)

    def figures(self) -> dict[str, int]:
        """Open transactions by kind and state: ``{"invite-server completed": 3, ...}``."""
        return dict(Counter(f"{tx.kind} {tx.state}" for tx in self._machine.open.values()))

    # --- matching (RFC 3261 17.1.3, 17.2.3) --------------------------------------------------

    def _receive_response(self, response: Response, flow: Flow, now: float) -> Outcome:
        """A response without a transaction, or not for us alone, is dropped (RFC 6026 7.2,
        RFC 3261 8.1.3.3)."""
        out: Outcome = []
        tx = self._machine.open.get(f"c|{response.via.branch}|{response.cseq.method}")
        if tx is None:
            return out
        values = response.headers.get_all("Via")
        if len(values) > 1 or ("," in values[0] and len(split(values[0], ",")) > 1):
            return out
        if flow.connection > 0 and tx.flow.connection < 0:
            # the stream that was opened for it: ACK and CANCEL go there
            self._machine.move(tx, flow)
        self._machine.step(tx, _class(response.status), now, out, response, flow)
        return out

    def _receive_ack(
        self, request: Request, flow: Flow, now: float, tx: Transaction | None
    ) -> Outcome:
        out: Outcome = []
        if tx is None or (tx.rfc2543 and _tag(tx.answer_to) != request.to.tag):
            out.append(Acked(request, flow))
        else:
            self._machine.step(tx, "ACK", now, out, request, flow)
        return out

    def _receive_cancel(
        self, request: Request, flow: Flow, now: float, tx: Transaction | None
    ) -> Outcome:
        """RFC 3261 9.2. The answer needs no transaction: a retransmitted CANCEL finds the same
        INVITE and gets the same answer."""
        out: Outcome = []
        if tx is None:
            out += stateless.answer(request, flow, 481)
        else:
            out += stateless.answer(request, flow, 200, to_tag=_tag(tx.answer_to))
            self._machine.step(tx, "CANCEL", now, out, request, flow)
        return out

    def _refusal(self, request: Request, flow: Flow, key: str) -> Outcome | None:
        """The answer to a new request that gets no transaction, or None.

        Requests inside a dialog have a tenth of the limit in reserve, so that calls can end
        while new ones are turned away.
        """
        outside = request.to.tag is None
        limit = self._limits.transactions_max
        if len(self._machine.open) >= (limit if outside else limit + limit // 10):
            retry_after = ("Retry-After", str(self._limits.retry_after_s))
            return [*stateless.answer(request, flow, 503, headers=(retry_after,))]
        if outside and self._machine.merges.get(_merge_key(request), key) != key:
            return [*stateless.answer(request, flow, 482)]  # RFC 3261 8.2.2.2
        return None

    # --- opening and closing -----------------------------------------------------------------

    def _open_server(
        self, request: Request, flow: Flow, key: str, now: float, out: Outcome
    ) -> None:
        mark_received(request, flow.host, flow.port)
        via = request.via
        kind: Kind = "invite-server" if request.method == "INVITE" else "server"
        tx = Transaction(
            id=key,
            kind=kind,
            state=INITIAL_STATES[kind],
            method=request.method,
            flow=stateless.reply_flow(via, flow),
            reply_port=via.port or stateless.SIP_PORT,
            rfc2543=not stateless.has_rfc3261_branch(via),
        )
        if request.to.tag is None:
            tx.merge_key = _merge_key(request)
            self._machine.merges[tx.merge_key] = key
        self._machine.enter(tx)
        if kind == "invite-server":
            tx.data = response_to(request, 100).encode()  # unless another goes first
            self._machine.begin(tx, now, out)
        out.append(Requested(key, request, flow))

    def _put_via(self, request: Request, flow: Flow, name: str = "") -> str:
        branch = stateless.COOKIE + (name or self._branch())
        sent_by = host_port(*self._sent_by(flow))
        # RFC 3581 3: rport without a value asks for it
        via = f"SIP/2.0/{flow.transport.upper()} {sent_by};rport;branch={branch}"
        request.headers.prepend("Via", via)
        return branch


def _class(status: int) -> Event:
    return "1xx" if status < 200 else "2xx" if status < 300 else "3xx-6xx"


def _tag(to: str) -> str | None:
    return NameAddr.parse(to).tag if to else None


def _merge_key(request: Request) -> str:
    return f"{request.call_id}|{request.headers.get('CSeq')}|{request.from_.tag}"
