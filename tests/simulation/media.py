"""A media worker that is played: it answers, plays, records and reports as the real one does, and
dies with all that it has in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from engine.workers import RECONNECT_S, Workers
from router.media import protocol as media
from tests.simulation.world import Agenda

NAME = "w0"
ANSWER_S = 0.0004
PROMPT_S = 2.0
PORTS_FROM = 20_000
FIGURES = media.LegFigures(received=100, sent=100)


@dataclass(slots=True)
class Session:
    port: int
    ipv6: bool
    play: str = ""
    plays: set[str] = field(default_factory=set)  # begun once: never begin again


class PlayedWorker:
    """One process after another under one name; ``client`` is the engine that is connected."""

    def __init__(self, agenda: Agenda) -> None:
        self.lives = 1
        self.alive = True
        self.sessions: dict[str, Session] = {}
        self.recordings: dict[str, tuple[media.Record, float]] = {}
        self.recorded_twice: list[str] = []
        self._agenda = agenda
        self._closed: dict[str, media.Closed] = {}
        self._ended: dict[tuple[str, str], media.RecordingSegment] = {}
        self._reports: list[tuple[int, media.Report]] = []
        self._number = 0
        self._ports = PORTS_FROM
        self._paths: set[str] = set()
        self._client: PlayedClient | None = None

    # --- life and death ------------------------------------------------------------

    def dies(self, restart_s: float = 0.3) -> None:
        self.alive = False
        self.lives += 1
        self.sessions, self.recordings, self._closed, self._ended = {}, {}, {}, {}
        self._reports, self._number = [], 0
        life = self.lives
        self._agenda.after(restart_s, lambda: self._back(life))
        client, self._client = self._client, None
        if client is not None:
            client.lose()

    def _back(self, life: int) -> None:
        if self.lives == life:
            self.alive = True

    def connect(self, client: PlayedClient) -> None:
        if self._client is not None:
            self._client.connected = False
        self._client = client

    def unacknowledged(self) -> list[tuple[int, media.Report]]:
        return list(self._reports)

    def acknowledge(self, number: int) -> None:
        self._reports = [item for item in self._reports if item[0] > number]

    # --- what it hears and finishes ------------------------------------------------------------

    def press(self, port: int, key: str) -> None:
        """Somebody's telephone sends a key to this port."""
        for name, session in self.sessions.items():
            if session.port == port:
                self._report(media.Digit(name, key, self._agenda.now))

    def silent(self, port: int) -> None:
        """Nothing comes from the far end of this port any more."""
        for name, session in self.sessions.items():
            if session.port == port:
                self._report(media.MediaTimeout(name, self._agenda.now))

    def _report(self, report: media.Report) -> None:
        self._number += 1
        self._reports.append((self._number, report))
        number, client = self._number, self._client
        if client is not None:
            self._agenda.after(ANSWER_S, lambda: client.hear(number, report))

    # --- commands ------------------------------------------------------------

    def obey(self, command: media.Command) -> media.Answer:
        if not self.alive:
            return media.Refused("worker is gone")
        do: dict[type, Callable[[Any], media.Answer]] = {
            media.Open: self._open,
            media.Close: self._close,
            media.Play: self._play,
            media.Record: self._record,
            media.StopRecord: lambda command: self._stop(command.recording),
            media.ListSessions: lambda command: self._list(),
        }
        return do.get(type(command), lambda command: media.Done())(command)

    def _open(self, command: media.Open) -> media.Answer:
        found = self.sessions.get(command.session)
        if found is None:
            if not command.port:
                self._ports += 2
            found = Session(command.port or self._ports, command.ipv6)
            self.sessions[command.session] = found
        return media.Opened(command.session, found.port)

    def _close(self, command: media.Close) -> media.Answer:
        if self.sessions.pop(command.session, None) is not None:
            self._closed[command.session] = media.Closed(command.session, FIGURES)
            for recording, (record, _) in list(self.recordings.items()):
                if not {record.left, record.right} & self.sessions.keys():
                    self._stop(recording)
        return self._closed.get(command.session) or media.Refused("unknown session")

    def _play(self, command: media.Play) -> media.Answer:
        session = self.sessions.get(command.session)
        if session is None:
            return media.Refused("unknown session")
        if command.play in session.plays:
            return media.Done()
        session.plays.add(command.play)
        session.play = command.play
        life, seconds = self.lives, PROMPT_S if command.files else 0.0

        def ended() -> None:
            if self.lives == life and session.play == command.play and seconds:
                self._report(
                    media.PlayEnded(command.session, command.play, False, self._agenda.now)
                )

        self._agenda.after(seconds, ended)
        return media.Done()

    def _record(self, command: media.Record) -> media.Answer:
        key = command.recording, command.path
        if key in self._ended:
            self._report(self._ended[key])
            return media.Done()
        known = self.recordings.get(command.recording)
        if known is not None and known[0].right == command.right:
            return media.Done()
        if command.left not in self.sessions or (
            command.right and command.right not in self.sessions
        ):
            return media.Refused("unknown session")
        if known is None and command.path in self._paths:  # it takes another name beside that one
            self.recorded_twice.append(command.path)
        self._paths.add(command.path)
        since = known[1] if known else self._agenda.now
        self.recordings[command.recording] = (command, since)
        return media.Done()

    def _stop(self, recording: str) -> media.Answer:
        found = self.recordings.pop(recording, None)
        if found is not None:
            command, since = found
            segment = media.RecordingSegment(
                recording, command.path, since, self._agenda.now, 10, 10
            )
            self._ended[recording, command.path] = segment
            self._report(segment)
        return media.Done()

    def _list(self) -> media.Sessions:
        of = {record.left: name for name, (record, _) in self.recordings.items()}
        return media.Sessions(
            tuple(
                media.SessionState(
                    name, one.port, one.ipv6, None, None, 0, None, "sendrecv", one.play, "",
                    of.get(name, ""), FIGURES,
                )
                for name, one in self.sessions.items()
            ),
            tuple(self._closed),
        )  # fmt: skip


