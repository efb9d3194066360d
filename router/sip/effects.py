"""What the sans-I/O SIP core takes and gives: flows, effects for the transport, call events.

The core never sees a socket. A ``Flow`` names where a message came from or goes to; the
transport turns ``Send`` into a datagram or bytes on a connection. Events are keyed by
``leg``, the id that the call layer chose (outgoing) or that the core was given to use
(incoming: ``leg_ids()`` input).
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from config.values import value

Transport = Literal["udp", "tcp"]

HOPS = 70  # the Max-Forwards to begin with (RFC 3261 8.1.1.6), and the most that we believe


@value(frozen=True, slots=True)
class Flow:
    """One path to a peer: transport, the far end, our listener, the connection (0 for UDP).

    ``connection`` is the transport's number of an open stream; -1 asks for one to be opened
    (or reused) to host:port. ``listener`` is the index of our listener it came in on.
    """

    transport: Transport
    host: str
    port: int
    connection: int = 0
    listener: int = 0


# --- effects for the transport ---------------------------------------------------------------


@value(frozen=True, slots=True)
class Send:
    flow: Flow
    data: bytes


@value(frozen=True, slots=True)
class CloseStream:
    flow: Flow


# --- events for the call layer ---------------------------------------------------------------


@value(frozen=True, slots=True)
class Invited:
    """A new, authorised INVITE (outside a dialog). 100 was sent already.

    Exactly one of ``trunk`` and ``agent`` (an agent's SIP user name) is set. ``body`` is the
    session description, b"" for a late offer: then the answer comes with Confirmed.
    """

    leg: str
    trunk: str
    agent: str
    caller: str  # user part of From (or P-Asserted-Identity of a trunk)
    caller_name: str
    dialled: str  # user part of the Request-URI
    body: bytes
    sip_call_id: str
    source: str  # host the INVITE came from
    replaces: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    max_forwards: int = HOPS  # hops the INVITE had left (RFC 3261 20.22)


@value(frozen=True, slots=True)
class Confirmed:
    """The ACK to our 200 arrived; ``body`` is the answer to a late offer, else b"".

    Comes once for an incoming leg, and again for each re-INVITE without an offer that was
    accepted with ours. A late offer that got no answer at all is b"" too: hang up.
    """

    leg: str
    body: bytes


@value(frozen=True, slots=True)
class Progressed:
    """18x for an outgoing leg; ``body`` is early media's description, or b""."""

    leg: str
    status: int
    body: bytes


@value(frozen=True, slots=True)
class Answered:
    """2xx for an outgoing leg; the ACK was sent. Further forks are ended by the core."""

    leg: str
    body: bytes


@value(frozen=True, slots=True)
class Refused:
    """An outgoing leg ended without an answer: final status >= 300, 408 for no answer at
    all (timer B), 503 for a transport failure, 487 after our own CANCEL.

    ``contacts``: where a 300, 301 or 302 sends the call, sip, sips and tel URIs, the most
    preferred first, at most 8; never the URI that was called."""

    leg: str
    status: int
    reason: str
    contacts: tuple[str, ...] = ()
    retry_after_s: int | None = None


@value(frozen=True, slots=True)
class ChangeAsked:
    """re-INVITE, UPDATE or PRACK with an offer in a dialog. ``body`` b"" asks us for an offer
    (late, re-INVITE only).

    The call layer answers with ``accept_change(leg, body)`` or ``reject_change(leg, status)``.
    An UPDATE or re-INVITE that only refreshes the session timer without a body change is
    answered by the core and never shown.
    """

    leg: str
    method: str
    body: bytes


@value(frozen=True, slots=True)
class ChangeAnswered:
    """Our own re-INVITE or UPDATE was accepted."""

    leg: str
    body: bytes


@value(frozen=True, slots=True)
class ChangeRefused:
    leg: str
    status: int


@value(frozen=True, slots=True)
class TransferAsked:
    """REFER in a dialog (RFC 3515); answered 202 already. Tell its fate with ``transfer_done``."""

    leg: str
    target: str  # user part of Refer-To
    target_uri: str
    replaces: str = ""


@value(frozen=True, slots=True)
class KeyPressed:
    """A digit by SIP INFO (application/dtmf-relay or dtmf)."""

    leg: str
    key: str


@value(frozen=True, slots=True)
class Ended:
    """A leg is over. cause: bye, cancel, no ack, session expired, dialog lost (481/408),
    transport failure. Nothing more comes from this leg."""

    leg: str
    cause: str


@value(frozen=True, slots=True)
class RegistrationChanged:
    """The contacts of an agent's SIP user name changed."""

    user: str
    contacts: int


Effect = Send | CloseStream
Event = (
    Invited
    | Confirmed
    | Progressed
    | Answered
    | Refused
    | ChangeAsked
    | ChangeAnswered
    | ChangeRefused
    | TransferAsked
    | KeyPressed
    | Ended
    | RegistrationChanged
)
