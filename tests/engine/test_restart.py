"""A whole engine that starts on what an earlier one left: its journal, or another's state."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.credentials import Secrets
from config.settings import AgentSettings, QueueSettings, Settings
from config.store import open_database
from engine import holds
from engine.clock import Clock
from engine.engine import Engine, Parts
from engine.holds import Holds
from engine.journal import Entry, Journal
from engine.registry import product_registry
from engine.state import MemoryState, Snapshot, StateStore
from engine.timers import Timers
from ivr.loader import FlowSet
from ivr.prompts import PromptStore
from queues.events import AgentPresence, CallQueued, OfferEnded, OfferMade, QueueVisitEnded
from router.events import (
    CallArrived,
    CallConnected,
    CallEnded,
    EngineStarted,
    PhoneRegistered,
    RecordingClosed,
    RecordingStarted,
)
from router.sip.effects import Flow
from tests.api.fakes import FakeFinisher, NoTts
from tests.fakes import START, HandClock
from tickets.reader import RecordsReader

NOW = START
PHONE = PhoneRegistered("101", "sip:101@127.0.0.1:5099", "udp", "127.0.0.1", 5099, NOW + 500)
LEFT: Sequence[tuple[str, object]] = (
    ("", PHONE),
    ("", AgentPresence("anna", "available")),
    ("talk", CallArrived("+37120000001", "100", "trunk")),
    ("talk", CallQueued("support", 0, 5, NOW - 50)),
    ("talk", OfferMade("anna", 1, "support", NOW, 1)),
    ("talk", AgentPresence("anna", "offered", queue="support")),
    ("talk", OfferEnded("anna", 1, "support", "accepted")),
    ("talk", QueueVisitEnded("support", "connected", 4.0)),
    ("talk", AgentPresence("anna", "talking", queue="support")),
    ("talk", CallConnected("talk.2", "anna", "support", 4.0)),
    ("talk", RecordingStarted("talk-r1", "talk-r1.part")),
    ("wait", CallArrived("+37120000002", "100", "trunk")),
    ("wait", CallQueued("support", 0, 5, NOW - 30, place=2)),
    ("menu", CallArrived("+37120000003", "100", "trunk")),
)


class Away:
    """A state store that cannot be reached."""

    async def position(self) -> int:
        raise ConnectionError("no route")

    async def apply(self, entries: Sequence[Entry]) -> None:
        raise ConnectionError("no route")

    async def load(self) -> Snapshot:
        raise ConnectionError("no route")

    async def close(self) -> None:
        return None


Start = Callable[..., Awaitable[Engine]]


async def left_behind(folder: Path, facts: Sequence[tuple[str, object]]) -> None:
    """A journal as a killed engine leaves it."""
    journal = Journal.open(folder / "journal", product_registry(), sync=False)
    for n, (call, event) in enumerate(facts):
        journal.append(call, event, NOW - 60 + n)
    await journal.flush()
    journal.abandon()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start an engine in the test's folder; all are ended afterwards."""
    started: list[Engine] = []

    async def starting(state: StateStore | None = None) -> Engine:
        settings = Settings(
            data_dir=tmp_path,
            queues=(QueueSettings(name="support", wrap_up_s=5.0),),
            agents=(
                AgentSettings(id="anna", name="Anna", extension="101", queues={"support": 1}),
                AgentSettings(id="boris", name="Boris", extension="102", queues={"support": 1}),
            ),
        )
        time = HandClock(NOW)
        clock = Clock(0.0, wall=time.now, monotonic=time.now)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        database = open_database("sqlite", tmp_path)
        more: dict[str, Any] = {} if state is None else {"state": state}
        engine = Engine(
            Parts(
                settings=settings,
                secrets=Secrets(b"nonce" * 8, "token", {"101": "a", "102": "b"}, {}),
                journal=Journal.open(
                    tmp_path / "journal",
                    product_registry(),
                    sync=False,
                    readers=("records", "recordings", "state"),
                ),
                database=database,
                flows=FlowSet({}, "none"),
                prompts=PromptStore(tmp_path / "prompts", NoTts()),
                finisher=FakeFinisher(),  # type: ignore[arg-type]
                reader=RecordsReader(database),
                listeners=[sock],
                workers={},
                version="1",
                **more,
            ),
            Timers(clock, asyncio.get_running_loop()),
            clock,
        )
        await engine.start()
        started.append(engine)
        return engine

    yield starting
    for engine in started:
        await engine.stop()


def facts(engine: Engine, kind: type[Any]) -> list[tuple[str, Any]]:
    return [(e.call, e.event) for e in engine.journal.read() if isinstance(e.event, kind)]


async def test_every_open_call_ends_once(tmp_path: Path, start: Start) -> None:
    await left_behind(tmp_path, LEFT)
    engine = await start()
    ended = {call: (event.outcome, event.cause) for call, event in facts(engine, CallEnded)}
    assert ended == {
        "talk": ("dropped", "restart"),
        "wait": ("missed", "restart"),
        "menu": ("failed", "restart"),
    }
    assert len(facts(engine, CallEnded)) == 3


