"""A real HTTP server on loopback that receives webhooks, in whatever mood the test wants.

It checks each signature with the ``standardwebhooks`` package and keeps what it answered 2xx to,
as a receiver does that drops repeated ids.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

Mood = Callable[[int], str]  # of the n-th request: a status, or what is done instead of an answer
STALL_S = 4.0


def content(number: int) -> str:
    return "200"


@dataclass
class Receiver:
    """What came. ``mood`` says what happens to the n-th request, from 0."""

    secret: str
    mood: Mood = content
    requests: int = 0
    forged: list[str] = field(default_factory=list)
    came: list[dict[str, Any]] = field(default_factory=list)  # every one that was taken
    headers: list[dict[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # ids of those that were not
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, headers: dict[str, str], body: bytes) -> str:
        """What is to be done with a request."""
        with self._lock:
            number, self.requests = self.requests, self.requests + 1
            mood = self.mood(number)
            try:
                message = Webhook(self.secret).verify(body, headers)
            except Exception as error:
                self.forged.append(str(error))
                return "400"
            if mood in ("200", "taken and lost", "large"):
                assert message["id"] == headers["webhook-id"]
                self.came.append(message)
                self.headers.append(headers)
            else:
                self.refused.append(headers["webhook-id"])
            return mood

    def once(self) -> dict[str, list[tuple[int, str]]]:
        """By call, (sequence, type) of what came, repeats dropped."""
        seen: set[str] = set()
        found: dict[str, list[tuple[int, str]]] = defaultdict(list)
        with self._lock:
            for message in self.came:
                if message["id"] not in seen:
                    seen.add(message["id"])
                    call = message["data"]["call"]["id"]
                    found[call].append((message["sequence"], message["type"]))
        return dict(found)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        mood = self.receiver.take({k.lower(): v for k, v in self.headers.items()}, body)
        if mood == "cut":
            self.close_connection = True
            return
        if mood in ("stall", "taken and lost"):
            time.sleep(STALL_S)
            self.close_connection = True
            return
        self.send_response(200 if mood == "large" else int(mood[:3]))
        for name, value in json.loads(mood[3:] or "{}").items() if mood[0].isdigit() else ():
            self.send_header(name, value)
        large = b"x" * 10_000_000 if mood == "large" else b"{}"
        self.send_header("content-length", str(len(large)))
        self.end_headers()
        self.wfile.write(large)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ssl.SSLError):  # the other side was killed, or has had enough
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing of it in the tests' output."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Of a connection that was killed."""


class Running:
    """The receiver's server: ``with Running(receiver): ...``. ``certificate``: PEM of key and
    certificate, for TLS."""

    def __init__(self, receiver: Receiver, certificate: Path | None = None) -> None:
        handler = type("Handler", (_Handler,), {"receiver": receiver})
        self._server = _Server(("127.0.0.1", 0), handler)
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        receiver.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}/in?key=hidden"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
