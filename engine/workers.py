"""The media workers of this node: which call is at home where, and their reports journaled."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.clock import Clock
from engine.journal import Entry, Journal
from engine.tasks import Tasks
from engine.timers import Timers
from router.events import WorkerReport
from router.media import protocol as media
from router.media.client import WorkerClient, WorkerLost

log = logging.getLogger(__name__)

ACKNOWLEDGE_EVERY_S = 1.0
RECONNECT_S = 0.2
CONNECT_TRIES = 100
CONNECT_PAUSE_S = 0.02


class Workers:
    """A connection to each worker; reports are acknowledged once what they caused is durable."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        timers: Timers,
        on_report: Callable[[str, Any], None],
        music: str,
    ) -> None:
        self.clients: dict[str, WorkerClient] = {}
        self.figures: dict[str, media.WorkerFigures] = {}
        self._paths: dict[str, Path] = {}
        self._homes: dict[str, str] = {}
        self._load: dict[str, int] = {}
        self._lives: dict[str, str] = {}
        self._seen: dict[str, int] = {}
        self._taken_over: dict[str, int] = {}  # by life: reports that an earlier engine took
        self._unacknowledged: dict[str, int] = {}
        self._noted: dict[str, int] = {}  # by worker: the seq at which its last report was noted
        self._settled = False
        self._holding = False
        self._held: dict[str, list[tuple[int, media.Report]]] = {}  # by worker: not taken yet
        self._journal = journal
        self._clock = clock
        self._timers = timers
        self._on_report = on_report
        self._music = music
        self._musics: dict[str, str] = {}
        self._tasks = Tasks("workers")
        self._closing = False
        self.recording: set[str] = set()  # what workers were found recording at a connection
        self.is_ours: Callable[[str], bool] = lambda session: False
        self.on_back: Callable[[str, WorkerClient, set[str], set[str]], None] = lambda *what: None

    def note(self, entry: Entry) -> None:
        """Fold the log of an earlier engine: which reports it took over."""
        if isinstance(entry.event, WorkerReport):
            self._taken_over[entry.event.worker] = entry.event.number

    async def connect(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        async with asyncio.TaskGroup() as group:
            for name in paths:
                group.create_task(self._first(name))

    async def _first(self, name: str) -> None:
        """The supervisor starts workers and engine together: a socket may come a moment later."""
        for _ in range(CONNECT_TRIES):
            try:
                await self._connect(name)
            except (OSError, WorkerLost):
                await asyncio.sleep(CONNECT_PAUSE_S)
            else:
                return
        log.error("media worker %s does not answer", name)
        self._tasks.start(self._again(name))

    async def _connect(self, name: str) -> None:
        early: list[tuple[int, media.Report]] = []  # come with the welcome, before its reader
        known = False

        def reported(worker: str, number: int, report: media.Report) -> None:
            if known:
                self._reported(worker, number, report)
            else:
                early.append((number, report))

        client = await WorkerClient.connect(
            str(self._paths[name]),
            self._journal.generation,
            f"pid {os.getpid()}",
            on_report=reported,
            on_figures=self._figured,
            on_lost=self._lost,
        )
        self._load.setdefault(name, 0)
        self._recognise(name, client)
        known = True
        for number, report in early:
            self._reported(name, number, report)
        try:
            await self._compare(name, client)
        except WorkerLost:
            client.close()
            raise

    def _recognise(self, name: str, client: WorkerClient) -> None:
        """Another process counts its reports from 1 again; the same one goes on, also for a new
        engine, which finds in the log what its forerunner took."""
        life = life_of(name, client.welcome.pid if client.welcome else 0)
        if self._lives.get(name) != life:
            self._bury(name)
            self._lives[name] = life
            self._seen[name] = self._taken_over.pop(life, 0)
            if self._seen[name]:
                client.acknowledge(self._seen[name])

    def _bury(self, name: str) -> None:
        """What one that died said counts, but for a silence that waits: its sessions are made
        again, and their time begins anew. Its numbers mean nothing to the next one."""
        for number, report in self._held.pop(name, []):
            if not isinstance(report, media.MediaTimeout):
                self._take(name, number, report)
        self._unacknowledged.pop(name, None)

    async def _compare(self, name: str, client: WorkerClient) -> None:
        """Sessions that no leg of ours has are closed; what the worker lacks is made again, but
        for what an engine that died had it close: the end of that leg comes once more.

        Only then may calls use it: one that came before would perhaps get the port of a session
        that is to be made again."""
        answer = await client.ask(media.ListSessions())
        if not client.connected:
            raise WorkerLost(f"worker {name} is gone")
        self.clients[name] = client
        if not isinstance(answer, media.Sessions):
            return
        there = {session.session for session in answer.sessions}
        self.recording |= {item.recording for item in answer.sessions if item.recording}
        for session in answer.sessions:
            if not self.is_ours(session.session):
                if session.recording:
                    client.send(media.StopRecord(session.recording))
                client.send(media.Close(session.session))
        self.on_back(name, client, there, set(answer.closed))

    def _lost(self, name: str) -> None:
        """The worker died or dropped us: the supervisor starts another at the same address."""
        known = self.clients.pop(name, None)
        if known is not None and not self._closing:  # else who connects to it tries again
            log.warning("media worker %s is lost", name)
            self._tasks.start(self._again(name))

    async def _again(self, name: str) -> None:
        while not self._closing:
            try:
                await self._connect(name)
            except (OSError, WorkerLost):
                await asyncio.sleep(RECONNECT_S)
            else:
                log.info("media worker %s is back", name)
                return

    async def close(self) -> None:
        self._closing = True
        await self._tasks.close()
        for client in self.clients.values():
            client.close()

    # --- homes ---------------------------------------------------------------------------------

    def home(self, call: str) -> WorkerClient | None:
        """The worker of a call: the least loaded at its first leg, the same for all of it. While
        all are away it is one that will be back in a moment: None now, but ``home_of`` names it."""
        name = self._homes.get(call)
        if name is None:
            among = self.clients or self._load
            if not among:
                return None
            name = min(among, key=lambda name: (self._load[name], name))
            self._load[name] += 1
            self._homes[call] = name
        return self.clients.get(name)

    def home_of(self, call: str) -> str:
        """The name of a call's worker, "" while it has none."""
        return self._homes.get(call, "")

    def adopt(self, call: str, worker: str, music: str) -> None:
        """A call that a dead engine had at home there."""
        if worker:
            self._homes[call] = worker
            self._load[worker] = self._load.get(worker, 0) + 1
        if music != self._music:
            self._musics[call] = music

    def leave(self, call: str) -> None:
        name = self._homes.pop(call, None)
        self._musics.pop(call, None)
        if name is not None:
            self._load[name] -= 1

    def music(self, call: str) -> tuple[str, ...]:
        """What the caller of this call hears when nothing else is to be heard."""
        return (self._musics.get(call, self._music),)

    def set_music(self, call: str, path: str) -> None:
        self._musics[call] = path

    # --- commands and reports ---------------------------------------------------------------------

    def send(self, worker: WorkerClient, command: media.Command) -> None:
        worker.send(command)

    def ask(
        self, worker: WorkerClient, command: media.Command, then: Callable[[media.Answer], None]
    ) -> None:
        worker.request(command, then)

    def _figured(self, figures: media.WorkerFigures) -> None:
        self.figures[figures.worker] = figures

    def _reported(self, name: str, number: int, report: media.Report) -> None:
        if self._holding and (name in self._held or isinstance(report, media.MediaTimeout)):
            self._held.setdefault(name, []).append((number, report))
            return
        self._take(name, number, report)

    def _take(self, name: str, number: int, report: media.Report) -> None:
        if number <= self._seen.get(name, 0):
            return
        self._seen[name] = number
        try:
            self._on_report(name, report)
        except Exception:  # a mistake of ours must not cost the connection
            log.exception("media worker %s: %s", name, type(report).__name__)
        if not self._unacknowledged:
            self._timers.set(
                "acknowledge", self._clock.now() + ACKNOWLEDGE_EVERY_S, self._acknowledge
            )
        self._unacknowledged[name] = number
        if self._settled:
            self._note(name, number)

    def hold(self) -> None:
        """Media that fell silent wait until ``release``: who hung up while no engine was there
        fell silent for that, and the BYE is still to be read. What the same worker reports
        afterwards waits behind, for what is taken is told by one number."""
        self._holding = True

    def release(self) -> None:
        self._holding = False
        held, self._held = self._held, {}
        for name, reports in held.items():
            for number, report in reports:
                self._reported(name, number, report)

    def settled(self) -> None:
        """What a report causes happens at once from here on (no take-over is under way). So it
        is noted beside that, in one batch of the log: the next engine takes it once."""
        self._settled = True
        for name, number in self._unacknowledged.items():
            self._note(name, number)

    def _note(self, name: str, number: int) -> None:
        report = WorkerReport(self._lives[name], number)
        self._noted[name] = self._journal.append("", report, self._clock.now()).seq

    def _acknowledge(self) -> None:
        reports, self._unacknowledged = self._unacknowledged, {}
        if not reports:  # who made them is dead
            return
        if not self._settled:
            for name, number in reports.items():
                self._note(name, number)
        seq = max(self._noted[name] for name in reports)
        self._journal.when_durable(seq, lambda: self._durable(reports), urgent=False)

    def _durable(self, reports: dict[str, int]) -> None:
        for name, number in reports.items():
            client = self.clients.get(name)
            if client is not None:
                client.acknowledge(number)

    @property
    def names(self) -> Sequence[str]:
        return list(self._paths)


def life_of(name: str, pid: int) -> str:
    """What tells a worker's process from any other, also after a restart of a container, where
    pids come again: name, pid and when the kernel started it (proc(5), field 22)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return f"{name}/{pid}/{secrets.token_hex(8)}"
    return f"{name}/{pid}/{stat.rpartition(')')[2].split()[19]}"
