"""One UDP listener on an event loop: datagrams in batches, sends that never wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from socket import AF_INET6, socket

from router.sip.effects import Flow

DATAGRAM_BYTES_MAX = 65_535
BATCH = 64  # datagrams read before other callbacks of the loop have their turn, or
BATCH_S = 0.005  # for so long: what a storm brings must not hold up the calls there are
LATER_MAX = 8_192  # REGISTERs that wait their turn; beyond it they are lost, and come again
QUEUE_MAX = 1024  # datagrams that wait for a full socket; beyond it they are lost

OnMessage = Callable[[bytes, Flow], None]
OnSendFailed = Callable[[Flow], None]


class DatagramListener:
    """A bound, non-blocking UDP socket. Owns the socket from ``start`` to ``close``.

    What the kernel does not take at once waits in a queue of ``QUEUE_MAX``; a datagram that
    finds it full is dropped and counted, as if the network had lost it.

    REGISTERs give way to everything else: after a restart thousands of phones come at once, and
    a call's messages must not stand in that line.
    """

    def __init__(self, sock: socket, index: int) -> None:
        self._socket = sock
        self._index = index
        self._queue: deque[tuple[bytes, Flow]] = deque()
        self.is_ipv6 = sock.family == AF_INET6
        self._later: deque[tuple[bytes, Flow]] = deque()
        self._catching_up = False
        self.caught_up = asyncio.Event()  # what waited in the socket at the start was given out
        self.dropped = 0

    def prepare(self, on_message: OnMessage, on_send_failed: OnSendFailed) -> None:
        """From here on it sends."""
        self._on_message = on_message
        self._on_send_failed = on_send_failed
        self._loop = asyncio.get_running_loop()
        self._socket.setblocking(False)

    def start(self) -> None:
        """From here on it reads, too."""
        self._loop.add_reader(self._socket.fileno(), self._read)
        self._loop.call_soon(self._look)

    def close(self) -> None:
        """Give up the socket and what waits in the queue. Again: no effect."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._later.clear()
        if self._queue:
            self._loop.remove_writer(self._socket.fileno())
            self._queue.clear()
        self._socket.close()

    def send(self, data: bytes, host: str, flow: Flow) -> None:
        """Send to ``host`` (the flow's, resolved). A failure is told later, never from here."""
        if not self._queue:
            if self._sent(data, host, flow):
                return
            self._loop.add_writer(self._socket.fileno(), self._write)
        elif len(self._queue) >= QUEUE_MAX:
            self.dropped += 1
            return
        resolved = flow if host == flow.host else Flow("udp", host, flow.port, 0, flow.listener)
        self._queue.append((data, resolved))

    def _sent(self, data: bytes, host: str, flow: Flow) -> bool:
        """False when the socket is full."""
        try:
            self._socket.sendto(data, (host, flow.port))
        except BlockingIOError:
            return False
        except OSError:
            self._loop.call_soon(self._on_send_failed, flow)
        return True

    def _write(self) -> None:
        while self._queue:
            data, flow = self._queue[0]
            if not self._sent(data, flow.host, flow):
                return
            self._queue.popleft()
        self._loop.remove_writer(self._socket.fileno())

    def _look(self) -> None:
        """Until nothing waits: that the last of it was read makes no event."""
        if self._socket.fileno() >= 0 and not self.caught_up.is_set():
            self._read()
            self._loop.call_soon(self._look)

    def _read(self) -> None:
        receive = self._socket.recvfrom
        time = self._loop.time
        until = time() + BATCH_S
        for _ in range(BATCH):
            try:
                data, address = receive(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                self.caught_up.set()
                return
            except OSError:
                continue  # an ICMP error of an earlier send; nothing was read
            if len(data) <= 4 and not data.strip(b"\r\n\0"):
                continue  # keep-alive of a NAT (RFC 5626 3.5.1 has CRLF for streams only)
            flow = Flow("udp", address[0], address[1], 0, self._index)
            if data.startswith(b"REGISTER "):
                self._put_off(data, flow)
                continue
            self._on_message(data, flow)
            if time() > until:
                return

    def _put_off(self, data: bytes, flow: Flow) -> None:
        if len(self._later) >= LATER_MAX:
            self.dropped += 1
            return
        self._later.append((data, flow))
        if not self._catching_up:
            self._catching_up = True
            self._loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        """Take what was put off, for a while; then whatever came meanwhile goes first again."""
        time = self._loop.time
        until = time() + BATCH_S
        while self._later and time() < until:
            self._on_message(*self._later.popleft())
        self._catching_up = bool(self._later)
        if self._catching_up:
            self._loop.call_soon(self._catch_up)
