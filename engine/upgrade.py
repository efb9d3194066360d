"""An engine is replaced by the version that is on disk now, without a gap.

A spare of the next version loads, reads the configuration and waits; then the old engine writes
everything down and ends, and one that is forked from that spare takes over as it would after a
crash. Nothing is risked before the next one waits: where it does not come up the old one goes
on. The old version's spare stays until the new engine is ready: should that fail, an engine of
the old version takes the calls over again.
"""

from __future__ import annotations

import math
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

    def dismiss(self, name: str) -> None:
        """End that one; nobody follows it."""

    def rename(self, name: str, new: str) -> None: ...

    def tell(self, what: str, text: str, status: int | None = None) -> None:
        """To the log and to those who asked."""


class Upgrade:
    """At most one at a time. ``stage``: "", "loading", "ending", "starting"."""

    def __init__(self, supervisor: Supervising) -> None:
        self._supervisor = supervisor
        self.stage = ""
        self.deadline = math.inf  # of the stage, monotonic
        self._began = 0.0
        self._from = self._to = ""

    @property
    def source(self) -> str:
        """The spare that the next engine comes from."""
        return "next" if self.stage in ("ending", "starting") else "spare"

    def begin(self) -> None:
        """Who asks while one is under way hears of that one."""
        if self.stage:
            return
        self._enter("loading", time.monotonic() + LOAD_S_MAX)
        self._supervisor.tell(NAME, "the version on disk is loading")
        self._supervisor.start("next")

    def loaded(self, version: str) -> None:
        """The next spare waits: the old engine makes way."""
        if self.stage != "loading":
            return
        engine = self._supervisor.child("engine")
        self._from, self._to = engine.version if engine is not None else "", version
        self._began = time.monotonic()
        self._enter("ending", self._began + END_S_MAX)
        if engine is None:
            self._supervisor.start("engine")
        elif engine.line is None or not engine.line.say({"end": True}):
            kill(engine.pid, signal.SIGKILL)

    def took_over(self) -> None:
        """The next engine was told to go. How long it may take is the vigil's business."""
        if self.stage == "ending":
            self._enter("starting", math.inf)

    def up(self, calls: int) -> None:
        if self.stage != "starting":
            return
        gone_s = time.monotonic() - self._began
        self._supervisor.dismiss("spare")
        self._supervisor.rename("next", "spare")
        self._end(
            f"version {self._from or 'unknown'} was replaced by {self._to or 'unknown'}: "
            f"{calls} call{'s' * (calls != 1)} carried over, {gone_s:.2f} s without an engine",
            0,
        )

    def failed(self, why: str) -> None:
        """The next spare cannot be what engines come from."""
        if self.stage == "starting":  # the new engine lives and does without
            return
        if self.stage:
            self._supervisor.dismiss("next")
            self._end(f"not upgraded, the version that ran goes on: {why}", 1)

    def engine_died(self, code: int) -> bool:
        """True where that was foreseen: another engine follows at once."""
        if self.stage == "starting":
            self._supervisor.dismiss("next")
            old = self._supervisor.child("spare")
            follows = (
                f"version {old.version} takes the calls over again"
                if old is not None and old.version
                else "no spare of the old version is there: what is on disk starts again"
            )
            self._end(f"version {self._to} died at its start ({code}): {follows}", 1)
            return True
        return self.stage == "ending"

    def late(self) -> None:
        """The stage's time is up."""
        if self.stage == "ending":
            engine = self._supervisor.child("engine")
            if engine is not None:
                kill(engine.pid, signal.SIGKILL)
            self.deadline = time.monotonic() + LOAD_S_MAX
        elif self.stage == "loading":
            self.failed(f"it did not load within {LOAD_S_MAX:.0f} s")

    def _enter(self, stage: str, deadline: float) -> None:
        self.stage, self.deadline = stage, deadline

    def _end(self, text: str, status: int) -> None:
        self._enter("", math.inf)
        self._supervisor.tell(NAME, text, status)
