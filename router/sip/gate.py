"""Who may send what outside a dialog: trunks by their address, everybody else by digest.

Strangers learn nothing: without credentials every method gets the same 401, with wrong ones
the same 403, whether or not there is such a user.
"""

from __future__ import annotations

from hashlib import blake2b

from router.sip import incoming
from router.sip.core import ALLOW, Core
from router.sip.digest import ALGORITHMS, Nonces, challenges, parse_credentials, verify
from router.sip.digest_choice import algorithms_for
from router.sip.directory import DirectoryUser
from router.sip.effects import Flow, RegistrationChanged
from router.sip.incoming import Peer, refusal_of_extensions
from router.sip.indialog import refuse_method
from router.sip.message import ParseError, Request
from router.sip.registrar import Registrar
from router.sip.stateless import answer

_WITHIN_DIALOGS = frozenset({"BYE", "UPDATE", "PRACK", "INFO"})


class Gate:
    """Admits requests outside a dialog and hands them on."""

    def __init__(self, core: Core, registrar: Registrar, nonce_secret: bytes) -> None:
        self._core = core
        self._registrar = registrar
        self._realm = core.settings.domain
        self._nonces = Nonces(nonce_secret, core.settings.nonce_lifetime_s)
        # a user that does not exist costs what a wrong password costs
        self._nobody = {
            name: blake2b(nonce_secret, digest_size=32, person=b"nobody").hexdigest()
            for name in ALGORITHMS
        }

    def turn_away(self, request: Request, flow: Flow, now: float) -> bool:
        """Challenge a stranger without keeping state (RFC 3261 8.2.7, 26.3.2.4), so that a flood
        of them costs no transactions. False where the request needs a closer look."""
        if (
            request.method in ("ACK", "CANCEL")
            or request.to.tag is not None
            or "Authorization" in request.headers
            or self._peer_at(request, flow) is not None
        ):
            return False
        self._core.take(answer(request, flow, 401, headers=self._challenge(request, now)))
        return True

    def on_request(self, tx: str, request: Request, flow: Flow, now: float) -> None:
        """A request without a To tag. ParseError where a header is malformed."""
        core = self._core
        peer = self._peer_at(request, flow) or self._authenticate(tx, request, now)
        if peer is None:
            return
        if request.method == "INVITE":
            incoming.on_invite(core, tx, request, flow, peer, now)
            return
        refused = refusal_of_extensions(request)
        if refused is not None:
            core.respond(tx, request, refused[0], now, headers=refused[1])
        elif request.method == "REGISTER":
            self._register(tx, request, flow, peer, now)
        elif request.method == "OPTIONS":
            incoming.on_options(core, tx, request, now, None)
        elif request.method in _WITHIN_DIALOGS:
            core.respond(tx, request, 481, now)
        elif request.method == "REFER":
            core.respond(tx, request, 403, now)  # transfers are for calls there are
        else:
            refuse_method(core, tx, request, now, None)

    def _peer_at(self, request: Request, flow: Flow) -> Peer | None:
        """The peer that its source address vouches for. A REGISTER always needs a digest; so
        does what brings credentials, or speaks for a phone that is registered over its flow."""
        method, headers = request.method, request.headers
        if method == "REGISTER" or "Authorization" in headers:
            return None
        phones = self._registrar.users_at(flow)
        if phones and method == "OPTIONS":
            return Peer("agent", "", True)  # keep-alives of phones come without credentials
        name = self._core.directory.trunk_at(flow.host, flow.port)
        if name is None or (phones and _user_of(request) in phones):
            return None
        return Peer("trunk", name, False)

    def _authenticate(self, tx: str, request: Request, now: float) -> Peer | None:
        """The peer that its digest proves, or None: then it was answered."""
        core = self._core
        value, name, nonce = self._credentials(request)
        if value is None or self._nonces.check(nonce, now) == "bad":
            core.respond(tx, request, 401, now, headers=self._challenge(request, now))
            return None
        user = core.directory.user(name)
        secrets = self._nobody if user is None else user.ha1
        verdict = verify(value, request.method, request.uri, secrets, self._nonces, now)
        if verdict == "stale":
            core.respond(tx, request, 401, now, headers=self._challenge(request, now, stale=True))
        elif verdict == "bad" or user is None:
            core.respond(tx, request, 403, now)
        else:
            return _peer(user)
        return None

    def _credentials(self, request: Request) -> tuple[str | None, str, str]:
        """The Authorization value for our realm, its user name and its nonce."""
        for value in request.headers.get_all("Authorization"):
            try:
                found = parse_credentials(value)
            except ParseError:
                continue
            if found.get("realm") == self._realm:
                return value, found.get("username", ""), found.get("nonce", "")
        return None, "", ""

    def _challenge(
        self, request: Request, now: float, stale: bool = False
    ) -> list[tuple[str, str]]:
        nonce = self._nonces.make(now, self._core.token())
        offered = algorithms_for(request.headers.get("User-Agent"))
        return [("WWW-Authenticate", v) for v in challenges(self._realm, nonce, stale, offered)]

    def _register(self, tx: str, request: Request, flow: Flow, peer: Peer, now: float) -> None:
        core = self._core
        if peer.kind != "agent":
            core.respond(tx, request, 403, now)
            return
        done = self._registrar.register(peer.name, request, flow, now)
        headers = [*done.headers, ("Allow", ALLOW)] if done.status == 200 else list(done.headers)
        core.respond(tx, request, done.status, now, headers=headers)
        if done.status == 200 and core.adrift:
            core.follow(request.contacts, flow)
        if done.contacts is not None:
            core.tell(RegistrationChanged(peer.name, done.contacts))


def _user_of(request: Request) -> str:
    try:
        return request.from_.target().user_text
    except ParseError:
        return ""


def _peer(user: DirectoryUser) -> Peer:
    # whoever needs a password has no fixed address, so the path it came by is the one back
    return Peer(user.kind, user.name, True)
