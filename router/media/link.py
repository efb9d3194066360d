"""The worker's end of the socket to the engine: one engine at a time, the newest wins."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from functools import partial

from router.media.frames import (
    UNANSWERED,
    FrameError,
    Splitter,
    decode_command,
    encode_answer,
    encode_figure,
)
from router.media.outbox import Outbox
from router.media.protocol import (
    Acknowledge,
    Answer,
    Command,
    Figure,
    Hello,
    Refused,
    Report,
    Welcome,
)
from router.media.upkeep import Wiring

STRANGERS_MAX = 4  # connections that have not said Hello
READ_BYTES = 65_536
FRAMES_PER_TURN = 16  # then the packets of the calls have their turn
UNSENT_BYTES_MAX = 32 * 1024 * 1024


def log(text: str) -> None:
    """One line for the supervisor's log."""
    try:
        os.write(2, f"media: {text}\n".encode())
    except OSError:
        return  # nobody reads it; calls go on


class Connection:
    """One accepted stream: its unread frames and what it has not taken yet."""

    __slots__ = ("greeted", "sock", "splitter", "unsent")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.splitter = Splitter()
        self.unsent = bytearray()
        self.greeted = False


class Link:
    """Takes commands from the engine of the highest generation; keeps reports for it.

    An engine that does not read what it is sent is cut off at 32 MiB; its reports are kept.
    """

    def __init__(
        self,
        name: str,
        listener: socket.socket,
        wiring: Wiring,
        handle: Callable[[Command], Answer],
        sessions: Callable[[], int],
    ) -> None:
        self.name = name
        self.listener = listener
        self.wiring = wiring
        self.handle = handle
        self.sessions = sessions
        self.outbox = Outbox()
        self.generation = -1
        self.engine: Connection | None = None
        self.connections: dict[int, Connection] = {}
        self.busy: dict[Connection, None] = {}  # more frames are there than one turn takes
        self._taking = False  # what is queued goes out at the end of these frames, at once
        listener.setblocking(False)
        wiring.watch(listener.fileno(), self._accept)

    # --- connections --------------------------------------------------------------------------

    def _accept(self, _: int) -> None:
        try:
            sock, _address = self.listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        strangers = [known for known in self.connections.values() if not known.greeted]
        if len(strangers) >= STRANGERS_MAX:
            self._drop(strangers[0])
        connection = Connection(sock)
        self.connections[sock.fileno()] = connection
        self.wiring.watch(sock.fileno(), partial(self._ready, connection))

    def _drop(self, connection: Connection) -> None:
        fd = connection.sock.fileno()
        if self.connections.pop(fd, None) is None:
            return
        self.busy.pop(connection, None)
        self.wiring.unwatch(fd)
        connection.sock.close()
        if connection is self.engine:
            self.engine = None
            log(f"{self.name}: engine {self.generation} is gone, {self.sessions()} sessions go on")

    def _ready(self, connection: Connection, _: int) -> None:
        self._flush(connection)
        if connection.sock.fileno() < 0 or connection in self.busy:
            return
        try:
            data = connection.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        connection.splitter.feed(data)
        self._take_frames(connection)

    def proceed(self) -> None:
        """Take further frames of those that had more than one turn takes."""
        for connection in tuple(self.busy):
            self._take_frames(connection)

    def _take_frames(self, connection: Connection) -> None:
        self.busy.pop(connection, None)
        self._taking = True
        try:
            for _ in range(FRAMES_PER_TURN):
                data = connection.splitter.next()
                if data is None:
                    break
                self._take(connection, *decode_command(data))
                if connection.sock.fileno() < 0:
                    return
            else:
                self.busy[connection] = None
        except FrameError as error:
            log(f"{self.name}: connection dropped: {error}")
            self._drop(connection)
            return
        finally:
            self._taking = False
        self._flush(connection)

    # --- commands -----------------------------------------------------------------------------

    def _take(self, connection: Connection, generation: int, number: int, command: Command) -> None:
        if generation < self.generation:
            reason = f"stale generation {generation}, the newest is {self.generation}"
            self._queue(connection, encode_answer(number, Refused(reason)))
            return
        if isinstance(command, Hello):
            self._welcome(connection, generation, number, command)
        elif connection is not self.engine or generation != self.generation:
            reason = "say Hello first" if connection is not self.engine else "generation changed"
            self._queue(connection, encode_answer(number, Refused(reason)))
        elif isinstance(command, Acknowledge):
            self.outbox.acknowledge(command.report)
        else:
            answer = self._carry_out(command)
            if number != UNANSWERED or isinstance(answer, Refused):
                self._queue(connection, encode_answer(number, answer))

    def _carry_out(self, command: Command) -> Answer:
        try:
            return self.handle(command)
        except Exception as error:
            # A fault of ours in one command must not silence all other calls of this worker.
            log(f"{self.name}: {type(command).__name__}: {error!r}")
            sys.excepthook(type(error), error, error.__traceback__)
            return Refused(f"fault in the worker: {type(error).__name__}")

    def _welcome(self, connection: Connection, generation: int, number: int, hello: Hello) -> None:
        former, self.engine = self.engine, connection
        self.generation = generation
        connection.greeted = True
        if former is not None and former is not connection:
            self._drop(former)
        log(f"{self.name}: engine {hello.engine} generation {generation}")
        welcome = Welcome(self.name, os.getpid(), self.sessions(), self.outbox.first)
        self._queue(connection, encode_answer(number, welcome))
        for frame in self.outbox.frames():
            self._queue(connection, frame)

    # --- to the engine ------------------------------------------------------------------------

    def report(self, report: Report) -> None:
        """Keep a report and send it, if an engine is there."""
        frame = self.outbox.add(report)
        if self.engine is not None:
            self._queue(self.engine, frame)
            if not self._taking:
                self._flush(self.engine)

    def figure(self, figure: Figure) -> None:
        if self.engine is not None:
            self._queue(self.engine, encode_figure(figure))
            self._flush(self.engine)

    def _queue(self, connection: Connection, frame: bytes) -> None:
        connection.unsent += frame

    def _flush(self, connection: Connection) -> None:
        unsent = connection.unsent
        if not unsent or connection.sock.fileno() < 0:
            return
        try:
            sent = connection.sock.send(unsent)
            del unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if len(unsent) > UNSENT_BYTES_MAX:
            log(f"{self.name}: engine {self.generation} does not read, cut off")
            self._drop(connection)
        else:
            self.wiring.want_write(connection.sock.fileno(), bool(unsent))
