"""The SIP user agent of one node, without sockets or clocks: a B2BUA's SIP side.

Bytes and time go in, ``Send``/``CloseStream`` and call events come out. Session descriptions
are opaque bytes here. Every method returns the effects and events of that step, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from config.settings import Sip
from router.sip.directory import Directory
from router.sip.effects import Effect, Event, Flow
from router.sip.registrar import Contact
from router.sip.target import Credentials, Target

Output = list[Effect | Event]


class Endpoint:
    """All SIP state of a node: transactions, dialogs, registrations.

    ``token`` gives a fresh unguessable string of letters and digits (leg ids of incoming calls,
    tags, branches, Call-IDs); ``nonce_secret`` keys the digest nonces (at least 16 bytes);
    ``local_host`` tells the (host, port) that peers of a flow reach us at.

    Raises MisuseError for an unknown leg or one whose state forbids the call; ``hang_up`` is
    idempotent and never raises. Nothing that a peer sends raises.
    """

    def __init__(
        self,
        settings: Sip,
        directory: Directory,
        *,
        token: Callable[[], str],
        nonce_secret: bytes,
        local_host: Callable[[Flow], tuple[str, int]],
    ) -> None: ...

    # --- the network ---------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow, now: float) -> Output:
        """A datagram, or one complete framed message of a stream."""
        raise NotImplementedError

    def stream_closed(self, connection: int, now: float) -> Output:
        """The stream of this number is gone; what used it finds another way or fails."""
        raise NotImplementedError

    def send_failed(self, flow: Flow, now: float) -> Output:
        """The last ``Send`` to this flow could not be sent (refused, unreachable, no route)."""
        raise NotImplementedError

    @property
    def next_deadline(self) -> float | None:
        """When ``tick`` has something to do next, or None."""
        raise NotImplementedError

    def tick(self, now: float) -> Output:
        raise NotImplementedError

    # --- an incoming leg (after Invited) --------------------------------------------------

    def progress(
        self, leg: str, now: float, status: int = 180, reason: str = "", body: bytes = b""
    ) -> Output:
        """A provisional response; reliable (RFC 3262) if the peer requires it, or supports it
        and there is a body."""
        raise NotImplementedError

    def answer(self, leg: str, body: bytes, now: float) -> Output:
        """200 with a session description; Confirmed follows, or Ended('no ack')."""
        raise NotImplementedError

    def reject(
        self,
        leg: str,
        status: int,
        now: float,
        reason: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Output:
        """A final refusal; nothing more comes from this leg (no Ended follows)."""
        raise NotImplementedError

    # --- an outgoing leg ------------------------------------------------------------------

    def invite(
        self,
        leg: str,
        target: Target,
        body: bytes,
        now: float,
        *,
        caller: str,
        caller_name: str = "",
        credentials: Credentials | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Output:
        """Call somebody: Progressed*, then Answered or Refused.

        ``body`` b"" asks the peer for the offer: then Answered.body is that offer and the
        call layer owes ``acknowledge``. ``caller`` is the user part of From.
        """
        raise NotImplementedError

    def acknowledge(self, leg: str, body: bytes, now: float) -> Output:
        """The ACK with our answer, after Answered of a late offer."""
        raise NotImplementedError

    # --- both -----------------------------------------------------------------------------

    def hang_up(self, leg: str, now: float, status: int = 480, reason: str = "") -> Output:
        """End the leg as its state asks: a refusal with ``status``, CANCEL, or BYE. Idempotent.

        An incoming leg that was not answered is done at once (no event); one that was gives
        Ended('bye') right away. An outgoing leg not answered yet gives Refused(487) when the
        peer confirms or the wait for it runs out.
        """
        raise NotImplementedError

    def change(self, leg: str, body: bytes, now: float) -> Output:
        """Our re-INVITE (UPDATE in an early dialog): ChangeAnswered or ChangeRefused follows.

        A 491 is repeated by the core after the interval of RFC 3261 14.1.
        """
        raise NotImplementedError

    def accept_change(self, leg: str, body: bytes, now: float) -> Output:
        """Answer ChangeAsked with 200 and this session description."""
        raise NotImplementedError

    def reject_change(self, leg: str, status: int, now: float) -> Output:
        """Answer ChangeAsked with a refusal (488 for a session description that cannot be)."""
        raise NotImplementedError

    def transfer_done(self, leg: str, status: int, now: float) -> Output:
        """The fate of TransferAsked: a final NOTIFY with ``SIP/2.0 <status>``."""
        raise NotImplementedError

    # --- registrations and addresses ------------------------------------------------------

    def contacts(self, user: str) -> list[Contact]:
        """Live contacts of an agent's SIP user, best q first, then the newest."""
        raise NotImplementedError

    def target_of(self, uri: str) -> Target:
        """The target of an address like ``sip:192.0.2.1:5060;transport=tcp``.

        The host stands as it is in the flow; the shell resolves a name before sending.
        Raises PeerError for what is no SIP URI.
        """
        raise NotImplementedError

    def figures(self) -> Mapping[str, int]:
        """Gauges: dialogs, transactions, registrations."""
        raise NotImplementedError
