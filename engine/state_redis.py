"""The state of a domain in Redis."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from engine.journal import Entry
from engine.state import READER, Kept, Snapshot, changes
from queues.events import AgentPresence
from router.events import PhoneRegistered

log = logging.getLogger(__name__)

CONNECT_S = 2.0
ANSWER_S = 5.0


class RedisState:
    """In Redis: two hashes and the reader's position, which moves in the same MULTI/EXEC as what
    was written. A store that is away raises; the reader tries again and holds up nothing."""

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
        self._encode = msgspec.json.Encoder().encode
        self._decoders: dict[str, msgspec.json.Decoder[tuple[float, Any]]] = {
            "presence": msgspec.json.Decoder(tuple[float, AgentPresence]),
            "phones": msgspec.json.Decoder(tuple[float, PhoneRegistered]),
        }

    async def position(self) -> int:
        return int(await self._redis.get(self._position_key) or 0)

    async def apply(self, entries: Sequence[Entry]) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            # Whoever writes in between makes EXEC fail: the same entries again, on what is there.
            await pipe.watch(self._position_key)
            done = int(await pipe.get(self._position_key) or 0)
            fresh = [entry for entry in entries if entry.seq > done]
            if not fresh:
                return
            pipe.multi()  # type: ignore[no-untyped-call]
            for change in changes(fresh).values():
                table = self._prefix + change.table
                if change.kept is None:
                    pipe.hdel(table, change.name)
                else:
                    pipe.hset(table, change.name, self._encode(change.kept))
            pipe.set(self._position_key, fresh[-1].seq)
            await pipe.execute()

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
