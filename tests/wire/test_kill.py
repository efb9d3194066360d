"""``kill -9`` of the engine, and of media workers, at chosen moments of many calls: nobody notices.

Twenty callers wait and four talk (the phones of ``bench.crash``), six more are SIPp's, who wait
in a queue that nobody serves. The size of 100 waiting and 20 talking with 20 kills is what
``python -m bench.crash`` runs; here the moments are aimed at.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from bench.crash_load import Load, Shape
from bench.crash_verdict import Span, Verdict, judge
from tests.wire import sipp
from tests.wire.system import TRUNK, System, eventually

AGENTS = ("101", "102", "103", "104")
UP = 24
SIPP_CALLS = 6
CONFIG = """\
data_dir: .
sip:
  domain: offhook.test
  listen:
    - {transport: udp, host: 127.0.0.1, port: 0}
    - {transport: tcp, host: 127.0.0.1, port: 0}
media: {host: 127.0.0.1}
trunks: [{name: trunk, addresses: [127.0.0.2]}]
numbers:
  - {number: "100", queue: support}
  - {number: "700", queue: later}
queues:
  - {name: support, ring_timeout_s: 8, wrap_up_s: 0}
  - {name: later}
agents:
  - {id: a101, name: Anna, extension: "101", queues: {support: 1}}
  - {id: a102, name: Boris, extension: "102", queues: {support: 1}}
  - {id: a103, name: Clara, extension: "103", queues: {support: 1}}
  - {id: a104, name: Dora, extension: "104", queues: {support: 1}}
api: {host: 127.0.0.1, port: 0}
"""
MOMENTS = ("invite", "waiting", "ring", "answer", "hang-up", "abandon", "transfer", "register")
GAP_S_MAX = 2.0
SHAPE = Shape(UP, talk_s=(2.0, 6.0), abandon_s=(1.0, 4.0), abandons_every=3)


class Centre:
    """A whole Offhook under the load, and what is seen of it while its processes are killed."""

    def __init__(self, system: System, load: Load, seed: int) -> None:
        self.system = system
        self.load = load
        self.kills: list[Span] = []
        self._rng = random.Random(seed)

    def full(self) -> None:
        def look() -> bool:
            assert self.load.failure is None, self.load.failure
            up, talk = self.load.up()
            return up >= UP - 1 and talk >= len(AGENTS) // 2

        eventually(look, "callers wait and talk", 20)

    def order(self) -> dict[str, list[str]]:
        """Who waits, the next one first, by queue."""
        with self.system.client() as client:
            items = client.get("/queues").raise_for_status().json()["items"]
        return {item["name"]: [call["call"] for call in item["calls"]] for item in items}

    def register(self) -> None:
        self.load.register({name: self.system.password(name) for name in AGENTS})

    # --- the engine ----------------------------------------------------------------------------

    def kill_engine_at(self, moment: str) -> None:
        """SIGKILL at the next such moment or up to 20 ms later; then all must be as it was."""
        self.full()
        eventually(self._spared, "a spare engine waits", 15)
        before = self.order()
        pid = self.system.pids()["engine"]
        done = threading.Event()
        killed_at = 0.0

        def strike() -> None:
            nonlocal killed_at
            killed_at = time.time()
            os.kill(pid, signal.SIGKILL)
            done.set()

        def happened(name: str) -> None:
            if name == moment:
                self.load.on_moment = lambda name: None
                self.load.after(self._rng.choice([0.0, self._rng.uniform(0.0, 0.02)]), strike)

        self.load.on_moment = happened
        if moment == "transfer":
            self._transfer()
            happened(moment)
        elif moment == "register":
            self.register()
        assert done.wait(20), f"no {moment} in 20 s"
        eventually(lambda: self.system.pids()["engine"] not in (None, pid), "another engine")
        eventually(self._ready, "the next engine is ready", 15)
        self.kills.append(Span(killed_at, time.time()))
        after = self.order()
        for queue, calls in before.items():
            stayed = set(calls) & set(after[queue])
            assert [x for x in calls if x in stayed] == [x for x in after[queue] if x in stayed]
        assert set(before["later"]) == set(after["later"])

    def _spared(self) -> bool:
        return bool(self.system.state()["spare"]["waits"])

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.system.url}/health/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def _transfer(self) -> None:
        """Of a talk, back to the queue; nobody waits for the answer."""

        def look() -> str | None:
            with self.system.client() as client:
                for call in client.get("/calls").raise_for_status().json()["items"]:
                    if call["phase"] == "talking" and self.load.moves(call["caller"]):
                        return str(call["id"])
            return None

        call = eventually(look, "a talk to be transferred")

        def ask() -> None:
            with suppress(httpx.HTTPError), self.system.client() as client:
                client.post(f"/calls/{call}/transfer", json={"target": "support"})

        threading.Thread(target=ask, daemon=True).start()

    # --- a worker ------------------------------------------------------------------------------

    def kill_worker(self, name: str) -> None:
        """SIGKILL; every caller hears something again soon."""
        self.full()
        self.load.watch()
        killed_at = time.time()
        self.system.signal(name, signal.SIGKILL)
        time.sleep(GAP_S_MAX + 0.5)
        longest = max(gap.seconds for gap in self.load.gaps())
        assert longest < GAP_S_MAX, f"a caller heard nothing for {longest:.2f} s"
        self.kills.append(Span(killed_at, killed_at + longest))

    # --- the end -------------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        """All hang up, also SIPp's callers."""
        self.load.empty()
        with self.system.client() as client:
            for call in self.order()["later"]:
                assert client.post(f"/calls/{call}/hang-up").status_code == 202
        found = judge(self.system.folder, self.load, self.kills, 20)
        assert found.lost == {}
        assert (found.ticketless, found.ticketed_twice, found.unrecorded) == ([], [], [])
        assert self.load.doubled == 0, "a caller at two phones at once"
        assert found.elsewhere == [], "frames are missing where nothing was killed"
        return found


