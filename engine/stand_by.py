"""The spare's life: everything is loaded, nothing is held; engines are forks of this process.

A fork takes two milliseconds and shares what was loaded: nothing is read, compiled or linked at
the moment when calls wait for an engine. A fork copies one thread, so nobody else may run here:
no loop, no thread, no connection.

The engine is the supervisor's child, not the spare's: the process between them ends at once, and
the supervisor adopts orphans (engine.lineage). So its end is reaped by the one who must know, and
a spare that dies leaves the engine alone.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from engine.line import Line
from router.pulse import EVERY_S, Pulse

_DIGITS_MAX = 32


class Birth(NamedTuple):
    """What a new engine has of its own, and the supervisor's pid."""

    line: Line
    pulse: Pulse
    parent: int


def stand_by(line: Line, pulse: Pulse) -> Birth | None:
    """Fork whenever the supervisor says so. Returns in each engine with its Birth, and in the
    spare itself with None when the supervisor is gone."""
    parent = os.getppid()
    line.socket.settimeout(EVERY_S)
    while True:
        pulse.beat()
        try:
            heard = line.hear()
        except TimeoutError:
            continue
        if heard is None:
            return None
        if "fork" not in heard.message:
            _close(heard.fds)
            continue
        told = fork_for_the_parent()
        if told is None:
            line.close()
            pulse.close()
            theirs, pulse_fd = heard.fds
            birth = Birth(Line.of(theirs), Pulse(pulse_fd), parent)
            os.close(pulse_fd)
            return birth
        _close(heard.fds)
        line.say({"forked": told} if told else {"unforked": "the kernel refuses a fork"})


def fork_for_the_parent() -> int | None:
    """Fork a process that is not this one's child but the next adopter's above.

    None in it; here its pid, adopted already, or 0 where the kernel has no room for it.
    """
    read, write = os.pipe()
    try:
        between = os.fork()
    except OSError:
        _close((read, write))
        return 0
    if between == 0:
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid:
            os.write(write, str(pid).encode())
            os._exit(0)
        _close((read, write))
        os.setpgid(0, 0)
        return None
    os.close(write)
    try:
        told = os.read(read, _DIGITS_MAX)
    finally:
        os.close(read)
        os.waitpid(between, 0)
    return int(told or b"0")


def _close(fds: tuple[int, ...] | list[int]) -> None:
    for fd in fds:
        os.close(fd)
