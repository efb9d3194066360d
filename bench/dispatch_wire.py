"""From an agent who gets free to the INVITE of the next call: ``python -m bench.dispatch --wire``.

``offhook serve`` as a user starts it, on loopback: 500 callers (SIPp) wait in one queue and hear
music; sixteen agents' phones (our own SIP core, ``bench/desks.py``) talk for about a second and
hang up, without wrap-up. As many callers come as are taken, so that 500 go on waiting. The first
seconds are warming up and not counted.

The last line of standard output is one JSON object:

waiting                  calls in the queue while it was measured (the fewest of three looks)
free_to_invite_p50_ms    from just before the phone sends its BYE until it has read the INVITE of
free_to_invite_p99_ms    the next call: the talk ends, the floor decides, its decision is on disk
                         (fdatasync), a media session is opened, the INVITE is built and sent
samples                  of these
presence_p50_ms, presence_p99_ms, presence_samples
                         the same from just before the agent's POST that ends a break is sent: with
                         HTTP, and the way of a presence to the floor
echo_p50_ms, echo_p99_ms, echo_samples
                         the least there is, timed at the same moments by the same clock: a datagram
                         to a process like the engine that parses and decides nothing, one fdatasync
                         there, a datagram back (``bench/echo.py``)
ratio                    free_to_invite_p50_ms / echo_p50_ms
lost                     talks that ended without the phone (0: all went as it should)
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import httpx

from bench.calls import say, sign_in
from bench.centre import AGENTS, CALLERS, Centre
from bench.centre import CONFIG as BASE
from bench.desks import Desks

HERE = Path(__file__).resolve().parent
WAITING = 500
PHONES = 16
ARRIVING = 8  # calls that are on their way into the queue
RATE = 100  # new callers in a second while the queue fills
WARM_S = 2.0
END_S = 6.0
FILL_S_MAX = 30.0
SAMPLES_MIN = 300
ECHO = "127.9.0.4"
CONFIG = (
    BASE.replace("{number: '*', flow: bench}", "{number: '*', queue: support}")
    .replace("flows_dir: flows\n", "")
    .replace("workers: 2", "workers: 2, timeout_s: 900")  # the callers are silent
)


def main(seconds: float) -> None:
    """Measure and print; ends within ``seconds``, which should be 45 or more."""
    if shutil.which("sipp") is None:
        sys.exit("bench.dispatch --wire needs SIPp: apt-get install sip-tester")
    with tempfile.TemporaryDirectory(prefix="offhook-bench-") as folder, ExitStack() as stack:
        centre = Centre(Path(folder), PHONES, CONFIG)
        stack.callback(centre.stop)
        result = measure(centre, stack, time.monotonic() + seconds)
    print(json.dumps(result))


def measure(centre: Centre, stack: ExitStack, until: float) -> dict[str, object]:
    """Fill the queue, warm up, measure until it is time to end."""
    say(f"ready after {centre.start():.1f} s")
    port = centre.register_agents()
    sink = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sink.bind((CALLERS, 0))
    agents = {extension: f"a{extension}" for extension in centre.agents}
    desks = Desks(agents, (AGENTS, port), centre.sip, sink.getsockname())
    stack.callback(desks.close)
    api = urlsplit(centre.url)
    desks.use_api((str(api.hostname), int(api.port or 80)), centre.token)
    echo = stack.enter_context(echoing(centre.folder))
    sign_in(centre)
    stack.enter_context(callers(centre, sink.getsockname()))
    filled_by = time.monotonic() + FILL_S_MAX
    while waiting(centre) < WAITING:
        if time.monotonic() > filled_by:
            raise RuntimeError(f"{waiting(centre)} calls wait, not {WAITING}:\n{centre.log()}")
        desks.run(0.5)
    say(f"{WAITING} calls wait")
    desks.use_echo(echo)
    desks.run(WARM_S)
    desks.forget()
    looks = [waiting(centre)]
    for parts in (2, 1):
        desks.run(max(1.0, (until - END_S - time.monotonic()) / parts))
        desks.skip()
        looks.append(waiting(centre))
    return figures(desks, min(looks))


def figures(desks: Desks, at_least: int) -> dict[str, object]:
    """What is printed. RuntimeError where it was not what is claimed."""
    free = desks.samples["bye"]
    if at_least < WAITING or len(free) < SAMPLES_MIN:
        say(f"too little: {at_least} waiting, {len(free)} samples")
    found: dict[str, object] = {"waiting": at_least}
    medians = {}
    for key, kind in (("free_to_invite", "bye"), ("presence", "presence"), ("echo", "echo")):
        cuts = quantiles(desks.samples[kind], n=100)
        medians[kind] = cuts[49]
        found |= {
            f"{key}_p50_ms": round(cuts[49] * 1000, 2),
            f"{key}_p99_ms": round(cuts[98] * 1000, 2),
            "samples" if kind == "bye" else f"{key}_samples": len(desks.samples[kind]),
        }
    return found | {"ratio": round(medians["bye"] / medians["echo"], 1), "lost": desks.lost}


def waiting(centre: Centre) -> int:
    headers = {"Authorization": f"Bearer {centre.token}"}
    answer = httpx.get(f"{centre.url}/queues/support", headers=headers, timeout=5)
    answer.raise_for_status()
    return int(answer.json()["waiting"])


@contextmanager
def echoing(folder: Path) -> Iterator[tuple[str, int]]:
    """Where ``bench.echo`` answers; its file lies beside the journal."""
    command = [sys.executable, "-m", "bench.echo", str(folder / "echo.bin"), ECHO]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield ECHO, int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def callers(centre: Centre, sink: tuple[str, int]) -> Iterator[None]:
    """SIPp keeps as many calls up as wait, talk and are on their way."""
    host, port = centre.sip
    command = ["sipp", f"{host}:{port}", "-sf", str(HERE / "scenarios" / "waiting.xml")]
    command += ["-i", CALLERS, "-s", "100", "-nostdin", "-r", str(RATE), "-m", "1000000"]
    command += ["-l", str(WAITING + PHONES + ARRIVING)]
    command += ["-key", "sink_ip", sink[0], "-key", "sink_port", str(sink[1])]
    with (centre.folder / "waiting.out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.kill()
        process.wait()
