"""What every request is held to, and what every response carries, whatever the route."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BodyTooLargeError, BodyTooSlowError, of_peer_error

BODY_BYTES_MAX = 65_536
BODY_S_MAX = 15.0


class Bounds:
    """Refuses a longer body with 413, by its declared length or as soon as it grows too long,
    and one that is not there within ``body_s_max`` seconds with 408."""

    def __init__(
        self, app: ASGIApp, body_bytes_max: int = BODY_BYTES_MAX, body_s_max: float = BODY_S_MAX
    ) -> None:
        self._app = app
        self._max = body_bytes_max
        self._s_max = body_s_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("cache-control", "no-store")
                headers["x-content-type-options"] = "nosniff"
            await send(message)

        try:
            async with asyncio.timeout(self._s_max):
                body = await self._body(scope, receive)
        except BodyTooLargeError as error:
            await of_peer_error(error)(scope, receive, sending)
            return
        except TimeoutError:
            late = BodyTooSlowError(f"the body was not there within {self._s_max:g} s")
            await of_peer_error(late)(scope, receive, sending)
            return
        if body is None:
            return
        await self._app(scope, _again(body, receive), sending)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None where the client went away."""
        too_large = BodyTooLargeError(f"a body has at most {self._max} bytes")
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > self._max:
            raise too_large
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max:
                raise too_large
            if not message.get("more_body", False):
                return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, then what the server goes on to tell."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving
