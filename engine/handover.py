"""What the supervisor is told, and what it hands to an engine that it starts.

Both travel as JSON, because the supervisor is a lean process: it imports neither settings nor
asyncio, and neither do these two values (named tuples: dataclasses would cost it a megabyte).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Self
from zlib import crc32

from config.errors import MisuseError

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: an engine that cannot run with this configuration


class Listener(NamedTuple):
    """An address to listen on. Port 0 takes a free one (TCP that of the UDP before it)."""

    transport: str  # "udp" or "tcp"
    host: str
    port: int


class Worker(NamedTuple):
    """A media worker: its name, its unix socket and the command that runs it."""

    name: str
    socket: str
    command: tuple[str, ...]


class SupervisorPlan(NamedTuple):
    """Everything that the supervisor opens and starts."""

    data_dir: str
    sip: tuple[Listener, ...]
    api: Listener
    workers: tuple[Worker, ...]
    engine: tuple[str, ...]  # a command
    engine_stop_s: float = 30.0  # how long the engine may drain before it is killed
    worker_stop_s: float = 5.0
    streams_max: int = 0  # SIP streams that are kept open while no engine runs
    spare: bool = True  # keep what engines are forked from while one runs
    # A spare that loads already: its pid, our end of its line, its pulse (engine.children).
    first: tuple[int, int, int] | None = None
    start_s: float = 20.0  # how long a process that starts up may show no progress

    def to_json(self) -> str:
        return json.dumps(
            {
                **self._asdict(),
                "sip": [listener._asdict() for listener in self.sip],
                "api": self.api._asdict(),
                "workers": [worker._asdict() for worker in self.workers],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """KeyError, TypeError or ValueError where the text is no plan."""
        fields = json.loads(text)
        return cls(
            **{
                **fields,
                "sip": tuple(Listener(**item) for item in fields["sip"]),
                "api": Listener(**fields["api"]),
                "workers": tuple(
                    Worker(item["name"], item["socket"], tuple(item["command"]))
                    for item in fields["workers"]
                ),
                "engine": tuple(fields["engine"]),
                "first": tuple(fields["first"]) if fields["first"] else None,
            }
        )


class Listening(NamedTuple):
    """An open listener: where it is bound, and its descriptor in this process."""

    transport: str
    host: str
    port: int
    fd: int


class WorkerAt(NamedTuple):
    name: str
    socket: str


class HeldStream(NamedTuple):
    """A SIP stream that outlives the engine. ``slot``: its byte in the ledger. ``place``: what it
    was opened for, ("", 0) for one that the peer opened."""

    slot: int
    number: int
    listener: int
    place: tuple[str, int]

    @classmethod
    def of(cls, told: list[Any]) -> Self:
        """From JSON. ValueError or TypeError where it is none."""
        slot, number, listener, (host, port) = told
        return cls(int(slot), int(number), int(listener), (str(host), int(port)))


class Handover(NamedTuple):
    """What an engine is given when it begins. The listeners' descriptors are its own: it may
    close them, the supervisor keeps others.

    After an upgrade the supervisor is of an earlier version than the engine: fields are only
    ever added, with a default for one that is not there."""

    sip: tuple[Listening, ...]
    api: Listening
    workers: tuple[WorkerAt, ...]
    starts: int  # 1 for the first engine of this supervisor
    drain: str | None = None  # takes no new calls but sends them there, "" for nowhere

    def to_json(self) -> str:
        return json.dumps(
            {
                "sip": [listening._asdict() for listening in self.sip],
                "api": self.api._asdict(),
                "workers": [worker._asdict() for worker in self.workers],
                "starts": self.starts,
                "drain": self.drain,
            }
        )

    @classmethod
    def from_json(cls, text: str, fds: Sequence[int]) -> Self:
        """``fds``: the listeners as this process has them, the API's last."""
        fields = json.loads(text)
        return cls(
            tuple(
                Listening(**{**item, "fd": fd})
                for item, fd in zip(fields["sip"], fds[:-1], strict=True)
            ),
            Listening(**{**fields["api"], "fd": fds[-1]}),
            tuple(WorkerAt(**item) for item in fields["workers"]),
            fields["starts"],
            fields.get("drain"),
        )


def media_workers(
    folder: str, count: int, hosts: tuple[str, str], port_min: int, port_max: int, rest_s: float
) -> tuple[Worker, ...]:
    """The media workers of a node: each a part of the port range, sockets in ``folder``.
    ``hosts`` are the addresses that RTP binds to, for IPv4 and for IPv6.

    RTP takes even ports and RTCP the odd one above (RFC 3550 11), so parts begin at even ports.
    """
    first = port_min + port_min % 2
    share = (port_max + 1 - first) // (2 * count) * 2
    workers = []
    for index in range(count):
        name, start = f"media-{index}", first + index * share
        socket = os.path.join(folder, f"{name}.sock")
        command = [sys.executable, "-m", "router.media.worker", "--name", name]
        command += ["--socket", socket, "--host", hosts[0], "--host6", hosts[1]]
        command += ["--ports", f"{start}-{start + share - 1}", "--rest", str(rest_s)]
        workers.append(Worker(name, socket, tuple(command)))
    return tuple(workers)


def socket_folder(data_dir: str) -> str:
    """Where the workers' sockets go: ``<data_dir>/run``, or a folder of the same owner under the
    temporary one where that path is too long for an address (unix(7): 108 bytes)."""
    folder = os.path.join(os.path.abspath(data_dir), "run")
    if len(os.fsencode(folder)) <= 80:
        return folder
    name = f"offhook-{os.getuid()}-{crc32(os.fsencode(folder)):08x}"
    short = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or "/tmp", name)  # noqa: S108
    os.makedirs(short, mode=0o700, exist_ok=True)
    if os.stat(short).st_uid != os.getuid():
        raise MisuseError(f"{short} belongs to somebody else; give a shorter data_dir")
    return short


def control_path(data_dir: str) -> str:
    """Where the supervisor of this data_dir listens (engine.control)."""
    return os.path.join(socket_folder(data_dir), "control.sock")
