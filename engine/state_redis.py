"""The state of a domain in Redis."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from engine.journal import Entry
from engine.state import READER, Change, Kept, MemoryState, Snapshot, changes
from queues.events import AgentPresence
from router.events import PhoneRegistered

log = logging.getLogger(__name__)

CONNECT_S = 2.0
ANSWER_S = 5.0


class RedisState:
    """In Redis: two hashes and the reader's position, which moves in the same MULTI/EXEC as what
    was written. A store that is away raises; the reader tries again and holds up nothing.

    What it was given stays in memory too: a store that comes back empty, or older than it was,
    is filled anew with the next batch.
    """

    def __init__(self, address: str, domain: str, password: str = "") -> None:
        self._redis: Redis = Redis.from_url(
            address,
            password=password or None,
            decode_responses=True,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
            client_name="offhook",
        )
        self._prefix = f"offhook:{{{domain}}}:"
        self._position_key = f"{self._prefix}position:{READER}"
        self._reached = 0  # the position that we saw or wrote last
        self._mirror = MemoryState()
        self._encode = msgspec.json.Encoder().encode
        self._decoders: dict[str, msgspec.json.Decoder[tuple[float, Any]]] = {
            "presence": msgspec.json.Decoder(tuple[float, AgentPresence]),
            "phones": msgspec.json.Decoder(tuple[float, PhoneRegistered]),
        }

    async def position(self) -> int:
        self._reached = await self._stored(self._redis)
        return self._reached

    async def _stored(self, client: Redis) -> int:
        return int(await client.get(self._position_key) or 0)

    async def apply(self, entries: Sequence[Entry]) -> None:
        await self._mirror.apply(entries)
        async with self._redis.pipeline(transaction=True) as pipe:
            # Whoever writes in between makes EXEC fail: the same entries again, on what is there.
            await pipe.watch(self._position_key)
            done = await self._stored(pipe)
            if done >= entries[-1].seq:
                return
            pipe.multi()  # type: ignore[no-untyped-call]
            if done < self._reached:
                log.warning("the state store lost what it had; it is filled anew")
                await self._fill(pipe)
            else:
                self._write(pipe, changes(entry for entry in entries if entry.seq > done))
            pipe.set(self._position_key, entries[-1].seq)
            await pipe.execute()
        self._reached = entries[-1].seq

    async def _fill(self, pipe: Pipeline) -> None:
        tables = await self._mirror.load()
        for table, kept in (("presence", tables.presence), ("phones", tables.phones)):
            pipe.delete(self._prefix + table)
            self._write(pipe, [Change(table, name, value) for name, value in kept.items()])

    def _write(self, pipe: Pipeline, found: Iterable[Change]) -> None:
        for change in found:
            table = self._prefix + change.table
            if change.kept is None:
                pipe.hdel(table, change.name)
            else:
                pipe.hset(table, change.name, self._encode(change.kept))

    async def load(self) -> Snapshot:
        return Snapshot(await self._table("presence"), await self._table("phones"))

    async def _table(self, name: str) -> dict[str, Kept]:
        found = {}
        for key, value in (await self._redis.hgetall(self._prefix + name)).items():
            try:
                at, event = self._decoders[name].decode(value)
            except msgspec.MsgspecError as error:
                log.error("state: %s %s cannot be read: %s", name, key, error)
                continue
            found[str(key)] = Kept(at, event)
        return found

    async def close(self) -> None:
        await self._redis.aclose()
