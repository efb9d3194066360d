"""The engine's edges, played: time, disk, SIP endpoint, media workers, prompts, lookups."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from engine.journal import Entry
from ivr.actions import Lookup, LookupDone, LookupFailed, Prompt
from router.media import protocol as media
from router.sip import effects as sip
from router.sip.message import Uri
from router.sip.registrar import Contact
from router.sip.target import Target, flow_of

START = 1_795_262_400.0  # 2026-11-21 12:00 UTC
CALLER = "+37120000001"


class HandClock:
    """Time that stands until it is moved."""

    def __init__(self, at: float = START) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


@dataclass(slots=True)
class Alarm:
    """What FakeLoop.call_later gives."""

    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """The timers of an event loop, on a HandClock."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.alarms: list[tuple[float, int, Alarm]] = []
        self._count = 0

    def call_later(self, delay: float, call: Callable[[], None]) -> Alarm:
        self._count += 1
        alarm = Alarm(call)
        heapq.heappush(self.alarms, (self.clock.at + delay, self._count, alarm))
        return alarm

    def pass_time(self, seconds: float) -> None:
        until = self.clock.at + seconds
        while self.alarms and self.alarms[0][0] <= until:
            at, _, alarm = heapq.heappop(self.alarms)
            self.clock.at = max(self.clock.at, at)
            if not alarm.cancelled:
                alarm.call()
        self.clock.at = until


class FakeJournal:
    """A disk that is quick, or (``slow``) takes what is appended when ``sync`` says so."""

    generation = 1

    def __init__(self, kept: Sequence[Entry] = ()) -> None:
        self.entries = list(kept)
        self.durable_seq = len(self.entries)
        self.slow = False
        self.full = False
        self.held: dict[str, int] = {}
        self.recovered = SimpleNamespace(held=0)
        self.flushes = 0
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._live: list[Callable[[Entry], None]] = []
        self._states: dict[object, Callable[[], object]] = {}

    @property
    def last_seq(self) -> int:
        return len(self.entries)

    @property
    def group_seq(self) -> int:
        if not self.slow:
            self.sync()
        return self.last_seq + 1 if self._states else self.last_seq

    def keep(self, name: object, write: Callable[[], object]) -> None:
        self._states[name] = write

    def end_group(self) -> None:
        """Write down the states that are to be kept."""
        states, self._states = self._states, {}
        for write in states.values():
            write()

    def append(self, call: str, event: object, at: float) -> Entry:
        entry = Entry(len(self.entries) + 1, at, call, event)
        self.entries.append(entry)
        if not self.slow:
            self.sync(self.last_seq)
        return entry

    def sync(self, up_to: int | None = None) -> None:
        """Everything (or everything up to a number) is durable now."""
        if up_to is None and self._states:
            self.end_group()
        fresh = self.entries[self.durable_seq : up_to]
        self.durable_seq += len(fresh)
        while self._waiting and self._waiting[0][0] <= self.durable_seq:
            heapq.heappop(self._waiting)[2]()
        for entry in fresh:
            for told in self._live:
                told(entry)

    def when_durable(
        self, seq: int, callback: Callable[[], None], *, urgent: bool = True, ahead: bool = False
    ) -> None:
        assert seq <= self.group_seq, "nothing was appended under this number yet"
        if seq <= self.durable_seq:
            callback()
        else:
            heapq.heappush(self._waiting, (seq, len(self._waiting), callback))

    async def flush(self, *, urgent: bool = True) -> None:
        self.flushes += 1
        self.sync()

    def live(self, callback: Callable[[Entry], None]) -> None:
        self._live.append(callback)

    def hold(self, name: str, after: int) -> None:
        self.held[name] = after

    def read(self, after: int = 0) -> Iterator[Entry]:
        return iter(self.entries[after : self.durable_seq])

    def facts(self, kind: type | None = None) -> list[Any]:
        """The events so far, all or of one type."""
        self.end_group()
        return [e.event for e in self.entries if kind is None or isinstance(e.event, kind)]

    def names(self, call: str | None = None) -> list[str]:
        return [type(e.event).__name__ for e in self.entries if call in (None, e.call)]


