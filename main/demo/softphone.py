"""A softphone for the demo: our own SIP core at the other end of the wire, one call at a time."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable

from config.settings import Sip
from main.demo.rtp_line import RtpLine, family_of
from router.sip import effects as sip
from router.sip import sdp
from router.sip.digest import answer_challenge
from router.sip.directory import DirectoryUser
from router.sip.endpoint import Endpoint
from router.sip.message import Headers, Request, Response
from router.sip.parser import parse_message
from router.sip.target import Credentials, Target
from router.sip.uri import host_port


class _Registrar:
    """The phone's view of the world: calls come from its server only."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server

    def trunk_at(self, host: str, port: int) -> str | None:
        return "server" if (host, port) == self._server else None

    def user(self, name: str) -> DirectoryUser | None:
        return None


class Softphone:
    """Registers, calls, answers, presses keys, hangs up; or vanishes."""

    def __init__(self, user: str, password: str, host: str, server: tuple[str, int]) -> None:
        self.user = user
        self.server = server
        self._password = password
        self._socket = socket.socket(family_of(host), socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.host, self.port = self._socket.getsockname()[:2]
        self._endpoint = Endpoint(
            Sip(),
            _Registrar(server),
            token=lambda: secrets.token_hex(8),
            nonce_secret=secrets.token_bytes(16),
            local_host=lambda flow: (self.host, self.port),
        )
        self.line = RtpLine(host)
        self.leg = ""
        self._local = sdp.LocalMedia(
            host=self.host,
            port=self.line.port,
            session_id=1,
            version=1,
            codecs=("PCMU",),
            direction="sendrecv",
        )
        self.up = asyncio.Event()
        self.over = asyncio.Event()
        self.status = 0
        self.on_ring: Callable[[str], None] = lambda leg: self.answer()
        self._registered: asyncio.Future[int] | None = None
        self._register_id = secrets.token_hex(8)
        self._cseq = 0
        self._timer: asyncio.TimerHandle | None = None
        self._gone = False

    async def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)
        self.line.start()

    def vanish(self) -> None:
        """Gone without a word: no BYE, no packet more."""
        if self._gone:
            return
        self._gone = True
        if self._timer is not None:
            self._timer.cancel()
        self.line.vanish()
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    # --- registering -----------------------------------------------------------------------------

    async def register(self, expires_s: int = 600) -> None:
        """Raises RuntimeError where the registrar refuses."""
        challenge: list[str] = []
        for _ in range(2):
            self._registered = asyncio.get_running_loop().create_future()
            self._socket.sendto(self._register_request(challenge, expires_s).encode(), self.server)
            status = await asyncio.wait_for(self._registered, 4)
            if status == 200:
                return
            challenge = self._challenges
        raise RuntimeError(f"registration of {self.user} refused: {status}")

    _challenges: list[str]

    def _register_request(self, challenges: list[str], expires_s: int) -> Request:
        self._cseq += 1
        uri = f"sip:{host_port(*self.server)}"
        own = host_port(self.host, self.port)
        me = f"<sip:{self.user}@{host_port(self.server[0])}>"
        headers = Headers()
        branch = f"z9hG4bK{secrets.token_hex(6)}"
        headers.add("Via", f"SIP/2.0/UDP {own};branch={branch};rport")
        headers.add("Max-Forwards", "70")
        headers.add("From", f"{me};tag={self._register_id[:8]}")
        headers.add("To", me)
        headers.add("Call-ID", self._register_id)
        headers.add("CSeq", f"{self._cseq} REGISTER")
        headers.add("Contact", f"<sip:{self.user}@{own}>")
        headers.add("Expires", str(expires_s))
        if challenges:
            headers.add(
                "Authorization",
                answer_challenge(
                    challenges,
                    method="REGISTER",
                    uri=uri,
                    user=self.user,
                    password=self._password,
                    nc=1,
                    cnonce=secrets.token_hex(8),
                ),
            )
        return Request("REGISTER", uri, headers)

    # --- calls -----------------------------------------------------------------------------------

    def call(self, number: str, name: str = "") -> None:
        """Dial; ``up`` or ``over`` follows."""
        self.leg = secrets.token_hex(4)
        self.up.clear()
        self.over.clear()
        flow = sip.Flow("udp", *self.server)
        self._take(
            self._endpoint.invite(
                self.leg,
                Target(f"sip:{number}@{host_port(*self.server)}", flow),
                sdp.make_offer(self._local),
                time.time(),
                caller=self.user,
                caller_name=name,
                credentials=Credentials(self.user, self._password) if self._password else None,
            )
        )

    def answer(self) -> None:
        agreed = sdp.answer(self._offer, self._local)
        self.line.remote = agreed.remote
        self._take(self._endpoint.answer(self.leg, agreed.body, time.time()))
        self.up.set()

    _offer = b""

    def hang_up(self) -> None:
        self._take(self._endpoint.hang_up(self.leg, time.time()))
        self.over.set()

    # --- the wire --------------------------------------------------------------------------------

    def _readable(self) -> None:
        for _ in range(32):
            try:
                data, source = self._socket.recvfrom(65535)
            except (BlockingIOError, OSError):
                return
            if data.startswith(b"SIP/2.0") and self._register_id.encode() in data:
                self._register_answer(data)
                continue
            flow = sip.Flow("udp", source[0], source[1])
            self._take(self._endpoint.receive(data, flow, time.time()))

    def _register_answer(self, data: bytes) -> None:
        response = parse_message(data)
        if not isinstance(response, Response) or self._registered is None:
            return
        self._challenges = response.headers.get_all("WWW-Authenticate")
        if not self._registered.done():
            self._registered.set_result(response.status)

    def _take(self, output: list[sip.Effect | sip.Event]) -> None:
        if self._gone:
            return
        for item in output:
            if isinstance(item, sip.Send):
                self._socket.sendto(item.data, (item.flow.host, item.flow.port))
        self._arm()
        for item in output:
            self._happened(item)

    def _happened(self, event: sip.Effect | sip.Event) -> None:
        match event:
            case sip.Invited():
                self.leg, self._offer = event.leg, event.body
                self.up.clear()
                self.over.clear()
                self._take(self._endpoint.progress(self.leg, time.time()))
                self.on_ring(self.leg)
            case sip.Answered(_, body):
                self.line.remote = sdp.read_answer(body, self._local).remote
                self.up.set()
            case sip.Refused(_, status):
                self.status = status
                self.over.set()
            case sip.ChangeAsked(leg, _, body):
                agreed = sdp.answer(body, self._local)
                self._take(self._endpoint.accept_change(leg, agreed.body, time.time()))
            case sip.Ended():
                self.over.set()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._endpoint.next_deadline
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(
                max(0.0, due - time.time()), lambda: self._take(self._endpoint.tick(time.time()))
            )
