"""The state that another machine needs to carry on: who is signed in and which phones are where.

A reader of the journal, named ``state``, keeps it: in memory, or in Redis under
``offhook:{domain}:...`` (the braces are Redis Cluster's: all keys of a domain in one place). An
engine whose journal is empty takes it over; one with a journal of its own knows better. One
engine at a time writes for a domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from engine.journal import Entry, Pace
from queues.events import AgentPresence
from router.events import PhoneGone, PhoneRegistered

READER = "state"
PACE = Pace(batch=1024, linger_s=0.2)


class Kept(NamedTuple):
    """A fact that still matters, and its time."""

    at: float
    event: AgentPresence | PhoneRegistered


class Change(NamedTuple):
    """Put ``kept`` (None: remove) at ``name`` of a table: ``presence`` or ``phones``."""

    table: str
    name: str
    kept: Kept | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``presence`` by agent, ``phones`` by user and contact."""

    presence: dict[str, Kept] = field(default_factory=dict)
    phones: dict[str, Kept] = field(default_factory=dict)

    def in_order(self) -> Iterator[Kept]:
        """All facts, oldest first."""
        yield from sorted((*self.presence.values(), *self.phones.values()), key=_at)


class StateStore(Protocol):
    """Where the state is kept. Fed by one reader; ``load`` may raise while it is away."""

    async def position(self) -> int:
        """The number of the last entry that it has; 0 for none."""

    async def apply(self, entries: Sequence[Entry]) -> None:
        """Take entries over, all or none; those that it has are passed over."""

    async def load(self) -> Snapshot: ...

    async def close(self) -> None: ...


def changes(entries: Iterable[Entry]) -> list[Change]:
    """What these entries come to: the last change of each name.

    An agent who is being offered a call is kept as what came before: the offer ends with the
    engine that made it.
    """
    found: dict[tuple[str, str], Change] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, AgentPresence):
            if event.presence == "offered":
                continue
            gone = event.presence == "signed-out"
            change = Change("presence", event.agent, None if gone else Kept(entry.at, event))
        elif isinstance(event, PhoneRegistered):
            change = Change("phones", f"{event.user} {event.uri}", Kept(entry.at, event))
        elif isinstance(event, PhoneGone):
            change = Change("phones", f"{event.user} {event.uri}", None)
        else:
            continue
        found[change.table, change.name] = change
    return list(found.values())


class MemoryState:
    """The default: of this process, made from the log again at each start."""

    def __init__(self) -> None:
        self._position = 0
        self._tables = Snapshot()

    async def position(self) -> int:
        return self._position

    async def apply(self, entries: Sequence[Entry]) -> None:
        fresh = [entry for entry in entries if entry.seq > self._position]
        for change in changes(fresh):
            table: dict[str, Kept] = getattr(self._tables, change.table)
            if change.kept is None:
                table.pop(change.name, None)
            else:
                table[change.name] = change.kept
        if fresh:
            self._position = fresh[-1].seq

    async def load(self) -> Snapshot:
        return Snapshot(dict(self._tables.presence), dict(self._tables.phones))

    async def close(self) -> None:
        return None


def open_state(address: str, domain: str, password: str) -> StateStore:
    """``memory`` or ``redis://host:port/db`` (``rediss://`` with TLS). Nothing is connected yet."""
    if address == "memory":
        return MemoryState()
    from engine.state_redis import RedisState  # some MB that only who uses it pays for

    return RedisState(address, domain, password)


def _at(kept: Kept) -> float:
    return kept.at
