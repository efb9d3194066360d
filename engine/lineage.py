"""Whose child a process is, and what becomes of it when its parent ends: prctl(2)."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Descendants whose parent ends are this process' children from then on, not init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with_the_parent(parent: int) -> None:
    """Ask the kernel for SIGTERM when ``parent`` is gone; end where it is gone already."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:
        os._exit(127)  # it died before the kernel knew


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} is refused")
