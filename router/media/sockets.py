"""The UDP sockets of a session.

Each session binds an even port for RTP and the odd one above it for RTCP, exclusively. Once
the far end is latched, a twin of the RTP socket is bound to the same port and connected to it:
the kernel then hands the far end's packets to the twin alone (cheaper to read and to send on,
no address to convert) and everybody else's to the first socket, where strangers are counted.
Only our own twin can share the port, since the first bind was exclusive.
"""

from __future__ import annotations

import socket

from config.errors import PeerError

RECEIVE_BUFFER_BYTES = 256 * 1024

Address = tuple[str, int]


class AddressError(PeerError):
    """A host that is no literal address of the session's family."""


def family(ipv6: bool) -> socket.AddressFamily:
    return socket.AF_INET6 if ipv6 else socket.AF_INET


def literal(host: str, ipv6: bool) -> str:
    """The host in the form that ``recvfrom`` gives. Raises AddressError; never resolves."""
    try:
        kind = family(ipv6)
        return socket.inet_ntop(kind, socket.inet_pton(kind, host))
    except (OSError, ValueError):
        raise AddressError(f"{host!r} is no IPv{6 if ipv6 else 4} address") from None


def _udp(ipv6: bool) -> socket.socket:
    made = socket.socket(family(ipv6), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    if ipv6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def open_pair(host: str, port: int, ipv6: bool) -> tuple[socket.socket, socket.socket]:
    """Bind RTP on ``port`` and RTCP on ``port + 1``. Raises OSError where either is held."""
    rtp = _udp(ipv6)
    try:
        rtp.bind((host, port))
        rtp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        rtcp = _udp(ipv6)
        try:
            rtcp.bind((host, port + 1))
        except BaseException:
            rtcp.close()
            raise
    except BaseException:
        rtp.close()
        raise
    return rtp, rtcp


def open_twin(host: str, port: int, ipv6: bool, remote: Address) -> socket.socket:
    """A socket on the same port, connected to ``remote``. Raises OSError.

    Packets of anybody may have reached it between bind and connect: its first reads must look
    at the source.
    """
    twin = _udp(ipv6)
    try:
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        twin.bind((host, port))
        twin.connect(remote)
    except BaseException:
        twin.close()
        raise
    return twin