async def test_what_settling_adds_is_read_like_any_fact(tmp_path: Path, start: Start) -> None:
    """Figures count the calls that the crash ended, and the log need not hold them any more."""
    await left_behind(tmp_path, LEFT)
    engine = await start()
    outcomes = engine.statistics.outcomes
    assert (outcomes["dropped"], outcomes["missed"], outcomes["failed"]) == (1, 1, 1)
    held: dict[str, int] = {}
    engine.journal.hold = held.__setitem__  # type: ignore[method-assign]
    engine.holds.move(engine.journal.last_seq)
    assert held == {Holds.NAME: 0}  # the phone's fact is the oldest that matters
    started = [e.seq for e in engine.journal.read() if isinstance(e.event, EngineStarted)][-1]
    engine.journal.append("", PHONE, NOW)
    engine.journal.append("", AgentPresence("anna", "signed-out"), NOW)
    await engine.journal.flush()
    engine.holds.move(engine.journal.last_seq)
    assert held == {Holds.NAME: started - 1}, "which supervisor this is"


async def test_agents_and_their_phones_are_there_again(tmp_path: Path, start: Start) -> None:
    await left_behind(tmp_path, LEFT)
    engine = await start()
    anna, boris = engine.floor.agents()
    assert (anna.presence, anna.reachable) == ("wrap-up", True)
    assert (boris.presence, boris.reachable) == ("signed-out", False)
    assert engine.directions.phones_of("anna") == (PHONE.uri,)
    target, _, _ = engine.directions.target("anna", PHONE.uri)
    assert target.flow == Flow("udp", "127.0.0.1", 5099)


async def test_a_recording_whose_worker_is_gone_is_closed(tmp_path: Path, start: Start) -> None:
    done = [
        ("past", RecordingStarted("past-r1", "past-r1.part")),
        ("past", RecordingClosed("past-r1", "past-r1.part", NOW - 9, NOW, 1, 1)),
    ]
    await left_behind(tmp_path, [*LEFT, *done])
    engine = await start()
    await engine.journal.flush()
    closed = facts(engine, RecordingClosed)
    assert [(call, event.path, bool(event.error)) for call, event in closed] == [
        ("past", "past-r1.part", False),
        ("talk", "talk-r1.part", True),
    ]


async def test_who_is_signed_in_for_weeks_does_not_hold_the_log(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "RENEW", 2_000)
    engine = await start()
    engine.sign_in("anna")
    engine.take_break("anna", "leave")
    engine.sign_in("boris")
    held: dict[str, int] = {}
    engine.journal.hold = held.__setitem__  # type: ignore[method-assign]
    for n in range(10_000):
        engine.journal.append(f"c{n}", CallEnded("refused", "closed"), NOW)
        if n % 100 == 0:
            await engine.journal.flush()
    assert engine.journal.last_seq - held[Holds.NAME] < 2_000 + 2 * holds.STEP
    told = [event for _, event in facts(engine, AgentPresence)]
    assert set(told[3:]) == {
        AgentPresence("anna", "on-break", "leave"),
        AgentPresence("boris", "available"),
    }
    assert len(told) < 3 + 2 * 6


async def test_with_a_journal_of_its_own_the_state_store_is_not_asked(
    tmp_path: Path, start: Start
) -> None:
    await left_behind(tmp_path, [("", AgentPresence("boris", "available"))])
    store = MemoryState()
    await store.apply(
        [Entry(1, NOW, "", PHONE), Entry(2, NOW, "", AgentPresence("anna", "available"))]
    )
    engine = await start(store)
    assert [view.presence for view in engine.floor.agents()] == ["signed-out", "available"]
    assert engine.directions.phones_of("anna") == ()


async def test_another_machine_carries_on(start: Start) -> None:
    store = MemoryState()
    await store.apply(
        [
            Entry(700, NOW - 9, "", AgentPresence("boris", "on-break", "lunch")),
            Entry(701, NOW - 8, "talk", AgentPresence("anna", "talking", queue="support")),
            Entry(702, NOW - 7, "", PHONE),
        ]
    )
    engine = await start(store)
    anna, boris = engine.floor.agents()
    assert (anna.presence, anna.reachable, anna.call) == ("wrap-up", True, "")
    assert (boris.presence, boris.reason, boris.since) == ("on-break", "lunch", NOW - 9)
    assert engine.directions.phones_of("anna") == (PHONE.uri,)
    # From here on it stands in this journal, under numbers that the store has not seen.
    assert facts(engine, PhoneRegistered) == [("", PHONE)]
    assert next(iter(engine.journal.read())).seq == 703
    async with asyncio.timeout(10):
        while await store.position() < engine.journal.last_seq:
            await asyncio.sleep(0)
    kept = await store.load()
    assert kept.presence["anna"].event == AgentPresence("anna", "wrap-up", "", "support", NOW + 5)


async def test_state_in_memory_is_made_of_what_the_log_holds(tmp_path: Path, start: Start) -> None:
    old = [("c", CallArrived("+37120000001", "100", "trunk")), ("c", CallEnded("failed", "x"))]
    journal = Journal.open(tmp_path / "journal", product_registry(), sync=False)
    for n, (call, event) in enumerate([*old * 50, *LEFT[:2]]):
        journal.append(call, event, NOW - 200 + n)
        journal.hold(Holds.NAME, 100)
    await journal.flush()
    journal.abandon()
    store = MemoryState()
    engine = await start(store)
    assert engine.journal.recovered.held == 100
    async with asyncio.timeout(10):
        while await store.position() < engine.journal.last_seq:
            await asyncio.sleep(0)
    kept = await store.load()
    assert kept.presence.keys() == {"anna"}
    assert [phone.event for phone in kept.phones.values()] == [PHONE]


async def test_a_state_store_that_is_away_holds_up_nothing(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await start(Away())
    assert engine.ready_since
    assert "the state store is away" in caplog.text
    engine.sign_in("anna")
    await engine.journal.flush()
    assert engine.presence("anna") == "available"
