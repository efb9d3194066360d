"""The HTTP lookup: whatever the other side does, the flow gets an answer or a failure in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from ivr.actions import Lookup, LookupDone, LookupFailed
from ivr.lookup import ANSWER_BYTES_MAX, LookupClient

Answer = Callable[[httpx.Request], httpx.Response]


async def ask(answer: Answer, **changes: object) -> LookupDone | LookupFailed:
    given = {"url": "https://crm.example/c?n=1", **changes}
    client = LookupClient(httpx.MockTransport(answer))
    try:
        return await client.look_up(Lookup(**given))  # type: ignore[arg-type]
    finally:
        await client.close()


async def test_an_object_comes_back() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        assert request.headers["x-key"] == "k"
        return httpx.Response(200, json={"vip": True})

    assert await ask(answer, headers={"x-key": "k"}) == LookupDone({"vip": True})


async def test_a_body_is_posted_as_json() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"] == "application/json"
        return httpx.Response(201, json={"got": json.loads(request.content)})

    done = await ask(answer, method="POST", body='{"n": 1}')
    assert done == LookupDone({"got": {"n": 1}})


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(500), "status 500"),
        (httpx.Response(404, json={}), "status 404"),
        (httpx.Response(200, text="<html>"), "the answer is no JSON"),
        (httpx.Response(200, text="[" * 100_000), "the answer is no JSON"),
        (httpx.Response(200, json=[1]), "the answer is no JSON object"),
        (httpx.Response(200, content=b" " * (ANSWER_BYTES_MAX + 1)), "an answer of more than"),
        (httpx.Response(302, headers={"location": "http://evil/"}), "a redirect to another place"),
        (
            httpx.Response(302, headers={"location": "http://crm.example/"}),
            "a redirect to another place",
        ),
        (httpx.Response(302, headers={"location": "file:///etc/passwd"}), ""),
        (httpx.Response(302, headers={"location": "/again"}), "more than 3 redirects"),
    ],
)
async def test_failures(response: httpx.Response, reason: str) -> None:
    done = await ask(lambda request: response)
    assert isinstance(done, LookupFailed)
    assert done.reason.startswith(reason)


async def test_a_redirect_on_the_same_host_is_followed() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/new":
            return httpx.Response(200, json={"ok": 1})
        return httpx.Response(307, headers={"location": "/new"})

    assert await ask(answer) == LookupDone({"ok": 1})


@pytest.mark.parametrize("url", ["ftp://h/", "nonsense", "http://", "https://[::1", "file:///x"])
async def test_addresses_that_are_none(url: str) -> None:
    client = LookupClient()
    try:
        assert isinstance(await client.look_up(Lookup(url)), LookupFailed)
    finally:
        await client.close()


async def test_a_broken_connection() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused: secret address")

    assert await ask(answer) == LookupFailed("ConnectError")


async def test_an_answer_that_drips_is_cut_at_the_deadline() -> None:
    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.Event().wait()

    done = await ask(lambda request: httpx.Response(200, stream=Drip()), timeout_s=0.02)
    assert done == LookupFailed("no answer within 0.02 s")
