"""A SIP peer on a bare socket, for what SIPp cannot do: odd bytes, odd cuts, exact looks.

It shares no code with the product: messages are written out and read back by hand here.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import socket
import time
from dataclasses import dataclass

Address = tuple[str, int]
_numbers = itertools.count(1)

SDP = """\
v=0\r
o=peer 1 {version} IN IP4 {host}\r
s=-\r
c=IN IP4 {host}\r
t=0 0\r
m=audio {port} RTP/AVP 8 0 101\r
a=rtpmap:101 telephone-event/8000\r
a={direction}\r
"""


def sdp(host: str, port: int = 9, version: int = 1, direction: str = "sendrecv") -> str:
    return SDP.format(host=host, port=port, version=version, direction=direction)


@dataclass(frozen=True)
class Message:
    """A received message: the first line, headers in order, the body."""

    start: str
    headers: list[tuple[str, str]]
    body: str

    @staticmethod
    def read(data: bytes) -> Message:
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers = [
            (name.strip(), value.strip()) for name, _, value in (x.partition(":") for x in lines)
        ]
        return Message(start, headers, body)

    @property
    def status(self) -> int:
        """0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """Of the request, or of the request that this answers."""
        return self["CSeq"].split()[-1]

    def __getitem__(self, name: str) -> str:
        return next((v for n, v in self.headers if n.lower() == name.lower()), "")

    def all(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def shape(self) -> tuple[str, ...]:
        """The message without what differs from call to call."""
        lines = [self.start]
        for name, value in self.headers:
            value = re.sub(r'(nonce|tag|branch|rport)="?[^";,]*"?', r"\1", value)
            if name in ("Via", "From", "To", "Call-ID", "CSeq"):
                value = ""
            lines.append(f"{name}: {value}")
        return (*lines, self.body)


def whole(buffer: bytes) -> int:
    """Length of the message at the front of a stream, or 0 while it is not complete."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return 0
    found = re.search(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)", buffer[:end], re.IGNORECASE)
    length = end + 4 + int(found.group(1) if found else 0)
    return length if len(buffer) >= length else 0


class Peer:
    """One socket, UDP or TCP, bound to ``host`` (and ``port``). A context manager."""

    def __init__(self, server: Address, host: str, transport: str = "udp", port: int = 0) -> None:
        self.server = server
        self.transport = transport
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.bind((host, port))
        if transport == "tcp":
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(5)
            self._socket.connect(server)
        self.host, self.port = self._socket.getsockname()
        self._buffer = b""
        self.closed = False

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    # --- bytes -------------------------------------------------------------------------------

    def send(self, data: bytes | str) -> None:
        data = data.encode() if isinstance(data, str) else data
        if self.transport == "udp":
            self._socket.sendto(data, self.server)
        else:
            self._socket.sendall(data)

    def receive(self, within_s: float = 5.0) -> Message | None:
        """The next message, or None after ``within_s`` or at the end of the stream."""
        until = time.monotonic() + within_s
        while True:
            if self.transport == "tcp":
                self._buffer = self._buffer.lstrip(b"\r\n")
                if length := whole(self._buffer):
                    data, self._buffer = self._buffer[:length], self._buffer[length:]
                    return Message.read(data)
            left = until - time.monotonic()
            if left <= 0 or self.closed:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65_535)
            except TimeoutError:
                return None
            except ConnectionError:
                data = b""
            if self.transport == "udp":
                return Message.read(data)
            self.closed = not data
            self._buffer += data

    def wait_for(self, what: int | str, call_id: str = "", within_s: float = 5.0) -> Message:
        """The first message with this status, or request of this method (of this call); others
        are dropped. AssertionError naming them where it does not come."""
        until = time.monotonic() + within_s
        seen = []
        while (message := self.receive(until - time.monotonic())) is not None:
            if call_id in ("", message["Call-ID"]) and what in (message.status or message.method,):
                return message
            seen.append(message.start)
        raise AssertionError(f"no {what} within {within_s:g} s; instead: {seen}")

    def final(self, call_id: str, method: str = "", within_s: float = 5.0) -> Message:
        """The first final response of this Call-ID (and method)."""
        until = time.monotonic() + within_s
        seen = []
        while (message := self.receive(until - time.monotonic())) is not None:
            ours = message["Call-ID"] == call_id and method in ("", message.method)
            if ours and message.status >= 200:
                return message
            seen.append(message.start)
        raise AssertionError(f"no final response of {call_id} within {within_s:g} s; {seen}")

    # --- messages ----------------------------------------------------------------------------

    def request(
        self,
        method: str,
        user: str = "",
        *,
        uri: str = "",
        caller: str = "+37120000000",
        call_id: str = "",
        cseq: int = 1,
        from_: str = "",
        to: str = "",
        via: str = "",
        headers: tuple[str, ...] = (),
        body: str = "",
    ) -> str:
        """The text of a request; ``call_id`` empty: a new one."""
        number = next(_numbers)
        call_id = call_id or f"raw-{number}-{self.port}"
        address = f"{self.server[0]}:{self.server[1]}"
        at = f"{user}@" if user else ""
        lines = [
            f"{method} {uri or f'sip:{at}{address}'} SIP/2.0",
            f"Via: {via or self.via(f'{number}-{self.port}')}",
            "Max-Forwards: 70",
            f"From: {from_ or f'<sip:{caller}@{self.host}>;tag=t{call_id}'}",
            f"To: {to or f'<sip:{at}{address}>'}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:peer@{self.host}:{self.port};transport={self.transport}>",
            *headers,
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", body])

    def invite(self, user: str, caller: str, call_id: str, **more: object) -> str:
        return self.request(
            "INVITE",
            user,
            caller=caller,
            call_id=call_id,
            body=sdp(self.host),
            **more,  # type: ignore[arg-type]
        )

    def ask(self, text: str, within_s: float = 5.0) -> Message:
        """Send a request; its final response."""
        self.send(text)
        found = Message.read(text.encode())
        return self.final(found["Call-ID"], found.method, within_s)

    def call(self, user: str, caller: str, call_id: str = "") -> Message:
        """INVITE, 200, ACK; the 200."""
        call_id = call_id or f"raw-{next(_numbers)}-{self.port}"
        answer = self.ask(self.invite(user, caller, call_id))
        assert answer.status == 200, answer.start
        self.acknowledge(answer)
        return answer

    def via(self, branch: str) -> str:
        """A Via header of ours."""
        transport = self.transport.upper()
        return f"SIP/2.0/{transport} {self.host}:{self.port};rport;branch=z9hG4bK-{branch}"

    def within(self, method: str, answer: Message, cseq: int, **more: object) -> str:
        """A request in the dialog that ``answer`` (to our INVITE) made."""
        return self.request(
            method,
            uri=answer["Contact"].partition("<")[2].partition(">")[0],
            call_id=answer["Call-ID"],
            cseq=cseq,
            from_=answer["From"],
            to=answer["To"],
            **more,  # type: ignore[arg-type]
        )

    def acknowledge(self, answer: Message) -> None:
        """ACK a final response to an INVITE, whoever wrote that (RFC 3261 13.2.2.4, 17.1.1.3)."""
        number = int(answer["CSeq"].split()[0])
        if answer.status < 300:
            self.send(self.within("ACK", answer, number))
            return
        via = re.sub(r";(received|rport)=[^;]*", "", answer["Via"])
        self.send(self.within("ACK", answer, number, via=via))

    def reply(
        self,
        request: Message,
        status: int,
        *,
        tag: str = "",
        headers: tuple[str, ...] = (),
        body: str = "",
    ) -> Message:
        """Answer a request of the other side; what was sent."""
        same = [(n, v) for n, v in request.headers if n in ("Via", "From", "To", "Call-ID", "CSeq")]
        lines = [f"SIP/2.0 {status} Said"]
        for name, value in same:
            tagged = name == "To" and tag and ";tag=" not in value
            lines.append(f"{name}: {value};tag={tag}" if tagged else f"{name}: {value}")
        lines.append(f"Contact: <sip:peer@{self.host}:{self.port};transport={self.transport}>")
        lines += headers
        if body:
            lines.append("Content-Type: application/sdp")
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        self.send(text)
        return Message.read(text.encode())

    def bye(self, answer: Message, cseq: int = 2) -> Message:
        return self.ask(self.within("BYE", answer, cseq))

    def register(
        self, user: str, *, login: str = "", password: str = "", challenge: Message | None = None
    ) -> Message:
        """One REGISTER, with an answer to ``challenge`` (MD5) where there is one."""
        uri = f"sip:{self.server[0]}:{self.server[1]}"
        headers: tuple[str, ...] = ()
        call_id, cseq = f"reg-{user}-{self.port}", 1
        if challenge is not None:
            cseq = 2
            headers = (
                f"Authorization: {digest(challenge, login or user, password, 'REGISTER', uri)}",
            )
        return self.ask(
            self.request(
                "REGISTER", user, uri=uri, caller=user, call_id=call_id, cseq=cseq, headers=headers
            )
        )


def digest(
    challenge: Message,
    user: str,
    password: str,
    method: str,
    uri: str,
    *,
    nc: str = "00000001",
    cnonce: str = "abcdef",
) -> str:
    """The value of Authorization for the MD5 challenge of a 401 (RFC 7616 3.4)."""
    text = next(v for v in challenge.all("WWW-Authenticate") if "MD5" in v)
    told = dict(re.findall(r'(\w+)="([^"]*)"', text))
    ha1 = _md5(f"{user}:{told['realm']}:{password}")
    ha2 = _md5(f"{method}:{uri}")
    response = _md5(f"{ha1}:{told['nonce']}:{nc}:{cnonce}:auth:{ha2}")
    return (
        f'Digest username="{user}", realm="{told["realm"]}", nonce="{told["nonce"]}", uri="{uri}", '
        f'response="{response}", algorithm=MD5, qop=auth, nc={nc}, cnonce="{cnonce}"'
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
