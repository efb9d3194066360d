"""What callers notice when a process of Offhook is killed: ``python -m bench.crash [--kills N]``.

``offhook serve`` as a user starts it, on loopback. 125 callers and 20 agents' phones are our own
SIP core in one thread (``bench/crash_load.py``): about 20 talk, over 100 wait and hear music. A
talk lasts 6 to 20 s and is ended by either side, one caller of twelve gives up; another one follows
at once, so that all kinds of moments are hit. About every five seconds (drawn from a seed) the
engine gets SIGKILL; with ``--worker`` a media worker does, in turn.

The last line of standard output is one JSON object:

kills            how often a process was killed
calls            callers' calls in all
calls_lost       calls that ended otherwise than the load wished: a BYE that nobody asked for, a
                 call that was refused or never ended, one that its ticket calls anything but
                 answered (it talked) or abandoned (it did not)
order_changed    kills after which those who waited just before (GET /queues) and still did so
                 stood in another order
tickets_missing  callers' numbers (each calls once) without a ticket in the end
tickets_double   those with more than one
recovery_s_*     the engine: from the kill until GET /health/ready of the next engine gave 200 and
                 an OPTIONS sent after the kill was answered, whichever was later. A media worker:
                 until a caller who heard nothing did so again, at the caller who waited longest
rtp_gap_ms_p99   of the longest gap between two RTP packets at each caller, from each kill for 2.5 s
rtp_gap_ms_max   (until half a second after the recovery, if that is later): packets are timed by
                 the kernel, the time since the last one at the end counts, too. Callers whose
                 end was wished meanwhile are left out

music_gap_ms_p99, music_gap_ms_max
                 rtp_gap_ms_* of those only who hear music: all of their packets are the worker's,
                 none is one that an agent of the load sent late
reference_gap_ms_p99, reference_gap_ms_max
                 the same in the 2.5 s before each kill: what the machine, its other programs and
                 the turns of calls cost without a kill
load_stall_ms_max
                 the longest time between two looks of the load around a kill: the agents' packets
                 are that late
up_min           the fewest callers who were up at a kill, talking_min those who talked
recording_missing_ms_max
                 the most that a talk's recording lacks on one side at one kill (frames are
                 numbered; those sent from a second before until a second after the recovery)
recording_holes_at_kills
                 how often any was missing at a kill on one side of a recording
recording_missing_elsewhere_ms
                 what recordings lack at other times, in all
recordings, recordings_missing
                 talks that were to be recorded, those of them without a finished recording
rings_withdrawn  rings that ended before the agent answered; offers_double: a caller at two phones
byes_481         requests in a dialog that Offhook did not know any more
kill_kind        engine or media
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from bench.calls import say, sign_in
from bench.centre import Centre
from bench.crash_load import Gap, Load, Shape
from bench.crash_verdict import Span, judge

CALLERS, AGENTS, PROBE = "127.11.0.2", "127.11.0.3", "127.11.0.4"
TALKING, UP = 20, 125
FILL_S_MAX = 60.0
WINDOW_S = 2.5
EVERY_S = (4.5, 5.5)
RECOVERY_S_MAX = 30.0
PROBE_S = 0.02
CONFIG = """\
data_dir: .
sip:
  domain: offhook.crash
  listen: [{transport: udp, host: 127.11.0.1, port: 0}]
