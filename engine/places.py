"""Where things are: our own addresses towards a peer, phones of agents, trunks to go out by."""

from __future__ import annotations

import socket
from functools import lru_cache

from config.errors import PeerError
from config.settings import Number, Settings, ip_version
from engine.phone import Phone
from router.call import Call
from router.inputs import Destination
from router.sip.effects import Flow
from router.sip.target import Credentials, Target

ANY = ("0.0.0.0", "::", "")
EXTENSION = "extension:"  # a dial target: a phone of this extension, whoever is rung


@lru_cache(maxsize=4096)
def _reaches(ours: str, peer: str) -> bool:
    """Whether a peer can use this address of ours: of its family, or one of them is a name."""
    our_version, their_version = ip_version(ours), ip_version(peer)
    return our_version == their_version or not (our_version and their_version)


def user_of(uri: str) -> str:
    """The user part of a contact's URI, its digits where it is a tel: URI; "" for none."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "tel":
        return rest.partition(";")[0]
    user, at, _ = rest.partition("@")
    return user.partition(";")[0] if at else ""


class Addresses:
    """What we write into messages so that a peer can reach us."""

    def __init__(self, settings: Settings, listeners: list[tuple[str, str, int]]) -> None:
        self._sip_advertise = settings.sip.advertise
        self._media_hosts = settings.media.hosts
        self._media_advertise = settings.media.advertise
        self.listeners = listeners
        self._routes: dict[str, str] = {}
        self._ways: dict[tuple[int, str, str], tuple[str, int]] = {}

    def sip_contact(self, flow: Flow) -> tuple[str, int]:
        """(host, port) of the listener that a flow's peer reaches us at."""
        way = (flow.listener, flow.transport, flow.host)
        host, port = self._ways.get(way) or self._listener_for(way)
        if self._sip_advertise and _reaches(self._sip_advertise, flow.host):
            return self._sip_advertise, port
        return (self._route(flow.host) if host in ANY else host), port

    def _listener_for(self, way: tuple[int, str, str]) -> tuple[str, int]:
        """The flow's own listener where it fits, else one of its transport and family."""
        listener, transport, peer = way
        _, host, port = min(
            (self.listeners[listener], *self.listeners),
            key=lambda other: (other[0] != transport, not _reaches(other[1], peer)),
        )
        if len(self._ways) > 10_000:
            self._ways.clear()
        self._ways[way] = host, port
        return host, port

    def media_host(self, peer_host: str) -> str:
        if self._media_advertise and _reaches(self._media_advertise, peer_host):
            return self._media_advertise
        host = self._media_hosts[":" in peer_host]
        return self._route(peer_host) if host in ANY else host

    def _route(self, peer: str) -> str:
        """The local address that packets to ``peer`` leave from (no packet is sent)."""
        if peer not in self._routes:
            if len(self._routes) > 10_000:
                self._routes.clear()
            family = socket.AF_INET6 if ":" in peer else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                try:
                    probe.connect((peer, 9))
                    self._routes[peer] = probe.getsockname()[0]
                except OSError:
                    self._routes[peer] = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        return self._routes[peer]


