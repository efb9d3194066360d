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
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.line import VARIABLE, Line, line_and_role, take_over
from engine.lineage import end_with_the_parent
from engine.stand_by import stand_by
from router.pulse import EVERY_S, Pulse, own_pulse


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


def live(pulse: Pulse) -> None:
    never = threading.Event()
    while True:
        pulse.beat()
        never.wait(EVERY_S)


class Loaded(NamedTuple):
    handover: str
    line: Line
    pulse: Pulse
    behaviour: str  # of this version, where that is not the usual one


def load(fifo: str, say: Callable[..., None]) -> Loaded:
    """The spare's life; returns in an engine with what it was given. Files beside the fifo say
    what the version on disk is (``version``), and what is wrong with it: ``refuses``, ``hangs``,
    ``dies when asked``,
    ``behaviour of 1.2.4``."""
    line, role = line_and_role()
    pulse = own_pulse()
    is_wrong = Path(fifo).with_name
    if role != "first":
        say(f"{role} waits")
    if is_wrong("hangs").exists():
        say("hangs")
        signal.pause()
    if role == "next" and is_wrong("refuses").exists():
        line.say({"failed": "line 3: nonsense"})
        sys.exit(78)
    version = is_wrong("version")
    told = version.read_text() if version.exists() else "1.2.3"
    line.say({"waiting": told})
    if role == "next" and is_wrong("dies when asked").exists():
        line.hear()
        os._exit(3)
    birth = stand_by(line, pulse)
    given = take_over(birth.line) if birth is not None else None
    if birth is None or given is None:
        sys.exit(0)
    end_with_the_parent(birth.parent)
    behaves = is_wrong(f"behaviour of {told}")
    return Loaded(
        given.handover.to_json(),
        birth.line,
        birth.pulse,
        behaves.read_text() if behaves.exists() else "",
    )


def main(fifo: str, name: str, behaviour: str) -> None:
    out = os.open(fifo, os.O_WRONLY)

    def say(what: str, **more: object) -> None:
        line = {"name": name, "what": what, "pid": os.getpid(), **more}
        os.write(out, json.dumps(line).encode() + b"\n")

    handover, line, life = "", None, None
    if VARIABLE in os.environ:
        handover, line, life, its_own = load(fifo, say)
        behaviour = its_own or behaviour
    if behaviour == "leaves a child" and os.fork() == 0:
        os.setpgid(0, 0)
        say("left", pid=os.getpid())
        signal.pause()
    watched = {signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    say("started", handover=handover, group=os.getpgid(0), stdin=os.readlink("/proc/self/fd/0"))
    if behaviour.startswith("exit"):
        sys.exit(int(behaviour[4:]))
    if line is not None and life is not None and behaviour != "mute":
        line.say({"up": 2})
        threading.Thread(target=live, args=(life,), daemon=True).start()
        threading.Thread(target=obey, args=(line, say), daemon=True).start()
    while True:
        number = signal.sigwait(watched)
        say(signal.Signals(number).name)
        if number == signal.SIGTERM and behaviour != "stubborn":
            sys.exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
