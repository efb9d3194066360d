"""One transaction as plain data, and the heap of all their timers."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

from router.sip.effects import Flow
from router.sip.message import Request
from router.sip.transaction_tables import RETRANSMISSION, Kind, State, TimerEvent

NEVER = math.inf

_IDLE = frozenset({"accepted", "completed", "confirmed"})


def is_idle(kind: Kind, state: State) -> bool:
    """A refused INVITE of the peer's is not: it is refused again until its ACK comes."""
    return state in _IDLE and (kind != "invite-server" or state != "completed")


@dataclass(slots=True, eq=False)
class Transaction:
    """Everything that a transaction is; nothing is hidden in a closure, so that it can be kept
    and rebuilt. Times are the layer's ``now`` in seconds, ``NEVER`` when a timer is off."""

    id: str
    kind: Kind
    state: State
    method: str
    flow: Flow  # where our request, or our responses, go
    data: bytes = b""  # the last request or response sent: what a retransmission repeats
    request: Request | None = None  # of our INVITE, until nothing is built from it any more
    ack: bytes = b""  # of our INVITE: the ACK of a refusal
    reply_port: int = 0  # server: the sent-by port, for when the stream is gone
    answer_to: str = ""  # INVITE server: To of our last response, its tag is the dialog's
    merge_key: str = ""  # server: see Transactions._merged, "" inside a dialog
    rfc2543: bool = False  # server: matched without a branch
    owner: str = ""  # the leg that it belongs to, see Ledger
    resend_at: float = NEVER
    resend_event: TimerEvent = "timer A"
    resend_interval: float = 0.0
    ends_at: float = NEVER
    ends_event: TimerEvent = "timer B"

    @property
    def is_idle(self) -> bool:
        """It only swallows what comes twice: it sends nothing of itself, nobody waits for it."""
        return is_idle(self.kind, self.state)


class TimerHeap:
    """Deadlines of all transactions. A stopped timer stays in the heap until it comes up
    (lazy deletion); the heap is rebuilt when most of it is stale."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Transaction, bool]] = []
        self._sequence = 0
        self._rebuild_at = 1024

    def start(self, tx: Transaction, event: TimerEvent, at: float, interval: float = 0.0) -> None:
        """Start a timer of ``tx``; it replaces the one of the same sort (resend, end)."""
        resend = event in RETRANSMISSION
        if resend:
            tx.resend_at, tx.resend_event, tx.resend_interval = at, event, interval
        else:
            tx.ends_at, tx.ends_event = at, event
        self._sequence += 1
        heapq.heappush(self._heap, (at, self._sequence, tx, resend))
        if len(self._heap) >= self._rebuild_at:
            self._rebuild()

    @staticmethod
    def stop(tx: Transaction) -> None:
        tx.resend_at = tx.ends_at = NEVER

    def next_deadline(self) -> float | None:
        heap = self._heap
        while heap:
            at, _, tx, resend = heap[0]
            if at == (tx.resend_at if resend else tx.ends_at):
                return at
            heapq.heappop(heap)
        return None

    def pop_due(self, now: float) -> tuple[Transaction, TimerEvent] | None:
        """The next timer due at ``now``; it is off from here on. None when there is none."""
        at = self.next_deadline()
        if at is None or at > now:
            return None
        _, _, tx, resend = heapq.heappop(self._heap)
        if resend:
            tx.resend_at = NEVER
            return tx, tx.resend_event
        tx.ends_at = NEVER
        return tx, tx.ends_event

    def __len__(self) -> int:
        """Entries, stale ones included."""
        return len(self._heap)

    def _rebuild(self) -> None:
        self._heap = [
            entry
            for entry in self._heap
            if entry[0] == (entry[2].resend_at if entry[3] else entry[2].ends_at)
        ]
        heapq.heapify(self._heap)
        self._rebuild_at = max(1024, 2 * len(self._heap))
