"""Calls of random shapes for a while, and what they leave: ``python -m bench.soak --minutes N``.

``offhook serve`` as a user starts it, on loopback, UDP and TCP. All the time our own phones
(``bench/crash_load.py``) keep a queue with talks, callers who give up and transfers; beside them
SIPp makes small batches, one after the other, of a shape drawn from a seed: short calls at every
stage of queue and menu, hold and resume, late offers, reliable provisional answers, refused
calls, strangers, keys (the queue, a callback, voicemail), over UDP or TCP. After a round of all
shapes (warm-up) everything ends and the processes are looked at; the same at the end.

The last line of standard output is one JSON object:

minutes        of the load
calls          SIPp's and ours
failed         calls that did not go as their scenario or the load wished
fds_delta      open file descriptors of all processes together, at the end less after warm-up
rss_mb_delta   the same of their resident memory
tasks_delta    of the engine's asyncio tasks (``offhook_tasks``)

ports_delta    RTP ports in use; threads_delta: threads of all processes
fds_more, fds_fewer  which these are
rss_mb         resident memory after warm-up, by process, and at the end
shapes         SIPp's calls by shape
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.calls import say, sign_in
from bench.centre import Centre
from bench.crash_load import Load, Shape

HERE = Path(__file__).resolve().parent
SCENARIOS = (HERE.parent / "tests" / "wire" / "sipp", HERE / "scenarios")
CALLERS, AGENTS, TRUNK, STRANGER = "127.12.0.2", "127.12.0.3", "127.12.0.5", "127.12.0.9"
PHONES, UP = 6, 14
IDLE_S_MAX = 60.0
REST_S = 12.0  # ports rest for 10 s
TRANSFER_EVERY = 4  # batches
SIPP_S_MAX = 60
TELL_S = 60.0
CONFIG = """\
data_dir: .
sip:
  domain: offhook.soak
  listen:
    - {transport: udp, host: 127.12.0.1, port: 0}
    - {transport: tcp, host: 127.12.0.1, port: 0}
media: {host: 127.12.0.1, workers: 2, timeout_s: 60}
trunks: [{name: bench, addresses: [127.12.0.2, 127.12.0.5]}]
numbers:
  - {number: '100', queue: support}
  - {number: '700', queue: later}
  - {number: '*', flow: main}
queues:
  - {name: support, wrap_up_s: 0, ring_timeout_s: 10}
  - {name: later}
api: {host: 127.0.0.1, port: 0}
agents:
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """A shape of SIPp's calls: the scenario, whom it dials, its keys."""

    scenario: str
    number: str = "700"
    key: str = ""
    host: str = TRUNK
    options: tuple[str, ...] = ()


