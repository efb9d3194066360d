"""Where an outgoing request goes, and with whose password."""

from __future__ import annotations

from config.values import value
from router.sip.effects import Flow
from router.sip.message import ParseError, Uri

DEFAULT_PORT = 5060


@value(frozen=True, slots=True)
class Target:
    """A place to send an INVITE: the Request-URI, the path to the next hop, the Route set.

    ``uri`` is a bare SIP URI (``sip:100@192.0.2.7:5060;transport=tcp``), no angle brackets.
    ``pinned``: the whole dialog takes ``flow``, wherever the peer's Contact points (NAT).
    """

    uri: str
    flow: Flow
    route: tuple[str, ...] = ()
    pinned: bool = False


@value(frozen=True, slots=True)
class Credentials:
    """What answers a 401 or 407: ``user`` and either the password or HA1 by algorithm."""

    user: str
    password: str = ""
    ha1: dict[str, str] | None = None


def flow_of(uri: Uri, listener: int = 0) -> Flow:
    """The path to a URI (RFC 3263 without DNS: the host stands as it is written, 5060 is the
    default port). ParseError for a scheme or transport that we cannot reach."""
    if uri.scheme != "sip":
        raise ParseError("Unreachable URI scheme", 416)
    transport = uri.transport or "udp"
    host = uri.params.get("maddr") or uri.host
    port = uri.port or DEFAULT_PORT
    if transport == "udp":
        return Flow("udp", host, port, 0, listener)
    if transport == "tcp":
        return Flow("tcp", host, port, -1, listener)
    raise ParseError("Unreachable transport", 503)
