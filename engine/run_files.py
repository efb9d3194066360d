"""What the supervisor leaves in ``data_dir/run`` for others, and its words for the log."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from config.errors import PeerError


class BusyError(PeerError):
    """Another supervisor works on this data_dir."""


def lock(folder: str) -> int:
    """One supervisor for one data_dir: the kernel drops the lock with the process."""
    fd = os.open(os.path.join(folder, "supervisor.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(fd, 32).decode() or "unknown"
        os.close(fd)
        raise BusyError(
            f"{os.path.dirname(folder)} is in use by another offhook (pid {pid}); "
            "end it, or give this one a data_dir of its own"
        ) from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def write_state(folder: str, state: Mapping[str, Any]) -> None:
    """``supervisor.json``: who runs and where, for ``offhook`` and for people."""
    path = os.path.join(folder, "supervisor.json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(state, file, indent=1)
    os.replace(path + ".new", path)


def url_of(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def say(text: str) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    print(f"{stamp}Z supervisor: {text}", file=sys.stderr, flush=True)