media: {host: 127.11.0.1, workers: 2}
trunks: [{name: bench, addresses: [127.11.0.2, 127.11.0.4], codecs: [PCMU]}]
numbers: [{number: '*', queue: support}]
queues: [{name: support, wrap_up_s: 0, ring_timeout_s: 10}]
api: {host: 127.0.0.1, port: 0}
agents:
"""


@dataclass
class Kill:
    """One kill: Unix time of it and of the recovery (seconds)."""

    at: float
    recovery_s: float = 0.0
    order_changed: bool = False
    gaps: list[Gap] = field(default_factory=list)
    reference: list[Gap] = field(default_factory=list)
    stall_s: float = 0.0
    up: tuple[int, int] = (0, 0)


class Bench:
    """The centre under the load, and who kills it."""

    def __init__(self, centre: Centre, load: Load, seed: int) -> None:
        self.centre = centre
        self.load = load
        self.kills: list[Kill] = []
        self._rng = random.Random(seed)
        self._pool = ThreadPoolExecutor(2)
        self._headers = {"Authorization": f"Bearer {centre.token}"}

    # --- what can be seen ----------------------------------------------------------------------

    def order(self) -> list[str]:
        """Calls that wait, the next one first (the API shows a hundred)."""
        answer = httpx.get(f"{self.centre.url}/queues/support", headers=self._headers, timeout=10)
        answer.raise_for_status()
        return [item["call"] for item in answer.json()["calls"]]

    def process(self, name: str) -> int:
        """Its process id; 0 while there is none."""
        state = json.loads((self.centre.folder / "run" / "supervisor.json").read_text())
        found = {item["name"]: item["pid"] for item in (*state["workers"],)}
        return int({**found, "engine": state["engine"]["pid"]}[name] or 0)

    def fill(self) -> None:
        until = time.monotonic() + FILL_S_MAX
        while self.load.up()[0] < UP - 5 or self.load.up()[1] < TALKING - 4:
            if time.monotonic() > until:
                raise RuntimeError(f"{self.load.up()} up:\n{self.centre.log()[-3000:]}")
            time.sleep(0.2)

    # --- killing -------------------------------------------------------------------------------

    def kill_engine(self) -> None:
        reference = self._reference()
        before = self.order()
        pid = self.process("engine")
        kill = self._kill(pid, reference)
        ready = self._pool.submit(self._ready_at, kill.at)
        answered = self._pool.submit(self._answered_at, kill.at)
        kill.recovery_s = max(ready.result(), answered.result()) - kill.at
        after = self.order()
        stayed = set(before) & set(after)
        kill.order_changed = [call for call in before if call in stayed] != [
            call for call in after if call in stayed
        ]
        if self.process("engine") == pid:
            raise RuntimeError("the engine that was killed is still there")
        self._end_window(kill)

    def kill_worker(self) -> None:
        kill = self._kill(self.process(f"media-{len(self.kills) % 2}"), self._reference())
        self._end_window(kill)
        kill.recovery_s = _longest(kill.gaps)

    def _reference(self) -> list[Gap]:
        self.load.watch()
        time.sleep(WINDOW_S + self._rng.uniform(EVERY_S[0], EVERY_S[1]) - 5.0)
        return self.load.gaps()

    def _kill(self, pid: int, reference: list[Gap]) -> Kill:
        self.load.watch()
        kill = Kill(time.time(), reference=reference, up=self.load.up())
        os.kill(pid, signal.SIGKILL)
        self.kills.append(kill)
        return kill

    def _end_window(self, kill: Kill) -> None:
        time.sleep(max(0.0, kill.at + max(WINDOW_S, kill.recovery_s + 0.5) - time.time()))
        kill.gaps, kill.stall_s = self.load.gaps(), self.load.stall_s
        say(
            f"kill {len(self.kills)}: {kill.recovery_s:.2f} s, up {kill.up}, gap"
            f" {_longest(kill.gaps) * 1000:.0f} ms (before"
            f" {_longest(kill.reference) * 1000:.0f}), stall {kill.stall_s * 1000:.0f} ms,"
            f" lost {len(self.load.lost)}{', ORDER CHANGED' * kill.order_changed}"
        )

    def _ready_at(self, killed_at: float) -> float:
        while time.time() < killed_at + RECOVERY_S_MAX:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.centre.url}/health/ready", timeout=1).status_code == 200:
                    return time.time()
            time.sleep(PROBE_S)
        raise RuntimeError(f"not ready again:\n{self.centre.log()[-3000:]}")

    def _answered_at(self, killed_at: float) -> float:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((PROBE, 0))
            sock.settimeout(PROBE_S)
            while time.time() < killed_at + RECOVERY_S_MAX:
                sock.sendto(_options(self.centre.sip, sock.getsockname()), self.centre.sip)
                with suppress(TimeoutError):
                    if sock.recv(65_535).startswith(b"SIP/2.0 "):
                        return time.time()
        raise RuntimeError(f"SIP is not answered:\n{self.centre.log()[-3000:]}")

    # --- the end -------------------------------------------------------------------------------

    def result(self, media: bool) -> dict[str, Any]:
        self.load.empty()
        spans = [Span(kill.at, kill.at + kill.recovery_s) for kill in self.kills]
        found = judge(self.centre.folder, self.load, spans)
        for number, what in found.lost.items():
            say(f"lost: {number}: {what}")
        for number, hole in found.elsewhere:
            say(f"{number}: {hole.frames} frames missing on side {hole.side}")
        gaps = [gap for kill in self.kills for gap in kill.gaps]
        recoveries = [kill.recovery_s for kill in self.kills]
        return {
            "kills": len(self.kills),
            "calls": len(self.load.all),
            "calls_lost": len(found.lost),
            "order_changed": sum(kill.order_changed for kill in self.kills),
            "tickets_missing": len(found.ticketless),
            "tickets_double": len(found.ticketed_twice),
            "recovery_s_median": round(median(recoveries), 3),
            "recovery_s_max": round(max(recoveries), 3),
            **_figures("rtp_gap", gaps),
            **_figures("music_gap", [gap for gap in gaps if not gap.talks]),
            **_figures("reference_gap", [gap for kill in self.kills for gap in kill.reference]),
            "load_stall_ms_max": round(max(kill.stall_s for kill in self.kills) * 1000),
            "up_min": min(kill.up[0] for kill in self.kills),
            "talking_min": min(kill.up[1] for kill in self.kills),
            "recordings": found.recordings,
            "recordings_missing": len(found.unrecorded),
            "recording_missing_ms_max": round(max(found.holes_s, default=0.0) * 1000),
            "recording_holes_at_kills": len(found.holes_s),
            "recording_missing_elsewhere_ms": sum(hole.frames * 20 for _, hole in found.elsewhere),
            "rings_withdrawn": self.load.withdrawn,
            "offers_double": self.load.doubled,
            "byes_481": self.load.forgotten,
            "kill_kind": "media" if media else "engine",
        }


def _longest(gaps: list[Gap]) -> float:
    return max((gap.seconds for gap in gaps), default=0.0)


def _figures(name: str, gaps: list[Gap]) -> dict[str, float]:
    """99th percentile and maximum, in ms."""
    ordered = sorted(gap.seconds * 1000 for gap in gaps)
    p99 = ordered[int(len(ordered) * 0.99)]
    return {f"{name}_ms_p99": round(p99, 1), f"{name}_ms_max": round(ordered[-1], 1)}


def _options(server: tuple[str, int], at: tuple[str, int]) -> bytes:
    uri = f"sip:{server[0]}:{server[1]}"
    lines = [
        f"OPTIONS {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {at[0]}:{at[1]};branch=z9hG4bK{secrets.token_hex(8)};rport",
        "Max-Forwards: 70",
        f"From: <sip:probe@{at[0]}>;tag={secrets.token_hex(4)}",
        f"To: <{uri}>",
        f"Call-ID: {secrets.token_hex(8)}",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def run(kills: int, media: bool, seed: int, folder: Path) -> dict[str, Any]:
    """Fill, kill, look, empty."""
    with ExitStack() as stack:
        centre = Centre(folder, TALKING, CONFIG)
        stack.callback(centre.stop)
        say(f"ready after {centre.start():.1f} s")
        agents = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        callers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        agents.bind((AGENTS, 0))
        callers.bind((CALLERS, 0))
        shape = Shape(UP, (6.0, 20.0))
        load = Load(centre.sip, callers, agents, shape, seed=seed)
        load.start()
        stack.callback(load.close)
        load.register({extension: centre.password(extension) for extension in centre.agents})
        sign_in(centre)
        bench = Bench(centre, load, seed)
        bench.fill()
        say(f"{load.up()[0]} callers are up, {load.up()[1]} talk")
        for _ in range(kills):
            bench.kill_worker() if media else bench.kill_engine()
            if load.failure is not None:
                raise RuntimeError("the load failed") from load.failure
        return bench.result(media)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.crash")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--worker", action="store_true", help="kill media workers instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a new folder for its data, which is kept")
    options = parser.parse_args()
    if options.kills < 1:
        parser.error("--kills: at least 1")
    threading.excepthook = lambda args: say(f"{args.thread}: {args.exc_value!r}")
    with tempfile.TemporaryDirectory(prefix="offhook-bench-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=options.keep is None)
        result = run(options.kills, options.worker, options.seed, folder)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
