"""The state store, in memory and in a real Redis: the same tests on both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest
import redis
import redis.exceptions
from pydantic import ValidationError
from redis.asyncio import Redis

from config.credentials import load_secrets
from config.errors import ConfigError
from config.settings import AgentSettings, QueueSettings, Settings, Store
from engine import state_redis
from engine.journal import Entry, Journal, Pace
from engine.registry import product_registry
from engine.state import Change, Snapshot, StateStore, changes, open_state
from engine.state_redis import RedisState
from queues.events import AgentPresence, OfferMade
from router.events import CallArrived, PhoneGone, PhoneRegistered
from tests.redis_server import running_redis

DOMAIN = "offhook.test"
ANNA = PhoneRegistered("101", "sip:101@192.0.2.7:5060", "udp", "203.0.113.5", 50_000, 2e9, q=0.5)
BORIS = PhoneRegistered("102", "sip:102@192.0.2.8;transport=tcp", "tcp", "192.0.2.8", 5060, 2e9, -1)


@pytest.fixture(scope="module")
def redis_server() -> Iterator[str]:
    with running_redis() as address:
        yield address


@pytest.fixture
def redis_address(redis_server: str) -> str:
    """An empty database of the server."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return f"{redis_server}/0"


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[StateStore]:
    if request.param == "memory":
        yield open_state("memory", DOMAIN, "")
        return
    address = request.getfixturevalue("redis_address")
    opened = open_state(address, DOMAIN, "")
    assert isinstance(opened, RedisState)
    yield opened
    await opened.close()


def entries(*events: object, first: int = 1) -> list[Entry]:
    return [Entry(first + n, 1e9 + n, "", event) for n, event in enumerate(events)]


async def test_an_empty_store(store: StateStore) -> None:
    assert await store.position() == 0
    assert await store.load() == Snapshot()


async def test_presence_and_phones_are_kept(store: StateStore) -> None:
    talks = AgentPresence("anna", "talking", queue="support", after="on-break", after_reason="tea")
    rest = AgentPresence("boris", "on-break", "lunch")
    await store.apply(entries(talks, rest, ANNA, BORIS, CallArrived("1", "2", "t")))
    found = await store.load()
    assert {name: kept.event for name, kept in found.presence.items()} == {
        "anna": talks,
        "boris": rest,
    }
    assert {kept.event for kept in found.phones.values()} == {ANNA, BORIS}
    assert [(kept.at, kept.event) for kept in found.in_order()] == [
        (1e9 + n, event) for n, event in enumerate((talks, rest, ANNA, BORIS))
    ]
    assert await store.position() == 5


async def test_what_goes_leaves_nothing_behind(store: StateStore) -> None:
    await store.apply(entries(AgentPresence("anna", "available"), ANNA, BORIS))
    await store.apply(
        entries(
            AgentPresence("anna", "signed-out"),
            PhoneGone(ANNA.user, ANNA.uri, "expired"),
            first=4,
        )
    )
    found = await store.load()
    assert not found.presence
    assert [kept.event for kept in found.phones.values()] == [BORIS]


async def test_within_one_batch_the_last_word_counts(store: StateStore) -> None:
    gone = PhoneGone(ANNA.user, ANNA.uri, "unregistered")
    await store.apply(entries(ANNA, gone, BORIS, PhoneGone(BORIS.user, BORIS.uri, "x"), BORIS))
    assert [kept.event for kept in (await store.load()).phones.values()] == [BORIS]


async def test_an_offer_ends_with_its_engine(store: StateStore) -> None:
    ready = AgentPresence("anna", "available")
    offer = OfferMade("anna", 1, "support", 2e9, 7)
    await store.apply(entries(ready, offer, AgentPresence("anna", "offered", queue="support")))
    assert (await store.load()).presence["anna"].event == ready


async def test_what_is_delivered_again_changes_nothing(store: StateStore) -> None:
    batch = entries(ANNA, PhoneGone(ANNA.user, ANNA.uri, "expired"), BORIS)
    await store.apply(batch)
    for again in (batch[:1], batch, batch[2:]):
        await store.apply(again)
    assert await store.position() == 3
    assert [kept.event for kept in (await store.load()).phones.values()] == [BORIS]
    await store.apply([*batch, Entry(4, 1e9, "", ANNA)])
    assert await store.position() == 4
    assert {kept.event for kept in (await store.load()).phones.values()} == {ANNA, BORIS}


async def test_it_follows_a_journal(store: StateStore, tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, product_registry(), sync=False)
    reader = journal.subscribe("state", await store.position(), store.apply)
    for n in range(100):
        presence = AgentPresence("anna", "on-break" if n % 2 else "available", str(n))
        journal.append("", presence, 1e9 + n)
    await journal.flush()
    await reader.caught_up(100)
    await journal.close()
    kept = (await store.load()).presence["anna"]
    assert kept.event == AgentPresence("anna", "on-break", "99")
    assert await store.position() == 100


# --- Redis only ------------------------------------------------------------------------------


async def test_another_process_finds_it(redis_address: str) -> None:
    first, second = (RedisState(redis_address, DOMAIN) for _ in range(2))
    await first.apply(entries(AgentPresence("anna", "available"), ANNA))
    assert await second.position() == 2
    assert await second.load() == await first.load()
    other = RedisState(redis_address, "other.test")
    assert await other.load() == Snapshot()
    async with Redis.from_url(redis_address, decode_responses=True) as client:
        assert sorted(await client.keys()) == [
            "offhook:{offhook.test}:phones",
            "offhook:{offhook.test}:position:state",
            "offhook:{offhook.test}:presence",
        ]
    for store in (first, second, other):
        await store.close()


