"""``offhook demo``: what a newcomer runs first, with its own judgement of five real calls."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_is_well() -> None:
    command = [sys.executable, "-m", "main", "demo", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"calls": 5, "tickets": 5, "recordings_verified": 2, "ok": True}
