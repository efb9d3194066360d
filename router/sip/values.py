"""Structured header values: name-addr, Via, CSeq (RFC 3261 20, 25.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from router.sip.errors import ParseError
from router.sip.lexical import (
    TOKEN,
    Params,
    digits,
    parse_params,
    quote,
    quoted_end,
    render_params,
    split,
    unquote,
)
from router.sip.uri import Uri, host_port, split_host_port

DELTA_SECONDS_MAX = 2**32 - 1
DEFAULT_EXPIRES_S = 3600
_CSEQ_MAX = 2**31 - 1

# what nearly all of them look like; everything else takes the general way
_PLAIN_ADDRESS = re.compile(
    r"""(?:"([^"\\\x00-\x1f\x7f]*)"[ ]*|([A-Za-z0-9 .\-]*))<([a-z]+:[^<>"\s]+)>"""
    r"""(?:;tag=([^\s;="]+))?"""
)
_PLAIN_VIA = re.compile(
    r"""SIP/2\.0/([A-Z]+) ([A-Za-z0-9.\-]+)(?::([0-5]?[0-9]{1,4}))?"""
    r"""(?:(;rport)?;branch=([^\s;="]+)(;rport)?)?"""
)
_PLAIN_CSEQ = re.compile(r"([0-9]{1,9}) ([A-Z]+)")


def delta_seconds(text: str) -> int:
    """A registration's lifetime: too large is the largest, malformed is 3600 s.

    RFC 3261 20.19, 10.2.1.1.
    """
    if not (text.isascii() and text.isdigit()):
        return DEFAULT_EXPIRES_S
    return int(text) if len(text) < 10 else min(int(text[:20]), DELTA_SECONDS_MAX)


@dataclass(slots=True)
class NameAddr:
    """``"display" <uri>;params`` (From, To, Contact, Route, ...); a value, not to be changed.

    ``display`` is unquoted and without control characters, ``uri`` is the text of the URI;
    ``target()`` parses it.
    """

    display: str
    uri: str
    params: Params = field(default_factory=dict)

    @classmethod
    def parse(cls, value: str) -> NameAddr:
        """Parse one value of a header; ParseError when malformed.

        A display name with characters that would need quotes is taken as it is (RFC 4475
        3.1.2.15 allows that liberty).
        """
        plain = _PLAIN_ADDRESS.fullmatch(value)
        if plain is not None:
            quoted, token, uri, tag = plain.groups()
            return cls(
                quoted or (token.rstrip() if token else ""), uri, {"tag": tag} if tag else {}
            )
        return cls._parse_general(value)

    @classmethod
    def _parse_general(cls, value: str) -> NameAddr:
        if value[:1] == '"':
            end = quoted_end(value, 0)
            display = unquote(value[:end])
            value = value[end:].lstrip()
            if value[:1] != "<":
                raise ParseError("Malformed address")
            start = 0
        else:
            start = value.find("<")
            display = value[:start].rstrip() if start > 0 else ""
            if '"' in display:
                raise ParseError("Malformed address")
        if start < 0:
            # addr-spec: every parameter is the header's (RFC 3261 20)
            uri, semicolon, rest = value.partition(";")
            uri = uri.rstrip()
            if "?" in uri or "," in uri:
                raise ParseError("Malformed address")
        else:
            end = value.find(">", start)
            if end < 0:
                raise ParseError("Malformed address")
            uri = value[start + 1 : end]
            if "<" in uri:
                raise ParseError("Malformed address")
            rest = value[end + 1 :].lstrip()
            semicolon = rest[:1]
            if semicolon and semicolon != ";":
                raise ParseError("Malformed address")
            rest = rest[1:]
        if ":" not in uri or " " in uri or "\t" in uri:
            raise ParseError("Malformed address")
        return cls(display, uri, parse_params(rest) if semicolon else {})

    @property
    def tag(self) -> str | None:
        return self.params.get("tag")

    @property
    def expires(self) -> int | None:
        """The expires parameter of a Contact in seconds (malformed: 3600), or None."""
        value = self.params.get("expires")
        return None if value is None else delta_seconds(value)

    @property
    def q(self) -> float:
        """The preference of a Contact, 0 to 1; 1 when there is none. ParseError if malformed."""
        value = self.params.get("q")
        if value is None:
            return 1.0
        whole, _, fraction = value.partition(".")
        if whole not in ("0", "1") or (fraction and not fraction.isdigit()) or len(fraction) > 3:
            raise ParseError("Malformed q")
        return min(float(f"{whole}.{fraction or '0'}"), 1.0)

    def target(self) -> Uri:
        """The URI, parsed; ParseError when malformed."""
        return Uri.parse(self.uri)

    def with_tag(self, tag: str) -> NameAddr:
        return NameAddr(self.display, self.uri, {**self.params, "tag": tag})

    def __str__(self) -> str:
        address = f"<{self.uri}>{render_params(self.params)}"
        return f"{quote(self.display)} {address}" if self.display else address


@dataclass(slots=True)
class Via:
    """One Via value; ``host`` without brackets. A value, not to be changed."""

    transport: str
    host: str
    port: int | None = None
    params: Params = field(default_factory=dict)

    @classmethod
    def parse(cls, value: str) -> Via:
        """Parse one value; ParseError when malformed. Any protocol version is read, so that
        a request of another version can be answered 505."""
        plain = _PLAIN_VIA.fullmatch(value)
        if plain is not None:
            transport, host, port, before, branch, after = plain.groups()
            params: Params = {"rport": None} if before or after else {}
            if branch:
                params["branch"] = branch
            if not (before and after):
                return cls(transport, host, int(port) if port else None, params)
        return cls._parse_general(value)

    @classmethod
    def _parse_general(cls, value: str) -> Via:
        head, semicolon, rest = value.partition(";")
        protocol, _, sent_by = head.partition(" ")
        if protocol[:8] != "SIP/2.0/" or not protocol[8:].isalpha() or " " in sent_by:
            protocol, sent_by = _spaced_sent_protocol(head)
        host, port = split_host_port(sent_by)
        return cls(protocol[8:], host, port, parse_params(rest) if semicolon else {})

    @property
    def branch(self) -> str | None:
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        """The received parameter without brackets (RFC 5118 4.5: seen with and without)."""
        value = self.params.get("received")
        return value.strip("[]") if value else None

    @property
    def rport(self) -> int | None:
        """The value of rport, or None (see also ``wants_rport``)."""
        value = self.params.get("rport")
        return None if value is None else digits(value, "rport", 65535)

    @property
    def wants_rport(self) -> bool:
        """The sender asked for rport (RFC 3581 3), filled in or not."""
        return "rport" in self.params

    def __str__(self) -> str:
        sent_by = host_port(self.host, self.port)
        return f"SIP/2.0/{self.transport} {sent_by}{render_params(self.params)}"


def _spaced_sent_protocol(head: str) -> tuple[str, str]:
    """The general form: white space around the slashes and the colon, other transports."""
    parts = [part.strip() for part in head.split("/", 2)]
    if len(parts) != 3 or TOKEN.fullmatch(parts[0]) is None or TOKEN.fullmatch(parts[1]) is None:
        raise ParseError("Malformed Via")
    transport, *tail = parts[2].split(None, 1) or [""]
    if not tail or TOKEN.fullmatch(transport) is None:
        raise ParseError("Malformed Via")
    sent_by = ":".join(part.strip() for part in tail[0].split(":"))
    return f"SIP/2.0/{transport}", sent_by


@dataclass(slots=True)
class CSeq:
    number: int
    method: str

    @classmethod
    def parse(cls, value: str) -> CSeq:
        """Parse; ParseError when malformed or 2**31 and above (RFC 3261 8.1.1.5)."""
        plain = _PLAIN_CSEQ.fullmatch(value)
        if plain is not None:
            return cls(int(plain[1]), plain[2])
        number, _, method = value.partition(" ")
        method = method.lstrip(" \t")
        if TOKEN.fullmatch(method) is None:
            raise ParseError("Malformed CSeq")
        return cls(digits(number, "CSeq", _CSEQ_MAX), method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_addresses(values: list[str]) -> list[NameAddr]:
    """All name-addrs of header lines that may each hold several, in order."""
    if len(values) == 1 and "," not in values[0]:
        return [NameAddr.parse(values[0])]
    found: list[NameAddr] = []
    for value in values:
        found += (
            [NameAddr.parse(part) for part in split(value, ",")]
            if "," in value
            else [NameAddr.parse(value)]
        )
    return found
