"""A test's people on the wire: callers of the trunk, agents at phones, and what a talk leaves.

The callers are our own SIP core at the far end (main.demo.softphone); the agents' phones are
other people's (tests/wire/phones).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from engine.journal_file import Cursor
from engine.registry import product_registry
from main.demo.rtp_line import tone
from main.demo.softphone import Softphone
from recordings import measure
from tests.wire.phones import sound
from tests.wire.phones.base import Phone
from tests.wire.system import TRUNK, System, eventually

CALLER_HZ, AGENT_HZ, OTHER_HZ = 440.0, 660.0, 880.0
EDGE_S = 0.4  # of a talk's beginning and end: how it begins and ends is judged elsewhere
QUEUE, SECOND_QUEUE, MENU = "200", "300", "100"  # numbers that lead there

_HEAD = """\
data_dir: .
sip:
  domain: offhook.test
  listen:
    - {transport: udp, host: 127.0.0.1, port: 0}
    - {transport: tcp, host: 127.0.0.1, port: 0}
media:
  host: 127.0.0.1
  timeout_s: 3
trunks:
  - {name: trunk, addresses: [127.0.0.2], codecs: [PCMU, PCMA]}
numbers:
  - {number: '200', queue: support}
  - {number: '300', queue: second}
  - {number: '*', flow: main}
queues:
  - {name: support, ring_timeout_s: 4, wrap_up_s: 0.2, announce_interval_s: 30}
  - {name: second, ring_timeout_s: 4, wrap_up_s: 0.2, announce_interval_s: 30}
api:
  host: 127.0.0.1
  port: 0
"""

Kind = TypeVar("Kind", bound=Phone)


def configuration(more: str = "", agents: int = 16) -> str:
    """Agents ``a101``, ``a102``, ... with the extensions 101, 102, ...: each test has its own.
    The last two serve the queue ``second``, the others ``support``."""
    lines = []
    for extension in range(101, 101 + agents):
        queue = "second" if extension > 98 + agents else "support"
        lines.append(
            f'  - {{id: a{extension}, name: A{extension}, extension: "{extension}",'
            f" queues: {{{queue}: 1}}}}\n"
        )
    return _HEAD + "agents:\n" + "".join(lines) + more


@dataclass(frozen=True)
class Left:
    """What a call left behind."""

    ticket: dict[str, Any]
    record: dict[str, Any]
    wav: measure.Wav
    facts: list[tuple[float, object]]  # (unix time, event)

    def fact(self, kind: type[Any], nth: int = 0) -> Any:
        found = [event for _, event in self.facts if isinstance(event, kind)]
        assert len(found) > nth, f"no {kind.__name__} number {nth} in {self.facts}"
        return found[nth]

    def times(self, kind: type[Any]) -> list[float]:
        return [at for at, event in self.facts if isinstance(event, kind)]


class Room:
    """The people of one test; all leave at its end."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.folder = folder
        self._phones: list[Phone] = []
        self._callers: list[Softphone] = []
        self._signed_in: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for caller in self._callers:
            if caller.leg and not caller.over.is_set():
                caller.hang_up()
        for extension in list(self._signed_in):
            await self.presence(extension, "signed-out")
        for phone in self._phones:
            await phone.close()
        for caller in self._callers:
            caller.vanish()

    # --- agents --------------------------------------------------------------------------------

    async def phone(
        self, kind: type[Kind], extension: str, speaks: float | Path, **options: Any
    ) -> Kind:
        """A registered phone of that kind; ``speaks``: a tone in Hz, or a WAV."""
        folder = self.folder / f"{kind.__name__.lower()}-{extension}"
        folder.mkdir(parents=True)
        voice = (
            speaks if isinstance(speaks, Path) else sound.write_tone(folder / "tone.wav", speaks)
        )
        server = self.system.sip_tcp if options.get("transport") == "tcp" else self.system.sip
        password = self.system.password(extension) if extension.isdigit() else ""
        phone = kind(folder, extension, password, server, voice, **options)
        self._phones.append(phone)
        await phone.start()
        if password:
            await phone.wait("registered")
        return phone

    async def softphone(
        self, extension: str, hz: float, phone: Softphone | None = None
    ) -> Softphone:
        """One of our own, registered; it answers at once."""
        password = self.system.password(extension)
        phone = phone or Softphone(extension, password, "127.0.0.1", self.system.sip)
        self._callers.append(phone)
        await phone.start()
        await phone.register()
        phone.line.speak(tone(hz))
        return phone

    async def presence(self, extension: str, presence: str) -> None:
        async with self.system.async_client() as client:
            answer = await client.post(
                f"/agents/a{extension}/presence", json={"presence": presence}
            )
            answer.raise_for_status()
        if presence == "signed-out":
            self._signed_in.discard(extension)
        else:
            self._signed_in.add(extension)

    async def sign_in(self, *extensions: str) -> None:
        """In this order: who signed in first has been idle for longest."""
        for extension in extensions:
            await self.presence(extension, "available")

    # --- callers -------------------------------------------------------------------------------

    async def caller(
        self,
        number: str,
        *,
        dials: str = QUEUE,
        hz: float = CALLER_HZ,
        phone: Softphone | None = None,
    ) -> Softphone:
        """A stranger who dialled and was picked up."""
        caller = phone or Softphone(number, "", TRUNK, self.system.sip)
        self._callers.append(caller)
        await caller.start()
        if phone is None:
            caller.line.speak(tone(hz))
        caller.call(dials)
        await asyncio.wait_for(caller.up.wait(), 8)
        return caller

    # --- what is left --------------------------------------------------------------------------

    async def left_by(self, number: str) -> Left:
        """The one ticket of this caller, once its recording is finished."""
        return await asyncio.to_thread(self._left_by, number)

    def _left_by(self, number: str) -> Left:
        (ticket,) = self.system.wait_for_tickets(number, 1)
        record = eventually(
            lambda: next((r for r in self.system.calls(number) if r["recording_sha256"]), None),
            f"the recording of {number}",
        )
        wav = measure.read_wav(self.system.folder / "recordings" / f"{record['recording']}.wav")
        return Left(ticket, record, wav, facts(self.system, record["call"]))


def facts(system: System, call: str) -> list[tuple[float, object]]:
    """What the journal holds of a call."""
    cursor = Cursor(system.folder / "journal", product_registry(), 0)
    try:
        entries = cursor.take(1_000_000, 1 << 62)
    finally:
        cursor.close()
    return [(entry.at, entry.event) for entry in entries if entry.call == call]


def heard_since(caller: Softphone, samples: int) -> Sequence[int]:
    return caller.line.samples()[samples:]


async def until(condition: Any, what: str, seconds: float = 5.0) -> None:
    """Wait for something that has no event of its own."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)
