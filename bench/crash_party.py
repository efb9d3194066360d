"""All phones at one address for ``bench.crash``: a SIP core with its socket, media, REGISTERs."""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import dataclass, field

from bench.crash_lines import Address, Lines
from config.settings import Sip
from router.sip import effects as sip
from router.sip import sdp
from router.sip.digest import answer_challenge
from router.sip.directory import DirectoryUser
from router.sip.endpoint import Endpoint
from router.sip.message import Response
from router.sip.parser import parse_message

REGISTER_AGAIN_S = 0.5  # RFC 3261 17.1.2.1: T1
REGISTER_S_MAX = 32.0


class _Server:
    """The phones' view of the world: calls come from their server only."""

    def __init__(self, server: Address) -> None:
        self._server = server

    def trunk_at(self, host: str, port: int) -> str | None:
        return "server" if (host, port) == self._server else None

    def user(self, name: str) -> DirectoryUser | None:
        return None


@dataclass(slots=True)
class Registering:
    """A REGISTER until it is answered for good; ``status`` 0 until then, 408 if it never is."""

    user: str
    password: str
    server: Address
    at: Address
    begun: float
    status: int = 0
    _call_id: str = field(default_factory=lambda: secrets.token_hex(8))
    _cseq: int = 0
    _data: bytes = b""
    _sent_at: float = 0.0

    def due(self, now: float) -> bytes:
        """What is to be sent now, b"" for nothing."""
        if self.status or now < self._sent_at + REGISTER_AGAIN_S:
            return b""
        if now > self.begun + REGISTER_S_MAX:
            self.status = 408
            return b""
        self._data = self._data or self._request([])
        self._sent_at = now
        return self._data

    def answered(self, data: bytes) -> bool:
        """Whether it was an answer to this."""
        if f"Call-ID: {self._call_id}".encode() not in data:
            return False
        answer = parse_message(data)
        if isinstance(answer, Response) and f"{self._cseq} REGISTER" == answer.headers.get("CSeq"):
            if answer.status == 401:
                self._data = self._request(answer.headers.get_all("WWW-Authenticate"))
                self._sent_at = 0.0
            else:
                self.status = answer.status
        return True

    def _request(self, challenges: list[str]) -> bytes:
        self._cseq += 1
        uri = f"sip:{self.server[0]}:{self.server[1]}"
        own = f"{self.at[0]}:{self.at[1]}"
        me = f"<sip:{self.user}@{self.server[0]}>"
        lines = [
            f"REGISTER {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{secrets.token_hex(6)};rport",
            "Max-Forwards: 70",
            f"From: {me};tag={self._call_id[:8]}",
            f"To: {me}",
            f"Call-ID: {self._call_id}",
            f"CSeq: {self._cseq} REGISTER",
            f"Contact: <sip:{self.user}@{own}>",
            "Expires: 600",
        ]
        if challenges:
            credentials = answer_challenge(
                challenges,
                method="REGISTER",
                uri=uri,
                user=self.user,
                password=self.password,
                nc=1,
                cnonce=secrets.token_hex(8),
            )
            lines.append(f"Authorization: {credentials}")
        return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()


@dataclass(slots=True)
class Party:
    """All phones at one address: a SIP core with its socket, the media of its legs."""

    server: Address
    socket: socket.socket
    endpoint: Endpoint = field(init=False)
    lines: Lines = field(init=False)
    local: sdp.LocalMedia = field(init=False)
    registering: list[Registering] = field(default_factory=list)
    forgotten: int = 0  # requests of ours that were answered with 481

    def __post_init__(self) -> None:
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        host, port = self.socket.getsockname()
        self.endpoint = Endpoint(
            Sip(),
            _Server(self.server),
            token=lambda: secrets.token_hex(8),
            nonce_secret=secrets.token_bytes(16),
            local_host=lambda flow: (host, port),
        )
        self.lines = Lines(host)
        self.local = sdp.LocalMedia(
            host=host,
            port=self.lines.at[1],
            session_id=1,
            version=1,
            codecs=("PCMU",),
            direction="sendrecv",
        )

    def send(self, output: list[sip.Effect | sip.Event]) -> list[sip.Effect | sip.Event]:
        """Send what is to be sent; returns the output."""
        for item in output:
            if isinstance(item, sip.Send):
                self.socket.sendto(item.data, (item.flow.host, item.flow.port))
        return output

    def receive(self) -> list[sip.Effect | sip.Event]:
        """All that is there, answered; what happened."""
        found: list[sip.Effect | sip.Event] = []
        while True:
            try:
                data, source = self.socket.recvfrom(65_535)
            except BlockingIOError:
                break
            self.forgotten += data.startswith(b"SIP/2.0 481")
            if any(one.answered(data) for one in self.registering):
                continue
            flow = sip.Flow("udp", source[0], source[1])
            found += self.send(self.endpoint.receive(data, flow, time.time()))
        for one in self.registering:
            if request := one.due(time.time()):
                self.socket.sendto(request, self.server)
        if (due := self.endpoint.next_deadline) is not None and due <= time.time():
            found += self.send(self.endpoint.tick(time.time()))
        return found

    def register(self, user: str, password: str) -> Registering:
        host, port = self.socket.getsockname()
        one = Registering(user, password, self.server, (host, port), time.time())
        self.registering.append(one)
        return one

    def close(self) -> None:
        self.socket.close()
        self.lines.close()
