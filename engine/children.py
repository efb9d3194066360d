"""Child processes of the supervisor: started lean, reaped by pid, not restarted too fast."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple, NoReturn

from engine.line import VARIABLE, Line, pair
from engine.lineage import end_with_the_parent
from router import pulse

STEADY_S = 3.0  # who worked so long ended for a reason of the moment
PAUSES_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# A process gets these for what it does itself, any other signal from somebody else.
_OF_ITS_OWN = (
    signal.SIGILL,
    signal.SIGTRAP,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGSEGV,
    signal.SIGSYS,
)
_TAKEN_BY_THE_PARENT = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Child(NamedTuple):
    name: str
    pid: int
    started: float  # monotonic
    line: Line | None = None  # to an engine or a spare
    version: str = ""  # of an engine, or of a spare that is loaded
    up: bool = False  # an engine that has said so


class Backoff:
    """How long to wait before the next start: not at all, unless it fails again and again.

    Who worked and was then killed by somebody else did nothing wrong, however often that is.
    """

    def __init__(self) -> None:
        self._failures = 0

    def died(self, code: int, worked: bool, lived_s: float) -> float:
        """Seconds to wait after a life that ended with this status or -signal; at most 10."""
        if worked and (lived_s >= STEADY_S or killed(code)):
            self._failures = 0
            return 0.0
        self._failures += 1
        return PAUSES_S[min(self._failures, len(PAUSES_S)) - 1]


def killed(code: int) -> bool:
    """By somebody else: the end of this status or -signal is not of the process' own making."""
    return code < 0 and -code not in _OF_ITS_OWN


class Started(NamedTuple):
    """A process that begins, and what its parent has of it."""

    pid: int
    line: Line | None
    pulse_fd: int


def begin(command: Sequence[str], role: str = "") -> Started:
    """Start a process that has a pulse; one with a ``role`` has a line, too."""
    environment, inherited, line = dict(os.environ), [], None
    environment.setdefault("MALLOC_ARENA_MAX", "2")  # threads that mostly wait need no more
    if role:
        line, theirs = pair()
        environment[VARIABLE] = f"{theirs.fileno()} {role}"
        inherited = [theirs.fileno()]
    fd = pulse.pulse_fd()
    environment[pulse.VARIABLE] = str(fd)
    pid = start(command, environment, [*inherited, fd])
    if line is not None:
        theirs.close()
    return Started(pid, line, fd)


def take_back(started: Started) -> None:
    """End a process that should not have begun."""
    kill(started.pid, signal.SIGKILL)
    os.waitpid(started.pid, 0)
    os.close(started.pulse_fd)
    if started.line is not None:
        started.line.close()


def to_inherit(started: Started) -> tuple[int, int, int]:
    """For a program that takes this process' place: the pid, and descriptors that outlive exec."""
    line = started.line.fileno() if started.line is not None else -1
    for fd in (line, started.pulse_fd):
        os.set_inheritable(fd, True)
    return started.pid, line, started.pulse_fd


def inherited(numbers: tuple[int, int, int]) -> Started:
    """The same in the program that took its place."""
    pid, fd, pulse_fd = numbers
    line = Line.of(fd)
    line.socket.setblocking(False)
    os.set_inheritable(pulse_fd, False)
    return Started(pid, line, pulse_fd)


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
        end_with_the_parent(parent)
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


def reap_orphans(ours: Container[int]) -> None:
    """Those that ended and are nobody's any more: children of children that died."""
    with contextlib.suppress(ChildProcessError):
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid in ours:
                return  # the next look finds ours first
            os.waitpid(found.si_pid, 0)


def kill(pid: int, number: signal.Signals, group: bool = False) -> None:
    """Signal a child (or its process group) that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