async def test_a_newer_version_may_have_written_there(
    redis_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisState(redis_address, DOMAIN)
    await store.apply(entries(ANNA))
    async with Redis.from_url(redis_address) as client:
        presence = b'[1.5,{"agent":"anna","presence":"available","mood":"good"}]'
        await client.hset("offhook:{offhook.test}:presence", "anna", presence)
        await client.hset("offhook:{offhook.test}:presence", "boris", b'{"v": 2}')
    found = await store.load()
    assert found.presence.keys() == {"anna"}
    assert found.presence["anna"].event == AgentPresence("anna", "available")
    assert "boris cannot be read" in caplog.text
    await store.close()


async def test_a_second_writer_is_noticed(
    redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one writes between our look at the position and our EXEC: nothing of ours holds."""
    store = RedisState(redis_address, DOMAIN)
    position = "offhook:{offhook.test}:position:state"

    def meanwhile(fresh: Iterable[Entry]) -> list[Change]:
        with redis.Redis.from_url(redis_address) as client:
            client.set(position, 17)
        return changes(fresh)

    monkeypatch.setattr(state_redis, "changes", meanwhile)
    with pytest.raises(redis.exceptions.WatchError):
        await store.apply(entries(ANNA))
    assert await store.load() == Snapshot()
    assert await store.position() == 17
    await store.apply(entries(ANNA))  # again: passed over, the other has gone further
    assert await store.load() == Snapshot()
    await store.close()


@pytest.mark.parametrize("loss", ["everything", "the latest"])
async def test_a_store_that_lost_something_is_filled_anew(redis_address: str, loss: str) -> None:
    """Redis started again without its data, or with that of its last snapshot."""
    store = RedisState(redis_address, DOMAIN)
    await store.position()
    await store.apply(entries(AgentPresence("anna", "available"), ANNA))
    gone = PhoneGone(ANNA.user, ANNA.uri, "expired")
    await store.apply(entries(BORIS, gone, first=3))
    async with Redis.from_url(redis_address) as client:
        if loss == "everything":
            await client.flushall()
        else:
            await client.set("offhook:{offhook.test}:position:state", 2)
            await client.hset(
                "offhook:{offhook.test}:phones", f"{ANNA.user} {ANNA.uri}", b"[1, {}]"
            )
            await client.hdel("offhook:{offhook.test}:phones", f"{BORIS.user} {BORIS.uri}")
    await store.apply(entries(AgentPresence("boris", "available"), first=5))
    found = await store.load()
    assert found.presence.keys() == {"anna", "boris"}
    assert [kept.event for kept in found.phones.values()] == [BORIS]
    assert await store.position() == 5
    await store.close()


async def test_away_it_raises_and_the_log_goes_on(tmp_path: Path) -> None:
    with running_redis("secret") as address:
        store = RedisState(address, DOMAIN, "secret")
        await store.apply(entries(ANNA))
        refused = RedisState(address, DOMAIN, "wrong")
        with pytest.raises(redis.exceptions.AuthenticationError):
            await refused.load()
    for ask in (store.position, store.load):
        with pytest.raises(redis.exceptions.ConnectionError):
            await ask()
    journal = Journal.open(tmp_path, product_registry(), sync=False)
    pace = Pace(retry_s=0.0, retry_s_max=0.0)
    reader = journal.subscribe("state", 0, store.apply, pace)
    journal.append("", BORIS, 1.0)
    await journal.flush()
    while not reader.failing:
        await reader_turn(journal)
    assert reader.position == 0
    assert journal.durable_seq == journal.last_seq
    await journal.close()
    for opened in (store, refused):
        await opened.close()


async def reader_turn(journal: Journal) -> None:
    """One more fact, so that the loop and the reader go on."""
    journal.append("", ANNA, 2.0)
    await journal.flush()


# --- the settings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["memory", "redis://127.0.0.1:6379/0", "rediss://offhook@state:6380", "redis://[::1]"],
)
def test_addresses(address: str) -> None:
    assert Store(state=address).state == address


@pytest.mark.parametrize(
    "address",
    ["", "redis", "redis://:word@127.0.0.1", "redis://u:word@h:1/0", "http://h", "memory "],
)
def test_no_addresses_and_no_passwords(address: str) -> None:
    with pytest.raises(ValidationError):
        Store(state=address)


def settings(folder: Path, **store: object) -> Settings:
    return Settings(
        data_dir=folder,
        store=Store(**store),  # type: ignore[arg-type]
        queues=(QueueSettings(name="support"),),
        agents=(AgentSettings(id="anna", name="Anna", extension="101"),),
    )


def test_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_secrets(settings(tmp_path)).state == ""
    monkeypatch.setenv("STATE_PASSWORD", "word")
    found = load_secrets(settings(tmp_path, state_password_env="STATE_PASSWORD"))
    assert found.state == "word"
    assert "word" not in repr(found)
    file = tmp_path / "password"
    file.write_text("other\n")
    assert load_secrets(settings(tmp_path, state_password_file=file)).state == "other"
    with pytest.raises(ConfigError, match=r"store\.state_password_env.*set MISSING"):
        load_secrets(settings(tmp_path, state_password_env="MISSING"))
    assert "word" not in (tmp_path / "secrets.json").read_text()
