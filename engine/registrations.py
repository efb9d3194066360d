"""Phones as facts: what is registered is written down, so that a next engine finds it.

A new contact and one that goes are in the log before the phone is told. A refresh changes
nothing that a next engine needs, so most are not written: a fact holds for ``LEASE_S`` at least
(PhoneGone ends it earlier while an engine is there to see it), and is written again when less
than half of that is left. 5,000 phones that refresh every 30 s cost 11 facts a second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.clock import Clock
from engine.journal import Entry, Journal
from engine.phone import Phone
from router.events import PhoneGone, PhoneRegistered
from router.sip.effects import Flow
from router.sip.registrar import Contact

log = logging.getLogger(__name__)

LEASE_S = 900.0  # so long a restart may take and still find every phone


@dataclass(frozen=True, slots=True)
class Listeners:
    """The transports of our listeners by index, as flows name them."""

    transports: tuple[str, ...]

    def of(self, fact: PhoneRegistered) -> int | None:
        """The listener that a phone's flow goes by now: its own, or the first of its transport
        where the configuration has changed; None where there is none."""
        transports = self.transports
        if fact.listener < len(transports) and transports[fact.listener] == fact.transport:
            return fact.listener
        return transports.index(fact.transport) if fact.transport in transports else None


class Written(NamedTuple):
    """A contact as the log has it, and since when."""

    fact: PhoneRegistered
    at: float


class Registrations:
    """Compares the endpoint's contacts to what is written and writes the difference."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        phone: Phone,
        agent_of: Callable[[str], str],
        listeners: Listeners,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._phone = phone
        self._agent_of = agent_of
        self._listeners = listeners
        self._written: dict[str, dict[str, Written]] = {}  # by user and contact
        phone.on_touched = self.touched

    # --- while it runs -------------------------------------------------------------------------

    def touched(self, users: Iterable[str], cause: str) -> int:
        """These users' contacts were refreshed or changed: the number of the fact that must be
        durable before the phone is told so, 0 for a mere refresh."""
        return max((self._write(user, cause) for user in users), default=0)

    def _write(self, user: str, cause: str) -> int:
        now = self._clock.now()
        written = self._written.setdefault(user, {})
        contacts = {contact.uri: contact for contact in self._phone.contacts(user)}
        seq = 0
        for uri in [uri for uri in written if uri not in contacts]:
            del written[uri]
            seq = self._journal.append("", PhoneGone(user, uri, cause), now).seq
        for uri, contact in contacts.items():
            known = written.get(uri)
            asked_s = contact.expires_at - now
            if known is not None and _path(known.fact) == _path(fact_of(contact, 0.0)):
                if known.fact.until - now < max(asked_s, LEASE_S) / 2:
                    self._keep(contact, now)
            else:
                seq = self._keep(contact, now)
        if not written:
            del self._written[user]
        return seq

    def _keep(self, contact: Contact, now: float) -> int:
        fact = fact_of(contact, max(contact.expires_at, now + LEASE_S))
        self._written.setdefault(contact.user, {})[contact.uri] = Written(fact, now)
        return self._journal.append("", fact, now).seq

    # --- at start ------------------------------------------------------------------------------

    def note(self, entry: Entry) -> None:
        """Fold the log of an earlier engine."""
        event = entry.event
        if isinstance(event, PhoneRegistered):
            self._written.setdefault(event.user, {})[event.uri] = Written(event, entry.at)
        elif isinstance(event, PhoneGone):
            self._written.get(event.user, {}).pop(event.uri, None)

    def restore(self) -> list[str]:
        """Give the endpoint the contacts that still hold; returns the agents who have one.

        A phone behind a TCP stream is reached again by its URI where that names the host that
        the stream came from; another (NAT) is gone until it registers again, as its stream is.
        """
        now = self._clock.now()
        before = [written for user in self._written.values() for written in user.values()]
        reasons = {_name(fact): self._why_not(fact, now) for fact, _ in before}
        wanted = [
            contact_of(fact, self._listeners.of(fact) or 0, at)
            for fact, at in before
            if not reasons[_name(fact)]
        ]
        kept = {(contact.user, contact.uri): contact for contact in self._phone.restore(wanted)}
        self._written.clear()
        for fact, at in before:
            contact = kept.get(_name(fact))
            if contact is None:
                cause = reasons[_name(fact)] or "stream closed"
                self._journal.append("", PhoneGone(fact.user, fact.uri, cause), now)
            elif _path(fact) != _path(fact_of(contact, 0.0)):
                self._keep(contact, now)
            else:
                self._written.setdefault(fact.user, {})[fact.uri] = Written(fact, at)
        if before:
            log.info("%d of %d registered phones are known again", len(kept), len(before))
        return sorted({self._agent_of(user) for user, _ in kept})

    def _why_not(self, fact: PhoneRegistered, now: float) -> str:
        if fact.until <= now:
            return "expired"
        if not self._agent_of(fact.user):
            return "no such user"
        return "no such listener" if self._listeners.of(fact) is None else ""


def fact_of(contact: Contact, until: float) -> PhoneRegistered:
    flow = contact.flow
    return PhoneRegistered(
        contact.user,
        contact.uri,
        flow.transport,
        flow.host,
        flow.port,
        until,
        flow.connection,
        flow.listener,
        contact.q,
        contact.call_id,
        contact.cseq,
        contact.agent,
    )


def contact_of(fact: PhoneRegistered, listener: int, at: float) -> Contact:
    return Contact(
        fact.user,
        fact.uri,
        Flow(fact.transport, fact.host, fact.port, fact.connection, listener),
        fact.until,
        fact.q,
        fact.sip_call_id,
        fact.cseq,
        fact.user_agent,
        at,
    )


def _name(fact: PhoneRegistered) -> tuple[str, str]:
    return fact.user, fact.uri


def _path(fact: PhoneRegistered) -> Sequence[object]:
    """What a next engine calls the phone by. A new Call-ID is a phone that started anew: its
    CSeq counts from there."""
    return (
        fact.transport,
        fact.host,
        fact.port,
        fact.connection,
        fact.listener,
        fact.q,
        fact.sip_call_id,
    )
