"""A bad network on virtual time, and the far ends on it: real SIP endpoints of ours."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from config.errors import MisuseError
from config.settings import Settings, Sip, Trunk
from router.sip.directory import SettingsDirectory
from router.sip.effects import CloseStream, Effect, Event, Flow, Send
from router.sip.endpoint import Endpoint
from tests.simulation.world import Agenda

NODE = "198.51.100.1"
CARRIER = "192.0.2.1"
PORT = 5060
KERNEL_DATAGRAMS_MAX = 4096
FAR = Settings(sip=Sip(domain="far.example"), trunks=(Trunk(name="offhook", addresses=(NODE,)),))
Receive = Callable[[bytes, Flow], None]


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is: probabilities, and seconds that a datagram takes at most."""

    loss: float = 0.0
    double: float = 0.0
    spread_s: float = 0.0
    delay_s: float = 0.005


class Network:
    """Datagrams between hosts, lost, doubled and out of order as the seed says. Those to a host
    that nobody reads for wait in its kernel."""

    def __init__(self, agenda: Agenda, dice: random.Random, weather: Weather) -> None:
        self.weather = weather
        self.sent = 0
        self._agenda = agenda
        self._dice = dice
        self._hosts: dict[str, Receive] = {}
        self._kernel: dict[str, list[tuple[bytes, Flow]]] = {}

    def attach(self, host: str, receive: Receive) -> None:
        """Read for this host from now on, what waits in the kernel first."""
        self._hosts[host] = receive
        for data, flow in self._kernel.pop(host, []):
            receive(data, flow)

    def detach(self, host: str) -> None:
        self._hosts.pop(host, None)

    def send(self, source: str, effect: Send) -> None:
        """One datagram; on its way it is nobody's any more, whoever dies."""
        self.sent += 1
        weather, host = self.weather, effect.flow.host
        copies = 0 if self._dice.random() < weather.loss else 1
        copies += self._dice.random() < weather.double
        for _ in range(copies):
            delay = weather.delay_s + self._dice.random() * weather.spread_s
            self._agenda.after(delay, lambda: self._arrive(source, host, effect.data))

    def _arrive(self, source: str, host: str, data: bytes) -> None:
        flow = Flow("udp", source, PORT)
        receive = self._hosts.get(host)
        if receive is not None:
            receive(data, flow)
            return
        waiting = self._kernel.setdefault(host, [])
        if len(waiting) < KERNEL_DATAGRAMS_MAX:
            waiting.append((data, flow))


class Far:
    """Whoever is at the other end of the network: an endpoint, and what it does by ``on``."""

    def __init__(self, host: str, agenda: Agenda, network: Network) -> None:
        numbers = count(1)
        self.host = host
        self.on: dict[type, Callable[[Any], None]] = {}
        self._agenda = agenda
        self._network = network
        self._due: float | None = None
        self.endpoint = Endpoint(
            FAR.sip,
            SettingsDirectory(FAR, {}),
            token=lambda: f"f{host.rpartition('.')[2]}x{next(numbers)}",
            nonce_secret=f"secret of {host}".encode().ljust(16, b"x"),
            local_host=lambda flow: (host, PORT),
        )
        network.attach(host, self._receive)

    def do(self, work: Callable[[float], list[Effect | Event]]) -> None:
        """A wish; one that came too late for its leg means nothing."""
        try:
            self._take(work(self._agenda.now))
        except MisuseError:
            return

    def _receive(self, data: bytes, flow: Flow) -> None:
        self._take(self.endpoint.receive(data, flow, self._agenda.now))

    def _tick(self) -> None:
        self._due = None
        deadline = self.endpoint.next_deadline
        if deadline is not None and deadline <= self._agenda.now:
            self._take(self.endpoint.tick(self._agenda.now))
        else:
            self._arm()

    def _take(self, output: list[Effect | Event]) -> None:
        events: list[Event] = []
        for item in output:
            if isinstance(item, Send):
                self._network.send(self.host, item)
            elif not isinstance(item, CloseStream):
                events.append(item)
        self._arm()
        for event in events:
            taker = self.on.get(type(event))
            if taker is not None:
                taker(event)

    def _arm(self) -> None:
        deadline = self.endpoint.next_deadline
        if deadline is not None and (self._due is None or deadline < self._due):
            self._due = deadline
            self._agenda.after(max(0.0, deadline - self._agenda.now), self._tick)


@dataclass(slots=True)
class Held:
    """Something that is cancelled."""

    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass(slots=True)
class Loop:
    """The timers of one engine's event loop; they die with it."""

    agenda: Agenda
    dead: bool = field(default=False)

    def call_later(self, delay: float, call: Callable[[], None]) -> Held:
        held = Held()

        def due() -> None:
            if not (held.cancelled or self.dead):
                call()

        self.agenda.after(delay, due)
        return held
