"""Thousands of phones that register at the same moment, each as RFC 3261 has it: digest, and
retransmissions (timer E) until there is an answer. One socket, no code of the product.

``python -m tests.wire.phones_at_once PORT HOST`` takes the passwords from standard input (a JSON
object by user) and prints a Storm: a process of its own, for it takes all of a core.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import re
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.wire.raw_sip import Address, Message, digest

T1_S, T2_S, TIMER_F_S = 0.5, 4.0, 32.0
SLICE = 200  # datagrams sent between two looks at what came


@dataclass
class Storm:
    """What came of it. ``registered``: seconds after the start, by phone."""

    registered: dict[str, float] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    took_s: float = 0.0


@dataclass
class _Phone:
    user: str
    password: str
    cseq: int = 1
    challenge: Message | None = None
    tries: int = 0
    due: float = 0.0


class Phones:
    def __init__(self, server: Address, host: str, passwords: dict[str, str]) -> None:
        self._server = server
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.host, self.port = self._socket.getsockname()
        self._passwords = passwords

    def close(self) -> None:
        self._socket.close()

    def register(self, within_s: float = TIMER_F_S, call_id: str = "storm") -> Storm:
        """All at once. Ends when each has its final answer, or after ``within_s``."""
        storm = Storm()
        self._call_id = call_id
        begun = time.monotonic()
        phones = {user: _Phone(user, word) for user, word in self._passwords.items()}
        waiting = [(begun, user) for user in phones]
        heapq.heapify(waiting)
        open_ = set(phones)
        while open_ and time.monotonic() - begun < within_s:
            self._send_due(phones, open_, waiting, storm)
            while (message := self._receive()) is not None:
                self._take(message, phones, open_, waiting, storm, begun)
            select.select([self._socket], [], [], 0.01)
        storm.took_s = time.monotonic() - begun
        return storm

    def _send_due(
        self,
        phones: dict[str, _Phone],
        open_: set[str],
        waiting: list[tuple[float, str]],
        storm: Storm,
    ) -> None:
        now = time.monotonic()
        for _ in range(SLICE):
            if not waiting or waiting[0][0] > now:
                return
            due, user = heapq.heappop(waiting)
            phone = phones[user]
            if user not in open_ or due < phone.due:
                continue
            try:
                self._socket.sendto(self._request(phone).encode(), self._server)
            except BlockingIOError:
                heapq.heappush(waiting, (due, user))
                return
            storm.sent += 1
            phone.due = now + min(T1_S * 2**phone.tries, T2_S)
            phone.tries += 1
            heapq.heappush(waiting, (phone.due, user))

    def _receive(self) -> Message | None:
        try:
            return Message.read(self._socket.recv(65_535))
        except BlockingIOError:
            return None

    def _take(
        self,
        message: Message,
        phones: dict[str, _Phone],
        open_: set[str],
        waiting: list[tuple[float, str]],
        storm: Storm,
        begun: float,
    ) -> None:
        found = re.match(rf"{self._call_id}-(\w+)$", message["Call-ID"])
        if not message.status or found is None or found[1] not in open_:
            return
        phone = phones[found[1]]
        if message["CSeq"] != f"{phone.cseq} REGISTER":
            return
        if message.status == 401 and phone.challenge is None:
            phone.challenge, phone.cseq, phone.tries = message, phone.cseq + 1, 0
            phone.due = 0.0
            heapq.heappush(waiting, (0.0, phone.user))
        elif message.status >= 200:
            open_.discard(phone.user)
            if message.status == 200:
                storm.registered[phone.user] = time.monotonic() - begun
            else:
                storm.refused[phone.user] = message.status

    def _request(self, phone: _Phone) -> str:
        uri = f"sip:{self._server[0]}:{self._server[1]}"
        branch = f"z9hG4bK-{self._call_id}-{phone.user}-{phone.cseq}"
        lines = [
            f"REGISTER {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};rport;branch={branch}",
            "Max-Forwards: 70",
            f"From: <sip:{phone.user}@{self.host}>;tag=t{phone.user}",
            f"To: <sip:{phone.user}@{self.host}>",
            f"Call-ID: {self._call_id}-{phone.user}",
            f"CSeq: {phone.cseq} REGISTER",
            f"Contact: <sip:{phone.user}@{self.host}:{self.port}>",
            "Expires: 300",
        ]
        if phone.challenge is not None:
            value = digest(phone.challenge, phone.user, phone.password, "REGISTER", uri)
            lines.append(f"Authorization: {value}")
        return "\r\n".join([*lines, "Content-Length: 0", "", ""])


async def register_at_once(server: Address, host: str, passwords: dict[str, str]) -> Storm:
    """All of them, in a process of its own."""
    command = [sys.executable, "-m", "tests.wire.phones_at_once", str(server[1]), host]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    out, _ = await process.communicate(json.dumps(passwords).encode())
    return Storm(**json.loads(out))


def main() -> None:
    phones = Phones(("127.0.0.1", int(sys.argv[1])), sys.argv[2], json.load(sys.stdin))
    print(json.dumps(asdict(phones.register())))
    phones.close()


if __name__ == "__main__":
    main()
