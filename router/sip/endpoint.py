"""The SIP user agent of one node, without sockets or clocks: a B2BUA's SIP side.

Bytes and time go in, ``Send``/``CloseStream`` and call events come out. Session descriptions
are opaque bytes here. Every method returns the effects and events of that step, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from config.errors import MisuseError
from config.settings import Sip
from router.sip import changes, indialog, outgoing, reliable, transfer
from router.sip.adopting import Adoption
from router.sip.alarmed import on_alarm
from router.sip.client import on_failed, on_responded
from router.sip.core import Core
from router.sip.dialog import stream_is_gone
from router.sip.directory import Directory
from router.sip.effects import HOPS, Effect, Event, Flow, RegistrationChanged, Send
from router.sip.gate import Gate
from router.sip.keeping import keep
from router.sip.kept import KeptLeg
from router.sip.leg import Leg
from router.sip.leg_table import LegEvent
from router.sip.message import ParseError, Request, Uri
from router.sip.names import Names
from router.sip.overload import turn_away
from router.sip.parser import ParseLimits, parse_message
from router.sip.registrar import Contact, Registrar
from router.sip.server import on_acked, on_cancel, on_requested
from router.sip.stateless import answer_unparsable
from router.sip.target import Credentials, Target, flow_of
from router.sip.transaction_events import (
    Acked,
    CancelAsked,
    Requested,
    Responded,
    TimedOut,
)
from router.sip.useragent import Why, fire, send_2xx_again

Output = list[Effect | Event]

CSEQ_SKIP = 1000


class Endpoint:
    """All SIP state of a node: transactions, dialogs, registrations.

    ``token`` gives a fresh unguessable string of letters and digits (leg ids of incoming calls,
    branches); ``nonce_secret`` keys the digest nonces (at least 16 bytes) and the names of legs
    (tags, Call-IDs, the branch of an INVITE), so it outlives the process; ``local_host`` tells
    the (host, port) that peers of a flow reach us at.

    A leg that is over or was never there is no error: nothing happens (its end and the call
    layer's wish may cross). MisuseError is for what the leg's state forbids: answering an
    outgoing leg, acknowledging what owes nothing. Nothing that a peer sends raises.
    """

    def __init__(
        self,
        settings: Sip,
        directory: Directory,
        *,
        token: Callable[[], str],
        nonce_secret: bytes,
        local_host: Callable[[Flow], tuple[str, int]],
    ) -> None:
        limits = settings.limits
        self._limits = ParseLimits(
            limits.message_bytes_max, limits.body_bytes_max, limits.headers_max
        )
        self._core = Core(settings, directory, token, local_host, Names(nonce_secret))
        self._registrar = Registrar(settings)
        self._gate = Gate(self._core, self._registrar, nonce_secret)
        self._now = 0.0

    # --- the network ---------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow, now: float) -> Output:
        """A datagram, or one complete framed message of a stream."""
        if not data.strip(b"\r\n\x00 "):
            return []  # keep-alives of UDP (RFC 5626 4.4.1 and its imitations)
        try:
            message = parse_message(data, self._limits)
        except ParseError as error:
            return [*answer_unparsable(error, flow)]
        core = self._core
        try:
            if not (isinstance(message, Request) and self._gate.turn_away(message, flow, now)):
                core.take(core.transactions.receive(message, flow, now))
        except ParseError as error:
            if isinstance(message, Request):
                core.take(answer_unparsable(ParseError(error.reason, error.status, message), flow))
        return self._done(now)

    def turn_away(self, data: bytes, flow: Flow) -> list[Send] | None:
        """A 503 where this is a new call, at next to no cost; None: ``receive`` it."""
        retry_after_s = self._core.settings.limits.retry_after_s
        return turn_away(data, flow, self._core.transactions.knows, retry_after_s)

    def stream_closed(self, connection: int, now: float) -> Output:
        """The stream of this number is gone; what used it finds another way or fails."""
        core = self._core
        for user, left in self._registrar.stream_closed(connection):
            core.tell(RegistrationChanged(user, left))
        for leg in core.legs.values():
            lost = [stream_is_gone(dialog, connection) for dialog in leg.dialogs()]
            if any(lost):
                core.ledger.touch(leg.id)
                core.adrift.add(leg.id)
        core.take(core.transactions.stream_closed(connection, now))
        return self._done(now)

    def send_failed(self, flow: Flow, now: float) -> Output:
        """The last ``Send`` to this flow could not be sent (refused, unreachable, no route)."""
        self._core.take(self._core.transactions.transport_failed(flow, now))
        return self._done(now)

    @property
    def next_deadline(self) -> float | None:
        """When ``tick`` has something to do next, or None."""
        core = self._core
        earliest = core.transactions.next_deadline
        alarm = core.alarms.next
        if alarm is not None and (earliest is None or alarm < earliest):
            earliest = alarm
        expiry = self._registrar.next_deadline
        if expiry is not None and (earliest is None or expiry < earliest):
            earliest = expiry
        return earliest

    def tick(self, now: float) -> Output:
        """Do what is due."""
        core = self._core
        core.take(core.transactions.tick(now))
        self._drain(now)
        while (due := core.alarms.due(now)) is not None:
            on_alarm(core, *due, now)
            self._drain(now)
        for user, left in self._registrar.expire(now):
            core.tell(RegistrationChanged(user, left))
        return self._done(now)

    # --- an incoming leg (after Invited) --------------------------------------------------

    def progress(
        self, leg: str, now: float, status: int = 180, reason: str = "", body: bytes = b""
    ) -> Output:
        """A provisional response; reliable (RFC 3262) if the peer requires it, or supports it
        and there is a body. After ``answer``: nothing."""
        found = self._leg(leg, incoming=True)
        if not 101 <= status <= 199:
            raise MisuseError(f"{status} is no provisional status")
        if found is not None and found.state == "invited" and found.held_answer is None:
            reliable.progress(self._core, found, status, reason, body, now)
        return self._done(now)

    def answer(self, leg: str, body: bytes, now: float) -> Output:
        """200 with a session description; Confirmed follows, or Ended('no ack').

        While a reliable provisional response with a session description waits for its PRACK,
        the 200 waits with it. Once such a one was acknowledged, the 200 carries none. A leg that
        was answered already sends that 200 again until its ACK.
        """
        found = self._leg(leg, incoming=True)
        if found is None or found.held_answer is not None or found.state == "confirmed":
            return []
        if found.state == "answered":
            send_2xx_again(self._core, found, now)
        elif found.state == "invited" and reliable.answer_must_wait(found):
            found.held_answer = body
        else:
            self._fire(found, "answer", now, Why(body=body))
        return self._done(now)

    def reject(
        self,
        leg: str,
        status: int,
        now: float,
        reason: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Output:
        """A final refusal; nothing more comes from this leg (no Ended follows)."""
        found = self._leg(leg, incoming=True)
        if not 300 <= status <= 699:
            raise MisuseError(f"{status} is no refusal")
        if found is not None:
            self._fire(found, "reject", now, Why(status=status, reason=reason, headers=headers))
        return self._done(now)

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
        max_forwards: int = HOPS,
    ) -> Output:
        """Call somebody: Progressed*, then Answered or Refused.

        ``body`` b"" asks the peer for the offer: then Answered.body is that offer and the
        call layer owes ``acknowledge``. ``caller`` is the user part of From. An INVITE on behalf
        of another has ``max_forwards`` one below that one's (RFC 7332). PeerError for a target
        that is no SIP URI; MisuseError below 0 hops.

        The same leg, target and body give the same bytes, so that to call again after a crash
        is a retransmission. For a leg that is there, or was just now, nothing happens.
        """
        if max_forwards < 0:
            raise MisuseError("no hops left")
        if self._core.ledger.holds(leg):
            return []
        made = outgoing.new_leg(
            self._core, leg, target, body, caller, caller_name, credentials, headers, max_forwards
        )
        outgoing.send_invite(self._core, made, now)
        return self._done(now)

    def acknowledge(self, leg: str, body: bytes, now: float) -> Output:
        """The ACK with our answer, after Answered of a late offer."""
        found = self._leg(leg, incoming=False)
        if found is not None:
            found.sent = body
            found.exchange = "stable"
            self._fire(found, "acknowledge", now, Why(body=body))
            changes.pump(self._core, found, now)
        return self._done(now)

    # --- both -----------------------------------------------------------------------------

    def hang_up(self, leg: str, now: float, status: int = 480, reason: str = "") -> Output:
        """End the leg as its state asks: a refusal with ``status``, CANCEL, or BYE. Idempotent.

        An incoming leg that was not answered is done at once (no event); one that was gives
        Ended('bye') right away. An outgoing leg not answered yet gives Refused(487) when the
        peer confirms or the wait for it runs out.
        """
        found = self._leg(leg)
        if found is not None:
            self._fire(found, "hang-up", now, Why(status=status, reason=reason))
        return self._done(now)

    def change(self, leg: str, body: bytes, now: float) -> Output:
        """Our re-INVITE (UPDATE in an early dialog): ChangeAnswered or ChangeRefused follows.

        It waits while another change is under way; a newer one replaces one that waits (and
        gets the one event of both). A 491 is repeated by the core after the interval of
        RFC 3261 14.1. Where an early dialog allows no UPDATE: ChangeRefused(491) at once.
        """
        found = self._leg(leg)
        if found is not None:
            changes.want(self._core, found, body, now)
        return self._done(now)

    def accept_change(self, leg: str, body: bytes, now: float) -> Output:
        """Answer ChangeAsked with 200 and this session description. For a re-INVITE without an
        offer it is ours, and Confirmed brings the answer."""
        found = self._leg(leg)
        if found is not None:
            changes.accept(self._core, found, body, now)
        return self._done(now)

    def reject_change(self, leg: str, status: int, now: float) -> Output:
        """Answer ChangeAsked with a refusal (488 for a session description that cannot be)."""
        found = self._leg(leg)
        if found is not None:
            changes.refuse(self._core, found, status, now)
        return self._done(now)

    def transfer_done(self, leg: str, status: int, now: float) -> Output:
        """The fate of TransferAsked: a final NOTIFY with ``SIP/2.0 <status>``."""
        found = self._leg(leg)
        if found is not None and found.state == "confirmed":
            transfer.done(self._core, found, status, now)
        return self._done(now)

    # --- another process goes on ----------------------------------------------------------

    def legs(self) -> list[str]:
        """Every leg that is not over."""
        return [leg.id for leg in self._core.legs.values() if leg.state not in ("closing", "ended")]

    def take_changed(self) -> Set[str]:
        """In order, the legs of which ``keep`` would give something else than when this was asked
        last, but for timers. A leg that nothing is left of comes once more: ``keep`` gives None."""
        return self._core.ledger.take()

    def keep(self, leg: str) -> KeptLeg | None:
        """Everything that another process needs to go on with this leg."""
        return keep(self._core, leg)

    def adopt(
        self,
        kept: KeptLeg,
        now: float,
        *,
        credentials: Credentials | None = None,
        streams: Mapping[int, int] | None = None,
        cseq_skip: int = CSEQ_SKIP,
    ) -> None:
        """Go on with a leg of another process. Nothing is told of what was told there; what is
        due is done by the next ``tick``.

        ``credentials`` as ``invite`` had them. ``streams``: numbers of streams there and here;
        those not named are gone, and what waits for an answer over one is sent again.
        ``cseq_skip`` leaves room for requests that the other process sent and nobody knows of.
        """
        Adoption(self._core, now, streams or {}, cseq_skip).adopt(kept, credentials)

    # --- registrations and addresses ------------------------------------------------------

    def contacts(self, user: str) -> list[Contact]:
        """Live contacts of an agent's SIP user, best q first, then the newest."""
        return self._registrar.contacts(user, self._now)

    @property
    def registrar(self) -> Registrar:
        """The bindings as data: ``all`` and ``restore``."""
        return self._registrar

    def target_of(self, uri: str) -> Target:
        """The target of an address like ``sip:192.0.2.1:5060;transport=tcp``.

        The host stands as it is in the flow; the shell resolves a name before sending.
        Raises PeerError for what is no SIP URI.
        """
        return Target(uri, flow_of(Uri.parse(uri)))

    def leg_of_replaces(self, replaces: str) -> str | None:
        """The leg whose dialog a Replaces value names (RFC 3891 3), or None."""
        return indialog.leg_of_replaces(self._core, replaces)

    def use_directory(self, directory: Directory) -> None:
        """Other trunks and users from now on (a reload); what is up or registered stays."""
        self._core.directory = directory

    def figures(self) -> Mapping[str, int]:
        """Gauges: dialogs, transactions, registrations."""
        core = self._core
        return {
            "dialogs": len(core.legs),
            "transactions": len(core.transactions),
            "registrations": len(self._registrar),
        }

    # --- inside -----------------------------------------------------------------------------

    def _leg(self, leg: str, incoming: bool | None = None) -> Leg | None:
        found = self._core.legs.get(leg)
        if found is None:
            return None
        if incoming is not None and found.incoming is not incoming:
            raise MisuseError(f"leg {leg!r} goes the other way")
        self._core.ledger.touch(leg)
        return found

    def _fire(self, leg: Leg, event: LegEvent, now: float, why: Why) -> None:
        """A wish of the call layer. One that came too late, for a leg that it has seen end
        or is about to, means nothing; any other without a row is misuse."""
        if not fire(self._core, leg, event, now, why) and leg.state not in ("closing", "ended"):
            raise MisuseError(f"{event} for a leg that is {leg.state}")

    def _done(self, now: float) -> Output:
        """Finish the step: what the transaction layer told, then what there is to give back."""
        core = self._core
        self._drain(now)
        if now > self._now:
            self._now = now
        out, core.out = core.out, []
        return out

    def _drain(self, now: float) -> None:
        core = self._core
        while core.inbox:
            event = core.inbox.popleft()
            if isinstance(event, Responded):
                on_responded(core, event.tx, event.response, event.flow, now)
            elif isinstance(event, Requested):
                on_requested(core, self._gate, event.tx, event.request, event.flow, now)
            elif isinstance(event, Acked):
                on_acked(core, event.request, now)
            elif isinstance(event, CancelAsked):
                on_cancel(core, event.tx, now)
            elif isinstance(event, TimedOut):
                on_failed(core, event.tx, 408, now)
            else:
                on_failed(core, event.tx, 503, now)
