"""The life of a leg's INVITE dialog as a table: state x event -> (state, action).

States: an incoming leg is ``invited`` until its final response, ``answered`` until the ACK,
``confirmed``; an outgoing one ``calling`` or ``cancelling`` until the final response, ``owing``
while the ACK waits for our answer to a late offer, ``confirmed``. ``closing`` was hung up before
the ACK came. ``ended`` is for good.

Actions name what ``useragent`` does on the way; "" is nothing.
"""

from __future__ import annotations

from typing import Literal

State = Literal[
    "invited",
    "answered",
    "calling",
    "cancelling",
    "owing",
    "confirmed",
    "closing",
    "ended",
]

LegEvent = Literal[
    "answer",  # the call layer picks up
    "reject",  # the call layer refuses
    "hang-up",  # the call layer ends the leg, whatever its state
    "acknowledge",  # the call layer answers a late offer
    "cancelled",  # the peer's CANCEL, or its INVITE's Expires ran out
    "bye",  # the peer's BYE
    "acked",  # the peer's ACK to our 2xx
    "unacked",  # 64*T1 without it
    "unproved",  # 64*T1 without PRACK for a reliable provisional response
    "accepted",  # the peer's 2xx to our INVITE
    "accepted-late",  # the same, when our INVITE had no offer
    "refused",  # the peer's final refusal, no response at all, or no way to send
    "lost",  # a request in the dialog got 481, 408 or nothing; no way to answer the INVITE
    "expired",  # the session timer ran out
]

Action = Literal[
    "",
    "send 2xx",
    "refuse",
    "refuse 487 and tell",
    "refuse 504 and tell",
    "tell",
    "confirm",
    "bye",
    "bye and tell",
    "cancel",
    "ack",
    "ack and tell",
    "ack, bye and tell",
    "ack, bye and tell refused",
    "tell answered",
    "tell refused",
]

TABLE: dict[tuple[State, LegEvent], tuple[State, Action]] = {
    # --- the server's side of the INVITE ----------------------------------------------------
    ("invited", "answer"): ("answered", "send 2xx"),  # RFC 3261 13.3.1.4
    ("invited", "reject"): ("ended", "refuse"),  # RFC 3261 13.3.1.3
    ("invited", "hang-up"): ("ended", "refuse"),  # RFC 3261 13.3.1.3
    ("invited", "cancelled"): ("ended", "refuse 487 and tell"),  # RFC 3261 9.2, 13.3.1
    ("invited", "bye"): ("ended", "refuse 487 and tell"),  # RFC 3261 15.1.2
    ("invited", "unproved"): ("ended", "refuse 504 and tell"),  # RFC 3262 3
    # RFC 3261 17.2.4: no way to answer the INVITE; 12.2.1.2: our UPDATE got 481 or nothing
    ("invited", "lost"): ("ended", "refuse 487 and tell"),
    ("answered", "acked"): ("confirmed", "confirm"),  # RFC 3261 13.3.1.4
    ("answered", "unacked"): ("ended", "bye and tell"),  # RFC 3261 13.3.1.4
    ("answered", "bye"): ("ended", "tell"),  # RFC 5407 3.1.3: it overtook the ACK
    ("answered", "hang-up"): ("closing", "tell"),  # RFC 3261 15: no BYE before the ACK
    ("closing", "acked"): ("ended", "bye"),  # RFC 3261 15
    ("closing", "unacked"): ("ended", "bye"),  # RFC 3261 15
    ("closing", "bye"): ("ended", ""),  # RFC 3261 15.1.2
    ("closing", "hang-up"): ("closing", ""),
    # --- the client's side -------------------------------------------------------------------
    ("calling", "accepted"): ("confirmed", "ack and tell"),  # RFC 3261 13.2.2.4
    ("calling", "accepted-late"): ("owing", "tell answered"),  # RFC 3261 13.2.2.4, 13.2.1
    ("calling", "refused"): ("ended", "tell refused"),  # RFC 3261 13.2.2.3
    ("calling", "hang-up"): ("cancelling", "cancel"),  # RFC 3261 9.1
    ("cancelling", "accepted"): ("ended", "ack, bye and tell refused"),  # RFC 3261 9.1, 15
    ("cancelling", "accepted-late"): ("ended", "ack, bye and tell refused"),  # RFC 3261 9.1, 15
    ("cancelling", "refused"): ("ended", "tell refused"),  # RFC 3261 9.1
    ("cancelling", "hang-up"): ("cancelling", ""),
    ("owing", "acknowledge"): ("confirmed", "ack"),  # RFC 3261 13.2.2.4
    ("owing", "hang-up"): ("ended", "ack, bye and tell"),  # RFC 3261 13.2.2.4, 15
    ("owing", "bye"): ("ended", "tell"),  # RFC 3261 15.1.2
    # --- both ----------------------------------------------------------------------------------
    ("confirmed", "hang-up"): ("ended", "bye and tell"),  # RFC 3261 15.1.1
    ("confirmed", "bye"): ("ended", "tell"),  # RFC 3261 15.1.2
    ("confirmed", "unacked"): ("ended", "bye and tell"),  # RFC 3261 14.2
    ("confirmed", "lost"): ("ended", "bye and tell"),  # RFC 3261 12.2.1.2
    ("confirmed", "expired"): ("ended", "bye and tell"),  # RFC 4028 10
    # both sides said BYE at once, or a BYE found no answer yet: RFC 5407 3.2.1
    ("ended", "bye"): ("ended", ""),
    ("ended", "hang-up"): ("ended", ""),
}
