"""What a call costs: SIPp's callers and agents against a whole Offhook on loopback.

    python -m bench.calls [--seconds N]

Each call: INVITE from the trunk, a prompt of 1 s, one digit (RFC 4733), the queue, an agent's
phone that answers at once, 200 ms of talk without audio, BYE. Offhook runs as a user starts it
(supervisor, engine, two media workers, finisher) and journals, records and writes tickets.

The last line of standard output is one JSON object:

calls            calls of the measured load
failed           calls that SIPp saw fail, whose prompt was not heard, or that left anything but
                 one ticket with the outcome answered
rate             calls begun in a second
cpu_ms_per_call  user and system time of all processes from the first call until the last ticket and
                 recording are written, less what they use when idle (``idle_cpu_percent``)
idle_rss_mb      sum of PSS of all processes before any call
kb_per_call      growth of that sum's anonymous part (all but programs and libraries) with ``held``
                 calls up, each with speech both ways and recorded, for each of them
contention       CPU time of a fixed piece of work during the load over that of its best run: what
                 the load's own programs and others on the machine do to caches and cores.
                 The figures above are as measured, not divided by it
ready_s          from the command to the engine's readiness
cpu_ms           cpu_ms_per_call by process
pss_mb           idle_rss_mb by process
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.centre import AGENTS, CALLERS, Centre
from bench.keypad import Keypad

HERE = Path(__file__).resolve().parent
PROMPT_S = 1.0
PROMPT_PACKETS_MIN = 48  # of 50: the first may precede the latch
PRESS_AFTER_S = 1.1  # the whole prompt, and what a busy machine is late by
AGENTS_MAX = 120
RATE = 100
CALLS = 2000
HELD = 100
HELD_RATE = 20
WARM = 20
REST_S = 20.0  # all but the load: start, idle, held calls, end
IDLE_S = 3.0
TICKETS_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Load:
    """What came of some calls."""

    calls: int
    failed: int
    took_s: float


class Bench:
    """The centre, the agents' phones, the callers' keypad."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        flows = folder / "flows"
        shutil.copytree(HERE / "flows", flows)
        (flows / "second.ulaw").write_bytes(bytes(0x90 + n % 32 for n in range(8000)))
        self.centre = Centre(folder, AGENTS_MAX)
        self.keypad = Keypad(CALLERS, PRESS_AFTER_S, PROMPT_PACKETS_MIN)
        self.samples: list[float] = []

    @contextmanager
    def phones(self, port: int) -> Iterator[None]:
        """All agents' phones in one SIPp, with an echo of what they hear."""
        process = self._sipp(
            "agent.xml",
            ["-i", AGENTS, "-mi", AGENTS, "-p", str(port), "-mp", "0", "-rtp_echo"],
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def _sipp(self, scenario: str, options: list[str]) -> subprocess.Popen[bytes]:
        host, port = self.centre.sip
        command = ["sipp", f"{host}:{port}", "-sf", str(HERE / "scenarios" / scenario)]
        command += ["-nostdin", "-trace_err", "-error_file", str(self.folder / f"{scenario}.err")]
        with (self.folder / f"{scenario}.out").open("ab") as out:
            return subprocess.Popen([*command, *options], stdout=out, stderr=out)

    def call(self, calls: int, rate: int, prefix: str) -> subprocess.Popen[bytes]:
        """Start SIPp's callers; their numbers are the prefix and a count."""
        statistics = self.folder / f"{prefix}.csv"
        keypad = ["-key", "keypad_ip", self.keypad.host]
        keypad += ["-key", "keypad_port", str(self.keypad.port), "-key", "prefix", prefix]
        count = ["-r", str(rate), "-m", str(calls), "-l", str(calls), "-s", "100"]
        trace = ["-trace_stat", "-stf", str(statistics), "-fd", "1"]
        return self._sipp("caller.xml", ["-i", CALLERS, *count, *keypad, *trace])

    def outcome(self, process: subprocess.Popen[bytes], calls: int, prefix: str) -> Load:
        """Wait for SIPp, then for tickets and recordings; count what is wrong."""
        begun = time.monotonic()
        while process.poll() is None:
            self.samples.append(fixed_work_s())
            time.sleep(0.1)
        with (self.folder / f"{prefix}.csv").open() as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        seen = int(last["FailedCall(C)"]) + calls - int(last["TotalCallCreated"])
        deadline = time.monotonic() + TICKETS_S_MAX
        while True:
            tickets = self.centre.tickets(prefix)
            if len(tickets) >= calls and all(kept for _, _, kept in tickets):
                break
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        answered = [caller for caller, outcome, _ in tickets if outcome == "answered"]
        wrong = calls - sum(answered.count(caller) == 1 for caller in set(answered))
        wrong += len(tickets) - len(answered)
        if seen or wrong:
            other = [(caller, outcome) for caller, outcome, _ in tickets if outcome != "answered"]
            say(f"SIPp: {seen} failed; tickets: {len(tickets)}, wrong: {wrong} {other[:5]}")
        return Load(calls, max(seen, wrong), time.monotonic() - begun)


def fixed_work_s() -> float:
    """CPU seconds of half a millisecond of Python."""
    begun = time.thread_time()
    table: dict[int, tuple[str, str, str]] = {}
    for number in range(2_000):
        table[number % 97] = f"a{number}".partition("1")
    return time.thread_time() - begun


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(bench: Bench, seconds: float) -> dict[str, object]:
    """The phases in turn: idle, held calls, the load."""
    started = time.monotonic()
    centre = bench.centre
    ready_s = centre.start()
    say(f"ready after {ready_s:.1f} s")
    port = centre.register_agents()
    with bench.phones(port):
        bench.keypad.start()
        sign_in(centre)
        time.sleep(1.0)
        before = centre.cpu_s()
        time.sleep(IDLE_S)
        idle = {name: (at - before[name]) / IDLE_S for name, at in centre.cpu_s().items()}
        pss = centre.pss_kb()
        say(f"idle: {sum(pss.values()) / 1024:.1f} MB, {sum(idle.values()) * 100:.1f} % of a core")
        kb_per_call, held = hold(bench)
        left_s = seconds - (time.monotonic() - started) - 7.0
        calls = CALLS if left_s * RATE >= CALLS else max(1, int(left_s * RATE))
        if calls < CALLS:
            say(f"time for {calls} calls only")
        best_s = min(fixed_work_s() for _ in range(20))
        bench.samples.clear()
        load, cpu = put_load(bench, calls, idle)
        contention = statistics.fmean(bench.samples) / min(best_s, *bench.samples)
    return {
        "calls": calls,
        "failed": load.failed + held.failed,
        "rate": RATE,
        "cpu_ms_per_call": round(sum(cpu.values()), 2),
        "idle_rss_mb": round(sum(pss.values()) / 1024, 1),
        "kb_per_call": round(kb_per_call, 1),
        "held": HELD,
        "contention": round(contention, 2),
        "ready_s": round(ready_s, 2),
        "idle_cpu_percent": round(sum(idle.values()) * 100, 2),
        "cpu_ms": {name: round(value, 2) for name, value in cpu.items()},
        "pss_mb": {name: round(value / 1024, 1) for name, value in pss.items()},
    }


def hold(bench: Bench) -> tuple[float, Load]:
    """kB for each of HELD calls that talk and are recorded."""
    warm = bench.outcome(bench.call(WARM, HELD_RATE, "3711"), WARM, "3711")
    before = sum(bench.centre.pss_kb("Pss_Anon").values())
    bench.keypad.talks = True
    process = bench.call(HELD, HELD_RATE, "3713")
    time.sleep(HELD / HELD_RATE + PROMPT_S + 1.5)  # all talk; the first goes at 9 s
    recorded = len(list((bench.folder / "recordings").glob("*.part")))
    up = bench.centre.pss_kb("Pss_Anon")
    kb_per_call = (sum(up.values()) - before) / HELD
    load = bench.outcome(process, HELD, "3713")
    if recorded != HELD:
        raise RuntimeError(f"{recorded} of {HELD} calls were being recorded")
    bench.keypad.talks = False
    say(f"{HELD} calls held: {kb_per_call:.0f} kB each; failed: {load.failed + warm.failed}")
    return kb_per_call, Load(HELD, load.failed + warm.failed, load.took_s)


def put_load(bench: Bench, calls: int, idle: dict[str, float]) -> tuple[Load, dict[str, float]]:
    """CPU milliseconds for each call, by process, without what idling takes."""
    unheard = bench.keypad.unheard
    before = bench.centre.cpu_s()
    begun = time.monotonic()
    load = bench.outcome(bench.call(calls, RATE, "3712"), calls, "3712")
    time.sleep(0.2)
    after = bench.centre.cpu_s()
    took_s = time.monotonic() - begun
    if after.keys() != before.keys():
        raise RuntimeError(f"a process died under the load:\n{bench.centre.log()[-2000:]}")
    unheard = bench.keypad.unheard - unheard
    say(f"{calls} calls in {took_s:.1f} s; failed: {load.failed}, prompt not heard: {unheard}")
    cpu = {
        name: max(0.0, (after[name] - before[name] - idle[name] * took_s) * 1000 / calls)
        for name in after
    }
    return Load(calls, min(calls, load.failed + unheard), load.took_s), cpu


def sign_in(centre: Centre) -> None:
    """Every agent becomes available, over REST."""
    headers = {"Authorization": f"Bearer {centre.token}"}
    with httpx.Client(base_url=centre.url, headers=headers) as client:
        for extension in centre.agents:
            wish = {"presence": "available"}
            client.post(f"/agents/a{extension}/presence", json=wish).raise_for_status()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0, help="end within this time")
    options = parser.parse_args()
    if shutil.which("sipp") is None:
        sys.exit("bench.calls needs SIPp: apt-get install sip-tester")
    with tempfile.TemporaryDirectory(prefix="offhook-bench-") as folder:
        bench = Bench(Path(folder))
        try:
            result = measure(bench, options.seconds)
        finally:
            bench.centre.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
