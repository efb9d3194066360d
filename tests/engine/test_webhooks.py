"""Deliverers on virtual time: a real outbox, a receiver that is played, crashes in between."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from config.store import migrate, open_database
from config.webhooks import Endpoint
from config.webhooks import Webhooks as Common
from engine.timers import Timers
from engine.webhooks import SWEEP_S, Deliverer, Webhooks
from recordings.store import RecordingRows
from tests.fakes import START, FakeLoop, HandClock
from tests.tickets.entries import facts_of_call, numbered, people
from tickets.reader import RecordsReader
from tickets.webhook_lane import DELIVERED, GIVEN_UP, WAITING, Answer, Message, Settled
from tickets.webhook_outbox import Outbox, OutboxStore

CRM = Endpoint(name="crm", url="https://crm.example/in", secret_env="A")
COMMON = Common(endpoints=(CRM,), in_flight_max=4)
OK = Answer(200)
AWAY = Answer(0, "cannot connect")


class CrashError(BaseException):
    """kill -9, as far as a coroutine can die of it."""


@dataclass
class Receiver:
    """Answers as it is told, 200 when there is nothing more; keeps what came, in order."""

    answers: list[Answer | str] = field(default_factory=list)
    came: list[Message] = field(default_factory=list)
    closed: bool = False
    at_once: int = 0
    most_at_once: int = 0

    async def send(self, message: Message) -> Answer:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        answer = self.answers.pop(0) if self.answers else OK
        if answer == "crash before":
            raise CrashError
        if answer == "crash after":
            self.came.append(message)
            raise CrashError
        assert isinstance(answer, Answer)
        if answer.taken or answer.why == "lost answer":
            self.came.append(message)
        return answer

    async def close(self) -> None:
        self.closed = True

    def once(self) -> dict[str, list[str]]:
        """By call, the kinds of messages by who drops repeats, in the order they came."""
        seen: set[str] = set()
        found: dict[str, list[str]] = defaultdict(list)
        for message in self.came:
            if message.id not in seen:
                seen.add(message.id)
                found[message.call].append(f"{message.seq} {message.kind}")
        return dict(found)


class FlakyStore(OutboxStore):
    """The outbox of a database that is away while ``away`` is set."""

    away = False

    async def settle(self, settled: Any) -> None:
        if self.away:
            raise OSError("away")
        await super().settle(settled)

    async def heads(self, endpoint: str, limit: int) -> list[Message]:
        if self.away:
            raise OSError("away")
        return await super().heads(endpoint, limit)


CALL = [
    "9 call.ended",
    "9 ticket.created",
    "10 recording.ready",
    "10 ticket.updated",
    "11 ticket.updated",
    "12 ticket.updated",
]


async def fill(database: AsyncEngine, now: Callable[[], float], calls: int = 1) -> None:
    """The events of these calls, six each."""
    facts = [
        fact for at in range(calls) for fact in facts_of_call(f"c{at}") + people(f"c{at}", 1100.0)
    ]
    reader = RecordsReader(database, parts=[RecordingRows()])
    reader.outbox = Outbox((CRM,), now)
    await reader.apply(numbered(facts))


@pytest.fixture
async def store_file(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_database("sqlite", tmp_path)
    await migrate(engine)
    yield engine
    await engine.dispose()


async def until(deliverer: Deliverer, receiver: Receiver, clock: HandClock, end: float) -> None:
    """Rounds, and time that passes between them, up to a moment."""
    while clock.at <= end:
        at = await deliverer.step(receiver)
        clock.at = end + 1 if at is None else max(at, clock.at + 0.001)
    clock.at = end


def deliverer_of(database: AsyncEngine, clock: HandClock, common: Common = COMMON) -> Deliverer:
    return Deliverer("crm", OutboxStore(database), common, clock.now)


async def test_a_call_is_told_in_order_and_once(store_file: AsyncEngine) -> None:
    clock, receiver = HandClock(), Receiver()
    await fill(store_file, clock.now)
    deliverer = deliverer_of(store_file, clock)
    await until(deliverer, receiver, clock, START + 1)
    assert receiver.once() == {"c0": CALL}
    assert len(receiver.came) == 6
    figures = deliverer.figures
    assert (figures.sent, figures.failed, figures.given_up, figures.backlog) == (6, 0, 0, 0)


async def test_calls_are_told_beside_each_other_but_not_too_many(store_file: AsyncEngine) -> None:
    clock, receiver = HandClock(), Receiver()
    await fill(store_file, clock.now, calls=9)
    await until(deliverer_of(store_file, clock), receiver, clock, START + 5)
    assert len(receiver.once()) == 9
    assert receiver.most_at_once == 4
    assert len(receiver.came) == 54


async def test_an_endpoint_that_is_away_is_asked_seldom(store_file: AsyncEngine) -> None:
    clock, receiver = HandClock(), Receiver()
    await fill(store_file, clock.now, calls=5)
    deliverer = deliverer_of(store_file, clock)
    receiver.answers = [AWAY] * 1000
    await until(deliverer, receiver, clock, START + 3600)
    asked = 1000 - len(receiver.answers)
    assert 10 <= asked <= 20, "5, 10, 20 ... 600 s, or half of it"
    assert deliverer.figures.failed == asked
    assert deliverer.lane.problem == "cannot connect"
    receiver.answers.clear()
    await until(deliverer, receiver, clock, START + 3600 + 1200)
    assert receiver.once()["c0"] == CALL
    assert len(receiver.came) == 30
    assert deliverer.lane.problem == ""


async def test_one_message_that_is_refused_holds_up_its_call_only(store_file: AsyncEngine) -> None:
    clock = HandClock()
    await fill(store_file, clock.now, calls=3)

    class Picky(Receiver):
        async def send(self, message: Message) -> Answer:
            if message.call == "c0" and message.kind == "ticket.created":
                return Answer(422)
            return await super().send(message)

    receiver = Picky()
    deliverer = deliverer_of(store_file, clock)
    await until(deliverer, receiver, clock, START + 5)
    assert {call: len(kinds) for call, kinds in receiver.once().items()} == {
        "c0": 1,
        "c1": 6,
        "c2": 6,
    }
    await until(deliverer, receiver, clock, START + COMMON.give_up_s + 1200)
    assert deliverer.figures.given_up == 1
    assert receiver.once()["c0"] == [kind for kind in CALL if "created" not in kind]
    found, _ = await OutboxStore(store_file).page("crm", GIVEN_UP, 10)
    assert [(item.status, item.why) for item in found] == [(422, "status 422")]


async def test_gone_is_left_alone_until_it_is_resumed(store_file: AsyncEngine) -> None:
    clock, receiver = HandClock(), Receiver(answers=[OK, Answer(410)])
    await fill(store_file, clock.now)
    deliverer = deliverer_of(store_file, clock)
    await until(deliverer, receiver, clock, START + 7200)
    assert (len(receiver.came), receiver.answers) == (1, [])
    deliverer.lane.resume()
    await until(deliverer, receiver, clock, START + 7300)
    assert receiver.once() == {"c0": CALL}


async def test_what_nobody_takes_is_given_up_and_can_be_sent_again(
    store_file: AsyncEngine,
) -> None:
    clock, receiver = HandClock(), Receiver(answers=[Answer(410)])
    await fill(store_file, clock.now)
    deliverer = deliverer_of(store_file, clock)
    await until(deliverer, receiver, clock, START + COMMON.give_up_s + 4 * SWEEP_S)
    assert (deliverer.figures.given_up, deliverer.figures.kept) == (6, 6)
    assert deliverer.figures.backlog == 0
    assert await OutboxStore(store_file).again("crm", None, clock.now()) == 6
    deliverer.lane.resume()
    await until(deliverer, receiver, clock, clock.at + 10)
    assert receiver.once() == {"c0": CALL}


async def test_an_answer_is_written_down_before_anything_is_sent_again(
    store_file: AsyncEngine,
) -> None:
    clock, receiver = HandClock(), Receiver()
    await fill(store_file, clock.now)
    store = FlakyStore(store_file)
    deliverer = Deliverer("crm", store, COMMON, clock.now)

    async def breaks(settled: list[Settled]) -> None:
        raise OSError("away")

    kept = store.settle
    store.settle = breaks  # type: ignore[method-assign, assignment]
    for _ in range(3):
        with pytest.raises(OSError, match="away"):
            await deliverer.step(receiver)
    assert len(receiver.came) == 1, "the database is away: nothing is sent twice for it"
    store.settle = kept  # type: ignore[method-assign]
    await until(deliverer, receiver, clock, START + 5)
    assert (len(receiver.came), receiver.once()) == (6, {"c0": CALL})


async def test_the_whole_of_a_node_wakes_when_something_is_written(
    store_file: AsyncEngine,
) -> None:
    clock = HandClock()
    loop = FakeLoop(clock)
    timers = Timers(clock, loop)  # type: ignore[arg-type]
    webhooks = Webhooks(store_file, clock, timers, COMMON)  # type: ignore[arg-type]
    receiver = Receiver()
    webhooks.start(lambda endpoint: receiver)
    reader = RecordsReader(store_file, parts=[RecordingRows()])
    reader.outbox = webhooks.outbox
    await reader.apply(numbered(facts_of_call("c0") + people("c0", 1100.0)))

    async def all_came() -> None:
        while len(receiver.came) < 6:
            await asyncio.sleep(0)
            loop.pass_time(0.001)

    await asyncio.wait_for(all_came(), 20)
    assert receiver.once() == {"c0": CALL}
    await webhooks.close()
    assert receiver.closed


async def test_the_end_waits_for_nobody_long(store_file: AsyncEngine) -> None:
    class Stuck(Receiver):
        async def send(self, message: Message) -> Answer:
            self.came.append(message)
            await asyncio.Event().wait()
            return OK

    clock = HandClock()
    await fill(store_file, clock.now)
    timers = Timers(clock, FakeLoop(clock))  # type: ignore[arg-type]
    webhooks = Webhooks(store_file, clock, timers, COMMON)  # type: ignore[arg-type]
    receiver = Stuck()
    webhooks.start(lambda endpoint: receiver)
    while not receiver.came:
        await asyncio.sleep(0)
    await webhooks.close()
    assert receiver.closed
    assert (await webhooks.store.counts())["crm"][WAITING] == 6


async def test_messages_of_an_endpoint_that_is_no_more_grow_old(store_file: AsyncEngine) -> None:
    clock = HandClock()
    await fill(store_file, clock.now)
    loop = FakeLoop(clock)
    timers = Timers(clock, loop)  # type: ignore[arg-type]
    webhooks = Webhooks(store_file, clock, timers, Common())  # type: ignore[arg-type]
    webhooks.start(lambda endpoint: Receiver())
    await asyncio.sleep(0)
    clock.at += Common().give_up_s + 2 * Common().retry_max_s
    loop.pass_time(SWEEP_S + 1)

    async def given_up() -> None:
        while (await webhooks.store.counts())["crm"][GIVEN_UP] < 6:
            await asyncio.sleep(0)

    await asyncio.wait_for(given_up(), 20)
    await webhooks.close()


ANSWERS = st.sampled_from(
    [
        *([OK] * 4),
        AWAY,
        Answer(0, "lost answer"),
        Answer(503, retry_after_s=40.0),
        Answer(400),
        Answer(302),
        Answer(500),
        "crash before",
        "crash after",
        "crash after",
    ]
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(answers=st.lists(ANSWERS, max_size=60), calls=st.integers(1, 4))
def test_whatever_fails_each_event_arrives_and_a_calls_are_in_order(
    tmp_path_factory: pytest.TempPathFactory, answers: list[Answer | str], calls: int
) -> None:
    """Crashes before and after the receiver has it, lost answers, refusals, pauses: at least once
    each, and who drops repeated ids has each call exactly once, in order."""
    folder = tmp_path_factory.mktemp("outbox")

    async def live() -> None:
        database = open_database("sqlite", folder)
        await migrate(database)
        clock, receiver = HandClock(), Receiver(answers=list(answers))
        try:
            await fill(database, clock.now, calls)
            store, waits = OutboxStore(database), 1
            deliverer = deliverer_of(database, clock)
            while waits:
                try:
                    await until(deliverer, receiver, clock, clock.at + 200)
                    waits = (await store.counts())["crm"][WAITING]
                except CrashError:
                    deliverer = deliverer_of(database, clock)
                    receiver.at_once = 0
                    clock.at += 1.0
            found = receiver.once()
            assert set(found) == {f"c{at}" for at in range(calls)}
            for at in range(calls):
                shifted = [int(item.split()[0]) for item in found[f"c{at}"]]
                assert shifted == sorted(shifted)
                kinds = [item.split()[1] for item in found[f"c{at}"]]
                assert kinds == [item.split()[1] for item in CALL]
            assert (await store.counts())["crm"] == {WAITING: 0, DELIVERED: 6 * calls, GIVEN_UP: 0}
        finally:
            await database.dispose()

    asyncio.run(live())
