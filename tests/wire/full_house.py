"""A hundred callers who wait and twenty who talk, all of them other people's phones.

Callers and twelve of the agents are SIPp's; those who talk send RTP (``rtp_stream``), those who
only wait hear at a ``Sink``. Four agents have a baresip, four a PJSIP. Some calls end and others
come all the time; what happens when is drawn from a seed or by SIPp.
"""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from main.demo.rtp_line import tone
from tests.wire.music_sink import Sink
from tests.wire.phones import sound
from tests.wire.phones.baresip import Baresip
from tests.wire.phones.base import Phone, PhoneError
from tests.wire.phones.pjsip import Pjsip
from tests.wire.raw_sip import Peer
from tests.wire.sipp import SCENARIOS, Outcome, Sipp
from tests.wire.system import TRUNK, System, eventually

CALLER_HZ, AGENT_HZ = 440.0, 660.0
DESKS = tuple(str(n) for n in range(101, 121))
BARESIPS, PJSIPS, SIPPS = DESKS[:4], DESKS[4:8], DESKS[8:]
AGENTS_HOST = "127.0.0.6"
STAY, COME_AND_GO, TALK = 80, 20, 20
SIPP_S_MAX = 240.0
RINGS_S, TALKS_S = (0.1, 0.8), (3.0, 12.0)

CONFIG = """\
data_dir: .
sip:
  domain: offhook.test
  listen: [{transport: udp, host: 127.0.0.1, port: 0}]
media: {host: 127.0.0.1, workers: 2}
trunks: [{name: trunk, addresses: [127.0.0.2], codecs: [PCMU]}]
numbers:
  - {number: "100", queue: support}
  - {number: "700", queue: later}
queues:
  - {name: support, ring_timeout_s: 8, wrap_up_s: 0}
  - {name: later}
api: {host: 127.0.0.1, port: 0}
agents:
""" + "".join(
    f'  - {{id: a{desk}, name: A{desk}, extension: "{desk}", queues: {{support: 1}}}}\n'
    for desk in DESKS
)

# What SIPp says of a scenario's own "nothing came yet, go on"; of a busy machine; and of a BYE that
# comes again when its call is long over: the engine died before it wrote down that it was answered.
_HARMLESS = re.compile(
    r"receive timeout on message [^:]*:\d+, jumping to label \d+|^Overload warning: "
    r"|^Dead call \S+ \(successful\), received 'BYE "
)
_SAID = re.compile(r"\d{4}-\d\d-\d\d\t[\d:.]+\t[\d.]+: ")


@dataclass(frozen=True)
class Group:
    """Callers of one scenario. ``up``: how many at a time, with those who are over but still
    answer what comes again; ``rate``: new ones a second."""

    scenario: str
    number: str
    prefix: str
    up: int
    rate: int
    outcomes: frozenset[str]
    calls: int = 100_000


LEFT = frozenset({"missed", "short-abandoned"})
GROUPS = (
    Group("crowd_waits", "700", "+3714", STAY, 20, frozenset({"missed"}), STAY),
    Group("crowd_leaves", "700", "+3715", COME_AND_GO + 10, 10, LEFT),
    Group("crowd_talks", "100", "+3716", 22, 5, frozenset({"answered"})),
    Group("crowd_hangs_up", "100", "+3717", 14, 5, LEFT | {"answered"}),
)


class Desk:
    """An agent with a softphone, who answers, talks for a while and hangs up."""

    def __init__(self, phone: Phone, seed: str) -> None:
        self.phone = phone
        self.answered = 0
        self._rng = random.Random(seed)
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        phone = self.phone
        while True:
            await phone.wait("ringing", SIPP_S_MAX)
            await asyncio.sleep(self._rng.uniform(*RINGS_S))
            if not phone.pending("over"):
                await phone.answer()
            while not (phone.pending("up") or phone.pending("over")):
                await asyncio.sleep(0.05)
            self.answered += phone.pending("up")
            try:
                await phone.wait("over", self._rng.uniform(*TALKS_S))
            except PhoneError:
                await phone.hang_up()
                await phone.wait("over")


