"""The four state machines of RFC 3261 section 17 as RFC 6026 corrects them, as data.

``TABLES[kind][state, event]`` is a ``Row``. A pair without a row changes nothing and does
nothing: a late timer, a response that the RFC has the layer discard. Two states are not in
the RFC's figures but in its prose (9.1): ``doomed`` is Calling with a CANCEL that waits for
the first provisional response, ``cancelling`` is Proceeding with the CANCEL sent. So is a third
(17.2.1): ``trying`` of an INVITE server transaction is Proceeding before anything was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["invite-client", "client", "invite-server", "server"]
State = Literal[
    "calling",
    "doomed",
    "trying",
    "proceeding",
    "cancelling",
    "accepted",
    "completed",
    "confirmed",
    "terminated",
]
TimerEvent = Literal[
    "timer A",
    "timer B",
    "timer D",
    "timer E",
    "timer F",
    "timer G",
    "timer H",
    "timer I",
    "timer J",
    "timer K",
    "timer L",
    "timer M",
    "timer 100",
    "timer cancel",
]
Event = (
    Literal["1xx", "2xx", "3xx-6xx", "request", "ACK", "CANCEL", "cancel", "transport error"]
    | TimerEvent
)
Action = Literal[
    "tell",  # the message to the transaction user
    "send",  # the transaction user's response, kept for retransmission
    "resend",  # the bytes kept: our request, or our last response
    "back off",  # the retransmission timer runs again, for the next interval
    "ack",  # build the ACK of a refusal once, send it (RFC 3261 17.1.1.3)
    "cancel",  # a CANCEL in a client transaction of its own (RFC 3261 9.1)
    "cancelled",  # a peer's CANCEL to the transaction user
    "timed out",
    "failed",
]

RETRANSMISSION: Final[frozenset[TimerEvent]] = frozenset(("timer A", "timer E", "timer G"))


@dataclass(frozen=True, slots=True)
class Row:
    """Where a transition leads.

    ``timers``: None leaves the timers alone; a tuple starts those and stops all others. A timer
    whose time is zero (reliable transport) fires at once; A, E and G do not run there at all.
    """

    to: State
    do: tuple[Action, ...]
    timers: tuple[TimerEvent, ...] | None = None


Table = dict[tuple[State, Event], Row]

INITIAL_TIMERS: Final[dict[Kind, tuple[TimerEvent, ...]]] = {
    "invite-client": ("timer A", "timer B"),  # RFC 3261 17.1.1.2
    "client": ("timer E", "timer F"),  # RFC 3261 17.1.2.2
    "invite-server": ("timer 100",),  # RFC 3261 17.2.1
    "server": (),
}
INITIAL_STATES: Final[dict[Kind, State]] = {
    "invite-client": "calling",
    "client": "trying",
    "invite-server": "trying",
    "server": "trying",
}

# RFC 6026 figure 4 (RFC 3261 figure 5)
INVITE_CLIENT: Final[Table] = {
    ("calling", "timer A"): Row("calling", ("resend", "back off")),  # 3261 17.1.1.2
    ("calling", "timer B"): Row("terminated", ("timed out",), ()),  # 3261 17.1.1.2
    ("calling", "transport error"): Row("terminated", ("failed",), ()),  # 3261 17.1.4
    ("calling", "1xx"): Row("proceeding", ("tell",), ()),  # 3261 17.1.1.2
    ("calling", "2xx"): Row("accepted", ("tell",), ("timer M",)),  # 6026 7.2
    ("calling", "3xx-6xx"): Row("completed", ("ack", "tell"), ("timer D",)),  # 3261 17.1.1.2
    ("calling", "cancel"): Row("doomed", ()),  # 3261 9.1: no CANCEL before a provisional
    ("doomed", "timer A"): Row("doomed", ("resend", "back off")),
    ("doomed", "timer B"): Row("terminated", ("timed out",), ()),
    ("doomed", "transport error"): Row("terminated", ("failed",), ()),
    ("doomed", "1xx"): Row("cancelling", ("tell", "cancel"), ("timer cancel",)),  # 3261 9.1
    ("doomed", "2xx"): Row("accepted", ("tell",), ("timer M",)),  # CANCEL came too late
    ("doomed", "3xx-6xx"): Row("completed", ("ack", "tell"), ("timer D",)),
    ("proceeding", "1xx"): Row("proceeding", ("tell",)),  # 3261 17.1.1.2
    ("proceeding", "2xx"): Row("accepted", ("tell",), ("timer M",)),  # 6026 7.2
    ("proceeding", "3xx-6xx"): Row("completed", ("ack", "tell"), ("timer D",)),
    ("proceeding", "cancel"): Row("cancelling", ("cancel",), ("timer cancel",)),  # 3261 9.1
    # not in the figure: nothing is sent here. The stream that the answer would come on is gone,
    # so the user learns it now instead of ringing a dead phone (3261 17.1.4)
    ("proceeding", "transport error"): Row("terminated", ("failed",), ()),
    ("cancelling", "1xx"): Row("cancelling", ("tell",)),
    ("cancelling", "2xx"): Row("accepted", ("tell",), ("timer M",)),  # the 200 crossed
    ("cancelling", "3xx-6xx"): Row("completed", ("ack", "tell"), ("timer D",)),
    # 3261 9.1: no final response 64*T1 after the CANCEL ends the transaction
    ("cancelling", "timer cancel"): Row("terminated", ("timed out",), ()),
    ("cancelling", "transport error"): Row("terminated", ("failed",), ()),
    ("accepted", "2xx"): Row("accepted", ("tell",)),  # 6026 7.2: retransmitted and forked
    ("accepted", "timer M"): Row("terminated", (), ()),  # 6026 7.2
    ("completed", "3xx-6xx"): Row("completed", ("ack",)),  # 3261 17.1.1.2
    # the ACK found no way: 6026 figure 4 tells the user, who has had the final response already
    # and can do nothing, so it ends silently
    ("completed", "transport error"): Row("terminated", (), ()),
    ("completed", "timer D"): Row("terminated", (), ()),  # 3261 17.1.1.2
}

# RFC 3261 figure 6
CLIENT: Final[Table] = {
    ("trying", "timer E"): Row("trying", ("resend", "back off")),  # 17.1.2.2
    ("trying", "timer F"): Row("terminated", ("timed out",), ()),
    ("trying", "transport error"): Row("terminated", ("failed",), ()),
    ("trying", "1xx"): Row("proceeding", ("tell",)),
    ("trying", "2xx"): Row("completed", ("tell",), ("timer K",)),
    ("trying", "3xx-6xx"): Row("completed", ("tell",), ("timer K",)),
    ("proceeding", "timer E"): Row("proceeding", ("resend", "back off")),  # every T2
    ("proceeding", "timer F"): Row("terminated", ("timed out",), ()),
    ("proceeding", "transport error"): Row("terminated", ("failed",), ()),
    ("proceeding", "1xx"): Row("proceeding", ("tell",)),
    ("proceeding", "2xx"): Row("completed", ("tell",), ("timer K",)),
    ("proceeding", "3xx-6xx"): Row("completed", ("tell",), ("timer K",)),
    ("completed", "timer K"): Row("terminated", (), ()),
}

# RFC 6026 figure 5 (RFC 3261 figure 7)
INVITE_SERVER: Final[Table] = {
    # 3261 17.2.1 has a 100 only where the user says nothing within 200 ms. Until then a peer
    # goes on asking, also whoever comes after us, should we die with the INVITE unheard
    ("trying", "timer 100"): Row("proceeding", ("resend",), ()),
    ("trying", "request"): Row("proceeding", ("resend",), ()),
    ("trying", "1xx"): Row("proceeding", ("send",), ()),
    ("trying", "2xx"): Row("accepted", ("send",), ("timer L",)),
    ("trying", "3xx-6xx"): Row("completed", ("send",), ("timer G", "timer H")),
    ("trying", "CANCEL"): Row("trying", ("cancelled",)),
    ("trying", "transport error"): Row("terminated", ("failed",), ()),
    ("proceeding", "request"): Row("proceeding", ("resend",)),  # 3261 17.2.1
    ("proceeding", "1xx"): Row("proceeding", ("send",)),
    ("proceeding", "2xx"): Row("accepted", ("send",), ("timer L",)),  # 6026 7.1
    ("proceeding", "3xx-6xx"): Row("completed", ("send",), ("timer G", "timer H")),  # 3261 17.2.1
    ("proceeding", "CANCEL"): Row("proceeding", ("cancelled",)),  # 3261 9.2
    # the figure stays and tells; no answer can arrive any more, so it is over for both
    ("proceeding", "transport error"): Row("terminated", ("failed",), ()),
    ("accepted", "2xx"): Row("accepted", ("send",)),  # 6026 7.1: retransmissions of the UA core
    ("accepted", "ACK"): Row("accepted", ("tell",)),  # 6026 7.1 (a peer that reuses the branch)
    ("accepted", "transport error"): Row("terminated", ("failed",), ()),  # as in proceeding
    ("accepted", "timer L"): Row("terminated", (), ()),  # 6026 7.1
    ("completed", "request"): Row("completed", ("resend",)),  # 3261 17.2.1
    ("completed", "timer G"): Row("completed", ("resend", "back off")),
    ("completed", "timer H"): Row("terminated", ("timed out",), ()),
    ("completed", "ACK"): Row("confirmed", (), ("timer I",)),
    ("completed", "transport error"): Row("terminated", ("failed",), ()),  # as in proceeding
    ("confirmed", "timer I"): Row("terminated", (), ()),
}

# RFC 3261 figure 8
SERVER: Final[Table] = {
    ("trying", "1xx"): Row("proceeding", ("send",)),  # 17.2.2
    ("trying", "2xx"): Row("completed", ("send",), ("timer J",)),
    ("trying", "3xx-6xx"): Row("completed", ("send",), ("timer J",)),
    ("trying", "transport error"): Row("terminated", ("failed",), ()),
    ("proceeding", "request"): Row("proceeding", ("resend",)),
    ("proceeding", "1xx"): Row("proceeding", ("send",)),
    ("proceeding", "2xx"): Row("completed", ("send",), ("timer J",)),
    ("proceeding", "3xx-6xx"): Row("completed", ("send",), ("timer J",)),
    ("proceeding", "transport error"): Row("terminated", ("failed",), ()),
    ("completed", "request"): Row("completed", ("resend",)),
    ("completed", "transport error"): Row("terminated", ("failed",), ()),
    ("completed", "timer J"): Row("terminated", (), ()),
}

TABLES: Final[dict[Kind, Table]] = {
    "invite-client": INVITE_CLIENT,
    "client": CLIENT,
    "invite-server": INVITE_SERVER,
    "server": SERVER,
}