class FakePhone:
    """The SIP side: keeps what it is asked to do, in ``said``."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.phones: dict[str, list[Contact]] = {}
        self.on: dict[type, Callable[[Any], None]] = {}
        self.known: set[str] = set()
        self.is_busy: Callable[[], bool] = lambda: False
        self.on_turned_away: Callable[[], object] = lambda: None

    def event(self, event: object) -> None:
        """Give an event of the SIP core to its taker."""
        if isinstance(event, sip.Invited):
            self.known.add(event.leg)
        elif isinstance(event, sip.Ended | sip.Refused):
            self.known.discard(event.leg)
        self.on[type(event)](event)

    def legs(self) -> set[str]:
        return set(self.known)

    def register_phone(self, user: str, uri: str = "", host: str = "192.0.2.50") -> str:
        uri = uri or f"sip:{user}@{host}:5060"
        flow = sip.Flow("udp", host, 5060)
        contact = Contact(user, uri, flow, START + 3600, 1.0, "c", 1)
        self.phones.setdefault(user, []).append(contact)
        self.tell_registered(user)
        return uri

    def tell_registered(self, user: str) -> None:
        if sip.RegistrationChanged in self.on:
            self.event(sip.RegistrationChanged(user, len(self.phones.get(user, ()))))

    def contacts(self, user: str) -> list[Contact]:
        return list(self.phones.get(user, ()))

    def target_of(self, uri: str) -> Target:
        return Target(uri, flow_of(Uri.parse(uri)))

    def verbs(self, leg: str | None = None) -> list[str]:
        return [said[0] for said in self.said if leg is None or said[1] == leg]

    def answer(self, leg: str, body: bytes) -> None:
        self.said.append(("answer", leg, body))

    def reject(self, leg: str, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.known.discard(leg)
        self.said.append(("reject", leg, status, headers))

    def turn_down(self, leg: str, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        self.known.discard(leg)
        self.said.append(("turn_down", leg, status, headers))

    def invite(self, leg: str, target: Target, body: bytes, **more: Any) -> None:
        self.known.add(leg)
        self.said.append(("invite", leg, target, body, more))

    def hang_up(self, leg: str, status: int, reason: str) -> None:
        self.known.discard(leg)
        self.said.append(("hang_up", leg, status, reason))

    def change(self, leg: str, body: bytes) -> None:
        self.said.append(("change", leg, body))

    def accept_change(self, leg: str, body: bytes) -> None:
        self.said.append(("accept_change", leg, body))

    def reject_change(self, leg: str, status: int) -> None:
        self.said.append(("reject_change", leg, status))

    def transfer_done(self, leg: str, status: int) -> None:
        self.said.append(("transfer_done", leg, status))


class FakeWorkers:
    """One media worker: opens whatever it is asked to; with ``held`` answers wait for release."""

    def __init__(self) -> None:
        self.commands: list[media.Command] = []
        self.worker: Any = SimpleNamespace(  # what stands for the connection
            name="w0", connected=True, send=self.commands.append
        )
        self.there = True
        self.known = True  # it was there once and will be back
        self.held = False
        self.refuses = ""
        self.left: list[str] = []
        self.recording: set[str] = set()
        self.figures = media.LegFigures(received=100, sent=90, lost=1, jitter_ms=1.234)
        self._musics: dict[str, str] = {}
        self._ports = 20_000
        self._waiting: list[tuple[media.Command, Callable[[media.Answer], None]]] = []

    def home(self, call: str) -> Any:
        return self.worker if self.there else None

    def leave(self, call: str) -> None:
        self.left.append(call)

    def home_of(self, call: str) -> str:
        return "w0" if self.known else ""

    def adopt(self, call: str, worker: str, music: str) -> None:
        self._musics[call] = music

    def music(self, call: str) -> tuple[str, ...]:
        return (self._musics.get(call, "music.ulaw"),)

    def set_music(self, call: str, path: str) -> None:
        self._musics[call] = path

    def send(self, worker: Any, command: media.Command) -> None:
        assert worker == self.worker
        self.commands.append(command)

    def ask(
        self, worker: Any, command: media.Command, then: Callable[[media.Answer], None]
    ) -> None:
        if worker is not self.worker:
            then(media.Refused("not connected"))
            return
        self.send(worker, command)
        self._waiting.append((command, then))
        if not self.held:
            self.release()

    def release(self) -> None:
        """Answer what was asked."""
        waiting, self._waiting = self._waiting, []
        for command, then in waiting:
            then(self._answer(command))

    def _answer(self, command: media.Command) -> media.Answer:
        if self.refuses:
            return media.Refused(self.refuses)
        if isinstance(command, media.Open):
            self._ports += 2
            return media.Opened(command.session, command.port or self._ports)
        if isinstance(command, media.Record):
            return media.Done()
        assert isinstance(command, media.Close)
        return media.Closed(command.session, self.figures)

    def of(self, kind: type) -> list[Any]:
        return [command for command in self.commands if isinstance(command, kind)]


class FakePrompts:
    """Prompts by their name; those in ``slow`` are there only after ``render``."""

    def __init__(self) -> None:
        self.slow: set[object] = set()
        self.missing: set[object] = set()
        self.asked: list[tuple[Prompt, ...]] = []
        self._rendered = asyncio.Event()

    def at_once(self, prompts: Sequence[Prompt]) -> tuple[str, ...] | None:
        self.asked.append(tuple(prompts))
        if any(prompt in self.slow for prompt in prompts):
            return None
        return tuple(map(file_of, prompts))

    async def files(self, prompts: Sequence[Prompt]) -> tuple[str, ...]:
        await self._rendered.wait()
        return tuple(file_of(prompt) for prompt in prompts if prompt not in self.missing)

    async def render(self) -> None:
        """Everything that was asked for is ready and was taken."""
        self._rendered.set()
        await turns_of_the_loop()


def file_of(prompt: Prompt) -> str:
    """The file that FakePrompts gives for a prompt."""
    name = getattr(prompt, "name", None) or getattr(prompt, "text", None) or prompt.file  # type: ignore[union-attr]
    return f"{name}.ulaw"


@dataclass(slots=True)
class FakeLookups:
    """HTTP lookups that answer when the test says so, in order."""

    asked: list[Lookup] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)  # futures
    closed: bool = False

    async def look_up(self, lookup: Lookup) -> LookupDone | LookupFailed:
        future: asyncio.Future[LookupDone | LookupFailed] = asyncio.Future()
        self.asked.append(lookup)
        self.answers.append(future)
        return await future

    async def close(self) -> None:
        self.closed = True


async def turns_of_the_loop(times: int = 5) -> None:
    """Let tasks that wait for nothing any more run."""
    for _ in range(times):
        await asyncio.sleep(0)
