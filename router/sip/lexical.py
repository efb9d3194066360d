"""Splitting header values where commas and semicolons may be quoted (RFC 3261 25.1).

Everything here is linear in the length of its input, whatever a peer sends.
"""

from __future__ import annotations

import re

from router.sip.errors import ParseError

Params = dict[str, str | None]

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_STOPS = {",": re.compile('[,"<]'), ";": re.compile('[;"<]')}
_CONTROLS = dict.fromkeys((*range(32), 127))


def quoted_end(text: str, start: int) -> int:
    """Index after the quoted string that opens at ``start``; ParseError when it never closes."""
    at = start + 1
    if "\\" not in text:
        end = text.find('"', at)
        if end < 0:
            raise ParseError("Quoted string is not closed")
        return end + 1
    while True:
        end = text.find('"', at)
        if end < 0:
            raise ParseError("Quoted string is not closed")
        before = end - 1
        while text[before] == "\\":
            before -= 1
        if (end - 1 - before) % 2 == 0:
            return end + 1
        at = end + 1


def unquote(text: str) -> str:
    """The content of a quoted string: escapes resolved, control characters dropped.

    Text without quotes comes back as it is.
    """
    if len(text) < 2 or text[0] != '"':
        return text
    inner = text[1:-1]
    if "\\" in inner:
        inner = _ESCAPED.sub(r"\1", inner)
    return inner if inner.isprintable() else inner.translate(_CONTROLS)


def quote(text: str) -> str:
    """A quoted string that holds ``text`` without its control characters."""
    text = text.translate(_CONTROLS)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def split(text: str, separator: str) -> list[str]:
    """Split at ``,`` or ``;`` outside quoted strings and angle brackets; parts are stripped."""
    if '"' not in text and "<" not in text:
        return [part.strip() for part in text.split(separator)]
    parts: list[str] = []
    stops = _STOPS[separator]
    start = at = 0
    while (stop := stops.search(text, at)) is not None:
        at = stop.start()
        found = text[at]
        if found == '"':
            at = quoted_end(text, at)
        elif found == "<":
            at = text.find(">", at) + 1
            if at == 0:
                raise ParseError("Angle bracket is not closed")
        else:
            parts.append(text[start:at].strip())
            start = at = at + 1
    parts.append(text[start:].strip())
    return parts


def parse_params(text: str) -> Params:
    """Parse ``name=value;flag;...`` (no leading semicolon) into lower-case name -> value.

    A flag has the value None, a quoted value keeps its quotes. ParseError for an empty or
    repeated name (RFC 3261 7.3.1).
    """
    params: Params = {}
    if '"' in text or " " in text or "\t" in text:
        return _parse_spaced_params(text)
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        name = name.lower()
        if not name or name in params or (equals and not value):
            raise ParseError("Malformed parameter")
        params[name] = value if equals else None
    return params


def _parse_spaced_params(text: str) -> Params:
    """The general form: quoted values, white space around the equals sign."""
    params: Params = {}
    for part in split(text, ";"):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        value = value.strip()
        if not name or name in params or " " in name or "\t" in name or (equals and not value):
            raise ParseError("Malformed parameter")
        if value[:1] == '"':
            if quoted_end(value, 0) != len(value):
                raise ParseError("Malformed parameter")
        elif '"' in part or " " in value or "\t" in value:
            raise ParseError("Malformed parameter")
        params[name] = value if equals else None
    return params


def render_params(params: Params) -> str:
    """``;name=value;flag`` for appending; the inverse of parse_params."""
    return "".join(f";{n}" if v is None else f";{n}={v}" for n, v in params.items())


def digits(text: str, what: str, maximum: int, status: int = 400) -> int:
    """A non-negative decimal number up to ``maximum``; ParseError otherwise."""
    if not (text.isascii() and text.isdigit()):
        raise ParseError(f"Malformed {what}", status)
    number = int(text) if len(text) <= 20 else maximum + 1
    if number > maximum:
        raise ParseError(f"{what} is too large", status)
    return number
