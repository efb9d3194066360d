"""Starts the engine's program: loads everything, then waits until the supervisor says go.

The modules are loaded with the garbage collector at rest: a thousand of them make objects that
all stay; looking through them again and again while they load takes a fifth of the start.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading

from engine.handover import EXIT_CONFIG
from engine.line import line_and_role, take_over

SPARE_NICE = 5  # a spare is in nobody's way while it loads


def main() -> int:
    """The exit code of the engine's process."""
    line, role = line_and_role()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the engine runs
    gc.disable()
    if role == "spare":
        # Nice belongs to a thread (setpriority(2)) and cannot be lowered again: so the thread
        # that goes on later must not be the one that loads.
        loading = threading.Thread(target=_load_nicely, name="loading")
        loading.start()
        loading.join()
    from main.cli import version
    from main.engine_process import check
    from main.engine_process import main as engine

    gc.collect()
    gc.freeze()
    gc.enable()
    if role == "next":
        why_not = check()
        if why_not:
            line.say({"failed": why_not})
            return EXIT_CONFIG
    line.say({"waiting": version()})
    given = take_over(line)
    return engine(given, line) if given is not None else 0


def _load_nicely() -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), SPARE_NICE)
    import main.engine_process  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
