"""A node for tests of the API: the real engine on SQLite and a real journal, without workers.

Only the edges are fakes: the clock, the media worker's connection and the finisher.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from api.app import create_app
from config.credentials import Secrets
from config.settings import AgentSettings, Api, QueueSettings, Settings, Sip, Token
from config.store import SQLITE_FILE, open_database
from engine.clock import Clock
from engine.engine import Engine, Parts
from engine.journal import Entry, Journal
from engine.registry import product_registry
from engine.timers import Timers
from ivr.loader import FlowSet
from ivr.prompts import PromptStore
from ivr.tts import NoTts
from queues.events import CallQueued, OfferMade, QueueVisitEnded
from queues.why.decisions import DecisionRows
from recordings.events import RecordingFinished
from recordings.store import RecordingRows
from router.call import Call, Leg, Phase
from router.events import CallArrived, CallConnected, CallEnded, CallPickedUp, Outcome
from router.media.protocol import WorkerFigures
from tests.api.contract import Contract
from tickets.reader import RecordsReader

NOON = 1_795_262_400.0  # 2026-11-21 12:00 UTC

TOKENS = {
    "anna": "token-of-anna",
    "boris": "token-of-boris",
    "sveta": "token-of-the-supervisor",
    "prometheus": "token-of-the-operator",
    "chief": "token-of-an-admin",
    "own admin": "token-made-at-the-first-start",
}
ROLES = {"sveta": "supervisor", "prometheus": "operator", "chief": "admin"}


_contracts: list[Contract] = []


def contract(app: FastAPI) -> Contract:
    """The description, made once a run; that it is always the same has a test of its own."""
    if not _contracts:
        _contracts.append(Contract(app.openapi()))
    return _contracts[0]


def tokens() -> tuple[Token, ...]:
    made = []
    for name, text in TOKENS.items():
        if name != "own admin":
            role = ROLES.get(name, "agent")
            digest = hashlib.sha256(text.encode()).hexdigest()
            agent = name if role == "agent" else None
            made.append(
                Token.model_validate({"name": name, "role": role, "agent": agent, "sha256": digest})
            )
    return tuple(made)


def settings_in(folder: Path, **changes: Any) -> Settings:
    return Settings(
        data_dir=folder,
        sip=Sip(listen=()),
        queues=(
            QueueSettings(name="support", wrap_up_s=30.0),
            QueueSettings(name="sales", rank=3),
        ),
        agents=(
            AgentSettings(id="anna", name="Anna", extension="101", queues={"support": 1}),
            AgentSettings(id="boris", name="Boris", extension="102", queues={"sales": 1}),
        ),
        tokens=tokens(),
        **changes,
    )


class HandClock:
    """Time that stands until it is moved; seconds."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> float:
        return self.at


class FakeWorker:
    """A media worker's connection that takes everything and says nothing."""

    def send(self, command: object) -> None:
        """Taken."""

    def close(self) -> None:
        """Nothing is open."""


class FakeFinisher:
    """Makes no files."""

    async def start(self) -> None:
        """Nothing to start."""

    async def finish(
        self, recording: str, segments: Sequence[str], target: str
    ) -> RecordingFinished:
        return RecordingFinished(recording, "", "", 0.0, 0, "no finisher in tests")

    async def close(self) -> None:
        """Nothing to end."""


