"""The line between the supervisor and an engine, or a spare: messages in order, with descriptors.

A pair of unix sockets (SOCK_SEQPACKET); a message is a JSON object of one packet. What is said:

| from a spare | |
|---|---|
| ``{"waiting": version}`` | everything is loaded; it holds nothing |
| ``{"failed": why}`` | an engine of this version cannot run: the configuration is wrong |
| ``{"forked": pid}``, ``{"unforked": why}`` | an engine is there, or is not |

| to a spare | |
|---|---|
| ``{"begin": true}`` | to one that is the first: the configuration is there to be read |
| ``{"fork": true}``, an engine's line and pulse | fork one that has these |

| from the engine | |
|---|---|
| ``{"up": calls}`` | it is ready; so many calls of its forerunner go on in it |
| ``{"reloaded": why not}`` | empty where the configuration was reloaded |
| ``{"left": [calls, callbacks]}``, ``{"drained": callbacks}`` | how far the drain is |
| ``{"hold": stream}`` and the stream | keep a duplicate of this SIP stream |
| ``{"drop": slot}`` | that one is closed |

| to the engine | |
|---|---|
| ``{"streams": [stream]}`` and these | what was held for the engine before |
| ``{"go": handover}``, the ledger and the listeners | be the engine from now on |
| ``{"end": true}`` | write everything down and end at once; another takes over |
| ``{"drain": where to}`` | take no new calls (a SIP URI that gets them, or "") |
| ``{"reload": true}`` | read the configuration |
"""

from __future__ import annotations

import json
import os
import socket
from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from config.errors import MisuseError
from engine.handover import Handover, HeldStream

VARIABLE = "OFFHOOK_LINE"
MESSAGE_BYTES_MAX = 65_536
UNSENT_MAX = 4_096
FDS_MAX = 200  # the kernel takes 253 at a time (unix(7), SCM_MAX_FD)


class Heard(NamedTuple):
    message: dict[str, Any]
    fds: list[int]


class Line:
    """One end. Descriptors that are sent stay open here; those that are heard are the hearer's.

    The kernel keeps few messages for who does not listen yet (net.unix.max_dgram_qlen, 10 at
    worst), so an end that does not wait keeps the others: ``unsent`` until its owner calls
    ``flush``, which ``on_unsent`` asks for when there is something to wait for.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.on_unsent: Callable[[], None] = _nothing
        self._unsent: deque[tuple[bytes, list[int]]] = deque()

    @classmethod
    def of(cls, fd: int) -> Self:
        """The end that this descriptor is; it waits."""
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
        sock.setblocking(True)
        return cls(sock)

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def unsent(self) -> int:
        return len(self._unsent)

    def say(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> bool:
        """False where the other end is gone, or has not listened for ``UNSENT_MAX`` messages."""
        data = json.dumps(message, separators=(",", ":")).encode()
        if len(data) > MESSAGE_BYTES_MAX or len(fds) > FDS_MAX:
            raise MisuseError(f"too much for one message: {len(data)} bytes, {len(fds)} fds")
        if not self.flush():
            return False
        if not self._unsent:
            sent = self._send(data, fds)
            if sent is not None:
                return sent
            self.on_unsent()
        if len(self._unsent) >= UNSENT_MAX:
            return False
        self._unsent.append((data, [os.dup(fd) for fd in fds]))
        return True

    def flush(self) -> bool:
        """Send what the other end takes now; False where it is gone."""
        while self._unsent:
            sent = self._send(*self._unsent[0])
            if sent is None:
                return True
            if not sent:
                self._forget()
                return False
            _close(self._unsent.popleft()[1])
        return True

    def _send(self, data: bytes, fds: Sequence[int]) -> bool | None:
        """None where it would have to wait."""
        try:
            socket.send_fds(self.socket, [data], fds)
        except BlockingIOError:
            return None
        except OSError:
            return False
        return True

    def _forget(self) -> None:
        while self._unsent:
            _close(self._unsent.popleft()[1])

    def hear(self) -> Heard | None:
        """The next message; None when the other end is gone. BlockingIOError where none is there
        and this end does not wait."""
        try:
            data, ancillary, _, _ = self.socket.recvmsg(  # recv_fds has no flags before 3.13
                MESSAGE_BYTES_MAX, socket.CMSG_LEN(FDS_MAX * 4), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionError:
            return None
        fds = array("i")
        for level, kind, some in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(some[: len(some) - len(some) % fds.itemsize])
        return Heard(json.loads(data), fds.tolist()) if data else None

    def close(self) -> None:
        self._forget()
        self.socket.close()


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def _nothing() -> None:
    """Whoever waits at this end flushes without being asked."""


def pair() -> tuple[Line, Line]:
    """The supervisor's end, which never waits, and the other one's, which does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return Line(ours), Line(theirs)


def line_and_role(environment: Mapping[str, str] = os.environ) -> tuple[Line, str]:
    """A spare's end of its line, and what it was started as: ``first`` where calls wait for it,
    ``spare`` beside an engine, ``next`` for an upgrade. MisuseError where this process was not
    started by a supervisor."""
    fd, _, role = environment.get(VARIABLE, "").partition(" ")
    if not fd.isdigit():
        raise MisuseError(f"{VARIABLE} is not set: the supervisor starts the engine")
    return Line.of(int(fd)), role


class Given(NamedTuple):
    """What an engine begins with. The descriptors are its own."""

    handover: Handover
    ledger_fd: int
    streams: list[tuple[HeldStream, int]]


def hand_over(line: Line, handover: Handover, ledger_fd: int, listeners: Sequence[int]) -> bool:
    """Make the process at the other end the engine. ``listeners``: the API's last."""
    return line.say({"go": handover.to_json()}, [ledger_fd, *listeners])


def take_over(line: Line) -> Given | None:
    """Wait until this process is the engine; None where the supervisor is gone instead."""
    streams: list[tuple[HeldStream, int]] = []
    while (heard := line.hear()) is not None:
        message, fds = heard
        if "streams" in message:
            told = [HeldStream.of(one) for one in message["streams"]]
            streams += zip(told, fds, strict=True)
        if "go" in message:
            handover = Handover.from_json(message["go"], fds[1:])
            return Given(handover, fds[0], streams)
    return None
