"""A test's people on the wire: callers of the trunk, agents at phones, and what a talk leaves.

The callers are our own SIP core at the far end (main.demo.softphone); the agents' phones are
other people's (tests/wire/phones).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

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
GROUPS = range(10, 26)
SECOND = "901"  # the agent of the queues ``second``, which 300 leads to, and ``support``

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
api:
  host: 127.0.0.1
  port: 0
"""
_QUEUE = "ring_timeout_s: 3, wrap_up_s: 0.2, announce_interval_s: 30"

Kind = TypeVar("Kind", bound=Phone)


def configuration(more: str = "") -> str:
    """Groups of three agents, each with a queue and a number, so that scenes do not meet: group
    10 is the agents a101, a102 and a103 of queue g10, which the number 710 leads to."""
    numbers = ["{number: '300', queue: second}", "{number: '*', flow: main}"]
    queues = [f"{{name: {name}, {_QUEUE}}}" for name in ("support", "second")]
    agents = [
        f'{{id: a{SECOND}, name: Second, extension: "{SECOND}", queues: {{second: 1, support: 1}}}}'
    ]
    for group in GROUPS:
        numbers.append(f"{{number: '7{group}', queue: g{group}}}")
        queues.append(f"{{name: g{group}, {_QUEUE}}}")
        agents += [
            f'{{id: a{extension}, name: A{extension}, extension: "{extension}",'
            f" queues: {{g{group}: 1}}}}"
            for extension in range(group * 10 + 1, group * 10 + 4)
        ]
    lists = {"numbers": numbers, "queues": queues, "agents": agents}
    parts = [f"{name}:\n" + "".join(f"  - {it}\n" for it in its) for name, its in lists.items()]
    return _HEAD + "".join(parts) + more


async def together(*scenes: Coroutine[Any, Any, None]) -> None:
    """All scenes at once; each failure is shown, none ends another."""
    results = await asyncio.gather(*scenes, return_exceptions=True)
    failures = [result for result in results if isinstance(result, Exception)]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ExceptionGroup("scenes", failures)


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
    """The people of one scene, which has a group to itself; all leave at its end."""

    def __init__(self, system: System, folder: Path, group: int) -> None:
        self.system = system
        self.folder = folder / f"group-{group}"
        self.agents = tuple(str(group * 10 + n) for n in (1, 2, 3))
        self.queue = f"7{group}"
        self.stranger = f"+3712{group}0001"
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

    def client(self) -> httpx.AsyncClient:
        """The API. Loading certificates would stop this loop, and its media, for 50 ms."""
        headers = {"Authorization": f"Bearer {self.system.token}"}
        return httpx.AsyncClient(
            base_url=self.system.url, headers=headers, verify=False, trust_env=False, timeout=10
        )

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
        tcp = options.get("transport") == "tcp"
        server = options.pop("server", self.system.sip_tcp if tcp else self.system.sip)
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
        async with self.client() as client:
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
        number: str = "",
        *,
        dials: str = "",
        hz: float = CALLER_HZ,
        phone: Softphone | None = None,
    ) -> Softphone:
        """A stranger who dialled the group's queue and was picked up."""
        caller = phone or Softphone(number or self.stranger, "", TRUNK, self.system.sip)
        self._callers.append(caller)
        await caller.start()
        if phone is None:
            caller.line.speak(tone(hz))
        caller.call(dials or self.queue)
        await asyncio.wait_for(caller.up.wait(), 8)
        return caller

    def with_us(self, phone: Softphone) -> None:
        """A phone of ours that leaves with the scene."""
        self._callers.append(phone)

    # --- what is left --------------------------------------------------------------------------

    async def left_by(self, number: str = "") -> Left:
        """The one ticket of this caller, once its recording is finished."""
        number = number or self.stranger
        ticket, record = await asyncio.to_thread(self._rows, number)
        return await sound.aside(_read, self.system.folder, ticket, record)

    def _rows(self, number: str) -> tuple[dict[str, Any], dict[str, Any]]:
        (ticket,) = self.system.wait_for_tickets(number, 1)
        record = eventually(
            lambda: next((r for r in self.system.calls(number) if r["recording_sha256"]), None),
            f"the recording of {number}",
        )
        return ticket, record


def _read(folder: Path, ticket: dict[str, Any], record: dict[str, Any]) -> Left:
    """The recording, and what the journal holds of the call."""
    wav = measure.read_wav(folder / "recordings" / f"{record['recording']}.wav")
    cursor = Cursor(folder / "journal", product_registry(), 0)
    try:
        entries = cursor.take(1_000_000, 1 << 62)
    finally:
        cursor.close()
    facts = [(entry.at, entry.event) for entry in entries if entry.call == record["call"]]
    return Left(ticket, record, wav, facts)