@dataclass(slots=True)
class Node:
    """An engine, its application and clients of it."""

    engine: Engine
    app: FastAPI
    time: HandClock
    socket: socket.socket

    def client(self, who: str | None = "sveta", **headers: str) -> httpx.AsyncClient:
        """A client with the token of this person; None has no token.

        Whatever it is answered is held against the description.
        """
        if who is not None:
            headers["Authorization"] = f"Bearer {TOKENS[who]}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(
            transport=transport,
            base_url="http://node",
            headers=headers,
            event_hooks={"response": [contract(self.app).check]},
        )

    async def settle(self) -> None:
        """Until the records have everything that the journal has."""
        await self.engine.journal.flush()
        reader = self.engine.records_reader
        assert reader is not None
        async with asyncio.timeout(10):
            await reader.caught_up(self.engine.journal.last_seq)

    def fact(self, call: str, event: object, at: float | None = None) -> None:
        self.engine.journal.append(call, event, self.time.at if at is None else at)

    async def past_call(
        self,
        call: str,
        *,
        outcome: Outcome = "answered",
        caller: str = "+37120000001",
        agent: str = "anna",
        queue: str = "support",
        waited_s: float = 4.0,
        recording: RecordingFinished | None = None,
    ) -> None:
        """The facts of a call that is over, and its ticket in the records."""
        at = self.time.at
        answered = outcome in ("answered", "dropped")
        self.fact(call, CallArrived(caller, "100", "trunk"), at - 60)
        self.fact(call, CallPickedUp(), at - 59)
        self.fact(call, CallQueued(queue, 0, 5, at, target_s=20.0), at - 50)
        if answered:
            self.fact(call, OfferMade(agent, 1, queue, at, 1), at - 49)
        end = "connected" if answered else "abandoned"
        self.fact(call, QueueVisitEnded(queue, end, waited_s), at - 50 + waited_s)
        if answered:
            self.fact(call, CallConnected(f"{call}.2", agent, queue, waited_s), at - 50 + waited_s)
        self.fact(
            call,
            CallEnded(
                outcome,
                "bye",
                queue,
                agent if answered else "",
                waited_s,
                40.0 if answered else 0.0,
                no_recording="" if recording else "nobody talked",
            ),
        )
        if recording is not None:
            self.fact(call, recording)
        await self.settle()

    def live_call(
        self, call: str, phase: Phase = "talking", agent: str = "anna", state: Any = "up"
    ) -> Call:
        """A call in progress; talking, or ringing at an agent's phone."""
        live = Call(call, phase=phase, caller="+37120000009", dialled="100", queue="support")
        live.caller_leg = f"{call}.1"
        live.legs[live.caller_leg] = Leg(live.caller_leg, "caller", "up")
        live.marks.arrived = self.time.at
        if agent:
            leg = Leg(f"{call}.2", "agent", state, agent, "sip:101@192.0.2.1")
            live.legs[leg.id] = leg
            live.agent = agent
            if state != "ringing":
                live.other_leg = leg.id
        self.engine.turns.calls[call] = live
        return live

    def wait(self, call: str, queue: str = "support") -> None:
        """The call joins the queue."""
        floor = self.engine.floor
        floor.change(lambda now: floor.floor.enqueue(call, queue, now))

    def talking(self, agent: str, call: str) -> None:
        """The agent has taken a call of the queue; the call itself is not there."""
        floor = self.engine.floor
        floor.change(lambda now: floor.floor.set_reachable(agent, True, now))
        floor.change(lambda now: floor.floor.sign_in(agent, now))
        self.wait(call)
        view = next(view for view in floor.agents() if view.agent == agent)
        floor.change(lambda now: floor.floor.accept(agent, view.fence, now))

    def journaled(self, kind: str) -> list[Entry]:
        """Facts of a kind, as far as they are on disk."""
        return [e for e in self.engine.journal.read() if type(e.event).__name__ == kind]

    def recording_file(self, name: str, content: bytes) -> RecordingFinished:
        """A finished file in the recordings' folder, and its fact."""
        path = self.engine.recordings_dir / f"{name}.wav"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return RecordingFinished(name, str(path), digest, 1.5, len(content))


def figures_of_worker() -> WorkerFigures:
    return WorkerFigures(
        worker="media-0",
        sessions=3,
        ports_free=40,
        received=1000,
        sent=900,
        lost=7,
        loop_lag_ms_max=2.0,
        cpu_s=1.25,
    )


async def start_node(folder: Path, schema: Path, **changes: Any) -> Node:
    """A node in a folder; ``schema`` is a SQLite file that holds the empty tables."""
    shutil.copy(schema, folder / SQLITE_FILE)
    settings = settings_in(folder, api=Api(port=0, **changes.pop("api", {})), **changes)
    time = HandClock()
    clock = Clock(0.0, wall=time, monotonic=time)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    database = open_database("sqlite", folder)
    journal = Journal.open(folder / "journal", product_registry(), sync=False, wall=time)
    engine = Engine(
        Parts(
            settings=settings,
            secrets=Secrets(b"nonce" * 8, TOKENS["own admin"], {"101": "a", "102": "b"}, {}),
            journal=journal,
            database=database,
            flows=FlowSet({}, "none"),
            prompts=PromptStore(folder / "prompts", NoTts()),
            finisher=FakeFinisher(),  # type: ignore[arg-type]
            reader=RecordsReader(database, parts=(RecordingRows(), DecisionRows())),
            listeners=[sock],
            workers={},
            version="1.2.3",
        ),
        Timers(clock, asyncio.get_running_loop()),
        clock,
    )
    await engine.start()
    engine.workers.clients["media-0"] = FakeWorker()  # type: ignore[assignment]
    engine.workers.figures["media-0"] = figures_of_worker()
    return Node(engine, create_app(engine), time, sock)