SHAPES = (
    Batch("uac"),
    Batch("uac", "800"),
    Batch("uac_stays", options=("-d", "6000")),
    Batch("uac_stays", "800", options=("-d", "9000")),
    Batch("hold"),
    Batch("late_offer"),
    Batch("reliable"),
    Batch("session_timer"),
    Batch("unknown_extension"),
    Batch("stranger", host=STRANGER),
    Batch("keys", "800", "1"),
    Batch("keys", "800", "2"),
    Batch("keys", "800", "3"),
    Batch("keys", "800", "9"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """What the processes hold; memory in kB by process."""

    fds: Counter[str]  # by process and what they are open for
    threads: int
    tasks: float
    ports_free: float
    rss_kb: dict[str, int]


class Soak:
    """The centre under a load of all shapes."""

    def __init__(self, centre: Centre, seed: int) -> None:
        self.centre = centre
        self.calls = Counter[str]()
        self.failed = Counter[str]()
        self._rng = random.Random(seed)
        self._headers = {"Authorization": f"Bearer {centre.token}"}
        self._batches = 0
        state = json.loads((centre.folder / "run" / "supervisor.json").read_text())
        self._at = {item["transport"]: (item["host"], item["port"]) for item in state["sip"]}

    # --- the load ------------------------------------------------------------------------------

    def run(self, minutes: float, load: Load) -> None:
        until = time.monotonic() + minutes * 60
        told = time.monotonic()
        while time.monotonic() < until and load.failure is None:
            self.batch(self._rng.choice(SHAPES))
            if self._batches % TRANSFER_EVERY == 0:
                self._transfer(load)
            if time.monotonic() > told + TELL_S:
                told = time.monotonic()
                rss = round(sum(self._rss_kb().values()) / 1024, 1)
                say(f"{self.calls.total() + len(load.all)} calls, {rss} MB")

    def batch(self, batch: Batch) -> None:
        """SIPp with a few calls of a shape, waited for."""
        self._batches += 1
        transport = self._rng.choice(("udp", "tcp"))
        calls = self._rng.randint(2, 10)
        path = next(p for f in SCENARIOS if (p := f / f"{batch.scenario}.xml").exists())
        folder = self.centre.folder / "sipp"
        folder.mkdir(exist_ok=True)
        host, port = self._at[transport]
        command = ["sipp", f"{host}:{port}", "-sf", str(path), "-i", batch.host, "-mi", batch.host]
        command += ["-t", {"udp": "u1", "tcp": "t1"}[transport], "-s", batch.number, "-nostdin"]
        command += ["-m", str(calls), "-r", str(self._rng.randint(1, 8)), "-recv_timeout", "30000"]
        command += ["-timeout", f"{SIPP_S_MAX}s", "-key", "prefix", f"+3719{self._batches}x"]
        command += [
            "-key",
            "rtp_port",
            "9",
            "-key",
            "key",
            batch.key,
            "-trace_stat",
            "-stf",
            "stat.csv",
            "-fd",
            "1",
        ]
        command += ["-trace_err", "-error_file", f"errors-{self._batches}.log", *batch.options]
        (folder / "stat.csv").unlink(missing_ok=True)
        with (folder / "screen.txt").open("wb") as screen:
            subprocess.run(command, cwd=folder, stdout=screen, stderr=screen, check=False)
        with (folder / "stat.csv").open() as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        name = f"{batch.scenario} {batch.number} {batch.key}".strip()
        self.calls[name] += calls
        if wrong := calls - int(last["SuccessfulCall(C)"]):
            self.failed[f"{name} {transport}"] += wrong
            say(f"{name} over {transport}: {wrong} of {calls} failed (batch {self._batches})")

    def _transfer(self, load: Load) -> None:
        """One of the talks goes back to the queue."""
        with httpx.Client(base_url=self.centre.url, headers=self._headers, timeout=10) as client:
            for call in client.get("/calls", params={"limit": 500}).json()["items"]:
                ours = call["phase"] == "talking" and call["caller"].startswith("3720")
                if ours and load.moves(call["caller"]):
                    wish = {"target": "support"}
                    client.post(f"/calls/{call['id']}/transfer", json=wish)
                    return

    # --- what is left --------------------------------------------------------------------------

    def idle(self) -> Look:
        """When no call is left and the ports have rested."""
        until = time.monotonic() + IDLE_S_MAX
        while self._figures()["offhook_sip_dialogs"] and time.monotonic() < until:
            time.sleep(0.5)
        time.sleep(REST_S)
        figures = self._figures()
        pids = self.centre.processes()
        return Look(
            fds=Counter(
                f"{name.split()[0]} {kind}" for pid, name in pids.items() for kind in _open(pid)
            ),
            threads=sum(int(_status(pid)["Threads"]) for pid in pids),
            tasks=figures["offhook_tasks"],
            ports_free=figures["offhook_media_ports_free"],
            rss_kb=self._rss_kb(),
        )

    def _rss_kb(self) -> dict[str, int]:
        found = self.centre.processes().items()
        return {f"{name} {pid}": int(_status(pid)["VmRSS"].split()[0]) for pid, name in found}

    def _figures(self) -> Counter[str]:
        """Gauges of /metrics, those with labels added up."""
        text = httpx.get(f"{self.centre.url}/metrics", headers=self._headers, timeout=10).text
        found = Counter[str]()
        for line in text.splitlines():
            with suppress(ValueError):
                name, _, value = line.rpartition(" ")
                found[name.partition("{")[0]] += float(value)  # type: ignore[assignment]
        return found


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


def _open(pid: int) -> Iterator[str]:
    """What each descriptor is open for: a file's name, or the kind of socket or pipe."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            target = os.readlink(fd)
            yield target.partition(":[")[0] if ":[" in target else Path(target).suffix or target


def phones(centre: Centre, stack: ExitStack, seed: int, prefix: str) -> Load:
    """Our own callers and agents, at work."""
    agents = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    callers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    agents.bind((AGENTS, 0))
    callers.bind((CALLERS, 0))
    shape = Shape(UP, talk_s=(1.0, 5.0), abandon_s=(0.0, 5.0), abandons_every=4)
    load = Load(centre.sip, callers, agents, shape, seed=seed, prefix=prefix)
    load.start()
    stack.callback(load.close)
    load.register({extension: centre.password(extension) for extension in centre.agents})
    sign_in(centre)
    return load


def measure(centre: Centre, minutes: float, seed: int) -> dict[str, object]:
    """Warm up, look, load, look again."""
    soak = Soak(centre, seed)
    with ExitStack() as stack:
        load = phones(centre, stack, seed, "37201")
        for batch in SHAPES:
            soak.batch(batch)
        load.empty()
        before = soak.idle()
    soak.calls.clear()
    soak.failed.clear()
    with ExitStack() as stack:
        load = phones(centre, stack, seed + 1, "37202")
        begun = time.monotonic()
        soak.run(minutes, load)
        took = (time.monotonic() - begun) / 60
        load.empty()
        after = soak.idle()
        for loss in load.lost:
            say(f"lost: {loss.number}: {loss.what}")
        never = sum(not call.over for call in load.all)
    rss_before, rss_after = sum(before.rss_kb.values()), sum(after.rss_kb.values())
    return {
        "minutes": round(took, 1),
        "calls": soak.calls.total() + len(load.all),
        "failed": soak.failed.total() + len(load.lost) + never,
        "fds_delta": after.fds.total() - before.fds.total(),
        "rss_mb_delta": round((rss_after - rss_before) / 1024, 1),
        "tasks_delta": int(after.tasks - before.tasks),
        "ports_delta": int(before.ports_free - after.ports_free),
        "threads_delta": after.threads - before.threads,
        "rss_mb": {
            name: [round(kb / 1024, 1), round(after.rss_kb.get(name, 0) / 1024, 1)]
            for name, kb in before.rss_kb.items()
        },
        "fds_more": dict(after.fds - before.fds),
        "fds_fewer": dict(before.fds - after.fds),
        "transfers": len(load.moving),
        "shapes": dict(soak.calls),
        "failures": dict(soak.failed),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a new folder for its data, which is kept")
    options = parser.parse_args()
    if shutil.which("sipp") is None:
        sys.exit("bench.soak needs SIPp: apt-get install sip-tester")
    with tempfile.TemporaryDirectory(prefix="offhook-bench-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=options.keep is None)
        centre = Centre(folder, PHONES, CONFIG)
        try:
            say(f"ready after {centre.start():.1f} s")
            result = measure(centre, options.minutes, options.seed)
        finally:
            centre.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
