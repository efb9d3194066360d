"""Scenes of the floor on the wire: groups whose queues differ, and phones outside that are dialled.

A phone outside is there before the system is: its address stands in the configuration as a
trunk that brings calls and leads out.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.journal_file import Cursor
from engine.registry import product_registry
from main.demo.rtp_line import tone
from main.demo.softphone import Softphone
from router.sip import effects as sip
from router.sip.directory import DirectoryUser
from tests.wire.phones import sound
from tests.wire.phones.base import Phone
from tests.wire.system import System
from tests.wire.talks import CALLER_HZ, Room

SETTLE_S = 0.4  # from answer to a steady tone
TALK_S = 1.2
QUEUE: Mapping[str, str] = {
    "ring_timeout_s": "4",
    "wrap_up_s": "0",
    "announce_interval_s": "30",
    "resume_s": "0",
}

_HEAD = """\
data_dir: .
sip:
  domain: offhook.test
  listen:
    - {transport: udp, host: 127.0.0.1, port: 0}
    - {transport: tcp, host: 127.0.0.1, port: 0}
media:
  host: 127.0.0.1
  timeout_s: 5
api:
  host: 127.0.0.1
  port: 0
"""


class _Server:
    """What a phone outside knows: calls come from its provider only."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server

    def trunk_at(self, host: str, port: int) -> str | None:
        return "server" if (host, port) == self._server else None

    def user(self, name: str) -> DirectoryUser | None:
        return None


class Outside(Softphone):
    """A phone behind a trunk of its own. It rings until ``answer`` or ``refuse``."""

    def __init__(self, number: str, host: str) -> None:
        super().__init__(number, "", host, ("127.0.0.1", 0))
        self.rings = asyncio.Event()
        self.rung: list[str] = []  # what was dialled, one for each INVITE
        self.on_ring = lambda leg: self.rings.set()

    def meet(self, server: tuple[str, int], hz: float = CALLER_HZ) -> None:
        """The system runs at ``server``: from now on this phone can call and be called."""
        self.server = server
        self._endpoint.use_directory(_Server(server))
        self.line.speak(tone(hz))

    def _happened(self, event: sip.Effect | sip.Event) -> None:
        if isinstance(event, sip.Invited):
            self.rung.append(event.dialled)
        super()._happened(event)

    async def wait_for_ring(self, seconds: float = 5.0) -> None:
        await asyncio.wait_for(self.rings.wait(), seconds)
        self.rings.clear()

    def refuse(self, status: int = 486) -> None:
        self._take(self._endpoint.reject(self.leg, status, time.time()))
        self.over.set()


class Redirecting(Softphone):
    """An agent's phone that sends every call on to ``contact`` (302)."""

    def __init__(self, user: str, password: str, server: tuple[str, int], contact: str) -> None:
        super().__init__(user, password, "127.0.0.1", server)
        self.asked = 0
        self._contact = contact
        self.on_ring = self._redirect

    def _redirect(self, leg: str) -> None:
        self.asked += 1
        headers = (("Contact", f"<{self._contact}>"),)
        self._take(self._endpoint.reject(leg, 302, time.time(), headers=headers))
        self.over.set()


def floor_configuration(
    queues: Mapping[int, Mapping[str, str]],
    agents: Mapping[str, Mapping[str, str]] | None = None,
    outside: Sequence[Outside] = (),
) -> str:
    """Group 10 is queue g10 with these settings, number 710, agents a101, a102 and a103 (settings
    by extension). The first phone outside is where numbers lead that no other trunk takes."""
    trunks = ["{name: trunk, addresses: [127.0.0.2]}"]
    for n, phone in enumerate(outside):
        way = f"addresses: [{phone.host}], outbound: 'sip:{phone.host}:{phone.port}'"
        trunks.append(f"{{name: outside{n}, {way}}}")
    numbers, rows, people = [], [], []
    for group, settings in queues.items():
        numbers.append(f"{{number: '7{group}', queue: g{group}}}")
        rows.append(_flow({"name": f"g{group}", **QUEUE, **settings}))
        for extension in (str(group * 10 + n) for n in (1, 2, 3)):
            person = {
                "id": f"a{extension}",
                "name": f"A{extension}",
                "extension": f"'{extension}'",
                "queues": f"{{g{group}: 1}}",
            }
            people.append(_flow(person | dict((agents or {}).get(extension, {}))))
    lists = {"trunks": trunks, "numbers": numbers, "queues": rows, "agents": people}
    parts = [f"{name}:\n" + "".join(f"  - {it}\n" for it in its) for name, its in lists.items()]
    return _HEAD + "".join(parts)


def _flow(mapping: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in mapping.items()) + "}"


# --- what is done and heard ----------------------------------------------------------------------


async def hears(phone: Softphone, hz: float, who: str) -> None:
    """From now on, a steady tone for a while."""
    await asyncio.sleep(SETTLE_S)
    before = len(phone.line.heard)
    await asyncio.sleep(TALK_S)
    await sound.hold_tone(phone.line.samples()[before:], hz, where=f"{phone.user}, with {who}")


async def heard_last(phone: Phone, hz: float) -> None:
    """After the talk: what its earpiece gave at the end."""
    last = phone.heard()[-round(TALK_S * sound.RATE) : -800]
    await sound.hold_tone(last, hz, where=f"the ear of {phone.user}")


async def answers(phone: Phone, seconds: float = 5.0) -> None:
    await phone.wait("ringing", seconds)
    await phone.answer()
    await phone.wait("up")


async def presence(room: Room, extension: str) -> str:
    async with room.client() as client:
        return str((await client.get(f"/agents/a{extension}")).json()["presence"])


async def call_of(room: Room, number: str) -> str:
    """The id of the call in progress of this caller."""
    async with room.client() as client:
        items = (await client.get("/calls", params={"limit": 500})).json()["items"]
    (call,) = [item["id"] for item in items if item["caller"] == number]
    return str(call)


async def asked(room: Room, method: str, path: str, body: Any = None) -> Any:
    """The JSON of an answer of the API; AssertionError where it is an error."""
    async with room.client() as client:
        answer = await client.request(method, path, json=body)
    assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def comments(system: System, call: str) -> list[str]:
    """The comments on a call's ticket, oldest first."""
    statement = "SELECT text FROM ticket_comments WHERE call = ? ORDER BY seq"
    return [str(row["text"]) for row in system.rows(statement, call)]


def facts_of(system: System, call: str) -> list[object]:
    """What the journal holds of a call, in order."""
    cursor = Cursor(system.folder / "journal", product_registry(), 0)
    try:
        return [entry.event for entry in cursor.take(1_000_000, 1 << 62) if entry.call == call]
    finally:
        cursor.close()


def replays_alike(system: System) -> None:
    """``offhook replay`` beside the running system: its log gives the same decisions again."""
    command = [sys.executable, "-m", "main", "replay", "--json", "-c", str(system.config)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    assert found["decisions"] > 0, found
    assert found["differences"] in (0, []), found
