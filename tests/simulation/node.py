"""One engine of the wired simulation: the product's own shells and cores, joined as
``engine.engine`` joins them, on a played disk, worker and network."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, cast

from config.settings import AgentSettings, Media, Number, QueueSettings, Settings, Sip, Trunk
from engine import recovery
from engine.arrivals import Arrivals
from engine.call_timers import CallTimers
from engine.callbacks import Callbacks
from engine.callers import Callers
from engine.engine import READ_FIRST_S, Engine
from engine.events import Wiring
from engine.floorside import FloorSide
from engine.flows import Flows
from engine.holds import Holds, Renewal
from engine.keeping import Keeping
from engine.legs import Legs
from engine.liveness import Liveness
from engine.people import People
from engine.phone import Phone
from engine.places import Addresses, Directions
from engine.prompter import Prompter
from engine.rebuild import Rebuild
from engine.registrations import Listeners, Registrations
from engine.supervision import Supervision
from engine.taping import Taping
from engine.timers import Timers
from engine.turns import Turns
from ivr.catalogue import MUSIC
from ivr.loader import SHIPPED_DIR, load_flows
from queues.figures.statistics import Statistics
from router.events import EngineStarted
from router.sip.directory import SettingsDirectory
from router.sip.effects import Effect, Flow, RegistrationChanged, Send
from router.sip.endpoint import Endpoint
from router.sip.registrar import Contact
from tests.fakes import FakeLookups, FakePrompts
from tests.simulation.disk import Fuse, GroupDisk
from tests.simulation.media import PlayedWorker, PlayedWorkers
from tests.simulation.net import CARRIER, NODE, PORT, Loop, Network
from tests.simulation.world import SUPERVISOR, Agenda, Clock

AGENTS = {"anna": "101", "boris": "102", "clara": "103"}
HOSTS = {agent: f"192.0.2.{extension}" for agent, extension in AGENTS.items()}
REGISTERED_S = 1e6
CONNECT_PAUSE_S = 0.02
CONNECT_S_MAX = 2.0
FLOWS = load_flows(SHIPPED_DIR, queues=frozenset({"support", "sales"}))
SETTINGS = Settings(
    sip=Sip(advertise=NODE),
    media=Media(advertise=NODE),
    queues=(
        QueueSettings(name="support", wrap_up_s=5.0, ring_timeout_s=12.0, wait_max_s=180.0),
        QueueSettings(name="sales", callback_key="", overflow="voicemail", wait_max_s=10.0),
    ),
    numbers=(
        Number(number="100", flow="main"),
        Number(number="200", queue="support"),
        Number(number="300", queue="sales"),
    ),
    agents=tuple(
        AgentSettings(id=agent, name=agent, extension=extension, queues={"support": 1})
        for agent, extension in AGENTS.items()
    ),
    trunks=(Trunk(name="telia", addresses=(CARRIER,), outbound=f"sip:{CARRIER}:{PORT}"),),
)


def void(_: object) -> None:
    """For callbacks that give nothing."""


class Killed(BaseException):
    """kill -9: nothing of the engine's code catches it."""


