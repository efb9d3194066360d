"""What every request is held to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.bounds import Bounds


class Server:
    """The server's side of one request: ``drops`` of body, then (perhaps) silence."""

    def __init__(self, drops: list[bytes], *, ends: bool = True, leaves: bool = False) -> None:
        self._drops = drops
        self._ends = ends
        self._leaves = leaves
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if self._drops:
            body = self._drops.pop(0)
            more = bool(self._drops) or not self._ends
            return {"type": "http.request", "body": body, "more_body": more}
        if self._leaves:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError("nothing comes")

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    assert message["more_body"] is False
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


async def ask(server: Server, headers: dict[str, str], **bounds: Any) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": raw}
    await Bounds(echo, **bounds)(scope, server.receive, server.send)


async def test_a_body_in_drops_arrives_whole() -> None:
    server = Server([b"a", b"b", b"c"])
    await ask(server, {"content-length": "3"})
    assert (server.status, server.sent[1]["body"]) == (200, b"abc")


@pytest.mark.parametrize("length", ["11", "9" * 40, "-1", "x", ""])
async def test_a_declared_length_that_is_too_long_or_none(length: str) -> None:
    server = Server([b"x" * 5])
    await ask(server, {"content-length": length}, body_bytes_max=10)
    assert server.status == 413


async def test_a_body_that_grows_too_long_is_not_read_to_its_end() -> None:
    drops = [b"x" * 4] * 100
    server = Server(drops)
    await ask(server, {"transfer-encoding": "chunked"}, body_bytes_max=10)
    assert server.status == 413
    assert len(drops) == 97


async def test_a_body_that_does_not_come() -> None:
    server = Server([b"x"], ends=False)
    await ask(server, {}, body_s_max=0.0)
    assert server.status == 408


async def test_a_client_that_leaves_is_answered_nothing() -> None:
    server = Server([b"x"], ends=False, leaves=True)
    await ask(server, {})
    assert server.sent == []
