"""The engine's process: the composition root. Forked from the spare, ends on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.app import create_app
from config.credentials import FILE, load_secrets
from config.errors import PeerError
from config.store import SchemaTooNewError, migrate, open_database, schema_version
from engine.clock import Clock
from engine.engine import Engine, Parts
from engine.handover import EXIT_CONFIG, Handover
from engine.journal import Journal
from engine.kept_streams import KeptStreams
from engine.ledger import Ledger
from engine.line import Given, Line
from engine.orders import Orders
from engine.registry import product_registry
from engine.sounds import sounds_of
from engine.stand_by import Birth
from engine.state import open_state
from engine.tasks import Tasks
from engine.timers import Timers
from ivr.prompts import PromptStore
from ivr.tts import find_tts
from main.loading import load
from main.logs import set_up
from queues.why.decisions import DecisionRows
from recordings.client import Finisher
from recordings.store import RecordingRows
from router.pulse import EVERY_S, Pulse
from tickets.policy import Policy
from tickets.reader import RecordsReader

log = logging.getLogger("engine")

# What a call makes is freed by counting; the collector only has to find the odd cycle.
GC_THRESHOLDS = (20_000, 20, 20)

DATABASE_S = 1.0  # a database that does not answer by then is away
MIGRATION_S = 10.0  # one that takes longer is done beside the calls
READERS = ("records", "recordings", "state")


async def run(config: Path | None, given: Given, birth: Birth, version: str) -> None:
    """Everything from the configuration to the last call's end."""
    loop = asyncio.get_running_loop()
    handover, line, pulse = given.handover, birth.line, birth.pulse
    line.socket.setblocking(False)
    pulse.progress()
    settings, flows = load(config)
    journal = Journal.open(
        settings.data_dir / "journal",
        product_registry(),
        segment_bytes=settings.journal.segment_bytes,
        total_bytes_max=settings.journal.total_bytes_max,
        reserve_bytes=settings.journal.reserve_bytes,
        readers=READERS,
    )
    database = open_database(settings.store.database, settings.data_dir)
    pulse.progress()
    await migrate_or_go_on(database, first=handover.starts == 1)
    pulse.progress()
    prompts = PromptStore(settings.data_dir / "prompts", await find_tts())
    async with turning(pulse):  # each prompt has its own limit
        await prompts.prepare(flows, (settings.language,))
        sounds = await sounds_of(settings, prompts)
    clock = Clock(journal.last_at)
    secrets = load_secrets(settings)
    timers = Timers(clock, loop)
    engine = Engine(
        Parts(
            settings=settings,
            secrets=secrets,
            journal=journal,
            database=database,
            flows=flows,
            prompts=prompts,
            finisher=Finisher(),
            reader=RecordsReader(
                database,
                Policy(settings.tickets.due_s, settings.tickets.repeat_window_s),
                (RecordingRows(), DecisionRows()),
            ),
            listeners=[socket.socket(fileno=item.fd) for item in handover.sip],
            workers={worker.name: Path(worker.socket) for worker in handover.workers},
            version=version,
            sounds=sounds,
            streams=KeptStreams(line, Ledger(given.ledger_fd), journal, given.streams),
            state=open_state(settings.store.state, settings.sip.domain, secrets.state),
            progress=pulse.progress,
        ),
        timers,
        clock,
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await engine.start()
    tasks = Tasks("engine process")

    def reload_now() -> None:
        tasks.start(reload(engine, config, prompts, line))

    loop.add_signal_handler(signal.SIGHUP, reload_now)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    line.say({"up": len(engine.turns.calls)})
    orders = Orders(line, pulse, engine, handover.drain, reload_now)
    await serve_api(engine, handover, stopping)
    await orders.close()
    await tasks.close()
    await engine.stop()


@contextlib.asynccontextmanager
async def turning(pulse: Pulse) -> AsyncIterator[None]:
    """Meanwhile it is progress that the loop turns: for what has limits of its own."""

    async def turn() -> None:
        while True:
            pulse.progress()
            await asyncio.sleep(EVERY_S)

    tasks = Tasks("start")
    tasks.start(turn())
    try:
        yield
    finally:
        await tasks.close()


async def migrate_or_go_on(database: AsyncEngine, *, first: bool) -> None:
    """A store that is away or slow holds up nothing: the reader migrates when it is back.

    One that a newer version has been at is for that version. Only the first engine says so by
    raising SchemaTooNewError; after an upgrade that failed, calls come before records.
    """
    try:
        async with asyncio.timeout(DATABASE_S):
            await schema_version(database)
        async with asyncio.timeout(MIGRATION_S):
            await migrate(database)
    except Exception as error:
        if first and isinstance(error, SchemaTooNewError):
            raise
        log.error("the database is away, records follow when it is back: %s", type(error).__name__)


async def reload(engine: Engine, config: Path | None, prompts: PromptStore, line: Line) -> None:
    """New settings and flows for calls to come; a wrong file changes nothing."""
    try:
        settings, flows = load(config)
        secrets = load_secrets(settings)
        await prompts.prepare(flows, (settings.language,))
        sounds = await sounds_of(settings, prompts)
    except PeerError as error:
        log.error("not reloaded: %s", error)
        line.say({"reloaded": str(error)})
        return
    engine.reload(settings, secrets, flows, sounds)
    log.info("configuration reloaded")
    line.say({"reloaded": ""})


async def serve_api(engine: Engine, handover: Handover, stopping: asyncio.Event) -> None:
    """The API until the end is asked for; its access log is off (call ids, tokens)."""
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(engine),
            log_config=None,
            access_log=False,
            http=H11Protocol,  # bounds the headers of a request; httptools does not
            ws="none",
            limit_concurrency=256,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    sock = socket.socket(fileno=handover.api.fd)
    tasks = Tasks("api")
    serving = tasks.start(server.serve(sockets=[sock]))
    _say_ready(engine, handover)
    waiting = tasks.start(_until(stopping))
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await asyncio.wait({serving})
    await tasks.close()


def _say_ready(engine: Engine, handover: Handover) -> None:
    """What a person at the terminal wants to know first."""
    sip = ", ".join(f"{at.transport} {at.host}:{at.port}" for at in handover.sip)
    log.info("ready: version %s, generation %s", engine.version, engine.journal.generation)
    log.info("ready: SIP at %s; API at http://%s:%s", sip, handover.api.host, handover.api.port)
    log.info("ready: the administrator's token is in %s", engine.settings.data_dir / FILE)


async def _until(event: asyncio.Event) -> None:
    await event.wait()


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser()
    options.add_argument("--config", type=Path)
    options.add_argument("--log-level", default="info")
    return options.parse_args()


def rehearse() -> str:
    """Why an engine could not run with the configuration as it is, or "".

    On the way everything is loaded that libraries load only when they are used first (the
    database's driver, for one), so that no engine does it while calls wait. Nothing is connected.
    """
    try:
        settings, _ = load(_options().config)
        secrets = load_secrets(settings)
        open_database(settings.store.database, settings.data_dir)
        open_state(settings.store.state, settings.sip.domain, secrets.state)
    except PeerError as error:
        return str(error)
    return ""


def main(given: Given, birth: Birth, version: str) -> int:
    """The engine's whole life; the exit code. The arguments are those of the process."""
    chosen = _options()
    set_up(chosen.log_level)
    try:
        uvloop.run(run(chosen.config, given, birth, version))
    except PeerError as error:
        log.error("%s", error)
        return EXIT_CONFIG
    return 0
