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
            follow_redirects=True,
            max_redirects=REDIRECTS_MAX,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            trust_env=False,
            headers={"accept": "application/json", "user-agent": "Offhook"},
            event_hooks={"request": [_only_http]},
        )

    async def look_up(self, lookup: Lookup) -> LookupDone | LookupFailed:
        """The JSON object of the answer, or why there is none, within ``timeout_s`` in all."""
        try:
            async with asyncio.timeout(lookup.timeout_s):
                return await self._ask(lookup)
        except TimeoutError:
            return LookupFailed(f"no answer within {lookup.timeout_s} s")
        except httpx.TooManyRedirects:
            return LookupFailed(f"more than {REDIRECTS_MAX} redirects")
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
        answer = await self._client.send(request, stream=True)
        try:
            if not answer.is_success:
                return LookupFailed(f"status {answer.status_code}")
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > ANSWER_BYTES_MAX:
                    return LookupFailed(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        finally:
            await answer.aclose()
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return LookupFailed("the answer is no JSON")
        if not isinstance(value, dict):
            return LookupFailed("the answer is no JSON object")
        return LookupDone(value)

    async def close(self) -> None:
        await self._client.aclose()


async def _only_http(request: httpx.Request) -> None:
    """Also after a redirect: no other scheme."""
    if request.url.scheme not in ("http", "https"):
        raise httpx.UnsupportedProtocol("only http and https")
