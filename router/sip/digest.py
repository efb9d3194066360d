"""Digest authentication for SIP, both sides (RFC 7616, 8760, 3261 22).

Server: ``Nonces`` makes and checks nonces without storing them, ``challenges`` and ``verify``.
Client: ``answer_challenge``. qop is "auth" always; the one exception is a client of the old
kind (RFC 2069) that sends neither qop nor nc: it is accepted with MD5 only, each nonce once,
because nothing else keeps its answers from being replayed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from config.errors import MisuseError
from router.sip.errors import ParseError
from router.sip.lexical import quoted_end, split, unquote
from router.sip.uri import Uri

Verdict = Literal["ok", "stale", "bad"]

# strongest first, in the spelling of challenges
ALGORITHMS = ("SHA-256", "MD5")
_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
_HEX = re.compile(r"[0-9a-f]{8}")


def _digest(algorithm: str, text: str) -> str:
    data = text.encode("utf-8", "replace")
    return _HASHES[algorithm](data, usedforsecurity=False).hexdigest()


def ha1(user: str, realm: str, password: str, algorithm: str = "MD5") -> str:
    """H(user:realm:password), lower-case hex (RFC 7616 3.4.2). MisuseError: no such algorithm."""
    if algorithm not in _HASHES:
        raise MisuseError(f"unknown digest algorithm {algorithm!r}")
    return _digest(algorithm, f"{user}:{realm}:{password}")


def response_digest(
    algorithm: str, secret: str, method: str, uri: str, nonce: str, counted: str = ""
) -> str:
    """The response value (RFC 7616 3.4.1). ``secret`` is the HA1, ``counted`` is
    ``nc:cnonce:qop``, or empty for the old form without qop (RFC 2617 3.2.2.1)."""
    ha2 = _digest(algorithm, f"{method}:{uri}")
    return _digest(
        algorithm, f"{secret}:{nonce}:{counted}:{ha2}" if counted else f"{secret}:{nonce}:{ha2}"
    )


# --- nonces ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Use:
    """Counts seen of one nonce: the highest, and a window of 64 below it."""

    highest: int = 0
    window: int = 0


@dataclass(slots=True)
class Nonces:
    """Nonces that carry their time and a signature; nothing is kept until one is used.

    ``secret`` at least 16 bytes. What is kept is the nonce count of used nonces, against
    replay, for ``lifetime_s``: at most ``used_max`` nonces; beyond that the oldest is
    forgotten and every nonce made before it counts as stale, so that forgetting never
    lets a replay in.
    """

    secret: bytes
    lifetime_s: float
    used_max: int = 10_000
    _used: OrderedDict[str, _Use] = field(default_factory=OrderedDict)
    _forgotten_ms: int = -1  # nonces made up to here are stale

    def __post_init__(self) -> None:
        if len(self.secret) < 16 or self.used_max < 1:
            raise MisuseError("Nonces needs a secret of at least 16 bytes and used_max >= 1")

    def make(self, now: float, salt: str = "") -> str:
        """A fresh nonce; ``salt`` (letters and digits) tells apart those of one millisecond."""
        stamp = f"{int(now * 1000):x}.{salt}"
        return f"{stamp}.{self._sign(stamp)}"

    def check(self, nonce: str, now: float) -> Verdict:
        """ok; stale: ours, but too old; bad: not ours."""
        stamp, _, signature = nonce.rpartition(".")
        expected = self._sign(stamp)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return "bad"
        made_ms = self._made_ms(nonce)
        if made_ms <= self._forgotten_ms or now * 1000 - made_ms > self.lifetime_s * 1000:
            return "stale"
        return "ok"

    def use(self, nonce: str, count: int, now: float) -> Verdict:
        """Check a nonce and take its count (0 for a client without counts): stale when the
        nonce is too old or this count was used before (RFC 7616 3.3, nc)."""
        verdict = self.check(nonce, now)
        if verdict != "ok":
            return verdict
        use = self._used.get(nonce)
        if use is None:
            self._make_room(now)
            if self._made_ms(nonce) <= self._forgotten_ms:
                return "stale"
            use = self._used[nonce] = _Use()
        elif count == 0:
            return "stale"
        step = count - use.highest
        if step > 0:
            use.window = ((use.window << step) | 1) & 0xFFFFFFFFFFFFFFFF if step < 64 else 1
            use.highest = count
            return "ok"
        if count == 0:
            return "ok"
        if step <= -64 or use.window >> -step & 1:
            return "stale"
        use.window |= 1 << -step
        return "ok"

    def _make_room(self, now: float) -> None:
        oldest_ms = (now - self.lifetime_s) * 1000
        while self._used:
            nonce = next(iter(self._used))
            made_ms = self._made_ms(nonce)
            if made_ms >= oldest_ms and len(self._used) < self.used_max:
                break
            del self._used[nonce]
            self._forgotten_ms = max(self._forgotten_ms, made_ms)

    @staticmethod
    def _made_ms(nonce: str) -> int:
        return int(nonce.partition(".")[0], 16)

    def _sign(self, stamp: str) -> str:
        return hmac.new(self.secret, stamp.encode("utf-8", "replace"), "sha256").hexdigest()[:32]


# --- header values -------------------------------------------------------------------------------


def parse_credentials(value: str) -> dict[str, str]:
    """``Digest name=value, ...`` to lower-case name -> unquoted value.

    Serves Authorization, Proxy-Authorization, WWW- and Proxy-Authenticate. ParseError when it
    is malformed, a name repeats or the scheme is not Digest.
    """
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        raise ParseError("Authentication scheme is not Digest")
    found: dict[str, str] = {}
    for part in split(rest, ","):
        if not part:
            continue
        name, equals, text = part.partition("=")
        name, text = name.strip().lower(), text.strip()
        if not equals or not name or name in found:
            raise ParseError("Malformed credentials")
        if text[:1] == '"':
            if quoted_end(text, 0) != len(text):
                raise ParseError("Malformed credentials")
            text = unquote(text)
        found[name] = text
    return found


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def challenges(
    realm: str, nonce: str, stale: bool = False, algorithms: tuple[str, ...] = ALGORITHMS
) -> list[str]:
    """Values for WWW-Authenticate or Proxy-Authenticate lines, strongest first (RFC 8760 2.3)."""
    tail = ", stale=true" if stale else ""
    return [
        f'Digest realm="{_escape(realm)}", nonce="{nonce}", algorithm={name}, qop="auth"{tail}'
        for name in algorithms
    ]


# --- server --------------------------------------------------------------------------------------


def username(value: str, realm: str) -> str | None:
    """The user whom credentials name for this realm; None for another realm or scheme, or
    malformed ones. Nothing is verified."""
    try:
        found = parse_credentials(value)
    except ParseError:
        return None
    return found.get("username") if found.get("realm") == realm else None


def verify(
    value: str, method: str, uri: str, secrets: Mapping[str, str], nonces: Nonces, now: float
) -> Verdict:
    """Check one Authorization value.

    ``uri`` is the Request-URI, ``secrets`` HA1 by algorithm ("MD5", "SHA-256"). stale: the
    answer was right, but for a nonce too old or used up: challenge again with stale=true.
    Never raises on what a peer sends. The count is taken only when the answer was right.
    """
    try:
        found = parse_credentials(value)
    except ParseError:
        return "bad"
    algorithm = found.get("algorithm", "MD5").upper()
    secret = secrets.get(algorithm)
    nonce, answer = found.get("nonce", ""), found.get("response", "")
    if (
        secret is None
        or algorithm not in _HASHES
        or not _same_uri(found.get("uri", ""), uri, method)
    ):
        return "bad"
    qop = found.get("qop")
    count = 0
    counted = ""
    if qop is not None:
        nc = found.get("nc", "").lower()
        if qop.lower() != "auth" or _HEX.fullmatch(nc) is None or "cnonce" not in found:
            return "bad"
        count = int(nc, 16)
        if count == 0:
            return "bad"
        counted = f"{found['nc']}:{found['cnonce']}:{qop}"
    elif algorithm != "MD5":
        return "bad"
    expected = response_digest(algorithm, secret, method, found["uri"], nonce, counted)
    if not hmac.compare_digest(expected.encode(), answer.lower().encode("utf-8", "replace")):
        return "bad"
    # a right answer to a nonce of another secret (before a restart): new nonce, same user
    return "ok" if nonces.use(nonce, count, now) == "ok" else "stale"


def _same_uri(claimed: str, actual: str, method: str) -> bool:
    """The digest's uri means the Request-URI: equal as text or by RFC 3261 19.1.4 (a proxy
    on the way may have touched up its form). A REGISTER's says nothing but the domain, so its
    host is enough: pyVoIP 1.6 adds a parameter to the one and not to the other."""
    if claimed == actual:
        return True
    try:
        meant, asked = Uri.parse(claimed), Uri.parse(actual)
    except ParseError:
        return False
    if method == "REGISTER":
        return (meant.scheme, meant.host.lower()) == (asked.scheme, asked.host.lower())
    return meant == asked


# --- client --------------------------------------------------------------------------------------


def answer_challenge(
    values: Iterable[str],
    method: str,
    uri: str,
    user: str,
    password: str | Mapping[str, str],
    nc: int,
    cnonce: str,
) -> str:
    """The Authorization (or Proxy-Authorization) value for the strongest of some challenges.

    ``values`` are the header's values of one 401 or 407; ``password`` may be HA1 by algorithm
    instead. ``nc`` counts the requests with this nonce from 1. A challenge without qop is
    answered in the old form. ParseError when none can be answered (unknown algorithm, only
    auth-int, no realm or nonce).
    """
    offered: dict[str, dict[str, str]] = {}
    for value in values:
        try:
            found = parse_credentials(value)
        except ParseError:
            continue
        algorithm = found.get("algorithm", "MD5").upper()
        qops = [item.strip().lower() for item in found.get("qop", "auth").split(",")]
        if "realm" in found and "nonce" in found and "auth" in qops:
            offered.setdefault(algorithm, found)
    for algorithm in ALGORITHMS:
        chosen = offered.get(algorithm)
        if chosen is None or not (isinstance(password, str) or algorithm in password):
            continue
        secret = (
            ha1(user, chosen["realm"], password, algorithm)
            if isinstance(password, str)
            else password[algorithm]
        )
        return _credentials(chosen, algorithm, secret, method, uri, user, nc, cnonce)
    raise ParseError("No challenge that can be answered")


def _credentials(
    challenge: Mapping[str, str],
    algorithm: str,
    secret: str,
    method: str,
    uri: str,
    user: str,
    nc: int,
    cnonce: str,
) -> str:
    realm, nonce = challenge["realm"], challenge["nonce"]
    counted = f"{nc:08x}:{cnonce}:auth" if "qop" in challenge else ""
    response = response_digest(algorithm, secret, method, uri, nonce, counted)
    text = (
        f'Digest username="{_escape(user)}", realm="{_escape(realm)}", nonce="{_escape(nonce)}", '
        f'uri="{_escape(uri)}", response="{response}"'
    )
    if "algorithm" in challenge:
        text += f", algorithm={algorithm}"
    if counted:
        text += f', cnonce="{_escape(cnonce)}", qop=auth, nc={nc:08x}'
    if "opaque" in challenge:
        text += f', opaque="{_escape(challenge["opaque"])}"'
    return text
