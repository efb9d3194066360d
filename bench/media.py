"""Media: CPU microseconds per relayed and per recorded RTP packet, beside a plain C relay.

    python -m bench.media [--seconds N] [--calls N]

Offers the same calls (300; two legs each, 50 packets a second a leg, every leg at a phase of its
own) in turn to a C relay that is compiled in the same run (``c_relay.c``), to the media worker
relaying, and to the media worker relaying and recording. CPU is user and system time of the
relaying process alone (/proc/PID/task/*/schedstat), over the packets offered in the same time. The
load comes from one C program (``c_load.c``). With two or more cores load and relay each have
their own. Rounds are repeated as ``--seconds`` allows; ratios and times are medians of rounds,
``lost`` adds up and the gaps are the worst of the rounds.

The last line of standard output is one JSON object:

c_relay_us, relay_us, record_us   CPU microseconds per packet
relay_ratio, record_ratio         the worker's over the C relay's
recorded_calls, lost              calls recorded at once; packets of them that did not arrive, on
                                  the wire or in the recording files
gap_ms_p9999, c_gap_ms_p9999      99.99th percentile of the gap between two packets of a leg at
                                  the receiver: recording worker, C relay
delay_ms_p99, c_delay_ms_p99      99th percentile of the time from sending to arrival

The C relay looks at its sockets as soon as there is a packet. So does the worker while it has
little to do; under this load it looks once in a millisecond (``loop.NAP_S``), which saves it
most of its wake-ups and costs each packet about half a millisecond.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from router.media.client import WorkerClient
from router.media.protocol import (
    Bridge,
    Open,
    Opened,
    Record,
    RecordingSegment,
    Report,
    StopRecord,
    Update,
)

HERE = Path(__file__).parent
CALLS = 300
WARM_UP_S = 1.0
SET_UP_S = 1.5  # a part beside its warm-up and its measured time: starting, opening, draining
MEASURED_S_MIN = 1.0
ROUNDS_MAX = 3
CLOSE_S = 10.0
PORTS = "40000-44999"


@dataclass(frozen=True)
class Part:
    """One relay under load: CPU and packets of the measured time, gaps in ms."""

    us: float
    lost: int
    total: int  # packets sent, those of the warm-up included
    gap_ms_p9999: float
    delay_ms_p99: float
    text: str


def cpu_ns(pid: int) -> int:
    """CPU time of a process so far, of all its threads, in ns."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


def pin(core: int) -> Callable[[], None] | None:
    """What a child runs to keep to a core, where there is more than one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return None
    return lambda: os.sched_setaffinity(0, {cores[core]})


def compile_c(name: str, folder: Path) -> Path:
    if shutil.which("gcc") is None:
        raise SystemExit("bench.media compiles the C relay it compares with: install gcc")
    binary = folder / name
    subprocess.run(["gcc", "-O2", "-Wall", "-o", str(binary), str(HERE / f"{name}.c")], check=True)
    return binary


class Load:
    """The load program, from its ports to its figures."""

    def __init__(self, binary: Path, calls: int, measured_s: float) -> None:
        arguments = [calls, int(WARM_UP_S * 1000), int(measured_s * 1000)]
        self.process = subprocess.Popen(
            [str(binary), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=pin(0),
        )
        self.ports = [int(self._line()) for _ in range(2 * calls)]

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the load program ended early")
        return line.strip()

    def measure(self, relay_ports: list[int], pid: int) -> Part:
        """Send to the relay whose process is ``pid``."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n".join(map(str, relay_ports)) + "\n")
        self.process.stdin.flush()
        if self._line() != "begin":
            raise RuntimeError("the load program is out of step")
        before = cpu_ns(pid)
        self._line()
        used = cpu_ns(pid) - before
        total, sent, received, p50, p99, p9999, gap_max, delay50, delay99 = map(
            int, self._line().split()
        )
        self.process.wait(5)
        text = (
            f"{used / sent / 1000:6.2f} us/packet, {used / 1e9:5.2f} s CPU, {sent} packets,"
            f" {sent - received} lost; gap ms p50 {p50 / 1000} p99 {p99 / 1000}"
            f" p99.99 {p9999 / 1000} max {gap_max / 1000}; delay us p50 {delay50} p99 {delay99}"
        )
        return Part(used / sent / 1000, sent - received, total, p9999 / 1000, delay99 / 1000, text)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def load(binary: Path, calls: int, measured_s: float) -> Iterator[Load]:
    started = Load(binary, calls, measured_s)
    try:
        yield started
    finally:
        started.close()


