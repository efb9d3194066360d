"""``offhook demo``: the whole system on loopback, five real calls, verified from the outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from main.demo.calls import STORIES, Stage, perform
from main.demo.system import System
from main.demo.verify import Verdict, verify


def demo(*, keep: bool, as_json: bool) -> int:
    """0 where every call left exactly what it should, 1 where anything is off."""
    try:
        return asyncio.run(_demo(keep, as_json))
    except asyncio.CancelledError:
        print("ended before it was done", file=sys.stderr)
        raise SystemExit(130) from None


def _end_with_us() -> None:
    """A signal ends the system too: it has a session of its own and would stay behind."""
    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)


async def _demo(keep: bool, as_json: bool) -> int:
    _end_with_us()
    begun = time.monotonic()
    out = sys.stderr if as_json else sys.stdout

    def say(who: str, what: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {who:>13}  {what}", file=out, flush=True)

    system = System(Path(tempfile.mkdtemp(prefix="offhook-demo-")))
    try:
        await system.start()
        say("offhook", f"is ready after {system.started_in_s:.1f} s")
        say("offhook", f"SIP {system.sip[0]}:{system.sip[1]}, API {system.url}")
        stage = Stage(system, say)
        await stage.open()
        try:
            problems = await perform(stage)
            verdict = await verify(system, STORIES)
            for problem in problems:
                verdict.expect(False, problem)
        finally:
            await stage.close(sign_out=keep)
        _tell(verdict, system, out)
        if as_json:
            print(json.dumps(verdict.summary()))
        if keep:
            _how_to_try(system, out)
            with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C is how this one ends
                await system.wait()
        return 0 if verdict.ok else 1
    finally:
        system.stop()


def _tell(verdict: Verdict, system: System, out: object) -> None:
    lines = ["", "verified from the outside:"]
    lines += [f"  {'ok ' if check.ok else 'OFF'} {check.text}" for check in verdict.checks]
    lines += [
        "",
        f"  tickets     {system.folder / 'tickets.json'}",
        f"  recordings  {system.folder / 'recordings'}",
        f"  metrics     {system.folder / 'metrics.txt'}",
        f"  log         {system.log}",
        "",
        "all is well" if verdict.ok else "something is OFF, see above",
    ]
    print("\n".join(lines), file=out, flush=True)  # type: ignore[call-overload]


def _how_to_try(system: System, out: object) -> None:
    host, port = system.sip
    secrets = system.secrets
    lines = [
        "",
        "it stays on; Ctrl-C ends it. Softphones (UDP or TCP):",
        f"  agent Anna   101 / {secrets['phones']['101']}  at {host}:{port} - dial *11 to sign in",
        f"  agent Boris  102 / {secrets['phones']['102']}  at {host}:{port} - dial *11 to sign in",
        f"  a caller     caller / {secrets['trunks']['your-phone']} as authentication user,"
        " without registering; dial 100",
        "the API (/tickets, /recordings/<id>/audio, /metrics; more in docs/api.md):",
        f"  curl -H 'Authorization: Bearer {system.token}' {system.url}/tickets",
    ]
    print("\n".join(lines), file=out, flush=True)  # type: ignore[call-overload]
