"""SIP URIs (RFC 3261 19.1): parse, print, compare."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from router.sip.errors import ParseError
from router.sip.lexical import Params, digits, parse_params, render_params

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
# userinfo of RFC 3261 25.1, and '#', which phones dial without escaping it
_USER = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/#]|%[0-9A-Fa-f]{2})+")
_PASSWORD = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*")
_HOST = re.compile(r"[A-Za-z0-9._\-]+")
# what nearly all SIP URIs look like: no password, no escapes, no headers, no IPv6
_PLAIN = re.compile(
    r"(sips?):(?:([A-Za-z0-9\-_.!~*'()+]+)@)?([A-Za-z0-9._\-]+)(?::([0-5]?[0-9]{1,4}))?"
    r"(?:;([A-Za-z0-9\-_.=;+]+))?"
)
# the same with at most one parameter, so that nothing in it can be wrong
_CERTAIN = re.compile(
    r"sips?:(?:[A-Za-z0-9\-_.!~*'()+]+@)?[A-Za-z0-9._\-]+(?::[0-5]?[0-9]{1,4})?"
    r"(?:;[A-Za-z0-9\-]+(?:=[A-Za-z0-9\-_.]+)?)?"
)
# parameters that make two URIs differ also when only one has them (RFC 3261 19.1.4)
_TELLING = ("user", "ttl", "method", "maddr", "transport")


def split_host_port(text: str) -> tuple[str, int | None]:
    """Split ``host[:port]``; an IPv6 literal comes in brackets and is returned without.

    ParseError where host or port is malformed. Three colons in a row are read as two (the
    bug of the old grammar, RFC 5118 4.10).
    """
    if text.startswith("["):
        literal, bracket, rest = text[1:].partition("]")
        literal = literal.replace(":::", "::")
        try:
            ipaddress.IPv6Address(literal)
        except ValueError:
            raise ParseError("Malformed IPv6 address") from None
        if not bracket or "%" in literal or (rest and rest[0] != ":"):
            raise ParseError("Malformed host")
        return literal, digits(rest[1:], "port", 65535) if rest else None
    host, colon, port = text.partition(":")
    if _HOST.fullmatch(host) is None:
        raise ParseError("Malformed host")
    if not colon:
        return host, None
    return host, digits(port, "port", 65535)


def host_port(host: str, port: int | None = None) -> str:
    """``host[:port]`` with brackets around an IPv6 literal."""
    if ":" in host:
        host = f"[{host}]"
    return host if port is None else f"{host}:{port}"


@dataclass(slots=True, eq=False)
class Uri:
    """A URI; a value, not to be changed once made.

    ``user`` and ``password`` stand escaped as they came (``user_text`` is unescaped), ``host``
    without brackets, ``scheme`` in lower case. Of a scheme other than sip and sips, ``user``
    holds everything between the colon and the first semicolon, and ``host`` is empty.
    """

    scheme: str
    user: str = ""
    password: str = ""
    host: str = ""
    port: int | None = None
    params: Params = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Parse; ParseError (400) when malformed. An unknown scheme is not malformed."""
        plain = _PLAIN.fullmatch(text)
        if plain is not None:
            scheme, user, host, port, params = plain.groups()
            return cls(
                scheme,
                user or "",
                "",
                host,
                int(port) if port else None,
                parse_params(params) if params else {},
                {},
            )
        return cls._parse_general(text)

    @staticmethod
    def is_plain(text: str) -> bool:
        """Well-formed for certain and a sip or sips URI, without making one (it is faster)."""
        return _CERTAIN.fullmatch(text) is not None

    @classmethod
    def _parse_general(cls, text: str) -> Uri:
        scheme, colon, rest = text.partition(":")
        if not colon or not rest or _SCHEME.fullmatch(scheme) is None:
            raise ParseError("Malformed URI")
        if (
            not rest.isascii()
            or not rest.isprintable()
            or " " in rest
            or "<" in rest
            or ">" in rest
        ):
            raise ParseError("Malformed URI")
        scheme = scheme.lower()
        if scheme not in ("sip", "sips"):
            user, semicolon, tail = rest.partition(";")
            return cls(scheme, user, params=parse_params(tail) if semicolon and tail else {})
        userinfo, at, rest = rest.rpartition("@")
        user, _, password = userinfo.partition(":")
        if at and (_USER.fullmatch(user) is None or _PASSWORD.fullmatch(password) is None):
            raise ParseError("Malformed user part of URI")
        rest, question, headers = rest.partition("?")
        sent_by, semicolon, tail = rest.partition(";")
        host, port = split_host_port(sent_by)
        return cls(
            scheme,
            user,
            password,
            host,
            port,
            parse_params(tail) if semicolon else {},
            _parse_headers(headers) if question else {},
        )

    @property
    def user_text(self) -> str:
        """The user part with its escapes resolved (may hold any character, NUL too)."""
        return unquote(self.user) if "%" in self.user else self.user

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case, or None."""
        value = self.params.get("transport")
        return value.lower() if value else None

    def __str__(self) -> str:
        if self.scheme not in ("sip", "sips"):
            return f"{self.scheme}:{self.user}{render_params(self.params)}"
        userinfo = self.user + (f":{self.password}" if self.password else "")
        text = f"{self.scheme}:{userinfo}@" if userinfo else f"{self.scheme}:"
        text += host_port(self.host, self.port)
        if self.params:
            text += render_params(self.params)
        if self.headers:
            text += "?" + "&".join(f"{n}={v}" for n, v in self.headers.items())
        return text

    def __eq__(self, other: object) -> bool:
        """RFC 3261 19.1.4 (so not transitive: parameters that only one has do not count)."""
        if not isinstance(other, Uri):
            return NotImplemented
        if self._core() != other._core():
            return False
        mine, theirs = self.params, other.params
        for name in mine.keys() & theirs.keys():
            if unquote(mine[name] or "").lower() != unquote(theirs[name] or "").lower():
                return False
        if any((name in mine) != (name in theirs) for name in _TELLING):
            return False
        return _comparable(self.headers) == _comparable(other.headers)

    def __hash__(self) -> int:
        return hash(self._core())

    def _core(self) -> tuple[str, str, str, str, int | None]:
        host = self.host.lower()
        if ":" in host:
            host = str(ipaddress.IPv6Address(host))
        return self.scheme, self.user_text, unquote(self.password), host, self.port


def _parse_headers(text: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if not name or not equals or name in headers:
            raise ParseError("Malformed header in URI")
        headers[name] = value
    return headers


def _comparable(headers: dict[str, str]) -> dict[str, str]:
    return {unquote(name).lower(): unquote(value) for name, value in headers.items()}
