"""Engines that die and others that go on, for tests: what is kept crosses as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
import pytest

from config.errors import MisuseError
from router.sip.directory import SettingsDirectory
from router.sip.effects import CloseStream, Effect, Event, Send
from router.sip.endpoint import Endpoint
from router.sip.kept import KeptLeg
from router.sip.target import Credentials
from router.sip.transaction_state import is_idle
from tests.router.sip.world import Peer, secrets, settings

_DECODER = msgspec.msgpack.Decoder(KeptLeg)


def through_bytes(kept: KeptLeg) -> KeptLeg:
    """As a journal would give it back."""
    return _DECODER.decode(msgspec.msgpack.encode(kept))


class Tokens:
    """A source of tokens whose copy goes on where it stands."""

    def __init__(self, name: str, start: int = 1) -> None:
        self.name = name
        self.numbers = count(start)
        self.next = start

    def __call__(self) -> str:
        self.next = next(self.numbers) + 1
        return f"{self.name}{self.next - 1}x"

    def copy(self) -> Tokens:
        return Tokens(self.name, self.next)


def made(tokens: Tokens, host: str, **sip: object) -> Endpoint:
    """An endpoint of the node at ``host``, as ``world.endpoint`` makes it."""
    given = settings(**sip)
    return Endpoint(
        given.sip,
        SettingsDirectory(given, secrets()),
        token=tokens,
        nonce_secret=b"0123456789abcdef",
        local_host=lambda flow: (host, 5060),
    )


def alike(kept: KeptLeg | None) -> object:
    """What is left of a leg without its timers, and without transactions that only wait: two
    that are alike mean the same to who goes on."""
    if kept is None:
        return None
    calls = [call for call in kept.calls if not call.settled]
    busy = [
        (tx.id, tx.flow, tx.ack, tx.rfc2543)
        for tx in kept.transactions
        if not is_idle(tx.kind, tx.state)
    ]
    if kept.state == "ended" and not calls:
        return kept.id, busy
    unacked, reliable = kept.unacked, kept.reliable
    dialogs = [dialog._replace(hop=None) for dialog in kept.dialogs]
    plain = kept._replace(
        alarms=(),
        received=b"" if kept.invite else kept.received,
        unacked=unacked and unacked._replace(interval_s=0.0, give_up_at=0.0),
        reliable=reliable and reliable._replace(interval_s=0.0, give_up_at=0.0),
        dialogs=(),
        forks=(),
        calls=(),
        transactions=(),
    )
    forks = [(tag, dialogs[number]) for tag, number in kept.forks]
    pending = [(call._replace(dialog=0), dialogs[call.dialog]) for call in calls]
    return plain, dialogs[:1], forks, pending, busy


class Journal:
    """The last record of each leg, written after each step in which it changed. Checks that
    nothing that matters changes unsaid."""

    def __init__(self) -> None:
        self.records: dict[str, KeptLeg] = {}
        self.written = 0

    def write(self, endpoint: Endpoint) -> None:
        changed = endpoint.take_changed()
        for leg in changed:
            kept = endpoint.keep(leg)
            self.written += 1
            if kept is None:
                self.records.pop(leg, None)
            else:
                self.records[leg] = through_bytes(kept)
        for leg, kept in self.records.items():
            if leg not in changed:
                now = endpoint.keep(leg)
                assert alike(now) == alike(kept)

    def read(self, endpoint: Endpoint, now: float, **words: Any) -> list[Effect | Event]:
        for kept in list(self.records.values()):
            endpoint.adopt(kept, now, **words)
        return endpoint.tick(now)


def taken_over(
    peer: Peer,
    *,
    credentials: Credentials | None = None,
    streams: Mapping[int, int] | None = None,
    cseq_skip: int = 1000,
    now: float | None = None,
    **sip: object,
) -> Endpoint:
    """The peer's endpoint dies; another has its legs and talks to the peer from now on."""
    old = peer.endpoint
    legs = [kept for leg in _known(old) if (kept := old.keep(leg)) is not None]
    new = made(Tokens("new"), "198.51.100.1", **sip)
    peer.endpoint = new
    peer.now = peer.now if now is None else now
    for kept in legs:
        new.adopt(
            through_bytes(kept),
            peer.now,
            credentials=credentials,
            streams=streams,
            cseq_skip=cseq_skip,
        )
    return new


def _known(endpoint: Endpoint) -> list[str]:
    core = endpoint._core
    return list({**dict.fromkeys(core.legs), **dict.fromkeys(core.ledger._owned)})


class Twins:
    """An endpoint, and from ``part`` on a second one that adopted all its legs and is told the
    same: both must do the same. Stands where an endpoint stands."""

    def __init__(self, name: str, host: str) -> None:
        self._host = host
        self._tokens = Tokens(name)
        self.first = made(self._tokens, host)
        self.second: Endpoint | None = None

    def part(self, now: float, credentials: Credentials | None = None) -> None:
        self.second = made(self._tokens.copy(), self._host)
        for leg in _known(self.first):
            kept = self.first.keep(leg)
            if kept is not None:
                streams = {number: number for number in range(1, 100)}
                self.second.adopt(
                    through_bytes(kept),
                    now,
                    credentials=credentials,
                    cseq_skip=0,
                    streams=streams,
                )
                assert alike(self.second.keep(leg)) == alike(through_bytes(kept))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.first, name)
        if not callable(value) or self.second is None:
            return value
        other = getattr(self.second, name)

        def both(*words: Any, **named: Any) -> Any:
            try:
                one = value(*words, **named)
            except MisuseError:
                with pytest.raises(MisuseError):
                    other(*words, **named)
                raise
            two = other(*words, **named)
            if name not in ("figures", "target_of"):
                assert _sorted(one) == _sorted(two), f"{name} {words}"
            return one

        return both


def _sorted(output: list[Effect | Event]) -> list[str]:
    """Timers of the same moment may go off in any order. A 481 is of no leg: it is not kept, and
    a new one is as good as the old one once more."""
    sends = sorted(
        str(item)
        for item in output
        if isinstance(item, Send | CloseStream)
        and not (isinstance(item, Send) and item.data.startswith(b"SIP/2.0 481"))
    )
    return sends + [str(item) for item in output if not isinstance(item, Send | CloseStream)]
