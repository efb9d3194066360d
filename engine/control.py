"""Where people at a terminal reach the supervisor: ``run/control.sock``, one request a connection.

A request is ``{"do": "upgrade" | "drain" | "reload", ...}``, the answers are ``{"say": text}`` as
things happen and ``{"status": exit status, "say": text}`` at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import Any

from engine.line import Line
from engine.waiting import Waiter

CLIENTS_MAX = 16


class Control:
    """The listening socket and who waits for an answer, by descriptor."""

    def __init__(self, path: str, waiter: Waiter) -> None:
        self._path = path
        self._waiter = waiter
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mask = os.umask(0o177)
        try:
            self._listener.bind(path)
        finally:
            os.umask(mask)
        self._listener.listen(CLIENTS_MAX)
        self._listener.setblocking(False)
        self._clients: dict[int, tuple[Line, str]] = {}  # and what was asked
        waiter.watch(self._listener.fileno())

    def heard(self, fds: list[int]) -> list[dict[str, Any]]:
        """New requests. ``fds``: what the waiter found."""
        if self._listener.fileno() in fds:
            self._accept()
        requests = []
        for fd in [fd for fd in fds if fd in self._clients]:
            line, _ = self._clients[fd]
            try:
                heard = line.hear()
            except BlockingIOError:
                continue
            except (OSError, json.JSONDecodeError):
                heard = None
            if heard is None or not isinstance(heard.message, dict):
                self._drop(fd)
                continue
            for extra in heard.fds:
                os.close(extra)
            self._clients[fd] = line, str(heard.message.get("do"))
            requests.append(heard.message)
        return requests

    def tell(self, what: str, text: str, status: int | None = None) -> None:
        """Say this to all who asked for ``what``; with a status it was the last word."""
        answer = {"say": text} if status is None else {"say": text, "status": status}
        for fd, (line, asked) in list(self._clients.items()):
            if asked == what and (not line.say(answer) or status is not None):
                self._drop(fd)

    def close(self) -> None:
        for fd in list(self._clients):
            self._drop(fd)
        self._waiter.forget(self._listener.fileno())
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                client, _ = self._listener.accept()
                if len(self._clients) >= CLIENTS_MAX:
                    client.close()
                    continue
                client.setblocking(False)
                self._clients[client.fileno()] = Line(client), ""
                self._waiter.watch(client.fileno())

    def _drop(self, fd: int) -> None:
        line, _ = self._clients.pop(fd)
        self._waiter.forget(fd)
        line.close()


def left_text(calls: int, callbacks: int) -> str:
    return f"{calls} call{'s' * (calls != 1)} left{callbacks_text(callbacks)}"


def callbacks_text(callbacks: int) -> str:
    """Callbacks outlive a drain: they are in the log."""
    if not callbacks:
        return ""
    return f", {callbacks} callback{'s' * (callbacks != 1)} kept for the next start"
