"""One signed POST to one endpoint: bounded in time and size, and whatever fails is an Answer.

Loading the client with its TLS takes 200 ms: senders are made in a thread, off the loop.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from config.webhooks import Endpoint, Webhooks
from tickets.webhook_lane import Answer, Message
from tickets.webhook_signing import headers


class Sender:
    """Posts to one endpoint and keeps its connections. ``now``: unix seconds."""

    def __init__(
        self,
        endpoint: Endpoint,
        keys: Sequence[bytes],
        common: Webhooks,
        now: Callable[[], float],
        version: str = "",
    ) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._common = common
        self._now = now
        trusted = ssl.create_default_context(cafile=endpoint.ca_file) if endpoint.ca_file else True
        self._client = httpx.AsyncClient(
            verify=trusted,
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # none are kept
            limits=httpx.Limits(max_connections=common.in_flight_max),
            timeout=common.timeout_s,
            headers={
                "content-type": "application/json",
                "accept": "*/*",
                "accept-encoding": "identity",  # nothing is made larger here
                "user-agent": f"Offhook/{version}".rstrip("/"),
            },
        )

    async def send(self, message: Message) -> Answer:
        """The answer to one attempt, within ``timeout_s`` in all."""
        body = message.body.encode()
        signed = headers(self._keys, message.id, self._now(), body)
        try:
            async with asyncio.timeout(self._common.timeout_s):
                return await self._post(body, signed)
        except TimeoutError:
            return Answer(0, "no answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            return Answer(0, _words(error))

    async def _post(self, body: bytes, signed: dict[str, str]) -> Answer:
        async with self._client.stream(
            "POST", self._endpoint.url, content=body, headers=signed
        ) as answer:
            read = 0
            if answer.is_success:  # its body is of no interest, its connection may be used again
                async for part in answer.aiter_raw():
                    read += len(part)
                    if read > self._common.response_bytes_max:
                        break
            asked = retry_after(answer.headers.get("retry-after", ""), self._now())
            return Answer(answer.status_code, retry_after_s=asked)

    async def close(self) -> None:
        await self._client.aclose()


def _words(error: Exception) -> str:
    """Why there was no answer: a kind of trouble, no address."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if "CERTIFICATE_VERIFY_FAILED" in str(error) or isinstance(error, ssl.SSLError):
        return "certificate not trusted"
    if isinstance(error, httpx.ConnectError):
        return "cannot connect"
    return type(error).__name__


def retry_after(text: str, now: float) -> float:
    """Seconds that Retry-After asks for (RFC 9110 10.2.3: seconds or a date), 0 for nothing."""
    text = text.strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0
