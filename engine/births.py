"""Engines are forks of a spare that is loaded: the supervisor's side, one birth at a time."""

from __future__ import annotations

import os
from typing import NamedTuple

from engine.children import Child
from engine.line import Line, pair
from router.pulse import Pulse, pulse_fd

FORK_S_MAX = 2.0  # it takes two milliseconds; a spare that needs so long hangs


class Expected(NamedTuple):
    """An engine that the spare ``source`` was told to fork: what the supervisor keeps of it."""

    source: Child
    line: Line
    pulse: Pulse
    deadline: float  # monotonic


class Births:
    """``expected``: the one that is under way."""

    def __init__(self) -> None:
        self.expected: Expected | None = None

    def begin(self, source: Child, now: float) -> bool:
        """False where the spare cannot be told."""
        ours, theirs = pair()
        fd = pulse_fd()
        try:
            pulse = Pulse(fd)
            told = source.line is not None and source.line.say(
                {"fork": True}, [theirs.fileno(), fd]
            )
        finally:
            theirs.close()
            os.close(fd)
        self.expected = Expected(source, ours, pulse, now + FORK_S_MAX)
        if not told:
            self.give_up()
        return told

    def born(self, source_pid: int) -> Expected | None:
        """The spare has forked; None where nobody waits for that any more."""
        expected = self.expected
        if expected is None or expected.source.pid != source_pid:
            return None
        self.expected = None
        return expected

    def give_up(self) -> None:
        """Should it be born yet, it finds its line closed and ends."""
        if self.expected is not None:
            self.expected.line.close()
            self.expected.pulse.close()
            self.expected = None
