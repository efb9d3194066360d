"""The HTTP lookup of a flow: one bounded request, and whatever fails is LookupFailed."""

from __future__ import annotations

import asyncio
import json

import httpx

from ivr.actions import Lookup, LookupDone, LookupFailed

ANSWER_BYTES_MAX = 262_144
REDIRECTS_MAX = 3
CONNECTIONS_MAX = 100


class LookupClient:
    """Keeps connections open between lookups. ``close`` at the end of the program."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            trust_env=False,
            headers={"accept": "application/json", "user-agent": "Offhook"},
        )

    async def look_up(self, lookup: Lookup) -> LookupDone | LookupFailed:
        """The JSON object of the answer, or why there is none, within ``timeout_s`` in all."""
        try:
            async with asyncio.timeout(lookup.timeout_s):
                return await self._ask(lookup)
        except TimeoutError:
            return LookupFailed(f"no answer within {lookup.timeout_s} s")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
            return LookupFailed(type(error).__name__)

    async def _ask(self, lookup: Lookup) -> LookupDone | LookupFailed:
        headers = dict(lookup.headers)
        if lookup.body:
            headers.setdefault("content-type", "application/json")
        content = lookup.body.encode() if lookup.body else None
        request = self._client.build_request(
            lookup.method, lookup.url, content=content, headers=headers
        )
        for _ in range(REDIRECTS_MAX + 1):
            answer = await self._client.send(request, stream=True)
            try:
                following = answer.next_request
                if following is None:
                    return await _read(answer)
            finally:
                await answer.aclose()
            if not _stays(request.url, following.url):
                return LookupFailed("a redirect to another place")
            request = following
        return LookupFailed(f"more than {REDIRECTS_MAX} redirects")

    async def close(self) -> None:
        await self._client.aclose()


def _stays(here: httpx.URL, there: httpx.URL) -> bool:
    """Headers and body may hold secrets: they follow only to the same host, never out of TLS."""
    same = here.host == there.host
    if here.scheme == there.scheme:
        return same and here.port == there.port
    return same and there.scheme == "https"


async def _read(answer: httpx.Response) -> LookupDone | LookupFailed:
    if not answer.is_success:
        return LookupFailed(f"status {answer.status_code}")
    body = bytearray()
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > ANSWER_BYTES_MAX:
            return LookupFailed(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return LookupFailed("the answer is no JSON")
    if not isinstance(value, dict):
        return LookupFailed("the answer is no JSON object")
    return LookupDone(value)
