"""The spare's program: loads everything, then engines are forked from it (engine.stand_by).

The modules are loaded with the garbage collector at rest: a thousand of them make objects that
all stay; looking through them again and again while they load takes a fifth of the start. What is
loaded is frozen afterwards, so that no collection of an engine writes to memory that it shares.
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
from engine.lineage import end_with_the_parent
from engine.stand_by import stand_by
from router.pulse import own_pulse

SPARE_NICE = 5  # who loads beside an engine is in nobody's way


def main() -> int:
    """The exit code of the spare's process, and of each engine's."""
    line, role = line_and_role()
    pulse = own_pulse()
    pulse.progress()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the engine runs
    gc.disable()
    if role != "first":
        # Nice belongs to a thread (setpriority(2)) and cannot be lowered again: so the thread
        # that engines are forked from must not be the one that loads.
        loading = threading.Thread(target=_load_nicely, name="loading")
        loading.start()
        loading.join()
    from main.cli import version
    from main.engine_process import main as engine
    from main.engine_process import rehearse

    pulse.progress()
    this_version = version()
    if role == "first" and line.hear() is None:  # somebody reads the configuration first
        return 0
    why_not = rehearse()
    if why_not and role == "next":  # otherwise the engine says so
        line.say({"failed": why_not})
        return EXIT_CONFIG
    gc.collect()
    gc.freeze()
    gc.enable()
    line.say({"waiting": this_version})
    birth = stand_by(line, pulse)
    if birth is None:
        return 0
    given = take_over(birth.line)
    if given is None:
        return 0
    end_with_the_parent(birth.parent)
    return engine(given, birth, this_version)


def _load_nicely() -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), SPARE_NICE)
    import main.engine_process  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
