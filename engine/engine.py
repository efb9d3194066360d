"""The engine of one node: all cores and shells joined, and what the API may ask of it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from config.credentials import Secrets
from config.settings import Settings
from engine import recovery, stores
from engine.arrivals import Arrivals
from engine.call_timers import CallTimers
from engine.callbacks import Callbacks
from engine.callers import CALLERS_MAX, Callers
from engine.clock import Clock
from engine.events import Wiring
from engine.figures import FiguresReader
from engine.floor_history import FloorHistory
from engine.floorside import FloorSide
from engine.flows import Flows
from engine.holds import Holds, Renewal
from engine.journal import Entry, Journal, Subscription
from engine.keeping import Keeping
from engine.kept_streams import KeptStreams
from engine.legs import Legs
from engine.liveness import Liveness
from engine.lookups import Lookups
from engine.patience import Patience
from engine.people import People
from engine.phone import Phone
from engine.places import Addresses, Directions
from engine.prompter import Prompter
from engine.rebuild import Rebuild
from engine.registrations import Listeners, Registrations
from engine.sounds import Sounds
from engine.state import MemoryState, StateStore
from engine.supervision import Supervision
from engine.taping import Taping
from engine.tasks import Tasks
from engine.timers import Timers
from engine.turns import Turns
from engine.webhooks import Webhooks, makes_senders
from engine.workers import Workers, life_of
from ivr.catalogue import MUSIC
from ivr.loader import FlowSet
from ivr.prompts import PromptStore
from recordings.client import Finisher
from recordings.store import RecordingStore
from router import inputs as on
from router.call import Call
from router.events import EngineStarted
from router.sip.directory import SettingsDirectory
from router.sip.endpoint import Endpoint
from router.sip.transport import SipTransport
from tickets.reader import RecordsReader
from tickets.store import TicketStore

log = logging.getLogger(__name__)

CLOSE_FILES_S = 2.0
READ_FIRST_S = 0.2  # streams have said by then what they said while no engine was there
READ_FIRST_S_MAX = 2.0
NEEDS_RESTART = (
    *("data_dir", "sip", "media", "recordings", "api", "store", "journal", "tickets", "webhooks"),
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What main brings: opened, migrated and loaded."""

    settings: Settings
    secrets: Secrets
    journal: Journal
    database: AsyncEngine
    flows: FlowSet
    prompts: PromptStore
    finisher: Finisher
    reader: RecordsReader
    listeners: list[socket.socket]
    workers: dict[str, Path]
    version: str
    sounds: Sounds = field(default_factory=Sounds)
    state: StateStore = field(default_factory=MemoryState)
    streams: KeptStreams | None = None
    progress: Callable[[], None] = lambda: None  # a start that reads a long log comes on


