"""Who may talk to us: trunks by source address, users by digest."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from config.settings import Settings, parse_source


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """A digest user. ``name`` is what the call layer knows it by: for an agent the SIP user
    name (its extension), for a trunk the trunk's name. ``ha1`` maps the digest algorithm
    ("MD5", "SHA-256") to H(user:realm:password), lower-case hexadecimal."""

    kind: Literal["agent", "trunk"]
    name: str
    ha1: Mapping[str, str]


class Directory(Protocol):
    """What the SIP front end asks about the world. Both answers are immediate."""

    def trunk_at(self, host: str, port: int) -> str | None:
        """Name of the trunk whose networks hold this source address, or None."""
        ...

    def user(self, name: str) -> DirectoryUser | None:
        """The digest user of this name, or None."""
        ...


class SettingsDirectory:
    """The directory of a configuration.

    ``ha1s`` maps a digest user name (an agent's extension, a trunk's username) to its HA1 by
    algorithm; a user without an entry cannot sign in. The most specific network wins, then
    one with a port, then the order of the configuration.
    """

    def __init__(self, settings: Settings, ha1s: Mapping[str, Mapping[str, str]]) -> None:
        networks = []
        for trunk in settings.trunks:
            for item in trunk.addresses:
                network, port = parse_source(item)
                networks.append((network, port, trunk.name))
        networks.sort(key=lambda row: (-row[0].prefixlen, row[1] is None))
        self._networks = networks
        self._users: dict[str, DirectoryUser] = {}
        for agent in settings.agents:
            if agent.extension in ha1s:
                self._users[agent.extension] = DirectoryUser(
                    "agent", agent.extension, dict(ha1s[agent.extension])
                )
        for trunk in settings.trunks:
            if trunk.username and trunk.username in ha1s:
                self._users[trunk.username] = DirectoryUser(
                    "trunk", trunk.name, dict(ha1s[trunk.username])
                )

    def trunk_at(self, host: str, port: int) -> str | None:
        address = _address(host)
        if address is None:
            return None
        for network, wanted, name in self._networks:
            if address.version == network.version and address in network and wanted in (None, port):
                return name
        return None

    def user(self, name: str) -> DirectoryUser | None:
        return self._users.get(name)


@lru_cache(maxsize=1024)
def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of a literal, an IPv4-mapped one as IPv4; None for anything else."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
