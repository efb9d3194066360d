"""Where a 3xx response sends a call (RFC 3261 8.1.3.4, 21.3)."""

from __future__ import annotations

from router.sip.lexical import split
from router.sip.message import ParseError, Response, Uri
from router.sip.values import NameAddr

# 305 names a proxy and 380 another service (21.3.4, 21.3.5): neither is a place to call instead.
FOLLOWED = frozenset({300, 301, 302})
CONTACTS_MAX = 8  # the least preferred beyond it are dropped
SCHEMES = frozenset({"sip", "sips", "tel"})


def contacts_of(response: Response, sent_to: str) -> tuple[str, ...]:
    """URIs to call instead, the most preferred first (equals as they came), each once.

    Without: what cannot be read, ``*``, other schemes, and ``sent_to`` itself, which would be a
    loop. Header fields in a URI are cut off: they are not ours to obey (19.1.5).
    """
    if response.status not in FOLLOWED:
        return ()
    ranked: list[tuple[float, Uri]] = []
    tried = _uri(sent_to)
    for value in response.headers.get_all("Contact"):
        for part in _parts(value):
            found = _contact(part)
            if found is not None and found[1] != tried:
                ranked.append(found)
    ranked.sort(key=lambda found: -found[0])
    wanted: list[Uri] = []
    for _, uri in ranked:
        if len(wanted) < CONTACTS_MAX and uri not in wanted:
            wanted.append(uri)
    return tuple(str(uri) for uri in wanted)


def _parts(value: str) -> list[str]:
    try:
        return split(value, ",")
    except ParseError:
        return []


def _contact(part: str) -> tuple[float, Uri] | None:
    try:
        address = NameAddr.parse(part)
        uri, q = address.target(), address.q
    except ParseError:
        return None
    if uri.scheme not in SCHEMES:
        return None
    bare = Uri(uri.scheme, uri.user, uri.password, uri.host, uri.port, uri.params)
    return q, bare


def _uri(text: str) -> Uri | None:
    try:
        return Uri.parse(text)
    except ParseError:
        return None