class House:
    """All of them, around one system. ``open`` first, ``close`` whatever happened."""

    def __init__(self, system: System, folder: Path, seed: int) -> None:
        self.system = system
        self.sink = Sink(TRUNK)
        self.groups: dict[str, Sipp] = {}
        self.desks: list[Desk] = []
        self._folder = folder
        self._seed = seed
        self._phones: list[Phone] = []
        self._agents: Sipp | None = None

    async def open(self) -> None:
        """Phones register, agents sign in, callers come until the house is full."""
        voice = sound.write_tone(self._folder / "agent.wav", AGENT_HZ)
        for desk in (*BARESIPS, *PJSIPS):
            kind = Baresip if desk in BARESIPS else Pjsip
            folder = self._folder / f"desk-{desk}"
            password = self.system.password(desk)
            phone = kind(folder, desk, password, self.system.sip, voice, codecs=("PCMU",))
            self._phones.append(phone)
        await asyncio.gather(*(phone.start() for phone in self._phones))
        await asyncio.gather(*(phone.wait("registered") for phone in self._phones))
        self.desks = [Desk(phone, f"{self._seed} {phone.user}") for phone in self._phones]
        await asyncio.to_thread(self._sipps)

    def _sipps(self) -> None:
        with Peer(self.system.sip, AGENTS_HOST) as peer:
            for desk in SIPPS:
                challenge = peer.register(desk)
                password = self.system.password(desk)
                assert peer.register(desk, password=password, challenge=challenge).status == 200
            port = peer.port
        self._agents = self._sipp("crowd_agent", AGENTS_HOST, AGENT_HZ, "-p", str(port))
        with self.system.client() as client:
            for desk in DESKS:
                wish = {"presence": "available"}
                client.post(f"/agents/a{desk}/presence", json=wish).raise_for_status()
        for group in GROUPS:
            self.groups[group.scenario] = self._sipp(
                group.scenario,
                TRUNK,
                CALLER_HZ,
                *("-s", group.number, "-r", str(group.rate)),
                *("-l", str(group.up), "-m", str(group.calls)),
                *("-key", "prefix", group.prefix),
                *("-key", "sink_ip", self.sink.host, "-key", "sink_port", str(self.sink.port)),
            )
        eventually(self.is_full, "the house is full", 30)

    def _sipp(self, scenario: str, host: str, hz: float, *more: str) -> Sipp:
        folder = self._folder / scenario
        folder.mkdir()
        (folder / "tone.ulaw").write_bytes(tone(hz))
        server = f"{self.system.sip[0]}:{self.system.sip[1]}"
        command = ["sipp", server, "-sf", str(SCENARIOS / f"{scenario}.xml"), "-t", "u1"]
        command += ["-i", host, "-mi", host, "-nostdin", "-recv_timeout", f"{SIPP_S_MAX:g}s"]
        command += ["-trace_stat", "-stf", "stat.csv", "-fd", "1"]
        command += ["-trace_err", "-error_file", "errors.log"]
        command += ["-trace_msg", "-message_file", "messages.log"]
        return Sipp(folder, [*command, *more], 60)

    # --- what can be seen ----------------------------------------------------------------------

    def waiting(self) -> dict[str, list[str]]:
        """Who waits, the next one first, by queue."""
        with self.system.client() as client:
            items = client.get("/queues").raise_for_status().json()["items"]
        return {item["name"]: [call["call"] for call in item["calls"]] for item in items}

    def presences(self) -> set[str]:
        """Of all agents."""
        with self.system.client() as client:
            agents = client.get("/agents").raise_for_status().json()["items"]
        return {agent["presence"] for agent in agents}

    def talking(self) -> int:
        with self.system.client() as client:
            items = client.get("/calls", params={"limit": 500}).raise_for_status().json()["items"]
        return sum(call["phase"] == "talking" for call in items)

    def is_full(self) -> bool:
        waiting = len(self.waiting()["later"])
        return waiting >= STAY + COME_AND_GO - 8 and self.talking() >= TALK - 4

    # --- the end -------------------------------------------------------------------------------

    def empty(self) -> dict[str, Sipp]:
        """Nobody comes any more; who is left is sent away. Every SIPp, at its end."""
        for name in ("crowd_leaves", "crowd_talks", "crowd_hangs_up"):
            self.groups[name].no_more_calls()
        eventually(lambda: not self.waiting()["support"], "nobody waits for an agent", 30)
        eventually(self._all_sent_away, "everybody is gone", 10, every_s=0.5)
        assert self._agents is not None
        self._agents.no_more_calls()
        return {**self.groups, "crowd_agent": self._agents}

    def _all_sent_away(self) -> bool:
        with self.system.client() as client:
            calls = client.get("/calls", params={"limit": 500}).raise_for_status().json()["items"]
            for call in calls:
                client.post(f"/calls/{call['id']}/hang-up")
        return not calls

    async def close(self) -> None:
        for desk in self.desks:
            desk.task.cancel()
        failures = await asyncio.gather(*(desk.task for desk in self.desks), return_exceptions=True)
        for phone in self._phones:
            await phone.close()
        for each in (*self.groups.values(), *filter(None, [self._agents])):
            with suppress(ProcessLookupError):
                each.end()
        self.sink.close()
        for failure in failures:
            if not isinstance(failure, asyncio.CancelledError):
                raise failure if isinstance(failure, Exception) else AssertionError(failure)


def complaints(outcome: Outcome) -> list[str]:
    """What SIPp says of messages that it did not expect and of calls that it gave up."""
    said = [line.strip() for line in _SAID.split(outcome.errors)[1:]]
    return [line for line in said if line and not _HARMLESS.search(line)]
