"""The registrar (RFC 3261 10.3): which phones an agent's SIP user is at.

Bindings are plain data. A phone is called over the path that its REGISTER came by, which is
the only one that reaches it behind NAT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from config.settings import Sip
from router.sip.alarms import Alarms
from router.sip.effects import Flow
from router.sip.message import NameAddr, ParseError, Request, Uri
from router.sip.target import DEFAULT_PORT, Target

_DEFAULT_EXPIRES_S = 3600
_AGENT_MAX = 128


@dataclass(frozen=True, slots=True)
class Contact:
    """One binding, as plain data. ``uri`` is what the phone wrote; ``flow`` is the path its
    REGISTER came by (NAT), which requests to it take. ``expires_at`` is on the clock of ``now``.
    """

    user: str
    uri: str
    flow: Flow
    expires_at: float
    q: float
    call_id: str
    cseq: int
    agent: str = ""  # User-Agent, for the supervisor's eyes
    updated_at: float = 0.0

    @property
    def target(self) -> Target:
        return Target(self.uri, self.flow, pinned=True)


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer to a REGISTER; ``contacts`` is the new count where bindings came or went."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    contacts: int | None = None


_Place = tuple[str, str, int, int]


class Registrar:
    """Bindings of all users; at most ``contacts_per_address_max`` each: beyond that the one
    refreshed longest ago gives way (a phone that restarts leaves its old contacts behind)."""

    def __init__(self, settings: Sip) -> None:
        self._settings = settings
        self._users: dict[str, list[Contact]] = {}
        self._alarms = Alarms()
        self._touched: set[str] = set()
        self._restored: set[Contact] = set()  # as they were, not refreshed since
        self._places: dict[_Place, frozenset[str]] | None = None

    def register(self, user: str, request: Request, flow: Flow, now: float) -> Registered:
        """Take a REGISTER whose sender is ``user`` beyond doubt. All of it holds or nothing does
        (RFC 3261 10.3, 7). Raises ParseError for malformed headers."""
        if request.to.target().user_text != user:
            return Registered(403)
        old = self._live(user, now)
        contacts = request.contacts
        if request.star:
            if request.expires != 0:
                raise ParseError("Contact * needs Expires: 0")
            if any(not self._is_newer(request, contact) for contact in old):
                return Registered(500)
            return self._keep(user, old, [], now)
        if not contacts:
            return self._answer(user, now, None)  # 10.3, 8: a query
        limit = self._settings.limits.contacts_per_address_max
        if len(contacts) > limit:
            return Registered(403)
        new = list(old)
        for address in contacts:
            refused = self._bind(user, new, address, request, flow, now)
            if refused is not None:
                return refused
        new.sort(key=lambda contact: contact.updated_at)
        return self._keep(user, old, new[-limit:], now)

    def _bind(
        self,
        user: str,
        new: list[Contact],
        address: NameAddr,
        request: Request,
        flow: Flow,
        now: float,
    ) -> Registered | None:
        """Put one Contact into ``new``; the refusal where it cannot be (RFC 3261 10.3, 6 and 7)."""
        uri = address.target()
        if uri.scheme not in ("sip", "sips"):
            raise ParseError("Contact is no SIP URI")
        seconds = address.expires
        if seconds is None:
            seconds = request.expires
        if seconds is None:
            seconds = _DEFAULT_EXPIRES_S
        shortest = self._settings.register_expires_min_s
        if 0 < seconds < shortest:
            return Registered(423, (("Min-Expires", str(shortest)),))
        seconds = min(seconds, self._settings.register_expires_max_s)
        at = next((i for i, known in enumerate(new) if Uri.parse(known.uri) == uri), None)
        if at is not None:
            if not self._is_newer(request, new[at]):
                return Registered(500)
            del new[at]
        if seconds:
            new.append(
                Contact(
                    user,
                    address.uri,
                    flow,
                    now + seconds,
                    address.q,
                    request.call_id,
                    request.cseq.number,
                    (request.headers.first("User-Agent") or "")[:_AGENT_MAX],
                    now,
                )
            )
        return None

    def contacts(self, user: str, now: float) -> list[Contact]:
        """Live bindings, best q first, then the one refreshed last."""
        return sorted(self._live(user, now), key=lambda c: (-c.q, -c.updated_at))

    def all(self) -> Iterable[Contact]:
        """Every binding, for a snapshot."""
        return [contact for contacts in self._users.values() for contact in contacts]

    def restore(
        self, contacts: Iterable[Contact], streams: Mapping[int, int] | None = None
    ) -> list[Contact]:
        """Take bindings over that ``all`` gave in an earlier process; those that hold, as they
        are now. ``streams``: numbers there and here of streams that live on; of the others see
        ``stream_closed``. A REGISTER that was taken there and comes again, because its answer
        was lost, is taken here."""
        kept = []
        for given in contacts:
            flow = given.flow
            number = (streams or {}).get(flow.connection) if flow.connection > 0 else None
            if number is None:
                contact = _without_stream(given, flow.connection)
            else:
                there = Flow(flow.transport, flow.host, flow.port, number, flow.listener)
                contact = replace(given, flow=there)
            if contact is not None:
                self._users.setdefault(contact.user, []).append(contact)
                self._restored.add(contact)
                self._watch(contact.user)
                kept.append(contact)
        self._places = None
        return kept

    def take_touched(self) -> Iterable[str]:
        """Users whose bindings were refreshed or changed since this was asked last."""
        if not self._touched:
            return ()
        touched, self._touched = self._touched, set()
        return sorted(touched)

    def users_at(self, flow: Flow) -> frozenset[str]:
        """The users whose bindings came over this flow."""
        if self._places is None:
            places: dict[_Place, frozenset[str]] = {}
            for contact in self.all():
                place = _place(contact.flow)
                places[place] = places.get(place, frozenset()) | {contact.user}
            self._places = places
        return self._places.get(_place(flow), frozenset())

    def stream_closed(self, connection: int) -> list[tuple[str, int]]:
        """A stream is gone. A contact behind it that names the very host the stream came from
        can be called again by its URI; another (NAT) is lost. Returns (user, contacts left)."""
        changed = []
        for user, contacts in list(self._users.items()):
            if not any(c.flow.connection == connection for c in contacts):
                continue
            left = [kept for c in contacts if (kept := _without_stream(c, connection))]
            self._set(user, left)
            if len(left) != len(contacts):
                changed.append((user, len(left)))
        return changed

    @property
    def next_deadline(self) -> float | None:
        return self._alarms.next

    def expire(self, now: float) -> list[tuple[str, int]]:
        """Drop what ran out; returns (user, contacts left) for each that lost one."""
        changed = []
        while (due := self._alarms.due(now)) is not None:
            user = due[0]
            before = len(self._users.get(user, ()))
            self._set(user, self._live(user, now))
            after = len(self._users.get(user, ()))
            if after != before:
                changed.append((user, after))
        return changed

    def __len__(self) -> int:
        return sum(map(len, self._users.values()))

    def _live(self, user: str, now: float) -> list[Contact]:
        return [c for c in self._users.get(user, ()) if c.expires_at > now]

    def _keep(self, user: str, old: list[Contact], new: list[Contact], now: float) -> Registered:
        self._set(user, new)
        changed = {c.uri for c in old} != {c.uri for c in new}
        return self._answer(user, now, len(new) if changed else None)

    def _answer(self, user: str, now: float, count: int | None) -> Registered:
        return Registered(
            200,
            tuple(
                ("Contact", f"<{c.uri}>;expires={max(1, round(c.expires_at - now))};q={c.q:g}")
                for c in self.contacts(user, now)
            ),
            count,
        )

    def _is_newer(self, request: Request, contact: Contact) -> bool:
        """RFC 3261 10.3, 7: within one Call-ID only a higher CSeq may change a binding. The same
        is a retransmission that no transaction knows any more."""
        if request.call_id != contact.call_id or request.cseq.number > contact.cseq:
            return True
        return request.cseq.number == contact.cseq and contact in self._restored

    def _set(self, user: str, contacts: list[Contact]) -> None:
        if self._restored:
            self._restored -= set(self._users.get(user, ())) - set(contacts)
        self._places = None
        self._touched.add(user)
        if contacts:
            self._users[user] = contacts
        else:
            self._users.pop(user, None)
        self._watch(user)

    def _watch(self, user: str) -> None:
        contacts = self._users.get(user)
        if contacts:
            self._alarms.set(user, "expire", min(c.expires_at for c in contacts))
        else:
            self._alarms.clear_all(user)


def _place(flow: Flow) -> _Place:
    return flow.transport, flow.host, flow.port, flow.connection


def _without_stream(contact: Contact, connection: int) -> Contact | None:
    flow = contact.flow
    if flow.transport != "tcp" or flow.connection != connection:
        return contact
    uri = Uri.parse(contact.uri)
    if uri.host != flow.host:
        return None
    again = Flow("tcp", flow.host, uri.port or DEFAULT_PORT, -1, flow.listener)
    return replace(contact, flow=again)
