"""The supervisor's children while they live: by pid, with their lines and their signs of life.

What follows from an end is not decided here.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence

from engine.children import Child, Started, kill, reap, reap_orphans
from engine.line import Heard
from engine.run_files import say
from engine.vigil import Vigil
from engine.waiting import Waiter
from router.pulse import Pulse

# The engine; what it is forked from; the same of the version that an upgrade brings; one of these
# that is not wanted any more.
ENGINE, SPARE, NEXT, UNWANTED = "engine", "spare", "next", "unwanted"
SPARES = (SPARE, NEXT)


class Family:
    """``take`` gets what a child says, with its pid. ``start_s``: see engine.vigil."""

    def __init__(self, waiter: Waiter, start_s: float, take: Callable[[int, Heard], None]) -> None:
        self.by_pid: dict[int, Child] = {}
        self._waiter = waiter
        self._take = take
        self._vigil = Vigil(start_s)

    def child(self, name: str) -> Child | None:
        return next((child for child in self.by_pid.values() if child.name == name), None)

    def adopt(self, name: str, started: Started) -> None:
        """A process that was started just now."""
        self.take_in(
            Child(name, started.pid, time.monotonic(), started.line), Pulse(started.pulse_fd)
        )
        os.close(started.pulse_fd)

    def take_in(self, child: Child, its_pulse: Pulse) -> None:
        """One that is there already."""
        self.by_pid[child.pid] = child
        self._vigil.watch(child.pid, its_pulse)
        if child.line is not None:
            self._waiter.watch(child.line.fileno())

    def rename(self, name: str, new: str) -> None:
        child = self.child(name)
        if child is not None:
            self.by_pid[child.pid] = child._replace(name=new)

    def dismiss(self, name: str) -> None:
        """End that one; nobody follows it."""
        child = self.child(name)
        if child is not None:
            self.rename(name, UNWANTED)
            kill(child.pid, signal.SIGKILL)

    def signal(self, number: signal.Signals, *names: str) -> None:
        """To those of these names, or to all."""
        for child in self.by_pid.values():
            if not names or child.name in names:
                kill(child.pid, number)

    # --- what they say ------------------------------------------------------------------------

    def hear(self, fds: Sequence[int]) -> None:
        """``fds``: what the waiter found."""
        for child in list(self.by_pid.values()):
            if child.line is not None and child.line.fileno() in fds:
                self._hear(child)

    def _hear(self, child: Child) -> None:
        """All of it."""
        line = child.line
        while line is not None:
            try:
                heard = line.hear()
            except BlockingIOError:
                return
            if heard is None:
                self._waiter.forget(line.fileno())
                line.close()
                self.by_pid[child.pid] = self.by_pid[child.pid]._replace(line=None)
                return
            self._take(child.pid, heard)

    def flush(self) -> None:
        """Who is busy reads what it is told afterwards."""
        for line in [child.line for child in self.by_pid.values() if child.line is not None]:
            line.flush()
            self._waiter.watch(line.fileno(), writable=line.unsent > 0)

    # --- how they end -------------------------------------------------------------------------

    def reap(self) -> list[tuple[Child, int, bool]]:
        """Who ended, with which status or -signal, and whether it ever worked."""
        ended = []
        for pid, code in reap(list(self.by_pid)):
            self._hear(self.by_pid[pid])  # what it said before
            child = self.by_pid.pop(pid)
            worked = self._vigil.forget(pid)
            if child.line is not None:
                self._waiter.forget(child.line.fileno())
                child.line.close()
            ended.append((child, code, worked or child.up))
        reap_orphans(self.by_pid)
        return ended

    @property
    def next_look(self) -> float:
        return self._vigil.next_look

    def look_for_hanging(self) -> None:
        """One that hangs is worse than one that is dead: nobody takes its place."""
        for pid in self._vigil.look(time.monotonic()):
            say(f"{self.by_pid[pid].name} (pid {pid}) shows no sign of life and is killed")
            kill(pid, signal.SIGKILL)
