"""Child processes of the supervisor: started lean, reaped by pid, not restarted too fast."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from engine.line import Line

STEADY_S = 3.0  # who lived so long died for a reason of the moment
PAUSES_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_TAKEN_BY_THE_PARENT = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Child(NamedTuple):
    name: str
    pid: int
    started: float  # monotonic
    line: Line | None = None  # to an engine, also to one that is to be
    version: str = ""  # of an engine that is loaded


class Backoff:
    """How long to wait before the next start: not at all, unless it dies again and again."""

    def __init__(self) -> None:
        self._deaths = 0

    def died(self, lived_s: float) -> float:
        """Seconds to wait after a life of ``lived_s``; at most 10."""
        self._deaths = 1 if lived_s >= STEADY_S else self._deaths + 1
        return PAUSES_S[min(self._deaths, len(PAUSES_S)) - 1]


def start(command: Sequence[str], environment: dict[str, str], inherited: Iterable[int]) -> int:
    """Fork and execute; the pid. The child has its own process group and no standard input.

    ``inherited`` descriptors keep their numbers. A command that cannot be executed shows as a
    child that ends with 127.
    """
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _become(command, environment, inherited, parent)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _become(
    command: Sequence[str], environment: dict[str, str], inherited: Iterable[int], parent: int
) -> NoReturn:
    """In the child, between fork and exec; whatever goes wrong ends it."""
    try:
        os.setpgid(0, 0)
        _end_with_the_parent(parent)
        signal.set_wakeup_fd(-1)
        for number in _TAKEN_BY_THE_PARENT:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        for fd in inherited:
            os.set_inheritable(fd, True)
        os.execvpe(command[0], list(command), environment)  # noqa: S606 (no shell is wanted)
    except BaseException as error:
        os.write(2, f"supervisor: {command[0]} cannot be started: {error}\n".encode())
    finally:
        os._exit(127)


def _end_with_the_parent(parent: int) -> None:
    """Ask the kernel for SIGTERM when the supervisor is gone (prctl(2), PR_SET_PDEATHSIG).

    ctypes is imported here, in the child that is about to be replaced, so that the supervisor
    itself stays small.
    """
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(127)  # it died before the kernel knew


def reap(pids: Iterable[int]) -> list[tuple[int, int]]:
    """(pid, exit status or -signal) of those that ended; what they left running is killed."""
    ended = []
    for pid in pids:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            found, status = pid, 0
        if found == pid:
            kill(pid, signal.SIGKILL, group=True)
            ended.append((pid, os.waitstatus_to_exitcode(status)))
    return ended


def kill(pid: int, number: signal.Signals, group: bool = False) -> None:
    """Signal a child (or its process group) that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