class Engine(People):
    """Composes the shells; owns the clock, the turns and the calls of this node."""

    def __init__(self, parts: Parts, timers: Timers, clock: Clock) -> None:
        settings = parts.settings
        self.settings = settings
        self.version = parts.version
        self.clock = clock
        self.timers = timers
        self.journal = parts.journal
        self.records = TicketStore(parts.database)
        self.database = parts.database
        self.callers = Callers()
        self.figures = FiguresReader(parts.journal, clock, parts.database, settings)
        self.statistics = self.figures.statistics
        self.holds = Holds(parts.journal, settings.journal.total_bytes_max, settings.queues)
        self.liveness = Liveness(timers, clock)
        self.started_at = clock.now()
        self.ready_since = 0.0
        self.recordings = RecordingStore(parts.database)
        self.webhooks = Webhooks(parts.database, clock, timers, settings.webhooks)
        parts.reader.outbox = self.webhooks.outbox
        self.admin_token_sha256 = hashlib.sha256(parts.secrets.admin_token.encode()).hexdigest()
        self.records_reader: Subscription | None = None
        self.recordings_failed: Mapping[str, int] = {}
        self._parts = parts
        self.recordings_dir = settings.recordings.dir or settings.data_dir / "recordings"
        self.recordings_dir.mkdir(parents=True, exist_ok=True)
        self._tasks = Tasks("engine")
        self.turns = Turns(clock, parts.journal)
        self._make_sip(parts)
        self.workers = Workers(parts.journal, clock, timers, self._reported, str(MUSIC))
        self.directions = Directions(settings, self.phone, parts.secrets.trunks, self.addresses)
        self.registrations = Registrations(
            parts.journal,
            clock,
            self.phone,
            self.directions.agent_of,
            Listeners(tuple(transport for transport, _, _ in self.addresses.listeners)),
        )
        self._make_shells(parts, timers)
        self.wiring = Wiring(self)
        self.turns.on_finished = self._finished

    def _make_shells(self, parts: Parts, timers: Timers) -> None:
        """Who performs what the cores want, each told of the others that it needs."""
        settings = parts.settings
        self.legs = Legs(
            self.turns, self.phone, self.workers, self.directions, settings.media.timeout_s
        )
        self.floor = FloorSide(
            self.turns, timers, settings, self.directions.phones_of, parts.sounds
        )
        self.floor.resolve = self.directions.resolve
        self.floor.agent_who_knows = self.callers.agent_of
        self.supervision = Supervision(self.floor)
        self.history = FloorHistory(self)
        self.lookups = Lookups()
        self.lookups.prepare(parts.flows)
        self.flows = Flows(
            self.turns,
            timers,
            parts.flows,
            self.lookups,
            self.directions.resolve,
            self.callers.earlier,
        )
        self.flows.stand_beside(self.floor)
        self.floor.on_enter = self._set_music
        self.prompter = Prompter(self.turns, self.legs, self.workers, self.floor, parts.prompts)
        self.taping = Taping(self.turns, self.legs, self.workers)
        retry_after_s = settings.sip.limits.retry_after_s
        self.patience = Patience(self.turns, timers, self.legs, self.phone, retry_after_s)
        self.rebuild = Rebuild(self.turns, self.legs, self.taping, settings.media.timeout_s)
        self.workers.is_ours = self.legs.is_ours
        self.workers.on_back = self.rebuild.back
        self.arrivals = Arrivals(self, settings, str(self.recordings_dir))
        self.callbacks = Callbacks(
            self.turns,
            timers,
            self.floor,
            self.directions.outside,
            lambda: self.arrivals.rules,
        )
        self.call_timers = CallTimers(self.turns, timers)
        self.keeping = Keeping(
            parts.journal,
            self.clock,
            self.turns,
            self.legs,
            self.flows,
            self.taping,
            self.workers,
            self.call_timers,
        )

    def _make_sip(self, parts: Parts) -> None:
        listeners = [
            (
                "udp" if sock.type == socket.SOCK_DGRAM else "tcp",
                str(sock.getsockname()[0]),
                int(sock.getsockname()[1]),
            )
            for sock in parts.listeners
        ]
        self.addresses = Addresses(parts.settings, listeners)
        directory = SettingsDirectory(parts.settings, parts.secrets.ha1s(parts.settings))
        endpoint = Endpoint(
            parts.settings.sip,
            directory,
            token=lambda: secrets.token_hex(8),
            nonce_secret=parts.secrets.nonce_secret,
            local_host=self.addresses.sip_contact,
        )
        kept = parts.streams
        self.transport = SipTransport(
            parts.listeners,
            parts.settings.sip.limits,
            keeper=kept,
            first_number=kept.first_number if kept is not None else 0,
        )
        self.phone = Phone(endpoint, self.transport, self.clock, self.timers, parts.journal)
        self.phone.streams = kept.numbers if kept is not None else {}

    # --- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Close what a dead engine left, connect the workers, then listen."""
        elsewhere = await stores.state_elsewhere(self.journal, self._parts.state)
        # Before the first fact: what settling adds is read like the facts of any other time.
        self.journal.live(self._live)
        self.figures.start()
        self.records_reader = await stores.subscribe(
            self.journal, self._parts.reader, self._parts.state
        )
        self.turns.pause()
        self.timers.hold()
        self.workers.hold()
        supervisor = life_of("supervisor", os.getppid())
        settled = recovery.settle(
            self,
            self.registrations.note,
            self.workers.note,
            lambda entry: self._parts.progress(),
            elsewhere=elsewhere,
            supervisor=supervisor,
            phones=self.registrations.restore,
            folded=self.history.begin,
        )
        started = EngineStarted(self.journal.generation, self.version, supervisor)
        self.journal.append("", started, self.clock.now())
        self.holds.renewal = Renewal(
            self._keep_again, self.phone.keep_again, self.floor.tell_presence, self._tell_again
        )
        await self.journal.flush()
        await self.workers.connect(self._parts.workers)
        await self.journal.flush()  # reports that waited for us: files that are closed after all
        phone, kept = self.phone, self._parts.streams
        await self.transport.prepare(
            phone.received,
            phone.stream_closed,
            phone.send_failed,
            kept.back if kept is not None else (),
        )
        settled.takeover.go_on()
        self.turns.resume()
        self.workers.settled()
        recovery.close_files(self, settled.open_files)
        self.liveness.start()
        self._tasks.start(self._know_callers())
        self._tasks.start(self._finish_recordings())
        keys, common = self._parts.secrets.webhooks, self.settings.webhooks
        self.webhooks.start(makes_senders(keys, common, self.clock, self.version))
        await self.transport.start()
        self._tasks.start(self._read_first())
        self.ready_since = self.clock.now()

    async def _read_first(self) -> None:
        """What phones said meanwhile goes before what fell due, and the silence of media."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_FIRST_S_MAX):
                await self.transport.caught_up()
        at = self.clock.now() + READ_FIRST_S
        self.timers.release(at)
        self.timers.set("held reports", at, self.workers.release)

    async def _finish_recordings(self) -> None:
        await self._parts.finisher.start()
        parts, folder = self._parts, self.settings.data_dir
        self.recordings_failed = stores.subscribe_recordings(
            self.journal, self.clock, parts.finisher, self.recordings_dir, folder
        )

    async def _know_callers(self) -> None:
        """Earlier calls from the records; nobody waits for them, a store that is away has none."""
        since = self.clock.now() - self.settings.tickets.repeat_window_s
        try:
            self.callers.seed(await self.records.callers(since, CALLERS_MAX))
        except Exception as error:
            log.warning("earlier callers are not known yet: %s", type(error).__name__)

    def _live(self, entry: Entry) -> None:
        """Figures read the log, like everything else."""
        self.holds.note(entry)
        self.history.note(entry)
        self.statistics.apply(entry)
        self.callers.take(entry)

    async def stop(self) -> None:
        """End the calls in progress properly, then everything else."""
        self.arrivals.accepting = False
        for call in list(self.turns.calls):
            self.turns.feed(call, on.HangUpAsked("shutdown", cut=True))
        await self.journal.flush()
        await self._until_taped()
        await self._tasks.close()
        await self.webhooks.close()
        await self.legs.close()
        await self.flows.close()
        await self.prompter.close()
        await self.transport.close()
        await self.workers.close()
        self.liveness.close()
        self.timers.close()  # no deadline finds the journal closed
        await self.figures.close()
        await self.journal.close()
        await self._parts.state.close()
        await self._parts.finisher.close()
        await self.database.dispose()

    async def _until_taped(self) -> None:
        """Workers report the files that they closed; what does not come is found at the start."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.taping.none_runs.wait(), CLOSE_FILES_S)
        await self.journal.flush()

    # --- the turn's odds and ends -----------------------------------------------------------------

    def _finished(self, call: Call) -> None:
        self.flows.forget(call.id)
        self.timers.clear((call.id, "flow"))
        self.turns.calls.pop(call.id, None)
        self.call_timers.forget(call.id)
        self.turns.forget_later(call.id, self.forget)
        self.callbacks.ended(call.id)

    def forget(self, call: str) -> None:
        """Nothing of an ended call is left to be done."""
        self.workers.leave(call)
        self.keeping.gone(call)

    def _keep_again(self, call: str) -> bool:
        """Write a call's place and state once more, so that the log before them may leave."""
        told: list[bool] = []

        def again() -> None:
            told.append(self.floor.tell_place(call))
            if told[0]:
                self.turns.touch(call)

        self.turns.together(again)
        return told[0]

    def _tell_again(self, call: str, event: object) -> None:
        self.journal.append(call, event, self.clock.now())

    def _set_music(self, call: str, queue: str) -> None:
        music = self.floor.cares.music_of(queue)
        if music is not None:
            self.workers.set_music(call, music)

    def _reported(self, worker: str, report: Any) -> None:
        self.wiring.reported(worker, report)

    def reload(self, settings: Settings, secrets: Secrets, flows: FlowSet, sounds: Sounds) -> None:
        """New settings and flows for what comes; calls in progress keep theirs.

        Listeners, workers, stores and the domain are those of the start.
        """
        for section in NEEDS_RESTART:
            if getattr(settings, section) != getattr(self.settings, section):
                log.warning("%s: the change takes effect at the next start", section)
        self.settings = settings
        self.holds.adopt(settings.queues)
        self.phone.use_directory(SettingsDirectory(settings, secrets.ha1s(settings)))
        self.directions.trunk_passwords = secrets.trunks
        self.flows.flows = flows
        self.lookups.prepare(flows)
        self.directions.reload(settings)
        self.arrivals.reload(settings)

        def adopt() -> None:  # one turn: a replay decides at the time of the rules' fact
            self.history.reload(settings)
            self.floor.reload(settings, sounds)

        self.turns.together(adopt)
        for agent in settings.agents:  # one who was gone and is back has their phone still
            if self.directions.phones_of(agent.id):
                self.floor.set_reachable(agent.id)
