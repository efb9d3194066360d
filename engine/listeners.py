"""Sockets that outlive the engine: opened once, by the supervisor."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence

from config.errors import PeerError
from engine.handover import Listener, Listening

BACKLOG = 1_024
# Datagrams wait here while an engine starts: about two seconds of 1,000 messages a second.
UDP_BUFFER_BYTES = 4_194_304
PAIR_TRIES = 16


class ListenError(PeerError):
    """An address that was asked for cannot be listened on."""


def open_listener(listener: Listener) -> socket.socket:
    """Bind (and listen, for TCP). ListenError names the address and the reason."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if listener.transport == "udp" else socket.SOCK_STREAM
    opened = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
        else:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((listener.host, listener.port))
        if kind == socket.SOCK_STREAM:
            opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        raise ListenError(
            f"cannot listen on {listener.transport} {listener.host}:{listener.port}: "
            f"{error.strerror or error}; end the program that has it, or change the address "
            "(sip.listen and api in the configuration)"
        ) from None
    return opened


def open_listeners(listeners: Sequence[Listener]) -> list[socket.socket]:
    """All of them, or none and ListenError.

    A TCP listener with port 0 takes the port of the UDP listener before it where both ask for a
    free one on the same host: SIP peers take the two for one address.
    """
    opened: list[socket.socket] = []
    try:
        for index, listener in enumerate(listeners):
            before = listeners[index - 1] if index else None
            if before is not None and _is_pair(before, listener):
                opened[-1:] = _open_pair(opened[-1], before, listener)
            else:
                opened.append(open_listener(listener))
    except ListenError:
        for sock in opened:
            sock.close()
        raise
    return opened


def listening(listener: Listener, sock: socket.socket) -> Listening:
    """Where a listener is bound."""
    host, port = sock.getsockname()[:2]
    return Listening(listener.transport, host, port, sock.fileno())


def _is_pair(udp: Listener, tcp: Listener) -> bool:
    return (udp, tcp) == (Listener("udp", tcp.host, 0), Listener("tcp", tcp.host, 0))


def _open_pair(first: socket.socket, udp: Listener, tcp: Listener) -> list[socket.socket]:
    """Bind TCP to the port that UDP got; where that is taken, both to another one."""
    for _ in range(PAIR_TRIES):
        with contextlib.suppress(ListenError):
            return [first, open_listener(tcp._replace(port=first.getsockname()[1]))]
        another = open_listener(udp)
        first.close()
        first = another
    return [first, open_listener(tcp)]
