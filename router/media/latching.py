"""Symmetric RTP: whose packets a session hears (RFC 4961), and that nobody takes them over.

The hosts that may win are those of the session description and of the signalling; a source
address wins with three valid packets of one SSRC. From then on it alone is heard, until the
session description names another address.
"""

from __future__ import annotations

from collections.abc import Iterable

Address = tuple[str, int]

LOCK_AFTER = 3
RELOCK_AFTER = 50  # the former winner may win again, but anybody new goes first
CANDIDATES_MAX = 8

STRANGER, HELD, LOCKED, HEARD = range(4)


class Latch:
    """The state of one session's latch. At the limit of candidates the oldest is forgotten."""

    __slots__ = ("_candidates", "former", "hosts", "winner")

    def __init__(self) -> None:
        self.winner: Address | None = None
        self.former: Address | None = None
        self.hosts: frozenset[str] = frozenset()
        self._candidates: dict[tuple[Address, int], int] = {}

    def allow(self, hosts: Iterable[str]) -> None:
        """Name the hosts that may win; a winner stays."""
        self.hosts = frozenset(hosts)
        self._candidates = {
            key: count for key, count in self._candidates.items() if key[0][0] in self.hosts
        }

    def reopen(self) -> None:
        """Somebody else may win; the winner so far is heard until then."""
        self.former = self.winner or self.former
        self.winner = None
        self._candidates.clear()

    def take(self, source: Address, ssrc: int) -> int:
        """Judge one valid packet: STRANGER (drop it), HELD (a candidate's: keep it until its
        source wins), LOCKED (its source has won just now), HEARD (take it)."""
        if self.winner is not None:
            return HEARD if source == self.winner else STRANGER
        if source[0] not in self.hosts:
            return HEARD if source == self.former else STRANGER
        key = (source, ssrc)
        count = self._candidates.pop(key, 0) + 1
        former = source == self.former
        if count >= (RELOCK_AFTER if former else LOCK_AFTER):
            self.winner = source
            self.former = None
            self._candidates.clear()
            return LOCKED
        self._candidates[key] = count
        if len(self._candidates) > CANDIDATES_MAX:
            del self._candidates[next(iter(self._candidates))]
        return HEARD if former else HELD
