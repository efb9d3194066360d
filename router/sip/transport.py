"""The SIP transport layer (RFC 3261 18): sockets and streams of one event loop, no policy.

Takes sockets that are bound already, so that whoever bound them can outlive this process.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Coroutine, Sequence
from functools import lru_cache

from config.settings import SipLimits
from router.sip.datagrams import DatagramListener
from router.sip.effects import CloseStream, Flow, Send
from router.sip.parser import ParseLimits
from router.sip.streams import Keeper, NoKeeper, Stream, StreamLimits

RESOLVING_MAX = 256  # names looked up at one time; beyond it a send fails
NAMES_MAX = 256
NAME_KEPT_S = 60.0  # so that the CANCEL goes where its INVITE went (RFC 3261 9.1)
BACKLOG = 1024

OnMessage = Callable[[bytes, Flow], None]
OnStreamClosed = Callable[[int], None]
OnSendFailed = Callable[[Flow], None]
Place = tuple[str, int]
# its number, its listener, what it was opened for (None: accepted), its socket
StreamBack = tuple[int, int, Place | None, socket.socket]


def stream_limits(limits: SipLimits) -> StreamLimits:
    """The bounds of streams that the settings ask for; times are the defaults."""
    parse = ParseLimits(limits.message_bytes_max, limits.body_bytes_max, limits.headers_max)
    return StreamLimits(parse, limits.connections_max)


class SipTransport:
    """UDP and TCP for SIP. ``Flow.listener`` is the position in ``sockets``.

    ``on_message(data, flow)`` gives whole messages, unparsed; ``on_stream_closed(number)``
    tells every stream once; ``on_send_failed(flow)`` that what was sent last on this flow did
    not arrive for certain. No callback runs inside ``send``.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        limits: SipLimits,
        *,
        streams: StreamLimits | None = None,
        keeper: Keeper | None = None,
        first_number: int = 0,
    ) -> None:
        self._sockets = list(sockets)
        self._limits = streams or stream_limits(limits)
        self._datagrams = {
            index: DatagramListener(sock, index)
            for index, sock in enumerate(self._sockets)
            if sock.type == socket.SOCK_DGRAM
        }
        self._servers: list[asyncio.AbstractServer] = []
        self._streams: dict[int, Stream] = {}
        self._places: dict[Place, int] = {}  # where a stream leads -> its number
        self._opening: dict[Place, list[Send]] = {}  # what will be sent on a stream to come
        self._resolving = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._names: dict[str, tuple[str, float]] = {}  # name -> address, and until when
        self._last_number = first_number
        self._keeper = keeper or NoKeeper()
        self._reads = False
        self._refused = 0

    # --- life ----------------------------------------------------------------------------

    async def prepare(
        self,
        on_message: OnMessage,
        on_stream_closed: OnStreamClosed,
        on_send_failed: OnSendFailed,
        back: Sequence[StreamBack] = (),
    ) -> None:
        """Be able to send; owns the sockets from here on. Nothing is read before ``start``.

        ``back`` are streams of an earlier process. They keep their numbers, which are below
        ``first_number``; one that closed meanwhile is told as closed.
        """
        self._on_message = on_message
        self._on_stream_closed = on_stream_closed
        self._on_send_failed = on_send_failed
        self._loop = asyncio.get_running_loop()
        for listener in self._datagrams.values():
            listener.prepare(on_message, on_send_failed)
        for number, listener_index, opened_for, sock in back:
            factory = self._factory(listener_index, opened_for, number)
            try:
                sock.setblocking(False)
                await self._loop.connect_accepted_socket(factory, sock)
            except OSError:
                sock.close()
            if number not in self._streams:
                self._keeper.closed(number)
                self._loop.call_soon(on_stream_closed, number)

    async def start(self) -> None:
        """Begin to read."""
        self._reads = True
        for index, sock in enumerate(self._sockets):
            if index in self._datagrams:
                self._datagrams[index].start()
            else:
                server = await self._loop.create_server(
                    self._factory(index), sock=sock, backlog=BACKLOG
                )
                self._servers.append(server)
        for stream in self._streams.values():
            stream.read()

    async def caught_up(self) -> None:
        """Return when the datagrams that waited at ``start`` were given out."""
        for listener in self._datagrams.values():
            await listener.caught_up.wait()

    async def close(self) -> None:
        """Close every socket and stream; nothing is told any more. What was written to a
        stream before is still sent where the peer takes it at once."""
        for listener in self._datagrams.values():
            listener.close()
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.finish()
        await asyncio.sleep(0)
        for stream in streams:
            stream.abort()

    def figures(self) -> dict[str, int]:
        """Gauge ``streams``; counters ``streams_refused`` and ``datagrams_dropped``."""
        return {
            "streams": len(self._streams),
            "streams_refused": self._refused,
            "datagrams_dropped": sum(item.dropped for item in self._datagrams.values()),
        }

    # --- sending -------------------------------------------------------------------------

    def send(self, effect: Send | CloseStream) -> None:
        """Carry out one effect of the core; never waits, never raises."""
        flow = effect.flow
        if isinstance(effect, CloseStream):
            stream = self._streams.get(flow.connection)
            if stream is not None:
                stream.finish()
        elif flow.transport == "udp":
            self._send_datagram(effect)
        else:
            number = flow.connection
            if number < 0:
                number = self._places.get((flow.host, flow.port), 0)
            stream = self._streams.get(number)
            if stream is not None and stream.usable:
                self._write(stream, effect)
            elif flow.connection < 0:
                self._open(effect)
            else:
                self._fail(flow)

    def _send_datagram(self, send: Send) -> None:
        flow = send.flow
        version = _ip_version(flow.host)
        if not version:
            self._resolve(send)
            return
        listener = self._datagram_listener(flow, ipv6=version == 6)
        if listener is None:
            self._fail(flow)
        else:
            listener.send(send.data, flow.host, flow)

    def _datagram_listener(self, flow: Flow, ipv6: bool) -> DatagramListener | None:
        """The flow's own listener, or the first that can reach its host."""
        wanted = self._datagrams.get(flow.listener)
        if wanted is not None and wanted.is_ipv6 == ipv6:
            return wanted
        return next((item for item in self._datagrams.values() if item.is_ipv6 == ipv6), None)

    def _write(self, stream: Stream, send: Send) -> None:
        if send.flow.connection < 0:
            stream.asked[send.flow] = None
        if not stream.write(send.data):
            self._fail(send.flow)

    def _fail(self, flow: Flow) -> None:
        self._loop.call_soon(self._on_send_failed, flow)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- names ---------------------------------------------------------------------------

    def _resolve(self, send: Send) -> None:
        """Look up the A or AAAA record of a flow's host, then send (RFC 3263 4.2)."""
        if self._resolving >= RESOLVING_MAX:
            self._fail(send.flow)
        else:
            self._resolving += 1
            self._spawn(self._send_to_name(send))

    async def _send_to_name(self, send: Send) -> None:
        flow = send.flow
        host = await self._address_of(flow.host, flow.port)
        self._resolving -= 1
        ipv6 = _ip_version(host) == 6
        listener = self._datagram_listener(flow, ipv6) if host else None
        if listener is None:
            self._on_send_failed(flow)
        else:
            listener.send(send.data, host, flow)

    async def _address_of(self, name: str, port: int) -> str:
        """The first address of a name that a listener of ours can reach, or ""."""
        kept, until = self._names.get(name, ("", 0.0))
        if self._loop.time() < until:
            return kept
        try:
            found = await self._loop.getaddrinfo(name, port, type=socket.SOCK_DGRAM)
        except (OSError, ValueError):
            return ""
        ours = {item.is_ipv6 for item in self._datagrams.values()}
        for family, _, _, _, address in found:
            if (family == socket.AF_INET6) in ours:
                if len(self._names) >= NAMES_MAX:
                    self._names.clear()
                host = str(address[0])
                self._names[name] = (host, self._loop.time() + NAME_KEPT_S)
                return host
        return ""

    # --- streams -------------------------------------------------------------------------

    def _factory(
        self, listener: int, opened_for: Place | None = None, number: int = 0
    ) -> Callable[[], Stream]:
        opened = self._accepted if opened_for is None and not number else self._enter
        return lambda: Stream(
            self._limits,
            listener,
            opened,
            self._closed,
            self._on_message,
            opened_for,
            self._keeper,
            number,
        )

    def _accepted(self, stream: Stream) -> bool:
        if len(self._streams) >= self._limits.connections_max:
            self._refused += 1
            return False
        return self._enter(stream)

    def _enter(self, stream: Stream) -> bool:
        if not stream.number:
            self._last_number += 1
            stream.number = self._last_number
        if not self._reads:
            stream.hold()
        self._streams[stream.number] = stream
        self._places[stream.place] = stream.number
        if stream.opened_for is not None:
            self._places[stream.opened_for] = stream.number
            for send in self._opening.pop(stream.opened_for, ()) if not stream.is_back else ():
                self._write(stream, send)
        return True

    def _closed(self, stream: Stream) -> None:
        if self._streams.pop(stream.number, None) is None:
            return
        for place in (stream.place, stream.opened_for):
            if place is not None and self._places.get(place) == stream.number:
                del self._places[place]
        self._on_stream_closed(stream.number)
        for flow in stream.asked:
            self._on_send_failed(flow)

    def _open(self, send: Send) -> None:
        """Open a stream to the flow's place, or wait for the one that is being opened."""
        place = (send.flow.host, send.flow.port)
        waiting = self._opening.get(place)
        if waiting is None:
            if len(self._streams) + len(self._opening) >= self._limits.streams_max:
                self._fail(send.flow)
                return
            waiting = self._opening[place] = []
            self._spawn(self._connect(place, send.flow.listener))
        if len(waiting) >= self._limits.waiting_max:
            self._fail(send.flow)
        else:
            waiting.append(send)

    async def _connect(self, place: Place, listener: int) -> None:
        """Open a stream (``_enter`` sends what waits), or tell the waiting flows to have failed."""
        try:
            async with asyncio.timeout(self._limits.connect_s):
                await self._loop.create_connection(
                    self._factory(listener, place),
                    *place,
                    local_addr=self._local_address(place[0], listener),
                )
        except (OSError, ValueError):
            pass  # refused, unreachable, no such name, nothing within the time
        for flow in dict.fromkeys(send.flow for send in self._opening.pop(place, ())):
            self._on_send_failed(flow)

    def _local_address(self, host: str, listener: int) -> Place | None:
        """Leave from the listener's own address, which peers know us by, unless it is any."""
        if not 0 <= listener < len(self._sockets):
            return None
        own: str = self._sockets[listener].getsockname()[0]
        if ipaddress.ip_address(own).is_unspecified or _ip_version(own) != _ip_version(host):
            return None
        return own, 0


@lru_cache(maxsize=4096)
def _ip_version(host: str) -> int:
    """4 or 6; 0 for a name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return 0
