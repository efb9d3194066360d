"""What all parts of the user agent share: its tables, and how it sends and answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from zlib import crc32

from config.settings import Sip
from router.sip.alarms import Alarms
from router.sip.dialog import Dialog, next_hop, request_in
from router.sip.directory import Directory
from router.sip.effects import CloseStream, Effect, Event, Flow, Send
from router.sip.ledger import Ledger
from router.sip.leg import Leg, Outstanding, Purpose
from router.sip.message import NameAddr, ParseError, Request, Response, Uri, response_to
from router.sip.names import Names
from router.sip.stateless import stateless_tag
from router.sip.transaction import Transactions
from router.sip.transaction_events import TransactionEvent, TransactionLimits
from router.sip.uri import host_port

T1_S = 0.5
T2_S = 4.0
GIVE_UP_S = 64 * T1_S  # RFC 3261 13.3.1.4, 9.1: so long for an ACK, for the end of a CANCEL

ALLOW = "INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, INFO, REFER, OPTIONS, REGISTER"
OPTION_TAGS = frozenset({"100rel", "timer", "norefersub"})
SUPPORTED = "100rel, timer, norefersub"
SDP = "application/sdp"

Pairs = Iterable[tuple[str, str]]

SENDING = (Send, CloseStream)  # a tuple: a union would be made anew for each message


class Core:
    """Tables and sending. ``out`` gathers what the running step gives back; transaction events
    wait in ``inbox`` until the step that caused them is done."""

    def __init__(
        self,
        settings: Sip,
        directory: Directory,
        token: Callable[[], str],
        local_host: Callable[[Flow], tuple[str, int]],
        name_of: Names,
    ) -> None:
        self.settings = settings
        self.directory = directory
        self.token = token
        self.local_host = local_host
        self.name_of = name_of
        self.legs: dict[str, Leg] = {}
        self.ledger = Ledger(self.legs)
        self.transactions = Transactions(
            limits=TransactionLimits(
                settings.limits.transactions_max, settings.limits.retry_after_s
            ),
            branch=token,
            sent_by=local_host,
            t1=T1_S,
            t2=T2_S,
            ledger=self.ledger,
        )
        self.alarms = Alarms()
        self.tags: dict[str, Leg] = {}  # by the tag that is ours
        self.invited: dict[str, Leg] = {}  # by the server transaction of an open INVITE
        self.outstanding: dict[str, Outstanding] = {}  # by client transaction
        self.adrift: set[str] = set()  # legs whose stream is gone
        self.out: list[Effect | Event] = []
        self.inbox: deque[TransactionEvent] = deque()

    # --- the transaction layer -------------------------------------------------------------

    def take(self, outcome: Iterable[Send | CloseStream | TransactionEvent]) -> None:
        """Sort what the transaction layer gives: effects go out, events wait their turn."""
        for item in outcome:
            if isinstance(item, SENDING):
                self.out.append(item)
            else:
                self.inbox.append(item)

    def tell(self, event: Event) -> None:
        self.out.append(event)

    def respond(
        self,
        tx: str,
        request: Request,
        status: int,
        now: float,
        *,
        reason: str = "",
        headers: Pairs = (),
        body: bytes = b"",
        tag: str | None = None,
    ) -> Response:
        """Answer a request; without ``tag`` the To gets one made of the request, so that another
        process answers the same request the same way (RFC 3261 8.2.6.2, 8.2.7)."""
        if body:
            headers = (*headers, ("Content-Type", SDP))
        to_tag = stateless_tag(request) if tag is None else tag
        response = response_to(request, status, reason or None, to_tag, headers, body)
        self.take(self.transactions.respond(tx, response, now))
        return response

    def send(
        self,
        purpose: Purpose,
        leg: Leg,
        dialog: Dialog,
        method: str,
        now: float,
        extra: list[tuple[str, str]],
        body: bytes = b"",
        kind: str = SDP,
    ) -> str:
        """A request within ``dialog`` in a transaction of its own; returns the transaction."""
        if body:
            extra.append(("Content-Type", kind))
        request = request_in(dialog, method, extra, body)
        return self.start(Outstanding(purpose, leg, dialog, request, next_hop(dialog)), now)

    def start(self, call: Outstanding, now: float) -> str:
        """Send what ``call`` describes; its responses come back to it. An INVITE that makes a
        leg has a branch of its own for each CSeq, so that sending it anew repeats it."""
        branch = ""
        if call.purpose == "invite":
            branch = self.name_of(call.leg.id, f"branch {call.request.cseq.number}")
        tx, outcome = self.transactions.request(call.request, call.flow, now, branch)
        self.transactions.own(tx, call.leg.id)
        self.outstanding[tx] = call
        self.take(outcome)
        return tx

    def acknowledge(self, call: Outstanding, dialog: Dialog, body: bytes) -> None:
        """The ACK for a 2xx (RFC 3261 13.2.2.4), with the INVITE's credentials."""
        extra = [
            item
            for item in call.request.headers
            if item[0] in ("Authorization", "Proxy-Authorization")
        ]
        if body:
            extra.append(("Content-Type", SDP))
        ack = request_in(dialog, "ACK", extra, body, call.request.cseq.number)
        sent = call.acks[dialog.remote_tag] = self.transactions.send_ack(ack, next_hop(dialog))
        self.ledger.touch(call.leg.id)
        self.out += sent

    def acknowledge_again(self, call: Outstanding, tag: str) -> bool:
        """Repeat the ACK of the fork ``tag``; False when it was never sent."""
        sent = call.acks.get(tag)
        if sent is None:
            return False
        self.out += sent
        return True

    # --- words that messages need ------------------------------------------------------------

    def contact(self, flow: Flow) -> str:
        """Our Contact for a peer at ``flow``."""
        host, port = self.local_host(flow)
        tail = ";transport=tcp" if flow.transport == "tcp" else ""
        return f"<sip:offhook@{host_port(host, port)}{tail}>"

    def dice(self, below: int) -> int:
        """An even choice of 0..below-1 out of the token source."""
        return crc32(self.token().encode()) % below

    # --- legs -----------------------------------------------------------------------------------

    def follow(self, contacts: list[NameAddr], flow: Flow) -> None:
        """A phone registered over a new stream: its legs whose stream is gone take that one. It
        is the same phone when it has the same Contact, or came from the same place with the
        same user (many name the port of the stream)."""
        if flow.connection <= 0:
            return
        uris = [contact.target() for contact in contacts]
        for id in list(self.adrift):
            leg = self.legs[id]
            if leg.dialog.flow.connection < 0:
                try:
                    target = Uri.parse(leg.dialog.target)
                except ParseError:
                    continue
                near = leg.dialog.flow.host == flow.host
                if not any(uri == target or (near and uri.user == target.user) for uri in uris):
                    continue
                leg.dialog.flow, leg.dialog.hop = flow, None
                self.ledger.touch(id)
            self.adrift.discard(id)

    def keep(self, leg: Leg) -> None:
        self.legs[leg.id] = leg
        self.tags[leg.dialog.local_tag] = leg

    def forget(self, leg: Leg) -> None:
        """The leg ended. Its tag stays while our BYE is under way, for one that crosses it."""
        self.legs.pop(leg.id, None)
        self.adrift.discard(leg.id)
        self.alarms.clear_all(leg.id)
        if leg.incoming:
            self.invited.pop(leg.tx, None)
        leg.forks.clear()
        leg.reliable = leg.unacked = leg.transfer = None
        leg.wanted = leg.held_answer = None

    def release(self, leg: Leg) -> None:
        """Nothing of the ended leg is under way any more."""
        if self.tags.get(leg.dialog.local_tag) is leg:
            del self.tags[leg.dialog.local_tag]
