"""An operator can see why: of a real call, while it lives, after a crash, and from the disk."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from main.demo.softphone import Softphone
from tests.wire.system import ROOT, TRUNK, System, eventually

ANNA, BORIS = "101", "102"


def offhook(system: System, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of a user who sits beside the node."""
    return subprocess.run(
        [sys.executable, "-m", "main", *arguments, "-c", str(system.config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def replayed(system: System) -> dict[str, Any]:
    """What ``offhook replay`` finds; its exit code agrees."""
    done = offhook(system, "replay", "--json")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (1 if found["different"] else 0), done.stdout + done.stderr
    return found


async def call_of(system: System, caller: Softphone) -> str:
    """Dial the queue; the call's id once it is there."""
    caller.call("700")
    async with system.async_client() as client:
        for _ in range(100):
            items = (await client.get("/calls?queue=support")).json()["items"]
            if items:
                return str(items[-1]["id"])
            await asyncio.sleep(0.05)
    raise AssertionError("no call in the queue")


async def test_an_operator_can_see_why(tmp_path: Path) -> None:
    system = System(tmp_path)
    system.start()
    phones = [
        Softphone(extension, system.password(extension), "127.0.0.1", system.sip)
        for extension in (ANNA, BORIS)
    ]
    callers = [Softphone(f"+3712000020{n}", "", TRUNK, system.sip) for n in range(2)]
    try:
        for phone in (*phones, *callers):
            await phone.start()
        anna, _ = phones
        waits = await call_of(system, callers[0])
        async with system.async_client() as client:
            shown = (await client.get(f"/calls/{waits}/why")).json()
            assert "Nobody works in support: 3 signed out." in shown["waits"]["text"]
            await anna.register()
            wish = {"presence": "available"}
            (await client.post("/agents/anna/presence", json=wish)).raise_for_status()
            await asyncio.wait_for(anna.up.wait(), 10)
            shown = (await client.get(f"/calls/{waits}/why")).json()
        assert shown["complete"] is True
        assert shown["waits"] is None
        (decision,) = [step["decision"] for step in shown["steps"] if step["decision"]]
        assert [one["agent"] for one in decision["agents"]] == ["anna", "boris", "clara"]
        text = "Anna was rung: nobody else in support could take the call. Left out: 2 signed out."
        assert text in shown["text"]
        said = await asyncio.to_thread(offhook, system, "why", waits)
        assert (said.returncode, said.stderr) == (0, "")
        assert text in said.stdout
        assert "+37120000200" not in said.stdout
        callers[0].hang_up()
        await asyncio.to_thread(kill_the_engine, system)
        await asyncio.to_thread(check_after_a_crash, system, waits, text)
    finally:
        for phone in (*phones, *callers):
            phone.vanish()
        system.stop()
    check_from_the_disk(system, waits, text)


def kill_the_engine(system: System) -> None:
    pid = system.pids()["engine"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: system.pids()["engine"] not in (None, pid), "another engine")

    def ready() -> bool:
        said = offhook(system, "why", "nobody")
        return "knows nothing" in said.stderr and "does not answer" not in said.stderr

    eventually(ready, "the next engine is ready", 20, 0.5)


def check_after_a_crash(system: System, call: str, text: str) -> None:
    """The log has both lives; the decision of the first is still taken again."""
    said = offhook(system, "why", call)
    assert text in said.stdout, said.stdout + said.stderr
    with system.client() as client:
        assert client.get(f"/calls/{call}/why").json()["complete"] is True
    found = replayed(system)
    assert (found["different"], found["unchecked"]) == (0, 0), found
    assert found["decisions"] == 1


def check_from_the_disk(system: System, call: str, text: str) -> None:
    """Nothing runs any more."""
    rows = system.rows("SELECT kind FROM decisions WHERE call = ? ORDER BY seq", call)
    kinds = [row["kind"] for row in rows]
    assert kinds == ["CallQueued", "OfferMade", "OfferEnded", "QueueVisitEnded"]
    said = offhook(system, "why", call)
    assert said.returncode == 0
    assert "does not answer" in said.stderr
    assert text in said.stdout
    found = replayed(system)
    assert (found["different"], found["unchecked"], found["decisions"]) == (0, 0, 1)
