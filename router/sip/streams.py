"""One TCP stream of SIP messages: framing, keep-alive, deadlines, bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from router.sip.effects import Flow
from router.sip.errors import FramingError
from router.sip.framing import PING, PONG, StreamFramer
from router.sip.parser import DEFAULT_LIMITS, ParseLimits
from router.sip.stateless import answer_unparsable

OnMessage = Callable[[bytes, Flow], None]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of streams. Times in seconds."""

    parse: ParseLimits = DEFAULT_LIMITS
    connections_max: int = 2000  # beyond it a new stream is closed at once
    idle_s: float = 3700.0  # longer than the longest registration, whose phone may be silent
    message_s: float = 10.0  # from a message's first byte (or the accept) to its last
    connect_s: float = 5.0
    linger_s: float = 2.0  # for the peer to read the answer before a forced close
    write_bytes_max: int = 262_144  # unsent bytes of one stream; beyond it the stream is cut
    waiting_max: int = 64  # messages that wait for one stream to open

    @property
    def streams_max(self) -> int:
        """Of all kinds: a tenth is for ours, when strangers hold the rest."""
        return self.connections_max + self.connections_max // 10 + 1


class Keeper(Protocol):
    """Who keeps streams beyond this process is told what is in hand of each, by its number."""

    def opened(self, stream: Stream, fd: int) -> None: ...

    def reading(self, number: int) -> None:
        """Bytes were read; nothing was made of them yet."""

    def done(self, number: int) -> None:
        """What was read were whole messages, and all of them were given out."""

    def writing(self, number: int, on: bool) -> None:
        """Bytes to be sent wait in this process, or no more."""

    def closed(self, number: int) -> None: ...


class NoKeeper:
    """Streams end with the process."""

    def opened(self, stream: Stream, fd: int) -> None:
        pass

    def reading(self, number: int) -> None:
        pass

    def done(self, number: int) -> None:
        pass

    def writing(self, number: int, on: bool) -> None:
        pass

    def closed(self, number: int) -> None:
        pass


class Stream(asyncio.Protocol):
    """One open stream. ``opened`` and ``closed`` are told to the owner, messages to all.

    A broken frame (RFC 3261 18.3) is answered, then the stream is closed: what follows on it
    cannot be told apart any more.
    """

    def __init__(
        self,
        limits: StreamLimits,
        listener: int,
        opened: Callable[[Stream], bool],
        closed: Callable[[Stream], None],
        on_message: OnMessage,
        opened_for: tuple[str, int] | None = None,
        keeper: Keeper | None = None,
        number: int = 0,
    ) -> None:
        self._limits = limits
        self._listener = listener
        self._opened = opened
        self._closed = closed
        self._on_message = on_message
        self._framer = StreamFramer(limits.parse)
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self._lingering = False
        self._held = False
        self._early = b""  # read before its time: a transport may begin before it heeds a pause
        self._keeper = keeper or NoKeeper()
        self.is_back = number != 0  # a stream of an earlier process
        self.number = number  # else given by the owner when it opens
        self.flow = Flow("tcp", "", 0)
        self.place: tuple[str, int] = ("", 0)  # the far end
        self.opened_for = opened_for  # of one that we opened: as asked for, maybe by name
        # flows that asked for "a stream to that place" and have had nothing back since
        self.asked: dict[Flow, None] = {}

    # --- asyncio.Protocol ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)  # whatever waits is told
        peer = transport.get_extra_info("peername")  # None when it is gone already
        if not peer:
            self._transport.abort()
            return
        self.place = (peer[0], peer[1])
        if not self._opened(self):
            self._transport.abort()
            return
        self.flow = Flow("tcp", peer[0], peer[1], self.number, self._listener)
        self._active_at = self._message_since = self._loop.time()
        # for the rest of a message, or the first one
        self._waits = self.opened_for is None and not self.is_back
        self._look()
        if not self.is_back:
            self._keeper.opened(self, transport.get_extra_info("socket").fileno())

    def data_received(self, data: bytes) -> None:
        if self._lingering or not self.number:
            return
        self._active_at = self._loop.time()
        self._keeper.reading(self.number)
        if self._held:
            self._early += data
            return
        try:
            messages = self._framer.feed(data)
        except FramingError as error:
            self._deliver(error.messages)
            self._break(error)
            return
        if messages:
            self._deliver(messages)
        unfinished = self._framer.unfinished
        if not self._framer.holds:
            self._keeper.done(self.number)
        if unfinished and (messages or not self._waits):
            self._message_since = self._active_at
            self._waits = True
            self._look()
        elif messages:
            self._waits = unfinished

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        if self.number:
            self._keeper.closed(self.number)
            self._closed(self)

    def pause_writing(self) -> None:
        self._keeper.writing(self.number, True)

    def resume_writing(self) -> None:
        self._keeper.writing(self.number, False)

    # --- the owner -----------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        return not self._lingering and not self._transport.is_closing()

    def hold(self) -> None:
        """Read nothing until ``read``."""
        self._held = True
        self._transport.pause_reading()

    def read(self) -> None:
        if not self._held or self._transport.is_closing():
            return
        self._held = False
        self._transport.resume_reading()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def write(self, data: bytes) -> bool:
        """Send; False when the peer does not read and the stream was cut for it."""
        if self._transport.get_write_buffer_size() + len(data) > self._limits.write_bytes_max:
            self._transport.abort()
            return False
        self._transport.write(data)
        return True

    def finish(self) -> None:
        """Close after what is written went out."""
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # --- inside --------------------------------------------------------------------------

    def _deliver(self, messages: list[bytes]) -> None:
        for message in messages:
            if not self.usable:
                return
            if message == PING:
                self.write(PONG)
            else:
                self.asked.clear()
                self._on_message(message, self.flow)

    def _break(self, error: FramingError) -> None:
        """Answer, then close our half and let the peer read: bytes still unread at a full
        close would make the kernel reset the stream, answer and all."""
        if not self.usable:
            return
        for send in answer_unparsable(error, self.flow):
            self.write(send.data)
        self._lingering = True
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        self._message_since = self._loop.time()
        self._look()

    def _deadline(self) -> float:
        if self._lingering:
            return self._message_since + self._limits.linger_s
        idle = self._active_at + self._limits.idle_s
        if self._waits:
            return min(idle, self._message_since + self._limits.message_s)
        return idle

    def _look(self) -> None:
        """Close a stream whose time is up, or come back when it will be."""
        if self._watch is not None:
            self._watch.cancel()
        deadline = self._deadline()
        if deadline <= self._loop.time():
            self._transport.abort()
        else:
            self._watch = self._loop.call_at(deadline, self._look)