@dataclass(slots=True)
class Wire:
    """The engine's transport: what it sent is on its way, whatever becomes of the engine."""

    network: Network
    fuse: Fuse

    def send(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self.fuse("before send")
            self.network.send(NODE, effect)
            self.fuse("after send")


class Node(People):
    """An engine from its start to its death."""

    forget = Engine.forget
    _finished = Engine._finished
    _keep_again = Engine._keep_again
    _set_music = Engine._set_music

    def __init__(
        self,
        agenda: Agenda,
        clock: Clock,
        dice: random.Random,
        network: Network,
        worker: PlayedWorker,
        kept: bytes,
        generation: int,
        recordings_dir: str,
        fuse: Fuse,
    ) -> None:
        self.settings = SETTINGS
        self.clock: Any = clock
        self.generation = generation
        self.is_up = False
        self.fuse = fuse
        self._network = network
        self._agenda = agenda
        self._loop = Loop(agenda)
        self.timers = Timers(self.clock, cast(Any, self._loop))
        self.disk = GroupDisk(agenda, dice, kept, generation, fuse)
        self.journal: Any = self.disk
        self.turns = Turns(self.clock, self.journal)
        self._make_edges(worker)
        self._make_shells(recordings_dir)
        self.wiring = Wiring(cast(Engine, self))
        self.turns.on_finished = self._finished
        self._guard_effects()

    def _make_edges(self, worker: PlayedWorker) -> None:
        """SIP and media."""
        tokens = count(1)
        self.addresses = Addresses(SETTINGS, [("udp", NODE, PORT)])
        self.endpoint = Endpoint(
            SETTINGS.sip,
            SettingsDirectory(SETTINGS, {}),
            token=lambda: f"e{self.generation}x{next(tokens)}",
            nonce_secret=b"the same for every engine",
            local_host=self.addresses.sip_contact,
        )
        wire: Any = Wire(self._network, self.fuse)
        self.phone = Phone(self.endpoint, wire, self.clock, self.timers, self.journal)
        self.workers = PlayedWorkers(
            self.journal, self.clock, self.timers, self._reported, str(MUSIC)
        )
        self.workers.worker, self.workers.agenda = worker, self._agenda
        self.workers.fuse = self.fuse
        self.directions = Directions(SETTINGS, self.phone, {}, self.addresses)
        self.registrations = Registrations(
            self.journal, self.clock, self.phone, self.directions.agent_of, Listeners(("udp",))
        )

    def _make_shells(self, recordings_dir: str) -> None:
        turns, timers = self.turns, self.timers
        self.legs = Legs(turns, self.phone, self.workers, self.directions, 15.0)
        self.floor = FloorSide(turns, timers, SETTINGS, self.directions.phones_of)
        self.callers = Callers()
        self.floor.resolve = self.directions.resolve
        self.floor.agent_who_knows = self.callers.agent_of
        self.floor.on_enter = self._set_music
        self.supervision = Supervision(self.floor)
        lookups: Any = FakeLookups()
        self.flows = Flows(
            turns, timers, FLOWS, lookups, self.directions.resolve, self.callers.earlier
        )
        self.floor.takes_back = self.flows.takes_back
        prompts: Any = FakePrompts()
        self.prompter = Prompter(turns, self.legs, self.workers, self.floor, prompts)
        self.taping = Taping(turns, self.legs, self.workers)
        self.rebuild = Rebuild(turns, self.legs, self.taping, 15.0)
        self.workers.is_ours = self.legs.is_ours
        self.workers.on_back = self.rebuild.back
        self.liveness = Liveness(timers, self.clock)
        self.arrivals = Arrivals(cast(Engine, self), SETTINGS, recordings_dir)
        numbers = count(1)
        self.arrivals.new_id = lambda now: f"c{self.generation}n{next(numbers)}"
        self.callbacks = Callbacks(
            turns, timers, self.floor, self.directions.outside, lambda: self.arrivals.rules
        )
        self.statistics = Statistics()
        self.holds = Holds(self.journal, queues=SETTINGS.queues)
        self.call_timers = CallTimers(turns, timers)
        self.keeping = Keeping(
            self.journal,
            self.clock,
            turns,
            self.legs,
            self.flows,
            self.taping,
            self.workers,
            self.call_timers,
        )

    def _guard_effects(self) -> None:
        """A death before and after each outer effect."""
        for kind, perform in list(self.turns.outer.items()):

            def guarded(call: Any, effect: Any, perform: Any = perform, kind: type = kind) -> None:
                self.fuse(f"before effect {kind.__name__}")
                perform(call, effect)
                self.fuse(f"after effect {kind.__name__}")

            self.turns.outer[kind] = guarded

    def _reported(self, worker: str, report: Any) -> None:
        self.wiring.reported(worker, report)

    # --- start, as Engine.start ------------------------------------------------------------------

    def start(self) -> None:
        self.disk.live(self._live)
        self.turns.pause()
        self.timers.hold()
        self.workers.hold()
        settled = recovery.settle(
            cast(Engine, self),
            self.registrations.note,
            self.workers.note,
            supervisor=SUPERVISOR,
            phones=self.registrations.restore,
        )
        now = self.clock.now()
        self.disk.append("", EngineStarted(self.generation, "1", SUPERVISOR), now)
        self.holds.renewal = Renewal(
            self._keep_again,
            self.phone.keep_again,
            self.floor.tell_presence,
            lambda call, event: self.disk.append(call, event, self.clock.now()),
        )
        self._register_phones()
        self._flushed(lambda: self._connect(settled, now + CONNECT_S_MAX))

    def _flushed(self, then: Callable[[], None]) -> None:
        """As ``await journal.flush()``: what follows comes in a later turn of the loop."""
        soon = partial(self._loop.call_later, 0.0, then)
        self.disk.when_durable(self.disk.group_seq, lambda: void(soon()))

    def _connect(self, settled: recovery.Settled, until: float) -> None:
        if not self.workers.connect_now():
            if self.clock.now() < until:
                self._loop.call_later(CONNECT_PAUSE_S, lambda: self._connect(settled, until))
                return
            self.workers._lost("w0")
        self._flushed(lambda: self._go_on(settled))

    def _go_on(self, settled: recovery.Settled) -> None:
        settled.takeover.go_on()
        self.turns.resume()
        self.workers.settled()
        recovery.close_files(cast(Engine, self), settled.open_files)
        self.is_up = True
        at = self.clock.now() + READ_FIRST_S
        self._network.attach(NODE, self.received)
        self.timers.release(at)
        self.timers.set("held reports", at, self.workers.release)

    def received(self, data: bytes, flow: Flow) -> None:
        self.fuse("datagram")
        self.phone.received(data, flow)

    def _live(self, entry: Any) -> None:
        self.holds.note(entry)
        self.statistics.apply(entry)
        self.callers.take(entry)

    def _register_phones(self) -> None:
        """As if the phones had said REGISTER, where this engine does not know them."""
        now = self.clock.now()
        for extension in AGENTS.values():
            if self.phone.contacts(extension):
                continue
            host = f"192.0.2.{extension}"
            uri, flow = f"sip:{extension}@{host}:{PORT}", Flow("udp", host, PORT)
            contact = Contact(extension, uri, flow, now + REGISTERED_S, 1.0, extension, 1)
            self.endpoint.registrar.restore([contact])
            self.registrations.touched([extension], "")
            self.phone.on[RegistrationChanged](RegistrationChanged(extension, 1))

    # --- death ----------------------------------------------------------------------------------

    def die(self) -> bytes:
        """kill -9; returns what the disk has."""
        self._loop.dead = self.workers.dead = True
        self._network.detach(NODE)
        client: Any = self.workers.clients.get("w0")
        if client is not None:
            client.of_dead_engine = True
        return self.disk.crash()

    def when(self, wish: Callable[[], object]) -> None:
        """What a person asks by the API; nobody hears it while no engine is ready."""
        if self.is_up and not self._loop.dead:
            wish()
