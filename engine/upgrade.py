"""An engine is replaced by the version that is on disk now, without a gap.

The next engine loads, reads the configuration and waits; then the old one writes everything down
and ends, and the next one takes over as it would after a crash. Nothing is risked before the next
one waits: where it does not come up the old one goes on.
"""

from __future__ import annotations

import signal
import time
from typing import Protocol

from engine.children import Child, kill

LOAD_S_MAX = 60.0
END_S_MAX = 2.0
NAME = "upgrade"


class Supervising(Protocol):
    """What an upgrade needs of the supervisor."""

    def child(self, name: str) -> Child | None: ...

    def start(self, name: str) -> None: ...

    def tell(self, what: str, text: str, status: int | None = None) -> None:
        """To the log and to those who asked."""


class Upgrade:
    """At most one at a time. ``stage``: "", "loading", "ending", "starting"."""

    def __init__(self, supervisor: Supervising) -> None:
        self._supervisor = supervisor
        self.stage = ""
        self.deadline = 0.0  # of the stage, monotonic
        self._began = 0.0
        self._from = self._to = ""

    def begin(self) -> None:
        """Who asks while one is under way hears of that one."""
        if self.stage:
            return
        self.stage, self.deadline = "loading", time.monotonic() + LOAD_S_MAX
        self._supervisor.tell(NAME, "the version on disk is loading")
        self._supervisor.start("next")

    def loaded(self, version: str) -> None:
        """The next engine waits: the old one makes way."""
        engine = self._supervisor.child("engine")
        self._from, self._to = engine.version if engine is not None else "", version
        self._began = time.monotonic()
        self.stage, self.deadline = "ending", self._began + END_S_MAX
        if engine is None:
            self._supervisor.start("engine")
        elif engine.line is None or not engine.line.say({"end": True}):
            kill(engine.pid, signal.SIGKILL)

    def took_over(self) -> None:
        """The next engine was told to go."""
        if self.stage:
            self._began = self._began if self.stage == "ending" else time.monotonic()
            self.stage, self.deadline = "starting", time.monotonic() + LOAD_S_MAX

    def up(self, calls: int) -> None:
        if self.stage != "starting":
            return
        gone_s = time.monotonic() - self._began
        self._end(
            f"version {self._from or 'unknown'} was replaced by {self._to or 'unknown'}: "
            f"{calls} call{'s' * (calls != 1)} carried over, {gone_s:.2f} s without an engine",
            0,
        )

    def failed(self, why: str) -> None:
        """Before the old engine made way: it goes on."""
        if self.stage:
            self._end(f"not upgraded, the engine that runs goes on: {why}", 1)

    def engine_died(self, code: int) -> None:
        """The new one, before it was ready: it is started again like any other."""
        if self.stage == "starting":
            self._end(f"version {self._to} died at its start ({code}); it starts again", 1)

    def late(self) -> None:
        """The stage's time is up."""
        if self.stage == "ending":
            engine = self._supervisor.child("engine")
            if engine is not None:
                kill(engine.pid, signal.SIGKILL)
            self.deadline = time.monotonic() + LOAD_S_MAX
        elif self.stage == "loading":
            slow = self._supervisor.child("next")
            self.failed(f"it did not load within {LOAD_S_MAX:.0f} s")
            if slow is not None:
                kill(slow.pid, signal.SIGKILL)
        else:
            self._end(f"version {self._to} is not ready after {LOAD_S_MAX:.0f} s", 1)

    def _end(self, text: str, status: int) -> None:
        self.stage = ""
        self._supervisor.tell(NAME, text, status)