class Directions:
    """From words (an extension, a queue's name, a number) to where they lead."""

    def __init__(
        self,
        settings: Settings,
        phone: Phone,
        trunk_passwords: dict[str, str],
        addresses: Addresses,
    ) -> None:
        self._phone = phone
        self.trunk_passwords = trunk_passwords
        self._addresses = addresses
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        self._trunks = {trunk.name: trunk for trunk in settings.trunks}
        self._queues = {queue.name for queue in settings.queues}
        self._by_extension = {agent.extension: agent.id for agent in settings.agents}
        self._extension = {agent.id: agent.extension for agent in settings.agents}
        self._redirects = {agent.id: agent.redirects for agent in settings.agents}
        self._out = next((trunk for trunk in settings.trunks if trunk.outbound), None)
        self._numbers = {number.number: number for number in settings.numbers}
        self._codes = settings.codes

    def agent_of(self, extension: str) -> str:
        return self._by_extension.get(extension, "")

    def phones_of(self, agent: str) -> tuple[str, ...]:
        """The contacts of an agent's phone, best first, as dial targets."""
        extension = self._extension.get(agent, "")
        return tuple(contact.uri for contact in self._phone.contacts(extension))

    def of_number(self, dialled: str) -> Destination:
        """The destination of a call that a trunk brought."""
        number = self._own_number(dialled) or self._numbers.get("*")
        if number is None:
            return Destination("nowhere")
        if number.flow:
            return Destination("flow", number.flow)
        return Destination("queue", number.queue or "")

    def _own_number(self, dialled: str) -> Number | None:
        """With and without its plus: trunks differ. ``*`` is no number that one dials."""
        bare = dialled.removeprefix("+")
        return None if bare == "*" else self._numbers.get(bare) or self._numbers.get(f"+{bare}")

    def resolve(self, text: str) -> tuple[Destination, tuple[str, ...]]:
        """A transfer's or dial node's target: queue name, extension, agent id, or a number."""
        name = text.removeprefix("queue:")
        if name in self._queues:
            return Destination("queue", name), ()
        agent = self._by_extension.get(text) or (text if text in self._extension else "")
        if agent:
            return Destination("agent", agent), self.phones_of(agent)
        if self._own_number(text) is not None:
            return self.of_number(text), ()
        outside = self.outside(text)
        if outside:
            return Destination("external", text), outside
        return Destination("nowhere"), ()

    def outside(self, number: str, trunk: str = "") -> tuple[str, ...]:
        """Dial targets of a number outside, by this trunk where it leads out; () for none."""
        found = self._trunks.get(trunk)
        way = found if found is not None and found.outbound else self._out
        digits = number.removeprefix("+")
        if way is None or not (digits.isascii() and digits.isdigit()):
            return ()
        return (f"trunk:{way.name}:{number}",)

    def follow(self, agent: str, contacts: tuple[str, ...]) -> str:
        """Where an agent's phone may send an offer on (RFC 3261 21.3): the dial target of the
        first of its contacts that the agent's policy allows, "" for none."""
        policy = self._redirects.get(agent, "never")
        for uri in contacts if policy != "never" else ():
            user = user_of(uri)
            phones = self._phone.contacts(user) if user in self._by_extension else []
            if phones:
                return f"{EXTENSION}{user}:{phones[0].uri}"
            if policy == "anywhere" and user not in self._by_extension:
                targets = self.outside(user)
                if targets:
                    return targets[0]
        return ""

    # --- Places, for the legs --------------------------------------------------------------------

    def media_host(self, peer_host: str) -> str:
        return self._addresses.media_host(peer_host)

    def codecs(self, call: Call) -> tuple[str, ...]:
        trunk = self._trunks.get(call.trunk)
        return trunk.codecs if trunk else ("PCMA", "PCMU")

    def target(self, leg_agent: str, text: str) -> tuple[Target, Credentials | None, str]:
        """(target, credentials, caller to show or "") of a dial target.

        Raises PeerError where the phone has gone or the trunk has no way out.
        """
        if text.startswith("trunk:"):
            _, name, number = text.split(":", 2)
            trunk = self._trunks.get(name)
            if trunk is None or not trunk.outbound:
                raise PeerError(f"trunk {name} has no outbound address")
            base = self._phone.target_of(trunk.outbound)
            scheme, _, rest = base.uri.partition(":")
            host = rest.rpartition("@")[2]
            credentials = None
            if trunk.username:
                credentials = Credentials(trunk.username, self.trunk_passwords.get(name, ""))
            return Target(f"{scheme}:{number}@{host}", base.flow, base.route), credentials, ""
        extension = self._extension.get(leg_agent, "")
        if text.startswith(EXTENSION):
            extension, _, text = text.removeprefix(EXTENSION).partition(":")
        for contact in self._phone.contacts(extension):
            if contact.uri == text:
                return contact.target, None, ""
        raise PeerError("the phone is not registered any more")
