"""Where an outgoing request goes, and with whose password."""

from __future__ import annotations

from dataclasses import dataclass

from router.sip.effects import Flow


@dataclass(frozen=True, slots=True)
class Target:
    """A place to send an INVITE: the Request-URI, the path to the next hop, the Route set.

    ``uri`` is a bare SIP URI (``sip:100@192.0.2.7:5060;transport=tcp``), no angle brackets.
    """

    uri: str
    flow: Flow
    route: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What answers a 401 or 407: ``user`` and either the password or HA1 by algorithm."""

    user: str
    password: str = ""
    ha1: dict[str, str] | None = None