def measure_c(folder: Path, calls: int, measured_s: float) -> Part:
    with load(folder / "c_load", calls, measured_s) as source:
        relay = subprocess.Popen(
            [str(folder / "c_relay"), str(calls)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=pin(1),
        )
        try:
            assert relay.stdin is not None
            assert relay.stdout is not None
            relay.stdin.write("\n".join(map(str, source.ports)) + "\n")
            relay.stdin.flush()
            ports = [int(relay.stdout.readline()) for _ in range(2 * calls)]
            return source.measure(ports, relay.pid)
        finally:
            relay.kill()
            relay.wait()


class WorkerUnderLoad:
    """A worker process with bridged calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = str(folder / "worker.sock")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "router.media.worker", "--name", "bench"),
                *("--socket", self.path, "--ports", PORTS, "--rest", "0"),
            ],
            preexec_fn=pin(1),
            stderr=subprocess.DEVNULL,
        )
        self.segments: list[RecordingSegment] = []

    def _reported(self, _worker: str, _number: int, report: Report) -> None:
        if isinstance(report, RecordingSegment):
            self.segments.append(report)

    async def connect(self) -> WorkerClient:
        for _ in range(200):
            try:
                return await WorkerClient.connect(
                    self.path, 1, "bench", self._reported, lambda _: None, lambda _: None
                )
            except OSError:
                await asyncio.sleep(0.02)
        raise RuntimeError("the worker does not listen")

    async def open_calls(self, client: WorkerClient, far: list[int], record: bool) -> list[int]:
        ports = []
        for leg, port in enumerate(far):
            answer = await client.ask(Open(f"s{leg}"))
            if not isinstance(answer, Opened):
                raise RuntimeError(str(answer))
            ports.append(answer.port)
            client.send(Update(f"s{leg}", ("127.0.0.1", port), ("127.0.0.1",), 0, 101))
        for leg in range(0, len(far), 2):
            await client.ask(Bridge(f"s{leg}", f"s{leg + 1}"))
            if record:
                path = str(self.folder / f"recording-{leg}")
                await client.ask(Record(f"r{leg}", path, f"s{leg}", f"s{leg + 1}"))
        return ports

    async def recorded(self, client: WorkerClient, legs: int) -> int:
        """Stop all recordings; how many packets they hold."""
        for leg in range(0, legs, 2):
            await client.ask(StopRecord(f"r{leg}"))
        async with asyncio.timeout(CLOSE_S):  # each is reported when the disk has all of it
            while len(self.segments) < legs // 2:
                await asyncio.sleep(0.01)
        if any(segment.error for segment in self.segments):
            raise RuntimeError(f"recording failed: {self.segments[0].error}")
        return sum(segment.left_packets + segment.right_packets for segment in self.segments)

    async def measure(self, calls: int, measured_s: float, record: bool) -> Part:
        client = await self.connect()
        try:
            with load(self.folder / "c_load", calls, measured_s) as source:
                ports = await self.open_calls(client, source.ports, record)
                part = await asyncio.to_thread(source.measure, ports, self.process.pid)
                if not record:
                    return part
                kept = await self.recorded(client, 2 * calls)
                missing = part.total - kept
                text = f"{part.text}; {kept} packets in {len(self.segments)} files"
                lost = part.lost + missing
                return replace(part, lost=lost, text=text)
        finally:
            client.close()


def measure_worker(folder: Path, calls: int, measured_s: float, record: bool) -> Part:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        inner = Path(name)
        for tool in ("c_load", "c_relay"):
            (inner / tool).symlink_to(folder / tool)
        worker = WorkerUnderLoad(inner)
        try:
            return asyncio.run(worker.measure(calls, measured_s, record))
        finally:
            worker.process.terminate()
            worker.process.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.media")
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--calls", type=int, default=CALLS)
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    budget = options.seconds - 2.0  # compiling
    rounds = max(1, min(ROUNDS_MAX, int(budget / (3 * (SET_UP_S + WARM_UP_S + 4.0)))))
    measured_s = max(MEASURED_S_MIN, min(10.0, budget / rounds / 3 - SET_UP_S - WARM_UP_S))
    c_parts, relay_parts, record_parts = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for tool in ("c_relay", "c_load"):
            compile_c(tool, folder)
        for number in range(rounds):
            if number and time.monotonic() + 3 * (SET_UP_S + WARM_UP_S + measured_s) > deadline:
                break
            c_parts.append(measure_c(folder, options.calls, measured_s))
            relay_parts.append(measure_worker(folder, options.calls, measured_s, record=False))
            record_parts.append(measure_worker(folder, options.calls, measured_s, record=True))
            print(f"round {number + 1}, {options.calls} calls, {measured_s:.1f} s each")
            print(f"  C relay    {c_parts[-1].text}")
            print(f"  relaying   {relay_parts[-1].text}")
            print(f"  recording  {record_parts[-1].text}", flush=True)
    pairs = list(zip(c_parts, relay_parts, record_parts, strict=True))
    figures = {
        "c_relay_us": statistics.median(part.us for part in c_parts),
        "relay_us": statistics.median(part.us for part in relay_parts),
        "record_us": statistics.median(part.us for part in record_parts),
        "relay_ratio": statistics.median(relay.us / c.us for c, relay, _ in pairs),
        "record_ratio": statistics.median(record.us / c.us for c, _, record in pairs),
        "recorded_calls": options.calls,
        "lost": sum(part.lost for part in record_parts),
        "gap_ms_p9999": max(part.gap_ms_p9999 for part in record_parts),
        "c_gap_ms_p9999": max(part.gap_ms_p9999 for part in c_parts),
        "delay_ms_p99": statistics.median(part.delay_ms_p99 for part in record_parts),
        "c_delay_ms_p99": statistics.median(part.delay_ms_p99 for part in c_parts),
    }
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
