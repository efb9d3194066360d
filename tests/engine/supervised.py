"""Tiny children for the supervisor's tests: they say who they are and do as they are told.

A child is this file run as a program: ``supervised.py FIFO NAME``. It writes one JSON line to
the fifo when it starts and for each signal that it gets.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.line import VARIABLE, Line, line_and_role, take_over


def obey(line: Line, say: Callable[[str], None]) -> None:
    """Say each order; make way where that is one, and answer the others as if all was done."""
    while (heard := line.hear()) is not None:
        (order,) = heard.message
        say(order)
        if order == "end":
            os._exit(0)
        elif order == "reload":
            line.say({"reloaded": ""})
        elif order == "drain":
            line.say({"left": [3, 1]})
            line.say({"drained": 1})


def main(fifo: str, name: str, behaviour: str) -> None:
    out = os.open(fifo, os.O_WRONLY)

    def say(what: str, **more: object) -> None:
        line = {"name": name, "what": what, "pid": os.getpid(), **more}
        os.write(out, json.dumps(line).encode() + b"\n")

    handover = ""
    line = None
    if VARIABLE in os.environ:
        line, role = line_and_role()
        refuses = role == "next" and Path(fifo).with_name("refuses").exists()
        if role != "engine":
            say(f"{role} waits")
        if refuses:
            line.say({"failed": "line 3: nonsense"})
            sys.exit(78)
        line.say({"waiting": "1.2.3"})
        taken = take_over(line)
        if taken is None:
            sys.exit(0)
        handover = taken.handover.to_json()
    watched = {signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    say("started", handover=handover, group=os.getpgid(0), stdin=os.readlink("/proc/self/fd/0"))
    if behaviour.startswith("exit"):
        sys.exit(int(behaviour[4:]))
    if line is not None:
        line.say({"up": 2})
        threading.Thread(target=obey, args=(line, say), daemon=True).start()
    while True:
        number = signal.sigwait(watched)
        say(signal.Signals(number).name)
        if number == signal.SIGTERM and behaviour != "stubborn":
            sys.exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
