"""A leg as data that another process can take: ``Endpoint.keep`` gives it, ``adopt`` takes it.

Tuples of text, numbers and bytes all the way down, so that any encoder can write them; fields
are only ever added at the end, with a default. Times are the endpoint's ``now``.

Passwords are not in here. An Authorization that we sent is: the ACK of that INVITE needs it
(RFC 3261 22.1), and it is a digest for one nonce. Those of a peer are left out.
"""

from __future__ import annotations

from typing import NamedTuple

from router.sip.leg import Exchange, Purpose
from router.sip.leg_table import State
from router.sip.transaction_tables import Kind, TimerEvent
from router.sip.transaction_tables import State as TransactionState

# method, Request-URI, header fields (canonical names), body
KeptRequest = tuple[str, str, tuple[tuple[str, str], ...], bytes]
# status, reason, header fields, body
KeptResponse = tuple[int, str, tuple[tuple[str, str], ...], bytes]
# transport, host, port, connection, listener
KeptFlow = tuple[str, str, int, int, int]


class KeptDialog(NamedTuple):
    """See ``dialog.Dialog``; ``allow`` is words with blanks between."""

    call_id: str
    local_tag: str
    remote_tag: str
    local: str
    remote: str
    target: str
    routes: tuple[str, ...]
    flow: KeptFlow
    pinned: bool
    initiator: bool
    local_cseq: int
    remote_cseq: int
    allow: str
    rseq: int
    hop: KeptFlow | None


class KeptTransaction(NamedTuple):
    """See ``transaction_state.Transaction``. A timer that is off is None.

    ``data`` is b"" where it is never sent again, or is made of what else is kept: of a client
    transaction the request of its ``KeptCall``, of an accepted INVITE the 2xx of ``KeptUnacked``.
    """

    id: str
    kind: Kind
    state: TransactionState
    method: str
    flow: KeptFlow
    data: bytes
    ack: bytes
    reply_port: int
    answer_to: str
    merge_key: str
    rfc2543: bool
    resend_at: float | None
    resend_event: TimerEvent
    resend_interval: float
    ends_at: float | None
    ends_event: TimerEvent


class KeptCall(NamedTuple):
    """A request of ours, see ``leg.Outstanding``. ``dialog`` counts in ``KeptLeg.dialogs``;
    ``acks`` are (To tag, flow, bytes). ``settle_at``: when it is forgotten."""

    tx: str
    purpose: Purpose
    dialog: int
    request: KeptRequest
    flow: KeptFlow
    nonces: tuple[str, ...]
    acks: tuple[tuple[str, KeptFlow, bytes], ...]
    settled: bool
    settle_at: float | None


class KeptUnacked(NamedTuple):
    """See ``leg.Unacked``."""

    tx: str
    response: KeptResponse
    cseq: int
    interval_s: float
    give_up_at: float
    late: bool


class KeptReliable(NamedTuple):
    """See ``leg.Reliable``."""

    rseq: int
    response: KeptResponse | None
    described: bool
    interval_s: float
    give_up_at: float
    waiting: tuple[tuple[int, str, bytes], ...]
    agreed: bool
    answer: bytes


class KeptLeg(NamedTuple):
    """See ``leg.Leg``. ``dialogs[0]`` is the leg's own, ``forks`` are (To tag, number of the
    dialog). Of a leg that is over, what is still under way: its transactions (the BYE that waits
    for its answer, answers that the peer may ask for again) and the requests they belong to.

    ``received`` is None where it is the body of ``invite``; ``invite`` is None once nothing can
    be built from it any more.
    """

    id: str
    state: State
    incoming: bool
    dialogs: tuple[KeptDialog, ...]
    forks: tuple[tuple[str, int], ...]
    invite: KeptRequest | None
    tx: str
    session_timer: tuple[int, bool]  # interval in seconds, ours to refresh
    session_s: int
    min_se_s: int
    max_forwards: int
    sent: bytes
    received: bytes | None
    exchange: Exchange
    wanted: bytes | None
    changing: str
    asked: tuple[str, KeptRequest] | None  # its transaction, the request
    unacked: KeptUnacked | None
    reliable: KeptReliable | None
    held_answer: bytes | None
    provisional: int
    transfer: tuple[str, bool] | None  # Event of the NOTIFYs, none wanted
    transfers: int
    leaving: str
    alarms: tuple[tuple[str, float], ...]
    calls: tuple[KeptCall, ...]
    transactions: tuple[KeptTransaction, ...]