@contextmanager
def centre(folder: Path, seed: int) -> Iterator[Centre]:
    """Started, all callers there; at the end SIPp's callers must have met what they should."""
    system = System(folder, CONFIG)
    system.start()
    agents = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    callers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    agents.bind(("127.0.0.1", 0))
    callers.bind((TRUNK, 0))
    load = Load(system.sip, callers, agents, SHAPE, seed=seed)
    found = Centre(system, load, seed)
    waiting = sipp.start(
        system,
        "uac_waits",
        calls=SIPP_CALLS,
        number="700",
        keys={"prefix": "3714"},
        timeout_s=90,
        more=("-recv_timeout", "90000", "-rtp_echo"),
    )
    try:
        load.start()
        found.register()
        with system.client() as client:
            for name in AGENTS:
                wish = {"presence": "available"}
                client.post(f"/agents/a{name}/presence", json=wish).raise_for_status()
        eventually(lambda: len(found.order()["later"]) == SIPP_CALLS, "SIPp's callers wait")
        yield found
        waiting.finish().check(SIPP_CALLS)
        system.wait_for_tickets("3714%", SIPP_CALLS)
    finally:
        waiting.end()
        load.close()
        system.stop()
    complaints = [line for line in system.complaints() if "died after" not in line]
    assert not complaints, complaints


@pytest.mark.parametrize("seed", [1])
def test_the_engine_is_killed_at_every_kind_of_moment(tmp_path: Path, seed: int) -> None:
    with centre(tmp_path, seed) as there:
        for moment in MOMENTS:
            there.kill_engine_at(moment)
        found = there.verdict()
        assert found.recordings >= len(MOMENTS) // 2, "too few talks to judge by"
        assert max(found.holes_s, default=0.0) <= 0.04


@pytest.mark.parametrize("seed", [2])
def test_media_workers_are_killed(tmp_path: Path, seed: int) -> None:
    """What is recorded goes on in another file; the finished one holds both."""
    with centre(tmp_path, seed) as there:
        for name in ("media-0", "media-1", "media-0"):
            there.kill_worker(name)
        found = there.verdict()
        assert max(found.holes_s, default=0.0) < GAP_S_MAX
