"""The agents' phones of ``bench.dispatch_wire`` and the stopwatch: one thread, one clock.

Every phone is our own SIP core at the far end, all of them at one socket. A phone answers at once,
talks for a while and hangs up; now and then its agent goes on a break during the talk and comes
back by REST a moment after. What is timed is the wait for the next INVITE: from just before the
BYE (or the POST) leaves until the INVITE is read.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import secrets
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Literal

from config.settings import Sip
from router.sip import effects as sip
from router.sip import sdp
from router.sip.directory import DirectoryUser
from router.sip.endpoint import Endpoint

TALK_S = (0.5, 1.1)
BREAK_EVERY = 4  # calls of one agent
BREAK_S = 0.2
PING_S = 0.1
HTTP_S_MAX = 5.0

Address = tuple[str, int]
FreedBy = Literal["bye", "presence"]


@dataclass(slots=True)
class Desk:
    """An agent: since when they are free, and by what."""

    agent: str
    calls: int = 0
    freed_at: float = 0.0  # 0: not free, or not timed
    freed_by: FreedBy = "bye"


class _Server:
    """The phones' view of the world: calls come from their server only."""

    def __init__(self, server: Address) -> None:
        self._server = server

    def trunk_at(self, host: str, port: int) -> str | None:
        return "server" if (host, port) == self._server else None

    def user(self, name: str) -> DirectoryUser | None:
        return None


class Desks:
    """``run`` is the thread. Times are of ``time.monotonic``, samples in seconds."""

    def __init__(self, agents: dict[str, str], at: Address, server: Address, media: Address):
        """``agents``: id by extension; ``media``: what their session descriptions name."""
        self.samples: dict[str, list[float]] = {"bye": [], "presence": [], "echo": []}
        self.lost = 0  # legs that ended without us
        self._desks = {extension: Desk(agent) for extension, agent in agents.items()}
        self._legs: dict[str, Desk] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(at)
        self._socket.setblocking(False)
        self._endpoint = Endpoint(
            Sip(),
            _Server(server),
            token=lambda: secrets.token_hex(8),
            nonce_secret=secrets.token_bytes(16),
            local_host=lambda flow: at,
        )
        self._local = sdp.LocalMedia(
            host=media[0],
            port=media[1],
            session_id=1,
            version=1,
            codecs=("PCMU",),
            direction="sendrecv",
        )
        self._rng = random.Random(3)
        self._api: Address = ("", 0)
        self._headers: dict[str, str] = {}
        self._echo: socket.socket | None = None
        self._pings: dict[bytes, float] = {}
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._watch(self._socket.fileno(), self._sip_readable)

    def use_api(self, at: Address, token: str) -> None:
        self._api = at
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def use_echo(self, at: Address) -> None:
        """From now on time an answer of ``bench.echo``, too."""
        self._echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._echo.connect(at)
        self._echo.setblocking(False)
        self._watch(self._echo.fileno(), self._echo_readable)
        self._later(0.0, self._ping)

    def forget(self) -> None:
        """What was timed until now was warming up."""
        for samples in self.samples.values():
            samples.clear()
        self.skip()

    def skip(self) -> None:
        """What is under way is not timed: ``run`` is not called for a while."""
        for desk in self._desks.values():
            desk.freed_at = 0.0
        self._pings.clear()

    def run(self, seconds: float) -> None:
        """Be the phones for so long."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
            self._take(self._endpoint.tick(time.time()))
            due = self._due[0][0] if self._due else until
            alarm = self._endpoint.next_deadline
            pause = min(due, until) - time.monotonic()
            if alarm is not None:
                pause = min(pause, alarm - time.time())
            for number, _ in self._poll.poll(max(0.0, pause * 1000)):
                if number in self._readers:
                    self._readers[number]()

    def close(self) -> None:
        self._socket.close()
        if self._echo is not None:
            self._echo.close()

    # --- the loop ------------------------------------------------------------------------------

    def _watch(self, number: int, readable: Callable[[], None]) -> None:
        self._readers[number] = readable
        self._poll.register(number, select.POLLIN)

    def _later(self, pause_s: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + pause_s, next(self._numbers), work))

    # --- the phones ----------------------------------------------------------------------------

    def _sip_readable(self) -> None:
        while True:
            try:
                data, source = self._socket.recvfrom(65_535)
            except BlockingIOError:
                return
            at = time.monotonic()
            flow = sip.Flow("udp", source[0], source[1])
            self._take(self._endpoint.receive(data, flow, time.time()), at)

    def _take(self, output: list[sip.Effect | sip.Event], at: float = 0.0) -> None:
        """Send what is to be sent; ``at``: when the message that led to this was read."""
        for item in output:
            if isinstance(item, sip.Send):
                self._socket.sendto(item.data, (item.flow.host, item.flow.port))
        for item in output:
            match item:
                case sip.Invited():
                    self._rung(item, at)
                case sip.Ended(leg):
                    self.lost += self._legs.pop(leg, None) is not None

    def _rung(self, call: sip.Invited, at: float) -> None:
        desk = self._desks[call.dialled]
        if desk.freed_at:
            self.samples[desk.freed_by].append(at - desk.freed_at)
            desk.freed_at = 0.0
        desk.calls += 1
        self._legs[call.leg] = desk
        body = sdp.answer(call.body, self._local).body
        self._take(self._endpoint.progress(call.leg, time.time()))
        self._take(self._endpoint.answer(call.leg, body, time.time()))
        leg, talk_s = call.leg, self._rng.uniform(*TALK_S)
        if desk.calls % BREAK_EVERY == 0:
            self._later(talk_s / 2, lambda: self._post(desk, "on-break"))
            self._later(talk_s, lambda: self._hang_up(leg, back=False))
            self._later(talk_s + BREAK_S, lambda: self._post(desk, "available"))
        else:
            self._later(talk_s, lambda: self._hang_up(leg, back=True))

    def _hang_up(self, leg: str, *, back: bool) -> None:
        """``back``: the next call is due."""
        desk = self._legs.pop(leg, None)
        if desk is None:
            return
        output = self._endpoint.hang_up(leg, time.time())
        if back:
            desk.freed_by, desk.freed_at = "bye", time.monotonic()
        self._take(output)

    # --- the API and the echo ------------------------------------------------------------------

    def _post(self, desk: Desk, presence: str) -> None:
        connection = HTTPConnection(*self._api, timeout=HTTP_S_MAX)
        connection.connect()
        number = connection.sock.fileno()

        def answered() -> None:
            answer = connection.getresponse()
            answer.read()
            del self._readers[number]
            self._poll.unregister(number)
            connection.close()
            if answer.status != 200:
                raise RuntimeError(f"POST of the presence {presence}: {answer.status}")

        self._watch(number, answered)
        body = json.dumps({"presence": presence}).encode()
        if presence == "available":
            desk.freed_by, desk.freed_at = "presence", time.monotonic()
        connection.request("POST", f"/agents/{desk.agent}/presence", body, self._headers)

    def _ping(self) -> None:
        assert self._echo is not None
        name = str(next(self._numbers)).encode()
        self._pings[name] = time.monotonic()
        self._echo.send(name)
        self._later(PING_S, self._ping)

    def _echo_readable(self) -> None:
        assert self._echo is not None
        name = self._echo.recv(64)
        at = time.monotonic()
        sent = self._pings.pop(name, None)
        if sent is not None:
            self.samples["echo"].append(at - sent)