class PlayedClient:
    """An engine's connection to the worker, as ``router.media.client.WorkerClient`` is one."""

    name = NAME

    def __init__(self, worker: PlayedWorker, agenda: Agenda, fuse: Callable[[str], None]) -> None:
        self.connected = True
        self.welcome = SimpleNamespace(pid=worker.lives)
        self.on_report: Callable[[str, int, media.Report], None] = lambda *what: None
        self.on_lost: Callable[[str], None] = lambda name: None
        self.of_dead_engine = False
        self._worker = worker
        self._agenda = agenda
        self._fuse = fuse
        self._asked: list[Callable[[media.Answer], None]] = []

    def send(self, command: media.Command) -> None:
        if self.connected:
            self._fuse(f"before {type(command).__name__}")
            self._worker.obey(command)
            self._fuse(f"after {type(command).__name__}")

    async def ask(self, command: media.Command) -> media.Answer:
        return self._worker.obey(command)

    def request(self, command: media.Command, then: Callable[[media.Answer], None]) -> None:
        self._fuse(f"before {type(command).__name__}")
        if self.connected:
            answer = self._worker.obey(command)
        else:
            answer = media.Refused(f"worker {self.name} is gone")
        self._fuse(f"after {type(command).__name__}")
        self._asked.append(then)
        self._agenda.after(ANSWER_S, lambda: self._answered(then, answer))

    def _answered(self, then: Callable[[media.Answer], None], answer: media.Answer) -> None:
        if then in self._asked and not self.of_dead_engine:
            self._asked.remove(then)
            then(answer)

    def hear(self, number: int, report: media.Report) -> None:
        if self.connected and not self.of_dead_engine:
            self.on_report(self.name, number, report)

    def acknowledge(self, number: int) -> None:
        if self.connected:
            self._worker.acknowledge(number)

    def lose(self) -> None:
        """The worker is gone; what it was asked gets no answer of its own any more."""
        self.connected = False
        asked, self._asked = self._asked, []
        if self.of_dead_engine:
            return
        for then in asked:
            then(media.Refused(f"worker {self.name} is gone"))
        self.on_lost(self.name)


class PlayedWorkers(Workers):
    """The engine's own workers, with the connection played and the task that keeps it a timer."""

    worker: PlayedWorker
    agenda: Agenda
    fuse: Callable[[str], None]
    dead = False

    def connect_now(self) -> bool:
        """False where the worker is not there (yet)."""
        if not self.worker.alive:
            return False
        client: Any = PlayedClient(self.worker, self.agenda, self.fuse)
        client.on_report, client.on_lost = self._reported, self._lost
        self.worker.connect(client)
        self.clients[NAME] = client
        self._load.setdefault(NAME, 0)
        self._recognise(NAME, client)
        for number, report in self.worker.unacknowledged():
            self._reported(NAME, number, report)
        try:
            self._compare(NAME, client).send(None)
        except StopIteration:
            return True
        raise AssertionError("a played worker answers at once")

    def _recognise(self, name: str, client: Any) -> None:
        life = f"{name}/{client.welcome.pid}"
        if self._lives.get(name) != life:
            self._lives[name] = life
            self._seen[name] = self._taken_over.pop(life, 0)
            if self._seen[name]:
                client.acknowledge(self._seen[name])

    def _lost(self, name: str) -> None:
        self.clients.pop(name, None)
        self.agenda.after(RECONNECT_S, self._try_again)

    def _try_again(self) -> None:
        if not self.dead and not self.clients and not self.connect_now():
            self.agenda.after(RECONNECT_S, self._try_again)
